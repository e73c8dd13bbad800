//! Files that an HTTP server passes on from a faulty store: the whole content, or a response that is visibly broken.

use agbcloud::{ErrorKind, Files};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse, Response},
    routing::get,
};

use super::faults::{ALL_FEATURES, content, files};
use crate::support::faulty_store::{Fault, FaultyStore, StoreFeatures};

async fn download(State(files): State<Files>) -> Response {
    let file = match files.open("/a").await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return StatusCode::NOT_FOUND.into_response();
        }
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let length = file
        .content_length()
        .map(|bytes| [(CONTENT_LENGTH, bytes.to_string())]);
    (length, Body::from_stream(file)).into_response()
}

/// Starts the server and returns its address.
async fn start(files: Files) -> String {
    let app = Router::new().route("/", get(download)).with_state(files);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/")
}

#[tokio::test]
async fn a_response_is_complete_or_visibly_broken() {
    let whole = content(200_000);
    let cut = [Fault::Truncated, Fault::Changed];
    let damaged = [Fault::WrongBytes];
    for length in [true, false] {
        let features = StoreFeatures {
            length,
            ..ALL_FEATURES
        };
        for (faults, is_complete) in [
            (&[] as &[Fault], true),
            // The stream resumes.
            (&cut[..1], length),
            (&cut, false),
            (&damaged, false),
        ] {
            let other = content(100_000);
            let store = FaultyStore::new(features, whole.clone(), other, faults.to_vec()).await;
            let (files, _) = files(&store);
            let url = start(files).await;
            let response = reqwest::get(&url).await.unwrap();
            assert_eq!(response.status(), 200);
            let received = response.bytes().await;
            match is_complete {
                true => assert!(received.unwrap() == whole),
                false => assert!(received.is_err(), "{length} {faults:?}"),
            }
        }
    }
}
