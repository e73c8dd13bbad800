//! Settings: from code, the environment and `.env`, in this order.

mod api_key;
mod endpoint;
mod origin;
mod sources;
pub(crate) mod tls;

use std::time::Duration;

use agbcloud_api::SignedUrl;

pub(crate) use api_key::ApiKey;
pub(crate) use endpoint::Endpoint;
use endpoint::endpoint as endpoint_of;
pub use origin::{Origin, Origins};
use sources::Sources;

use crate::{Agb, Error, ErrorKind, Result, RetryPolicy, clock::Time, retry::Jitter, wire::Stub};

/// The service that is called when no other is named.
pub const DEFAULT_ENDPOINT: &str = "https://sdk-api.agb.cloud";

/// How long one call may take when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long no byte of a transfer may move when nothing else is said.
pub const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes an [`Agb`]. Each setting is taken from the first of these that has it: this builder, the environment, the
/// builder's [fallback](Self::fallback_endpoint) (a profile), a file `.env` in the working directory, the default. A `$` in a
/// `.env` file is an ordinary character. Files in parent folders are not read; [`dotenv(false)`](Self::dotenv) reads none.
///
/// The API key is sent only to an endpoint from the same or a more trusted source. The order of trust is that of the list
/// above; [`DEFAULT_ENDPOINT`] is trusted most. With any other pair, such as a key from the environment and an endpoint from
/// a `.env` file, [`build`](Self::build) fails.
///
/// | setting | environment and `.env` | default |
/// | --- | --- | --- |
/// | [`api_key`](Self::api_key) | `AGB_API_KEY` | none: it is an error |
/// | [`endpoint`](Self::endpoint) | `AGB_ENDPOINT` | [`DEFAULT_ENDPOINT`] |
/// | [`timeout`](Self::timeout) | `AGB_TIMEOUT_MS`, milliseconds | [`DEFAULT_TIMEOUT`] |
///
/// ```
/// use std::time::Duration;
///
/// let agb = agbcloud::Agb::builder()
///     .api_key("my-api-key")
///     .endpoint("http://127.0.0.1:8780")
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct AgbBuilder {
    api_key: Option<ApiKey>,
    // Shown without a password that somebody may have put into it.
    endpoint: Option<SignedUrl>,
    fallback_api_key: Option<ApiKey>,
    fallback_endpoint: Option<SignedUrl>,
    timeout: Option<Duration>,
    stall_timeout: Option<Duration>,
    ignores_dotenv: bool,
    allow_insecure_urls: bool,
    retry: RetryPolicy,
    pub(crate) time: Time,
    pub(crate) jitter: Jitter,
    pub(crate) stub: Option<Stub>,
}

impl AgbBuilder {
    /// The API key. It is sent to the endpoint alone, and shown nowhere.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// The service's base URL. Without a scheme it means `https://`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(SignedUrl::from(endpoint.into()));
        self
    }

    /// The API key where neither code nor the environment has one, from a program's own profile for example. It comes before
    /// a `.env` file.
    pub fn fallback_api_key(mut self, key: impl Into<String>) -> Self {
        self.fallback_api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// The endpoint where neither code nor the environment names one. It comes before a `.env` file and
    /// [`DEFAULT_ENDPOINT`].
    pub fn fallback_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.fallback_endpoint = Some(SignedUrl::from(endpoint.into()));
        self
    }

    /// Whether the file `.env` in the working directory is read. Defaults to true.
    ///
    /// ```
    /// let builder = agbcloud::Agb::builder().dotenv(false);
    /// ```
    pub fn dotenv(mut self, read: bool) -> Self {
        self.ignores_dotenv = !read;
        self
    }

    /// Whether an https endpoint may hand out presigned URLs without TLS. Defaults to false: such a URL fails with
    /// [`ErrorKind::InsecureUrl`], unless its host is loopback. Everybody on the way can read and change what such a URL
    /// transfers.
    pub fn allow_insecure_urls(mut self, allow: bool) -> Self {
        self.allow_insecure_urls = allow;
        self
    }

    /// How long one try of a call to the service may take, from connecting to the last byte of the answer; at least a
    /// millisecond. Transfers of files have no such limit: see [`stall_timeout`](Self::stall_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long no byte of a transfer may move before the try counts as failed; [`DEFAULT_STALL_TIMEOUT`] if not said.
    /// There is no limit on the time that a transfer takes in all.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = Some(timeout);
        self
    }

    /// How often and how long a call is tried; see [`RetryPolicy`] for what holds if this is not said.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Settles the settings and makes the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if there is no API key, a setting can't be used, or the endpoint comes from a less
    /// trusted source than the API key.
    pub fn build(self) -> Result<Agb> {
        let sources = match self.stub {
            // What stands in for the service needs no settings of the machine, and is not to depend on them.
            Some(_) => Sources::default(),
            None => Sources::of_process(!self.ignores_dotenv),
        };
        let settings = self.settle(&sources)?;
        Agb::new(settings)
    }

    fn settle(self, sources: &Sources) -> Result<Settings> {
        let origins = self.origins_by(sources);
        let api_key = match origins.api_key {
            Origin::Code => self.api_key,
            _ if self.stub.is_some() => Some(ApiKey::new("stub".to_owned())),
            Origin::Fallback => self.fallback_api_key,
            origin => sources.find(origin, "AGB_API_KEY").map(ApiKey::new),
        };
        let api_key = api_key.ok_or_else(|| no_key(sources))?;
        if self.stub.is_none() && !origins.trusts_endpoint() {
            return Err(untrusted(origins));
        }
        let endpoint = match origins.endpoint {
            Origin::Code => self.endpoint.map(SignedUrl::into_string),
            Origin::Fallback => self.fallback_endpoint.map(SignedUrl::into_string),
            origin => sources.find(origin, "AGB_ENDPOINT"),
        };
        let endpoint = endpoint_of(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT))?;
        if self.stub.is_none() {
            tls::check(&endpoint.url)?;
        }
        let timeout = match self.timeout {
            Some(timeout) => timeout,
            None => sources
                .first("AGB_TIMEOUT_MS")
                .map_or(Ok(DEFAULT_TIMEOUT), |text| milliseconds(&text))?,
        };
        if timeout < Duration::from_millis(1) {
            return Err(wrong("the timeout must be at least one millisecond"));
        }
        Ok(Settings {
            api_key: api_key.checked()?,
            endpoint,
            timeout,
            stall_timeout: self.stall_timeout.unwrap_or(DEFAULT_STALL_TIMEOUT),
            allow_insecure_urls: self.allow_insecure_urls,
            retry: self.retry,
            time: self.time,
            jitter: self.jitter,
            stub: self.stub,
        })
    }
}

/// Settings that can be used.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) api_key: ApiKey,
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Duration,
    pub(crate) stall_timeout: Duration,
    /// Whether an https endpoint may hand out http URLs.
    pub(crate) allow_insecure_urls: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) time: Time,
    pub(crate) jitter: Jitter,
    /// What answers calls in place of the endpoint.
    pub(crate) stub: Option<Stub>,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn untrusted(origins: Origins) -> Error {
    wrong(format!(
        "the API key comes from {} and the endpoint from {}, which is less trusted: set both in one place, or name the \
         endpoint where the key is",
        origins.api_key.place("AGB_API_KEY"),
        origins.endpoint.place("AGB_ENDPOINT"),
    ))
}

fn no_key(sources: &Sources) -> Error {
    let hint = match sources.damaged_line() {
        Some(line) => format!(" (line {line} of the .env file can't be read)"),
        None => String::new(),
    };
    wrong(format!(
        "no API key: set AGB_API_KEY in the environment or in a .env file, or call api_key(…){hint}"
    ))
}

fn milliseconds(text: &str) -> Result<Duration> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(Duration::from_millis(number)),
        _ => Err(wrong(
            "AGB_TIMEOUT_MS must be a whole number of milliseconds, at least 1",
        )),
    }
}

#[cfg(all(test, any(feature = "rustls", feature = "native-tls")))]
mod tests {
    use super::*;

    fn settle(builder: AgbBuilder, process: &[(&str, &str)], dotenv: &str) -> Result<Settings> {
        builder.settle(&Sources::given(process, dotenv))
    }

    /// A value of each source has the name of the source in it.
    fn sources(
        key: &[Origin],
        endpoint: &[Origin],
    ) -> (AgbBuilder, Vec<(&'static str, &'static str)>, String) {
        let mut builder = AgbBuilder::default();
        let (mut process, mut dotenv) = (Vec::new(), String::new());
        for origin in key {
            match origin {
                Origin::Code => builder = builder.api_key("key-of-code"),
                Origin::Environment => process.push(("AGB_API_KEY", "key-of-environment")),
                Origin::Fallback => builder = builder.fallback_api_key("key-of-fallback"),
                _ => dotenv += "AGB_API_KEY=key-of-dotenv\n",
            }
        }
        for origin in endpoint {
            match origin {
                Origin::Code => builder = builder.endpoint("code.example"),
                Origin::Environment => process.push(("AGB_ENDPOINT", "environment.example")),
                Origin::Fallback => builder = builder.fallback_endpoint("fallback.example"),
                _ => dotenv += "AGB_ENDPOINT=dotenv.example\n",
            }
        }
        (builder, process, dotenv)
    }

    const ORDER: [(Origin, &str); 4] = [
        (Origin::Code, "code"),
        (Origin::Environment, "environment"),
        (Origin::Fallback, "fallback"),
        (Origin::Dotenv, "dotenv"),
    ];

    /// Every way in which four sources can name a key and an endpoint.
    #[test]
    fn a_key_goes_only_to_an_endpoint_of_the_same_or_a_more_trusted_source() {
        let subset = |bits: usize| -> Vec<Origin> {
            let of = ORDER.iter().enumerate();
            of.filter(|(at, _)| bits & (1 << at) != 0)
                .map(|(_, (origin, _))| *origin)
                .collect()
        };
        for bits in 0..256 {
            for dotenv_is_read in [true, false] {
                let (keys, endpoints) = (subset(bits & 15), subset(bits >> 4));
                let (builder, process, dotenv) = sources(&keys, &endpoints);
                let dotenv = if dotenv_is_read {
                    dotenv
                } else {
                    String::new()
                };
                let rank = |of: &[Origin]| {
                    let read = |origin: &Origin| dotenv_is_read || *origin != Origin::Dotenv;
                    ORDER
                        .iter()
                        .position(|(origin, _)| of.contains(origin) && read(origin))
                };
                let settled = settle(builder, &process, &dotenv);
                let case = format!("{keys:?} {endpoints:?} {dotenv_is_read}");
                match (rank(&keys), rank(&endpoints)) {
                    (Some(key), None) => {
                        let settings = settled.unwrap();
                        assert_eq!(settings.endpoint.url, DEFAULT_ENDPOINT, "{case}");
                        assert_eq!(
                            settings.api_key.expose(),
                            format!("key-of-{}", ORDER[key].1)
                        );
                    }
                    (Some(key), Some(endpoint)) if endpoint <= key => {
                        let settings = settled.unwrap();
                        let expected = format!("https://{}.example", ORDER[endpoint].1);
                        assert_eq!(settings.endpoint.url, expected, "{case}");
                        assert_eq!(
                            settings.api_key.expose(),
                            format!("key-of-{}", ORDER[key].1)
                        );
                    }
                    (key, _) => {
                        let error = settled.unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::Configuration, "{case}");
                        let names_both = error.message().contains("less trusted");
                        assert_eq!(names_both, key.is_some(), "{case}: {error}");
                        assert!(!format!("{error:?}").contains("key-of-"), "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_endpoint_that_is_set_to_nothing_does_not_let_a_dotenv_have_the_key() {
        let trap = "AGB_ENDPOINT=dotenv.example\n";
        for empty in ["", "  ", "\t"] {
            let process = [("AGB_API_KEY", "k"), ("AGB_ENDPOINT", empty)];
            assert!(
                settle(AgbBuilder::default(), &process, trap).is_err(),
                "{empty:?}"
            );
            assert!(settle(AgbBuilder::default().dotenv(false), &process, "").is_ok());
        }
        for odd in [
            "export AGB_ENDPOINT=a.example",
            "AGB_ENDPOINT='a.example' # x",
            "\u{feff}AGB_ENDPOINT=a.example",
        ] {
            assert!(
                settle(AgbBuilder::default(), &[("AGB_API_KEY", "k")], odd).is_err(),
                "{odd}"
            );
        }
        let other = "agb_endpoint=a.example\nHTTPS_PROXY=http://a.example\n";
        let settings = settle(AgbBuilder::default(), &[("AGB_API_KEY", "k")], other).unwrap();
        assert_eq!(settings.endpoint.url, DEFAULT_ENDPOINT);
    }

    #[test]
    fn code_comes_before_environment_before_dotenv_before_default() {
        let dotenv = "AGB_API_KEY=from-file\nAGB_ENDPOINT=file.example\nAGB_TIMEOUT_MS=3\n";
        let process = [
            ("AGB_API_KEY", "from-env"),
            ("AGB_ENDPOINT", "env.example"),
            ("AGB_TIMEOUT_MS", "2"),
        ];
        let code = AgbBuilder::default()
            .api_key("from-code")
            .endpoint("code.example")
            .timeout(Duration::from_millis(1));

        for (builder, process, dotenv, key, endpoint, timeout) in [
            (
                code,
                &process[..],
                dotenv,
                "from-code",
                "https://code.example",
                1,
            ),
            (
                AgbBuilder::default(),
                &process[..],
                dotenv,
                "from-env",
                "https://env.example",
                2,
            ),
            (
                AgbBuilder::default(),
                &[],
                dotenv,
                "from-file",
                "https://file.example",
                3,
            ),
            (
                AgbBuilder::default(),
                &[("AGB_API_KEY", "k")],
                "",
                "k",
                DEFAULT_ENDPOINT,
                60_000,
            ),
        ] {
            let settings = settle(builder, process, dotenv).unwrap();
            assert_eq!(settings.api_key.expose(), key);
            assert_eq!(settings.endpoint.url, endpoint);
            assert_eq!(settings.timeout, Duration::from_millis(timeout));
        }
    }

    #[test]
    fn a_dotenv_is_taken_at_its_word() {
        for (written, key) in [
            ("ab$cd#ef", "ab$cd#ef"),
            ("ab${HOME}", "ab${HOME}"),
            ("\"ab$HOME$\"", "ab$HOME$"),
            ("'ab$HOME' # mine", "ab$HOME"),
            ("ab\\$HOME", "ab$HOME"),
        ] {
            let dotenv = format!("\u{feff}AGB_API_KEY={written}\n");
            let settings = settle(AgbBuilder::default(), &[], &dotenv).unwrap();
            assert_eq!(settings.api_key.expose(), key);
        }
        let trap = "AGB_API_KEY=k\nAGB_ENDPOINT=http://a.example/${PATH}\n";
        let settled = settle(AgbBuilder::default(), &[], trap);
        assert!(settled.is_err() || settled.unwrap().endpoint.url.contains("PATH"));
    }

    #[test]
    fn it_is_told_where_a_setting_comes_from() {
        let dotenv = "AGB_API_KEY=k\n";
        let process = [("AGB_ENDPOINT", "env.example")];
        let builder = AgbBuilder::default().fallback_api_key("f");
        let told = |builder: &AgbBuilder, sources| {
            let origins = builder.origins_by(sources);
            (origins.endpoint, origins.api_key)
        };
        let both = Sources::given(&process, dotenv);
        let plain = AgbBuilder::default();
        assert_eq!(told(&plain, &both), (Origin::Environment, Origin::Dotenv));
        assert_eq!(
            told(&builder, &both),
            (Origin::Environment, Origin::Fallback)
        );
        let none = Sources::given(&[], "");
        assert_eq!(told(&builder, &none), (Origin::Default, Origin::Fallback));
        let builder = builder.endpoint("a").api_key("k");
        assert_eq!(told(&builder, &both), (Origin::Code, Origin::Code));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let settings = settle(
            AgbBuilder::default(),
            &[("AGB_API_KEY", "")],
            "AGB_API_KEY=file",
        )
        .unwrap();
        assert_eq!(settings.api_key.expose(), "file");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_utf_8_is_refused_and_not_passed_over() {
        for (name, part) in [
            ("AGB_API_KEY", "API key must be visible ASCII"),
            ("AGB_ENDPOINT", "endpoint"),
            ("AGB_TIMEOUT_MS", "AGB_TIMEOUT_MS"),
        ] {
            let builder = match name {
                "AGB_API_KEY" => AgbBuilder::default(),
                _ => AgbBuilder::default().api_key("k"),
            };
            let sources = Sources::of_bytes(name, b"1\xff.example");
            let error = builder.settle(&sources).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn bad_settings_say_where_to_mend_them_and_show_no_key() {
        for (process, dotenv, part) in [
            (&[][..], "", "AGB_API_KEY"),
            (&[], "A=1\nAGB_API_KEY='secret-1\n", "line 2"),
            (&[("AGB_API_KEY", "secret-1\u{7}")], "", "API key"),
            (
                &[("AGB_API_KEY", "k"), ("AGB_TIMEOUT_MS", "soon")],
                "",
                "AGB_TIMEOUT_MS",
            ),
            (
                &[("AGB_API_KEY", "k"), ("AGB_TIMEOUT_MS", "0")],
                "",
                "AGB_TIMEOUT_MS",
            ),
            (
                &[("AGB_API_KEY", "k"), ("AGB_ENDPOINT", "ftp://a")],
                "",
                "http",
            ),
        ] {
            let error = settle(AgbBuilder::default(), process, dotenv).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(part), "{error}");
            assert!(!format!("{error:?}").contains("secret-1"), "{error:?}");
        }
    }

    #[test]
    fn nothing_prints_the_key() {
        let builder = AgbBuilder::default().api_key("secret-1");
        let builder = builder.endpoint("https://me:secret-1@a.example?k=secret-1");
        assert!(!format!("{builder:?}").contains("secret-1"));
    }
}
