//! A service, a server of the protocol and a client of it.

use std::io;

use agbcloud::{Client, Files};
use agbcloud_mcp::{
    McpServer, McpServerBuilder,
    rmcp::{
        RoleClient, ServiceExt,
        model::{CallToolRequestParams, CallToolResult},
        service::RunningService,
    },
};
use agbcloud_server::{Server, ServerBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The context that most tests use.
pub(crate) const CONTEXT: &str = "project";

pub(crate) struct World {
    pub(crate) client: Client,
    _service: Server,
}

/// A connected client of the protocol.
pub(crate) struct Agent(RunningService<RoleClient, ()>);

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Server::builder()).await
    }

    pub(crate) async fn of(service: ServerBuilder) -> Self {
        let service = service.start().await.unwrap();
        let client = Client::builder().api_key("secret-key-of-the-test");
        let client = client.endpoint(service.url()).dotenv(false).build();
        Self {
            client: client.unwrap(),
            _service: service,
        }
    }

    /// The files of a context, which is created.
    pub(crate) async fn files(&self, context: &str) -> Files {
        let contexts = self.client.contexts();
        let context = contexts.get_or_create(context).await.unwrap();
        contexts.files(&context.id)
    }

    pub(crate) fn server(&self) -> McpServerBuilder {
        McpServer::builder(self.client.clone())
    }

    /// A client of a server that may do everything.
    pub(crate) async fn agent(&self) -> Agent {
        let server = self.server().allow_write(true).allow_destructive(true);
        Agent::of(server).await
    }
}

impl Agent {
    pub(crate) async fn of(server: McpServerBuilder) -> Self {
        Self::start(server).await.0
    }

    /// A client, and the task of its server.
    pub(crate) async fn start(server: McpServerBuilder) -> (Self, JoinHandle<io::Result<()>>) {
        let server = server.build().unwrap();
        let (client_side, server_side) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(server_side);
        let running = tokio::spawn(server.serve(reader, writer));
        (Self(().serve(client_side).await.unwrap()), running)
    }

    pub(crate) fn peer(&self) -> &RunningService<RoleClient, ()> {
        &self.0
    }

    pub(crate) async fn try_call(&self, tool: &str, arguments: Value) -> CallToolResult {
        let call = CallToolRequestParams::new(tool.to_owned());
        let call = call.with_arguments(arguments.as_object().unwrap().clone());
        self.0.call_tool(call).await.unwrap()
    }

    /// Calls a tool that succeeds, and returns its structured content.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.try_call(tool, arguments).await;
        assert_eq!(result.is_error, Some(false), "{tool}: {:?}", result.content);
        let answer = result.structured_content.unwrap();
        let text = &result.content[0].as_text().unwrap().text;
        let from_text: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            from_text, answer,
            "{tool}: the text is the same as the structured content"
        );
        answer
    }

    /// Calls a tool that fails, checks what each failure has, and returns it.
    pub(crate) async fn fail(&self, tool: &str, arguments: Value) -> Value {
        let result = self.try_call(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
        assert_eq!(result.structured_content, None);
        let text = &result.content[0].as_text().unwrap().text;
        assert!(!text.contains("secret-key"), "{text}");
        assert!(!text.contains("ignature="), "{text}");
        let failure: Value = serde_json::from_str(text).unwrap();
        for field in ["kind", "message", "next_step"] {
            assert!(!failure[field].as_str().unwrap().is_empty(), "{text}");
        }
        failure
    }

    /// The kind of a failed call.
    pub(crate) async fn kind(&self, tool: &str, arguments: Value) -> String {
        let failure = self.fail(tool, arguments).await;
        failure["kind"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn tool_names(&self) -> Vec<String> {
        let tools = self.0.list_all_tools().await.unwrap();
        tools.iter().map(|tool| tool.name.to_string()).collect()
    }
}

/// The arguments of a tool for a path in [`CONTEXT`].
pub(crate) fn at(path: &str) -> Value {
    json!({ "context": CONTEXT, "path": path })
}

/// Adds arguments.
pub(crate) fn with(mut arguments: Value, more: Value) -> Value {
    let object = arguments.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    arguments
}
