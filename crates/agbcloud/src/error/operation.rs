//! The operation that failed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::IntoDeserializer};

use super::Error;

/// An operation of the service, or a transfer. `Display`, `parse` and serde use the [name](Self::as_str).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// `GET /sdk/ListContexts`
    ListContexts,
    /// `GET /sdk/GetContext`
    GetContext,
    /// `POST /sdk/ModifyContext`
    ModifyContext,
    /// `POST /sdk/DeleteContext`
    DeleteContext,
    /// `POST /sdk/ClearContext`, and the wait for its end
    ClearContext,
    /// `POST /sdk/DescribeContextFiles`
    DescribeContextFiles,
    /// `POST /sdk/GetContextFileUploadUrl`
    GetContextFileUploadUrl,
    /// `POST /sdk/GetContextFileDownloadUrl`
    GetContextFileDownloadUrl,
    /// `POST /sdk/DeleteContextFile`
    DeleteContextFile,
    /// `POST /sdk/GetContextFileUrls`, an extension that a service may have
    GetContextFileUrls,
    /// PUT to a presigned URL
    Upload,
    /// GET from a presigned URL
    Download,
}

impl Operation {
    /// The HTTP method of the request.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::ListContexts | Self::GetContext | Self::Download => "GET",
            Self::Upload => "PUT",
            _ => "POST",
        }
    }

    /// The name of the operation in the API; `Upload` and `Download` for transfers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListContexts => "ListContexts",
            Self::GetContext => "GetContext",
            Self::ModifyContext => "ModifyContext",
            Self::DeleteContext => "DeleteContext",
            Self::ClearContext => "ClearContext",
            Self::DescribeContextFiles => "DescribeContextFiles",
            Self::GetContextFileUploadUrl => "GetContextFileUploadUrl",
            Self::GetContextFileDownloadUrl => "GetContextFileDownloadUrl",
            Self::DeleteContextFile => "DeleteContextFile",
            Self::GetContextFileUrls => "GetContextFileUrls",
            Self::Upload => "Upload",
            Self::Download => "Download",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            text.into_deserializer();
        Self::deserialize(name)
            .map_err(|error| Error::invalid_argument("unknown operation").with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_parsed_as_displayed() {
        for operation in [Operation::GetContext, Operation::Upload] {
            let text = operation.to_string();
            assert_eq!(text.parse::<Operation>().unwrap(), operation);
            assert_eq!(serde_json::to_value(operation).unwrap(), *text);
        }
        assert!("get_context".parse::<Operation>().is_err());
    }
}
