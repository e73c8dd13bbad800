//! Reads and writes a share with rclone.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{output_of, output_or_failure};
use crate::failure::Failure;

/// Names that clients and servers get wrong.
const NAMES: [&str; 24] = [
    "a b",
    " lead",
    "trail ",
    "50%",
    "%41",
    "%2F",
    "h#sh",
    "q?x",
    "a;b=c",
    "a&b",
    "a'b",
    "a\"b",
    "a+b",
    "[x]",
    "{x}",
    "a,b",
    "~t",
    "<script>",
    "a|b",
    "ü",
    "e\u{301}",
    "🙀",
    "\u{202e}txt",
    "._a",
];

/// The size of a file that does not fit into the memory limit of an upload.
const LARGE: usize = 20 * 1024 * 1024;

pub(super) fn run(url: &str, password: &str, folder: &Path) -> Result<(), Failure> {
    let source = folder.join("source");
    let count = create(&source).map_err(|error| failure(error.to_string()))?;
    let mut obscure = Command::new("rclone");
    obscure.args(["obscure", password]);
    let (_, password) = output_of(obscure, "rclone")?;
    let rclone = |arguments: &[&str]| {
        let mut command = Command::new("rclone");
        command
            .args(["--config", "/dev/null", "--webdav-user", "agb"])
            .args(["--webdav-url", url, "--webdav-pass", password.trim()])
            .args(arguments)
            .current_dir(folder);
        output_or_failure(command, "rclone", failure)
    };
    rclone(&["copy", "source", ":webdav:tree"])?;
    rclone(&["check", "source", ":webdav:tree", "--download"])?;
    rclone(&["copy", ":webdav:tree", "back"])?;
    rclone(&["check", "source", "back"])?;
    rclone(&["moveto", ":webdav:tree/d #1?", ":webdav:tree/moved %"])?;
    rclone(&["copyto", ":webdav:tree/large", ":webdav:tree/copy"])?;
    rclone(&[
        "check",
        "source/d #1?",
        ":webdav:tree/moved %",
        "--download",
    ])?;
    let part = rclone(&[
        "cat",
        ":webdav:tree/large",
        "--offset",
        "1000000",
        "--count",
        "7",
    ])?;
    if part.as_bytes() != &content()[1_000_000..1_000_007] {
        return Err(failure("a part of a file differs".to_owned()));
    }
    let listed = rclone(&["lsf", "-R", "--files-only", ":webdav:tree"])?;
    let listed = listed.lines().count();
    // The copy of the large file.
    if listed != count + 1 {
        return Err(failure(format!(
            "{listed} of {} files are listed",
            count + 1
        )));
    }
    rclone(&["sync", "source", ":webdav:tree"])?;
    rclone(&["check", "source", ":webdav:tree", "--download"])?;
    rclone(&["purge", ":webdav:tree"])?;
    let left = rclone(&["lsf", ":webdav:"])?;
    if left.contains("tree") {
        return Err(failure(format!("the tree was not deleted: {left}")));
    }
    println!("rclone: {count} files with hostile names copied, compared, moved and deleted");
    Ok(())
}

/// Creates a tree and returns the number of its files.
fn create(folder: &Path) -> io::Result<usize> {
    let long = "x".repeat(255);
    let mut deep = folder.to_owned();
    for _ in 0..3 {
        deep.push("d".repeat(200));
    }
    let folders = [
        folder.to_owned(),
        folder.join("sub folder"),
        folder.join("d #1?"),
        deep,
    ];
    let mut count = 0;
    for folder in &folders {
        fs::create_dir_all(folder)?;
        for name in NAMES.into_iter().chain([long.as_str()]) {
            fs::write(folder.join(name), name)?;
            count += 1;
        }
    }
    fs::write(folder.join("large"), content())?;
    fs::write(folder.join("empty"), "")?;
    Ok(count + 2)
}

/// ASCII text, all of whose parts differ.
fn content() -> Vec<u8> {
    let numbers = (0u32..).flat_map(|number| format!("{number:07} ").into_bytes());
    numbers.take(LARGE).collect()
}

fn failure(problem: String) -> Failure {
    Failure::new(
        format!("rclone does not work with agb dav: {problem}"),
        "run `agb dav` and the command by hand",
    )
}
