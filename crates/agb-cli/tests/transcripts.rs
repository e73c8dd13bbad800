//! What the documentation shows is what the program prints.
#![cfg(feature = "serve")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

struct Serve(Child, String);

impl Serve {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agb"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self(child, url)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_documentation_shows_what_is_printed() {
    let scratch = tempfile::tempdir().unwrap();
    let serve = Serve::start(&scratch.path().join("data"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Each with a key, and so with contexts, of its own.
    for page in ["docs/cli.md", "README.md"] {
        let cases = trycmd::TestCases::new();
        cases
            .env("AGB_ENDPOINT", serve.1.as_str())
            .env("AGB_API_KEY", format!("key-of-{page}"))
            .case(root.join(page));
        for folder in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            cases.env(folder, scratch.path().join(folder).display().to_string());
        }
        cases.run();
    }
}
