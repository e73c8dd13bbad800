//! [`TestEnv`]: a running service and a folder with a few files.

use std::process::{Command, Output, Stdio};

use super::support::{Serve, agb};

pub(crate) const KEY: &str = "a-secret-key";

pub(crate) struct TestEnv {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) serve: Serve,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let serve = Serve::start(&scratch.path().join("data"), arguments);
        std::fs::create_dir_all(scratch.path().join("project/src")).unwrap();
        for (path, content) in [("project/a.txt", "hello"), ("project/src/b", "bb")] {
            std::fs::write(scratch.path().join(path), content).unwrap();
        }
        Self { scratch, serve }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = agb();
        command
            .args(arguments)
            .current_dir(self.scratch.path())
            .env("AGB_ENDPOINT", &self.serve.url)
            .env("AGB_API_KEY", KEY)
            .env("XDG_CONFIG_HOME", self.scratch.path().join("config"))
            .env("XDG_STATE_HOME", self.scratch.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed and returns its stdout.
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command and returns its exit code and stderr.
    pub(crate) fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), stderr)
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.scratch.path().join(path)
    }
}
