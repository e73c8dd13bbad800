//! The changes that requests make.

use super::connection::{Failure, Session};
use super::contexts;
use super::files::{self, PutFile};
use super::tenant_row::TenantUsage;
use crate::metadata::Context;
use crate::names::FilePath;
use crate::system::clock::Micros;

/// A change of the rows of one tenant. Can be applied again after a transaction that had no effect.
#[derive(Debug)]
pub(super) enum Change {
    CreateContext {
        region: String,
        name: String,
        now: Micros,
    },
    RenameContext {
        id: String,
        name: String,
        now: Micros,
    },
    DeleteContext {
        id: String,
    },
    ClearContext {
        id: String,
        now: Micros,
    },
    TouchContext {
        id: String,
        now: Micros,
    },
    PutFile(Box<PutFile>),
    DeleteFile {
        context: String,
        path: FilePath,
        now: Micros,
    },
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Context(Context),
    /// A file was stored.
    Stored {
        replaced: bool,
    },
}

impl Change {
    /// Whether only the time of the last use changes.
    pub(super) fn is_touch(&self) -> bool {
        matches!(self, Self::TouchContext { .. })
    }

    /// Applies the change in a transaction that has locked the row of the tenant.
    pub(super) async fn apply(
        &self,
        session: &Session,
        tenant: i64,
        usage: &mut TenantUsage,
    ) -> Result<Outcome, Failure> {
        match self {
            Self::CreateContext { region, name, now } => {
                let context = contexts::create(session, tenant, usage, region, name, *now).await?;
                return Ok(Outcome::Context(context));
            }
            Self::PutFile(put) => {
                let replaced = Box::pin(files::put(session, tenant, usage, put)).await?;
                return Ok(Outcome::Stored { replaced });
            }
            Self::RenameContext { id, name, now } => {
                contexts::rename(session, tenant, id, name, *now).await?;
            }
            Self::DeleteContext { id } => contexts::delete(session, tenant, usage, id).await?,
            Self::ClearContext { id, now } => {
                contexts::clear(session, tenant, usage, id, *now).await?;
            }
            Self::TouchContext { id, now } => {
                session
                    .execute_all(&[contexts::touch(tenant, id, *now)])
                    .await?;
            }
            Self::DeleteFile { context, path, now } => {
                files::delete(session, tenant, usage, context, path, *now).await?;
            }
        }
        Ok(Outcome::Done)
    }
}
