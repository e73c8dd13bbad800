//! [`TestConsole`]: a console of a service in memory, and a browser that is signed in.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agbcloud::{Client, ContextId, Files};
use agbcloud_console::Console;
use agbcloud_server::{Server, ServerBuilder};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE},
    redirect::Policy,
};
use tokio::{sync::oneshot, task::JoinHandle};

/// The API key, which no response may contain.
pub(crate) const KEY: &str = "console-test-key";

pub(crate) struct TestConsole {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) links: Arc<Mutex<Vec<String>>>,
    pub(crate) http: reqwest::Client,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
    pub(crate) link: String,
    server: Option<Server>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

/// A response with its body.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// The hidden fields of the forms, without the token.
    pub(crate) fn hidden_fields(&self) -> Vec<(&str, String)> {
        let fields = self.text.split("<input type=\"hidden\" name=\"").skip(1);
        fields
            .map(|field| {
                let (name, rest) = field.split_once("\" value=\"").unwrap();
                let (value, _) = rest.split_once('"').unwrap();
                (name, value.replace("&#34;", "\"").replace("&#38;", "&"))
            })
            .filter(|(name, _)| *name != "csrf")
            .collect()
    }

    #[track_caller]
    pub(crate) fn assert(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(
            self.text.contains(part),
            "{part:?} is missing: {}",
            self.text
        );
    }
}

pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The address of a page about a file.
pub(crate) fn at(id: &ContextId, page: &str, path: &str) -> String {
    let id = encode(id.as_str());
    format!("/contexts/{id}/{page}?path={}", encode(path))
}

/// The boundary of the parts of forms with files.
const BOUNDARY: &str = "b0undary";

/// A part of a form with files. `rest` is the rest of its header.
pub(crate) fn part(name: &str, rest: &str, value: &str) -> String {
    format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{value}\r\n"
    )
}

/// Adds the fields of a form as the body.
pub(crate) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
    let pairs: Vec<_> = fields.iter().map(pair).collect();
    request
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(pairs.join("&"))
}

impl TestConsole {
    pub(crate) async fn start() -> Self {
        let server = Server::builder().clear_delay(Duration::from_millis(300));
        Self::with(server, |_, builder| builder).await
    }

    pub(crate) async fn with(
        server: ServerBuilder,
        change: impl FnOnce(
            &Server,
            agbcloud_console::ConsoleBuilder,
        ) -> agbcloud_console::ConsoleBuilder,
    ) -> Self {
        Self::at(None, server, change).await
    }

    /// A console that reaches the service at this endpoint.
    pub(crate) async fn at(
        endpoint: Option<String>,
        server: ServerBuilder,
        change: impl FnOnce(
            &Server,
            agbcloud_console::ConsoleBuilder,
        ) -> agbcloud_console::ConsoleBuilder,
    ) -> Self {
        let server = server.memory().api_key(KEY).start().await.unwrap();
        let endpoint = endpoint.unwrap_or_else(|| server.url().to_owned());
        let client = Client::builder().api_key(KEY).endpoint(endpoint);
        let client = client.build().unwrap();
        let links = Arc::new(Mutex::new(Vec::new()));
        let received = links.clone();
        let builder = Console::builder(client.clone())
            .on_link(move |link| received.lock().unwrap().push(link.to_owned()));
        let console = change(&server, builder).bind().await.unwrap();
        let link = console.link().unwrap();
        let url = format!("http://{}", console.local_addr());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            console.serve(stopped).await.unwrap();
        });
        let http = reqwest::Client::builder().redirect(Policy::none());
        let mut console = Self {
            url,
            client,
            links,
            http: http.build().unwrap(),
            cookie: String::new(),
            csrf: String::new(),
            link,
            server: Some(server),
            stop,
            served,
        };
        let page = console.http.get(&console.link).send().await.unwrap();
        let cookie = page.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        console.cookie = cookie.split(';').next().unwrap().to_owned();
        let text = console.get("/").await.text;
        let (_, rest) = text.split_once("name=\"csrf\" value=\"").unwrap();
        console.csrf = rest.split('"').next().unwrap().to_owned();
        console
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .header(COOKIE, &self.cookie)
            .header(ORIGIN, &self.url)
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        page(self.request(Method::GET, path)).await
    }

    /// Sends a form with the token.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend_from_slice(fields);
        page(form(self.request(Method::POST, path), &all)).await
    }

    /// Sends a file as the script does.
    pub(crate) async fn upload(&self, id: &ContextId, query: &str, content: &[u8]) -> Page {
        let path = format!("/contexts/{}/content?{query}", encode(id.as_str()));
        let request = self.request(Method::POST, &path).body(content.to_vec());
        page(request.header("x-csrf-token", &self.csrf)).await
    }

    /// Sends the parts of a form with files, after the token.
    pub(crate) async fn upload_form(&self, id: &ContextId, parts: &str) -> Page {
        self.send_form(id, parts.to_owned() + &format!("--{BOUNDARY}--\r\n"))
            .await
    }

    /// Sends parts of a form without its end.
    pub(crate) async fn send_form(&self, id: &ContextId, parts: String) -> Page {
        let path = format!("/contexts/{}/upload", encode(id.as_str()));
        let body = part("csrf", "", &self.csrf) + &parts;
        let request = self.request(Method::POST, &path).body(body);
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        page(request.header(CONTENT_TYPE, content_type)).await
    }

    /// Creates a context through the SDK.
    pub(crate) async fn context(&self, name: &str) -> (ContextId, Files) {
        let context = self.client.contexts().get_or_create(name).await.unwrap();
        let files = self.client.contexts().files(&context.id);
        (context.id, files)
    }

    /// Stops the service, but not the console.
    pub(crate) async fn stop_service(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }

    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(());
        self.served.await.unwrap();
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }
}

pub(crate) async fn page(request: RequestBuilder) -> Page {
    let response: Response = request.send().await.unwrap();
    let page = Page {
        status: response.status(),
        headers: response.headers().clone(),
        text: String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned(),
    };
    assert!(!page.text.contains(KEY), "{}", page.text);
    page
}
