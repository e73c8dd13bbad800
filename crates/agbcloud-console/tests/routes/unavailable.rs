//! What a page shows when the service is down.

use reqwest::Method;

use crate::support::{TestConsole, encode, form, page};

#[tokio::test]
async fn a_stopped_service_is_explained_with_a_next_step() {
    let mut console = TestConsole::start().await;
    let (id, _) = console.context("one").await;
    console.stop_service().await;
    for path in ["/".to_owned(), format!("/contexts/{id}")] {
        let page = console.get(&path).await;
        page.assert(502, "The service can&#39;t be reached");
        page.assert(502, "Check that the service runs");
        page.assert(502, "Try again");
    }
    let created = console.post("/contexts", &[("name", "new")]).await;
    created.assert(502, "The service can&#39;t be reached");
    // The address of the form answers no GET request.
    assert!(!created.text.contains("Try again"), "{}", created.text);
    let url = format!("/contexts/{}/rename", encode(id.as_str()));
    let referer = format!("{}/contexts/a/manage?x=1", console.url);
    let fields = [("csrf", console.csrf.as_str()), ("name", "new")];
    let request = form(console.request(Method::POST, &url), &fields);
    let renamed = page(request.header("referer", referer)).await;
    renamed.assert(502, "href=\"/contexts/a/manage?x=1\">Back</a>");
    assert!(!renamed.text.contains("Try again"), "{}", renamed.text);
    let upload = console.upload(&id, "folder=/&name=x", b"x").await;
    upload.assert(502, "\"error\":\"The service can't be reached\"");
    console.stop().await;
}
