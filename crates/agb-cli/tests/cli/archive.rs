//! `agb serve backup`, `restore` and `migrate`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use crate::support::{Serve, agb, contexts, signal};

struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    /// A data folder with a small and a large file.
    async fn new() -> Self {
        let store = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let serve = Serve::start(&store.path("data"), &[]);
        let there = contexts(&serve.url, "any-key");
        let id = there.get_or_create("one").await.unwrap().id;
        let files = there.files(&id);
        files.upload("/large", vec![1; 100_000]).await.unwrap();
        files.upload("/small", vec![2; 5]).await.unwrap();
        let (status, stderr) = serve.stop("TERM");
        assert!(status.success(), "{stderr}");
        store
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        agb()
            .arg("serve")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Expects success, and returns stdout.
    #[track_caller]
    fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{stderr}");
        text(&output.stdout)
    }

    /// Expects a failure, and returns stdout and stderr.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output = self.run(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
        (stdout, stderr)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn names(folder: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let length = entry.metadata().unwrap().len();
            (entry.file_name().into_string().unwrap(), length)
        })
        .collect()
}

#[tokio::test]
async fn a_store_is_backed_up_restored_and_migrated() {
    let store = Store::new().await;
    let counts = "1 context, 2 files, 100005 bytes\n";
    let data = ["--data-dir", "data"];
    let with = |command: &str, more: &[&str]| {
        let arguments = [&[command], more].concat();
        store.print(&arguments)
    };
    let before = names(store.folder.path());
    let printed = with("backup", &[&data[..], &["-n", "a.tar"]].concat());
    assert_eq!(printed, format!("would back up {counts}"));
    assert_eq!(names(store.folder.path()), before);
    for archive in ["a.tar", "a"] {
        let printed = with("backup", &[&data[..], &[archive]].concat());
        assert_eq!(printed, format!("backed up {counts}"));
        let target = format!("from-{archive}");
        let printed = with("restore", &[archive, "--data-dir", &target, "--dry-run"]);
        assert_eq!(printed, format!("would restore {counts}"));
        assert!(!store.path(&target).exists());
        let printed = with(
            "restore",
            &[archive, "--metadata", &format!("sqlite:{target}")],
        );
        assert_eq!(printed, format!("restored {counts}"));
    }
    let migrate = ["--from", "sqlite:data", "--to", "sqlite:moved"];
    let printed = with("migrate", &[&migrate[..], &["-n"]].concat());
    assert_eq!(printed, format!("would migrate {counts}"));
    assert_eq!(with("migrate", &migrate), format!("migrated {counts}"));
    for copy in ["from-a", "from-a.tar", "moved"] {
        let printed = with("fsck", &["--data-dir", copy]);
        assert_eq!(printed, format!("{}: clean\n", counts.trim_end()));
        let serve = Serve::start(&store.path(copy), &[]);
        let there = contexts(&serve.url, "any-key");
        let id = there.get_or_create("one").await.unwrap().id;
        let found = there.files(&id).read("/large").await.unwrap();
        assert_eq!(found, vec![1; 100_000]);
    }
    let json = with("backup", &[&data[..], &["--json", "b.tar"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["files"], 2);
    assert_eq!(json["bytes"], 100_005);
    assert_eq!(json["dry_run"], false);
}

#[tokio::test]
async fn a_running_service_is_backed_up() {
    let store = Store::new().await;
    let serve = Serve::start(&store.path("data"), &[]);
    // The config file can set the data folder.
    let config = store.path("agb.toml");
    fs::write(&config, format!("data-dir = {:?}", store.path("data"))).unwrap();
    store.print(&["backup", "--config", "agb.toml", "a.tar"]);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    there.files(&id).upload("/later", vec![3; 5]).await.unwrap();
    let (status, stderr) = serve.stop("TERM");
    assert!(status.success(), "{stderr}");
    let printed = store.print(&["restore", "a.tar", "--data-dir", "copy"]);
    assert_eq!(printed, "restored 1 context, 2 files, 100005 bytes\n");
}

#[tokio::test]
async fn the_keys_of_a_key_file_are_copied_on_request() {
    let store = Store::new().await;
    let key = store.run(&["keys", "--keys", "keys.jsonl", "add", "team"]);
    assert!(key.status.success());
    let listed = store.print(&["keys", "--keys", "keys.jsonl", "list"]);
    let counts = "1 API key, 1 context, 2 files, 100005 bytes\n";
    let with_keys = ["--keys", "keys.jsonl"];
    let backup = ["backup", "--data-dir", "data", "a.tar"];
    let printed = store.print(&[&backup[..], &with_keys].concat());
    assert_eq!(printed, format!("backed up {counts}"));
    let migrate = ["migrate", "--from", "sqlite:data", "--to", "sqlite:moved"];
    for (command, target) in [
        (
            &["restore", "a.tar", "--data-dir", "restored"][..],
            "restored",
        ),
        (&[&migrate[..], &with_keys].concat(), "moved"),
    ] {
        let output = store.run(command);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(stdout.ends_with(counts), "{stdout}{stderr}");
        assert!(stderr.contains("start the service with --keys"), "{stderr}");
        let keys = format!("{target}/keys");
        let copied = store.print(&["keys", "--keys", &keys, "list", "--data-dir", target]);
        assert_eq!(
            copied.split_whitespace().next(),
            listed.split_whitespace().next()
        );
    }
    // The archive has keys already.
    let mixed = ["restore", "a.tar", "--data-dir", "mixed"];
    let (_, stderr) = store.fails(&[&mixed[..], &with_keys].concat(), 1);
    assert!(stderr.contains("contains keys already"), "{stderr}");
    assert!(!store.path("mixed").exists());
    let missing = ["backup", "--data-dir", "data", "b.tar", "--keys", "missing"];
    let (_, stderr) = store.fails(&missing, 1);
    assert!(stderr.contains("missing"), "{stderr}");
}

#[tokio::test]
async fn failures_have_exit_codes_and_name_the_damage() {
    let store = Store::new().await;
    store.print(&["backup", "--data-dir", "data", "a"]);
    let exists = store.fails(&["backup", "--data-dir", "data", "a"], 1).1;
    assert!(exists.contains("a exists already"), "{exists}");
    let full = store.fails(&["restore", "a", "--data-dir", "data"], 1).1;
    assert!(full.contains("data is not empty"), "{full}");
    let same = ["migrate", "--from", "sqlite:data", "--to", "sqlite:data"];
    assert!(store.fails(&same, 2).1.contains("the same store"));
    let invalid = ["migrate", "--from", "mysql:data", "--to", "sqlite:x"];
    let invalid = store.fails(&invalid, 2).1;
    assert!(
        invalid.contains("--from: invalid metadata URL"),
        "{invalid}"
    );
    let missing = store.fails(&["backup", "a2"], 1).1;
    assert!(
        missing.contains("error: agb-data contains no store"),
        "{missing}"
    );
    fs::write(store.path("no.tar"), [0x80; 2000]).unwrap();
    let invalid = store.fails(&["restore", "no.tar", "--data-dir", "x"], 1).1;
    assert!(
        invalid.contains("the archive no.tar is damaged: it is not a tar file"),
        "{invalid}"
    );
    let keys = ["keys", "list", "--metadata", "sqlite:data"];
    let keys = store.fails(&keys, 2).1;
    assert!(
        keys.contains("only a PostgreSQL database contains keys"),
        "{keys}"
    );
    store.fails(&["backup"], 2);
    let missing = store.fails(&["restore", "missing", "--data-dir", "x"], 1).1;
    assert!(missing.contains("missing"), "{missing}");

    let blobs = walk(&store.path("a").join("blobs"));
    assert_eq!(blobs.len(), 1);
    fs::write(&blobs[0], "damaged").unwrap();
    let (found, stderr) = store.fails(&["restore", "a", "--data-dir", "x"], 1);
    assert!(
        found.contains("damaged: context SdkCtx-") && found.contains("\"/large\""),
        "{found}"
    );
    assert!(
        stderr.contains("the archive a is damaged: 1 problem") && !stderr.contains("fsck"),
        "{stderr}"
    );
    let (found, _) = store.fails(&["restore", "a", "--data-dir", "y", "-n", "--json"], 1);
    let json: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(json["findings"][0]["kind"], "damaged_content");
    // Nothing uses what was restored so far.
    for command in [&["fsck"][..], &["--listen", "127.0.0.1:0"]] {
        let arguments = [command, &["--data-dir", "x"]].concat();
        let (_, stderr) = store.fails(&arguments, 1);
        assert!(stderr.contains("did not finish: repeat it"), "{stderr}");
    }
    fs::remove_file(store.path("a").join("manifest.json")).unwrap();
    let (_, stderr) = store.fails(&["restore", "a", "--data-dir", "z"], 1);
    assert!(
        stderr.contains("incomplete: it has no manifest"),
        "{stderr}"
    );
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let parts = fs::read_dir(folder)
        .unwrap()
        .map(|part| part.unwrap().path());
    let files = parts.flat_map(|part| fs::read_dir(part).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn a_killed_restore_continues() {
    let store = Store::new().await;
    store.print(&["backup", "--data-dir", "data", "a.tar"]);
    // Ends at any moment of a short process: before it starts, while it copies, or not at all.
    for (round, delay) in [5, 20, 40, 60, 90, 130].into_iter().enumerate() {
        let target = format!("target-{round}");
        let mut child = agb()
            .args(["serve", "restore", "a.tar", "--data-dir", &target])
            .current_dir(store.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        crate::support::wait(delay);
        signal("KILL", child.id());
        let finished = child.wait().unwrap().success();
        let again = store.run(&["restore", "a.tar", "--data-dir", &target]);
        let stderr = text(&again.stderr);
        // It may have published the store just before it was killed.
        let was_complete = stderr.contains("is not empty");
        assert!(
            again.status.success() != (finished || was_complete),
            "{stderr}"
        );
        let printed = store.print(&["fsck", "--data-dir", &target]);
        assert_eq!(printed, "1 context, 2 files, 100005 bytes: clean\n");
    }
}
