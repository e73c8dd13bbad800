//! Restarts of the service on the same data folder.

use agbcloud::ContextState;
use agbcloud_server::{Server, test_store};

use crate::support::{KEY, client_of};

async fn serve(folder: &std::path::Path) -> Server {
    test_store::builder_in(folder)
        .api_key(KEY)
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn contexts_files_tokens_and_urls_survive_a_restart() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path()).await;
    let contexts = client_of(&server, KEY).contexts();
    let first = contexts.get_or_create("first").await.unwrap();
    let second = contexts.get_or_create("second").await.unwrap();
    let files = contexts.files(&first.id);
    files.upload("/data/a", vec![9; 100_000]).await.unwrap();
    let token = contexts
        .list()
        .page_size(1)
        .send()
        .await
        .unwrap()
        .next_token
        .clone()
        .unwrap();
    let signed = files
        .download_url("/data/a")
        .await
        .unwrap()
        .as_str()
        .to_owned();
    let old_base = server.url().to_owned();
    server.shutdown().await;

    let server = serve(folder.path()).await;
    let contexts = client_of(&server, KEY).contexts();
    assert_eq!(contexts.get_by_name("first").await.unwrap().id, first.id);
    assert_eq!(
        contexts.files(&first.id).read("/data/a").await.unwrap(),
        vec![9; 100_000]
    );
    let page = contexts
        .list()
        .page_size(1)
        .start_at_token(token)
        .send()
        .await
        .unwrap();
    assert_eq!(page.contexts[0].id, second.id);
    let moved = signed.replace(&old_base, server.url());
    let content = contexts
        .files(&first.id)
        .read("/data/a")
        .presigned_url(agbcloud::PresignedUrl::new(moved).unwrap());
    assert_eq!(content.await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn an_interrupted_clear_continues_after_a_restart() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let slow = test_store::builder_in(folder.path())
        .api_key(KEY)
        .clear_delay(std::time::Duration::from_secs(600))
        .start()
        .await
        .unwrap();
    let contexts = client_of(&slow, KEY).contexts();
    let id = contexts.get_or_create("one").await.unwrap().id;
    contexts.files(&id).upload("/a", &b"a"[..]).await.unwrap();
    contexts.clear(&id).start().await.unwrap();
    drop(slow);

    // The first service has to release the folder first.
    let server = loop {
        match test_store::builder_in(folder.path())
            .api_key(KEY)
            .start()
            .await
        {
            Ok(server) => break server,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let contexts = client_of(&server, KEY).contexts();
    assert_eq!(
        contexts.files(&id).list().send().await.unwrap().total_count,
        Some(0)
    );
    contexts.resume_clear(&id).await.unwrap();
    assert_eq!(
        contexts.get(&id).await.unwrap().state,
        ContextState::Available
    );
}
