//! Names, ids, regions and paths.

use crate::client::start;

const NOT_THERE: &str = "SdkCtx-00000000000000000000";

#[tokio::test]
async fn names() {
    let (_server, client) = start().await;
    let id = client.create("good").await;
    let long = "ü".repeat(256);
    for bad in [
        "", " ", "\t", "\u{3000}", "a\nb", "a\0", "a\u{7f}", "a\u{85}", &long,
    ] {
        let params = [("name", bad), ("allowCreate", "true")];
        client
            .fails("GetContext", &params, 400, "InvalidParameter.Name")
            .await;
        client
            .fails("GetContext", &params[..1], 400, "InvalidParameter.Name")
            .await;
        client
            .fails(
                "ModifyContext",
                &[("id", &id), ("name", bad)],
                400,
                "InvalidParameter.Name",
            )
            .await;
    }
    client
        .fails(
            "ModifyContext",
            &[("id", &id)],
            400,
            "MissingParameter.Name",
        )
        .await;
    client
        .fails(
            "GetContext",
            &[("allowCreate", "true")],
            400,
            "MissingParameter.Name",
        )
        .await;
    assert_eq!(
        client.ok("ListContexts", &[]).await["totalCount"],
        1,
        "nothing was created"
    );

    for valid in [&long[..510], "x", "日本", "a/b\\c", "<b>", " a "] {
        let id = client.create(valid).await;
        assert_eq!(
            client.ok("GetContext", &[("id", &id)]).await["data"]["name"],
            valid
        );
        // Renaming accepts the same names as creating.
        client.ok("DeleteContext", &[("id", &id)]).await;
        let other = client.create("other").await;
        client
            .ok("ModifyContext", &[("id", &other), ("name", valid)])
            .await;
        assert_eq!(
            client.ok("GetContext", &[("name", valid)]).await["data"]["id"],
            other
        );
    }
}

#[tokio::test]
async fn ids() {
    let (_server, client) = start().await;
    let id = client.create("good").await;
    client.ok("GetContext", &[("id", &id)]).await;
    let long = "x".repeat(129);
    for bad in ["", " ", "a\nb", "\u{1}", &long] {
        client
            .fails("GetContext", &[("id", bad)], 400, "InvalidParameter.Id")
            .await;
        for operation in ["DeleteContext", "ClearContext"] {
            client
                .fails(operation, &[("id", bad)], 400, "InvalidParameter.Id")
                .await;
        }
        client
            .fails(
                "ModifyContext",
                &[("id", bad), ("name", "n")],
                400,
                "InvalidParameter.Id",
            )
            .await;
        client
            .fails(
                "DescribeContextFiles",
                &[("contextId", bad)],
                400,
                "InvalidParameter.ContextId",
            )
            .await;
        for operation in [
            "GetContextFileUploadUrl",
            "GetContextFileDownloadUrl",
            "DeleteContextFile",
        ] {
            let params = [("contextId", bad), ("filePath", "/a")];
            client
                .fails(operation, &params, 400, "InvalidParameter.ContextId")
                .await;
            client
                .fails(operation, &params[1..], 400, "MissingParameter.ContextId")
                .await;
            client
                .fails(
                    operation,
                    &[("contextId", NOT_THERE), params[1]],
                    404,
                    "InvalidContext.NotFound",
                )
                .await;
        }
    }
    for operation in ["DeleteContext", "ClearContext"] {
        client
            .fails(operation, &[], 400, "MissingParameter.Id")
            .await;
        client
            .fails(
                operation,
                &[("id", NOT_THERE)],
                404,
                "InvalidContext.NotFound",
            )
            .await;
        client
            .fails(
                operation,
                &[("id", &long[..128])],
                404,
                "InvalidContext.NotFound",
            )
            .await;
    }
    client
        .fails(
            "ModifyContext",
            &[("name", "n")],
            400,
            "MissingParameter.Id",
        )
        .await;
    client
        .fails(
            "ModifyContext",
            &[("id", NOT_THERE), ("name", "n")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    client
        .fails(
            "GetContext",
            &[("id", NOT_THERE)],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    client
        .fails(
            "GetContext",
            &[("name", "missing")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    client
        .fails(
            "DescribeContextFiles",
            &[],
            400,
            "MissingParameter.ContextId",
        )
        .await;
    client
        .fails(
            "DescribeContextFiles",
            &[("contextId", NOT_THERE)],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    client.ok("GetContext", &[("id", &id)]).await;
}

#[tokio::test]
async fn id_and_name_and_allow_create() {
    let (_server, client) = start().await;
    let id = client.create("good").await;
    client
        .fails("GetContext", &[], 400, "MissingParameter.Id")
        .await;
    client
        .fails(
            "GetContext",
            &[("id", &id), ("name", "good")],
            400,
            "InvalidParameter.Id",
        )
        .await;
    client
        .fails(
            "GetContext",
            &[("id", &id), ("allowCreate", "true")],
            400,
            "InvalidParameter.Id",
        )
        .await;
    for bad in ["", "1", "yes", "truee", " true", "null"] {
        client
            .fails(
                "GetContext",
                &[("name", "good"), ("allowCreate", bad)],
                400,
                "InvalidParameter.AllowCreate",
            )
            .await;
    }
    for valid in ["true", "false", "True", "FALSE"] {
        assert_eq!(
            client
                .ok("GetContext", &[("name", "good"), ("allowCreate", valid)])
                .await["data"]["id"],
            id
        );
    }
    client
        .ok("GetContext", &[("id", &id), ("allowCreate", "false")])
        .await;
}

#[tokio::test]
async fn regions() {
    let (_server, client) = start().await;
    let params = |region| {
        [
            ("name", "n"),
            ("allowCreate", "true"),
            ("loginRegionId", region),
        ]
    };
    for bad in ["mars", "cn-hangzhou ", "CN-HANGZHOU"] {
        let answer = client
            .call("GetContext", &crate::client::query(&params(bad)))
            .await;
        answer.assert_failure(400, "InvalidParameter.LoginRegionId", bad);
        assert!(
            answer.body["message"]
                .as_str()
                .unwrap()
                .contains("cn-hangzhou"),
            "{:?}",
            answer.body
        );
    }
    let here = client.ok("GetContext", &params("")).await["data"]["id"].clone();
    assert_eq!(
        client.ok("GetContext", &params("cn-hangzhou")).await["data"]["id"],
        here
    );
    assert_eq!(
        client.ok("GetContext", &params("cn-hangzhou")[..2]).await["data"]["id"],
        here
    );
    assert_ne!(
        client.ok("GetContext", &params("cn-shanghai")).await["data"]["id"],
        here
    );
}

#[tokio::test]
async fn file_paths() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/good/file", "x").await;
    let long = format!("/{}", "a".repeat(1024));
    for bad in [
        "",
        " ",
        "/",
        "relative",
        "relative/a",
        "./a",
        "../a",
        "/../a",
        "/a/../b",
        "/a/..",
        "/./a",
        "/a/.",
        "//a",
        "/a//b",
        "/a/",
        "/a\\b",
        "\\a",
        "/a\nb",
        "/a\0",
        "/a\u{7f}",
        &long,
    ] {
        for operation in [
            "GetContextFileUploadUrl",
            "GetContextFileDownloadUrl",
            "DeleteContextFile",
        ] {
            let params = [("contextId", id.as_str()), ("filePath", bad)];
            client
                .fails(operation, &params, 400, "InvalidParameter.FilePath")
                .await;
            client
                .fails(operation, &params[..1], 400, "MissingParameter.FilePath")
                .await;
        }
        if !matches!(bad, "" | "/" | "/a/") {
            let params = [("contextId", id.as_str()), ("parentFolderPath", bad)];
            client
                .fails(
                    "DescribeContextFiles",
                    &params,
                    400,
                    "InvalidParameter.ParentFolderPath",
                )
                .await;
        }
    }
    for operation in ["GetContextFileDownloadUrl", "DeleteContextFile"] {
        client
            .fails(
                operation,
                &[("contextId", &id), ("filePath", "/none")],
                404,
                "InvalidFile.NotFound",
            )
            .await;
        // A folder is not a file.
        client
            .fails(
                operation,
                &[("contextId", &id), ("filePath", "/good")],
                404,
                "InvalidFile.NotFound",
            )
            .await;
    }
    assert_eq!(client.list(&id, "/").await.1, 1, "nothing was changed");
    for valid in ["/good/file", &long[..1024], "/%2e%2e", "/...", "/a b", "/ä"] {
        client.upload(&id, valid, "y").await;
        assert_eq!(client.download(&id, valid).await, b"y");
    }
}
