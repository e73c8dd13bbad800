//! Opens a store: checks the server, migrates the schema, and reads the secret.

use std::sync::Arc;

use deadpool::managed::BuildError;
use tokio::time::Instant;

use super::connection::{
    Access, ConnectError, Failure, InvalidConfig, Pool, Session, Settings, Value,
};
use super::schema::{self, Release, SchemaError};
use super::tenants::TenantKeys;
use super::totals::Totals;
use super::writer::Writer;
use super::{Postgres, commit, meta};
use crate::durability::Durability;
use crate::markers::SharedMarker;
use crate::metadata::Result;
use crate::metadata::StoreError;
use crate::signing::Secret;

/// The oldest version of PostgreSQL that is supported, as in `server_version_num`.
const MIN_SERVER: i64 = 130_000;

/// Why a database can't be opened. No message contains a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{0}")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("can't connect: {0}")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server has version {0}, but at least PostgreSQL 13 is needed")]
    OldServer(i64),
    #[error("the encoding of the database is {0}, but UTF8 is needed")]
    Encoding(String),
    #[error("it has the newer schema version {0}")]
    NewerSchema(i64),
    #[error(
        "it has the older schema version {0}: start the service, or check it with --repair, which migrates it"
    )]
    OlderSchema(i64),
    #[error("it contains no store")]
    NoStore,
    #[error("an import into it did not finish")]
    UnfinishedImport,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// The schema version of this release.
    pub(crate) const KNOWN_SCHEMA: i64 = schema::VERSION;
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into_store_error())
    }
}

impl From<InvalidConfig> for OpenError {
    fn from(error: InvalidConfig) -> Self {
        Self::Config(error.into())
    }
}

impl From<BuildError> for OpenError {
    fn from(error: BuildError) -> Self {
        Self::Config(error.into())
    }
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error.into())
    }
}

impl From<SchemaError> for OpenError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Newer(version) => Self::NewerSchema(version),
            SchemaError::Failed(failure) => failure.into(),
        }
    }
}

/// An open store.
pub(crate) struct Opened {
    pub(crate) store: Postgres,
    pub(crate) secret: Secret,
    /// The marker of the database.
    pub(crate) marker: SharedMarker,
    /// Whether a marker was written to the store of blobs before.
    pub(crate) confirmed: bool,
}

impl Postgres {
    /// Opens the store in a database, and creates its tables if needed. A new store uses `secret`. `variable` returns the value of
    /// an environment variable.
    pub(crate) async fn open(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        durability: Durability,
        secret: Secret,
    ) -> Result<Opened, OpenError> {
        let store = Self::connect(url, variable, durability).await?;
        schema::migrate(&store.pool, store.deadline(), &Release::CURRENT).await?;
        let session = store.begin(Access::Task, store.deadline()).await?;
        if meta::importing(&session).await?.is_some() {
            session.roll_back().await;
            return Err(OpenError::UnfinishedImport);
        }
        let secret = meta::secret(&session, &secret).await?;
        let (marker, confirmed) = meta::marker(&session).await?;
        commit(session).await?;
        Ok(Opened {
            store,
            secret,
            marker,
            confirmed,
        })
    }

    /// Opens the store in a database for a check. Only with `repair`, it migrates an older store.
    pub(crate) async fn open_for_check(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        repair: bool,
    ) -> Result<Self, OpenError> {
        let store = Self::connect(url, variable, Durability::Strict).await?;
        let found = schema::version(&store.pool, store.deadline()).await?;
        if found > 0 {
            let session = store.begin(Access::ReadAll, store.deadline()).await?;
            let importing = meta::importing(&session).await?;
            session.finish().await?;
            if importing.is_some() {
                return Err(OpenError::UnfinishedImport);
            }
        }
        match found {
            0 => Err(OpenError::NoStore),
            schema::VERSION.. => Ok(store),
            older if !repair => Err(OpenError::OlderSchema(older)),
            _ => {
                schema::migrate(&store.pool, store.deadline(), &Release::CURRENT).await?;
                Ok(store)
            }
        }
    }

    /// Connects to a server that can be used.
    pub(super) async fn connect(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        let settings = Arc::new(Settings::parse(url, variable)?);
        let pool = Pool::new(settings.clone())?;
        pool.probe().await?;
        let deadline = Instant::now() + settings.operation_timeout;
        let server_setting = check_server(&pool, deadline).await?;
        let synchronous_commit = match durability {
            Durability::Strict => server_setting,
            Durability::Relaxed | Durability::Memory => "off",
        };
        let keys = Arc::new(TenantKeys::default());
        let writer = Writer::new(pool.clone(), keys.clone(), synchronous_commit);
        Ok(Self {
            pool,
            keys,
            writer,
            synchronous_commit,
            totals: Totals::default(),
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.pool.settings().operation_timeout
    }

    /// Increases the number of the marker at the start of a process.
    pub(crate) async fn start_marker(&self) -> Result<SharedMarker> {
        let advanced = self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            let marker = meta::advance(&session, 0).await?;
            commit(session).await?;
            Ok(marker)
        });
        let missing = || StoreError::Damaged("the row of the marker is missing");
        advanced.await?.ok_or_else(missing)
    }

    /// Records that the store of blobs has a marker.
    pub(crate) async fn confirm_marker(&self) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            meta::confirm(&session).await?;
            commit(session).await
        })
        .await
    }
}

/// Checks the server, and logs what it lacks. Returns the value of `synchronous_commit` for durable commits.
async fn check_server(pool: &Pool, deadline: Instant) -> Result<&'static str, OpenError> {
    let session = Session::begin(pool, Access::ReadAll, "on", deadline).await?;
    let rows = session
        .query_last(
            "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'),
                    current_setting('synchronous_commit'), current_setting('data_checksums') = 'on',
                    (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
                    current_setting('fsync') = 'on'
             WHERE $1",
            &[Value::Bool(true)],
        )
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| StoreError::Failed("the server has no settings".to_owned()))?;
    let read = |error: tokio_postgres::Error| Failure::from(error);
    let version: i64 = row.try_get(0).map_err(read)?;
    if version < MIN_SERVER {
        return Err(OpenError::OldServer(version));
    }
    let encoding: &str = row.try_get(1).map_err(read)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding.to_owned()));
    }
    if !row.try_get::<_, bool>(3).map_err(read)? {
        tracing::warn!(
            "the database server has no data checksums: damage of its disk may go unnoticed"
        );
    }
    if row.try_get::<_, Option<bool>>(4).map_err(read)? == Some(true) {
        tracing::warn!(
            "the user of the database bypasses row-level security: use one without SUPERUSER and BYPASSRLS"
        );
    }
    if !row.try_get::<_, bool>(5).map_err(read)? {
        tracing::warn!(
            "the database server has fsync = off: a power failure may destroy everything"
        );
    }
    Ok(match row.try_get::<_, &str>(2).map_err(read)? {
        "remote_apply" => "remote_apply",
        // Also for a server that does not wait for its disk by default.
        _ => "on",
    })
}
