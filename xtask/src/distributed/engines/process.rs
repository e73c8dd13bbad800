//! Subprocesses of the engines: they run as an unprivileged user and never outlive this program.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::distributed::interrupt;
use crate::failure::Failure;

/// Users that the engines run as if this program runs as root, by preference.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
const POLL: Duration = Duration::from_millis(50);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of bytes of a log that an error shows.
const SHOWN: usize = 2000;

/// The user that the engines run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user of this program, who is not root.
    Own,
    /// Another user, because PostgreSQL and PgBouncer refuse to run as root.
    Unprivileged { user: u32, group: u32 },
}

impl Account {
    /// The own user, or the first existing unprivileged one if this program runs as root.
    pub(crate) fn choose() -> Result<Self, Failure> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = UNPRIVILEGED.iter().find_map(|name| find(&accounts, name));
        found.ok_or_else(|| {
            Failure::new(
                "the engines refuse to run as root, and there is no user `postgres` or `nobody`",
                "run this task as another user",
            )
        })
    }

    /// Makes this user the owner of a file or folder.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Failure> {
        match self {
            Self::Own => Ok(()),
            Self::Unprivileged { user, group } => {
                std::os::unix::fs::chown(path, Some(*user), Some(*group))
                    .map_err(|error| failed("change the owner of", path, &error))
            }
        }
    }

    /// Creates a folder that belongs to this user.
    pub(crate) fn create_folder(&self, path: &Path) -> Result<(), Failure> {
        fs::create_dir_all(path).map_err(|error| failed("create", path, &error))?;
        self.own(path)
    }

    /// Writes a file that belongs to this user, who alone can read it.
    pub(crate) fn write(&self, path: &Path, content: &str) -> Result<(), Failure> {
        use std::os::unix::fs::PermissionsExt;
        fs::write(path, content)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
            .map_err(|error| failed("write", path, &error))?;
        self.own(path)
    }

    /// Returns a path of the program that this user can execute: a copy in `folder` if another user runs it, since the
    /// folder of the original may be private.
    pub(crate) fn executable(&self, program: &Path, folder: &Path) -> Result<PathBuf, Failure> {
        let name = program.file_name().unwrap_or_default();
        if *self == Self::Own || program.starts_with("/usr") {
            return Ok(program.to_owned());
        }
        let copy = folder.join(name);
        fs::copy(program, &copy).map_err(|error| failed("copy", program, &error))?;
        self.own(&copy)?;
        Ok(copy)
    }

    /// A command that runs as this user in a folder, with an environment of its own. The process receives `signal` when
    /// the thread that starts it ends, so that nothing is left behind if this program is killed.
    pub(crate) fn command(&self, program: &Path, folder: &Path, signal: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", signal]);
        if let Self::Unprivileged { user, group } = self {
            command.args(["--reuid", &user.to_string(), "--regid", &group.to_string()]);
            command.arg("--clear-groups");
        }
        command
            .arg("--")
            .arg(program)
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            // Signals of the terminal reach only this program, which stops the others in order.
            .process_group(0);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

/// Finds the ids of a user in the text of `/etc/passwd`.
fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Account::Unprivileged { user, group })
    })
}

/// A running process. It is killed on drop, with all its descendants.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command. `log` receives its stdout and stderr.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
    ) -> Result<Self, Failure> {
        let output = File::options().create(true).append(true).open(log);
        let output = output.map_err(|error| failed("open", log, &error))?;
        let copy = output
            .try_clone()
            .map_err(|error| failed("open", log, &error))?;
        let child = command.stdout(output).stderr(copy).spawn();
        let child = child.map_err(|error| {
            Failure::new(
                format!("can't run {name}: {error}"),
                "setpriv of util-linux must be installed",
            )
        })?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// Runs a command to its end, with its output shown. An interruption of this program kills it.
    pub(crate) fn run(name: &'static str, mut command: Command) -> Result<ExitStatus, Failure> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new(format!("can't run {name}: {error}"), "check PATH"))?;
        let mut process = Self {
            name,
            child,
            log: PathBuf::new(),
        };
        loop {
            if let Some(status) = process.exit_status() {
                return Ok(status);
            }
            interrupt::check()?;
            pause(POLL);
        }
    }

    /// Polls until the process is ready. Fails with the end of its log if it exits before, or after a timeout.
    pub(crate) fn wait_until_ready(
        &mut self,
        timeout: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<(), Failure> {
        let deadline = now() + timeout;
        loop {
            if let Some(status) = self.exit_status() {
                return Err(self.failure(&format!("exited with {status}")));
            }
            if is_ready() {
                return Ok(());
            }
            interrupt::check()?;
            if now() > deadline {
                return Err(self.failure(&format!("is not ready after {timeout:?}")));
            }
            pause(POLL);
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process alone.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Sends a signal to the process and all its descendants.
    pub(crate) fn signal_all(&self, signal: Signal) {
        self.signal(signal);
        for process in descendants(self.child.id()) {
            send(process, signal);
        }
    }

    /// Kills the process and all its descendants with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        // Stopped first, so that it starts no other process in the meantime.
        self.signal(Signal::STOP);
        let descendants = descendants(self.child.id());
        self.signal(Signal::KILL);
        for process in descendants {
            send(process, Signal::KILL);
        }
        // An error means that it has already been reaped.
        let _ = self.child.wait();
    }

    /// Sends a signal and waits until the process ends. It is killed after a timeout.
    pub(crate) fn stop(&mut self, signal: Signal) {
        if self.exit_status().is_none() {
            self.signal(signal);
            if self.wait(STOP_TIMEOUT).is_some() {
                return;
            }
        }
        self.kill();
    }

    /// Waits until the process ends. Returns `None` after a timeout.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = now() + timeout;
        while now() < deadline {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            pause(POLL);
        }
        None
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// An error with the end of its log.
    pub(crate) fn failure(&self, problem: &str) -> Failure {
        let log = fs::read(&self.log).unwrap_or_default();
        let start = log.len().saturating_sub(SHOWN);
        let shown = String::from_utf8_lossy(log.get(start..).unwrap_or_default());
        let shown = shown.trim();
        Failure::new(
            format!("{} {problem}:\n{shown}", self.name),
            "the lines above are the end of its log",
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(process: u32, signal: Signal) {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        // An error means that it has already ended.
        let _ = kill_process(id, signal);
    }
}

/// All children of a process, their children, and so on.
pub(crate) fn descendants(ancestor: u32) -> BTreeSet<u32> {
    let parents = parents();
    let mut found = BTreeSet::from([ancestor]);
    loop {
        let known = found.len();
        for (process, parent) in &parents {
            if found.contains(parent) {
                found.insert(*process);
            }
        }
        if found.len() == known {
            found.remove(&ancestor);
            return found;
        }
    }
}

/// The ids of all processes and of their parents.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // `ID (NAME) STATE PARENT …`, where NAME may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
        Some((process, parent))
    });
    processes.collect()
}

/// Returns a port of the loopback interface that is free, and different at each call.
pub(crate) fn free_port() -> Result<u16, Failure> {
    static USED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut used = USED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in 0..100 {
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        if let Ok(address) = port
            && used.insert(address.port())
        {
            return Ok(address.port());
        }
    }
    Err(Failure::new("no port is free", "close some connections"))
}

/// Runs a command to its end and returns its stdout. An error holds what it printed.
pub(crate) fn output(command: &mut Command, action: &str) -> Result<String, Failure> {
    let failure = |problem: &str| {
        let hint = "check the installation of the engine";
        Failure::new(format!("{action} failed: {problem}"), hint)
    };
    let output = command
        .output()
        .map_err(|error| failure(&error.to_string()))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(stdout),
        false => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let printed = format!("{}\n{stdout}{stderr}", output.status);
            Err(failure(printed.trim()))
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the engines are processes, so time is real"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the engines are processes, so time is real"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        format!("can't {action} {}: {error}", path.display()),
        "set TMPDIR to a folder with free space that every user can enter",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_user_are_read_from_the_list_of_accounts() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:n:/:/bin/false\n";
        let expected = Account::Unprivileged {
            user: 65534,
            group: 65533,
        };
        assert_eq!(find(accounts, "nobody"), Some(expected));
        assert_eq!(find(accounts, "nobo"), None);
    }

    #[test]
    fn ports_are_free_and_distinct() {
        let ports: BTreeSet<_> = (0..20).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 20);
    }

    #[test]
    fn a_killed_process_leaves_no_descendants() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // The grandchild is in a session of its own, like the children of PostgreSQL.
        command.args(["-c", "setsid sleep 600 & echo $!; wait"]);
        let log = folder.path().join("log");
        let mut process = Process::start("sh", command, &log).unwrap();
        let child = || fs::read_to_string(&log).unwrap_or_default();
        process
            .wait_until_ready(Duration::from_secs(30), || child().ends_with('\n'))
            .unwrap();
        let child: u32 = child().trim().parse().unwrap();
        assert!(descendants(process.child.id()).contains(&child));
        process.kill();
        let running = || parents().iter().any(|(process, _)| *process == child);
        let deadline = now() + Duration::from_secs(30);
        while running() && now() < deadline {
            pause(POLL);
        }
        assert!(!running());
    }

    #[test]
    fn a_process_that_exits_early_is_an_error_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such option >&2; exit 3"]);
        let log = folder.path().join("log");
        let mut process = Process::start("engine", command, &log).unwrap();
        let failed = process.wait_until_ready(Duration::from_secs(30), || false);
        let failed = failed.unwrap_err().to_string();
        assert!(
            failed.contains("engine exited with exit status: 3"),
            "{failed}"
        );
        assert!(failed.contains("no such option"), "{failed}");
    }
}
