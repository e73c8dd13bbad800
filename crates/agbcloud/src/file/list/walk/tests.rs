use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Client, ContextId,
    wire::{MockContextApi, answer},
};

#[tokio::test]
async fn a_folder_that_can_not_be_listed_is_an_error_after_all_other_entries() {
    let mut api = MockContextApi::new();
    api.expect_list_files().times(2).returning(|query| {
        let entries = match query.folder.as_str() {
            "/" => vec![
                json!({"filePath": "/a\\b", "fileType": "folder"}),
                json!({"filePath": "/good", "fileType": "folder"}),
            ],
            _ => vec![json!({"filePath": "/good/file", "fileType": "file"})],
        };
        let count = entries.len();
        answer(json!({"success": true, "data": entries, "count": count}))
    });
    let client = Client::builder().stub(api).build().unwrap();
    let files = client.contexts().files(ContextId::new("SdkCtx-1").unwrap());
    let mut walk = files.list().walk();
    for path in ["/a\\b", "/good", "/good/file"] {
        assert_eq!(walk.next().await.unwrap().unwrap().path, path);
    }
    assert!(!walk.is_terminated());
    let error = walk.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(walk.is_terminated() && walk.next().await.is_none());
}

/// How a service lists folders. The behaviour of the cloud is not documented.
#[derive(Debug, Clone)]
struct ListingStyle {
    /// Levels in one listing.
    levels: usize,
    /// Whether paths are in descending order.
    backwards: bool,
    /// Whether a listing contains the folder itself.
    names_itself: bool,
    /// Whether paths of folders end with a slash.
    slash: bool,
    /// Whether the requested folder is ignored.
    always_root: bool,
}

const PLAIN: ListingStyle = ListingStyle {
    levels: 1,
    backwards: false,
    names_itself: false,
    slash: false,
    always_root: false,
};

/// Paths of folders and files below the root; a folder's last segment starts with `d`.
type Tree = BTreeSet<String>;

fn is_folder(path: &str) -> bool {
    path.rsplit('/').next().unwrap().starts_with('d')
}

fn listed(tree: &Tree, style: &ListingStyle, folder: &str) -> Vec<Value> {
    let folder = if style.always_root { "/" } else { folder };
    let prefix = format!("{}/", folder.trim_end_matches('/'));
    let levels = if style.always_root {
        usize::MAX
    } else {
        style.levels
    };
    let mut paths: Vec<&str> = tree
        .iter()
        .map(String::as_str)
        .filter(|path| {
            path.strip_prefix(&prefix)
                .is_some_and(|rest| rest.matches('/').count() < levels)
        })
        .collect();
    if style.names_itself {
        paths.insert(0, folder);
    }
    if style.backwards {
        paths.reverse();
    }
    let entry = |path: &str| {
        let folder = path == "/" || is_folder(path);
        let slash = if folder && style.slash { "/" } else { "" };
        let kind = if folder { "folder" } else { "file" };
        json!({"filePath": format!("{path}{slash}"), "fileType": kind})
    };
    paths.into_iter().map(entry).collect()
}

fn service(tree: Tree, style: ListingStyle) -> MockContextApi {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().returning(move |query| {
        let all = listed(&tree, &style, query.folder.as_str());
        let start = ((query.page - 1) * query.page_size) as usize;
        let page: Vec<&Value> = all
            .iter()
            .skip(start)
            .take(query.page_size as usize)
            .collect();
        answer(json!({"success": true, "data": page, "count": all.len()}))
    });
    wire
}

fn list(wire: MockContextApi) -> ListFiles {
    let id = ContextId::new("SdkCtx-1").unwrap();
    Client::on(wire).contexts().files(&id).list()
}

/// A tree, built from the paths of its files and empty folders.
fn trees() -> impl Strategy<Value = Tree> {
    let leaf = (prop::collection::vec("d[ab]", 0..4), "[df][xy]");
    prop::collection::vec(leaf, 0..25).prop_map(|leaves| {
        let mut tree = Tree::new();
        for (folders, leaf) in leaves {
            let mut path = String::new();
            for segment in folders.iter().chain([&leaf]) {
                path = format!("{path}/{segment}");
                tree.insert(path.clone());
            }
        }
        tree
    })
}

fn styles() -> impl Strategy<Value = ListingStyle> {
    let levels = prop_oneof![Just(1), Just(2), Just(3), Just(usize::MAX)];
    (levels, any::<[bool; 4]>()).prop_map(
        |(levels, [backwards, names_itself, slash, always_root])| ListingStyle {
            levels,
            backwards,
            names_itself,
            slash,
            always_root,
        },
    )
}

async fn paths(walk: FileWalk) -> Vec<String> {
    let entries: Vec<FileEntry> = walk.try_collect().await.unwrap();
    let path = |entry: &FileEntry| entry.path.trim_end_matches('/').to_owned();
    entries.iter().map(path).collect()
}

proptest! {
    #[test]
    fn every_entry_is_returned_once_for_every_listing_style(
        tree in trees(), style in styles(), size in 1_u32..7, prefetch: bool,
        top in prop_oneof![Just("/"), Just("/da"), Just("/da/db"), Just("/dnone")],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let below = format!("{}/", top.trim_end_matches('/'));
        let expected: Vec<&String> = tree.iter().filter(|path| path.starts_with(&below)).collect();
        let listing = list(service(tree.clone(), style.clone()));
        let walk = listing.folder(top).page_size(size).prefetch(prefetch).walk();
        let walked = runtime.block_on(paths(walk));
        if style.levels == 1 && !style.always_root {
            for (at, path) in walked.iter().enumerate() {
                let parent = path.rsplit_once('/').unwrap().0;
                let before = walked[..at].iter().any(|earlier| earlier == parent);
                prop_assert!(before || parent == top.trim_end_matches('/'), "{walked:?}");
            }
        }
        let mut sorted: Vec<&String> = walked.iter().collect();
        sorted.sort();
        prop_assert_eq!(sorted, expected);
    }
}

#[tokio::test]
async fn folders_are_listed_in_the_order_of_their_paths() {
    let tree = Tree::from(["/da", "/da/f", "/db", "/db/f", "/f"].map(String::from));
    let walk = list(service(tree, PLAIN)).walk();
    assert_eq!(paths(walk).await, ["/da", "/db", "/f", "/da/f", "/db/f"]);
}

#[tokio::test]
async fn a_recursive_listing_needs_one_call() {
    let tree = Tree::from(["/da", "/da/db", "/da/db/f"].map(String::from));
    let all = listed(&tree, &ListingStyle { levels: 9, ..PLAIN }, "/");
    let mut wire = MockContextApi::new();
    wire.expect_list_files()
        .times(1)
        .returning(move |_| answer(json!({"success": true, "data": all, "count": 3})));
    assert_eq!(paths(list(wire).walk()).await.len(), 3);
}

#[tokio::test]
async fn entries_that_move_to_the_next_page_are_returned_once() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().times(3).returning(|query| {
        // Two entries are added at the front before each page but the first.
        let start = (query.page - 1) * 2;
        let entries: Vec<Value> = (start..start + 4)
            .map(|n| json!({"filePath": format!("/f{n}")}))
            .collect();
        answer(json!({"success": true, "data": entries, "count": 12}))
    });
    let walk = list(wire).page_size(4).walk();
    let expected: Vec<String> = (0..8).map(|n| format!("/f{n}")).collect();
    assert_eq!(paths(walk).await, expected);
}

#[tokio::test]
async fn the_number_of_pending_folders_is_bounded_by_depth_and_breadth() {
    let mut tree = Tree::new();
    for path in ["", "/d1", "/d1/d1", "/d1/d1/d1"] {
        tree.extend((0..5).map(|n| format!("{path}/d{n}")));
        tree.extend((0..50).map(|n| format!("{path}/f{n}")));
    }
    let mut walk = list(service(tree.clone(), PLAIN)).page_size(7).walk();
    let mut seen = 0;
    while let Some(entry) = walk.next().await {
        entry.unwrap();
        seen += 1;
        assert!(walk.0.pending.len() <= 4 * 5);
        let open = walk.0.open.as_ref().unwrap();
        assert!(open.folders.len() <= 5);
        assert!(open.files.iter().all(|page| page.len() <= 7));
    }
    assert_eq!(seen, tree.len());
}

#[tokio::test]
async fn an_error_ends_a_walk() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().times(2).returning(|query| {
        if query.folder.as_str() == "/" {
            let entries = listed(&Tree::from(["/da", "/db"].map(String::from)), &PLAIN, "/");
            return answer(json!({"success": true, "data": entries, "count": 2}));
        }
        answer(json!({"success": false, "code": "InvalidParameter.Scripted"}))
    });
    let mut walk = list(wire).walk();
    for _ in 0..2 {
        walk.next().await.unwrap().unwrap();
    }
    assert!(!walk.is_terminated());
    let error = walk.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(walk.is_terminated());
    assert!(walk.next().await.is_none());
}

#[tokio::test]
async fn an_invalid_folder_name_is_an_error_after_its_entry() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().times(1).returning(|_| {
        let entry = json!({"filePath": "/a\\b", "fileType": "folder"});
        answer(json!({"success": true, "data": [entry], "count": 1}))
    });
    let mut walk = list(wire).walk();
    walk.next().await.unwrap().unwrap();
    let error = walk.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(walk.next().await.is_none());
}

#[tokio::test]
async fn a_walk_requires_the_first_page_and_valid_arguments() {
    for listing in [
        list(MockContextApi::new()).start_at_page(2),
        list(MockContextApi::new()).page_size(0),
        list(MockContextApi::new()).folder("relative"),
    ] {
        let error = listing.walk().next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
