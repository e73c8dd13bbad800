//! A service and a blocking client for the tests.

use std::{sync::mpsc, time::Duration};

use agbcloud::{
    Context,
    blocking::{Client, Files},
};
use agbcloud_server::{Server, ServerBuilder};
use tokio::runtime::Runtime;

/// A service in memory, and a blocking client of it.
pub(crate) struct World {
    pub(crate) client: Client,
    /// Declared before the runtime, so that it is dropped first.
    _server: Server,
    _runtime: Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A service with other settings.
    pub(crate) fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime
            .block_on(settings(Server::builder()).start())
            .unwrap();
        Self {
            client: client(server.url()),
            _server: server,
            _runtime: runtime,
        }
    }

    pub(crate) fn context(&self, name: &str) -> Context {
        let context = self.client.contexts().get_or_create(name).send();
        context.unwrap()
    }

    /// The files of a new context.
    pub(crate) fn files(&self) -> Files {
        self.client.contexts().files(&self.context("files").id)
    }
}

/// A client of the service at this address.
pub(crate) fn client(endpoint: &str) -> Client {
    Client::builder()
        .api_key("test-key")
        .endpoint(endpoint)
        .build()
        .unwrap()
}

/// Returns the result of work that might hang: runs it on another thread and fails after 60 seconds.
pub(crate) fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    // Fails if the work panicked or hangs.
    result.recv_timeout(Duration::from_secs(60)).unwrap()
}
