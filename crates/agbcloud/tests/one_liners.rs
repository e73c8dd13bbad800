//! The lines that a new user types first compile and work.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are outside of test functions"
)]

use std::io;

use agbcloud::{
    Client, Context, ContextId, ContextState, Continuation, ErrorKind, FileEntry, FileKind,
    FolderPath, PresignedUrl, RemotePath, Resumed, SyncReport, Timestamp,
};
use agbcloud_server::Server;
use bytes::Bytes;

async fn service() -> (Server, Client) {
    let server = Server::builder().start().await.unwrap();
    let builder = Client::builder().api_key("any").endpoint(server.url());
    (server, builder.build().unwrap())
}

#[tokio::test]
async fn an_id_is_a_text_or_an_id() -> agbcloud::Result<()> {
    let (_server, client) = service().await;
    let contexts = client.contexts();
    let id: ContextId = contexts.get_or_create("my-project").await?.id;
    let text: String = id.to_string();
    contexts.get(text.as_str()).await?;
    contexts.get(&text).await?;
    contexts.get(&id).await?;
    contexts.rename(text.as_str(), "our-project").await?;
    contexts
        .files(text.as_str())
        .upload("/a.txt", "hello")
        .await?;
    contexts.files(text.clone()).read("/a.txt").await?;
    contexts.files(id.clone()).list().all().await?;
    contexts.clear(text.as_str()).await?;
    contexts.resume_clear(&text).await?;
    contexts.delete(text).await?;
    let error = contexts.files("").read("/a.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(contexts.files("").context_id().is_err());
    assert!(
        contexts
            .files("")
            .upload_dir(".", "/")
            .plan()
            .await
            .is_err()
    );
    assert!(contexts.files(" ").delete_dir("/").send().await.is_err());
    assert!(contexts.files(" ").list().all().await.is_err());
    assert!(contexts.get("").await.is_err());
    Ok(())
}

#[tokio::test]
async fn each_builder_is_awaited_or_sent() -> agbcloud::Result<()> {
    let (_server, client) = service().await;
    let contexts = client.contexts();
    let context: Context = contexts.get_or_create("my-project").send().await?;
    let files = contexts.files(&context.id);
    let folder = tempfile::tempdir().unwrap();
    files.upload("/data/a.txt", "hello").send().await?;
    let text: Bytes = files.read("/data/a.txt").send().await?;
    assert_eq!(text, "hello");
    files
        .download("/data/a.txt", folder.path().join("a.txt"))
        .send()
        .await?;
    let up: SyncReport = files.upload_dir(folder.path(), "/up").send().await?;
    assert_eq!(up.transferred, 1);
    files
        .download_dir("/up", folder.path().join("down"))
        .send()
        .await?;
    files.delete_dir("/up").send().await?;
    files.delete("/data/a.txt").send().await?;
    assert_eq!(
        files.list().send().await?.entries,
        files.list().await?.entries
    );
    assert_eq!(
        contexts.list().send().await?.contexts,
        contexts.list().await?.contexts
    );
    assert_eq!(contexts.list().all().await?.len(), 1);
    contexts.clear(&context.id).send().await?;
    let again: Resumed = contexts.resume_clear(&context.id).send().await?;
    assert!(!again.was_clearing());
    Ok(())
}

#[tokio::test]
async fn builders_are_cloned_and_shown() -> agbcloud::Result<()> {
    let (_server, client) = service().await;
    let contexts = client.contexts();
    let lookup = contexts.get_or_create("my-project");
    let id = lookup.clone().await?.id;
    let files = contexts.files(&id);
    let listing = files.list().folder("/").page_size(10);
    listing.clone().send().await?;
    let read = files.read("/none.txt").limit(10);
    assert!(read.clone().await.is_err_and(|error| error.is_not_found()));
    let delete = files.delete("/none.txt").missing_ok(true);
    delete.clone().await?;
    let shown = format!(
        "{lookup:?} {listing:?} {read:?} {delete:?} {:?} {:?} {:?} {:?}",
        contexts.list().clone(),
        contexts.clear(&id).clone(),
        files.upload_dir(".", "/").clone(),
        files.delete_dir("/").clone(),
    );
    assert!(shown.contains("my-project") && shown.contains("/none.txt"));
    Ok(())
}

#[tokio::test]
async fn errors_name_their_target_and_become_io_errors() -> agbcloud::Result<()> {
    let (_server, client) = service().await;
    let files = client
        .contexts()
        .files(client.contexts().get_or_create("a").await?.id);
    async fn load(files: &agbcloud::Files) -> io::Result<Bytes> {
        Ok(files.read("/none.txt").await?)
    }
    let error = load(&files).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error: agbcloud::Error = error.downcast().unwrap();
    assert_eq!(error.path(), Some("/none.txt"));
    assert_eq!(error.context_id(), Some(files.context_id()?.as_str()));
    assert_eq!(error.to_string().matches("/none.txt").count(), 1, "{error}");
    let error = files.stat("/data/none.txt").await.unwrap_err();
    assert_eq!(
        error.to_string().matches("/data/none.txt").count(),
        1,
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_presigned_url_is_passed_as_it_is() -> agbcloud::Result<()> {
    let (_server, client) = service().await;
    let id = client.contexts().get_or_create("my-project").await?.id;
    let files = client.contexts().files(id);
    files
        .upload("/a.txt", "hello")
        .presigned_url(files.upload_url("/a.txt").await?)
        .await?;
    let url: PresignedUrl = files.download_url("/a.txt").await?;
    assert_eq!(files.read("/a.txt").presigned_url(&url).await?, "hello");
    assert_eq!(
        files.read("/a.txt").presigned_url(url.as_str()).await?,
        "hello"
    );
    let error = files
        .read("/a.txt")
        .presigned_url("nonsense")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    Ok(())
}

#[tokio::test]
async fn values_are_stored_and_read() -> Result<(), Box<dyn std::error::Error>> {
    let (_server, client) = service().await;
    let contexts = client.contexts();
    let context: Context = contexts.get_or_create("my-project").await?;
    contexts.get_or_create("another").await?;
    let json = serde_json::to_string(&context)?;
    assert_eq!(serde_json::from_str::<Context>(&json)?, context);

    let files = contexts.files(&context.id);
    files.upload("/data/a.txt", "hello").await?;
    let entries: Vec<FileEntry> = files.list().folder("/data").all().await?;
    let json = serde_json::to_string(&entries)?;
    assert_eq!(serde_json::from_str::<Vec<FileEntry>>(&json)?, entries);
    let newest: Option<&Timestamp> = entries
        .iter()
        .filter_map(|entry| entry.modified_at.as_ref())
        .max();
    assert!(newest.is_some());

    let mut items = contexts.list().by_item();
    items.next().await.transpose()?;
    let saved: String = items.continuation().map(|place| place.to_string()).unwrap();
    let place: Continuation = saved.parse()?;
    let rest = contexts.list().start_at(place).all().await?;
    assert_eq!(rest[0].name, "another");
    Ok(())
}

#[test]
fn names_are_parsed_and_paths_are_joined() -> agbcloud::Result<()> {
    assert_eq!("available".parse(), Ok(ContextState::Available));
    assert_eq!("folder".parse::<FileKind>()?.to_string(), "folder");
    assert_eq!("not_found".parse::<ErrorKind>()?, ErrorKind::NotFound);
    let path: RemotePath = FolderPath::new("/data")?.join("2025/a.txt")?;
    assert_eq!(
        (path.parent().as_str(), path.file_name()),
        ("/data/2025", "a.txt")
    );
    Ok(())
}

#[tokio::test]
async fn the_state_is_a_plain_value_and_the_request_id_is_reachable() -> agbcloud::Result<()> {
    let (_server, client) = service().await;
    let contexts = client.contexts();
    let (context, request_id) = contexts
        .get_or_create("my-project")
        .with_response()
        .await?
        .into_parts();
    assert!(request_id.is_some());
    let state: ContextState = contexts.clear(&context.id).start().await?.status().await?;
    assert!(matches!(
        state,
        ContextState::Clearing | ContextState::Available
    ));
    let response = contexts.get(&context.id).with_response().await?;
    assert!(response.request_id().is_some());
    assert_eq!(
        response.map(|context| context.name).into_inner(),
        "my-project"
    );
    Ok(())
}

#[tokio::test]
async fn a_hasher_a_vector_and_a_walk_need_no_adapter() -> agbcloud::Result<()> {
    use agbcloud::DownloadTarget;
    use md5::{Digest, Md5};

    let (_server, client) = service().await;
    let context = client.contexts().get_or_create("my-project").await?;
    let files = client.contexts().files(context.id);
    files.upload("/data/a.txt", "hello").await?;
    let mut hasher = Md5::new();
    let target = DownloadTarget::chunks(|chunk| hasher.update(chunk));
    files.download("/data/a.txt", target).await?;
    assert_eq!(hasher.finalize(), Md5::digest("hello"));
    assert_eq!(files.list().walk().all().await?.len(), 2);
    let stat = files.stat("/data/a.txt");
    let entry = stat.clone().with_response().await?;
    assert!(entry.request_id().is_some());
    assert_eq!(stat.await?.size, Some(5));
    let folder = tempfile::tempdir().unwrap();
    let report = files.download_dir("/data", folder.path()).await?;
    let json = serde_json::to_string(&report).unwrap();
    let read: SyncReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read.transferred, 1);
    Ok(())
}
