//! An error as a record of a log or a report.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use super::{Error, ErrorKind, Operation};

/// A record for logs and reports: the kind, the operation, the context, the path, the status, the code, the message and the
/// request id, as far as they are known. What is read back has these only: no sources and no attempts.
///
/// ```
/// let error = agbcloud::ContextId::new("").unwrap_err();
/// let record = serde_json::to_value(&error)?;
/// assert_eq!(record["kind"], "invalid_argument");
/// let read: agbcloud::Error = serde_json::from_value(record)?;
/// assert_eq!(read.kind(), error.kind());
/// # Ok::<(), serde_json::Error>(())
/// ```
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Error", 9)?;
        record.serialize_field("kind", &self.kind())?;
        record.serialize_field("operation", &self.operation())?;
        record.serialize_field("context_id", &self.context_id())?;
        record.serialize_field("path", &self.path())?;
        let local = self.local_path().map(|path| path.to_string_lossy());
        record.serialize_field("local_path", &local)?;
        record.serialize_field("status", &self.status())?;
        record.serialize_field("code", &self.code())?;
        record.serialize_field("message", &self.message())?;
        record.serialize_field("request_id", &self.request_id())?;
        record.end()
    }
}

/// What is read of a record.
#[derive(Deserialize)]
struct Record {
    kind: ErrorKind,
    operation: Option<Operation>,
    context_id: Option<String>,
    path: Option<String>,
    local_path: Option<PathBuf>,
    status: Option<u16>,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = Record::deserialize(deserializer)?;
        let mut error = Error::new(record.kind, record.message).with_request_id(record.request_id);
        error.0.operation = record.operation;
        error.0.context = record.context_id;
        error.0.remote_path = record.path;
        error.0.path = record.local_path;
        error.0.status = record.status;
        error.0.code = record.code;
        Ok(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back() {
        let error = Error::new(ErrorKind::NotFound, "no such file")
            .with_operation(Operation::Download)
            .with_context("SdkCtx-1")
            .with_path("/a")
            .with_local_path("b")
            .with_status(404)
            .with_code("NoSuchKey")
            .with_request_id(Some("id".to_owned()));
        let json = serde_json::to_string(&error).unwrap();
        let read: Error = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(read.to_string(), error.to_string());
        let bytes = postcard::to_allocvec(&error).unwrap();
        let read: Error = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_string(), error.to_string());
    }
}
