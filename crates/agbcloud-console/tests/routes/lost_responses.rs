//! Uploads and copies whose response is lost.

use std::sync::atomic::Ordering;

use crate::{
    proxy::Proxy,
    support::{TestConsole, encode, part},
};

const HINT: &str = "The file may have been stored: check /b.txt before you try again.";

#[tokio::test]
async fn an_upload_whose_response_is_lost_is_compared() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    let content = "content ".repeat(100_000);
    proxy.lose_response_after(async {});
    let stored = console
        .upload(&id, "folder=/&name=a.txt", content.as_bytes())
        .await;
    stored.assert(200, "{\"path\":\"/a.txt\",\"bytes\":800000}");
    assert_eq!(files.read("/a.txt").await.unwrap(), content);
    // A form, which the SDK sends again under the same condition.
    proxy.uploads.store(0, Ordering::Relaxed);
    proxy.lose_response_after(async {});
    let form = part("folder", "", "/") + &part("files", "; filename=\"f.txt\"", &content);
    let done = console.upload_form(&id, &form).await;
    assert_eq!(done.status, 303, "{}", done.text);
    assert_eq!(proxy.uploads.load(Ordering::Relaxed), 2);
    assert_eq!(files.read("/f.txt").await.unwrap(), content);
    console.stop().await;
}

#[tokio::test]
async fn an_upload_that_was_changed_meanwhile_may_have_been_stored() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    // Of the same size, and then of another one.
    for other in ["other", "another"] {
        let writer = files.clone();
        proxy.lose_response_after(async move {
            writer.upload("/b.txt", other).await.unwrap();
        });
        let query = "folder=/&name=b.txt&replace=1";
        let failed = console.upload(&id, query, b"bytes").await;
        failed.assert(502, HINT);
        assert_eq!(files.read("/b.txt").await.unwrap(), other);
    }
    files.delete("/b.txt").await.unwrap();
    let writer = files.clone();
    proxy.lose_response_after(async move {
        writer.upload("/b.txt", "other").await.unwrap();
    });
    let form = part("folder", "", "/") + &part("files", "; filename=\"b.txt\"", "bytes");
    console.upload_form(&id, &form).await.assert(409, HINT);
    console.stop().await;
}

/// A store that does not answer may store the file after it was looked for.
#[tokio::test]
async fn an_upload_without_an_answer_may_be_stored_later() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    let deleter = files.clone();
    proxy.lose_response_after(async move {
        deleter.delete("/b.txt").await.unwrap();
    });
    let failed = console.upload(&id, "folder=/&name=b.txt", b"bytes").await;
    failed.assert(502, HINT);
    console.stop().await;
}

#[tokio::test]
async fn an_upload_that_was_not_stored_is_reported_as_failed() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    proxy.fails_uploads.store(true, Ordering::Relaxed);
    let failed = console.upload(&id, "folder=/&name=b.txt", b"bytes").await;
    failed.assert(502, HINT);
    assert!(files.read("/b.txt").await.unwrap_err().is_not_found());
    // The file that is not replaced is not taken for the new one.
    proxy.fails_uploads.store(false, Ordering::Relaxed);
    files.upload("/b.txt", "old").await.unwrap();
    proxy.fails_uploads.store(true, Ordering::Relaxed);
    let query = "folder=/&name=b.txt&replace=1";
    console.upload(&id, query, b"bytes").await.assert(502, HINT);
    console.stop().await;
}

#[tokio::test]
async fn a_rename_continues_after_a_lost_response() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    let content = "content ".repeat(100_000);
    files.upload("/a.txt", content.clone()).await.unwrap();
    proxy.lose_response_after(async {});
    let url = format!("/contexts/{}/rename-file", encode(id.as_str()));
    let fields = [("path", "/a.txt"), ("name", "b.txt")];
    let renamed = console.post(&url, &fields).await;
    assert_eq!(renamed.status, 303, "{}", renamed.text);
    assert_eq!(files.read("/b.txt").await.unwrap(), content);
    assert!(files.read("/a.txt").await.unwrap_err().is_not_found());
    console.stop().await;
}

#[tokio::test]
async fn a_rename_whose_copy_is_unknown_keeps_the_old_file() {
    let (console, proxy) = Proxy::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", "bytes").await.unwrap();
    let writer = files.clone();
    proxy.lose_response_after(async move {
        writer.upload("/b.txt", "other").await.unwrap();
    });
    let url = format!("/contexts/{}/rename-file", encode(id.as_str()));
    let fields = [("path", "/a.txt"), ("name", "b.txt")];
    console.post(&url, &fields).await.assert(502, HINT);
    assert_eq!(files.read("/a.txt").await.unwrap(), "bytes");
    assert_eq!(files.read("/b.txt").await.unwrap(), "other");
    console.stop().await;
}

#[tokio::test]
async fn a_form_that_ends_inside_a_file_is_a_bad_request() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let form = part("folder", "", "/")
        + &part("files", "; filename=\"a.txt\"", "whole")
        + part("files", "; filename=\"cut.txt\"", "start").trim_end();
    let failed = console.send_form(&id, form.clone()).await;
    failed.assert(400, "<li>a.txt</li>");
    failed.assert(400, "<li>cut.txt: The form can&#39;t be read");
    assert_eq!(files.read("/a.txt").await.unwrap(), "whole");
    assert!(files.read("/cut.txt").await.unwrap_err().is_not_found());
    let form = form
        .replacen("a.txt", "c.txt", 1)
        .replacen("files", "other", 1);
    console
        .send_form(&id, form)
        .await
        .assert(400, "The form can&#39;t be read");
    assert!(files.read("/cut.txt").await.unwrap_err().is_not_found());
    console.stop().await;
}
