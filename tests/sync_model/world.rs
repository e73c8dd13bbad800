//! A service behind a proxy, and clients with adjustable clocks.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use agbcloud::{Client, RetryPolicy};
use agbcloud_server::{Server, test_store};

use crate::{actions::MACHINES, oracle::shifted, proxy::Proxy};

const KEY: &str = "test-key-0123456789";

/// A clock that is off by some milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct OffsetClock(Arc<AtomicI64>);

impl OffsetClock {
    pub(crate) fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn time(&self) -> SystemTime {
        shifted(SystemTime::now(), self.ms())
    }
}

impl agbcloud_server::Clock for OffsetClock {
    fn now(&self) -> SystemTime {
        self.time()
    }
}

impl agbcloud::testing::Clock for OffsetClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn system_time(&self) -> SystemTime {
        self.time()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }
}

pub(crate) struct World {
    pub(crate) proxy: Proxy,
    pub(crate) service: OffsetClock,
    pub(crate) clocks: [OffsetClock; MACHINES],
    /// For each machine, a client that does not retry and one that does.
    pub(crate) clients: [[Client; 2]; MACHINES],
    /// The client of other programs.
    pub(crate) other: Client,
    /// The folder for temporary folders.
    pub(crate) temporary: PathBuf,
    /// The kinds of faults to report. Defaults to all.
    pub(crate) only: Option<String>,
    _server: Server,
}

impl World {
    pub(crate) async fn start() -> Self {
        let proxy = Proxy::start().await;
        let service = OffsetClock::default();
        let builder = test_store::builder().api_key(KEY).public_url(&proxy.url);
        let server = builder
            .clock(Arc::new(service.clone()))
            .start()
            .await
            .unwrap();
        proxy.forward_to(server.local_addr());
        let clocks: [OffsetClock; MACHINES] = Default::default();
        let client = |clock: &OffsetClock, policy| {
            let builder = Client::builder()
                .api_key(KEY)
                .endpoint(&proxy.url)
                .retry(policy);
            builder.clock(clock.clone()).jitter(|| 0.0).build().unwrap()
        };
        let short = Duration::from_millis(1);
        let retries = RetryPolicy::default().backoff(short, short);
        let clients = clocks.each_ref().map(|clock| {
            [
                client(clock, RetryPolicy::never()),
                client(clock, retries.clone()),
            ]
        });
        let memory = PathBuf::from("/dev/shm");
        let temporary = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let other = client(&OffsetClock::default(), RetryPolicy::default());
        Self {
            proxy,
            service,
            clocks,
            clients,
            other,
            temporary,
            only: std::env::var("AGB_MODEL_ONLY").ok(),
            _server: server,
        }
    }
}
