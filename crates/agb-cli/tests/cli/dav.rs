//! `agb dav`.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
};

use super::{support::Serve, test_env::TestEnv};

/// Starts a share of the context `one`.
fn share(env: &TestEnv, arguments: &[&str]) -> Serve {
    env.print(&["context", "create", "one"]);
    let arguments = [&["dav", "one", "--listen", "127.0.0.1:0"], arguments].concat();
    Serve::start_listening(env.command(&arguments), Stdio::piped())
}

/// Sends a request and returns the response.
fn request(share: &Serve, method: &str, path: &str, headers: &str, body: &str) -> String {
    let address = share
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn a_context_is_shared_until_a_signal() {
    let env = TestEnv::new();
    let writable = share(&env, &["--write"]);
    let created = request(&writable, "PUT", "/notes.txt", "", "hello");
    assert!(created.starts_with("HTTP/1.1 201"), "{created}");
    assert_eq!(env.print(&["cat", "one:/notes.txt"]), "hello");
    let listed = request(&writable, "PROPFIND", "/", "depth: 1\r\n", "");
    assert!(listed.contains("<D:href>/notes.txt</D:href>"), "{listed}");
    let (status, stderr) = writable.stop("TERM");
    assert!(status.success(), "{status}: {stderr}");
    assert!(stderr.contains("context one (writable)"), "{stderr}");
    for platform in ["Finder", "Explorer", "GNOME", "davfs2", "rclone"] {
        assert!(stderr.contains(platform), "{stderr}");
    }
}

#[test]
fn a_share_is_read_only_and_protected_by_a_password() {
    let env = TestEnv::new();
    std::fs::write(env.path("password"), "secret\n").unwrap();
    let share = share(&env, &["--password-file", "password", "--quiet"]);
    let refused = request(&share, "PROPFIND", "/", "depth: 1\r\n", "");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let credentials = "authorization: Basic YW55OnNlY3JldA==\r\n";
    let refused = request(&share, "PUT", "/a", credentials, "hello");
    assert!(
        refused.starts_with("HTTP/1.1 403") && refused.contains("--write"),
        "{refused}"
    );
    let (status, stderr) = share.stop("INT");
    assert!(status.success() && stderr.is_empty(), "{status}: {stderr}");
}

#[test]
fn wrong_arguments_fail_with_a_hint() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let (code, stderr) = env.fail(&["dav", "other"]);
    assert_eq!(code, 3, "{stderr}");
    for (arguments, expected) in [
        (["dav", "one", "--listen", "0.0.0.0:0"], 4),
        (["dav", "one", "--listen", "nowhere"], 2),
        (["dav", "one", "--password-file", "missing"], 1),
    ] {
        let (code, stderr) = env.fail(&arguments);
        assert_eq!(code, expected, "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}
