use std::path::Path;

use super::*;
use crate::{ErrorKind, file::local::BUFFER};

async fn write(file: &AtomicFile<Writing>, parts: &[(u64, &[u8])]) {
    for (first, bytes) in parts {
        let mut part = file.part(*first);
        part.write(&bytes.to_vec().into()).await.unwrap();
        part.finish().await.unwrap();
    }
}

async fn publish(file: AtomicFile<Writing>, bytes: u64) -> Result<()> {
    let file = file.complete(bytes, None).await?;
    file.publish(true).await.map(drop)
}

#[tokio::test]
async fn a_new_file_appears_when_published_and_leaves_nothing_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    let large = vec![7; BUFFER + 1];

    for content in [&b"half"[..], &large] {
        let dropped = AtomicFile::new(target.clone(), false);
        write(&dropped, &[(0, content)]).await;
        assert!(!target.exists());
        drop(dropped);
        assert_eq!(names(), 0);
    }

    let whole = AtomicFile::new(target.clone(), false);
    write(&whole, &[(2, b"ole"), (0, b"wh")]).await;
    publish(whole, 5).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"whole");
    assert_eq!(names(), 1);
}

#[tokio::test]
async fn content_of_an_earlier_attempt_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    let (large, larger) = (vec![1; 3 * BUFFER], vec![2; BUFFER + 7]);
    for (attempts, last) in [
        (vec![&large[..], b"short"], &b"short"[..]),
        (vec![b"short", &large], &large),
        (vec![&large, &larger], &larger),
        (vec![&large, b""], b""),
    ] {
        let file = AtomicFile::new(target.clone(), true);
        for content in attempts {
            write(&file, &[(0, content)]).await;
        }
        publish(file, last.len() as u64).await.unwrap();
        assert!(std::fs::read(&target).unwrap() == last);
    }
    let file = AtomicFile::new(target.clone(), true);
    let mut part = file.part(0);
    part.write(&large.clone().into()).await.unwrap();
    assert!(part.restart().await.unwrap());
    part.write(&Bytes::from_static(b"again")).await.unwrap();
    part.finish().await.unwrap();
    publish(file, 5).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"again");
}

#[tokio::test]
async fn an_existing_file_is_replaced_only_if_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    let early = AtomicFile::new(target.clone(), false);
    early.check().await.unwrap();
    write(&early, &[(0, b"")]).await;
    std::fs::write(&target, "old").unwrap();

    let error = AtomicFile::new(target.clone(), false).check().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    let error = publish(early, 0).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Conflict,
        "the file was created during the download"
    );
    assert_eq!(std::fs::read(&target).unwrap(), b"old");

    let allowed = AtomicFile::new(target.clone(), true);
    allowed.check().await.unwrap();
    write(&allowed, &[(0, b"new")]).await;
    publish(allowed, 3).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"new");
}

#[tokio::test]
async fn an_error_names_the_target_and_not_the_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("none/a.txt");
    for length in [1, BUFFER + 1] {
        let file = AtomicFile::new(target.clone(), true);
        let mut part = file.part(0);
        let taken = part.write(&vec![7; length].into()).await;
        let ended = taken.and(part.finish().await);
        drop(part);
        let error = match ended {
            Ok(()) => publish(file, length as u64).await.unwrap_err(),
            Err(error) => error,
        };
        let text = error.to_string();
        assert!(text.contains("none/a.txt") && !text.contains(".part"));
        let source = std::error::Error::source(&error).unwrap();
        assert!(!source.to_string().contains(".part"));
    }
}

#[tokio::test]
async fn a_folder_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    for overwrite in [false, true] {
        let file = AtomicFile::new(folder.path().to_owned(), overwrite);
        let error = file.check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalFile);
        write(&file, &[(0, b"x")]).await;
        assert!(publish(file, 1).await.is_err());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_created_during_a_download_is_not_followed() {
    use std::os::unix::fs::symlink;

    let (above, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The root folder itself may be reached through a link.
    let (folder, root) = (above.path().join("folder"), above.path().join("root"));
    std::fs::create_dir_all(folder.join("a/b")).unwrap();
    symlink(&folder, &root).unwrap();
    for length in [3, BUFFER + 1] {
        for linked in [false, true] {
            let target = root.join("a/b/c");
            let file = AtomicFile::within(root.clone(), target.clone(), ExpectedTarget::Absent);
            write(&file, &[(0, &vec![7; length])]).await;
            if linked {
                std::fs::rename(folder.join("a"), folder.join("old")).unwrap();
                std::fs::create_dir_all(outside.path().join("b")).unwrap();
                symlink(outside.path(), folder.join("a")).unwrap();
            }
            let published = publish(file, length as u64).await;
            assert_eq!(published.is_ok(), !linked);
            assert_eq!(target.exists(), !linked);
        }
        let names = std::fs::read_dir(outside.path().join("b")).unwrap();
        assert_eq!(names.count(), 0, "no temporary file is left");
        std::fs::remove_file(folder.join("a")).unwrap();
        std::fs::rename(folder.join("old"), folder.join("a")).unwrap();
        std::fs::remove_file(folder.join("a/b/c")).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_gets_the_permissions_of_the_replaced_one() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for permissions in [0o600, 0o444, 0o664, 0o755, 0o400] {
        let _ = std::fs::remove_file(&target);
        std::fs::write(&target, "old").unwrap();
        let set = std::fs::Permissions::from_mode(permissions);
        std::fs::set_permissions(&target, set).unwrap();
        for length in [3, BUFFER + 1] {
            let file = AtomicFile::new(target.clone(), true);
            write(&file, &[(0, &vec![7; length])]).await;
            let file = file.complete(length as u64, None).await.unwrap();
            let synced = file.sync().unwrap();
            let temporary = synced.state.temporary.as_file().metadata().unwrap();
            let shown = temporary.permissions().mode() & 0o777 & !0o600;
            assert_eq!(shown & !permissions, 0, "{permissions:o}");
            synced.publish().unwrap();
            assert_eq!(mode(&target), permissions);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn set_user_id_is_removed_and_special_files_are_not_replaced() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("program");
    std::fs::write(&target, "old").unwrap();
    let set = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(&target, set).unwrap();
    let file = AtomicFile::new(target.clone(), true);
    write(&file, &[(0, b"new")]).await;
    publish(file, 3).await.unwrap();
    assert_eq!(
        target.metadata().unwrap().permissions().mode() & 0o7777,
        0o755
    );

    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let file = AtomicFile::new(socket.clone(), true);
    assert_eq!(file.check().await.unwrap_err().kind(), ErrorKind::LocalFile);
    write(&file, &[(0, b"new")]).await;
    assert!(publish(file, 3).await.is_err());
    assert!(!socket.metadata().unwrap().is_file());
}
