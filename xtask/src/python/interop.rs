//! `cargo xtask interop`: tests `agb serve` with the official Python SDK.

use std::path::Path;
use std::process::Stdio;

use super::virtual_environment::{OFFICIAL_SDK, VirtualEnvironment};
use crate::agb_serve::{self, Service};
use crate::failure::Failure;
use crate::temporary;

const SCRIPT: &str = "tests/python/official_sdk.py";

/// API keys of two tenants.
const KEYS: [&str; 2] = ["interop-key-one", "interop-key-two"];

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let folder = temporary::folder("interop")?;
    let environment =
        VirtualEnvironment::create(&folder.path().join("python"), &root.join(OFFICIAL_SDK))?;
    let service = Service::start(
        &agb_serve::build(root)?,
        &folder.path().join("data"),
        &["--api-key", KEYS[0], "--api-key", KEYS[1]],
        Stdio::inherit(),
    )?;
    println!("running {SCRIPT} against {}", service.endpoint());
    let passed = environment.run(&root.join(SCRIPT), |command| {
        command
            // The SDK reads `.env` of its working directory and may write a log file there.
            .current_dir(folder.path())
            .env("AGB_ENDPOINT", service.endpoint())
            .env("AGB_API_KEY", KEYS[0])
            .env("AGB_OTHER_API_KEY", KEYS[1]);
    })?;
    service.stop();
    match passed {
        true => Ok(()),
        false => Err(Failure::new(
            "a test of the official Python SDK against `agb serve` failed",
            format!("the failed tests are listed above and defined in {SCRIPT}"),
        )),
    }
}
