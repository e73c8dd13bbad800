//! The web console, as `agb console`, `agb serve --console` and `agb demo --console` run it.

use std::{fs, net::SocketAddr, path::PathBuf, thread};

use agbcloud::Client;
use agbcloud_console::{Console, ConsoleError};

use crate::{failure::Failure, opener, output, private_folder::private_folder, stderr};

/// The default address: a free port.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:0";

/// Starts a console that listens.
pub(crate) async fn bind(
    client: Client,
    listen: SocketAddr,
    metrics: Option<String>,
) -> Result<Console, Failure> {
    // The terminal is where only the user can read it.
    let builder = Console::builder(client).listen(listen).on_link(print_link);
    let builder = match metrics {
        Some(url) => builder.metrics_url(url),
        None => builder,
    };
    builder.bind().await.map_err(failure)
}

/// Prints the line with a link. The console runs even if this fails.
pub(crate) fn print_link(link: &str) {
    output::print_line_best_effort(format_args!("console on {link}"));
}

/// Prints a new link of the console, and returns it.
pub(crate) fn announce(console: &Console) -> Result<String, Failure> {
    let link = console.link().map_err(failure)?;
    print_link(&link);
    Ok(link)
}

/// A local page that leads to a link. It is deleted on drop.
pub(crate) struct LinkPage {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl LinkPage {
    /// Starts to open the link in the browser, and returns immediately: the browser may run in the foreground of the opener, and
    /// loads the page from the console. A failure is a warning. Other users can read the arguments of programs, so that the browser
    /// gets the path of a page that only this user can read.
    pub(crate) fn open(link: &str) -> Option<Self> {
        let page = match Self::create(link) {
            Ok(page) => page,
            Err(failure) => {
                warn(failure);
                return None;
            }
        };
        let path = page.path.clone();
        // Not a task of the runtime, which would wait for it at the end.
        let opened = thread::Builder::new().spawn(move || {
            if let Err(failure) = opener::open(&path) {
                warn(failure);
            }
        });
        if let Err(error) = opened {
            warn(Failure::with_cause("can't start a thread", error));
        }
        Some(page)
    }

    fn create(link: &str) -> Result<Self, Failure> {
        let folder = private_folder("agb-")?;
        let path = folder.path().join("console.html");
        // A link consists of an address and hex digits.
        let page = format!(
            "<!doctype html><title>AGB console</title><meta http-equiv=\"refresh\" content=\"0; url={link}\"><a href=\"{link}\">Open the console</a>\n"
        );
        fs::write(&path, page)
            .map_err(|error| Failure::with_cause("can't write a temporary file", error))?;
        Ok(Self {
            _folder: folder,
            path,
        })
    }
}

/// Prints why the browser was not opened.
fn warn(failure: Failure) {
    let failure = failure.with_hint("open the link above in a browser");
    stderr::note(format_args!("warning: {failure}"));
    if let Some(cause) = &failure.cause {
        stderr::note(format_args!("cause: {cause}"));
    }
    stderr::details(&failure);
}

pub(crate) fn failure(error: ConsoleError) -> Failure {
    let failure = match std::error::Error::source(&error) {
        Some(source) => Failure::with_cause(error.to_string(), source),
        None => Failure::usage(error.to_string()),
    };
    match error {
        ConsoleError::NotLoopback { .. } => failure.with_hint(
            "the console has no TLS: listen on 127.0.0.1, and forward the port with ssh -L",
        ),
        ConsoleError::Listen { .. } => failure.with_hint("choose another port, or port 0"),
        ConsoleError::InvalidMetricsUrl => failure.with_hint(
            "pass the address of --metrics-listen, such as http://127.0.0.1:9780/metrics",
        ),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_the_user_can_read_a_link() {
        use std::os::unix::fs::PermissionsExt;

        let page = LinkPage::create("http://127.0.0.1:1/login?token=abc").unwrap();
        let folder = page.path.parent().unwrap().to_owned();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o77, 0);
        let text = fs::read_to_string(&page.path).unwrap();
        assert!(
            text.contains("url=http://127.0.0.1:1/login?token=abc\""),
            "{text}"
        );
        drop(page);
        assert!(!folder.exists());
    }
}
