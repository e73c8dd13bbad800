//! Previews of files.

use crate::support::{TestConsole, at};

#[tokio::test]
async fn previews_escape_or_isolate_every_content() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let attack = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let json = format!("{{\"a\":\"{attack}\",\"b\":[1.50]}}");
    let csv = format!("name,value\n\"{attack}\",1\n");
    let markdown = format!("# Title\n\n{attack}\n\n[x](javascript:alert(3))\n");
    for (path, content) in [
        ("/a.html", attack),
        ("/a.txt", "a\u{1b}[31m\u{202e}b"),
        ("/a.json", &json),
        ("/a.csv", &csv),
        ("/a.md", &markdown),
        ("/mark.json", "\u{feff}{\"a\":[1]}"),
        ("/mark.md", "\u{feff}# Title\n"),
        ("/empty", ""),
    ] {
        files.upload(path, content.to_owned()).await.unwrap();
    }
    let preview = async |path: &str, view: &str| {
        let page = console
            .get(&(at(&id, "file", path) + "&view=" + view))
            .await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(
            !page.text.contains("<script>") && !page.text.contains("<img src=x"),
            "{path}"
        );
        page
    };
    preview("/a.html", "")
        .await
        .assert(200, "&#60;script&#62;alert(1)&#60;/script&#62;");
    preview("/a.html", "hex")
        .await
        .assert(200, "00000000  3c 73 63 72");
    preview("/a.txt", "")
        .await
        .assert(200, "a\\u{1b}[31m\\u{202e}b");
    preview("/a.json", "").await.assert(200, "\n    1.50\n");
    preview("/mark.json", "").await.assert(200, "\n    1\n");
    preview("/a.csv", "")
        .await
        .assert(200, "<th scope=\"col\">value</th>");
    preview("/a.md", "")
        .await
        .assert(200, "sandbox=\"allow-popups");
    preview("/empty", "")
        .await
        .assert(200, "The file is empty.");
    let frame = console.get(&at(&id, "markdown", "/a.md")).await;
    frame.assert(200, "<h1>Title</h1>");
    let marked = console.get(&at(&id, "markdown", "/mark.md")).await;
    marked.assert(200, "<main><h1>Title</h1>");
    assert!(!frame.text.contains("<script") && !frame.text.contains("javascript:alert(3)\""));
    // A failure is shown in the frame, too.
    let missing = console.get(&at(&id, "markdown", "/none.md")).await;
    missing.assert(404, "This file does not exist");
    for frame in [&frame, &missing] {
        assert_eq!(frame.headers["x-frame-options"], "SAMEORIGIN");
        let policy = frame.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("sandbox allow-popups") && !policy.contains("script"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    }
    console
        .get(&at(&id, "file", "/none"))
        .await
        .assert(404, "This file does not exist");
    console
        .get(&at(&id, "file", "bad"))
        .await
        .assert(400, "This value is not allowed");
    console.stop().await;
}

#[tokio::test]
async fn images_have_the_type_of_their_content() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let png = b"\x89PNG\r\n\x1a\nrest of the image";
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    files.upload("/i.txt", &png[..]).await.unwrap();
    files.upload("/i.svg", svg).await.unwrap();
    files
        .upload("/i.png", "<html><script>alert(1)</script>")
        .await
        .unwrap();
    console
        .get(&at(&id, "file", "/i.txt"))
        .await
        .assert(200, "<img src=\"/contexts/");
    let image = console.get(&at(&id, "image", "/i.txt")).await;
    assert_eq!(image.headers["content-type"], "image/png");
    let image = console.get(&at(&id, "image", "/i.svg")).await;
    image.assert(200, svg);
    assert_eq!(image.headers["content-type"], "image/svg+xml");
    let policy = image.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("sandbox") && !policy.contains("script"),
        "{policy}"
    );
    assert!(
        image.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    console
        .get(&at(&id, "image", "/i.png"))
        .await
        .assert(415, "The file is not an image");
    console.stop().await;
}

#[tokio::test]
async fn large_files_are_shown_in_parts() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let text = "0123456789abcde\n".repeat(100_000);
    files.upload("/large.txt", text).await.unwrap();
    let page = console.get(&at(&id, "file", "/large.txt")).await;
    page.assert(200, "Showing the first 256.0 KiB of 1.5 MiB");
    assert!(page.text.len() < 300 * 1024);
    let hex = at(&id, "file", "/large.txt") + "&view=hex";
    console.get(&hex).await.assert(200, "offset=4096");
    let part = console.get(&format!("{hex}&offset=8200")).await;
    part.assert(200, "00002000  30 31 32");
    assert!(part.text.contains("offset=4096") && part.text.contains("offset=12288"));
    let last = console.get(&format!("{hex}&offset=1597440")).await;
    last.assert(200, "0018600");
    assert!(!last.text.contains("Next 4 KiB"));
    console
        .get(&format!("{hex}&offset=99999999"))
        .await
        .assert(200, "Previous 4 KiB");
    console.stop().await;
}

#[tokio::test]
async fn markdown_of_deep_nesting_is_shown_as_text() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    for (path, content) in [
        (
            "/lazy.md",
            format!("{}<b>\n{}", ">".repeat(87_000), "a\n".repeat(87_000)),
        ),
        ("/deep.md", ">".repeat(200_000) + "<b>"),
        (
            "/long.md",
            format!(
                "{}\n{}\n{}",
                "|a".repeat(100),
                "|-".repeat(100),
                "a\n".repeat(100_000)
            ),
        ),
    ] {
        files.upload(path, content).await.unwrap();
        let frame = console.get(&at(&id, "markdown", path)).await;
        frame.assert(200, "The Markdown is nested too deeply, or too long");
        assert!(!frame.text.contains("<blockquote>") && !frame.text.contains("<td>"));
        assert!(!frame.text.contains("<b>"), "{path}");
        assert!(frame.text.len() < 2 * 1024 * 1024, "{}", frame.text.len());
    }
    console.stop().await;
}

#[tokio::test]
async fn a_note_says_what_a_preview_leaves_out() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    let nested = "[".repeat(50_000) + &"]".repeat(50_000);
    let brackets = "[".repeat(100) + &"]".repeat(100) + ",";
    let json = format!("[{}1]", brackets.repeat(1290));
    let row = "some text,1\n";
    let wide = ",".repeat(60) + "\n";
    for (path, content, note) in [
        ("/deep.json", nested, "The indented text would be too long."),
        ("/long.json", json, "The indented text would be too long."),
        (
            "/long.csv",
            row.repeat(50_000),
            "Showing the first 200 rows.",
        ),
        (
            "/wide.csv",
            wide.repeat(10),
            "Showing the first 50 columns.",
        ),
    ] {
        files.upload(path, content).await.unwrap();
        let page = console.get(&at(&id, "file", path)).await;
        page.assert(200, note);
        assert!(!page.text.contains("Showing the first 256.0 KiB"), "{path}");
        assert!(page.text.len() < 300 * 1024, "{path}: {}", page.text.len());
    }
    console.stop().await;
}
