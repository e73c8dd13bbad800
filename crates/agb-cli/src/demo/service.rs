//! [`DemoService`]: the service of the demo, local or remote.

use agbcloud::Client;

use crate::{failure::Failure, output};

pub(super) struct DemoService {
    client: Client,
    #[cfg(feature = "serve")]
    local: Option<LocalService>,
}

/// A temporary service.
#[cfg(feature = "serve")]
struct LocalService {
    server: agbcloud_server::Server,
    clock: agbcloud_server::ManualClock,
    folder: tempfile::TempDir,
}

#[cfg(feature = "serve")]
const LOCAL_KEY: &str = "demo-key";

impl DemoService {
    pub(super) async fn new(endpoint: Option<String>) -> Result<Self, Failure> {
        match endpoint {
            Some(endpoint) => Self::remote(endpoint),
            None => Self::start().await,
        }
    }

    fn remote(endpoint: String) -> Result<Self, Failure> {
        Ok(Self {
            client: Client::builder().endpoint(endpoint).build()?,
            #[cfg(feature = "serve")]
            local: None,
        })
    }

    #[cfg(feature = "serve")]
    async fn start() -> Result<Self, Failure> {
        let folder = crate::private_folder::private_folder("agb-demo-")?;
        let clock = agbcloud_server::ManualClock::starting_now();
        let server = agbcloud_server::Server::builder()
            .data_dir(folder.path())
            .api_key(LOCAL_KEY)
            .clock(std::sync::Arc::new(clock.clone()))
            // Long enough for the demo to show the states.
            .clear_delay(std::time::Duration::from_millis(1500))
            .start()
            .await
            .map_err(|error| Failure::with_cause("can't start a service", error))?;
        let client = Client::builder()
            .api_key(LOCAL_KEY)
            .endpoint(server.url())
            .build()?;
        Ok(Self {
            client,
            local: Some(LocalService {
                server,
                clock,
                folder,
            }),
        })
    }

    #[cfg(not(feature = "serve"))]
    async fn start() -> Result<Self, Failure> {
        Err(Failure::new("this agb is built without a service")
            .with_hint("pass --endpoint URL to use another one"))
    }

    pub(super) fn introduce(&self) {
        #[cfg(feature = "serve")]
        if let Some(local) = &self.local {
            output::print_line_best_effort(format_args!(
                "temporary service at {}, data in {}",
                local.server.url(),
                local.folder.path().display()
            ));
            return;
        }
        output::print_line_best_effort(format_args!("service at {}", self.client.endpoint()));
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes all presigned URLs expire. Returns false for a remote service, whose clock can't be set.
    pub(super) fn expire_urls(&self) -> bool {
        #[cfg(feature = "serve")]
        if let Some(local) = &self.local {
            local
                .clock
                .advance(std::time::Duration::from_secs(2 * 3600));
            return true;
        }
        false
    }

    pub(super) fn is_local(&self) -> bool {
        #[cfg(feature = "serve")]
        return self.local.is_some();
        #[cfg(not(feature = "serve"))]
        return false;
    }

    pub(super) async fn stop(self) {
        #[cfg(feature = "serve")]
        if let Some(local) = self.local {
            local.server.shutdown().await;
        }
    }
}
