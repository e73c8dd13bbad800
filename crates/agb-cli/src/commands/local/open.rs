//! `agb open`: downloads a file and opens it with the program of the platform.

use std::path::Path;

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{check_file, copy_in};
use crate::{
    address::Remote,
    commands::{
        bandwidth::Bandwidth,
        completion, lookup,
        session::{Run, Session},
    },
    failure::{ErrorContext, Failure},
    opener,
    output::{self, OutputMode, quote, records::OpenResult},
    private_folder::private_folder,
    signals::unless_interrupted,
};

#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// File, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for OpenArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let address = &self.address;
        check_file(address, "open")?;
        check_is_document(address)?;
        let files = lookup::files(&self.bandwidth.connect(session)?, address).await?;
        let folder = private_folder("agb-")?;
        let copy = copy_in(&folder, address);
        let download = async {
            match files.download(address.path.as_str(), &copy).await {
                Ok(_) => Ok(()),
                Err(error) if lookup::is_missing_file(&error) => {
                    match lookup::has_entries(&files, address).await {
                        true => Err(lookup::is_folder(address, "get -r")),
                        false => Err(lookup::not_found(address, &error)),
                    }
                }
                Err(error) => Err(error).with_action(|| format!("get {address}")),
            }
        };
        unless_interrupted(download, "nothing was opened").await?;
        let opened = opener::open(&copy)
            .map_err(|failure| failure.with_hint("open the path above in another program"));
        // The program may read the file later, and after a failure the user can open it.
        let _ = folder.keep();
        let result = OpenResult {
            address: address.to_string(),
            local_path: copy.display().to_string(),
        };
        match session.output.mode() {
            OutputMode::Json => output::print_result(&session.output, &result, "")?,
            _ => output::print_line(&result.local_path)?,
        }
        opened
    }
}

/// Endings of files that a platform runs instead of showing them.
const PROGRAMS: [&str; 21] = [
    "app", "bat", "cmd", "com", "command", "cpl", "desktop", "exe", "hta", "jar", "js", "jse",
    "lnk", "msi", "pif", "ps1", "reg", "scr", "vbe", "vbs", "wsf",
];

/// Fails for a file that would be run. Its author may be an agent.
fn check_is_document(address: &Remote) -> Result<(), Failure> {
    let extension = Path::new(address.file_name()).extension();
    let extension = extension.map(|extension| extension.to_string_lossy().to_lowercase());
    match extension {
        Some(extension) if PROGRAMS.contains(&extension.as_str()) => {
            let message = format!("{address} may be a program, which opening would run");
            Err(Failure::usage(message).with_hint(format!("run: agb get {}", quote(address))))
        }
        _ => Ok(()),
    }
}
