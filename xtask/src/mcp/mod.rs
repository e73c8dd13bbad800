//! `cargo xtask mcp`: tests `agb mcp` with clients that are not part of this project: the official Python SDK, and the
//! inspector of the protocol on Node.

mod inspector;
mod server;

use std::path::Path;
use std::process::Stdio;

use self::inspector::Inspector;
use self::server::HttpServer;
use crate::agb_serve::{self, Service};
use crate::failure::Failure;
use crate::python::virtual_environment::VirtualEnvironment;
use crate::temporary;

const SCRIPT: &str = "tests/python/mcp_client.py";
const REQUIREMENTS: &str = "tests/python/mcp.txt";

const KEY: &str = "mcp-api-key-of-the-test";
const TOKEN: &str = "mcp-bearer-token-of-the-test";

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let folder = temporary::folder("mcp")?;
    let python =
        VirtualEnvironment::create(&folder.path().join("python"), &root.join(REQUIREMENTS))?;
    let inspector = Inspector::install(&folder.path().join("node"))?;
    let agb = agb_serve::build(root)?;
    let data = folder.path().join("data");
    let service = Service::start(&agb, &data, &["--api-key", KEY], Stdio::inherit())?;
    let http = HttpServer::start(&agb, service.endpoint(), KEY, TOKEN)?;
    println!("running {SCRIPT} against {} and stdio", http.url());
    let passed = python.run(&root.join(SCRIPT), |command| {
        command
            .current_dir(folder.path())
            .env("AGB", &agb)
            .env("AGB_ENDPOINT", service.endpoint())
            .env("AGB_API_KEY", KEY)
            .env("AGB_MCP_URL", http.url())
            .env("AGB_MCP_TOKEN", TOKEN);
    })?;
    if !passed {
        return Err(Failure::new(
            "a test of the official Python SDK against `agb mcp` failed",
            format!("the failed tests are listed above and defined in {SCRIPT}"),
        ));
    }
    let calls = inspector.check(&agb, service.endpoint(), KEY, (http.url(), TOKEN))?;
    println!("mcp: the inspector made {calls} calls, with the expected results");
    http.stop();
    service.stop();
    Ok(())
}
