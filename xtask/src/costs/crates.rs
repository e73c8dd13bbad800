//! Number of crates that a package is built from: itself and build dependencies included, dev-dependencies not, on x86-64
//! Linux. The limit for `agbcloud` is 140, and 160 with `test-util`.

use std::path::Path;

use super::Costs;
use crate::cargo;
use crate::failure::Failure;

/// The platform that is counted, so that the number does not depend on the machine.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Packages and their features. Each feature of `agbcloud` that has dependencies is in one of them.
const BUILDS: [(&str, &str); 12] = [
    ("agbcloud", "default"),
    ("agbcloud", "native-tls"),
    // Without TLS.
    ("agbcloud", ""),
    ("agbcloud", "default,blocking"),
    // With mockall, for tests.
    ("agbcloud", "default,test-util"),
    ("agbcloud-console", "default"),
    ("agbcloud-dav", "default"),
    ("agbcloud-listener", ""),
    ("agbcloud-mcp", "default"),
    ("agbcloud-object-store", "default"),
    ("agbcloud-server", ""),
    ("agb-cli", "default"),
];

pub(crate) fn measure(root: &Path) -> Result<Costs, Failure> {
    let mut costs = Costs::new();
    for (package, features) in BUILDS {
        let arguments = ["--target", PLATFORM, "--no-default-features"];
        let arguments = [&arguments[..], &["--features", features]].concat();
        let crates = cargo::tree(root, package, &arguments).map_err(|problem| {
            Failure::new(
                problem,
                "correct the packages and features in xtask/src/costs/crates.rs",
            )
        })?;
        costs.insert(format!("{package} [{features}]"), crates.len() as u64);
    }
    Ok(costs)
}
