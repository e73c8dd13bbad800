//! `cargo xtask browser`: checks that files from `agb serve` run no scripts and load nothing in a browser.
//!
//! A page in headless Chromium opens the files of [`payloads`] and embeds them in every way that HTML has. Each payload
//! requests `/beacon/NAME` from a [`RecordingServer`] for every attack that works. The first run serves them from a plain
//! server, where every attack has to work; this proves that the check detects them, and finds out how long to wait. The
//! second run serves the same bytes by presigned URLs of `agb serve`, where none may work.

mod chromium;
mod payloads;
mod recording_server;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::TempDir;

pub(crate) use self::chromium::find_chromium;
use self::payloads::Payload;
use self::recording_server::RecordingServer;
use crate::agb_serve::{self, Service};
use crate::failure::Failure;
use crate::http_client::Connection;
use crate::temporary;

const KEY: &str = "browser-key";
/// Time in milliseconds that a page stays open. The next one applies if not all attacks worked in the first run.
const WAITS: [u32; 3] = [1_500, 6_000, 30_000];

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let folder = temporary::folder("browser")?;
    let wait = run_plain(folder.path())?;
    let log = folder.path().join("log");
    let service = Service::start(
        &agb_serve::build(root)?,
        &folder.path().join("data"),
        &["--api-key", KEY, "--log", "info"],
        File::create(&log).map_err(failure)?.into(),
    )?;
    let beacon = RecordingServer::start().map_err(failure)?;
    let payloads = payloads::all(beacon.url());
    let links = upload(service.endpoint(), &payloads).map_err(failure)?;
    let reported = visit(folder.path(), &beacon, &links, wait)?;
    service.stop();
    let log = std::fs::read_to_string(&log).map_err(failure)?;
    // `upload` downloads each file once.
    let downloads = downloads(&log).saturating_sub(payloads.len());
    if downloads < payloads.len() {
        return Err(Failure::new(
            format!("Chromium made only {downloads} downloads, so the check proves nothing"),
            "check that the presigned URLs are valid",
        ));
    }
    if !reported.is_empty() {
        return Err(Failure::new(
            format!(
                "attacks worked in files from agb serve: {}",
                join(&reported)
            ),
            "check the headers of downloads in crates/agbcloud-server/src/http",
        ));
    }
    println!("browser: {downloads} downloads from agb serve, no attack worked");
    Ok(())
}

/// Serves the payloads from a plain server, and returns the milliseconds until all attacks have worked.
fn run_plain(folder: &Path) -> Result<u32, Failure> {
    let expected = payloads::attacks();
    let mut missing = BTreeSet::new();
    for wait in WAITS {
        let beacon = RecordingServer::start().map_err(failure)?;
        let plain = RecordingServer::start().map_err(failure)?;
        let payloads = payloads::all(beacon.url());
        let links: Vec<String> = payloads.iter().map(|file| plain.link(file.name)).collect();
        for payload in payloads {
            plain.add(payload.name, payload.content_type, payload.bytes);
        }
        let reported = visit(folder, &beacon, &links, wait)?;
        missing = expected.difference(&reported).cloned().collect();
        if missing.is_empty() {
            println!(
                "browser: all {} attacks work from a plain server within {wait} ms",
                expected.len()
            );
            return Ok(wait);
        }
    }
    Err(Failure::new(
        format!(
            "attacks do not work even from a plain server: {}",
            join(&missing)
        ),
        "Chromium did not start or now blocks them: update xtask/src/browser/payloads.rs",
    ))
}

/// Opens the files in Chromium, and returns the attacks that worked.
fn visit(
    folder: &Path,
    beacon: &RecordingServer,
    links: &[String],
    wait: u32,
) -> Result<BTreeSet<String>, Failure> {
    let host = payloads::host_page(links, wait);
    beacon.add("host", "text/html", host.into_bytes());
    let profile = TempDir::with_prefix_in("profile-", folder).map_err(failure)?;
    let browser = chromium::open(&beacon.link("host"), profile.path())?;
    let reported = beacon.record_until(payloads::DONE);
    browser.close();
    reported.ok_or_else(|| {
        Failure::new(
            "Chromium did not finish the page",
            "run it by hand: `chromium --headless=new --no-sandbox --dump-dom about:blank`",
        )
    })
}

/// Uploads the files and returns their download URLs.
fn upload(endpoint: &str, payloads: &[Payload]) -> io::Result<Vec<String>> {
    let mut connection = Connection::open(endpoint, KEY)?;
    let id = connection.create_context("browser")?;
    let mut links = Vec::new();
    for payload in payloads {
        let path = format!("/{}", payload.name);
        let url = connection.upload_url(&id, &path)?;
        connection.transfer("PUT", &url, &payload.bytes)?;
        let link = connection.download_url(&id, &path)?;
        let response = connection.transfer("GET", &link, &[])?;
        if response.body != payload.bytes {
            return Err(io::Error::other(format!("{path} was not uploaded")));
        }
        links.push(link);
    }
    Ok(links)
}

/// The number of successful downloads in the log.
fn downloads(log: &str) -> usize {
    log.lines()
        .filter(|line| line.contains("operation=\"download\"") && line.contains("status=200"))
        .count()
}

fn join(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

fn failure(error: io::Error) -> Failure {
    Failure::new(
        format!("the check could not run: {error}"),
        "run it again, or run `agb serve` by hand",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successful_downloads_in_the_log_are_counted() {
        let log = "request operation=\"download\" method=GET status=200 request_id=\"1\"\n\
                   request operation=\"download\" method=GET status=403 request_id=\"2\"\n\
                   request operation=\"upload\" method=PUT status=200 request_id=\"3\"\n";
        assert_eq!(downloads(log), 1);
    }
}
