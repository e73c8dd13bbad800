//! Gets or creates a context with the generated client:
//! `cargo run -p agbcloud-api --example get_context -- my-project`.
//!
//! `AGB_ENDPOINT` defaults to `http://127.0.0.1:8780`, the address of `agb serve`. `AGB_API_KEY` is the API key. An
//! `https://` endpoint requires a TLS feature of reqwest.

use std::process::ExitCode;
use std::time::Duration;

use agbcloud_api::{Client, Error, RequestHook, types};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or("my-project".to_owned());
    match get_or_create(&name).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn get_or_create(name: &str) -> Result<(), String> {
    let endpoint = setting("AGB_ENDPOINT", "http://127.0.0.1:8780");
    // A local service without a key file accepts any key.
    let client = client(&endpoint, &setting("AGB_API_KEY", "any-key"))?;
    let call = client.get_context().name(name).allow_create(true).send();
    let envelope = match call.await {
        Ok(envelope) => envelope.into_inner(),
        Err(error) => return Err(explain(error, &endpoint).await),
    };
    // Failures can have status 200 too.
    if envelope.success != Some(true) {
        return Err(format!(
            "rejected: {}: {}",
            envelope.code.unwrap_or_default(),
            envelope.message.unwrap_or_default()
        ));
    }
    let context = envelope.data.unwrap_or_default();
    println!("context  {}", context.id.unwrap_or_default());
    println!("name     {}", context.name.unwrap_or_default());
    println!("state    {}", context.state.unwrap_or_default());
    println!("request  {}", envelope.request_id.unwrap_or_default());
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    let set = std::env::var(name).ok().filter(|value| !value.is_empty());
    set.unwrap_or_else(|| default.to_owned())
}

fn client(endpoint: &str, key: &str) -> Result<Client, String> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))
        .map_err(|_| "AGB_API_KEY is not a valid header value".to_owned())?;
    authorization.set_sensitive(true);
    let http = reqwest::Client::builder()
        .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
        .timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Client::new_with_client(
        endpoint.trim_end_matches('/'),
        http,
        RequestHook::default(),
    ))
}

async fn explain(error: Error<()>, endpoint: &str) -> String {
    match error {
        Error::CommunicationError(error) if error.is_connect() => format!(
            "no service at {endpoint}\n\
             hint: start a local service with 'cargo run -p agb-cli -- serve', or set AGB_ENDPOINT"
        ),
        Error::UnexpectedResponse(response) => {
            let status = response.status();
            let body = response.text().await.unwrap_or_default();
            match serde_json::from_str::<types::Failure>(&body) {
                Ok(failure) => format!(
                    "{status}: {}: {} (request {})",
                    failure.code.unwrap_or_default(),
                    failure.message.unwrap_or_default(),
                    failure.request_id.unwrap_or_default()
                ),
                Err(_) => format!("{status}: {body}"),
            }
        }
        other => other.to_string(),
    }
}
