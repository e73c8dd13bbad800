//! Each operation has the result of its async form.

use agbcloud::ErrorKind;

use crate::support::World;

#[test]
fn contexts_are_created_found_renamed_and_deleted() {
    let world = World::new();
    let contexts = world.client.contexts();
    let missing = contexts.get_by_name("one").send().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);

    let made = contexts.get_or_create("one").with_response().unwrap();
    assert!(made.request_id().is_some());
    let made = made.into_inner();
    assert_eq!(contexts.get_or_create("one").send().unwrap(), made);
    assert_eq!(contexts.get_by_name("one").send().unwrap().id, made.id);
    assert_eq!(contexts.get(&made.id).send().unwrap().name, "one");
    let elsewhere = contexts.get_or_create("one").region("cn-shanghai").send();
    assert_ne!(elsewhere.unwrap().id, made.id);

    world.context("two");
    let taken = contexts.rename(&made.id, "two").send().unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    contexts.rename(&made.id, "three").send().unwrap();
    assert_eq!(contexts.get(&made.id).send().unwrap().name, "three");

    contexts.delete(&made.id).send().unwrap();
    assert_eq!(
        contexts.get(&made.id).send().unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        contexts.delete(&made.id).send().unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn files_are_uploaded_downloaded_read_and_deleted() {
    let world = World::new();
    let files = world.files();
    let folder = tempfile::tempdir().unwrap();
    let (here, copy) = (folder.path().join("here"), folder.path().join("copy"));
    std::fs::write(&here, "from a path").unwrap();

    assert_eq!(files.upload("/a", here.as_path()).send().unwrap().bytes, 11);
    let fetched = files.download("/a", &copy).send().unwrap();
    assert_eq!(
        (fetched.bytes, std::fs::read(&copy).unwrap()),
        (11, b"from a path".to_vec())
    );
    assert_eq!(files.upload("/a", &b"bytes"[..]).send().unwrap().bytes, 5);
    let exists = files.download("/a", &copy).send().unwrap_err();
    assert_eq!(exists.kind(), ErrorKind::Conflict);
    files.download("/a", &copy).overwrite(true).send().unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), b"bytes");

    assert_eq!(files.read("/a").send().unwrap(), b"bytes"[..]);
    assert_eq!(
        files.read("/a").limit(4).send().unwrap_err().kind(),
        ErrorKind::Rejected
    );

    files.delete("/a").send().unwrap();
    assert_eq!(
        files.delete("/a").send().unwrap_err().kind(),
        ErrorKind::NotFound
    );
    files.delete("/a").missing_ok(true).send().unwrap();
    assert_eq!(
        files.read("/a").send().unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_transfer_uses_a_given_presigned_url() {
    let world = World::new();
    let files = world.files();
    let put = files.upload_url("/a").send().unwrap();
    files
        .upload("/elsewhere", vec![7; 9])
        .presigned_url(put)
        .send()
        .unwrap();

    let get = files.download_url("/a").send().unwrap();
    assert!(get.expires_at().is_some());
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    assert_eq!(
        files
            .read("/none")
            .presigned_url(get.clone())
            .send()
            .unwrap(),
        vec![7; 9]
    );
    files
        .download("/none", &copy)
        .presigned_url(get)
        .send()
        .unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), vec![7; 9]);
    assert_eq!(
        files.download_url("/none").send().unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn an_invalid_value_fails_when_it_is_sent() {
    let world = World::new();
    let (contexts, files) = (world.client.contexts(), world.files());
    let id = files.context_id().unwrap().clone();
    for error in [
        contexts.get_or_create("").send().unwrap_err(),
        contexts.get_or_create("a").region("").send().unwrap_err(),
        contexts.rename(&id, "").send().unwrap_err(),
        files.upload("relative", &b"a"[..]).send().unwrap_err(),
        files.read("relative").send().unwrap_err(),
        files.delete("relative").send().unwrap_err(),
        files.upload_url("relative").send().unwrap_err(),
        files.download_url("relative").send().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn the_builder_applies_settings_and_debug_hides_the_key() {
    let builder = agbcloud::blocking::Client::builder()
        .api_key("secret-key")
        .endpoint("127.0.0.1:1")
        .timeout(std::time::Duration::from_secs(1))
        .retry(agbcloud::RetryPolicy::default().max_attempts(2));
    let client = builder.clone().build().unwrap();
    assert_eq!(client.endpoint(), "https://127.0.0.1:1");
    let zero_timeout = builder.clone().timeout(std::time::Duration::ZERO).build();
    assert_eq!(zero_timeout.unwrap_err().kind(), ErrorKind::Configuration);
    let text = format!("{builder:?} {client:?} {:?}", client.contexts());
    assert!(!text.contains("secret-key"), "{text}");
    let error = client.contexts().get_by_name("a").send().unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts().len()),
        (ErrorKind::Connection, 2)
    );
}
