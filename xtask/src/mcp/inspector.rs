//! The inspector of the protocol, as a command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::failure::Failure;

const INSPECTOR: &str = "@modelcontextprotocol/inspector@2.12.0";

/// Node for the inspector, if the installed one is too old.
const NODE: &str = "node@24.21.0";

/// First version of Node that the inspector supports.
const MIN_NODE: (u32, u32) = (22, 19);

/// An installed inspector.
pub(super) struct Inspector {
    folder: PathBuf,
    node: PathBuf,
}

/// A call of a tool over stdio, with its arguments and the kind of failure that it returns.
struct ToolCall {
    tool: &'static str,
    arguments: Value,
    failure: Option<&'static str>,
}

impl Inspector {
    /// Installs the inspector from npm into a folder, and Node if the installed one is too old.
    pub(super) fn install(folder: &Path) -> Result<Self, Failure> {
        let problem = |text: String| {
            Failure::new(text, "install Node with npm: `apt-get install nodejs npm`")
        };
        fs::create_dir_all(folder).map_err(|error| problem(error.to_string()))?;
        let has_node = has_node();
        eprintln!("installing {INSPECTOR}");
        let mut command = Command::new("npm");
        command
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
            .arg("--prefix")
            .arg(folder)
            .arg(INSPECTOR);
        if !has_node {
            command.arg(NODE);
        }
        let output = command.output();
        let output = output.map_err(|error| problem(format!("can't run npm: {error}")))?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::new(
                format!("installing {INSPECTOR} failed:\n{printed}"),
                "check the connection to the registry of npm (npm reads npm_config_registry)",
            ));
        }
        let programs = folder.join("node_modules").join(".bin");
        Ok(Self {
            node: match has_node {
                true => PathBuf::from("node"),
                false => programs.join("node"),
            },
            folder: folder.to_owned(),
        })
    }

    /// Calls every tool over stdio, and one over HTTP. Returns the number of calls.
    pub(super) fn check(
        &self,
        agb: &Path,
        endpoint: &str,
        key: &str,
        (url, token): (&str, &str),
    ) -> Result<usize, Failure> {
        let stdio = |arguments: &[&str]| {
            let mut command = self.command();
            command.arg("--transport").arg("stdio");
            command
                .args(["-e", &format!("AGB_ENDPOINT={endpoint}")])
                .args(["-e", &format!("AGB_API_KEY={key}")])
                .args(arguments)
                .arg("--")
                .arg(agb)
                .args(["mcp", "--allow-write", "--allow-destructive"]);
            run(command)
        };
        // `--strict` fails for schemas that some clients do not support.
        let listed = stdio(&["--method", "tools/list", "--strict"])?;
        let tools = listed["tools"].as_array().map_or(0, Vec::len);
        let calls = calls();
        for call in &calls {
            let mut arguments = vec!["--method", "tools/call", "--tool-name", call.tool];
            let object = call.arguments.as_object().into_iter().flatten();
            let pairs: Vec<String> = object
                .map(|(name, value)| match value.as_str() {
                    Some(text) => format!("{name}={text}"),
                    None => format!("{name}={value}"),
                })
                .collect();
            for pair in &pairs {
                arguments.extend(["--tool-arg", pair]);
            }
            check_answer(call, &stdio(&arguments)?)?;
        }
        let tested: std::collections::BTreeSet<_> = calls.iter().map(|call| call.tool).collect();
        if tested.len() != tools {
            return Err(failure(format!(
                "the server has {tools} tools, and {} are called",
                tested.len()
            )));
        }
        let templates = stdio(&["--method", "resources/templates/list"])?;
        if templates["resourceTemplates"][0]["uriTemplate"] != "agb://{context}/{+path}" {
            return Err(failure(format!("unexpected templates: {templates}")));
        }
        let mut command = self.command();
        command
            .args(["--transport", "http", "--server-url", url])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--method", "tools/list"]);
        let listed = run(command)?;
        if listed["tools"].as_array().map_or(0, Vec::len) != tools {
            return Err(failure(format!("unexpected tools over HTTP: {listed}")));
        }
        Ok(calls.len() + 3)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.node);
        command
            .arg(self.folder.join("node_modules/.bin/mcp-inspector"))
            .arg("--cli")
            .current_dir(&self.folder)
            // It writes its catalog to the home folder.
            .env("HOME", &self.folder);
        command
    }
}

fn has_node() -> bool {
    let output = Command::new("node").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let Ok(text) = text else { return false };
    version(&text).is_some_and(|version| version >= MIN_NODE)
}

/// Parses `v22.19.0`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Every tool, in an order that works, and failures.
fn calls() -> Vec<ToolCall> {
    let context = "inspected";
    let call = |tool, arguments| ToolCall {
        tool,
        arguments,
        failure: None,
    };
    let failing = |tool, arguments, kind| ToolCall {
        tool,
        arguments,
        failure: Some(kind),
    };
    let at = |path: &str| json!({ "context": context, "path": path });
    let write = json!({ "context": context, "path": "/a.txt", "content": "hello" });
    let edit =
        json!({ "context": context, "path": "/a.txt", "old_text": "hello", "new_text": "bye" });
    vec![
        call("create_context", json!({ "name": context })),
        call("list_contexts", json!({ "limit": 5 })),
        call("get_context", json!({ "context": context })),
        call("write_file", write.clone()),
        failing("write_file", write, "conflict"),
        call("edit_file", edit.clone()),
        failing("edit_file", edit, "invalid_argument"),
        call("list_files", json!({ "context": context })),
        call("stat_file", at("/a.txt")),
        call("read_file", at("/a.txt")),
        failing("read_file", at("/../a.txt"), "invalid_argument"),
        failing("read_file", at("/none"), "not_found"),
        call(
            "search_files",
            json!({ "context": context, "name": "*.txt" }),
        ),
        call("create_upload_url", at("/b")),
        call("delete_file", at("/a.txt")),
        call("clear_context", json!({ "context": context })),
        call("delete_context", json!({ "context": context })),
        failing("get_context", json!({ "context": context }), "not_found"),
    ]
}

fn check_answer(call: &ToolCall, answer: &Value) -> Result<(), Failure> {
    let text = answer["content"][0]["text"].as_str().unwrap_or_default();
    let content: Value = serde_json::from_str(text).unwrap_or_default();
    let is_error = answer["isError"].as_bool().unwrap_or(false);
    let is_expected = match call.failure {
        Some(kind) => is_error && content["kind"] == kind && content["next_step"].is_string(),
        None => !is_error && answer["structuredContent"] == content && content.is_object(),
    };
    match is_expected {
        true => Ok(()),
        false => Err(failure(format!(
            "unexpected answer of {} to {}: {answer}",
            call.tool, call.arguments
        ))),
    }
}

/// Runs the inspector and returns the JSON that it prints. It exits with another code than 0 for the failure of a tool.
fn run(mut command: Command) -> Result<Value, Failure> {
    let output = command.output();
    let output: Output =
        output.map_err(|error| failure(format!("can't run the inspector: {error}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let json = stdout.find('{').map(|start| &stdout[start..]);
    let answer = json.and_then(|json| serde_json::from_str(json).ok());
    answer.ok_or_else(|| {
        failure(format!(
            "the inspector printed no answer:\n{stdout}{}",
            String::from_utf8_lossy(&output.stderr)
        ))
    })
}

fn failure(problem: String) -> Failure {
    Failure::new(
        problem,
        "the calls are defined in xtask/src/mcp/inspector.rs",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_node_is_parsed() {
        assert_eq!(version("v22.19.0\n"), Some((22, 19)));
        assert_eq!(version("22.19.0"), None);
        assert!(version("v24.1.0").unwrap() > MIN_NODE);
    }

    #[test]
    fn an_answer_is_compared_with_the_expected_failure() {
        let call = &calls()[10];
        let text = |text: Value, is_error: bool| {
            let content = [json!({"type": "text", "text": text.to_string()})];
            json!({ "content": content, "isError": is_error, "structuredContent": text })
        };
        let failed = json!({"kind": "invalid_argument", "message": "m", "next_step": "n"});
        assert!(check_answer(call, &text(failed.clone(), true)).is_ok());
        assert!(check_answer(call, &text(failed, false)).is_err());
        let other = json!({"kind": "not_found", "message": "m", "next_step": "n"});
        assert!(check_answer(call, &text(other, true)).is_err());
        let fine = &calls()[0];
        assert!(check_answer(fine, &text(json!({"id": "1"}), false)).is_ok());
        assert!(check_answer(fine, &text(json!({"id": "1"}), true)).is_err());
    }
}
