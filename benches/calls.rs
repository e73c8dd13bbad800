//! Sequential calls of GetContext, for a tool that counts instructions. See the README.
//!
//! `calls ENDPOINT COUNT`

use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(endpoint), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("calls ENDPOINT COUNT".into());
    };
    let client = agbcloud::Client::builder()
        .api_key("bench-key")
        .endpoint(endpoint)
        .build()?;
    let contexts = client.contexts();
    let id = contexts.get_or_create("bench").await?.id.clone();
    for _ in 0..count.parse::<u32>()? {
        assert_eq!(contexts.get(&id).await?.name, "bench");
    }
    Ok(())
}
