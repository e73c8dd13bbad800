//! Large downloads that a later process continues.

use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agbcloud::{Client, ErrorKind, Files, PartialDownload, RequestTarget};
use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::faults::content;
use crate::support::{KEY, World};

const PART: u64 = 16 * 1024 * 1024;
/// Six parts.
const SIZE: u64 = 5 * PART + 3;
/// Four parts are downloaded at a time. So the first is complete when this many were requested.
const ENOUGH: usize = 5;

/// A large file, and a folder to download it to.
struct Setting {
    world: World,
    whole: Vec<u8>,
    folder: TempDir,
    /// Number of requests to the object store.
    requests: Arc<AtomicUsize>,
    enough: Arc<Notify>,
}

impl Setting {
    async fn new() -> Self {
        let world = World::new().await;
        let whole = content(usize::try_from(SIZE).unwrap());
        let (_, files) = world.files("continued").await;
        files.upload("/big", whole.clone()).await.unwrap();
        Self {
            world,
            whole,
            folder: tempfile::tempdir().unwrap(),
            requests: Arc::default(),
            enough: Arc::default(),
        }
    }

    fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("files/big")
    }

    /// The files for a new client, as in a new process.
    async fn files(&self) -> Files {
        let (requests, enough) = (self.requests.clone(), self.enough.clone());
        let client = Client::builder()
            .api_key(KEY)
            .endpoint(self.world.server.url())
            .partial_downloads(self.records())
            .on_request(move |request| {
                if request.target() == RequestTarget::ObjectStore
                    && requests.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH
                {
                    enough.notify_one();
                }
            })
            .build()
            .unwrap();
        let id = client
            .contexts()
            .get_or_create("continued")
            .await
            .unwrap()
            .id;
        fs::create_dir_all(self.target().parent().unwrap()).unwrap();
        client.contexts().files(id)
    }

    /// Starts a download, and drops it in the middle.
    async fn interrupt(&self) {
        let files = self.files().await;
        let download = files.download("/big", self.target()).send();
        drop(self.until_the_middle(download).await);
        assert!(!self.target().exists());
        // Writes that were started go on for a moment.
        while self.partial().is_running() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn until_the_middle<F: Future<Output: Debug>>(&self, download: F) -> Pin<Box<F>> {
        self.requests.store(0, Ordering::Relaxed);
        // A complete download has notified, too.
        let _ = self.enough.notified().now_or_never();
        let mut download = Box::pin(download);
        tokio::select! {
            biased;
            () = self.enough.notified() => download,
            result = &mut download => panic!("complete: {result:?}"),
        }
    }

    fn partial(&self) -> PartialDownload {
        let mut list = PartialDownload::list(self.records()).unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        list.remove(0)
    }

    /// Downloads the file and returns the number of requests to the object store.
    async fn finish(&self, expected: &[u8]) -> usize {
        self.requests.store(0, Ordering::Relaxed);
        let files = self.files().await;
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = reports.clone();
        let download = files.download("/big", self.target());
        let download = download.on_progress(move |progress| sink.lock().unwrap().push(progress));
        let downloaded = download.await.unwrap();
        assert_eq!(downloaded.bytes, expected.len() as u64);
        let reports: Vec<u64> = reports
            .lock()
            .unwrap()
            .iter()
            .map(|report| report.bytes)
            .collect();
        assert_eq!(reports.last(), Some(&SIZE), "with what was received before");
        assert!(reports.is_sorted());
        assert!(fs::read(self.target()).unwrap() == expected);
        assert_eq!(names(self.target().parent().unwrap()), ["big"]);
        assert!(PartialDownload::list(self.records()).unwrap().is_empty());
        self.requests.load(Ordering::Relaxed)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_later_process_continues_inside_the_file() {
    let setting = Setting::new().await;
    setting.interrupt().await;
    let partial = setting.partial();
    assert_eq!(partial.path().as_str(), "/big");
    assert_eq!(partial.target(), setting.target());
    assert_eq!(partial.size(), SIZE);
    assert!(!partial.is_running());
    let received = partial.received();
    assert!((PART..SIZE).contains(&received), "{received}");
    let parts = usize::try_from(received / PART).unwrap();

    // One more range: the first request learns the version of the file.
    let requested = setting.finish(&setting.whole).await;
    assert!(
        (6 - parts..=7 - parts).contains(&requested),
        "{requested} of {parts}"
    );
}

#[tokio::test]
async fn a_changed_file_starts_again() {
    let setting = Setting::new().await;
    setting.interrupt().await;
    let (_, files) = setting.world.files("continued").await;
    let mut changed = setting.whole.clone();
    changed[5] ^= 1;
    files.upload("/big", changed.clone()).await.unwrap();
    assert_eq!(setting.finish(&changed).await, 6);
}

#[tokio::test]
async fn a_file_that_became_small_leaves_nothing_of_the_large_one() {
    let setting = Setting::new().await;
    setting.interrupt().await;
    let (_, files) = setting.world.files("continued").await;
    files.upload("/big", b"small".to_vec()).await.unwrap();
    let files = setting.files().await;
    files.download("/big", setting.target()).await.unwrap();
    assert_eq!(fs::read(setting.target()).unwrap(), b"small");
    assert_eq!(names(setting.target().parent().unwrap()), ["big"]);
    assert!(PartialDownload::list(setting.records()).unwrap().is_empty());
}

#[tokio::test]
async fn damaged_content_and_records_are_not_used() {
    type Damage = fn(&Setting, &Path);
    let kept = |setting: &Setting| {
        let folder = setting.target().parent().unwrap().to_owned();
        let names = names(&folder);
        assert_eq!(names.len(), 1, "{names:?}");
        folder.join(&names[0])
    };
    let damages: [Damage; 6] = [
        |_, kept| {
            let mut bytes = fs::read(kept).unwrap();
            bytes[7] ^= 1;
            fs::write(kept, bytes).unwrap();
        },
        |_, kept| {
            fs::File::options()
                .write(true)
                .open(kept)
                .unwrap()
                .set_len(5)
                .unwrap()
        },
        |_, kept| fs::remove_file(kept).unwrap(),
        |setting, _| fs::remove_dir_all(setting.records()).unwrap(),
        |setting, _| append(setting, b"4 0000000"),
        |setting, _| append(setting, b"4 0000000000000000\n99999999999 1\n\xff\xfe"),
    ];
    let setting = Setting::new().await;
    for (number, damage) in damages.into_iter().enumerate() {
        println!("damage {number}");
        setting.interrupt().await;
        damage(&setting, &kept(&setting));
        setting.finish(&setting.whole).await;
        fs::remove_file(setting.target()).unwrap();
    }
}

fn append(setting: &Setting, bytes: &[u8]) {
    use std::io::Write;

    let record = fs::read_dir(setting.records())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file = fs::File::options().append(true).open(record.path());
    file.unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_download_in_progress_is_neither_shared_nor_deleted() {
    let setting = Setting::new().await;
    let files = setting.files().await;
    let first = files.download("/big", setting.target()).send();
    let first = setting.until_the_middle(first).await;
    let partial = setting.partial();
    assert!(partial.is_running());
    let error = partial.discard().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    // The second one has a temporary file of its own.
    let other = setting.files().await;
    other.download("/big", setting.target()).await.unwrap();
    assert!(fs::read(setting.target()).unwrap() == setting.whole);
    let error = first.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "the target exists now");

    let partial = setting.partial();
    assert!(!partial.is_running());
    partial.discard().unwrap();
    assert_eq!(names(setting.target().parent().unwrap()), ["big"]);
    assert!(PartialDownload::list(setting.records()).unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_that_is_downloaded_again_continues_inside_its_files() {
    let setting = Setting::new().await;
    setting.interrupt().await;
    let files = setting.files().await;
    let folder = setting.target().parent().unwrap().to_owned();
    let report = files.upload_dir(&folder, "/copy").await.unwrap();
    assert_eq!(
        report.transferred, 0,
        "hidden files are not uploaded: {report:?}"
    );
    setting.requests.store(0, Ordering::Relaxed);
    let report = files.download_dir("/", &folder).delete(true).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert!(fs::read(setting.target()).unwrap() == setting.whole);
    assert_eq!(names(&folder), ["big"]);
    assert!(setting.requests.load(Ordering::Relaxed) <= 6);
    assert!(PartialDownload::list(setting.records()).unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_of_records_that_cannot_be_written_is_no_failure() {
    let setting = Setting::new().await;
    fs::write(setting.records(), "a file").unwrap();
    let files = setting.files().await;
    files.download("/big", setting.target()).await.unwrap();
    assert!(fs::read(setting.target()).unwrap() == setting.whole);
    assert!(PartialDownload::list(setting.records()).is_err());
}
