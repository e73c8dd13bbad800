//! Host names, resolved by the system.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::ResolveError;

/// Resolves like the default of reqwest, with an error that programs can recognize.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(addresses) => Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs),
                Err(cause) => Err(ResolveError {
                    host: name.as_str().to_owned(),
                    cause,
                }
                .into()),
            }
        })
    }
}
