//! The settings that the HTTP clients of the service and of the object store share.

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod certificates;
mod headers;
mod proxy;
mod resolver;

use std::{fmt, sync::Arc, time::Duration};

use agbcloud_api::RequestHook;
use reqwest::{Request, Url, header::AUTHORIZATION};

#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub use certificates::CertificateVerification;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) use certificates::ClientCertificate;
pub(crate) use headers::HeaderSettings;
pub use headers::{OutgoingRequest, RequestTarget};
pub(crate) use proxy::ProxySetting;

use headers::RequestHeaders;

use crate::{
    config::{ApiKey, DEFAULT_CONNECT_TIMEOUT, DEFAULT_POOL_IDLE_TIMEOUT, invalid_setting},
    error::{Error, Result},
};

/// The settings of the HTTP clients, as given to the builder.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpSettings {
    pub(crate) connection: ConnectionSettings,
    pub(crate) headers: HeaderSettings,
    /// A ready client, which replaces the connection settings.
    #[cfg(feature = "reqwest-0_13")]
    pub(crate) client: Option<reqwest::Client>,
}

/// How connections are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionSettings {
    pub(crate) proxy: ProxySetting,
    /// Certificates in PEM.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) root_certificates: Vec<Vec<u8>>,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) client_certificate: Option<ClientCertificate>,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) verification: CertificateVerification,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) pool_idle_timeout: Option<Duration>,
    pub(crate) pool_max_idle_per_host: Option<usize>,
}

impl HttpSettings {
    /// Validates the settings.
    pub(crate) fn resolve(self) -> Result<HttpStack> {
        let connections = self.connections()?;
        Ok(HttpStack {
            connections,
            headers: Arc::new(self.headers.resolve()?),
        })
    }

    #[cfg(feature = "reqwest-0_13")]
    fn connections(&self) -> Result<Connections> {
        let Some(client) = &self.client else {
            return Ok(Connections::Own(self.connection.clone()));
        };
        if !self.connection.is_default() {
            return Err(invalid_setting(
                "a ready reqwest client has its own proxy, certificates, connect timeout and pool: set them there",
            ));
        }
        Ok(Connections::Ready(client.clone()))
    }

    #[cfg(not(feature = "reqwest-0_13"))]
    fn connections(&self) -> Result<Connections> {
        Ok(Connections::Own(self.connection.clone()))
    }
}

/// Creates the HTTP clients, and completes their requests.
#[derive(Clone)]
pub(crate) struct HttpStack {
    connections: Connections,
    headers: Arc<RequestHeaders>,
}

#[derive(Clone)]
enum Connections {
    Own(ConnectionSettings),
    #[cfg(feature = "reqwest-0_13")]
    Ready(reqwest::Client),
}

impl HttpStack {
    /// Returns the HTTP client of the service at this URL. It has no credentials: see [`service_hook`](Self::service_hook).
    pub(crate) fn service_client(&self, url: &str) -> Result<reqwest::Client> {
        match &self.connections {
            Connections::Own(settings) => settings.service_client(url),
            #[cfg(feature = "reqwest-0_13")]
            Connections::Ready(client) => Ok(client.clone()),
        }
    }

    /// Whether the certificate of the server of a URL is verified.
    pub(crate) fn verifies(&self, url: &Url) -> bool {
        match &self.connections {
            Connections::Own(settings) => settings.verifies(url),
            #[cfg(feature = "reqwest-0_13")]
            Connections::Ready(_) => true,
        }
    }

    /// Returns the HTTP client of presigned URLs, which verifies certificates or does not.
    pub(crate) fn store_client(&self, verifies: bool) -> Result<reqwest::Client> {
        match &self.connections {
            Connections::Own(settings) => settings.store_client(verifies),
            #[cfg(feature = "reqwest-0_13")]
            Connections::Ready(client) => Ok(client.clone()),
        }
    }

    /// Returns a hook that adds the API key and the other headers to a request of the service.
    pub(crate) fn service_hook(&self, api_key: &ApiKey) -> Result<RequestHook> {
        let (authorization, headers) = (api_key.authorization()?, self.headers.clone());
        Ok(RequestHook::new(move |request| {
            headers.add_to(RequestTarget::Service, request);
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }))
    }

    /// Adds the headers of the settings to a request that is not made by the generated client.
    pub(crate) fn add_headers(&self, target: RequestTarget, request: &mut Request) {
        self.headers.add_to(target, request);
    }

    /// Fails for an https URL if this build has no TLS. A ready client may have TLS anyway.
    pub(crate) fn check_tls(&self, url: &str) -> Result<()> {
        let has_tls = match &self.connections {
            Connections::Own(_) => cfg!(any(feature = "rustls", feature = "native-tls")),
            #[cfg(feature = "reqwest-0_13")]
            Connections::Ready(_) => true,
        };
        if has_tls || !url.starts_with("https:") {
            return Ok(());
        }
        Err(invalid_setting(
            "built without TLS, and the URL is https: enable the feature `rustls` or `native-tls` of agbcloud",
        ))
    }
}

impl fmt::Debug for HttpStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStack").finish_non_exhaustive()
    }
}

impl ConnectionSettings {
    #[cfg(feature = "reqwest-0_13")]
    fn is_default(&self) -> bool {
        matches!(self.proxy, ProxySetting::Environment)
            && !self.has_certificates()
            && self.connect_timeout.is_none()
            && self.pool_idle_timeout.is_none()
            && self.pool_max_idle_per_host.is_none()
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn has_certificates(&self) -> bool {
        !self.root_certificates.is_empty()
            || self.client_certificate.is_some()
            || self.verification != CertificateVerification::Always
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn verifies(&self, url: &Url) -> bool {
        self.verification.applies_to(url)
    }

    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    fn verifies(&self, _: &Url) -> bool {
        true
    }

    #[cfg(all(
        feature = "reqwest-0_13",
        not(any(feature = "rustls", feature = "native-tls"))
    ))]
    fn has_certificates(&self) -> bool {
        false
    }

    fn service_client(&self, url: &str) -> Result<reqwest::Client> {
        let verifies = Url::parse(url).map_or(true, |url| self.verifies(&url));
        let builder = self.client_builder(verifies)?;
        // Loading the certificates of the system takes longer than a call, and http does not need them.
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let builder =
            match url.starts_with("http://") && !self.proxy.may_apply() && !self.has_certificates()
            {
                true => builder.tls_certs_only([]),
                false => builder,
            };
        builder.build().map_err(client_error)
    }

    fn store_client(&self, verifies: bool) -> Result<reqwest::Client> {
        let builder = self.client_builder(verifies)?;
        // Objects are stored as they are; another crate may enable the decompression features of reqwest.
        let builder = builder.no_gzip().no_brotli().no_zstd().no_deflate();
        builder.build().map_err(client_error)
    }

    fn client_builder(&self, verifies: bool) -> Result<reqwest::ClientBuilder> {
        let pool_idle_timeout = self.pool_idle_timeout.unwrap_or(DEFAULT_POOL_IDLE_TIMEOUT);
        let mut builder = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT))
            .pool_idle_timeout(pool_idle_timeout)
            .dns_resolver(resolver::SystemResolver)
            // A redirect would send the key or the signature to a host that the user has not chosen.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(connections) = self.pool_max_idle_per_host {
            builder = builder.pool_max_idle_per_host(connections);
        }
        let builder = self.proxy.apply(builder)?;
        // The backend must not depend on the features that other crates enable.
        #[cfg(feature = "native-tls")]
        let builder = builder.tls_backend_native();
        #[cfg(all(feature = "rustls", not(feature = "native-tls")))]
        let builder = builder.tls_backend_rustls();
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let builder = {
            let roots = certificates::parse_roots(&self.root_certificates)?;
            let builder = match roots.is_empty() {
                true => builder,
                false => builder.tls_certs_merge(roots),
            };
            let builder = match &self.client_certificate {
                Some(certificate) => builder.identity(certificate.parse()?),
                None => builder,
            };
            builder.tls_danger_accept_invalid_certs(!verifies)
        };
        #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
        let _ = verifies;
        Ok(builder)
    }
}

fn client_error(error: reqwest::Error) -> Error {
    invalid_setting("can't create the HTTP client").with_source(error.without_url())
}
