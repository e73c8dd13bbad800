//! `agb doctor`: checks the settings, the network, the clock and the API key.

use std::{
    error::Error,
    io,
    time::{Duration, SystemTime},
};

use agbcloud::{Client, ErrorKind, RetryPolicy};
use clap::Args;

use super::session::{Run, Session};
use crate::{
    clock, connection,
    failure::{Code, Failure},
    output::{OutputMode, Rows, counted, duration, setting_records::CheckRow},
};

/// Maximum difference between the clocks. A larger one can make presigned URLs expire early.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// Maximum duration of a call.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {}

impl Run for DoctorArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut checks = Checks::new(session);
        checks.pass("profile", profile(session)?)?;
        let resolved = match session.connection.resolve() {
            Ok(resolved) => resolved,
            Err(failure) => {
                checks.fail("settings", failure)?;
                return checks.finish();
            }
        };
        let builder = resolved.builder;
        let limited = builder.clone().timeout(TIMEOUT).idle_timeout(TIMEOUT);
        // Also builds the client without the limits of this command, which would hide a wrong setting.
        let client = builder
            .build()
            .and_then(|_| limited.retry(RetryPolicy::never()).build());
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                checks.fail("settings", error.into())?;
                return checks.finish();
            }
        };
        let endpoint = format!("{} ({})", client.endpoint(), resolved.endpoint);
        checks.pass("endpoint", endpoint)?;
        checks.pass("key", resolved.api_key)?;
        if let Some(proxy) = proxy_variable() {
            checks.pass("proxy", format!("{proxy} is set, calls may use the proxy"))?;
        }
        let date = match probe(&client).await {
            Ok(date) => date,
            Err(failure) => {
                checks.fail("connection", failure)?;
                return checks.finish();
            }
        };
        checks.pass("connection", "the endpoint responds".to_owned())?;
        checks.add("clock", check_clock(date))?;
        checks.add("access", check_access(&client).await)?;
        checks.finish()
    }
}

/// Prints the checks and counts the ones that failed.
struct Checks {
    rows: Rows,
    mode: OutputMode,
    failed: usize,
    /// The exit code of the first check that failed.
    code: Code,
}

impl Checks {
    fn new(session: &Session) -> Self {
        let mut rows = Rows::new(&session.output);
        rows.fit(&["connection", "failed"]);
        Self {
            rows,
            mode: session.output.mode(),
            failed: 0,
            code: Code::Other,
        }
    }

    fn pass(&mut self, check: &'static str, message: String) -> Result<(), Failure> {
        self.add(check, Ok(message))
    }

    fn fail(&mut self, check: &'static str, failure: Failure) -> Result<(), Failure> {
        self.add(check, Err(failure))
    }

    fn add(&mut self, check: &'static str, result: Result<String, Failure>) -> Result<(), Failure> {
        let ok = result.is_ok();
        if self.mode == OutputMode::Quiet && ok {
            return Ok(());
        }
        let (message, hint) = match result {
            Ok(message) => (message, None),
            Err(failure) => {
                if self.failed == 0 {
                    self.code = failure.code;
                }
                self.failed += 1;
                let cause = failure.cause.as_ref();
                let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
                (format!("{failure}{cause}"), failure.hint)
            }
        };
        self.rows.print(&[CheckRow {
            check,
            ok,
            message,
            hint,
        }])
    }

    fn finish(&self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            _ if self.mode == OutputMode::Json => Err(Failure::silent(self.code)),
            failed => Err(Failure::with_code(
                self.code,
                format!("{} failed", counted(failed as u64, "check")),
            )),
        }
    }
}

fn profile(session: &Session) -> Result<String, Failure> {
    let path = connection::config_file()?;
    let name = session.connection.profile_name();
    Ok(match path.exists() {
        true => format!("{name} of {}", path.display()),
        false => format!("no profiles ({} does not exist)", path.display()),
    })
}

/// The name of the variable that sets a proxy. Its value may contain a password.
fn proxy_variable() -> Option<&'static str> {
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

/// Connects to the endpoint and returns the date of its response.
async fn probe(client: &Client) -> Result<Option<SystemTime>, Failure> {
    match client.probe().await {
        Ok(probe) if probe.status >= 500 => {
            let message = format!(
                "HTTP {}: a gateway responds, the service behind it does not",
                probe.status
            );
            Err(Failure::with_code(Code::Unavailable, message).with_hint("try again later"))
        }
        Ok(probe) => Ok(probe.date),
        Err(error) => Err(Failure::from(&error).with_hint(connection_hint(&error))),
    }
}

fn connection_hint(error: &agbcloud::Error) -> &'static str {
    match find_cause::<rustls::Error>(error) {
        Some(rustls::Error::InvalidMessage(_)) => {
            return "the endpoint does not speak TLS: use http:// instead of https://";
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            return "the certificate is not trusted: check the host name, and the certificate authorities of the system";
        }
        _ => {}
    }
    match find_cause::<hyper::Error>(error) {
        Some(error) if error.is_parse() => {
            "the endpoint does not speak plain HTTP: use https:// instead of http://"
        }
        _ => {
            "check the address, the proxy and the firewall, or start a local service with 'agb serve'"
        }
    }
}

/// Returns the first error of this type in the chain of causes. `source()` of an I/O error skips the error that it wraps.
fn find_cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => find_cause(wrapped),
        None => find_cause(error.source()?),
    }
}

fn check_clock(date: Option<SystemTime>) -> Result<String, Failure> {
    let Some(date) = date else {
        return Ok("the service sends no date".to_owned());
    };
    let now = clock::now();
    let difference = now
        .duration_since(date)
        .or_else(|_| date.duration_since(now));
    match difference.unwrap_or_default() {
        difference if difference > MAX_CLOCK_DIFFERENCE => {
            let message = format!("differs from the service by {}", duration(difference));
            Err(Failure::new(message).with_hint("set the local clock: presigned URLs depend on it"))
        }
        _ => Ok("agrees with the service".to_owned()),
    }
}

async fn check_access(client: &Client) -> Result<String, Failure> {
    let error = match client.contexts().list().page_size(1).send().await {
        Ok(page) => {
            return Ok(match page.total_count {
                Some(count) => format!("the key is valid: {}", counted(count, "context")),
                None => "the key is valid".to_owned(),
            });
        }
        Err(error) => error,
    };
    Err(Failure::from(&error).with_hint(match error.kind() {
        ErrorKind::Unauthorized => "check that the key belongs to this endpoint",
        ErrorKind::InvalidResponse | ErrorKind::NotFound | ErrorKind::WrongEndpoint => {
            "check the endpoint and its path: it is not an AGB service"
        }
        ErrorKind::Tls | ErrorKind::Redirected | ErrorKind::ProxyAuthentication => {
            return Err(Failure::from(&error));
        }
        _ => "try again later",
    }))
}
