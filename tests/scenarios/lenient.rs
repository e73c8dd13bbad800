//! Responses with unusual types and lengths, which the SDK accepts.

use agbcloud::{Client, ContextId};
use futures_util::TryStreamExt;

use crate::{scripted_server::ScriptedServer, support::KEY};

fn ok(body: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn client(bodies: &[&str]) -> (Client, ScriptedServer) {
    let responses: Vec<String> = bodies.iter().map(|body| ok(body)).collect();
    let service = ScriptedServer::new(responses.iter()).await;
    let client = Client::builder().api_key(KEY).endpoint(&*service.endpoint);
    (client.build().unwrap(), service)
}

#[tokio::test]
async fn long_ids_and_tokens_from_a_service_are_sent_back_unchanged() {
    let (token, id) = ("t".repeat(5000), format!("SdkCtx-{}", "i".repeat(300)));
    let first = format!(
        r#"{{"success":true,"data":[{{"id":"{id}","name":7,"createTime":1748520000000}}],"nextToken":"{token}"}}"#
    );
    let last = r#"{"success":"true","data":[{"id":12}],"nextToken":null,"totalCount":"2"}"#;
    let cleared = r#"{"success":true,"requestId":99}"#;
    let (client, service) = client(&[&first, last, cleared]).await;
    let listing = client.contexts().list().by_item();
    let contexts: Vec<_> = listing.try_collect().await.unwrap();
    let ids: Vec<_> = contexts.iter().map(|context| context.id.as_str()).collect();
    assert_eq!(ids, [id.as_str(), "12"]);
    assert_eq!(contexts[0].name, "7");
    let created = contexts[0].created_at.as_ref().unwrap();
    assert!(created.to_system_time().is_some());
    let started = client
        .contexts()
        .clear(&ContextId::new(&*id).unwrap())
        .start();
    assert_eq!(started.await.unwrap().request_id(), Some("99"));
    let requests = service.requests();
    assert!(requests[1].contains(&format!("nextToken={token}")));
    assert!(requests[2].contains(&format!("id={id}")));
}
