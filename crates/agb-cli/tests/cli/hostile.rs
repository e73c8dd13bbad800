//! Deceptive text from the service and in arguments.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

use serde_json::{Value, json};

use super::{support::agb, test_env::TestEnv};

/// Newline, tab, ESC, BEL, DEL, C1, direction marks, separators, BOM, zero-width characters, tags.
const NAMES: [&str; 12] = [
    "a\nerror: forged",
    "a\tb",
    "a\u{1b}[31mb",
    "a\u{7}\rb",
    "a\u{7f}b",
    "a\u{9b}31mb",
    "a\u{85}b",
    "a\u{202e}txt.exe",
    "a\u{2066}b\u{2069}",
    "a\u{2028}b\u{2029}c",
    "\u{feff}a\u{200b}b\u{200d}c",
    "a\u{e0041}b",
];

/// Whether a line contains characters that must be escaped.
fn deceives(text: &str) -> bool {
    text.chars().any(|char| {
        (char.is_control() && char != '\n')
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    })
}

/// Starts a service that returns the text in every field.
fn service(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(first)) = lines.next() {
                    let mut length = 0;
                    while let Some(Ok(line)) = lines.next() {
                        if line.is_empty() {
                            break;
                        }
                        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse::<usize>().unwrap();
                        }
                    }
                    assert_eq!(length, 0, "calls have no body");
                    let body = answer(&first, text).to_string();
                    let status = if first.contains("DeleteContext") {
                        400
                    } else {
                        200
                    };
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    if stream
                        .write_all(format!("{head}{body}").as_bytes())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    url
}

fn answer(request: &str, text: &str) -> Value {
    let is_other = request.contains("other") || request.contains("SdkCtx-2");
    let id = if is_other { "SdkCtx-2" } else { "SdkCtx-1" };
    let context =
        json!({"id": id, "name": text, "state": text, "createTime": text, "lastUsedTime": text});
    let entry = json!({"filePath": format!("/d/{text}"), "fileName": text, "fileType": "file", "size": 1,
        "gmtModified": text, "gmtCreate": text, "fileId": text, "status": text});
    let good =
        |data: Value| json!({"success": true, "code": "ok", "requestId": text, "data": data});
    if request.contains("DeleteContext") {
        json!({"success": false, "code": text, "message": text, "requestId": text})
    } else if request.contains("ListContexts") {
        good(json!([context]))
    } else if request.contains("GetContextFile") {
        let url = format!("http://127.0.0.1:9/{text}?signature=x");
        good(json!({"url": url, "expireTime": 3600}))
    } else if request.contains("DescribeContextFiles") {
        let mut listed = good(json!([entry]));
        listed["count"] = json!(1);
        listed
    } else {
        good(context)
    }
}

#[test]
fn service_text_adds_no_line_column_or_terminal_command() {
    let folder = tempfile::tempdir().unwrap();
    for text in NAMES {
        let url = service(text);
        for (arguments, lines) in [
            (&["context", "list"][..], 1),
            (&["context", "list", "-q"], 1),
            (&["context", "list", "--json"], 1),
            (&["context", "get", "t"], 1),
            (&["context", "get", "t", "--json"], 1),
            (&["context", "delete", "-y", "t"], 0),
            (&["ls", "t:/d/"], 1),
            (&["ls", "-l", "t:/d/"], 1),
            (&["ls", "-q", "t:/d/"], 1),
            (&["ls", "--json", "t:/d/"], 1),
            (&["tree", "t:/d/"], 3),
            (&["du", "t:/d/"], 2),
            (&["rm", "t:/d/f"], 0),
            (&["rm", "-r", "-y", "t:/d/"], 0),
            (&["get", "-r", "t:/d/", "copy"], 0),
            (&["context", "copy", "t", "other"], 0),
            (&["context", "snapshot", "t", "--to", "x.tar", "-f"], 0),
            (&["context", "snapshot", "t", "--to", "folder/"], 0),
            (&["sync", "-n", "t:/d", "copy"], 1),
            (&["diff", "t:/d", "copy"], 1),
            (&["doctor"], 8),
        ] {
            let output = agb()
                .args(arguments)
                .current_dir(folder.path())
                .env("AGB_ENDPOINT", &url)
                .env("AGB_API_KEY", "k")
                .env("XDG_CONFIG_HOME", folder.path())
                .env("XDG_STATE_HOME", folder.path())
                .output()
                .unwrap();
            let shown = String::from_utf8(output.stdout).unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let case = format!("{arguments:?} {text:?}\n{shown}\n{stderr}");
            assert!(!deceives(&stderr), "{case}");
            assert!(!stderr.contains("\nerror: forged"), "{case}");
            // Tabs only separate columns.
            assert!(!deceives(&shown.replace('\t', " ")), "{case}");
            if output.status.success() && lines > 0 {
                assert_eq!(shown.lines().count(), lines, "{case}");
            }
            if arguments == ["ls", "-l", "t:/d/"] {
                assert!(output.status.success(), "{case}");
                assert_eq!(shown.matches('\t').count(), 3, "{case}");
            }
            if arguments == ["ls", "--json", "t:/d/"] {
                let row: Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(row["name"], *text, "{case}");
            }
        }
        for command in ["get", "put"] {
            let output = agb()
                .args(["url", command, "t:/d/f"])
                .env("AGB_ENDPOINT", &url)
                .env("AGB_API_KEY", "k")
                .env("XDG_CONFIG_HOME", folder.path())
                .output()
                .unwrap();
            assert!(!output.status.success(), "{text:?}: not a URL");
            assert!(output.stdout.is_empty(), "{text:?}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(
                !deceives(&stderr) && !stderr.contains("signature=x"),
                "{stderr}"
            );
        }
    }
}

#[test]
fn completion_offers_no_deceptive_name() {
    for (text, is_offered) in NAMES
        .iter()
        .map(|name| (*name, false))
        .chain([("ab", true)])
    {
        let url = service(text);
        for (shell, words) in [
            ("bash", &["agb", "ls", ""][..]),
            ("zsh", &["agb", "ls", ""]),
            ("fish", &["agb", "ls", ""]),
            ("bash", &["agb", "ls", "t:/d/"]),
            ("fish", &["agb", "ls", "t:/d/"]),
        ] {
            let output = agb()
                .arg("--")
                .args(words)
                .env("COMPLETE", shell)
                .env("_CLAP_COMPLETE_INDEX", "2")
                .env("_CLAP_IFS", "\n")
                .env("AGB_ENDPOINT", &url)
                .env("AGB_API_KEY", "k")
                .output()
                .unwrap();
            // zsh escapes colons.
            let shown = String::from_utf8(output.stdout)
                .unwrap()
                .replace("\\:", ":");
            // fish separates the description of an option with a tab.
            let line = shown.replace('\t', " ");
            assert!(!deceives(&line), "{shell} {words:?} {text:?}: {shown:?}");
            let name = if words[2].is_empty() {
                "ab:/"
            } else {
                "t:/d/ab"
            };
            assert_eq!(
                shown.contains(name),
                is_offered,
                "{shell} {words:?} {text:?}: {shown:?}"
            );
            assert!(!shown.contains("forged"), "{shown:?}");
        }
    }
}

#[test]
fn arguments_add_no_line_to_a_message() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    for name in NAMES {
        for arguments in [
            &["ls", name][..],
            &["ls", &format!("one:{name}")],
            &["ls", &format!("{name}:/")],
            &["cat", &format!("one:/{name}")],
            &["context", "get", name],
            &["context", "delete", name],
            &["rm", "-r", &format!("one:/{name}")],
            &["put", name, "one:/x"],
            &["get", "one:/none", name],
            &["sync", name, "one:/x"],
            &["ls", "one:/", "--profile", name],
            &["ls", "one:/", "--endpoint", name],
            &["ls", "one:/", "--color", name],
            &["tree", "-L", name, "one:/"],
            &[name],
            &["ls", "one:/", &format!("--{name}")],
        ] {
            let output = env.run(arguments);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!deceives(&stderr), "{arguments:?}: {stderr:?}");
            assert!(
                !stderr.contains("\nerror: forged"),
                "{arguments:?}: {stderr}"
            );
        }
    }
}

#[test]
fn unusual_names_are_escaped_in_output_and_copied_unchanged() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    for name in NAMES
        .iter()
        .filter(|name| !name.chars().any(char::is_control))
    {
        std::fs::write(env.path("project").join(name), *name).unwrap();
        let at = format!("one:/{name}");
        env.print(&["put", &format!("project/{name}"), &at]);
        assert_eq!(env.print(&["cat", &at]), **name);
        for arguments in [
            &["ls", "one:/"][..],
            &["ls", "-l", "one:/"],
            &["ls", "-q", "one:/"],
            &["ls", "--json", "one:/"],
            &["tree", "one:/"],
            &["du", "one:/"],
            &["stat", &at],
            &["url", "get", &at],
            &["url", "get", "--json", &at],
            &["get", "--force", &at, "copy"],
            &["diff", "project", "one:/p"],
            &["sync", "project", "one:/p"],
            &["rm", &at],
        ] {
            let output = env.run(arguments);
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 10)), "{arguments:?}: {output:?}");
            for text in [output.stdout, output.stderr] {
                let text = String::from_utf8(text).unwrap();
                assert!(
                    !deceives(&text.replace('\t', " ")),
                    "{arguments:?}: {text:?}"
                );
            }
        }
        let (code, stderr) = env.fail(&["cat", &at]);
        assert!(code == 3 && !deceives(&stderr), "{stderr:?}");
    }
}

/// A file that a snapshot can't have is not lost silently.
#[test]
fn names_that_no_target_can_have_are_reported() {
    for text in ["..", "a\\b", "a\u{7}b", "a/../../b", "a//b"] {
        let folder = tempfile::tempdir().unwrap();
        let url = service(text);
        for arguments in [
            &["context", "copy", "t", "other"][..],
            &["context", "copy", "-n", "t", "other"],
            &["context", "snapshot", "t", "--to", "x.tar"],
            &["context", "snapshot", "t", "--to", "folder/"],
            &["context", "snapshot", "t", "--to", "other:"],
        ] {
            let output = agb()
                .args(arguments)
                .current_dir(folder.path())
                .env("AGB_ENDPOINT", &url)
                .env("AGB_API_KEY", "k")
                .env("XDG_CONFIG_HOME", folder.path().join("config"))
                .env("XDG_STATE_HOME", folder.path().join("state"))
                .output()
                .unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(5), "{arguments:?}: {stderr}");
            assert!(stderr.contains("1 file failed"), "{arguments:?}: {stderr}");
            assert!(!deceives(&stderr), "{arguments:?}: {stderr:?}");
        }
        let outside = folder.path().parent().unwrap().join("b");
        assert!(!outside.exists());
    }
}
