//! What is measured, and how exactly a repetition results in the same.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A kind of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// Crates that packages are built from
    Crates,
    /// HTTP requests of operations of the SDK
    RoundTrips,
    /// Allocations of successful operations
    Allocations,
    /// Instructions of operations, counted by callgrind
    Instructions,
    /// Size and relocations of `agb` without optimization
    Binary,
    /// Peak memory of transfers of 128 MiB and synchronizations of 50,000 files
    Memory,
    /// Peak memory of transfers of 1 GiB and synchronizations of a million files
    LargeMemory,
    /// Size and relocations of `agb` as it is released
    ReleaseBinary,
}

/// The difference from the baseline that is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// Any difference.
    Exact,
    /// An increase by more than 3 %, and by more than this.
    Percent { slack: u64 },
}

/// Repetitions of a measurement of memory in KiB differ by this, even if it is more than 3 %.
const MEMORY_NOISE: u64 = 3 * 1024;

impl Group {
    pub(crate) const ALL: [Self; 8] = [
        Self::Crates,
        Self::RoundTrips,
        Self::Allocations,
        Self::Instructions,
        Self::Binary,
        Self::Memory,
        Self::LargeMemory,
        Self::ReleaseBinary,
    ];

    /// The name in the baseline and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
            Self::RoundTrips => "round-trips",
            Self::Memory => "memory",
            Self::Crates => "crates",
            Self::Binary => "binary",
            Self::LargeMemory => "large-memory",
            Self::ReleaseBinary => "release-binary",
        }
    }

    pub(crate) fn tolerance(self) -> Tolerance {
        match self {
            Self::RoundTrips | Self::Crates => Tolerance::Exact,
            Self::Memory | Self::LargeMemory => Tolerance::Percent {
                slack: MEMORY_NOISE,
            },
            Self::Instructions | Self::Allocations | Self::Binary | Self::ReleaseBinary => {
                Tolerance::Percent { slack: 0 }
            }
        }
    }

    /// Whether it takes minutes.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::LargeMemory | Self::ReleaseBinary)
    }

    /// Whether another compiler results in another number for the same source.
    pub(crate) fn depends_on_compiler(self) -> bool {
        matches!(
            self,
            Self::Instructions | Self::Binary | Self::ReleaseBinary
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_the_baseline_use_the_same_names() {
        for group in Group::ALL {
            let value = group.to_possible_value().unwrap();
            assert_eq!(value.get_name(), group.name());
            assert_eq!(serde_json::to_value(group).unwrap(), group.name());
        }
    }
}
