//! An error as a record of a log or a report.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::Error;

/// A record for logs and reports: the kind, the operation, the context, the path, the status, the code, the message and the
/// request id, as far as they are known. It can't be read back, since an error has sources.
///
/// ```
/// let error = agbcloud::ContextId::new("").unwrap_err();
/// let record = serde_json::to_value(&error)?;
/// assert_eq!(record["kind"], "invalid_argument");
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
