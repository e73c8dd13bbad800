//! `agb doctor`: what is wrong, and what to do.

use std::time::{Duration, SystemTime};

use agbcloud::{Client, ErrorKind, RetryPolicy};
use clap::Args;

use super::{Run, Session};
use crate::{
    clock,
    exit::{self, Code, Failure},
    output::{Reader, Row, Rows, counted, duration, schema::CheckRow},
    settings,
};

/// Clocks that are further apart than this make presigned URLs fail before their time.
const CLOCKS: Duration = Duration::from_secs(60);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {}

impl Run for DoctorArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut checks = Checks {
            rows: Rows::new(&session.look),
            quiet: session.look.reader() == Reader::Terse,
            wrong: 0,
            worst: Code::Other,
        };
        checks.rows.fit(&["endpoint", "wrong"]);
        checks.good("profile", profile(session)?)?;
        let resolved = match session.connection.resolve() {
            Ok(resolved) => resolved,
            Err(failure) => {
                checks.wrong("settings", failure.into())?;
                return checks.end(session);
            }
        };
        let builder = resolved.builder;
        let patient = builder.clone().timeout(PATIENCE).idle_timeout(PATIENCE);
        // As they are too: what is said here for the doctor alone may be what is wrong.
        let built = builder
            .build()
            .and_then(|_| patient.retry(RetryPolicy::never()).build());
        let client = match built {
            Ok(client) => client,
            Err(error) => {
                checks.wrong("settings", unsettled(&error))?;
                return checks.end(session);
            }
        };
        let endpoint = format!("{} ({})", client.endpoint(), resolved.endpoint);
        checks.good("endpoint", endpoint)?;
        checks.good("key", resolved.api_key)?;
        if let Some(proxy) = proxy() {
            checks.good("proxy", format!("{proxy} is set, and calls may go by it"))?;
        }
        let date = match reach(&client).await {
            Ok(date) => date,
            Err(wrong) => {
                checks.wrong("reach", wrong)?;
                return checks.end(session);
            }
        };
        checks.good("reach", "something answers".to_owned())?;
        checks.take("clock", clock(date))?;
        checks.take("access", access(&client).await)?;
        checks.end(session)
    }
}

/// What is not as it should be.
struct Wrong {
    found: String,
    code: Code,
    hint: Option<String>,
}

impl Wrong {
    fn new(code: Code, found: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            code,
            hint: None,
        }
    }

    /// An error with the cause that tells what has happened.
    fn of(error: &agbcloud::Error) -> Self {
        let cause = exit::deepest(error);
        let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
        Self::new(Code::of(error), format!("{}{cause}", exit::message(error)))
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self {
            found: failure.to_string(),
            code: failure.code(),
            hint: failure.hinted().map(str::to_owned),
        }
    }
}

/// What has been looked at.
struct Checks {
    rows: Rows,
    /// Only what is wrong is told.
    quiet: bool,
    wrong: usize,
    /// The exit code of the first that is wrong.
    worst: Code,
}

impl Checks {
    fn good(&mut self, check: &'static str, found: String) -> Result<(), Failure> {
        self.take(check, Ok(found))
    }

    fn wrong(&mut self, check: &'static str, wrong: Wrong) -> Result<(), Failure> {
        self.take(check, Err(wrong))
    }

    fn take(&mut self, check: &'static str, found: Result<String, Wrong>) -> Result<(), Failure> {
        let good = found.is_ok();
        if self.quiet && good {
            return Ok(());
        }
        let (found, hint) = match found {
            Ok(found) => (found, None),
            Err(wrong) => {
                if self.wrong == 0 {
                    self.worst = wrong.code;
                }
                self.wrong += 1;
                (wrong.found, wrong.hint)
            }
        };
        self.rows.write(&[CheckRow {
            check,
            good,
            found,
            hint,
        }])
    }

    fn end(&self, session: &Session) -> Result<(), Failure> {
        match self.wrong {
            0 => Ok(()),
            _ if session.look.reader() == Reader::Program => Err(Failure::silent(self.worst)),
            wrong => {
                let message = match wrong {
                    1 => "one of these is not as it should be".to_owned(),
                    wrong => format!("{wrong} of these are not as they should be"),
                };
                Err(Failure::of(self.worst, message))
            }
        }
    }
}

impl Row for CheckRow {
    const HEAD: &'static [&'static str] = &["check", "", "found"];

    fn plain(&self) -> Vec<String> {
        let good = if self.good { "good" } else { "wrong" };
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}"));
        let found = format!("{}{}", self.found, hint.unwrap_or_default());
        vec![self.check.to_owned(), good.to_owned(), found]
    }

    fn name(&self) -> String {
        format!(
            "{} {}",
            self.check,
            if self.good { "good" } else { "wrong" }
        )
    }
}

fn profile(session: &Session) -> Result<String, Failure> {
    let path = settings::config_file()?;
    let name = session.connection.profile_name();
    Ok(match path.exists() {
        true => format!("{name}, if it is in {}", path.display()),
        false => format!("none: {} would hold them, a table for each", path.display()),
    })
}

/// The variable that sends calls by a proxy. What is in it may hold a password.
fn proxy() -> Option<&'static str> {
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    names.into_iter().find(is_set)
}

/// Settings with which there is nothing to call.
fn unsettled(error: &agbcloud::Error) -> Wrong {
    let wrong = Wrong::of(error);
    match error.message().starts_with("no API key") {
        true => wrong.hint(
            "export AGB_API_KEY=…, or write a profile (see above), or pipe it to --api-key-stdin",
        ),
        false => wrong,
    }
}

/// What the clock of whatever answers says.
async fn reach(client: &Client) -> Result<Option<SystemTime>, Wrong> {
    match client.probe().await {
        Ok(probe) if probe.status >= 500 => {
            let found = format!(
                "HTTP {}: a gateway, with no service behind it",
                probe.status
            );
            Err(Wrong::new(Code::Unavailable, found).hint("try again in a while"))
        }
        Ok(probe) => Ok(probe.date),
        Err(error) => {
            let wrong = Wrong::of(&error);
            let hint = unreached(client.endpoint(), &wrong.found);
            Err(wrong.hint(hint))
        }
    }
}

/// What to do where nothing was reached. The words that are looked for are those of rustls, of OpenSSL and of hyper.
fn unreached(endpoint: &str, found: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|words| found.contains(words));
    let tls = endpoint.starts_with("https:");
    if tls && says(&["InvalidContentType", "wrong version number"]) {
        return "what answers there speaks no TLS: is it http:// and not https://?";
    }
    if !tls && says(&["invalid HTTP version"]) {
        return "what answers there speaks no plain HTTP: is it https:// and not http://?";
    }
    if tls && says(&["certificate"]) {
        return "this machine does not trust the certificate: is the name in the endpoint that of the certificate, and its \
                authority one of this machine's?";
    }
    "is the address right, is there a proxy or a firewall? agb serve starts a service here"
}

fn clock(date: Option<SystemTime>) -> Result<String, Wrong> {
    let Some(date) = date else {
        return Ok("the service tells no date".to_owned());
    };
    let now = clock::now();
    let apart = now
        .duration_since(date)
        .or_else(|_| date.duration_since(now));
    match apart.unwrap_or_default() {
        apart if apart > CLOCKS => {
            let wrong = Wrong::new(Code::Other, format!("it is {} off", duration(apart)));
            Err(wrong.hint("set the clock of this machine: presigned URLs go by it"))
        }
        _ => Ok("it agrees with that of the service".to_owned()),
    }
}

async fn access(client: &Client) -> Result<String, Wrong> {
    let page = client.contexts().list().page_size(1).send().await;
    let error = match page {
        Ok(page) => {
            return Ok(match page.total_count {
                Some(count) => format!("the key is good: {}", counted(count, "context")),
                None => "the key is good".to_owned(),
            });
        }
        Err(error) => error,
    };
    let wrong = Wrong::of(&error);
    Err(match error.kind() {
        ErrorKind::Unauthorized => {
            wrong.hint("is it the key of this endpoint? its owner can make another")
        }
        ErrorKind::InvalidResponse | ErrorKind::NotFound | ErrorKind::WrongEndpoint => {
            wrong.hint("what answers is no AGB service: is the endpoint right, with its path?")
        }
        _ => wrong.hint("try again in a while"),
    })
}
