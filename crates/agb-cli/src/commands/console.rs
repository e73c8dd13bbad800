//! `agb console`: a web console.

use std::net::SocketAddr;

use clap::Args;

use crate::{
    commands::session::{Run, Session},
    console::{self, LinkPage},
    failure::Failure,
    signals::Interrupt,
};

#[derive(Debug, Args)]
pub(crate) struct ConsoleArguments {
    /// Loopback address and port to listen on. Port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = console::DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// Open the console in the browser
    #[arg(long)]
    open: bool,
    /// URL of the metrics of an 'agb serve' to plot, as that of its --metrics-listen
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
}

impl Run for ConsoleArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        // Before the line on stdout, after which the caller may send a signal.
        let interrupt = Interrupt::new()?;
        let console = console::bind((*client).clone(), self.listen, self.metrics).await?;
        let link = console::announce(&console)?;
        let _page = self.open.then(|| LinkPage::open(&link)).flatten();
        let interrupted = async move { interrupt.wait().await };
        console.serve(interrupted).await.map_err(console::failure)
    }
}
