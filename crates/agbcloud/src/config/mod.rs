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
use endpoint::endpoint;
pub use origin::{Origin, Origins};
use sources::Sources;

use crate::{Agb, Error, ErrorKind, Result, RetryPolicy, clock::Time, retry::Jitter, wire::Stub};

/// The service that is called when no other is named.
pub const DEFAULT_ENDPOINT: &str = "https://sdk-api.agb.cloud";

/// How long one call may take when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long no byte of a transfer may move when nothing else is said.
pub const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes an [`Agb`]. Each setting is taken from the first of these that has it: this builder, the environment,
/// a file `.env` in the working directory, the default. A `.env` is taken at its word: `$` has no meaning in it. It can name
/// an endpoint that an API key of the environment is sent to, so work only in folders of people whom you trust with the
/// key, or say the endpoint in code or in the environment.
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

    /// The API key where neither code nor environment nor `.env` has one: a profile of a program's own, say.
    ///
    /// It is not used with an endpoint of a `.env` file: whoever can put a file into the working directory would be sent it.
    pub fn fallback_api_key(mut self, key: impl Into<String>) -> Self {
        self.fallback_api_key = Some(ApiKey::new(key.into()));
        self
    }

    /// The endpoint where neither code nor environment nor `.env` names one, before [`DEFAULT_ENDPOINT`].
    pub fn fallback_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.fallback_endpoint = Some(SignedUrl::from(endpoint.into()));
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
    /// [`ErrorKind::Configuration`] if there is no API key or a setting can't be used.
    pub fn build(self) -> Result<Agb> {
        let sources = match self.stub {
            // What stands in for the service needs no settings of the machine, and is not to depend on them.
            Some(_) => Sources::default(),
            None => Sources::of_process(),
        };
        let settings = self.settle(&sources)?;
        Agb::new(settings)
    }

    fn settle(self, sources: &Sources) -> Result<Settings> {
        let api_key = match self.api_key {
            Some(key) => key,
            None if self.stub.is_some() => ApiKey::new("stub".to_owned()),
            None => match (sources.find("AGB_API_KEY"), self.fallback_api_key) {
                (Some(key), _) => ApiKey::new(key),
                (None, Some(_))
                    if self.endpoint.is_none()
                        && sources.origin("AGB_ENDPOINT") == Some(Origin::Dotenv) =>
                {
                    return Err(wrong(
                        "the endpoint is that of a .env file, and the API key is not: set both in one place",
                    ));
                }
                (None, Some(key)) => key,
                (None, None) => return Err(no_key(sources)),
            },
        };
        let in_code = self.endpoint.map(SignedUrl::into_string);
        let given = in_code.or_else(|| sources.find("AGB_ENDPOINT"));
        let given = given.or(self.fallback_endpoint.map(SignedUrl::into_string));
        let endpoint = endpoint(given.as_deref().unwrap_or(DEFAULT_ENDPOINT))?;
        if self.stub.is_none() {
            tls::check(&endpoint.url)?;
        }
        let timeout = match self.timeout {
            Some(timeout) => timeout,
            None => sources
                .find("AGB_TIMEOUT_MS")
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
    pub(crate) retry: RetryPolicy,
    pub(crate) time: Time,
    pub(crate) jitter: Jitter,
    /// What answers calls in place of the endpoint.
    pub(crate) stub: Option<Stub>,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
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

    #[test]
    fn a_fallback_comes_after_dotenv_and_its_key_does_not_go_where_a_dotenv_says() {
        let builder = || {
            let builder = AgbBuilder::default().fallback_api_key("from-profile");
            builder.fallback_endpoint("profile.example")
        };
        let settled = settle(builder(), &[], "").unwrap();
        assert_eq!(settled.endpoint.url, "https://profile.example");
        let both = "AGB_API_KEY=from-file\nAGB_ENDPOINT=file.example\n";
        let settled = settle(builder(), &[], both).unwrap();
        assert_eq!(settled.endpoint.url, "https://file.example");
        let trap = "AGB_ENDPOINT=file.example\n";
        let error = settle(builder(), &[], trap).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(settle(builder().endpoint("code.example"), &[], trap).is_ok());
        assert!(settle(builder(), &[("AGB_ENDPOINT", "env.example")], trap).is_ok());
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
        assert_eq!(told(&builder, &both), (Origin::Environment, Origin::Dotenv));
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
