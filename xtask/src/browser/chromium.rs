//! Headless Chromium.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The path of the browser.
pub(crate) fn find_chromium() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut programs = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs
        .find(|program| program.is_file())
        .ok_or_else(missing)
}

/// A browser with one page. It is killed on drop.
pub(super) struct Browser(Child);

/// Opens a page in a browser with its own profile, which is also its download folder.
pub(super) fn open(url: &str, profile: &Path) -> Result<Browser, Failure> {
    for name in NAMES {
        let started = Command::new(name)
            .args(["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"])
            // The sandbox is not available to root, as in most containers. All pages are our own.
            .args(["--no-sandbox", "--disable-popup-blocking"])
            .args(["--no-first-run", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .current_dir(profile)
            .env("HOME", profile)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Ok(process) = started {
            return Ok(Browser(process));
        }
    }
    Err(missing())
}

fn missing() -> Failure {
    Failure::new(
        "Chromium is not installed",
        "`apt-get install --no-install-recommends chromium`, or its name on your system",
    )
}

impl Browser {
    pub(super) fn close(self) {
        drop(self);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // An error means that it has already ended. Its child processes end with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
