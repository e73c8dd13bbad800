//! A Rust version, as manifests and rustup write it.

use std::fmt;

/// `1.88` is `1.88.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // A pre-release needs what its release needs.
        let text = text.split(['-', '+']).next()?;
        let mut numbers = text.split('.').map(str::parse::<u32>);
        let version = Self {
            major: numbers.next()?.ok()?,
            minor: numbers.next().unwrap_or(Ok(0)).ok()?,
            patch: numbers.next().unwrap_or(Ok(0)).ok()?,
        };
        numbers.next().is_none().then_some(version)
    }

    /// The toolchain of this version in what `rustup toolchain list` prints.
    pub(super) fn find_toolchain(self, list: &str) -> Option<&str> {
        list.lines()
            .filter_map(|line| line.split_whitespace().next())
            .find(|name| {
                let number = name.split('-').next();
                number.and_then(Self::parse) == Some(self)
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        match self.patch {
            0 => Ok(()),
            patch => write!(f, ".{patch}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::parse("1.9") < Version::parse("1.88"));
        assert_eq!(Version::parse("1.88"), Version::parse("1.88.0"));
        assert_eq!(Version::parse("stable"), None);
        assert_eq!(Version::parse("1.2.3.4"), None);
    }

    #[test]
    fn a_toolchain_is_found_by_its_version_however_it_was_installed() {
        let list =
            "stable-x86_64-unknown-linux-gnu (active, default)\n1.88.0-x86_64-unknown-linux-gnu\n";
        let wanted = Version::parse("1.88").unwrap();
        assert_eq!(
            wanted.find_toolchain(list),
            Some("1.88.0-x86_64-unknown-linux-gnu")
        );
        assert_eq!(Version::parse("1.8").unwrap().find_toolchain(list), None);
    }
}
