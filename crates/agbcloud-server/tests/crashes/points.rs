//! The process ends at a crash point: afterwards the store is in the old or the new state, never in a mixture, and the collector
//! leaves no garbage.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use agbcloud_server::{FsckMode, crash, fsck, test_store};

use crate::client::{Client, KEY, start_with};
use crate::{FORKS, blobs, large, wait_for};

const FOLDER: &str = "AGB_TEST_CRASH_FOLDER";

/// Runs the service of the other tests in a process of its own. Does nothing without their environment variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_that_crashes() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let server = test_store::builder_in(folder).start().await.unwrap();
    println!("\nready {}", server.url());
    let arm = || {
        for line in std::io::stdin().lines() {
            crash::arm(&line.unwrap());
            println!("\narmed");
        }
    };
    tokio::task::spawn_blocking(arm).await.unwrap();
}

/// The process of the service.
struct Service {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    client: Client,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["points::the_service_that_crashes", "--exact", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let url = line(&mut output, "ready ");
        let client = Client::new(&url, KEY);
        Self {
            child,
            input,
            output,
            client,
        }
    }

    fn arm(&mut self, point: &str) {
        writeln!(self.input, "{point}").unwrap();
        line(&mut self.output, "armed");
    }

    /// Waits until the process has crashed.
    fn crashed(mut self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(
                    !status.success(),
                    "{what}: the process ended without a crash"
                );
                return;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("{what}: the crash point is not reached");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn line(output: &mut impl BufRead, start: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "it ended");
        if let Some(rest) = line.trim_end().strip_prefix(start) {
            return rest.to_owned();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    PutSmall,
    PutLarge,
    GrowSmall,
    ShrinkLarge,
    DeleteSmall,
    DeleteLarge,
    Create,
    Rename,
    Clear,
    DeleteContext,
}

use Operation::*;

const PUTS: [Operation; 4] = [PutSmall, PutLarge, GrowSmall, ShrinkLarge];
const COMMITS: [Operation; 10] = [
    PutSmall,
    PutLarge,
    GrowSmall,
    ShrinkLarge,
    DeleteSmall,
    DeleteLarge,
    Create,
    Rename,
    Clear,
    DeleteContext,
];

/// The state after a crash.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    Old,
    New,
}

/// The operations that reach a crash point, and the state after a crash there.
fn operations_at(point: &str) -> (&'static [Operation], Left) {
    match point {
        "upload-before-first-byte" | "upload-before-blob" | "upload-after-blob" => {
            (&PUTS, Left::Old)
        }
        "put-before-row" | "put-after-row" => (&PUTS, Left::Old),
        "put-before-count" => (&[PutSmall, PutLarge], Left::Old),
        "upload-after-publish" => (&PUTS, Left::New),
        "delete-before-count" | "delete-after-row" => (&[DeleteSmall, DeleteLarge], Left::Old),
        "create-after-row" => (&[Create], Left::Old),
        "rename-after-row" => (&[Rename], Left::Old),
        "clear-before-doom" | "clear-after-row" => (&[Clear], Left::Old),
        "delete-context-after-row" => (&[DeleteContext], Left::Old),
        "commit-before" => (&COMMITS, Left::Old),
        "commit-after" => (&COMMITS, Left::New),
        "collect-after-rows" => (&[Clear, DeleteContext], Left::New),
        "collect-between-blobs" | "collect-before-forgetting" => {
            (&[ShrinkLarge, DeleteLarge, Clear, DeleteContext], Left::New)
        }
        "collect-before-finish" => (&[Clear], Left::New),
        other => panic!("no test for the crash point {other}"),
    }
}

/// Contexts by name, and their files by path.
type World = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

async fn fill(client: &Client) {
    for name in ["c", "kept"] {
        let id = client.create(name).await;
        client.upload(&id, "/small", "old").await;
        client.upload(&id, "/a/large", large(b'o')).await;
        client.upload(&id, "/a/second", large(b's')).await;
    }
}

async fn world(client: &Client) -> World {
    let contexts = client.ok("ListContexts", &[("maxResults", "100")]).await;
    let mut world = World::new();
    for context in contexts["data"].as_array().unwrap() {
        let id = context["id"].as_str().unwrap();
        let mut files = BTreeMap::new();
        let mut folders = vec!["/".to_owned()];
        while let Some(folder) = folders.pop() {
            let (entries, count) = client.list(id, &folder).await;
            assert_eq!(entries.len() as i64, count);
            for (path, kind, size) in entries {
                if kind == "folder" {
                    folders.push(path);
                    continue;
                }
                let bytes = client.download(id, &path).await;
                assert_eq!(bytes.len() as i64, size);
                files.insert(path, bytes);
            }
        }
        world.insert(context["name"].as_str().unwrap().to_owned(), files);
    }
    world
}

impl Operation {
    /// Applies the operation to the expected contexts.
    fn apply(self, world: &mut World) {
        let mut files = world.remove("c").unwrap();
        match self {
            PutSmall => drop(files.insert("/new/f".into(), b"new".to_vec())),
            PutLarge => drop(files.insert("/new/f".into(), large(b'n'))),
            GrowSmall => drop(files.insert("/small".into(), large(b'n'))),
            ShrinkLarge => drop(files.insert("/a/large".into(), b"new".to_vec())),
            DeleteSmall => drop(files.remove("/small")),
            DeleteLarge => drop(files.remove("/a/large")),
            Clear => files.clear(),
            Create => drop(world.insert("new".into(), BTreeMap::new())),
            Rename => {
                world.insert("renamed".into(), files);
                return;
            }
            DeleteContext => return,
        }
        world.insert("c".into(), files);
    }

    /// The URL that the operation needs.
    async fn url(self, client: &Client, id: &str) -> String {
        match self {
            PutSmall | PutLarge => client.upload_url(id, "/new/f").await,
            GrowSmall => client.upload_url(id, "/small").await,
            ShrinkLarge => client.upload_url(id, "/a/large").await,
            _ => String::new(),
        }
    }

    /// Sends the request, and ignores the response.
    async fn attempt(self, client: &Client, id: &str, url: &str) {
        let request = match self {
            PutSmall | ShrinkLarge => client.http.put(url).body("new"),
            PutLarge | GrowSmall => client.http.put(url).body(large(b'n')),
            _ => {
                let (method, call) = match self {
                    DeleteSmall => (
                        "POST",
                        format!("DeleteContextFile?contextId={id}&filePath=/small"),
                    ),
                    DeleteLarge => (
                        "POST",
                        format!("DeleteContextFile?contextId={id}&filePath=/a/large"),
                    ),
                    Create => ("GET", "GetContext?name=new&allowCreate=true".to_owned()),
                    Rename => ("POST", format!("ModifyContext?id={id}&name=renamed")),
                    Clear => ("POST", format!("ClearContext?id={id}")),
                    _ => ("POST", format!("DeleteContext?id={id}")),
                };
                let request = client.request(&method.parse().unwrap(), &format!("/sdk/{call}"));
                request.bearer_auth(&client.key)
            }
        };
        drop(request.send().await);
    }
}

async fn crash_at(point: &str, operation: Operation, left: Left) {
    let what = format!("{operation:?} at {point}");
    let folder = tempfile::tempdir().unwrap();
    let mut service = {
        let _alone = FORKS.write().await;
        Service::start(folder.path())
    };
    fill(&service.client).await;
    let mut expected = world(&service.client).await;
    let id = service.client.create("c").await;
    let url = operation.url(&service.client, &id).await;
    service.arm(point);
    operation.attempt(&service.client, &id, &url).await;
    service.crashed(&what);
    let _no_forks = FORKS.read().await;

    if left == Left::New {
        operation.apply(&mut expected);
    }
    let mut builder = test_store::builder_in(folder.path());
    if test_store::is_sqlite() {
        let damaged = fsck(folder.path(), FsckMode::Check).unwrap();
        assert!(!damaged.is_damaged(), "{what}: {damaged:?}");
    } else {
        // Deletes unfinished uploads when their leases expire.
        builder = builder.quarantine(Duration::ZERO);
    }
    let (server, client) = start_with(builder).await;
    let found = world(&client).await;
    assert!(found == expected, "{what}");
    let contents = expected.values().flat_map(BTreeMap::values);
    let kept = contents.filter(|bytes| bytes.len() > 32 * 1024).count();
    wait_for(|| blobs(folder.path()) == kept).await;
    for name in expected.keys() {
        client.wait_available(&client.create(name).await).await;
    }
    // A retry succeeds.
    let (id, again) = (client.create("again").await, large(b'a'));
    client.upload(&id, "/f", again.clone()).await;
    assert_eq!(client.download(&id, "/f").await, again);
    server.shutdown().await;
    if test_store::is_sqlite() {
        let report = fsck(folder.path(), FsckMode::Check).unwrap();
        assert!(report.is_clean(), "{what}: {report:?}");
    }
}

/// Tests the crash points with a prefix. Each group is a test, so that the groups run concurrently.
async fn crash_at_all(start: &str) {
    let points: Vec<_> = crash::POINTS
        .iter()
        .filter(|point| point.starts_with(start))
        .collect();
    assert!(!points.is_empty());
    for point in points {
        let (operations, left) = operations_at(point);
        for operation in operations {
            crash_at(point, *operation, left).await;
        }
    }
}

#[tokio::test]
async fn a_crash_during_an_upload_leaves_the_old_or_the_new_file() {
    crash_at_all("upload-").await;
}

#[tokio::test]
async fn a_crash_before_the_commit_of_an_upload_leaves_the_old_file() {
    crash_at_all("put-").await;
}

#[tokio::test]
async fn a_crash_during_a_deletion_or_clear_deletes_nothing() {
    crash_at_all("delete-").await;
    crash_at_all("clear-").await;
}

#[tokio::test]
async fn a_crash_during_a_creation_or_renaming_changes_nothing() {
    crash_at_all("create-").await;
    crash_at_all("rename-").await;
}

#[tokio::test]
async fn a_crash_around_a_commit_leaves_the_old_or_the_new_state() {
    crash_at_all("commit-").await;
}

#[tokio::test]
async fn a_crash_during_a_collection_leaves_no_garbage() {
    crash_at_all("collect-").await;
}

#[test]
fn every_point_belongs_to_a_test() {
    let groups = [
        "upload-", "put-", "delete-", "clear-", "create-", "rename-", "commit-", "collect-",
    ];
    // Those of copies are tested with the copies.
    for point in crash::POINTS
        .iter()
        .filter(|point| !point.starts_with("copy-"))
    {
        assert!(
            groups.iter().any(|group| point.starts_with(group)),
            "{point}"
        );
        operations_at(point);
    }
}
