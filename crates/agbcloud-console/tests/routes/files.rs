//! Files: browse, upload, download, rename, delete, share.

use std::sync::atomic::Ordering;

use crate::{
    proxy::Proxy,
    support::{TestConsole, at, encode, part},
};

#[tokio::test]
async fn folders_are_browsed_by_page_and_filtered() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    for number in 0..250 {
        let path = format!("/logs/run-{number:03}.txt");
        files.upload(path.as_str(), &b"x"[..]).await.unwrap();
    }
    files.upload("/top <b>.txt", &b"x"[..]).await.unwrap();
    let url = format!("/contexts/{}", encode(id.as_str()));
    let root = console.get(&url).await;
    root.assert(200, "top &#60;b&#62;.txt");
    root.assert(200, "?folder=%2Flogs");
    let first = console.get(&format!("{url}?folder=%2Flogs")).await;
    first.assert(200, "1 to 100 of 250 entries");
    assert!(first.text.contains("of 3</span>") && first.text.contains("page=2"));
    let last = console.get(&format!("{url}?folder=/logs/&page=3")).await;
    last.assert(200, "201 to 250 of 250 entries");
    assert!(last.text.contains("run-249.txt") && !last.text.contains("rel=\"next\""));
    let beyond = console.get(&format!("{url}?folder=/logs&page=9")).await;
    beyond.assert(200, "Page 9 is beyond the end: the folder has 250 entries");
    assert!(beyond.text.contains("page=3\" rel=\"prev\""));
    console
        .get(&format!("{url}?folder=/logs&page=4294967295"))
        .await
        .assert(200, "Page 4294967295 is beyond the end");
    files.upload("/single/x", &b"x"[..]).await.unwrap();
    console
        .get(&format!("{url}?folder=/single&page=2"))
        .await
        .assert(200, "Page 2 is beyond the end: the folder has 1 entry");
    let found = console
        .get(&format!("{url}?folder=/logs&filter=RUN-24"))
        .await;
    found.assert(200, "10 found, 250 of 250 searched");
    console
        .get(&format!("{url}?page=0"))
        .await
        .assert(400, "This page does not exist");
    console
        .get(&format!("{url}?folder=.."))
        .await
        .assert(400, "This folder does not exist");
    console
        .get(&format!("{url}?folder=/none"))
        .await
        .assert(200, "No files");
    console.stop().await;
}

#[tokio::test]
async fn uploads_store_bytes_and_replace_only_if_requested() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let stored = console
        .upload(&id, "folder=/data&name=big.bin", &content)
        .await;
    stored.assert(200, "{\"path\":\"/data/big.bin\",\"bytes\":3000000}");
    assert_eq!(files.read("/data/big.bin").await.unwrap(), content);
    let again = console.upload(&id, "folder=/data&name=big.bin", b"x").await;
    again.assert(409, "A file with this name exists already");
    assert_eq!(files.read("/data/big.bin").await.unwrap(), content);
    let replaced = console
        .upload(&id, "folder=/data&name=big.bin&replace=1", b"")
        .await;
    replaced.assert(200, "\"bytes\":0");
    assert!(files.read("/data/big.bin").await.unwrap().is_empty());
    let bad = console.upload(&id, "folder=/data&name=..", b"x").await;
    bad.assert(400, "A file with this name can't be stored");
    // Cutting the name there could replace another file.
    for name in ["x%5Cbig.bin", "x/big.bin"] {
        let bad = console
            .upload(&id, &format!("folder=/data&name={name}&replace=1"), b"x")
            .await;
        bad.assert(400, "A file with this name can't be stored");
    }
    assert!(files.read("/data/big.bin").await.unwrap().is_empty());
    console.stop().await;
}

#[tokio::test]
async fn a_form_uploads_several_files() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let large = "line of text\n".repeat(900_000);
    let send = async |fields: String| console.upload_form(&id, &fields).await;
    let two = part("folder", "", "/in")
        + &part("files", "; filename=\"a.txt\"", "hello")
        + &part("files", "; filename=\"dir/large.txt\"", &large);
    let done = send(two.clone()).await;
    assert_eq!(done.status, 303, "{}", done.text);
    console
        .get(done.location())
        .await
        .assert(200, "Upload complete.");
    assert_eq!(files.read("/in/a.txt").await.unwrap(), "hello");
    assert_eq!(files.read("/in/large.txt").await.unwrap(), large);
    send(two)
        .await
        .assert(409, "A file with this name exists already");
    // One that can't be stored does not prevent the others.
    let mixed = part("folder", "", "/in")
        + &part("files", "; filename=\"first.txt\"", "1")
        + &part("files", "; filename=\"a.txt\"", "other")
        + &part("files", "; filename=\"x\\y.txt\"", "2")
        + &part("files", "; filename=\"%22last%22.txt\"", "3");
    let mixed = send(mixed).await;
    mixed.assert(409, "Not all files were stored");
    let (stored, rejected) = mixed.text.split_once("<h2>Not stored</h2>").unwrap();
    assert!(stored.contains("<h2>Stored</h2>"), "{}", mixed.text);
    for name in ["first.txt", "&#34;last&#34;.txt"] {
        assert!(
            stored.contains(&format!("<li>{name}</li>")),
            "{}",
            mixed.text
        );
    }
    assert!(
        rejected.contains("<li>a.txt: A file with this name exists already"),
        "{}",
        mixed.text
    );
    assert!(rejected.contains("y.txt: A file with this name can&#39;t be stored"));
    assert_eq!(files.read("/in/a.txt").await.unwrap(), "hello");
    assert_eq!(files.read("/in/\"last\".txt").await.unwrap(), "3");
    let replace = part("folder", "", "/in")
        + &part("replace", "", "1")
        + &part("files", "; filename=\"a.txt\"", "new");
    assert_eq!(send(replace).await.status, 303);
    assert_eq!(files.read("/in/a.txt").await.unwrap(), "new");
    send(part("files", "; filename=\"\"", ""))
        .await
        .assert(400, "No file was selected");
    console.stop().await;
}

#[tokio::test]
async fn downloads_are_attachments_with_all_bytes() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let content = "<script>alert(1)</script>".repeat(100_000);
    files
        .upload("/a \"b\".html", content.clone())
        .await
        .unwrap();
    let page = console.get(&at(&id, "download", "/a \"b\".html")).await;
    page.assert(200, &content);
    let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-disposition"),
        "attachment; filename*=UTF-8''a%20%22b%22.html"
    );
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("content-length"), content.len().to_string());
    assert!(header("content-security-policy").contains("sandbox"));
    console
        .get(&at(&id, "download", "/none"))
        .await
        .assert(404, "This file does not exist");
    console.stop().await;
}

#[tokio::test]
async fn a_rename_copies_and_deletes_and_never_replaces() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let content = "content ".repeat(500_000);
    files.upload("/d/a.txt", content.clone()).await.unwrap();
    files.upload("/d/other.txt", "other").await.unwrap();
    let url = format!("/contexts/{}/rename-file", encode(id.as_str()));
    let taken = console
        .post(&url, &[("path", "/d/a.txt"), ("name", "other.txt")])
        .await;
    taken.assert(409, "A file with this name exists already");
    assert_eq!(files.read("/d/other.txt").await.unwrap(), "other");
    let same = console
        .post(&url, &[("path", "/d/a.txt"), ("name", "a.txt")])
        .await;
    same.assert(400, "The file has this name already");
    let renamed = console
        .post(&url, &[("path", "/d/a.txt"), ("name", "b é.txt")])
        .await;
    assert_eq!(renamed.status, 303, "{}", renamed.text);
    console
        .get(renamed.location())
        .await
        .assert(200, "File renamed.");
    assert_eq!(files.read("/d/b é.txt").await.unwrap(), content);
    assert!(files.read("/d/a.txt").await.is_err());
    let missing = console
        .post(&url, &[("path", "/d/a.txt"), ("name", "c.txt")])
        .await;
    missing.assert(404, "This file does not exist");
    files.upload("/empty", "").await.unwrap();
    let empty = console
        .post(&url, &[("path", "/empty"), ("name", "/moved/empty")])
        .await;
    assert_eq!(empty.status, 303, "{}", empty.text);
    assert!(files.read("/moved/empty").await.unwrap().is_empty());
    console.stop().await;
}

#[tokio::test]
async fn a_delete_is_confirmed() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/d/a.txt", "x").await.unwrap();
    let confirm = console
        .get(&at(&id, "confirm-delete-file", "/d/a.txt"))
        .await;
    confirm.assert(200, "Delete /d/a.txt from one?");
    assert!(files.read("/d/a.txt").await.is_ok());
    let url = format!("/contexts/{}/delete-file", encode(id.as_str()));
    confirm.assert(200, "The file has 1 B, modified 20");
    let fields = confirm.hidden_fields();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    // Without a version, nothing is deleted.
    console
        .post(&url, &[("path", "/d/a.txt")])
        .await
        .assert(409, "The file was changed after the confirmation");
    assert_eq!(files.read("/d/a.txt").await.unwrap(), "x");
    let deleted = console.post(&url, &fields).await;
    console
        .get(deleted.location())
        .await
        .assert(200, "File deleted.");
    assert!(files.read("/d/a.txt").await.is_err());
    // Twice, as after a lost response.
    assert_eq!(console.post(&url, &fields).await.status, 303);
    console
        .get(&at(&id, "confirm-delete-file", "/d/a.txt"))
        .await
        .assert(404, "This file does not exist");
    console.stop().await;
}

#[tokio::test]
async fn a_file_that_changed_after_the_confirmation_is_kept() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", "1").await.unwrap();
    let confirm = console.get(&at(&id, "confirm-delete-file", "/a.txt")).await;
    let fields = confirm.hidden_fields();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    files.upload("/a.txt", "2").await.unwrap();
    let url = format!("/contexts/{}/delete-file", encode(id.as_str()));
    let kept = console.post(&url, &fields).await;
    kept.assert(409, "The file was changed after the confirmation");
    assert_eq!(files.read("/a.txt").await.unwrap(), "2");
    console.stop().await;
}

#[tokio::test]
async fn an_upload_replaces_nothing_in_a_store_without_conditions() {
    let (console, proxy) = Proxy::start().await;
    proxy.ignores_conditions.store(true, Ordering::Relaxed);
    let (id, files) = console.context("one").await;
    let first = console.upload(&id, "folder=/&name=a.txt", b"first").await;
    assert_eq!(first.status, 200, "{}", first.text);
    let second = console.upload(&id, "folder=/&name=a.txt", b"second").await;
    second.assert(409, "A file with this name exists already");
    assert_eq!(files.read("/a.txt").await.unwrap(), "first");
    let replaced = console
        .upload(&id, "folder=/&name=a.txt&replace=1", b"second")
        .await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    assert_eq!(files.read("/a.txt").await.unwrap(), "second");
    console.stop().await;
}

#[tokio::test]
async fn a_rename_compares_the_version_before_each_attempt_to_delete() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", "1").await.unwrap();
    let url = format!("/contexts/{}/rename-file", encode(id.as_str()));
    let writer = files.clone();
    proxy.fail_deletion_after(async move {
        writer.upload("/a.txt", "2").await.unwrap();
    });
    let fields = [("path", "/a.txt"), ("name", "b.txt")];
    let kept = console.post(&url, &fields).await;
    kept.assert(409, "The file was copied, but the old one was not deleted");
    kept.assert(
        409,
        "The file was changed while it was copied. The copy is /b.txt.",
    );
    assert_eq!(files.read("/a.txt").await.unwrap(), "2");
    assert_eq!(files.read("/b.txt").await.unwrap(), "1");
    // Unchanged files are deleted by a further attempt.
    proxy.failing_deletions.store(2, Ordering::Relaxed);
    let fields = [("path", "/a.txt"), ("name", "c.txt")];
    let renamed = console.post(&url, &fields).await;
    assert_eq!(renamed.status, 303, "{}", renamed.text);
    assert!(files.read("/a.txt").await.is_err());
    console.stop().await;
}

#[tokio::test]
async fn a_rename_that_ends_after_the_copy_explains_what_to_do() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", "1").await.unwrap();
    proxy.failing_deletions.store(u32::MAX, Ordering::Relaxed);
    let url = format!("/contexts/{}/rename-file", encode(id.as_str()));
    let fields = [("path", "/a.txt"), ("name", "b.txt")];
    let page = console.post(&url, &fields).await;
    page.assert(502, "The file was copied, but the old one was not deleted");
    page.assert(502, "The service has failed: ");
    page.assert(502, "The copy is /b.txt.");
    page.assert(
        502,
        "Compare both files, and delete the one that is not needed.",
    );
    assert_eq!(files.read("/a.txt").await.unwrap(), "1");
    assert_eq!(files.read("/b.txt").await.unwrap(), "1");
    console.stop().await;
}

#[tokio::test]
async fn a_shared_url_works_without_a_key_and_shows_its_expiry() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", "shared content").await.unwrap();
    let url = format!("/contexts/{}/share", encode(id.as_str()));
    let page = console.post(&url, &[("path", "/a.txt")]).await;
    page.assert(200, " UTC</strong>");
    let (_, text) = page.text.split_once("spellcheck=\"false\">").unwrap();
    let shared = text.split('<').next().unwrap().replace("&#38;", "&");
    let downloaded = reqwest::get(&shared).await.unwrap().text().await.unwrap();
    assert_eq!(downloaded, "shared content");
    console
        .post(&url, &[("path", "/none")])
        .await
        .assert(404, "This file does not exist");
    console.stop().await;
}
