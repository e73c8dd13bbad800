//! The main features of the SDK against the service.

use std::time::Duration;

use agbcloud::{ContextState, ErrorKind, FileKind};
use futures_util::TryStreamExt;

use crate::support::{World, client_of};

#[tokio::test]
async fn pages_list_every_context_exactly_once() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    let mut made = Vec::new();
    for number in 0..31 {
        made.push(
            contexts
                .get_or_create(format!("n{number:02}"))
                .await
                .unwrap(),
        );
    }
    let pages: Vec<_> = contexts
        .list()
        .page_size(10)
        .by_page()
        .try_collect()
        .await
        .unwrap();
    let sizes: Vec<_> = pages.iter().map(|page| page.contexts.len()).collect();
    assert_eq!(sizes, [10, 10, 10, 1]);
    assert!(
        pages
            .iter()
            .all(|page| page.total_count == Some(31) && page.request_id.is_some())
    );

    let listed: Vec<_> = contexts
        .list()
        .page_size(10)
        .by_item()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed, made);

    let second = contexts
        .list()
        .page_size(10)
        .start_at_token(pages[0].next_token.clone().unwrap());
    assert_eq!(second.send().await.unwrap().contexts, pages[1].contexts);
}

#[tokio::test]
async fn creations_and_deletions_between_pages_hide_no_other_context() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    for number in 0..20 {
        contexts
            .get_or_create(format!("n{number:02}"))
            .await
            .unwrap();
    }
    let mut pages = contexts.list().page_size(5).by_page();
    let first = pages.next().await.unwrap().unwrap();
    contexts.delete(&first.contexts[4].id).await.unwrap();
    contexts.get_or_create("late").await.unwrap();
    let mut names: Vec<_> = first
        .contexts
        .into_iter()
        .map(|context| context.name)
        .collect();
    while let Some(page) = pages.next().await {
        names.extend(
            page.unwrap()
                .contexts
                .into_iter()
                .map(|context| context.name),
        );
    }
    let mut expected: Vec<_> = (0..20).map(|number| format!("n{number:02}")).collect();
    expected.push("late".to_owned());
    assert_eq!(names, expected);
}

#[tokio::test]
async fn contexts_are_created_found_renamed_and_deleted() {
    let world = World::new().await;
    let contexts = world.client.contexts();
    let made = contexts.get_or_create("one").with_response().await.unwrap();
    assert!(made.request_id().is_some());
    let made = made.into_inner();
    assert_eq!(made.state, ContextState::Available);
    assert!(made.created_at.as_ref().unwrap().to_system_time().is_some());
    assert_eq!(contexts.get_or_create("one").await.unwrap().id, made.id);
    assert_eq!(contexts.get_by_name("one").await.unwrap().id, made.id);
    assert_eq!(contexts.get(&made.id).await.unwrap().name, "one");

    contexts.get_or_create("two").await.unwrap();
    let error = contexts.rename(&made.id, "two").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, Some("InvalidContext.NameConflict"))
    );
    contexts.rename(&made.id, "one").await.unwrap();
    contexts.rename(&made.id, "three").await.unwrap();
    assert_eq!(contexts.get_by_name("three").await.unwrap().id, made.id);
    assert_eq!(
        contexts.get_by_name("one").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );

    contexts.delete(&made.id).await.unwrap();
    for error in [
        contexts.get(&made.id).await.unwrap_err(),
        contexts.get_by_name("three").await.unwrap_err(),
        contexts.delete(&made.id).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_ne!(
        contexts.get_or_create("three").await.unwrap().id,
        made.id,
        "an id is never reused"
    );
}

#[tokio::test]
async fn names_are_unique_per_region() {
    let world = World::with(|builder| builder.regions(["cn-hangzhou", "eu-west-1"])).await;
    let contexts = world.client.contexts();
    let here = contexts.get_or_create("one").await.unwrap();
    let there = contexts
        .get_or_create("one")
        .region("eu-west-1")
        .await
        .unwrap();
    assert_ne!(here.id, there.id);
    assert_eq!(
        contexts
            .get_by_name("one")
            .region("cn-hangzhou")
            .await
            .unwrap()
            .id,
        here.id
    );
    let error = contexts
        .get_or_create("one")
        .region("mars-1")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameter.LoginRegionId"));
}

#[tokio::test]
async fn files_are_uploaded_listed_downloaded_and_deleted() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "/a.txt",
        "/data/empty",
        "/data/50 % of #1?+&.txt",
        "/data/数据/🗂.txt",
        "/data/a/b/c",
    ];
    for (number, name) in names.iter().enumerate() {
        let content = vec![number as u8; number * 70_000];
        let uploaded = files.upload(*name, content.clone()).await.unwrap();
        assert_eq!(uploaded.bytes, content.len() as u64);
        assert_eq!(files.read(*name).await.unwrap(), content);
        let local = folder.path().join(number.to_string());
        let downloaded = files.download(*name, &local).await.unwrap();
        assert_eq!(
            (downloaded.bytes, downloaded.etag),
            (uploaded.bytes, uploaded.etag)
        );
        assert_eq!(std::fs::read(&local).unwrap(), content);
    }

    let mut data = Vec::new();
    for size in [1, 2, 100] {
        let listing = files.list().folder("/data").page_size(size).by_item();
        data = listing.try_collect::<Vec<_>>().await.unwrap();
        let paths: Vec<_> = data.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/data/50 % of #1?+&.txt",
                "/data/a",
                "/data/empty",
                "/data/数据"
            ]
        );
    }
    let kinds: Vec<_> = data.iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds,
        [
            FileKind::File,
            FileKind::Folder,
            FileKind::File,
            FileKind::Folder
        ]
    );
    assert_eq!(data[0].size, Some(140_000));
    assert_eq!(files.list().send().await.unwrap().total_count, Some(2));

    files.delete("/data/a/b/c").await.unwrap();
    let error = files.delete("/data/a/b/c").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::NotFound, Some("InvalidFile.NotFound"))
    );
    files.delete("/data/a/b/c").missing_ok(true).await.unwrap();
    assert_eq!(
        files.read("/data/a/b/c").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let left = files.list().folder("/data").send().await.unwrap();
    assert_eq!(
        left.total_count,
        Some(3),
        "a folder disappears with its last file"
    );
}

#[tokio::test]
async fn a_clear_hides_all_files_immediately_and_ends_in_available() {
    let world = World::with(|builder| builder.clear_delay(Duration::from_millis(400))).await;
    let (id, files) = world.files("one").await;
    files.upload("/a", &b"a"[..]).await.unwrap();
    let old_url = files.upload_url("/b").await.unwrap();

    let clear = world
        .client
        .contexts()
        .clear(&id)
        .poll_interval(Duration::from_millis(100));
    let handle = clear.start().await.unwrap();
    assert_eq!(handle.status().await.unwrap(), ContextState::Clearing);
    assert_eq!(files.list().send().await.unwrap().total_count, Some(0));
    let error = files.upload_url("/c").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, Some("InvalidContext.Clearing"))
    );
    // A second clear succeeds, and another client can wait for it.
    world.client.contexts().clear(&id).start().await.unwrap();
    let cleared = world.client.contexts().resume_clear(&id).await.unwrap();
    assert!(cleared.cleared().polls >= 2, "{cleared:?}");
    assert_eq!(handle.status().await.unwrap(), ContextState::Available);

    let error = files
        .upload("/b", &b"b"[..])
        .presigned_url(old_url)
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::UrlRejected,
        "URLs from before a clear are refused"
    );
    files.upload("/b", &b"b"[..]).await.unwrap();
}

#[tokio::test]
async fn a_clear_that_times_out_can_be_resumed() {
    let world = World::with(|builder| builder.clear_delay(Duration::from_millis(700))).await;
    let (id, _) = world.files("one").await;
    let clear = world.client.contexts().clear(&id);
    let error = clear.timeout(Duration::from_millis(150)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
    assert!(error.to_string().contains("clearing"), "{error}");
    world.client.contexts().resume_clear(&id).await.unwrap();
}

#[tokio::test]
async fn contexts_of_another_key_are_not_found() {
    let world = World::with(|builder| builder.api_key("another-key")).await;
    let (id, files) = world.files("one").await;
    files.upload("/a", &b"a"[..]).await.unwrap();
    let page = world
        .client
        .contexts()
        .list()
        .page_size(1)
        .send()
        .await
        .unwrap();
    assert_eq!(page.total_count, Some(1));

    let other = client_of(&world.server, "another-key").contexts();
    assert_eq!(other.list().send().await.unwrap().total_count, Some(0));
    let theirs = other.get_or_create("one").await.unwrap().id;
    assert_ne!(theirs, id);
    let foreign = other.files(&id);
    for error in [
        other.get(&id).await.unwrap_err(),
        other.rename(&id, "mine").await.unwrap_err(),
        other.delete(&id).await.unwrap_err(),
        other.clear(&id).start().await.unwrap_err(),
        foreign.list().send().await.unwrap_err(),
        foreign.upload_url("/a").await.unwrap_err(),
        foreign.download_url("/a").await.unwrap_err(),
        foreign.delete("/a").await.unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::NotFound, Some("InvalidContext.NotFound"))
        );
    }
    assert_eq!(
        files.read("/a").await.unwrap(),
        b"a"[..],
        "nothing was changed"
    );
}

#[tokio::test]
async fn futures_are_send_and_clients_are_shared() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let world = World::new().await;
    shared(&world.client);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let client = world.client.clone();
            tokio::spawn(async move { client.contexts().get_or_create("one").await.unwrap().id })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "concurrent calls create one context");
}
