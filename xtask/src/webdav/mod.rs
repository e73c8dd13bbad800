//! `cargo xtask webdav`: tests `agb dav` on `agb serve` with clients that others wrote: litmus, rclone and davfs2.

mod davfs;
mod litmus;
mod rclone;

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::agb_serve::{self, Service};
use crate::failure::Failure;
use crate::http_client::Connection;
use crate::temporary;

const KEY: &str = "webdav-key";
const CONTEXT: &str = "webdav";
const PASSWORD: &str = "a password: ü%";

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let program = agb_serve::build(root)?;
    let folder = temporary::folder("webdav")?;
    let log = |name: &str| {
        let file = File::create(folder.path().join(name));
        file.map_err(|error| failure(format!("can't create a log: {error}")))
    };
    let service = Service::start(
        &program,
        &folder.path().join("data"),
        &["--api-key", KEY],
        log("serve.log")?.into(),
    )?;
    let connection = Connection::open(service.endpoint(), KEY);
    connection
        .and_then(|mut connection| connection.create_context(CONTEXT))
        .map_err(|error| failure(format!("can't create a context: {error}")))?;
    let mut command = Command::new(&program);
    command
        .args(["dav", CONTEXT, "--write", "--listen", "127.0.0.1:0"])
        .env("AGB_ENDPOINT", service.endpoint())
        .env("AGB_API_KEY", KEY)
        .env("AGB_DAV_PASSWORD", PASSWORD)
        .current_dir(folder.path());
    let share = Service::start_command(command, log("dav.log")?.into())?;
    litmus::run(share.endpoint(), PASSWORD, folder.path())?;
    rclone::run(share.endpoint(), PASSWORD, folder.path())?;
    if let Some(reason) = davfs::run(share.endpoint(), PASSWORD, folder.path())? {
        println!("davfs2: skipped: {reason}");
    }
    share.stop();
    service.stop();
    Ok(())
}

/// Runs a program and returns its output.
fn output_of(mut command: Command, name: &str) -> Result<(ExitStatus, String), Failure> {
    let output = command.output().map_err(|error| {
        Failure::new(
            format!("can't run {name}: {error}"),
            "install the clients: `apt-get install litmus rclone davfs2`",
        )
    })?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        text += &String::from_utf8_lossy(&output.stderr);
    }
    Ok((output.status, text))
}

/// Runs a program that must succeed.
fn output_or_failure(
    command: Command,
    name: &str,
    failure: fn(String) -> Failure,
) -> Result<String, Failure> {
    let shown = format!("{command:?}");
    match output_of(command, name)? {
        (status, output) if status.success() => Ok(output),
        (status, output) => Err(failure(format!("{shown}: {status}\n{output}"))),
    }
}

fn failure(problem: String) -> Failure {
    Failure::new(problem, "run `agb serve` and `agb dav` by hand")
}
