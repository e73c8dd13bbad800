//! [`EnvironmentArguments`]: which arguments have their values from the environment.

use std::collections::HashSet;

use clap::{ArgMatches, parser::ValueSource};

/// The ids of the arguments whose values come from environment variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct EnvironmentArguments(HashSet<String>);

impl EnvironmentArguments {
    pub(crate) fn read(mut matches: &ArgMatches) -> Self {
        let mut ids = HashSet::new();
        loop {
            let from_environment = |id: &&str| {
                // Groups have ids too, and no values of their own.
                matches.try_contains_id(id).is_ok()
                    && matches.value_source(id) == Some(ValueSource::EnvVariable)
            };
            let all = matches.ids().map(clap::Id::as_str);
            ids.extend(all.filter(from_environment).map(str::to_owned));
            match matches.subcommand() {
                Some((_, subcommand)) => matches = subcommand,
                None => return Self(ids),
            }
        }
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    #[cfg(all(test, feature = "serve"))]
    pub(crate) fn of(ids: &[&str]) -> Self {
        Self(ids.iter().map(|id| (*id).to_owned()).collect())
    }
}
