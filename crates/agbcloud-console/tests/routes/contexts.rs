//! Contexts: list, search, create, rename, clear, delete.

use std::time::Duration;

use crate::support::{TestConsole, encode};

#[tokio::test]
async fn contexts_are_created_renamed_and_deleted() {
    let console = TestConsole::start().await;
    console
        .get("/")
        .await
        .assert(200, "There are no contexts yet");
    let created = console.post("/contexts", &[("name", "my <project>")]).await;
    assert_eq!(created.status, 303);
    assert!(created.location().ends_with("?done=created"));
    console
        .get(created.location())
        .await
        .assert(200, "Context created.");
    let again = console.post("/contexts", &[("name", "my <project>")]).await;
    assert!(again.location().ends_with("?done=exists"));
    let list = console.get("/").await;
    list.assert(200, "my &#60;project&#62;");
    assert!(!list.text.contains("<project>"));
    console.context("other").await;

    let url = created.location().split('?').next().unwrap();
    console
        .get(&format!("{url}/manage"))
        .await
        .assert(200, "Rename");
    let taken = console
        .post(&format!("{url}/rename"), &[("name", "other")])
        .await;
    taken.assert(409, "Another context has this name");
    let renamed = console
        .post(&format!("{url}/rename"), &[("name", "new name")])
        .await;
    console
        .get(renamed.location())
        .await
        .assert(200, "Context renamed.");
    assert!(
        console
            .client
            .contexts()
            .get_by_name("new name")
            .await
            .is_ok()
    );

    console
        .get(&format!("{url}/confirm-delete"))
        .await
        .assert(200, "Delete the context new name?");
    let deleted = console.post(&format!("{url}/delete"), &[]).await;
    assert_eq!(deleted.location(), "/?done=context-deleted");
    assert!(
        console
            .client
            .contexts()
            .get_by_name("new name")
            .await
            .is_err()
    );
    console
        .get(url)
        .await
        .assert(404, "This context does not exist");
    console.stop().await;
}

#[tokio::test]
async fn invalid_names_are_explained() {
    let console = TestConsole::start().await;
    for name in ["", " ", "a\nb", &"x".repeat(256), &"x".repeat(10_000)] {
        let refused = console.post("/contexts", &[("name", name)]).await;
        refused.assert(400, "This name is not allowed");
    }
    let longest = "é<".repeat(127) + "é";
    let created = console.post("/contexts", &[("name", &longest)]).await;
    console.get(created.location()).await.assert(200, "é&#60;é");
    console.stop().await;
}

#[tokio::test]
async fn contexts_are_listed_by_page_and_searched() {
    let console = TestConsole::start().await;
    for number in 0..120 {
        console.context(&format!("agent-{number:03}")).await;
    }
    let first = console.get("/").await;
    first.assert(200, "50 of 120");
    let (_, next) = first
        .text
        .split_once("<a class=\"button\" href=\"/?token=")
        .unwrap();
    let next = format!("/?token={}", next.split('"').next().unwrap());
    let second = console.get(&next).await;
    second.assert(200, "agent-099");
    assert!(!second.text.contains("agent-049") && second.text.contains("First page"));
    let found = console.get("/?q=AGENT-11").await;
    found.assert(200, "10 found, 120 searched");
    console
        .get("/?q=x%22%3Cscript%3E")
        .await
        .assert(200, "value=\"x&#34;&#60;script&#62;\"");
    console
        .get("/?state=clearing")
        .await
        .assert(200, "No context matches.");
    for (token, first) in [("?token=bogus", "/"), ("?q=a%20b&token=bogus", "/?q=a%20b")] {
        let unknown = console.get(&format!("/{token}")).await;
        unknown.assert(400, "This page does not exist");
        unknown.assert(400, "Start at the first page.");
        unknown.assert(400, &format!("href=\"{first}\">First page</a>"));
        assert!(!unknown.text.contains("Try again"), "{}", unknown.text);
    }
    assert!(
        first
            .text
            .contains("name=\"q\" value=\"\" maxlength=\"255\"")
    );
    console.stop().await;
}

#[tokio::test]
async fn a_clear_shows_its_state_until_it_ends() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", &b"hello"[..]).await.unwrap();
    let url = format!("/contexts/{}", encode(id.as_str()));
    console
        .get(&format!("{url}/confirm-clear"))
        .await
        .assert(200, "There is 1 file or folder");
    let cleared = console.post(&format!("{url}/clear"), &[]).await;
    let page = console.get(cleared.location()).await;
    page.assert(200, "Clearing the context.");
    assert!(page.text.contains("data-poll=\""), "{}", page.text);
    let mut polls = 0;
    let state = loop {
        let state = console.get(&format!("{url}/state")).await;
        assert_eq!(state.status, 200);
        polls += 1;
        if !state.text.contains("\"changing\":true") || polls > 200 {
            break state.text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(state, "{\"state\":\"available\",\"changing\":false}");
    assert!(polls > 1);
    assert!(files.list().all().await.unwrap().is_empty());
    assert!(!console.get(&url).await.text.contains("data-poll"));
    console.stop().await;
}
