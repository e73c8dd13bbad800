//! The suites of the service on each combination of engines: the same tests that `cargo test` runs on SQLite.

use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::engines::{BUCKET, Process, S3Client, S3s, Server};
use crate::failure::Failure;

/// Test targets whose services use the engines of the environment, and the start of the names of their tests.
const TARGETS: [(&str, &str); 4] = [
    ("http", ""),
    ("scenarios", ""),
    ("archive", ""),
    // The other tests check the model itself.
    ("sync_model", "no_version_is_lost"),
];
/// Tests of `scenarios` that do not depend on the engines, by the start of their paths: those of the client's side of transfers,
/// and of the documentation.
const INDEPENDENT: [&str; 7] = [
    "documentation",
    "network",
    "sync::throttled",
    "tracing",
    "transfers::continued",
    "transfers::faults",
    "transfers::responses",
];
/// Runs of the model of synchronization.
const MODEL_RUNS: &str = "40";
/// Unit tests with real engines, by the start of their paths.
const UNIT_TESTS: [&str; 3] = [
    "metadata::postgres::tests",
    "blobs::bucket::tests",
    "fsck::shared_store::tests",
];
/// Tests of TLS, by the start of their paths.
const TLS_TESTS: &str = "metadata::postgres::tests::tls";
/// Tests that run at the same time for each processor. They often wait for an engine.
const TESTS_PER_PROCESSOR: usize = 2;
/// Fewest databases that a target creates.
const FEWEST_DATABASES: u32 = 5;

/// The engines of one run.
#[derive(Default)]
pub(super) struct Setup<'a> {
    /// The value of `AGB_TEST_STORE`.
    pub(super) store: &'a str,
    /// The URL of PostgreSQL, and the server behind it.
    pub(super) postgres: Option<(String, &'a Server)>,
    /// A server with TLS.
    pub(super) encrypted: Option<&'a Server>,
    pub(super) s3: Option<&'a S3s>,
    /// Whether to run the unit tests of the engines too. They need sessions of their own, not those of a pooler.
    pub(super) unit_tests: bool,
}

/// Runs all suites.
pub(super) fn run(root: &Path, setup: &Setup<'_>) -> Result<(), Failure> {
    let workspace = ["test", "--locked", "--workspace"];
    for (target, tests) in TARGETS {
        checked(setup, || {
            let mut arguments = [&workspace[..], &["--test", target, "--", tests]].concat();
            if target == "scenarios" {
                arguments.extend(INDEPENDENT.iter().flat_map(|test| ["--skip", test]));
            }
            cargo_test(root, setup, &arguments)
        })?;
    }
    if !setup.unit_tests {
        return Ok(());
    }
    checked(setup, || {
        let arguments = [&workspace[..], &["--lib", "--"], &UNIT_TESTS].concat();
        cargo_test(root, setup, &arguments)
    })
}

/// Fails unless tests use the engines: each service of a test has a database of its own.
fn checked(setup: &Setup<'_>, tests: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let Some((_, server)) = &setup.postgres else {
        return tests();
    };
    let number = |query: &str| {
        let result = server.sql("postgres", query)?;
        let parsed = result.trim().parse::<u32>();
        parsed.map_err(|_| Failure::new(format!("{query} returns {result}"), "check PostgreSQL"))
    };
    let last = number("SELECT max(oid) FROM pg_database")?;
    tests()?;
    let created = number(&format!(
        "SELECT count(*) FROM pg_database WHERE oid > {last}"
    ))?;
    println!("{created} databases created");
    match created < FEWEST_DATABASES {
        true => Err(Failure::new(
            format!(
                "the tests created {created} databases, at least {FEWEST_DATABASES} are expected"
            ),
            "the tests must use the engine that AGB_TEST_STORE selects",
        )),
        false => Ok(()),
    }
}

/// Runs the tests of TLS between the service and PostgreSQL.
pub(super) fn run_tls(root: &Path, plain: &Server, encrypted: &Server) -> Result<(), Failure> {
    let setup = Setup {
        store: "postgres+file",
        postgres: Some((plain.url(), plain)),
        encrypted: Some(encrypted),
        ..Setup::default()
    };
    let query = "SELECT sum(sessions)::bigint FROM pg_stat_database WHERE datname = 'agb'";
    let before = encrypted.sql("postgres", query)?;
    let arguments = ["test", "--locked", "--workspace", "--lib", "--", TLS_TESTS];
    cargo_test(root, &setup, &arguments)?;
    match encrypted.sql("postgres", query)? == before {
        true => Err(Failure::new(
            "the tests of TLS did not connect to the server with TLS",
            format!("check that the tests `{TLS_TESTS}` exist"),
        )),
        false => Ok(()),
    }
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
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = TESTS_PER_PROCESSOR * processors;
    command
        .env("RUST_TEST_THREADS", threads.to_string())
        .env("AGB_TEST_STORE", setup.store)
        .env("AGB_MODEL_RUNS", MODEL_RUNS);
    if let Some((postgres, _)) = &setup.postgres {
        command.env("AGB_TEST_POSTGRES", postgres);
    }
    if let Some(server) = setup.encrypted {
        command
            .env("AGB_TEST_POSTGRES_TLS", server.url())
            .env("AGB_TEST_POSTGRES_SOCKET", server.socket_url());
    }
    if let Some(store) = setup.s3 {
        let s3 = store.client();
        command
            .env("AGB_TEST_S3", s3_url(s3, ""))
            .env("AGB_TEST_S3_DIR", store.folder())
            .env("AWS_ACCESS_KEY_ID", &s3.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key);
    }
}

/// The URL of the bucket, as `--blobs` accepts it. `prefix` is empty or starts with a slash.
pub(crate) fn s3_url(s3: &S3Client, prefix: &str) -> String {
    format!(
        "s3://{BUCKET}{prefix}?endpoint=http://{}&region={}",
        s3.address, s3.region
    )
}
