//! Folders while the service throttles.

use std::{
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};

use agbcloud::{Client, testing::Clock};

use crate::support::{KEY, World};

const FILES: u64 = 300;

/// A clock that runs forty times as fast.
struct Hurried(Instant);

impl Clock for Hurried {
    fn now(&self) -> Instant {
        self.0 + self.0.elapsed() * 40
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time / 40))
    }
}

#[tokio::test]
async fn an_upload_of_many_files_finishes_while_most_requests_are_refused() {
    let fault = "status=429,rate=0.6,seed=7,retry-after=0";
    let world = World::with(|builder| builder.fault(fault.parse().unwrap())).await;
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(world.server.url())
        .clock(Hurried(Instant::now()))
        .idle_timeout(Duration::from_secs(3600))
        .build()
        .unwrap();
    let id = client.contexts().get_or_create("one").await.unwrap();
    let here = tempfile::tempdir().unwrap();
    for file in 0..FILES {
        std::fs::write(here.path().join(file.to_string()), file.to_string()).unwrap();
    }
    let files = client.contexts().files(&id.id);
    let report = files.upload_dir(here.path(), "/d").await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.transferred, FILES);
    let budget = client.retry_budget();
    assert_eq!(budget.available(), budget.capacity());
}
