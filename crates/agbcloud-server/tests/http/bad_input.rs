//! Every kind of bad input, with its status and its code, beside input that is good.

use agbcloud_server::Server;
use reqwest::Method;

use crate::client::{encode, start};
use crate::raw;

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
        "nothing was made"
    );

    for good in [&long[..510], "x", "日本", "a/b\\c", "<b>", " a "] {
        let id = client.create(good).await;
        assert_eq!(
            client.ok("GetContext", &[("id", &id)]).await["data"]["name"],
            good
        );
        // Renaming takes the same names as creating.
        client.ok("DeleteContext", &[("id", &id)]).await;
        let other = client.create("other").await;
        client
            .ok("ModifyContext", &[("id", &other), ("name", good)])
            .await;
        assert_eq!(
            client.ok("GetContext", &[("name", good)]).await["data"]["id"],
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
            &[("name", "nobody")],
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
    for good in ["true", "false", "True", "FALSE"] {
        assert_eq!(
            client
                .ok("GetContext", &[("name", "good"), ("allowCreate", good)])
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
        // A folder is no file.
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
    for good in ["/good/file", &long[..1024], "/%2e%2e", "/...", "/a b", "/ä"] {
        client.upload(&id, good, "y").await;
        assert_eq!(client.download(&id, good).await, b"y");
    }
}

#[tokio::test]
async fn numbers_of_pages() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    for bad in [
        "0",
        "-1",
        "ten",
        "",
        "1.5",
        "1e2",
        " 1",
        "00",
        "٣",
        "-99999999999999999999",
    ] {
        client
            .fails(
                "ListContexts",
                &[("maxResults", bad)],
                400,
                "InvalidParameter.MaxResults",
            )
            .await;
        let size = [("contextId", id.as_str()), ("pageSize", bad)];
        client
            .fails(
                "DescribeContextFiles",
                &size,
                400,
                "InvalidParameter.PageSize",
            )
            .await;
        let number = [("contextId", id.as_str()), ("pageNumber", bad)];
        client
            .fails(
                "DescribeContextFiles",
                &number,
                400,
                "InvalidParameter.PageNumber",
            )
            .await;
    }
    for (good, used) in [
        ("1", 1),
        ("1000", 1000),
        ("1001", 1000),
        ("99999999999999999999999999", 1000),
    ] {
        assert_eq!(
            client.ok("ListContexts", &[("maxResults", good)]).await["maxResults"],
            used
        );
        client
            .ok(
                "DescribeContextFiles",
                &[("contextId", &id), ("pageSize", good), ("pageNumber", good)],
            )
            .await;
    }
    assert_eq!(client.ok("ListContexts", &[]).await["maxResults"], 10);
}

#[tokio::test]
async fn tokens() {
    let (_server, client) = start().await;
    for name in ["a", "b", "c"] {
        client.create(name).await;
    }
    let first = client.ok("ListContexts", &[("maxResults", "1")]).await;
    let token = first["nextToken"].as_str().unwrap().to_owned();
    let next = client
        .ok(
            "ListContexts",
            &[("maxResults", "1"), ("nextToken", &token)],
        )
        .await;
    assert_eq!(next["data"][0]["name"], "b");
    assert_eq!(
        client.ok("ListContexts", &[("nextToken", "")]).await["data"][0]["name"],
        "a"
    );
    let mut bad: Vec<String> = ["x", "🦀", " ", "null", "AAAA", "1"]
        .map(str::to_owned)
        .to_vec();
    bad.extend((0..token.len()).map(|at| {
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    }));
    bad.extend([
        token[1..].to_owned(),
        format!("{token}A"),
        token.clone() + "=",
    ]);
    for bad in &bad {
        client
            .fails(
                "ListContexts",
                &[("nextToken", bad)],
                400,
                "InvalidParameter.NextToken",
            )
            .await;
    }
    let other = client.with_key("another-key");
    other.create("a").await;
    other
        .fails(
            "ListContexts",
            &[("nextToken", &token)],
            400,
            "InvalidParameter.NextToken",
        )
        .await;
}

#[tokio::test]
async fn doubled_and_badly_encoded_parameters() {
    let (_server, client) = start().await;
    let id = client.create("good").await;
    for (operation, query, code) in [
        ("GetContext", "name=good&name=good", "InvalidParameter.Name"),
        ("GetContext", "name=%zz", "InvalidParameter.Name"),
        ("GetContext", "name=%ff", "InvalidParameter.Name"),
        ("GetContext", "id=%", "InvalidParameter.Id"),
        (
            "GetContext",
            "name=good&allowCreate=true&allowCreate=true",
            "InvalidParameter.AllowCreate",
        ),
        (
            "ListContexts",
            "maxResults=1&maxResults=2",
            "InvalidParameter.MaxResults",
        ),
        (
            "DescribeContextFiles",
            "contextId=a&contextId=b",
            "InvalidParameter.ContextId",
        ),
    ] {
        client
            .call(operation, query)
            .await
            .assert_failure(400, code, query);
    }
    let good = client
        .call("GetContext", "name=g%6fod&unknown=%zz&unknown=1&other")
        .await;
    assert_eq!(
        (good.status.as_u16(), good.body["data"]["id"].as_str()),
        (200, Some(id.as_str()))
    );
}

#[tokio::test]
async fn keys() {
    let (_server, any) = start().await;
    let with_keys = Server::builder()
        .api_key("akm-one")
        .api_key("akm-two")
        .start()
        .await
        .unwrap();
    let client = crate::client::Client::new(with_keys.url(), "akm-one");
    client.create("c").await;
    client.with_key("akm-two").create("c").await;
    for wrong in ["akm-three", "akm-on", "akm-onee", "AKM-ONE"] {
        let answer = client.with_key(wrong).call("ListContexts", "").await;
        answer.assert_failure(401, "Unauthorized", wrong);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    for client in [&any, &client] {
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Basic YTpi",
            "akm-one",
            "Bearer akm-one akm-one",
            "Bearer k\u{e9}y",
        ] {
            for (method, path) in [
                (Method::GET, "/sdk/ListContexts"),
                (Method::PUT, "/sdk/ListContexts"),
                (Method::GET, "/sdk/Nothing"),
            ] {
                let value = reqwest::header::HeaderValue::from_bytes(header.as_bytes()).unwrap();
                let request = client.request(&method, path).header("authorization", value);
                client
                    .send(request)
                    .await
                    .assert_failure(401, "Unauthorized", header);
            }
        }
        client
            .send(client.request(&Method::GET, "/sdk/ListContexts"))
            .await
            .assert_failure(401, "Unauthorized", "none");
        let twice = client
            .request(&Method::GET, "/sdk/ListContexts")
            .header("authorization", format!("Bearer {}", client.key))
            .header("authorization", format!("Bearer {}", client.key));
        client
            .send(twice)
            .await
            .assert_failure(401, "Unauthorized", "twice");
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let request = client.request(&Method::GET, "/sdk/ListContexts");
            let answer = client
                .send(request.header("authorization", format!("{scheme} {}", client.key)))
                .await;
            assert_eq!(answer.status, 200);
        }
    }
}

#[tokio::test]
async fn operations_and_methods() {
    let (_server, client) = start().await;
    for path in [
        "/sdk/Nothing",
        "/sdk/",
        "/sdk/listcontexts",
        "/sdk/ListContexts/",
        "/sdk/ListContexts/x",
        "/sdk/SyncContext",
    ] {
        let request = client.request(&Method::GET, path).bearer_auth(&client.key);
        client
            .send(request)
            .await
            .assert_failure(404, "InvalidAction.NotFound", path);
    }
    for path in [
        "/",
        "/sdk",
        "/nothing",
        "/objects",
        "/objects/v2/a/b",
        "/%ff",
    ] {
        let request = client.request(&Method::POST, path).bearer_auth(&client.key);
        client
            .send(request)
            .await
            .assert_failure(404, "InvalidAction.NotFound", path);
    }
    for operation in agbcloud_server::operations() {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            let answer = client
                .send(
                    client
                        .request(&method, operation.path)
                        .bearer_auth(&client.key),
                )
                .await;
            if method == operation.method {
                assert!(
                    answer.status == 200 || answer.status == 400,
                    "{method} {}",
                    operation.name
                );
                assert_ne!(answer.code(), "InvalidMethod");
            } else {
                answer.assert_failure(405, "InvalidMethod", operation.name);
                assert_eq!(answer.headers["allow"], operation.method);
            }
        }
    }
}

#[tokio::test]
async fn bodies() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    let target = format!("/sdk/DescribeContextFiles?contextId={}", encode(&id));
    let post = |body: Vec<u8>| {
        client
            .request(&Method::POST, &target)
            .bearer_auth(&client.key)
            .body(body)
    };
    let padded = |size: usize| format!("{{{}}}", " ".repeat(size - 2)).into_bytes();
    for good in [
        b"".to_vec(),
        b"{}".to_vec(),
        b" null ".to_vec(),
        b"[1, \"x\"]".to_vec(),
        padded(64 * 1024),
    ] {
        assert_eq!(client.send(post(good)).await.status, 200);
    }
    for bad in [
        b"{".to_vec(),
        b"{} x".to_vec(),
        b"\xff".to_vec(),
        b"a=b".to_vec(),
        b" ".to_vec(),
        b"[".repeat(60_000),
    ] {
        client
            .send(post(bad))
            .await
            .assert_failure(400, "InvalidParameter.Body", "not JSON");
    }
    for large in [64 * 1024 + 1, 1024 * 1024] {
        client
            .send(post(padded(large)))
            .await
            .assert_failure(413, "RequestTooLarge", "announced");
        let chunks = padded(large)
            .chunks(1000)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>();
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let request = client
            .request(&Method::POST, &target)
            .bearer_auth(&client.key)
            .body(stream);
        client
            .send(request)
            .await
            .assert_failure(413, "RequestTooLarge", "chunked");
    }
    // A length that is never sent: the refusal does not wait for it.
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: 9999999999\r\n\r\n"
    );
    assert_eq!(raw::exchange(&server, head.as_bytes()).await.0, 413);
}

#[tokio::test]
async fn malformed_http() {
    let (server, client) = start().await;
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        "GET /sdk/ListContexts HTTP/9.9\r\n\r\n".to_owned(),
        "GET /sdk/ListContexts HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "POST /sdk/ClearContext HTTP/1.1\r\ncontent-length: -1\r\n\r\n".to_owned(),
        format!(
            "GET /sdk/GetContext?name={} HTTP/1.1\r\nhost: x\r\n\r\n",
            "a".repeat(100_000)
        ),
        format!(
            "GET /sdk/ListContexts HTTP/1.1\r\nx: {}\r\n\r\n",
            "a".repeat(200_000)
        ),
        format!(
            "GET /sdk/ListContexts HTTP/1.1\r\n{}\r\n",
            "x: y\r\n".repeat(5_000)
        ),
    ] {
        let (status, text) = raw::exchange(&server, request.as_bytes()).await;
        assert!((400..500).contains(&status), "{}: {text}", &request[..40]);
    }
    client.create("still alive").await;
}
