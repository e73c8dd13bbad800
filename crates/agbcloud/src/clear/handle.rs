//! A clear that runs in the service.

use std::time::{Duration, Instant};

use super::{ClearStatuses, Cleared, Patience, status::Listener, watch::Watch};
use crate::{
    ClearTimedOut, Client, ContextId, ContextState, Response, Result, context, wire::ContextLookup,
};

/// A clear that was started: here by [`Clear::start`](crate::Clear::start), or elsewhere and taken up by
/// [`Contexts::resume_clear`](crate::Contexts::resume_clear). It holds nothing in the service: dropping it
/// stops nothing.
#[derive(Debug, Clone)]
pub struct ClearHandle {
    pub(super) client: Client,
    id: ContextId,
    pub(super) patience: Patience,
    pub(super) listener: Listener,
    /// `None` for a clear that was started elsewhere.
    pub(super) origin: Option<Origin>,
}

/// What is known of a clear before it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) began: Instant,
    pub(super) seen_clearing: bool,
}

impl Origin {
    pub(super) fn at(began: Instant) -> Self {
        Self {
            began,
            seen_clearing: false,
        }
    }
}

impl ClearHandle {
    pub(super) fn started(
        client: Client,
        id: ContextId,
        patience: Patience,
        listener: Listener,
    ) -> Self {
        Self {
            origin: Some(Origin::at(client.time().now())),
            client,
            id,
            patience,
            listener,
        }
    }

    pub(crate) fn resume(client: Client, id: ContextId) -> Self {
        Self {
            client,
            id,
            patience: Patience::default(),
            listener: Listener::default(),
            origin: None,
        }
    }

    /// Continues a wait that timed out.
    pub(crate) fn resume_late(client: Client, late: &ClearTimedOut) -> Self {
        Self {
            patience: Patience {
                timeout: late.timeout,
                poll_interval: late.poll_interval,
            },
            origin: Some(Origin {
                began: late.began,
                seen_clearing: late.seen_clearing,
            }),
            ..Self::resume(client, late.context_id.clone())
        }
    }

    /// How long [`wait`](Self::wait) and [`statuses`](Self::statuses) wait at most, from their call: see
    /// [`Clear::timeout`](crate::Clear::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.patience.timeout = timeout;
        self
    }

    /// The longest time between two looks: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.patience.poll_interval = interval;
        self
    }

    /// The context that is being cleared. Keep it to [resume](crate::Contexts::resume_clear) elsewhere.
    pub fn context_id(&self) -> &ContextId {
        &self.id
    }

    /// Looks once: `clearing`, or `available` once it is done.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let handle = client.contexts().clear(&context.id).start().await?;
    /// println!("the context is {}", handle.status().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted meanwhile, and those of any call.
    #[doc(alias = "get_clear_status")]
    pub async fn status(&self) -> Result<Response<ContextState>> {
        let context = context::look_up(&self.client, ContextLookup::Id(self.id.clone())).await?;
        Ok(context.map(|context| context.state))
    }

    /// Waits until the context is `available` again. That counts only once `clearing` has been seen or a full
    /// poll interval has passed, since before a clear the state is `available` too. The interval is counted from
    /// the start of the clear; if that was elsewhere, from this call. Where the timeout is shorter, `available` at its end
    /// counts, if it is 1 s or more. A look that fails for a passing reason, or is answered by something else than the
    /// service, is repeated; any other state is waited out.
    ///
    /// Dropping the future ends the looking, not the clear.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let handle = client.contexts().resume_clear(&context.id).with_poll_interval(Duration::from_millis(200));
    /// let cleared = handle.wait().await?;
    /// println!("seen after {:?} and {} looks", cleared.elapsed, cleared.polls);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ClearTimeout`](crate::ErrorKind::ClearTimeout) if it takes longer than the timeout, with
    /// [the details](crate::Error::clear_timeout),
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted meanwhile,
    /// [`Unauthorized`](crate::ErrorKind::Unauthorized) and the like at once.
    pub async fn wait(&self) -> Result<Cleared> {
        let timeout = self.patience.timeout;
        self.wait_until(self.client.time().later(timeout)).await
    }

    pub(super) async fn wait_until(&self, deadline: Instant) -> Result<Cleared> {
        let mut watch = Watch::new(self.clone(), deadline);
        loop {
            let status = watch.next().await?;
            if watch.is_done() {
                return Ok(Cleared {
                    elapsed: status.elapsed,
                    polls: status.polls,
                });
            }
        }
    }

    /// The same looks as a stream: what each shows, a state that this version does not know included. It ends after
    /// the status with which the clear is done, or with the error that [`wait`](Self::wait) would give. The time
    /// for it is counted from this call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// let mut statuses = clear.start().await?.statuses();
    /// while let Some(status) = statuses.next().await {
    ///     let status = status?;
    ///     println!("{} after {:?}", status.state, status.elapsed);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn statuses(&self) -> ClearStatuses {
        let deadline = self.client.time().later(self.patience.timeout);
        ClearStatuses::new(Watch::new(self.clone(), deadline))
    }
}
