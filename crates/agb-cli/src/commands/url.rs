//! `agb url`: presigned URLs, for whoever has no key.

use agbcloud::PresignedUrl;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use super::{Run, Session, With, complete, find};
use crate::{
    address::Remote,
    exit::{Doing, Failure},
    output::{self, Reader, moment, schema::UrlRow},
    say,
};

#[derive(Debug, Subcommand)]
pub(crate) enum UrlCommand {
    /// Print a URL by which the file can be read
    #[command(after_help = "Examples:\n  curl -o a.txt \"$(agb url get my-project:/a.txt)\"")]
    Get(With<GetUrlArguments>),
    /// Print a URL by which the file can be written
    #[command(
        after_help = "Examples:\n  curl -T a.txt -H 'content-type:' \"$(agb url put my-project:/a.txt)\""
    )]
    Put(With<PutUrlArguments>),
}

impl UrlCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Get(with) => with.run().await,
            Self::Put(with) => with.run().await,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GetUrlArguments {
    /// File: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    address: Remote,
}

impl Run for GetUrlArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        let url = files.download_url(self.address.path.as_str()).await;
        let url = url.doing(|| format!("get a URL for {}", self.address))?;
        show(session, "GET", &url)
    }
}

#[derive(Debug, Args)]
pub(crate) struct PutUrlArguments {
    /// File: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    address: Remote,
}

impl Run for PutUrlArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        let url = files.upload_url(self.address.path.as_str()).await;
        let url = url.doing(|| format!("get a URL for {}", self.address))?;
        show(session, "PUT", &url)
    }
}

fn show(session: &Session, method: &'static str, url: &PresignedUrl) -> Result<(), Failure> {
    let expires_at = url.expires_at().and_then(moment);
    if session.look.reader() == Reader::Program {
        let row = UrlRow {
            url: url.as_str().to_owned(),
            method,
            expires_at,
        };
        return output::done(&session.look, &row, "");
    }
    say::line(url.as_str())?;
    if session.look.reader() != Reader::Terse {
        let ends = expires_at.map_or_else(String::new, |time| format!(" until {time}"));
        let what = if method == "PUT" {
            "write (PUT, without Content-Type)"
        } else {
            "read"
        };
        say::note(format_args!("whoever has it can {what} the file{ends}"));
    }
    Ok(())
}
