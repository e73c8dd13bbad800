//! URLs of many small files by one call, with a service that has this extension and with others.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use agbcloud::{Client, Files, RequestTarget};

use super::{tree, world, write};
use crate::support::{
    KEY, World,
    rewriting_proxy::{NO_EXTENSIONS, NO_FILE_URLS, Rewrite, RewritingProxy},
};

/// The requests of a client.
struct Requests {
    /// Of the service.
    proxy: RewritingProxy,
    /// The methods of transfers.
    transfers: Arc<Mutex<Vec<String>>>,
}

impl Requests {
    /// Returns the numbers of requests for URLs and of transfers since the last time.
    fn take(&self) -> [usize; 5] {
        let mut seen = self.proxy.take_operations();
        seen.append(&mut self.transfers.lock().unwrap());
        let names = [
            "GetContextFileUrls",
            "GetContextFileUploadUrl",
            "GetContextFileDownloadUrl",
            "PUT",
            "GET",
        ];
        names.map(|name| seen.iter().filter(|seen| *seen == name).count())
    }
}

/// Returns the files of a context for a client whose requests are counted and rewritten.
async fn counted(
    world: &World,
    requests: Option<Rewrite>,
    responses: Option<Rewrite>,
) -> (Files, Requests) {
    let (id, _) = world.files("one").await;
    let address = world.server.url().replace("http://", "").parse().unwrap();
    let proxy = RewritingProxy::to(address, requests, responses).await;
    let transfers = Arc::<Mutex<Vec<String>>>::default();
    let seen = transfers.clone();
    let builder = Client::builder().api_key(KEY).endpoint(&proxy.url);
    let builder = builder.on_request(move |request| {
        if request.target() == RequestTarget::ObjectStore {
            seen.lock().unwrap().push(request.method().to_owned());
        }
    });
    let files = builder.build().unwrap().contexts().files(&id);
    (files, Requests { proxy, transfers })
}

fn many(folder: &Path, count: usize) {
    for n in 0..count {
        write(
            folder,
            &[(&format!("{:02}/{n:04}", n / 100), &n.to_string())],
        );
    }
}

/// Uploads and downloads a folder of files. Returns the numbers of requests of both.
async fn there_and_back(files: &Files, requests: &Requests, count: usize) -> [[usize; 5]; 2] {
    let (here, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    many(here.path(), count);
    let up = files.upload_dir(here.path(), "/d").plan().await.unwrap();
    requests.take();
    let report = up.run().await.unwrap();
    assert_eq!((report.transferred, report.failed), (count as u64, 0));
    let up = requests.take();
    let down = files.download_dir("/d", back.path()).plan().await.unwrap();
    requests.take();
    let report = down.run().await.unwrap();
    assert_eq!((report.transferred, report.failed), (count as u64, 0));
    assert_eq!(tree(here.path()), tree(back.path()));
    [up, requests.take()]
}

#[tokio::test]
async fn a_thousand_files_take_one_request_each_and_eight_for_their_urls() {
    let world = world().await;
    let (files, requests) = counted(&world, None, None).await;
    let [up, down] = there_and_back(&files, &requests, 1000).await;
    assert_eq!(up, [8, 0, 0, 1000, 0]);
    assert_eq!(down, [8, 0, 0, 0, 1000]);
}

#[tokio::test]
async fn a_service_without_the_extension_is_never_asked_for_it() {
    let world = world().await;
    let (files, requests) = counted(&world, None, Some(NO_EXTENSIONS)).await;
    let [up, down] = there_and_back(&files, &requests, 200).await;
    assert_eq!(up, [0, 200, 0, 200, 0]);
    assert_eq!(down, [0, 0, 200, 0, 200]);
}

/// Replicas of two versions: one announces the extension, and another rejects the call.
#[tokio::test]
async fn a_rejected_call_is_replaced_by_a_call_for_each_file() {
    let world = world().await;
    let (files, requests) = counted(&world, Some(NO_FILE_URLS), None).await;
    let [up, down] = there_and_back(&files, &requests, 400).await;
    let [calls, single, ..] = up;
    // The call of the next batch may be sent before the first is answered.
    assert!((1..=2).contains(&calls), "{up:?}");
    assert_eq!((single, up[3]), (400, 400));
    assert_eq!(down, [0, 0, 400, 0, 400], "the announcements are ignored");
}

#[tokio::test]
async fn urls_that_expire_too_soon_are_requested_again() {
    let world = World::with(|builder| builder.url_ttl(Duration::from_secs(10))).await;
    world.clock.advance(Duration::from_secs(3600));
    let (files, requests) = counted(&world, None, None).await;
    let [up, _] = there_and_back(&files, &requests, 50).await;
    assert_eq!(up, [1, 50, 0, 50, 0]);
}

#[tokio::test]
async fn rejected_urls_are_requested_again() {
    let fault = "expired-urls,op=upload,times=20";
    let world = World::with(|builder| builder.fault(fault.parse().unwrap())).await;
    world.clock.advance(Duration::from_secs(3600));
    let (files, requests) = counted(&world, None, None).await;
    let here = tempfile::tempdir().unwrap();
    many(here.path(), 20);
    let report = files.upload_dir(here.path(), "/d").await.unwrap();
    assert_eq!((report.transferred, report.failed), (20, 0));
    assert_eq!(requests.take(), [1, 20, 0, 40, 0]);
}

#[tokio::test]
async fn one_file_takes_no_call_for_many() {
    let world = world().await;
    let (files, requests) = counted(&world, None, None).await;
    let [up, down] = there_and_back(&files, &requests, 1).await;
    assert_eq!((up, down), ([0, 1, 0, 1, 0], [0, 0, 1, 0, 1]));
}

#[tokio::test]
async fn a_missing_file_fails_for_itself() {
    let world = world().await;
    let (files, requests) = counted(&world, None, None).await;
    let (here, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    many(here.path(), 40);
    files.upload_dir(here.path(), "/d").await.unwrap();
    let plan = files.download_dir("/d", back.path()).plan().await.unwrap();
    for n in (0..40).step_by(2) {
        files.delete(format!("/d/00/{n:04}")).await.unwrap();
    }
    requests.take();
    let report = plan.run().await.unwrap();
    assert_eq!((report.transferred, report.failed), (20, 20));
    assert_eq!(requests.take(), [1, 0, 0, 0, 20]);
    for failure in report.failures {
        let error = failure.error;
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.status(), Some(404));
        assert_eq!(error.code(), Some("InvalidFile.NotFound"));
        let operation = error.operation().unwrap();
        assert_eq!(operation.as_str(), "GetContextFileDownloadUrl");
        let path = format!("/d/{}", failure.path);
        assert_eq!(error.path(), Some(path.as_str()));
        assert!(error.request_id().is_some());
    }
}

#[tokio::test]
async fn urls_of_many_files_are_in_the_order_of_the_paths() {
    let world = world().await;
    let (files, requests) = counted(&world, None, None).await;
    let paths: Vec<_> = (0..600).map(|n| format!("/f{n}")).collect();
    let urls = files.upload_urls(paths.iter().map(String::as_str)).await;
    assert_eq!(urls.len(), 600);
    assert_eq!(
        requests.take(),
        [3, 1, 0, 0, 0],
        "the first call announces the extension"
    );
    for (path, url) in paths.iter().zip(urls) {
        let upload = files.upload(path.as_str(), path.clone().into_bytes());
        upload.presigned_url(url.unwrap()).await.unwrap();
    }
    requests.take();
    let urls = files.download_urls(["/f7", "bad", "/f8", "/missing"]).await;
    assert_eq!(requests.take(), [1, 0, 0, 0, 0]);
    let read = async |at: usize| {
        files
            .read("/f7")
            .presigned_url(urls[at].clone().unwrap())
            .await
    };
    assert_eq!(read(0).await.unwrap(), b"/f7"[..]);
    assert_eq!(read(2).await.unwrap(), b"/f8"[..]);
    let kinds = [1, 3].map(|at: usize| urls[at].as_ref().unwrap_err().kind());
    assert_eq!(
        kinds,
        [
            agbcloud::ErrorKind::InvalidArgument,
            agbcloud::ErrorKind::NotFound
        ]
    );
}
