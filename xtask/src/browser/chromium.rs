//! Chromium without a window.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one page. It is killed when this is dropped.
pub(super) struct Browser(Child);

/// Opens a page in a browser with a profile of its own, which also takes what it downloads.
pub(super) fn open(url: &str, profile: &Path) -> Result<Browser, Failure> {
    for name in NAMES {
        let started = Command::new(name)
            .args(["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"])
            // Root, as in most containers, can't have the sandbox. What is opened is our own.
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
    Err(Failure::new(
        "there is no Chromium",
        "`apt-get install --no-install-recommends chromium`, or what your system calls it",
    ))
}

impl Browser {
    pub(super) fn close(self) {
        drop(self);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Where it can't be killed it has ended already. The processes that it has started end with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
