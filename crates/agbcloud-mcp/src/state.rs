//! [`State`]: what the tools and resources of a server share.

use crate::{access::Access, cursors::Cursors, scope::Scope};

/// Shared by all sessions of a server.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) scope: Scope,
    pub(crate) access: Access,
    pub(crate) cursors: Cursors,
}
