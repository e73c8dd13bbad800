//! `cargo xtask console`: drives the console in headless Chromium.
//!
//! `tests/console/console.mjs` is the test. This task installs the packages of `tests/console/package-lock.json` from npm,
//! builds `agb` and runs the test. Without screenshots, it changes no file of the repository.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::agb_serve;
use crate::browser;
use crate::failure::Failure;
use crate::temporary;

/// The test and its packages.
const TESTS: &str = "tests/console";
/// Where the packages are installed.
const PACKAGES: &str = "target/console-packages";
/// Where the screenshots of the documentation are.
const SCREENSHOTS: &str = "docs/images";

pub(crate) fn run(root: &Path, screenshots: bool) -> Result<(), Failure> {
    let chromium = browser::find_chromium()?;
    let tests = root.join(TESTS);
    let packages = root.join(PACKAGES);
    install(&tests, &packages)?;
    let agb = agb_serve::build(root)?;
    let folder = temporary::folder("console")?;
    let mut command = Command::new("node");
    command
        .arg(tests.join("console.mjs"))
        .env("AGB_PROGRAM", agb)
        .env("AGB_CHROMIUM", chromium)
        .env("AGB_FOLDER", folder.path())
        .env("AGB_NODE_MODULES", &packages)
        // The browser and the services store nothing elsewhere.
        .env("HOME", folder.path())
        .stdin(Stdio::null());
    if screenshots {
        command.env("AGB_SCREENSHOTS", root.join(SCREENSHOTS));
    }
    let status = command.status().map_err(|error| missing("node", &error))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(
            "the console failed a test in Chromium",
            format!("the failed step is named above and defined in {TESTS}/console.mjs"),
        )),
    }
}

/// Installs the packages, unless they are those of the lock file.
fn install(tests: &Path, packages: &Path) -> Result<(), Failure> {
    let wanted = fs::read(tests.join("package-lock.json")).map_err(failure)?;
    let installed = packages.join("installed.json");
    if fs::read(&installed).is_ok_and(|lock| lock == wanted) {
        return Ok(());
    }
    fs::create_dir_all(packages).map_err(failure)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(tests.join(file), packages.join(file)).map_err(failure)?;
    }
    eprintln!("installing {TESTS}/package-lock.json");
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(packages)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| missing("npm", &error))?;
    if !status.success() {
        return Err(Failure::new(
            "the packages can't be installed",
            "check the connection to the npm registry",
        ));
    }
    fs::write(installed, wanted).map_err(failure)
}

fn missing(program: &str, error: &io::Error) -> Failure {
    Failure::new(
        format!("can't run {program}: {error}"),
        "install Node.js 20 or newer with npm: `apt-get install nodejs npm`",
    )
}

fn failure(error: io::Error) -> Failure {
    Failure::new(
        format!("the test of the console can't start: {error}"),
        "run it again, or `node tests/console/console.mjs` by hand",
    )
}
