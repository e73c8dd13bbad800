//! [`Access`]: what the tools may change.

/// The groups of tools that are enabled. Reading is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Access {
    pub(crate) write: bool,
    pub(crate) destructive: bool,
}

/// The group of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Read,
    /// Changes files, and creates contexts.
    Write,
    /// Deletes whole contexts or all their files.
    Destructive,
}

impl Access {
    pub(crate) fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Write => self.write,
            Permission::Destructive => self.destructive,
        }
    }
}

impl Permission {
    /// The option of `agb mcp` that allows it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Read => "no option",
            Self::Write => "--allow-write",
            Self::Destructive => "--allow-destructive",
        }
    }
}
