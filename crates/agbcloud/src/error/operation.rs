//! What was attempted.

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
    /// `POST /sdk/ClearContext`, and the waiting for it
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
    /// Whether doing it twice does no more than doing it once, so that it is tried again after a failure that
    /// leaves open whether it was done. All of the service's are: the name is the key of what is created, and
    /// a clear that meets a clear starts nothing. So are transfers: an upload puts the same content in the same place.
    pub fn is_idempotent(self) -> bool {
        // One that is not would have to be kept from the loop of tries.
        true
    }

    /// The HTTP method that it is sent with.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::ListContexts | Self::GetContext | Self::Download => "GET",
            Self::Upload => "PUT",
            _ => "POST",
        }
    }

    /// Its name as on the wire; `Upload` and `Download` for transfers.
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
