//! `cargo xtask browser`: what somebody uploads does nothing in the browser of who opens it.
//!
//! A page in headless Chromium opens files and embeds them in every way there is. Each file tells a beacon whatever it
//! gets done. First a plain server serves them, and each has to be heard in each way: that is how a run knows that it
//! would hear anything, and how long to listen. Then `agb serve` serves the same bytes by presigned URLs, and nothing may
//! be heard.

mod bait;
mod chromium;
mod site;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::TempDir;

use self::bait::Bait;
use self::site::Site;
use crate::crash::http::Connection;
use crate::failure::Failure;
use crate::interop::service::{self, Service};

const KEY: &str = "browser-key";
/// For how long a page listens, in milliseconds: the next of them if not all that can be heard was.
const LISTEN: [u32; 3] = [1_500, 6_000, 30_000];

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let scratch = TempDir::with_prefix("agb-browser-").map_err(broken)?;
    let listen = control(scratch.path())?;

    println!("browser: building and starting agb serve");
    let log = scratch.path().join("log");
    let service = Service::launch(
        &service::build(root, &[])?,
        &scratch.path().join("data"),
        &["--api-key", KEY, "--log", "info"],
        File::create(&log).map_err(broken)?.into(),
    )?;
    let beacon = Site::start().map_err(broken)?;
    let baits = bait::all(beacon.url());
    let links = upload(service.endpoint(), &baits).map_err(broken)?;
    let heard = visit(scratch.path(), &beacon, &links, listen)?;
    service.stop();
    let told = std::fs::read_to_string(&log).map_err(broken)?;
    // Each was downloaded once after it was uploaded.
    let asked = downloads(&told).saturating_sub(baits.len());
    if asked < baits.len() {
        return Err(Failure::new(
            format!("Chromium made {asked} downloads only, so that nothing is shown"),
            "see whether the presigned URLs are good",
        ));
    }
    if !heard.is_empty() {
        return Err(Failure::new(
            format!(
                "files that agb serve serves did something in Chromium: {}",
                listed(&heard)
            ),
            "see the headers of downloads in crates/agbcloud-server/src/http/objects/download.rs",
        ));
    }
    println!("browser: {asked} downloads, and nothing was heard of them");
    Ok(())
}

/// The plain server: gives how long to listen until all is heard.
fn control(scratch: &Path) -> Result<u32, Failure> {
    let expected = bait::heard();
    let mut missing = BTreeSet::new();
    for listen in LISTEN {
        let beacon = Site::start().map_err(broken)?;
        let plain = Site::start().map_err(broken)?;
        let baits = bait::all(beacon.url());
        let links: Vec<String> = baits.iter().map(|bait| plain.at(bait.name)).collect();
        for bait in baits {
            plain.put(bait.name, bait.content_type, bait.bytes);
        }
        let heard = visit(scratch, &beacon, &links, listen)?;
        missing = expected.difference(&heard).cloned().collect();
        if missing.is_empty() {
            println!(
                "browser: a plain server's files were heard in {} ways within {listen} ms",
                expected.len()
            );
            return Ok(listen);
        }
    }
    Err(Failure::new(
        format!(
            "a plain server's files were not heard: {}",
            listed(&missing)
        ),
        "Chromium has changed what it allows, or did not start: xtask/src/browser/bait.rs has what was tried",
    ))
}

/// What is heard while a page has the files open.
fn visit(
    scratch: &Path,
    beacon: &Site,
    links: &[String],
    listen: u32,
) -> Result<BTreeSet<String>, Failure> {
    beacon.put("host", "text/html", bait::host(links, listen).into_bytes());
    let profile = TempDir::with_prefix_in("profile-", scratch).map_err(broken)?;
    let browser = chromium::open(&beacon.at("host"), profile.path())?;
    let heard = beacon.heard_until(bait::DONE);
    browser.close();
    heard.ok_or_else(|| {
        Failure::new(
            "Chromium did not get to the end of its page",
            "try it by hand: `chromium --headless=new --no-sandbox --dump-dom about:blank`",
        )
    })
}

/// Uploads the files, and gives the URLs that they are downloaded by.
fn upload(endpoint: &str, baits: &[Bait]) -> io::Result<Vec<String>> {
    let mut connection = Connection::open(endpoint, KEY)?;
    let text = |answer: &serde_json::Value, field: &str| match &answer["data"][field] {
        serde_json::Value::String(text) => Ok(text.clone()),
        _ => Err(io::Error::other(format!("no {field} in {answer}"))),
    };
    let (_, context) = connection.call("GET", "GetContext?name=browser&allowCreate=true")?;
    let id = text(&context, "id")?;
    let mut links = Vec::new();
    for bait in baits {
        let file = format!("contextId={id}&filePath=/{}", bait.name);
        let (_, put) = connection.call("POST", &format!("GetContextFileUploadUrl?{file}"))?;
        connection.transfer("PUT", &text(&put, "url")?, &bait.bytes)?;
        let (_, get) = connection.call("POST", &format!("GetContextFileDownloadUrl?{file}"))?;
        let link = text(&get, "url")?;
        let answer = connection.transfer("GET", &link, &[])?;
        if answer.body != bait.bytes {
            return Err(io::Error::other(format!("{} is not there", bait.name)));
        }
        links.push(link);
    }
    Ok(links)
}

/// How many downloads the log tells of.
fn downloads(log: &str) -> usize {
    log.lines()
        .filter(|line| line.contains("operation=\"download\"") && line.contains("status=200"))
        .count()
}

fn listed(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

fn broken(error: io::Error) -> Failure {
    Failure::new(
        format!("the parts of the check can't talk: {error}"),
        "try again; if it stays, try `agb serve` by hand",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_counted_in_the_log() {
        let log = "request operation=\"download\" method=GET status=200 request_id=\"1\"\n\
                   request operation=\"download\" method=GET status=403 request_id=\"2\"\n\
                   request operation=\"upload\" method=PUT status=200 request_id=\"3\"\n";
        assert_eq!(downloads(log), 1);
    }
}
