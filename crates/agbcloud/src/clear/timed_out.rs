//! What is known of a clear that did not end in time.

use std::time::Duration;

use crate::{ClearHandle, ContextState};

/// What is known of a clear that did not end in time, and the handle to go on waiting with: from
/// [`Error::clear_timeout`](crate::Error::clear_timeout).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = agbcloud_server::Server::builder().start().await?;
/// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
/// # use std::time::Duration;
/// let context = client.contexts().get_or_create("my-project").await?;
/// if let Err(error) = client.contexts().clear(&context.id).timeout(Duration::from_millis(1)).await {
///     let Some(late) = error.clear_timeout() else { return Err(error.into()) };
///     println!("{:?} after {:?}", late.last_state, late.elapsed);
///     late.handle.clone().with_timeout(Duration::from_secs(60)).wait().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClearTimedOut {
    /// Time from the start of the clear to the end of the waiting; for a resumed clear, from the start of the waiting.
    pub elapsed: Duration,
    /// How often the state was looked at, looks that failed included.
    pub polls: u32,
    /// The state that the last good look has shown; `None` if no look got an answer.
    pub last_state: Option<ContextState>,
    /// The clear, which goes on in the service. Waiting with it goes on from what was seen and from the same start,
    /// and is given the same timeout anew.
    pub handle: ClearHandle,
}
