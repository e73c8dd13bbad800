//! Each kind of damage is found, with its context and path, and repaired if that is possible.

use FindingKind::*;

use super::*;

/// A store with contents in the database and a blob.
pub(super) async fn filled() -> Option<(Store, String)> {
    fill(Store::new().await?).await
}

async fn fill(store: Store) -> Option<(Store, String)> {
    let context = store.create("c").await;
    store.put(&context, "/small", b"small").await.unwrap();
    store.put(&context, "/a/b/small", b"other").await.unwrap();
    store.put(&context, "/a/large", &large(b'l')).await.unwrap();
    // More entries than a folder without an offset index has.
    for number in 0..40 {
        let path = format!("/many/{number:03}");
        store.put(&context, &path, b"x").await.unwrap();
    }
    store.create("empty").await;
    store.assert_clean().await;
    Some((store, context))
}

/// Damages a store by SQL, and asserts what is found and whether a repair corrects it. The store of blobs does not matter for that.
async fn assert_found(sql: &str, expected: &[(FindingKind, &str)], is_repairable: bool) {
    let Some(store) = Store::in_folder().await else {
        return;
    };
    let Some((store, context)) = fill(store).await else {
        return;
    };
    store.sql(sql).await;
    let report = store.check().await;
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.path.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(found, expected, "{sql}");
    assert!(report.is_damaged(), "{sql}");
    for finding in &report.findings {
        assert!(!finding.repaired, "{sql}");
        let of_context = finding.context.as_ref().is_none_or(|id| *id == context);
        assert!(of_context, "{sql}");
        assert!(finding.path.is_none() || finding.context.is_some(), "{sql}");
    }
    // Nothing was changed.
    assert_eq!(store.check().await, report, "{sql}");
    let repaired = store.fsck(FsckMode::Repair).await.unwrap();
    assert_eq!(repaired.findings.len(), expected.len(), "{sql}");
    assert_eq!(!repaired.is_damaged(), is_repairable, "{sql}");
    let left = store.check().await;
    assert_eq!(left.is_clean(), is_repairable, "{sql} {:#?}", left.findings);
    if is_repairable {
        assert_eq!((left.contexts, left.files), (2, 43), "{sql}");
        // The repaired rows have what later changes need.
        store.put(&context, "/a/b/new", b"new").await.unwrap();
        for path in ["/a/b/new", "/a/b/small", "/a/large", "/many/020"] {
            let path = FilePath::parse(path).unwrap();
            let deleted = store
                .metadata
                .delete_file(&store.tenant, &context, &path, Micros(2));
            deleted
                .await
                .unwrap_or_else(|error| panic!("{sql} {error}"));
        }
        store.assert_clean().await;
    }
}

#[tokio::test]
async fn wrong_counts_are_counted_again() {
    for (sql, expected) in [
        (
            "UPDATE tenants SET contexts = contexts + 1",
            &[(WrongContextCount, "")][..],
        ),
        ("UPDATE tenants SET files = 7", &[(WrongUsage, "")]),
        ("UPDATE tenants SET bytes = bytes - 1", &[(WrongUsage, "")]),
        (
            "UPDATE tenants SET contexts = 0, files = 0, bytes = 0",
            &[(WrongContextCount, ""), (WrongUsage, "")],
        ),
        (
            "UPDATE trees SET files = files - 1 WHERE files > 0",
            &[(WrongFileCount, "")],
        ),
        (
            "UPDATE trees SET bytes = bytes + 1 WHERE files > 0",
            &[(WrongFileCount, "")],
        ),
        (
            "UPDATE entries SET child_count = child_count + 1 WHERE name = 'b'",
            &[(WrongChildCount, "/a/b")],
        ),
        (
            "UPDATE entries SET child_count = 9 WHERE parent = '' AND child_count > 0",
            &[(WrongChildCount, "/")],
        ),
    ] {
        assert_found(sql, expected, true).await;
    }
}

#[tokio::test]
async fn the_count_of_an_empty_root_is_checked() {
    let Some((store, _)) = filled().await else {
        return;
    };
    store
        .sql("UPDATE entries SET child_count = 1 WHERE parent = '' AND child_count = 0")
        .await;
    let expected = vec![(WrongChildCount, "/".to_owned())];
    assert_eq!(store.found(FsckMode::Check).await, expected);
    assert_eq!(store.found(FsckMode::Repair).await, expected);
    store.assert_clean().await;
}

#[tokio::test]
async fn folders_are_created_counted_and_deleted() {
    for (sql, expected) in [
        (
            "DELETE FROM entries WHERE folder AND name = 'b'",
            &[(MissingFolder, "/a/b"), (WrongChildCount, "/a")][..],
        ),
        (
            "DELETE FROM entries WHERE folder AND name = 'a'",
            &[(MissingFolder, "/a"), (WrongChildCount, "/")],
        ),
        (
            "DELETE FROM entries WHERE parent = '' AND child_count > 0",
            &[(MissingFolder, "/")],
        ),
        (
            "DELETE FROM entries WHERE folder AND name IN ('a', 'b')",
            &[
                (MissingFolder, "/a"),
                (MissingFolder, "/a/b"),
                (WrongChildCount, "/"),
            ],
        ),
        (
            "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified)
             SELECT tenant, tree, '/a', 'none', true, 'folder-x', 1, 1 FROM entries WHERE name = 'b'",
            &[(WrongChildCount, "/a"), (EmptyFolder, "/a/none")],
        ),
    ] {
        assert_found(sql, expected, true).await;
    }
}

#[tokio::test]
async fn offset_indexes_are_rebuilt() {
    let wrong = &[(WrongPages, "/many")][..];
    for sql in [
        "DELETE FROM segments",
        "DELETE FROM segments WHERE level = 2",
        "DELETE FROM segments WHERE name = '' AND level = 1",
        "UPDATE segments SET entries = entries + 1 WHERE name = ''",
        "UPDATE segments SET name = '0000' WHERE level = 2 AND name <> ''",
        "UPDATE segments SET level = 3 WHERE level = 2",
    ] {
        assert_found(sql, wrong, true).await;
    }
    for (path, entries) in [("/none", 4), ("/a", 2)] {
        let unused = format!(
            "INSERT INTO segments SELECT tenant, tree, '{path}', 1, '', false, {entries} FROM segments LIMIT 1"
        );
        assert_found(&unused, &[(WrongPages, path)], true).await;
    }
}

#[tokio::test]
async fn trees_and_paths_are_reported() {
    for (sql, expected) in [
        (
            "INSERT INTO trees (tenant, context) SELECT pk, 0 FROM tenants",
            &[(LostTree, "")][..],
        ),
        (
            "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified)
             SELECT pk, 99999, '/', 'x', true, 'folder-x', 1, 1 FROM tenants",
            &[(LostTree, "")],
        ),
        (
            // The tenant does not count files that can't be found.
            "UPDATE trees SET doomed = true WHERE files > 0",
            &[(LostTree, ""), (WrongUsage, "")],
        ),
        (
            "UPDATE entries SET name = '..' WHERE parent = '/a/b'",
            &[(LostTree, "/a/b/..")],
        ),
        (
            "UPDATE entries SET parent = '/a/b/' WHERE parent = '/a/b'",
            &[(LostTree, "/a/b/"), (EmptyFolder, "/a/b")],
        ),
    ] {
        assert_found(sql, expected, false).await;
    }
}

#[tokio::test]
async fn damaged_contents_are_reported() {
    for (sql, kind, path) in [
        (
            "UPDATE entries SET size = size + 1 WHERE blob IS NOT NULL;
             UPDATE trees SET bytes = bytes + 1 WHERE files > 0;
             UPDATE tenants SET bytes = bytes + 1",
            DamagedContent,
            "/a/large",
        ),
        (
            "UPDATE entries SET etag = 'x' WHERE blob IS NOT NULL",
            DamagedContent,
            "/a/large",
        ),
        (
            "UPDATE entries SET sha256 = 'x' WHERE blob IS NOT NULL",
            DamagedContent,
            "/a/large",
        ),
        (
            "UPDATE entries SET crc64 = 1 WHERE blob IS NOT NULL",
            DamagedContent,
            "/a/large",
        ),
        (
            "UPDATE contents SET bytes = 'OTHER' WHERE bytes = 'other'",
            DamagedContent,
            "/a/b/small",
        ),
        (
            "DELETE FROM contents WHERE bytes = 'other'",
            MissingContent,
            "/a/b/small",
        ),
        (
            "UPDATE entries SET blob = NULL WHERE blob IS NOT NULL",
            MissingContent,
            "/a/large",
        ),
        (
            "UPDATE entries SET blob = '00/none' WHERE blob IS NOT NULL",
            MissingContent,
            "/a/large",
        ),
    ] {
        assert_found(sql, &[(kind, path)], false).await;
    }
}

#[tokio::test]
async fn a_file_never_shares_its_content() {
    assert_found(
        "UPDATE entries SET inline = other.inline, etag = other.etag, sha256 = other.sha256, crc64 = other.crc64
         FROM (SELECT * FROM entries WHERE parent = '/' AND name = 'small') AS other
         WHERE entries.name = 'small' AND entries.parent = '/a/b'",
        &[
            (SharedContent, "/small"),
            (SharedContent, "/a/b/small"),
            (OrphanContent, ""),
        ],
        false,
    )
    .await;
    assert_found(
        "DROP INDEX entries_blob;
         UPDATE entries SET blob = large.blob, inline = NULL, size = large.size, etag = large.etag,
                sha256 = large.sha256, crc64 = large.crc64
         FROM (SELECT * FROM entries WHERE blob IS NOT NULL) AS large
         WHERE entries.parent = '/many' AND entries.name = '001';
         DELETE FROM contents WHERE NOT EXISTS (SELECT 1 FROM entries WHERE inline = contents.pk);
         UPDATE trees SET bytes = (SELECT sum(size) FROM entries WHERE tree = trees.pk) WHERE files > 0;
         UPDATE tenants SET bytes = (SELECT sum(bytes) FROM trees)",
        &[(SharedContent, "/a/large"), (SharedContent, "/many/001")],
        false,
    )
    .await;
}

#[tokio::test]
async fn a_referenced_blob_is_not_deleted() {
    for queue in [
        "INSERT INTO quarantine (blob) SELECT blob FROM entries WHERE blob IS NOT NULL",
        "INSERT INTO dead_blobs (blob) SELECT blob FROM entries WHERE blob IS NOT NULL",
        "INSERT INTO uploads (blob, expires) SELECT blob, clock_timestamp() FROM entries WHERE blob IS NOT NULL",
    ] {
        assert_found(queue, &[(DoomedContent, "/a/large")], true).await;
    }
}

#[tokio::test]
async fn wrong_block_checksums_are_computed_again() {
    for sql in [
        "UPDATE block_sums SET crc64 = crc64 + 1",
        "UPDATE block_sums SET sums = sums || '\\x00'",
        "UPDATE block_sums SET sums = set_byte(sums, 0, 255 - get_byte(sums, 0))",
    ] {
        assert_found(sql, &[(WrongBlockChecksums, "/a/large")], true).await;
    }
}

#[tokio::test]
async fn a_lost_secret_is_reported() {
    for sql in [
        "DELETE FROM meta WHERE name = 'secret'",
        "UPDATE meta SET value = 'x' WHERE name = 'secret'",
    ] {
        assert_found(sql, &[(Database, "")], false).await;
    }
}

#[tokio::test]
async fn damaged_blobs_are_reported() {
    for (damage, kind) in [
        (&b"l"[..], DamagedContent),
        (&[b'm'; MAX_INLINE_BYTES as usize + 1][..], DamagedContent),
        (b"", MissingContent),
    ] {
        let Some((store, context)) = filled().await else {
            return;
        };
        let path = store.path(&store.only_blob().await);
        match damage {
            b"" => std::fs::remove_file(&path).unwrap(),
            _ => std::fs::write(&path, damage).unwrap(),
        }
        for mode in [FsckMode::Check, FsckMode::Repair] {
            let report = store.fsck(mode).await.unwrap();
            assert!(report.is_damaged());
            let [finding] = &report.findings[..] else {
                panic!("{:#?}", report.findings);
            };
            assert_eq!(finding.kind, kind);
            assert_eq!(finding.context.as_ref(), Some(&context));
            assert_eq!(finding.path.as_deref(), Some("/a/large"));
        }
    }
}
