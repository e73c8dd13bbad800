//! `agb url`: presigned URLs, which work without an API key.

use agbcloud::PresignedUrl;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use crate::{
    address::Remote,
    commands::{
        completion, lookup,
        operands::{Operand, Operands},
        partial_failures::PartialFailures,
        session::{Run, Session, WithSession},
    },
    failure::{ErrorContext, Failure},
    output::{self, OutputMode, records::UrlRow, rfc3339},
    stderr,
};

#[derive(Debug, Subcommand)]
pub(crate) enum UrlCommand {
    /// Print a URL to download a file
    #[command(after_long_help = "Examples:\n  curl -o a.txt \"$(agb url get my-project:/a.txt)\"")]
    Get(WithSession<GetUrlArguments>),
    /// Print a URL to upload a file
    #[command(
        after_long_help = "Examples:\n  curl -T a.txt -H 'content-type:' \"$(agb url put my-project:/a.txt)\""
    )]
    Put(WithSession<PutUrlArguments>),
}

impl UrlCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Get(with) => with.run().await,
            Self::Put(with) => with.run().await,
        }
    }
}

/// The wire protocol has no parameter for it. The option exists since other programs have one.
#[derive(Debug, Args)]
struct Expiry {
    /// Not supported: the service alone decides how long a URL is valid, and the time of expiry is shown with the URL
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
}

impl Expiry {
    fn check(&self) -> Result<(), Failure> {
        match &self.expires {
            None => Ok(()),
            Some(_) => Err(Failure::usage(
                "--expires is not supported: the service alone decides how long a URL is valid",
            )
            .with_hint("omit --expires: the time of expiry is shown with the URL, and in its JSON as expires_at")),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GetUrlArguments {
    /// Files, as NAME:/path; globs are expanded
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    #[command(flatten)]
    expiry: Expiry,
}

impl Run for GetUrlArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        self.expiry.check()?;
        let client = session.connect()?;
        let mut operands = Operands::new(&client);
        let mut failures = PartialFailures::new(self.addresses.len());
        for Operand { files, address } in
            operands.expand_all(&self.addresses, &mut failures).await?
        {
            let url = files.download_url(address.path.as_str()).await;
            let url = url.with_action(|| format!("get a URL for {address}"));
            failures.record(url.and_then(|url| print_url(session, "GET", &url)))?;
        }
        failures.finish()
    }
}

#[derive(Debug, Args)]
pub(crate) struct PutUrlArguments {
    /// File, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
    #[command(flatten)]
    expiry: Expiry,
}

impl Run for PutUrlArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        self.expiry.check()?;
        let files = lookup::files(&session.connect()?, &self.address).await?;
        let url = files.upload_url(self.address.path.as_str()).await;
        let url = url.with_action(|| format!("get a URL for {}", self.address))?;
        print_url(session, "PUT", &url)
    }
}

fn print_url(session: &Session, method: &'static str, url: &PresignedUrl) -> Result<(), Failure> {
    let expires_at = url.expires_at().and_then(rfc3339);
    if session.output.mode() == OutputMode::Json {
        let row = UrlRow {
            url: url.as_str().to_owned(),
            method,
            expires_at,
        };
        return output::print_result(&session.output, &row, "");
    }
    output::print_line(url.as_str())?;
    if session.output.mode() != OutputMode::Quiet {
        let until = expires_at.map_or_else(String::new, |time| format!(" until {time}"));
        let action = match method {
            "PUT" => "upload the file with PUT and no Content-Type",
            _ => "download the file",
        };
        stderr::note(format_args!("anyone with this URL can {action}{until}"));
    }
    Ok(())
}
