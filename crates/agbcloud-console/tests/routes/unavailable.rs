//! What a page shows when the service is down.

use crate::support::TestConsole;

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
    let upload = console.upload(&id, "folder=/&name=x", b"x").await;
    upload.assert(502, "\"error\":\"The service can't be reached\"");
    console.stop().await;
}
