//! The suites of the service on each combination of engines: the same tests that `cargo test` runs on SQLite.

use std::path::Path;
use std::process::Command;

use super::engines::{BUCKET, Process, S3Client};
use crate::failure::Failure;

/// Test targets that build their service for the engines of the environment.
const TARGETS: [&str; 2] = ["http", "scenarios"];
/// Unit tests of the model on all engines, by a part of their paths.
const MODEL: &str = "engines";

/// The engines of one run.
#[derive(Default)]
pub(super) struct Setup<'a> {
    /// The value of `AGB_TEST_STORE`.
    pub(super) store: &'a str,
    /// The URL of PostgreSQL.
    pub(super) postgres: Option<String>,
    pub(super) s3: Option<&'a S3Client>,
}

/// Runs all suites.
pub(super) fn run(root: &Path, setup: &Setup<'_>) -> Result<(), Failure> {
    let mut suites = vec!["test", "--locked", "--workspace"];
    for target in TARGETS {
        suites.extend(["--test", target]);
    }
    cargo_test(root, setup, &suites)?;
    let model = ["test", "--locked", "--workspace", "--lib", "--", MODEL];
    cargo_test(root, setup, &model)
}

fn cargo_test(root: &Path, setup: &Setup<'_>, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    set_environment(&mut command, setup);
    let shown = format!(
        "AGB_TEST_STORE={} cargo {}",
        setup.store,
        arguments.join(" ")
    );
    println!("{shown}");
    match Process::run("cargo", command)? {
        status if status.success() => Ok(()),
        status => Err(Failure::new(
            format!("`{shown}` failed: {status}"),
            "the failed tests are listed above; the engines are removed at the end",
        )),
    }
}

/// Sets the variables that name the engines, and removes those that would name others.
fn set_environment(command: &mut Command, setup: &Setup<'_>) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["PG", "AWS_", "AGB_"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            command.env_remove(&*name);
        }
    }
    command.env("AGB_TEST_STORE", setup.store);
    if let Some(postgres) = &setup.postgres {
        command.env("AGB_TEST_POSTGRES", postgres);
    }
    if let Some(s3) = setup.s3 {
        command
            .env("AGB_TEST_S3", s3_url(s3, ""))
            .env("AWS_ACCESS_KEY_ID", &s3.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key);
    }
}

/// The URL of the bucket, as `--blobs` accepts it. `prefix` is empty or starts with a slash.
pub(super) fn s3_url(s3: &S3Client, prefix: &str) -> String {
    format!(
        "s3://{BUCKET}{prefix}?endpoint=http://{}&region={}",
        s3.address, s3.region
    )
}
