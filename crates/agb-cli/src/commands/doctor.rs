//! `agb doctor`: what is wrong, and what to do.

use std::time::{Duration, SystemTime};

use agbcloud::{Agb, ErrorKind, RetryPolicy};
use clap::Args;

use super::{Run, Session};
use crate::{
    clock,
    exit::{Code, Failure},
    output::{Reader, Row, Rows, duration, schema::CheckRow},
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
            wrong: 0,
            worst: Code::Other,
        };
        checks.tell(profile(), "profile", None)?;
        let built = session.connection.builder().and_then(|builder| {
            let builder = builder.timeout(PATIENCE).retry(RetryPolicy::never());
            Ok(builder.build()?)
        });
        let agb = match built {
            Ok(agb) => agb,
            Err(failure) => {
                let hint = "export AGB_API_KEY=…, or write a profile (see above), or pipe it to --api-key-stdin";
                checks.tell(Err(failure.to_string()), "settings", Some(hint))?;
                return checks.end(session);
            }
        };
        checks.tell(Ok(agb.endpoint().to_owned()), "endpoint", None)?;
        let reached = agb.probe().await;
        let hint =
            "is the address right, is there a proxy or a firewall? agb serve starts a service here";
        let date = reached.as_ref().ok().and_then(|probe| probe.date);
        let told = reached.map(|probe| format!("it answers (HTTP {})", probe.status));
        let told = told.map_err(|error| error.to_string());
        let can_be_reached = told.is_ok();
        checks.tell(told, "reach", Some(hint))?;
        if !can_be_reached {
            return checks.end(session);
        }
        checks.tell(
            clock(date),
            "clock",
            Some("set the clock of this machine: presigned URLs go by it"),
        )?;
        let hint = "is it the key of this endpoint? its owner can make another";
        checks.tell(access(&agb).await, "access", Some(hint))?;
        checks.end(session)
    }
}

/// What has been looked at.
struct Checks {
    rows: Rows,
    wrong: usize,
    /// The exit code of the first that is wrong.
    worst: Code,
}

impl Checks {
    fn tell(
        &mut self,
        found: Result<String, String>,
        check: &'static str,
        hint: Option<&str>,
    ) -> Result<(), Failure> {
        let good = found.is_ok();
        if !good && self.wrong == 0 {
            self.worst = match check {
                "settings" => Code::Usage,
                "reach" => Code::Unavailable,
                "access" => Code::NotAllowed,
                _ => Code::Other,
            };
        }
        self.wrong += usize::from(!good);
        let (Ok(found) | Err(found)) = found;
        self.rows.write(&[CheckRow {
            check,
            good,
            found,
            hint: hint.filter(|_| !good).map(str::to_owned),
        }])
    }

    fn end(&self, session: &Session) -> Result<(), Failure> {
        match self.wrong {
            0 => Ok(()),
            _ if session.look.reader() == Reader::Program => Err(Failure::silent(self.worst)),
            wrong => {
                let message = format!("{wrong} of these are not as they should be");
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

fn profile() -> Result<String, String> {
    let path = settings::config_file().map_err(|failure| failure.to_string())?;
    Ok(match path.exists() {
        true => format!("{} is there", path.display()),
        false => format!("none: {} would hold them, a table for each", path.display()),
    })
}

fn clock(date: Option<SystemTime>) -> Result<String, String> {
    let Some(date) = date else {
        return Ok("the service tells no date".to_owned());
    };
    let now = clock::now();
    let apart = now
        .duration_since(date)
        .or_else(|_| date.duration_since(now));
    match apart.unwrap_or_default() {
        apart if apart > CLOCKS => Err(format!("it is {} off", duration(apart))),
        _ => Ok("it agrees with that of the service".to_owned()),
    }
}

async fn access(agb: &Agb) -> Result<String, String> {
    let page = agb.contexts().list().page_size(1).send().await;
    match page {
        Ok(page) => Ok(match page.total_count {
            Some(count) => format!("the key is good: {count} contexts"),
            None => "the key is good".to_owned(),
        }),
        Err(error) if error.kind() == ErrorKind::Unauthorized => Err(error.message().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
