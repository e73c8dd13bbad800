//! `cargo xtask schemathesis`: requests made from the specification, good and bad, against `agb serve`.
//!
//! No answer may be a 5xx, and each has to be what the specification says: status, headers, schema. The requests follow
//! from a seed, so that a failure can be repeated.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use tempfile::TempDir;

use crate::failure::Failure;
use crate::interop::{python::Environment, service::Service};
use agbcloud_spec::SPEC;

const REQUIREMENTS: &str = "tests/python/schemathesis.txt";
const KEY: &str = "schemathesis-key";

/// Not among them: that a request which the schema allows is accepted. That a path is absolute, and that a name has no
/// control characters, stand in the descriptions.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,\
ignored_auth,use_after_free,ensure_resource_availability";

pub(crate) fn run(root: &Path, seed: u32, examples: u32) -> Result<(), Failure> {
    let scratch = TempDir::with_prefix("agb-schemathesis-").map_err(|error| {
        Failure::new(
            format!("can't make a temporary folder: {error}"),
            "set TMPDIR to a folder that can be written to",
        )
    })?;
    println!("schemathesis: installing {REQUIREMENTS} into a throw-away environment");
    let environment =
        Environment::install(&scratch.path().join("python"), &root.join(REQUIREMENTS))?;
    println!("schemathesis: building and starting agb serve");
    let service = Service::start(root, &[], &scratch.path().join("data"), &[KEY])?;
    // First whatever comes, which hardly ever names a context that there is; then with one that there is.
    let id = create(service.endpoint())?;
    let known =
        format!("parameters = {{ \"query.id\" = \"{id}\", \"query.contextId\" = \"{id}\" }}\n");
    for (name, config, options) in [
        ("anything", "", &[][..]),
        (
            "of-a-context",
            &known,
            &["--exclude-operation-id", "DeleteContext"],
        ),
    ] {
        let file = scratch.path().join(format!("{name}.toml"));
        fs::write(&file, config).map_err(|error| {
            Failure::new(format!("can't write {name}.toml: {error}"), "try again")
        })?;
        println!("schemathesis: {name}, seed {seed}, {examples} examples for each operation");
        let passed = environment.run(&environment.script("schemathesis"), |command| {
            command
                .current_dir(scratch.path())
                .args(["--no-color", "--config-file"])
                .arg(&file)
                .arg("run")
                .arg(root.join(SPEC))
                .args(["--url", service.endpoint()])
                .args(["--header", &format!("Authorization: Bearer {KEY}")])
                .args(["--checks", CHECKS, "--warnings", "off"])
                // More than one makes the order of requests another one each time.
                .args(["--workers", "1", "--continue-on-failure"])
                .args(["--seed", &seed.to_string()])
                .args(["--max-examples", &examples.to_string()])
                .args(options);
        })?;
        if !passed {
            return Err(Failure::new(
                format!("`agb serve` does not answer as {SPEC} says"),
                format!(
                    "see the failures above; `cargo xtask schemathesis --seed {seed} --examples {examples}` repeats them"
                ),
            ));
        }
    }
    service.stop();
    Ok(())
}

/// Makes a context and gives its id.
fn create(endpoint: &str) -> Result<String, Failure> {
    let failed = |problem: String| Failure::new(problem, "try it by hand: `agb serve`");
    let address = endpoint.trim_start_matches("http://");
    let request = format!(
        "GET /sdk/GetContext?name=known&allowCreate=true HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    );
    let mut answer = String::new();
    TcpStream::connect(address)
        .and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        })
        .map_err(|error| failed(format!("can't make a context: {error}")))?;
    id_in(&answer).ok_or_else(|| failed(format!("no context was made: {answer}")))
}

fn id_in(answer: &str) -> Option<String> {
    let id = answer.split("\"id\":\"").nth(1)?.split('"').next()?;
    Some(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stands_in_the_answer() {
        let answer = "HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"id\":\"SdkCtx-1\",\"name\":\"known\"}}";
        assert_eq!(id_in(answer).as_deref(), Some("SdkCtx-1"));
        assert_eq!(id_in("HTTP/1.1 401 Unauthorized\r\n\r\n{}"), None);
    }
}
