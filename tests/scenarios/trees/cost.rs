//! What a run costs that finds nothing to do.

use std::{collections::BTreeMap, net::SocketAddr};

use agbcloud::Compare;

use super::{counts, write};
use crate::support::World;

/// The answers that the service has given, by operation.
async fn answers(metrics: SocketAddr) -> BTreeMap<String, u64> {
    let text = reqwest::get(format!("http://{metrics}/metrics"));
    let text = text.await.unwrap().text().await.unwrap();
    let lines = text.lines().filter_map(|line| {
        let (labels, count) = line.strip_prefix("agb_requests_total{")?.split_once("} ")?;
        let operation = labels.split_once("operation=\"")?.1.split_once('"')?.0;
        Some((operation.to_owned(), count.parse::<f64>().ok()? as u64))
    });
    let mut answers = BTreeMap::new();
    for (operation, count) in lines {
        *answers.entry(operation).or_default() += count;
    }
    answers
}

/// Pages of the listing and nothing else, also of files that were just copied, however they are compared.
#[tokio::test]
async fn a_run_over_unchanged_files_lists_and_makes_no_other_call() {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let world = World::with(|server| server.metrics_listen(address)).await;
    let metrics = world.server.metrics_addr().unwrap();
    let (_, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let states = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..1100).map(|n| n.to_string()).collect();
    let content: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    write(here.path(), &content);
    for state in [true, false] {
        let up = || {
            let up = files.upload_dir(here.path(), "/d");
            match state {
                true => up.state(states.path().join("up")),
                false => up,
            }
        };
        let down = || {
            let down = files.download_dir("/d", there.path()).durable(false);
            match state {
                true => down.state(states.path().join("down")),
                false => down,
            }
        };
        up().await.unwrap();
        down().await.unwrap();
        for checksum in [Compare::SizeAndTime, Compare::Checksum] {
            let before = answers(metrics).await;
            for report in [
                up().compare(checksum).await.unwrap(),
                down().compare(checksum).await.unwrap(),
            ] {
                assert_eq!(counts(&report), (0, 1100, 0, 0));
                assert_eq!(report.unverified, 0);
            }
            let mut made = answers(metrics).await;
            for (operation, count) in before {
                *made.entry(operation).or_default() -= count;
            }
            made.retain(|_, count| *count > 0);
            // Two pages in each direction.
            let pages = BTreeMap::from([("DescribeContextFiles".to_owned(), 2 * 2)]);
            assert_eq!(made, pages, "{state} {checksum:?}");
        }
    }
}
