//! `agb demo --console`: a console of a temporary service with sample contexts.

use std::{
    io::{self, IsTerminal},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use agbcloud::Client;
use agbcloud_server::Server;

use super::console_files;
use crate::{
    console::{self, LinkPage},
    failure::Failure,
    output::print_line_best_effort as print_line,
    signals::Interrupt,
};

const KEY: &str = "demo-key";
/// Long enough to see the state.
const CLEAR_DELAY: Duration = Duration::from_secs(3);

/// Runs the console until a signal. On a terminal, opens it in the browser.
pub(super) async fn run() -> Result<(), Failure> {
    let interrupt = Interrupt::new()?;
    let server = Server::builder()
        .memory()
        .api_key(KEY)
        .clear_delay(CLEAR_DELAY)
        .metrics_listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .start()
        .await
        .map_err(|error| Failure::with_cause("can't start a service", error))?;
    let result = tokio::select! {
        result = serve(&server) => result,
        () = interrupt.wait() => Ok(()),
    };
    // A second signal does not wait for open requests.
    drop(interrupt);
    server.shutdown().await;
    result
}

async fn serve(server: &Server) -> Result<(), Failure> {
    let client = Client::builder().api_key(KEY).endpoint(server.url());
    let client = client.dotenv(false).build()?;
    print_line(format_args!(
        "temporary service at {}, data in memory",
        server.url()
    ));
    let (contexts, files) = console_files::create(&client).await?;
    print_line(format_args!(
        "created {contexts} contexts with {files} files"
    ));
    let metrics = server.metrics_addr();
    let metrics = metrics.map(|address| format!("http://{address}/metrics"));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let console = console::bind(client, listen, metrics).await?;
    let link = console::announce(&console)?;
    let is_terminal = io::stdout().is_terminal();
    let _page = is_terminal.then(|| LinkPage::open(&link)).flatten();
    if is_terminal {
        print_line("press Ctrl-C to stop");
    }
    let served = console.serve(std::future::pending()).await;
    served.map_err(console::failure)
}
