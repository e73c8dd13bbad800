//! Headers that users add to requests.

use std::{fmt, sync::Arc};

use reqwest::{
    Request, Url,
    header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};

use crate::{config::invalid_setting, error::Result};

/// The `user-agent` header without a suffix.
const AGENT: &str = concat!("agbcloud-rs/", env!("CARGO_PKG_VERSION"));

/// Headers that the SDK or the HTTP library sets.
const RESERVED: [&str; 15] = [
    "accept",
    "accept-encoding",
    "api-version",
    "authorization",
    "connection",
    "date",
    "expect",
    "host",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Headers with these prefixes are reserved too: they describe content, conditions and proxies.
const RESERVED_PREFIXES: [&str; 3] = ["content-", "if-", "proxy-"];

/// A signature covers all headers of its store, including those that a client adds.
const STORE_PREFIXES: [&str; 4] = ["x-amz-", "x-goog-", "x-ms-", "x-oss-"];

/// The receiver of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestTarget {
    /// The service. The request has the API key.
    Service,
    /// The object store. The request has a presigned URL.
    ObjectStore,
}

/// A request that is about to be sent: see [`ClientBuilder::on_request`](crate::ClientBuilder::on_request).
pub struct OutgoingRequest<'a> {
    target: RequestTarget,
    method: &'a str,
    url: &'a Url,
    headers: &'a mut HeaderMap,
}

impl OutgoingRequest<'_> {
    /// Returns the receiver of the request.
    pub fn target(&self) -> RequestTarget {
        self.target
    }

    /// Returns the HTTP method, such as `GET`.
    pub fn method(&self) -> &str {
        self.method
    }

    /// Returns the host of the URL.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Returns the headers that are added to the request: those of
    /// [`default_header`](crate::ClientBuilder::default_header) for a request to the service, none for one to the object
    /// store. Those that the SDK sets are not included.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers
    }
}

/// Shows the names of the headers.
impl fmt::Debug for OutgoingRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingRequest")
            .field("target", &self.target)
            .field("method", &self.method)
            .field("host", &self.host())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish()
    }
}

type OnRequest = dyn Fn(&mut OutgoingRequest<'_>) + Send + Sync;

/// The settings of headers, as given to the builder.
#[derive(Clone, Default)]
pub(crate) struct HeaderSettings {
    pub(crate) user_agent_suffix: Option<String>,
    /// Names and values.
    pub(crate) defaults: Vec<(String, String)>,
    pub(crate) on_request: Option<Arc<OnRequest>>,
}

impl HeaderSettings {
    pub(super) fn resolve(self) -> Result<RequestHeaders> {
        Ok(RequestHeaders {
            agent: self.agent()?,
            defaults: self.defaults()?,
            on_request: self.on_request,
        })
    }

    fn agent(&self) -> Result<HeaderValue> {
        let Some(suffix) = &self.user_agent_suffix else {
            return Ok(HeaderValue::from_static(AGENT));
        };
        let suffix = suffix.trim();
        let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let invalid = || {
            invalid_setting(
                "the suffix of the user agent must be visible ASCII, such as my-agent/1.2",
            )
        };
        if suffix.is_empty() || !suffix.bytes().all(is_printable) {
            return Err(invalid());
        }
        HeaderValue::try_from(format!("{AGENT} {suffix}")).map_err(|_| invalid())
    }

    fn defaults(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (text, value) in &self.defaults {
            let name = HeaderName::try_from(text)
                .map_err(|_| invalid_setting(format!("{text:?} is not the name of a header")))?;
            if is_reserved(&name) {
                return Err(invalid_setting(format!(
                    "the header {name} is set by the SDK and can't be a default header"
                )));
            }
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                invalid_setting(format!(
                    "the value of the default header {name} is not valid"
                ))
            })?;
            // It may be a secret of a gateway.
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }
}

impl fmt::Debug for HeaderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.defaults.iter().map(|(name, _)| name).collect();
        f.debug_struct("HeaderSettings")
            .field("user_agent_suffix", &self.user_agent_suffix)
            .field("defaults", &names)
            .finish_non_exhaustive()
    }
}

/// The headers that are added to each request.
pub(super) struct RequestHeaders {
    agent: HeaderValue,
    /// For requests to the service.
    defaults: HeaderMap,
    on_request: Option<Arc<OnRequest>>,
}

impl RequestHeaders {
    pub(super) fn add_to(&self, target: RequestTarget, request: &mut Request) {
        let mut added = match target {
            RequestTarget::Service => self.defaults.clone(),
            RequestTarget::ObjectStore => HeaderMap::new(),
        };
        if let Some(on_request) = &self.on_request {
            on_request(&mut OutgoingRequest {
                target,
                method: request.method().as_str(),
                url: request.url(),
                headers: &mut added,
            });
        }
        let rejected: Vec<_> = added
            .keys()
            .filter(|name| is_reserved(name) || is_signed(target, name))
            .cloned()
            .collect();
        for name in rejected {
            added.remove(&name);
            tracing::warn!(
                header = name.as_str(),
                "header of on_request ignored: it is reserved"
            );
        }
        request.headers_mut().extend(added);
        request.headers_mut().insert(USER_AGENT, self.agent.clone());
    }
}

fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    let starts = |prefix: &&str| name.starts_with(prefix);
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(starts)
}

/// Whether the signature of a presigned URL would cover the header.
fn is_signed(target: RequestTarget, name: &HeaderName) -> bool {
    let starts = |prefix: &&str| name.as_str().starts_with(prefix);
    target == RequestTarget::ObjectStore && STORE_PREFIXES.iter().any(starts)
}
