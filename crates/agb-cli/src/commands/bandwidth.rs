//! [`Bandwidth`]: the option of every command that transfers the content of files.

use clap::Args;

use super::session::Session;
use crate::{byte_size, connection::ServiceClient, failure::Failure};

#[derive(Debug, Default, Args)]
pub(crate) struct Bandwidth {
    /// Maximum bytes per second of all transfers together, in each direction, such as 500K or 2M. Units are powers of 1024: K, M, G, T. Counts only the content of files
    #[arg(
        long,
        value_name = "RATE",
        value_parser = rate,
        help_heading = "Service and output"
    )]
    bwlimit: Option<u64>,
}

impl Bandwidth {
    /// Connects with the limit.
    pub(super) fn connect(&self, session: &Session) -> Result<ServiceClient, Failure> {
        session.connect_with(|builder| match self.bwlimit {
            Some(rate) => builder.max_bytes_per_second(rate),
            None => builder,
        })
    }
}

fn rate(text: &str) -> Result<u64, String> {
    match byte_size::parse(text) {
        Some(0) => Err("nothing would be transferred: omit the option for no limit".to_owned()),
        Some(rate) => Ok(rate),
        None => Err("expected bytes per second, such as 500K, 2M or 1G".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units_and_are_not_zero() {
        assert_eq!(rate("2M"), Ok(2 << 20));
        assert_eq!(rate("500KiB"), Ok(500 << 10));
        for (text, hint) in [
            ("0", "omit the option"),
            ("0K", "omit the option"),
            ("fast", "such as 500K"),
            ("-1", "such as 500K"),
            ("", "such as 500K"),
        ] {
            assert!(rate(text).unwrap_err().contains(hint), "{text}");
        }
    }
}
