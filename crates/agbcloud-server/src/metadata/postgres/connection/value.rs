//! Parameters of statements.

use std::time::Duration;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A parameter with its type, so that a statement needs no preparation.
#[derive(Debug, Clone, Copy)]
pub(in crate::metadata::postgres) enum Value<'a> {
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    OptText(Option<&'a str>),
    Texts(&'a [String]),
}

/// A duration in milliseconds, at most 100 years.
pub(in crate::metadata::postgres) fn milliseconds(time: Duration) -> Value<'static> {
    const MAX: i64 = 100 * 366 * 24 * 3600 * 1000;
    Value::Int(i64::try_from(time.as_millis()).unwrap_or(MAX).min(MAX))
}

impl Value<'_> {
    pub(super) fn sql_type(&self) -> Type {
        match self {
            Self::Int(_) => Type::INT8,
            Self::Bool(_) => Type::BOOL,
            Self::Text(_) | Self::OptText(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::Texts(_) => Type::TEXT_ARRAY,
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        sql_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(value) => value.to_sql(sql_type, out),
            Self::Bool(value) => value.to_sql(sql_type, out),
            Self::Text(value) => value.to_sql(sql_type, out),
            Self::Bytes(value) => value.to_sql(sql_type, out),
            Self::OptText(value) => value.to_sql(sql_type, out),
            Self::Texts(value) => value.to_sql(sql_type, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
