//! `agb serve fsck`.

use std::path::Path;

use crate::support::{Serve, agb, contexts};

/// Exit code, stdout and stderr.
fn fsck(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = agb()
        .args(["serve", "fsck", "--data-dir"])
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test]
async fn its_exit_code_tells_whether_something_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().into_inner().id;
    let files = there.files(&id);
    files.upload("/large", vec![1; 100_000]).await.unwrap();
    let (code, _, said) = fsck(folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("in use"), "{said}");
    serve.stop("KILL");

    let blobs = folder.path().join("blobs");
    std::fs::write(blobs.join("00").join("0123456789ab-00"), b"half").unwrap();
    let (code, told, _) = fsck(folder.path(), &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("leftover: "), "{told}");
    let (code, told, _) = fsck(folder.path(), &["--repair"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("repaired: "), "{told}");
    let clean = "1 contexts, 1 files, 100000 bytes: clean\n";
    let (code, told, _) = fsck(folder.path(), &[]);
    assert_eq!((code, &*told), (Some(0), clean));

    // The folder may be named where the service finds it too.
    let config = folder.path().join("agb.toml");
    std::fs::write(&config, format!("data-dir = {:?}", folder.path())).unwrap();
    let output = agb()
        .args(["serve", "fsck", "--config"])
        .arg(&config)
        .output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), clean);

    let parts = std::fs::read_dir(&blobs).unwrap();
    let parts = parts.map(|part| part.unwrap().path());
    let parts = parts.filter(|part| part.is_dir());
    let mut found = parts.flat_map(|part| std::fs::read_dir(part).unwrap());
    std::fs::write(found.next().unwrap().unwrap().path(), b"damaged").unwrap();
    for arguments in [&[][..], &["--repair"]] {
        let (code, told, said) = fsck(folder.path(), arguments);
        assert_eq!(code, Some(1));
        assert!(
            told.contains("damaged: ") && told.contains("/large"),
            "{told}"
        );
        assert!(said.contains("1 findings"), "{said}");
    }
    let (code, told, _) = fsck(folder.path(), &["--json"]);
    assert_eq!(code, Some(1));
    let expected = r#""kind":"damaged_content""#;
    assert!(
        told.contains(expected) && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn it_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let (code, _, said) = fsck(&missing, &["--repair"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("agb.sqlite3"), "{said}");
    assert!(!missing.exists());
    assert_eq!(fsck(&missing, &["--no-such-flag"]).0, Some(2));
}
