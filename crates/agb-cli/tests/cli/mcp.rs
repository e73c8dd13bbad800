//! `agb mcp`: both transports, its token and its failures.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{support::signal, test_env::TestEnv};

const TOKEN: &str = "a-token-from-the-environment";

fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    })
}

#[test]
fn an_agent_speaks_over_stdin_and_stdout() {
    let env = TestEnv::new();
    env.print(&["new", "project"]);
    env.print(&["put", "project/a.txt", "project:/"]);
    let mut command = env.command(&["mcp", "--context", "project"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |message: Value| {
        writeln!(stdin, "{message}").unwrap();
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let info = ask(initialize());
    assert_eq!(info["result"]["serverInfo"]["name"], "agb");
    let instructions = info["result"]["instructions"].as_str().unwrap();
    assert!(instructions.contains("\"project\""), "{instructions}");
    let tools = ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 6);
    let read = ask(json!({
        "jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"name": "read_file", "arguments": {"path": "/a.txt"}},
    }));
    assert_eq!(read["result"]["structuredContent"]["content"], "hello");
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(lines.next().is_none());
}

#[test]
fn a_signal_ends_the_server() {
    let env = TestEnv::new();
    for arguments in [&["mcp"][..], &["mcp", "--listen", "0"]] {
        let mut command = env.command(arguments);
        command.env("AGB_MCP_TOKEN", TOKEN);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        if arguments.len() == 1 {
            writeln!(child.stdin.as_mut().unwrap(), "{}", initialize()).unwrap();
        }
        stdout.read_line(&mut line).unwrap();
        signal("TERM", child.id());
        assert!(child.wait().unwrap().success(), "{arguments:?}: {line}");
    }
}

/// A server over HTTP, and the line on stdout.
fn listen(mut command: Command) -> (Child, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on http://").unwrap();
    let address = url.strip_suffix("/mcp").unwrap().to_owned();
    (child, address)
}

/// Sends a handshake and returns the first line of the response.
fn status(address: &str, token: &str) -> String {
    let body = initialize().to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn end(mut child: Child) -> String {
    signal("INT", child.id());
    assert!(child.wait().unwrap().success());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    stderr
}

#[test]
fn a_generated_token_is_printed_and_required() {
    let env = TestEnv::new();
    let (mut child, address) = listen(env.command(&["mcp", "--listen", "127.0.0.1:0"]));
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let token = line.trim().strip_prefix("token ").unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(status(&address, token), "HTTP/1.1 200 OK");
    assert_eq!(status(&address, "0000"), "HTTP/1.1 401 Unauthorized");
    signal("INT", child.id());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_given_token_is_not_printed() {
    let env = TestEnv::new();
    std::fs::write(env.path("token"), "a-token-from-a-file\nmore\n").unwrap();
    let from_file = env.command(&["mcp", "--listen", "0", "--token-file", "token"]);
    let mut from_environment = env.command(&["mcp", "--listen", "0"]);
    from_environment.env("AGB_MCP_TOKEN", TOKEN);
    for (command, token) in [
        (from_file, "a-token-from-a-file"),
        (from_environment, TOKEN),
    ] {
        let (child, address) = listen(command);
        assert_eq!(status(&address, token), "HTTP/1.1 200 OK");
        assert_eq!(
            status(&address, "another-token-of-this"),
            "HTTP/1.1 401 Unauthorized"
        );
        assert_eq!(end(child), "");
    }
}

#[test]
fn wrong_settings_fail_before_the_server_starts() {
    let env = TestEnv::new();
    std::fs::write(env.path("short"), "short\n").unwrap();
    for (arguments, code, part) in [
        (&["mcp", "--api-key-stdin"][..], 2, "stdin"),
        (&["mcp", "--context", ""], 2, "context name"),
        (&["mcp", "--listen", "nowhere"], 2, "127.0.0.1:8790"),
        (&["mcp", "--token-file", "short"], 2, "--listen"),
        (&["mcp", "--listen", "0", "--token-file", "short"], 2, "16"),
        (&["mcp", "--listen", "0", "--token-file", "none"], 1, "none"),
        (
            &["mcp", "--listen", "0", "--allow-origin", "app.example.com"],
            2,
            "--allow-origin",
        ),
        (
            &["mcp", "--listen", "192.0.2.1:1"],
            1,
            "can't listen on 192.0.2.1:1",
        ),
    ] {
        let (status, stderr) = env.fail(arguments);
        assert_eq!(status, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
    let output = env
        .command(&["mcp"])
        .env_remove("AGB_API_KEY")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
