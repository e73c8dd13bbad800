use std::time::UNIX_EPOCH;

use super::*;

const NOW: SystemTime = UNIX_EPOCH;

#[test]
fn a_new_file_is_private_and_contains_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let one = KeyFile::edit(&path, |keys| keys.add("team-a", NOW)).unwrap();
    let two = KeyFile::edit(&path, |keys| keys.add("team-b", NOW)).unwrap();
    assert_ne!(one.secret(), two.secret());
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(one.secret()) && !format!("{one:?}").contains(one.secret()));
    let tenants: Vec<_> = KeyFile::read(&path).unwrap().keys;
    let tenants: Vec<_> = tenants.iter().map(|key| (key.id(), key.tenant())).collect();
    assert_eq!(tenants, [(one.id(), "team-a"), (two.id(), "team-b")]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    KeyFile::edit(&path, |keys| keys.revoke(one.id())).unwrap();
    assert_eq!(KeyFile::read(&path).unwrap().keys().len(), 1);
}

#[cfg(unix)]
#[test]
fn an_edit_keeps_owner_and_permissions() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    KeyFile::edit(&path, |keys| keys.add("a", NOW)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can change the owner.
    let owner_changed = chown(&path, Some(12345), Some(54321)).is_ok();
    KeyFile::edit(&path, |keys| keys.add("b", NOW)).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.mode() & 0o777, 0o640);
    if owner_changed {
        assert_eq!((after.uid(), after.gid()), (12345, 54321));
    }
}

#[cfg(unix)]
#[test]
fn an_edit_through_a_link_changes_the_file() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    symlink("file", &link).unwrap();
    let dangling = KeyFile::edit(&link, |keys| keys.add("a", NOW));
    assert!(matches!(dangling, Err(KeyFileError::Io { .. })));
    KeyFile::edit(&file, |keys| keys.add("a", NOW)).unwrap();
    KeyFile::edit(&link, |keys| keys.add("b", NOW)).unwrap();
    assert!(link.is_symlink());
    assert_eq!(KeyFile::read(&file).unwrap().keys().len(), 2);
}

#[test]
fn a_failed_edit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    KeyFile::edit(&path, |keys| keys.add("a", NOW)).unwrap();
    let before = fs::read(&path).unwrap();
    for bad in ["", "a b", "ä", "a/b", &"a".repeat(65)] {
        let failed = KeyFile::edit(&path, |keys| keys.add(bad, NOW));
        assert!(matches!(failed, Err(KeyFileError::Tenant)), "{bad:?}");
    }
    let failed = KeyFile::edit(&path, |keys| keys.revoke("unknown"));
    assert!(matches!(failed, Err(KeyFileError::NoKey { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn errors_contain_the_line_number_but_not_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let key =
        r#"{"type":"key","id":"k","tenant":"t","sha256":"HASH","created":"2026-01-31T12:00:00Z"}"#;
    let valid = key.replace("HASH", &"0f".repeat(32));
    fs::write(&path, format!("{valid}\n\n{valid}\n")).unwrap();
    assert_eq!(KeyFile::read(&path).unwrap().keys().len(), 2);
    for invalid in [
        "{",
        "secret",
        r#"{"type":"other"}"#,
        &key.replace("HASH", "secret"),
        &valid.replace("\"id\"", "\"secret\":1,\"id\""),
    ] {
        fs::write(&path, format!("{valid}\n{invalid}\n")).unwrap();
        let error = KeyFile::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 2") && !error.contains("secret"),
            "{error}"
        );
    }
}

#[test]
fn limits_are_optional_fields() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let key = KeyFile::edit(&path, |keys| keys.add("a", NOW)).unwrap();
    let limits = || KeyFile::read(&path).unwrap().keys()[0].limits();
    assert!(!fs::read_to_string(&path).unwrap().contains("max_"));
    assert_eq!(limits(), KeyLimits::default());
    let some = KeyLimits {
        max_bytes: Some(u64::MAX),
        max_files: None,
    };
    KeyFile::edit(&path, |keys| keys.set_limits(key.id(), some)).unwrap();
    assert_eq!(limits(), some);
    KeyFile::edit(&path, |keys| {
        keys.set_limits(key.id(), KeyLimits::default())
    })
    .unwrap();
    assert_eq!(limits(), KeyLimits::default());
    let unknown = KeyFile::edit(&path, |keys| keys.set_limits("unknown", some));
    assert!(matches!(unknown, Err(KeyFileError::NoKey { .. })));
}

#[test]
fn expired_signing_keys_are_removed() {
    let mut keys = KeyFile::default();
    let day = Duration::from_secs(24 * 3600);
    for number in 0..100 {
        keys.rotate_signing(day, NOW + day * number).unwrap();
    }
    assert!(keys.signing.len() <= 3, "{}", keys.signing.len());
}

#[test]
fn a_rotation_without_overlap_expires_all_earlier_keys() {
    let mut keys = KeyFile::default();
    let week = Duration::from_secs(7 * 24 * 3600);
    let ends = |keys: &KeyFile| -> Vec<i64> { keys.signing().map(|(_, _, end)| end).collect() };
    let at = |time| whole_seconds(time).as_second();
    keys.rotate_signing(week, NOW).unwrap();
    assert_eq!(ends(&keys), [at(NOW + week)]);
    keys.rotate_signing(Duration::ZERO, NOW).unwrap();
    assert_eq!(ends(&keys), [at(NOW), at(NOW)]);
    // The overlap applies to the current key alone.
    keys.rotate_signing(week, NOW).unwrap();
    assert_eq!(ends(&keys).last(), Some(&at(NOW + week)));
    assert!(
        ends(&keys)[..ends(&keys).len() - 1]
            .iter()
            .all(|end| *end <= at(NOW))
    );
}
