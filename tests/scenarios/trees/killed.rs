//! Processes that are killed in the middle of a folder.

use std::{path::Path, time::Duration};

use super::{remote, tree, world, write};
use crate::support::{KEY, World};

/// The process that is killed: not a test of its own.
#[tokio::test]
#[ignore = "started by another test"]
async fn child_that_is_killed() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let agb = agbcloud::Agb::builder()
        .api_key(KEY)
        .endpoint(variable("TREE_ENDPOINT"));
    let id = agbcloud::ContextId::new(variable("TREE_CONTEXT")).unwrap();
    let files = agb.build().unwrap().contexts().files(&id);
    let local = variable("TREE_LOCAL");
    match variable("TREE_DIRECTION").as_str() {
        "up" => files.upload_dir(local, "/data").await.unwrap(),
        _ => files.download_dir("/data", local).await.unwrap(),
    };
}

/// Times to kill after, so that some hit the middle on any machine.
fn growing() -> impl Iterator<Item = Duration> {
    (2..20_u32).map(|step| Duration::from_millis(30) * step)
}

/// Starts a process that does it, and kills it after a while.
async fn do_and_kill(world: &World, id: &str, direction: &str, local: &Path, after: Duration) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "trees::killed::child_that_is_killed",
            "--ignored",
        ])
        .env("TREE_ENDPOINT", world.server.url())
        .env("TREE_CONTEXT", id)
        .env("TREE_LOCAL", local)
        .env("TREE_DIRECTION", direction)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(after).await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn one_that_was_killed_finishes_the_rest() {
    let world = world().await;
    let (id, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..300 {
        let path = format!("{}/{number}", number % 7);
        write(here.path(), &[(&path, &"x".repeat(number * 300))]);
    }
    let whole = tree(here.path());
    for after in growing() {
        do_and_kill(&world, id.as_str(), "up", here.path(), after).await;
        for path in remote(&files, "/data").await {
            let name = path.strip_prefix("/data/").unwrap();
            assert!(
                files.read(path.as_str()).await.unwrap() == whole[name],
                "{path} is half there"
            );
        }
        if remote(&files, "/data").await.len() > 200 {
            break;
        }
    }
    let report = files.upload_dir(here.path(), "/data").await.unwrap();
    assert_eq!(report.transferred + report.unchanged, 300);

    for after in growing() {
        do_and_kill(&world, id.as_str(), "down", there.path(), after).await;
        let mut found = tree(there.path());
        found.retain(|path, _| !path.ends_with(".part"));
        assert!(found.iter().all(|(path, content)| whole[path] == *content));
        if found.len() > 200 {
            break;
        }
    }
    files.download_dir("/data", there.path()).await.unwrap();
    let mut found = tree(there.path());
    found.retain(|path, _| !path.ends_with(".part"));
    assert!(found == whole);
    // What was left behind is not sent.
    let report = files.upload_dir(there.path(), "/data").await.unwrap();
    assert_eq!(report.unchanged, 300);
}
