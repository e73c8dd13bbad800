//! Invalid input: the SDK refuses what it can check, the service refuses everything else, and nothing changes.

use agbcloud::{ContextId, ContextName, Error, ErrorKind, FolderPath, RegionId, RemotePath};

use crate::support::{KEY, World, call};

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

const BAD_PATHS: [&str; 12] = [
    "", " ", "a", "a/b", "/a/../b", "/..", "/.", "/a/./b", "/a//b", "/a\\b", "/a\nb", "/a\0b",
];

#[tokio::test]
async fn the_service_names_the_invalid_parameter_and_changes_nothing() {
    let world = World::new().await;
    let (id, files) = world.files("one").await;
    files.upload("/a", &b"a"[..]).await.unwrap();
    let long_name = "x".repeat(256);
    let long_path = format!("/{}", "x".repeat(1024));

    let mut cases: Vec<(&str, String, u16, &str)> = vec![
        (
            "GET",
            "ListContexts?maxResults=0".into(),
            400,
            "InvalidParameter.MaxResults",
        ),
        (
            "GET",
            "ListContexts?maxResults=-1".into(),
            400,
            "InvalidParameter.MaxResults",
        ),
        (
            "GET",
            "ListContexts?maxResults=ten".into(),
            400,
            "InvalidParameter.MaxResults",
        ),
        (
            "GET",
            "ListContexts?maxResults=1.5".into(),
            400,
            "InvalidParameter.MaxResults",
        ),
        (
            "GET",
            "ListContexts?nextToken=nonsense".into(),
            400,
            "InvalidParameter.NextToken",
        ),
        ("GET", "GetContext".into(), 400, "MissingParameter.Id"),
        (
            "GET",
            "GetContext?allowCreate=true".into(),
            400,
            "MissingParameter.Name",
        ),
        (
            "GET",
            format!("GetContext?id={id}&name=one"),
            400,
            "InvalidParameter.Id",
        ),
        (
            "GET",
            format!("GetContext?id={id}&allowCreate=true"),
            400,
            "InvalidParameter.Id",
        ),
        (
            "GET",
            "GetContext?name=one&allowCreate=maybe".into(),
            400,
            "InvalidParameter.AllowCreate",
        ),
        (
            "GET",
            "GetContext?name=one&loginRegionId=mars".into(),
            400,
            "InvalidParameter.LoginRegionId",
        ),
        (
            "GET",
            "GetContext?id=SdkCtx-none".into(),
            404,
            "InvalidContext.NotFound",
        ),
        (
            "GET",
            "GetContext?name=none".into(),
            404,
            "InvalidContext.NotFound",
        ),
        (
            "POST",
            format!("ModifyContext?id={id}"),
            400,
            "MissingParameter.Name",
        ),
        (
            "POST",
            "ModifyContext?name=a".into(),
            400,
            "MissingParameter.Id",
        ),
        ("POST", "DeleteContext".into(), 400, "MissingParameter.Id"),
        (
            "POST",
            "DeleteContext?id=SdkCtx-none".into(),
            404,
            "InvalidContext.NotFound",
        ),
        (
            "POST",
            "ClearContext?id=SdkCtx-none".into(),
            404,
            "InvalidContext.NotFound",
        ),
        (
            "POST",
            "ClearContext?id=%20".into(),
            400,
            "InvalidParameter.Id",
        ),
        (
            "POST",
            "DescribeContextFiles".into(),
            400,
            "MissingParameter.ContextId",
        ),
        (
            "POST",
            format!("DescribeContextFiles?contextId={id}&pageNumber=0"),
            400,
            "InvalidParameter.PageNumber",
        ),
        (
            "POST",
            format!("DescribeContextFiles?contextId={id}&pageNumber=x"),
            400,
            "InvalidParameter.PageNumber",
        ),
        (
            "POST",
            format!("DescribeContextFiles?contextId={id}&pageSize=0"),
            400,
            "InvalidParameter.PageSize",
        ),
        (
            "POST",
            format!("DescribeContextFiles?contextId={id}&pageSize=-5"),
            400,
            "InvalidParameter.PageSize",
        ),
        (
            "POST",
            format!("DescribeContextFiles?contextId={id}&parentFolderPath=data"),
            400,
            "InvalidParameter.ParentFolderPath",
        ),
        (
            "POST",
            format!("DescribeContextFiles?contextId={id}&parentFolderPath=/a/.."),
            400,
            "InvalidParameter.ParentFolderPath",
        ),
        (
            "POST",
            format!("GetContextFileUploadUrl?contextId={id}"),
            400,
            "MissingParameter.FilePath",
        ),
        (
            "POST",
            "GetContextFileUploadUrl?filePath=/a".into(),
            400,
            "MissingParameter.ContextId",
        ),
        (
            "POST",
            format!("GetContextFileDownloadUrl?contextId={id}&filePath=/none"),
            404,
            "InvalidFile.NotFound",
        ),
        (
            "POST",
            format!("DeleteContextFile?contextId={id}&filePath=/none"),
            404,
            "InvalidFile.NotFound",
        ),
        (
            "GET",
            "DropEverything".into(),
            404,
            "InvalidAction.NotFound",
        ),
        ("POST", "GetContext?name=one".into(), 405, "InvalidMethod"),
        (
            "GET",
            format!("DeleteContext?id={id}"),
            405,
            "InvalidMethod",
        ),
        ("PUT", "ListContexts".into(), 405, "InvalidMethod"),
        (
            "GET",
            "GetContext?name=a&name=b".into(),
            400,
            "InvalidParameter.Name",
        ),
        (
            "GET",
            "GetContext?name=%FF".into(),
            400,
            "InvalidParameter.Name",
        ),
    ];
    for name in ["", " ", "a\nb", "a\u{7f}b", &long_name] {
        let name = encoded(name);
        cases.push((
            "GET",
            format!("GetContext?name={name}&allowCreate=true"),
            400,
            "InvalidParameter.Name",
        ));
        cases.push((
            "POST",
            format!("ModifyContext?id={id}&name={name}"),
            400,
            "InvalidParameter.Name",
        ));
    }
    for path in BAD_PATHS.into_iter().chain([long_path.as_str()]) {
        for operation in [
            "GetContextFileUploadUrl",
            "GetContextFileDownloadUrl",
            "DeleteContextFile",
        ] {
            let call = format!("{operation}?contextId={id}&filePath={}", encoded(path));
            cases.push(("POST", call, 400, "InvalidParameter.FilePath"));
        }
    }
    for (method, call, status, code) in cases {
        let answer = world.call(method, &format!("/sdk/{call}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{method} {call}"
        );
        let body = &answer.body;
        assert_eq!(body["success"], false, "{call}");
        assert_eq!(body["httpStatusCode"], status, "{call}");
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{call}"
        );
        assert_eq!(
            body["requestId"],
            answer.headers["x-request-id"].to_str().unwrap(),
            "{call}"
        );
    }
    let contexts = world.client.contexts().list().send().await.unwrap();
    assert_eq!(contexts.total_count, Some(1));
    assert_eq!(contexts.contexts[0].name, "one");
    assert_eq!(files.read("/a").await.unwrap(), b"a"[..]);
}

#[tokio::test]
async fn page_sizes_above_the_limit_are_lowered_to_the_limit() {
    let world = World::new().await;
    let (id, _) = world.files("one").await;
    for size in ["1000", "1001", "99999999999999999999999"] {
        let answer = world
            .call("GET", &format!("/sdk/ListContexts?maxResults={size}"))
            .await;
        assert_eq!(
            (answer.status, &answer.body["maxResults"]),
            (200, &1000.into()),
            "{size}"
        );
        let path = format!("/sdk/DescribeContextFiles?contextId={id}&pageSize={size}");
        assert_eq!(world.call("POST", &path).await.status, 200, "{size}");
    }
}

#[tokio::test]
async fn calls_without_a_valid_key_are_unauthorized() {
    let world = World::new().await;
    world.files("one").await;
    let good = format!("Bearer {KEY}");
    let ok = call(
        &world.server,
        "GET",
        "/sdk/ListContexts",
        &[("authorization", &good)],
        "",
    )
    .await;
    assert_eq!(ok.status, 200);
    let wrong = format!("Bearer {KEY}x");
    let basic = format!("Basic {KEY}");
    for headers in [
        &[][..],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", KEY)],
        &[("authorization", &basic)],
        &[("authorization", &wrong)],
        &[("authorization", &good), ("authorization", &good)],
    ] {
        let answer = call(&world.server, "GET", "/sdk/ListContexts", headers, "").await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "Unauthorized"),
            "{headers:?}"
        );
        assert!(answer.body["data"].is_null());
    }
}

#[tokio::test]
async fn bodies_must_be_small_json_or_empty() {
    let world = World::new().await;
    let (id, _) = world.files("one").await;
    let path = format!("/sdk/ClearContext?id={id}");
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    for (body, status, code) in [
        (String::new(), 200, "ok"),
        ("{}".to_owned(), 200, "ok"),
        ("{".to_owned(), 400, "InvalidParameter.Body"),
        (
            format!("\"{}\"", "x".repeat(70_000)),
            413,
            "RequestTooLarge",
        ),
    ] {
        let answer = call(&world.server, "POST", &path, &headers, body).await;
        assert_eq!((answer.status, answer.code()), (status, code));
    }
}

#[test]
fn the_sdk_validates_names_ids_and_paths() {
    let refused: Vec<Error> = vec![
        ContextId::new("").unwrap_err(),
        ContextId::new("x".repeat(1025)).unwrap_err(),
        ContextName::new("  ").unwrap_err(),
        ContextName::new("x".repeat(256)).unwrap_err(),
        ContextName::new("a\u{1}").unwrap_err(),
        RegionId::new("").unwrap_err(),
        FolderPath::new("data").unwrap_err(),
    ];
    let paths = BAD_PATHS.map(|path| RemotePath::new(path).unwrap_err());
    for error in refused.into_iter().chain(paths) {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.status().is_none());
    }
}

#[tokio::test]
async fn invalid_arguments_are_never_sent() {
    let world = World::new().await;
    let (id, files) = world.files("one").await;
    let contexts = world.client.contexts();
    // After this, no call that needs a response can succeed.
    drop(world.server);
    for error in [
        contexts.get_or_create("").await.unwrap_err(),
        contexts.get_by_name("a\nb").await.unwrap_err(),
        contexts
            .get_or_create("one")
            .region("No Region")
            .await
            .unwrap_err(),
        contexts.rename(&id, " ").await.unwrap_err(),
        contexts.list().page_size(0).send().await.unwrap_err(),
        files.list().page_size(0).send().await.unwrap_err(),
        files.list().start_at_page(0).send().await.unwrap_err(),
        files.list().folder("relative").send().await.unwrap_err(),
        files.upload("relative", &b""[..]).await.unwrap_err(),
        files.read("/a/../b").await.unwrap_err(),
        files.delete("").await.unwrap_err(),
        files.upload_url("/a//b").await.unwrap_err(),
        files.download_url("/").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.operation().is_some(), "{error}");
    }
}
