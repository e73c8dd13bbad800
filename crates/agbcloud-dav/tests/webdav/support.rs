//! A service, a share of one of its contexts, and clients.

use std::time::Duration;

use agbcloud::{Client, ClientBuilder, Files, RetryPolicy};
use agbcloud_dav::{DavServer, DavServerBuilder};
use agbcloud_server::{Server, ServerBuilder};
use reqwest::{Method, RequestBuilder, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A writable share of an empty context.
pub(crate) struct Share {
    pub(crate) files: Files,
    pub(crate) server: DavServer,
    pub(crate) service: Server,
    client: reqwest::Client,
}

impl Share {
    pub(crate) async fn new() -> Self {
        Self::of(Server::builder().memory(), |share| share.write(true)).await
    }

    pub(crate) async fn of(
        service: ServerBuilder,
        options: impl FnOnce(DavServerBuilder) -> DavServerBuilder,
    ) -> Self {
        Self::with_client(service, options, |client| client).await
    }

    /// A share whose client of the service has further settings.
    pub(crate) async fn with_client(
        service: ServerBuilder,
        options: impl FnOnce(DavServerBuilder) -> DavServerBuilder,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let service = service.start().await.unwrap();
        let client = Client::builder()
            .api_key("any")
            .endpoint(service.url())
            .retry(RetryPolicy::never());
        let client = settings(client).build().unwrap();
        let context = client.contexts().get_or_create("share").await.unwrap();
        let files = client.contexts().files(&context.id);
        let builder = DavServer::builder(files.clone()).listen(([127, 0, 0, 1], 0).into());
        Self {
            files,
            server: options(builder).start().await.unwrap(),
            service,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}", self.server.url().trim_end_matches('/'), path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, self.url(path))
    }

    /// Sends a request without a body.
    pub(crate) async fn send(&self, method: &str, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    /// Sends a request without a body, and returns the status.
    pub(crate) async fn status(&self, method: &str, path: &str) -> u16 {
        self.send(method, path).await.status().as_u16()
    }

    pub(crate) async fn put(&self, path: &str, content: &str) -> Response {
        let request = self.request("PUT", path).body(content.to_owned());
        request.send().await.unwrap()
    }

    /// Sends COPY or MOVE.
    pub(crate) async fn transfer(&self, method: &str, from: &str, to: &str) -> u16 {
        let request = self
            .request(method, from)
            .header("destination", self.url(to));
        request.send().await.unwrap().status().as_u16()
    }

    /// Locks a path, and returns the token in its angle brackets.
    pub(crate) async fn lock(&self, path: &str, depth: &str) -> String {
        let body = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
        let request = self.request("LOCK", path).header("depth", depth);
        let locked = request.body(body).send().await.unwrap();
        assert!(locked.status().is_success(), "{}", locked.status());
        locked.headers()["lock-token"].to_str().unwrap().to_owned()
    }

    /// Sends bytes, and closes the connection before the response.
    pub(crate) async fn send_and_close(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        // The server has received the request before the connection ends.
        pause(Duration::from_millis(300)).await;
        drop(stream);
    }

    /// Waits until the context contains a file, or contains none.
    pub(crate) async fn wait_until(&self, path: &str, stored: bool) {
        for _ in 0..100 {
            if self.stores(path).await == stored {
                return;
            }
            pause(Duration::from_millis(100)).await;
        }
        panic!("{path}: expected stored to be {stored}");
    }

    /// The body of a listing.
    pub(crate) async fn list(&self, path: &str) -> String {
        let request = self.request("PROPFIND", path).header("depth", "1");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 207, "{path}");
        response.text().await.unwrap()
    }

    /// The paths of a listing, as URLs, in order.
    pub(crate) async fn paths(&self, path: &str) -> Vec<String> {
        let body = self.list(path).await;
        let hrefs = body.split("<D:href>").skip(1);
        let mut paths: Vec<String> = hrefs
            .map(|rest| rest.split("</D:href>").next().unwrap().to_owned())
            .collect();
        paths.sort();
        paths
    }

    pub(crate) async fn content(&self, path: &str) -> String {
        let content = self.files.read(path).await.unwrap();
        String::from_utf8(content.into()).unwrap()
    }

    /// Whether the context contains a file.
    pub(crate) async fn stores(&self, path: &str) -> bool {
        match self.files.read(path).await {
            Ok(_) => true,
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                false
            }
        }
    }

    /// Sends bytes over a connection of its own, and returns what the server answers before it closes it.
    pub(crate) async fn send_raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the response is no error.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn shutdown(self) {
        self.server.shutdown().await;
        self.service.shutdown().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server runs in real time, without a signal that an operation has ended"
)]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
