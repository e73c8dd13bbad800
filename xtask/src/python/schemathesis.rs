//! `cargo xtask schemathesis`: tests `agb serve` with valid and invalid requests generated from the specification.
//!
//! No response may be a 5xx, and each must match the status, headers and schema of the specification.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::virtual_environment::VirtualEnvironment;
use crate::agb_serve::{self, Service};
use crate::failure::Failure;
use crate::http_client::Connection;
use crate::temporary;
use agbcloud_spec::SPEC;

const REQUIREMENTS: &str = "tests/python/schemathesis.txt";
const KEY: &str = "schemathesis-key";

/// `positive_data_acceptance` is missing: only the descriptions state that a path is absolute and that a name has no
/// control characters, so the service rejects some requests that the schema allows.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,\
ignored_auth,use_after_free,ensure_resource_availability";

pub(crate) fn run(root: &Path, seed: u32, examples: u32) -> Result<(), Failure> {
    let folder = temporary::folder("schemathesis")?;
    let environment =
        VirtualEnvironment::create(&folder.path().join("python"), &root.join(REQUIREMENTS))?;
    let service = Service::start(
        &agb_serve::build(root)?,
        &folder.path().join("data"),
        &["--api-key", KEY],
        Stdio::inherit(),
    )?;
    // Generated ids hardly ever name an existing context, so a second run uses a valid id in every request.
    let id = create_context(service.endpoint())?;
    let valid_ids =
        format!("parameters = {{ \"query.id\" = \"{id}\", \"query.contextId\" = \"{id}\" }}\n");
    let keep_context = ["--exclude-operation-id", "DeleteContext"];
    for (name, config, options) in [
        ("any-id", "", &[][..]),
        ("valid-id", &valid_ids, &keep_context),
    ] {
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, config).map_err(|error| {
            let problem = format!("can't write {}: {error}", file.display());
            Failure::new(problem, "check the space left on the disk")
        })?;
        println!("schemathesis: {name}, seed {seed}, {examples} examples for each operation");
        let passed = environment.run(&environment.program("schemathesis"), |command| {
            command
                .current_dir(folder.path())
                .args(["--no-color", "--config-file"])
                .arg(&file)
                .arg("run")
                .arg(root.join(SPEC))
                .args(["--url", service.endpoint()])
                .args(["--header", &format!("Authorization: Bearer {KEY}")])
                .args(["--checks", CHECKS, "--warnings", "off"])
                // With several workers the order of requests differs in each run.
                .args(["--workers", "1", "--continue-on-failure"])
                .args(["--seed", &seed.to_string()])
                .args(["--max-examples", &examples.to_string()])
                .args(options);
        })?;
        if !passed {
            return Err(Failure::new(
                format!("responses of `agb serve` do not match {SPEC}"),
                format!(
                    "repeat with `cargo xtask schemathesis --seed {seed} --examples {examples}`"
                ),
            ));
        }
    }
    service.stop();
    Ok(())
}

fn create_context(endpoint: &str) -> Result<String, Failure> {
    let failure = |problem: String| Failure::new(problem, "see the log of agb serve above");
    let created = Connection::open(endpoint, KEY)
        .and_then(|mut connection| connection.create_context("known"));
    created.map_err(|error| failure(format!("can't create a context: {error}")))
}
