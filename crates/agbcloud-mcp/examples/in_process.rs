//! Calls tools of the server in one process, against a service that it starts:
//! `cargo run -p agbcloud-mcp --example in_process`.

use std::error::Error;

use agbcloud::Client;
use agbcloud_mcp::{
    McpServer,
    rmcp::{
        ServiceExt,
        model::{CallToolRequestParams, JsonObject},
    },
};
use agbcloud_server::Server;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Server::builder().start().await?;
    let client = Client::builder().api_key("any-key").endpoint(service.url());
    let client = client.build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    let files = client.contexts().files(&context.id);
    files.upload("/notes.txt", "milk\nbread\n").await?;

    let server = McpServer::builder(client).context("my-project");
    let server = server.allow_write(true).build()?;
    let (client_side, server_side) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(server_side);
    let running = tokio::spawn(server.serve(reader, writer));

    let agent = ().serve(client_side).await?;
    for tool in agent.list_all_tools().await? {
        println!("tool {}", tool.name);
    }
    let edit = json!({ "path": "/notes.txt", "old_text": "bread", "new_text": "butter" });
    for (tool, arguments) in [
        ("edit_file", edit),
        ("read_file", json!({ "path": "/notes.txt" })),
    ] {
        let arguments: JsonObject = serde_json::from_value(arguments)?;
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let answer = agent.call_tool(call).await?;
        println!("{tool}: {}", answer.structured_content.unwrap_or_default());
    }
    agent.cancel().await?;
    running.await??;
    Ok(())
}
