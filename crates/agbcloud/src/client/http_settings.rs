//! The settings of HTTP connections and headers.

use std::{sync::Arc, time::Duration};

use super::ClientBuilder;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use crate::http_client::{CertificateVerification, ClientCertificate};
use crate::http_client::{OutgoingRequest, ProxySetting};

/// Proxies, certificates, connections and headers, for the requests to the service and to the object store: see the
/// [guide](crate::guide::network).
impl ClientBuilder {
    /// Sends all requests through this HTTP or HTTPS proxy. The URL may contain a user and a password, which are never
    /// shown. The scheme defaults to `http`. Ignores `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, which apply by
    /// default. [`build`](Self::build) fails for an invalid URL.
    ///
    /// An https request is tunnelled with `CONNECT`, so that the proxy sees only the host. An http request is sent to the
    /// proxy with its headers and the API key.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().proxy("http://user:password@proxy.example:3128");
    /// assert!(!format!("{builder:?}").contains("password"));
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.connection.proxy = ProxySetting::Url(url.into());
        self
    }

    /// Uses no proxy, whatever the environment contains.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().no_proxy();
    /// ```
    pub fn no_proxy(mut self) -> Self {
        self.http.connection.proxy = ProxySetting::Direct;
        self
    }

    /// Trusts the certificates in this PEM file in addition to those of the system. The file may contain several
    /// certificates. Can be called repeatedly. [`build`](Self::build) fails if it contains no valid certificate.
    ///
    /// Not supported on Android.
    ///
    /// ```no_run
    /// let builder = agbcloud::Client::builder().root_certificates(std::fs::read("company-ca.pem")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "rustls", feature = "native-tls"))))]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.connection.root_certificates.push(pem.into());
        self
    }

    /// Sends this certificate to servers that request one (mutual TLS): the certificate with its chain, and its private key,
    /// both in PEM. With the feature `native-tls` the key must be in PKCS #8 (`BEGIN PRIVATE KEY`). [`build`](Self::build)
    /// fails if they are invalid.
    ///
    /// ```no_run
    /// use std::fs::read;
    ///
    /// let builder = agbcloud::Client::builder().client_certificate(read("client.pem")?, read("client-key.pem")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "rustls", feature = "native-tls"))))]
    pub fn client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        let certificate = ClientCertificate::new(chain_pem.into(), key_pem.into());
        self.http.connection.client_certificate = Some(certificate);
        self
    }

    /// Sets which servers must prove their identity with a certificate. Defaults to
    /// [`Always`](CertificateVerification::Always). It applies to the service and, by the host of each URL, to the object
    /// store.
    ///
    /// Dangerous: anyone on the network path to a server that is not verified can read and change all requests, the API key
    /// included. Prefer [`root_certificates`](Self::root_certificates).
    ///
    /// ```
    /// use agbcloud::CertificateVerification;
    ///
    /// let builder = agbcloud::Client::builder()
    ///     .danger_certificate_verification(CertificateVerification::ExceptLoopback);
    /// ```
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "rustls", feature = "native-tls"))))]
    pub fn danger_certificate_verification(mut self, servers: CertificateVerification) -> Self {
        self.http.connection.verification = servers;
        self
    }

    /// Sets the maximum time to connect, TLS included. Defaults to
    /// [`DEFAULT_CONNECT_TIMEOUT`](crate::DEFAULT_CONNECT_TIMEOUT). The [timeout](Self::timeout) of a call includes it.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connection.connect_timeout = Some(timeout);
        self
    }

    /// Sets how long an unused connection is kept. Defaults to
    /// [`DEFAULT_POOL_IDLE_TIMEOUT`](crate::DEFAULT_POOL_IDLE_TIMEOUT). It should be shorter than the time after which the
    /// service or a gateway closes the connection: a request on a connection that is being closed fails and is retried.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.http.connection.pool_idle_timeout = Some(timeout);
        self
    }

    /// Sets the maximum number of unused connections to each host. Not limited by default. With 0 each request makes a new
    /// connection. The number of connections in use is not limited by it.
    pub fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.http.connection.pool_max_idle_per_host = Some(connections);
        self
    }

    /// Appends the name of a program to the header `user-agent`, so that the service can identify it: `agbcloud-rs/0.1.0
    /// my-agent/1.2`. Visible ASCII.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().user_agent_suffix("my-agent/1.2");
    /// ```
    pub fn user_agent_suffix(mut self, program: impl Into<String>) -> Self {
        self.http.headers.user_agent_suffix = Some(program.into());
        self
    }

    /// Adds a header to each request to the service, for example for a gateway. The value is never shown. Requests to the
    /// object store do not have it: a presigned URL is valid for any holder, and its host may belong to a third party. See
    /// [`on_request`](Self::on_request) to add headers to both.
    ///
    /// [`build`](Self::build) fails for an invalid header, and for one that the SDK sets: `accept`, `accept-encoding`,
    /// `api-version`, `authorization`, `connection`, `date`, `expect`, `host`, `keep-alive`, `range`, `te`, `trailer`,
    /// `transfer-encoding`, `upgrade`, `user-agent`, and those that begin with `content-`, `if-` or `proxy-`.
    ///
    /// ```
    /// let builder = agbcloud::Client::builder().default_header("x-team", "agents");
    /// ```
    pub fn default_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        self.http.headers.defaults.push(header);
        self
    }

    /// Calls this before each request to the service and to the object store, to add headers such as `traceparent`. It runs
    /// in the [span](crate::guide::tracing) of the request, and should return quickly. A later call replaces it.
    ///
    /// Headers that the SDK sets are ignored with a warning: see [`default_header`](Self::default_header). So are, for the
    /// object store, headers that a signature covers: `x-amz-*`, `x-goog-*`, `x-ms-*` and `x-oss-*`. Other headers do not
    /// break the signature of a presigned URL.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # let (key, endpoint) = ("doc", client.endpoint());
    /// use agbcloud::{Client, RequestTarget};
    ///
    /// let builder = Client::builder().on_request(|request| {
    ///     let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
    ///     request.headers_mut().insert("traceparent", trace);
    ///     if request.target() == RequestTarget::Service {
    ///         request.headers_mut().insert("x-shard", "7".parse().unwrap());
    ///     }
    /// });
    /// let client = builder.api_key(key).endpoint(endpoint).build()?;
    /// client.contexts().get_or_create("my-project").await?;
    /// # Ok(()) });
    /// ```
    pub fn on_request(
        mut self,
        hook: impl Fn(&mut OutgoingRequest<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.http.headers.on_request = Some(Arc::new(hook));
        self
    }

    /// Uses this `reqwest` client for all requests, for example to share connections, or for settings that this builder does
    /// not have, such as a DNS resolver. [`build`](Self::build) fails if a proxy, a certificate, the connect timeout or the
    /// pool is set here too. The headers, the API key and the timeouts of this builder apply.
    ///
    /// Build the client with `redirect(Policy::none())`: otherwise it follows a redirect instead of reporting it. Without
    /// decompression: otherwise a download of a compressed object fails its verification. Without a total or read timeout:
    /// otherwise large transfers fail. Its default headers are sent to the service and to the object store.
    ///
    /// The name contains the version of `reqwest`, so that a later version can be added without a breaking change.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # let (key, endpoint) = ("doc", client.endpoint());
    /// let http = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .http1_only()
    ///     .build()?;
    /// let client = agbcloud::Client::builder()
    ///     .reqwest_0_13(http)
    ///     .api_key(key)
    ///     .endpoint(endpoint)
    ///     .build()?;
    /// client.contexts().get_or_create("my-project").await?;
    /// # Ok(()) });
    /// ```
    #[cfg(feature = "reqwest-0_13")]
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest-0_13")))]
    pub fn reqwest_0_13(mut self, client: reqwest::Client) -> Self {
        self.http.client = Some(client);
        self
    }
}
