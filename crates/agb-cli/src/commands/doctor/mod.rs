//! `agb doctor`: checks the settings, the network, the clock and the API key. A check that fails does not stop the others.

mod network;
mod report;
mod settings;

use std::time::Duration;

use agbcloud::{Client, ClientBuilder, RetryPolicy, SettingSource};
use clap::Args;

use super::session::{Run, Session};
use crate::{
    connection::{Profile, ResolvedSettings},
    failure::{Failure, NO_API_KEY_HINT},
};
use network::TIMEOUT;
use report::Report;

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {}

impl Run for DoctorArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut report = Report::new(&session.output);
        let profile = settings::check_profile(session, &mut report)?;
        settings::check_dotenv(session, &mut report)?;
        match profile {
            Some(profile) => check_service(session, &profile, &mut report).await?,
            None => {
                for check in ["endpoint", "key", "proxy", "connection", "clock", "access"] {
                    report.skip(check, "the profile can't be used")?;
                }
            }
        }
        report.finish()
    }
}

async fn check_service(
    session: &Session,
    profile: &Profile,
    report: &mut Report,
) -> Result<(), Failure> {
    let resolved = match session.connection.resolve_with(profile) {
        Ok(resolved) => resolved,
        Err(failure) => {
            report.fail("settings", failure)?;
            for check in ["endpoint", "key", "proxy", "connection", "clock", "access"] {
                report.skip(check, "the settings can't be used")?;
            }
            return Ok(());
        }
    };
    let endpoint = match resolved.builder.resolved_endpoint() {
        Ok(endpoint) => {
            report.pass("endpoint", format!("{endpoint} ({})", resolved.endpoint))?;
            Some(endpoint)
        }
        Err(error) => {
            report.fail("endpoint", Failure::from(&error))?;
            None
        }
    };
    let has_key = check_key(&resolved, report)?;
    let is_trusted = resolved.sources.trusts_endpoint();
    let endpoint = match endpoint {
        Some(endpoint) if is_trusted => endpoint,
        endpoint => {
            let reason = match endpoint {
                Some(_) => "the endpoint is less trusted than the key",
                None => "no valid endpoint",
            };
            for check in ["proxy", "connection", "clock", "access"] {
                report.skip(check, reason)?;
            }
            return Ok(());
        }
    };
    let timeout = session
        .connection
        .call_timeout
        .unwrap_or(TIMEOUT)
        .min(TIMEOUT);
    report.add("proxy", network::check_proxy(&endpoint, timeout).await)?;
    // The probe sends no key. A client needs one that the endpoint may see.
    let without_key = |builder: ClientBuilder| builder.endpoint(&endpoint).api_key("none");
    let probe = match limited(without_key(resolved.builder.clone()), timeout) {
        Ok(client) => network::probe(&client).await,
        Err(failure) => {
            report.fail("settings", failure)?;
            for check in ["connection", "clock", "access"] {
                report.skip(check, "the settings can't be used")?;
            }
            return Ok(());
        }
    };
    let is_connected = probe.is_ok();
    match probe {
        Ok(date) => {
            report.pass("connection", "the endpoint responds".to_owned())?;
            match date {
                Some(date) => report.add("clock", network::check_clock(date))?,
                None => report.skip("clock", "the service sends no date")?,
            }
        }
        Err(failure) => {
            report.fail("connection", failure)?;
            report.skip("clock", "no connection")?;
        }
    }
    match (has_key, is_connected) {
        (false, _) => report.skip("access", "no key"),
        (true, false) => report.skip("access", "no connection"),
        (true, true) => match limited(resolved.builder, timeout) {
            Ok(client) => report.add("access", network::check_access(&client).await),
            Err(failure) => report.fail("access", failure),
        },
    }
}

/// Builds the client twice: without the limits of this command, which would hide a wrong setting, and with them.
fn limited(builder: ClientBuilder, timeout: Duration) -> Result<Client, Failure> {
    builder.clone().build()?;
    let limited = builder.timeout(timeout).idle_timeout(timeout);
    Ok(limited.retry(RetryPolicy::never()).build()?)
}

/// Checks whether there is a key that may be sent to the endpoint.
fn check_key(resolved: &ResolvedSettings, report: &mut Report) -> Result<bool, Failure> {
    let result = match resolved.sources.api_key {
        SettingSource::Default => Err(Failure::usage("no API key").with_hint(NO_API_KEY_HINT)),
        _ => resolved.check_trust(),
    };
    let has_key = result.is_ok();
    report.add("key", result.map(|()| resolved.api_key.clone()))?;
    Ok(has_key)
}
