//! The operation that failed.

use std::fmt;

/// An operation of the service, or a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
