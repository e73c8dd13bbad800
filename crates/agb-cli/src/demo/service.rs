//! The service that the demo runs against: its own, or the one that was named.

use agbcloud::Client;

use crate::{exit::Failure, say};

/// Where the story takes place.
pub(super) struct Service {
    client: Client,
    #[cfg(feature = "serve")]
    own: Option<Own>,
}

/// A service of our own, gone with the demo.
#[cfg(feature = "serve")]
struct Own {
    server: agbcloud_server::Server,
    clock: agbcloud_server::ManualClock,
    folder: tempfile::TempDir,
}

#[cfg(feature = "serve")]
const OWN_KEY: &str = "demo-key";

impl Service {
    pub(super) async fn new(endpoint: Option<String>) -> Result<Self, Failure> {
        match endpoint {
            Some(endpoint) => Self::named(endpoint),
            None => Self::start().await,
        }
    }

    fn named(endpoint: String) -> Result<Self, Failure> {
        Ok(Self {
            client: Client::builder().endpoint(endpoint).build()?,
            #[cfg(feature = "serve")]
            own: None,
        })
    }

    #[cfg(feature = "serve")]
    async fn start() -> Result<Self, Failure> {
        let cannot = |error| Failure::other("can't make a temporary folder", error);
        let folder = tempfile::Builder::new()
            .prefix("agb-demo-")
            .tempdir()
            .map_err(cannot)?;
        let clock = agbcloud_server::ManualClock::starting_now();
        let server = agbcloud_server::Server::builder()
            .data_dir(folder.path())
            .api_key(OWN_KEY)
            .clock(std::sync::Arc::new(clock.clone()))
            // Long enough that there is something to watch.
            .clear_delay(std::time::Duration::from_millis(1500))
            .start()
            .await
            .map_err(|error| Failure::other("can't start a service", error))?;
        let client = Client::builder()
            .api_key(OWN_KEY)
            .endpoint(server.url())
            .build()?;
        Ok(Self {
            client,
            own: Some(Own {
                server,
                clock,
                folder,
            }),
        })
    }

    #[cfg(not(feature = "serve"))]
    async fn start() -> Result<Self, Failure> {
        Err(Failure::new(
            "this agb was built without a service: name one with --endpoint URL",
        ))
    }

    pub(super) fn introduce(&self) {
        #[cfg(feature = "serve")]
        if let Some(own) = &self.own {
            say::story(format_args!(
                "service of our own at {}, data in {}",
                own.server.url(),
                own.folder.path().display()
            ));
            return;
        }
        say::story(format_args!("service at {}", self.client.endpoint()));
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Lets all presigned URLs of now expire; false where the clock is not ours to set.
    pub(super) fn let_urls_expire(&self) -> bool {
        #[cfg(feature = "serve")]
        if let Some(own) = &self.own {
            own.clock.advance(std::time::Duration::from_secs(2 * 3600));
            return true;
        }
        false
    }

    /// Whether nobody else makes contexts here.
    pub(super) fn is_own(&self) -> bool {
        #[cfg(feature = "serve")]
        return self.own.is_some();
        #[cfg(not(feature = "serve"))]
        return false;
    }

    pub(super) async fn stop(self) {
        #[cfg(feature = "serve")]
        if let Some(own) = self.own {
            own.server.shutdown().await;
        }
    }
}
