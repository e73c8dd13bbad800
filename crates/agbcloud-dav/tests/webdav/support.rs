//! A service, a share of one of its contexts, and clients.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use agbcloud::{Client, ClientBuilder, Files, RetryPolicy};
use agbcloud_dav::{DavServer, DavServerBuilder};
use agbcloud_server::{Server, ServerBuilder};
use reqwest::{Method, RequestBuilder, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

type Action = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Something that happens when the share sends an upload. Requires a runtime with several threads.
#[derive(Clone, Default)]
pub(crate) struct Hook(Arc<Mutex<Option<(usize, Action)>>>);

impl Hook {
    /// Runs an action before the upload with this number is sent, counted from now on.
    pub(crate) fn at_upload(
        &self,
        number: usize,
        action: impl FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static,
    ) {
        *self.0.lock().unwrap() = Some((number, Box::new(action)));
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }

    fn before_upload(&self, runtime: &tokio::runtime::Handle) {
        let action = {
            let mut armed = self.0.lock().unwrap();
            if let Some((number, _)) = &mut *armed {
                *number -= 1;
            }
            armed.take_if(|(number, _)| *number == 0)
        };
        if let Some((_, action)) = action {
            // The tasks of this thread continue on another one.
            tokio::task::block_in_place(|| runtime.block_on(action()));
        }
    }
}

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

    /// A share that runs a hook.
    pub(crate) async fn with_hook(hook: Hook) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let settings = move |client: ClientBuilder| {
            client.on_request(move |request| {
                if request.method() == "PUT" {
                    hook.before_upload(&runtime);
                }
            })
        };
        let service = Server::builder().memory();
        Self::with_client(service, |share| share.write(true), settings).await
    }

    /// The files of the context, for a client without hooks.
    pub(crate) async fn other_client(&self) -> Files {
        let client = Client::builder()
            .api_key("any")
            .endpoint(self.service.url())
            .build()
            .unwrap();
        let id = self.files.context_id().unwrap().clone();
        client.contexts().files(id)
    }

    /// Starts the server of the share again, which forgets what it had in memory.
    pub(crate) async fn restart(&mut self) {
        let server = DavServer::builder(self.files.clone())
            .listen(([127, 0, 0, 1], 0).into())
            .write(true)
            .start()
            .await
            .unwrap();
        std::mem::replace(&mut self.server, server).shutdown().await;
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

/// A proxy in front of a service, which loses the response to an upload.
#[derive(Clone, Default)]
pub(crate) struct LossyProxy(Arc<Mutex<Option<Action>>>);

impl LossyProxy {
    /// Loses the next response to an upload, after the service has executed it, and runs an action.
    pub(crate) fn lose_response(
        &self,
        then: impl FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static,
    ) {
        *self.0.lock().unwrap() = Some(Box::new(then));
    }

    pub(crate) fn has_lost(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }

    /// Forwards connections to an address.
    pub(crate) async fn run(self, listener: TcpListener, service: std::net::SocketAddr) {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(service).await.unwrap();
            let proxy = self.clone();
            // A connection that ends early is one that the test expects.
            tokio::spawn(async move { proxy.forward(client, server).await.ok() });
        }
    }

    async fn forward(&self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let (mut sent, mut received) = (vec![0; 65536], vec![0; 65536]);
        let mut uploads = false;
        loop {
            tokio::select! {
                count = client.read(&mut sent) => {
                    let bytes = &sent[..count?];
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    // Of the current request: connections are used again.
                    uploads |= bytes.starts_with(b"PUT ");
                    uploads &= !bytes.starts_with(b"GET ");
                    server.write_all(bytes).await?;
                }
                count = server.read(&mut received) => {
                    let bytes = &received[..count?];
                    let then = match uploads {
                        true => self.0.lock().unwrap().take(),
                        false => None,
                    };
                    if let Some(then) = then {
                        then().await;
                        return Ok(());
                    }
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}
