//! `agb cat`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::Remote,
    commands::{
        bandwidth::Bandwidth,
        completion,
        operands::Operands,
        partial_failures::PartialFailures,
        print_file::print_file,
        session::{Run, Session},
    },
    failure::Failure,
    output::{OutputMode, quote},
};

#[derive(Debug, Args)]
pub(crate) struct CatArguments {
    /// Files, as NAME:/path; globs are expanded
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for CatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if session.output.mode() == OutputMode::Json {
            let failure = Failure::usage("cat prints the content of files, which has no JSON form");
            let first = self.addresses.first().map(Remote::to_string);
            let first = first.unwrap_or_default();
            return Err(failure.with_hint(format!("run: agb stat --json {}", quote(first))));
        }
        let client = self.bandwidth.connect(session)?;
        let mut operands = Operands::new(&client);
        let mut failures = PartialFailures::new(self.addresses.len());
        for address in &self.addresses {
            // Each is printed before the next one is looked up.
            let one = std::slice::from_ref(address);
            for operand in operands.expand_all(one, &mut failures).await? {
                let printed = print_file(&operand.files, &operand.address).await;
                failures.record(printed)?;
            }
        }
        failures.finish()
    }
}
