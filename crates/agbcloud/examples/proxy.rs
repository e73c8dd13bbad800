//! Serve the files of a context over HTTP with axum, without storing them: a missing file is 404, and an interruption of the
//! download is an interruption of the response.
//!
//! `cargo run -p agbcloud --example proxy`

use agbcloud::{Client, Error, ErrorKind, Files};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse, Response},
    routing::get,
};

async fn download(
    State(files): State<Files>,
    Path(path): Path<String>,
) -> Result<Response, Failure> {
    let file = files.open(format!("/{path}")).await?;
    let length = file
        .content_length()
        .map(|bytes| [(CONTENT_LENGTH, bytes.to_string())]);
    Ok((length, Body::from_stream(file)).into_response())
}

struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
            _ => StatusCode::BAD_GATEWAY,
        };
        (status, self.0.to_string()).into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = agbcloud_server::Server::builder().start().await?;
    let builder = Client::builder().api_key("any").endpoint(service.url());
    let client = builder.build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    let files = client.contexts().files(&context.id);
    files.upload("/notes/today.txt", "all is well").await?;

    let app = Router::new()
        .route("/{*path}", get(download))
        .with_state(files);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let found = reqwest::get(format!("http://{address}/notes/today.txt")).await?;
    println!("{}: {}", found.status(), found.text().await?);
    let missing = reqwest::get(format!("http://{address}/notes/tomorrow.txt")).await?;
    println!("{}: {}", missing.status(), missing.text().await?);
    service.shutdown().await;
    Ok(())
}
