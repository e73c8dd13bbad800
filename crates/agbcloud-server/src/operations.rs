//! The operations of the service: their names, methods, paths and parameters.

use http::Method;

use crate::signing::url;

/// Name of uploads to presigned URLs in logs, metrics and faults.
pub(crate) const UPLOAD: &str = "upload";
/// Name of downloads from presigned URLs, `HEAD` included, in logs, metrics and faults.
pub(crate) const DOWNLOAD: &str = "download";

/// An operation of the control API.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Operation {
    /// The name in the OpenAPI document.
    pub name: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// The query parameters that the operation accepts.
    pub parameters: &'static [&'static str],
    pub(crate) id: OperationId,
}

/// Returns all operations of the control API that the server routes: those of the cloud, then those of extensions.
///
/// ```
/// let list = &agbcloud_server::operations()[0];
/// assert_eq!((list.name, list.method, list.path), ("ListContexts", "GET", "/sdk/ListContexts"));
/// assert_eq!(list.parameters, ["maxResults", "nextToken"]);
/// ```
pub fn operations() -> &'static [Operation] {
    OPERATIONS
}

macro_rules! operations {
    ($($method:literal $name:ident $parameters:expr;)*) => {
        /// Identifies an operation of the control API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum OperationId { $($name),* }

        static OPERATIONS: &[Operation] = &[$(Operation {
            name: stringify!($name),
            method: $method,
            path: concat!("/sdk/", stringify!($name)),
            parameters: &$parameters,
            id: OperationId::$name,
        }),*];
    };
}

operations! {
    "GET" ListContexts ["maxResults", "nextToken"];
    "GET" GetContext ["id", "name", "allowCreate", "loginRegionId"];
    "POST" ModifyContext ["id", "name"];
    "POST" DeleteContext ["id"];
    "POST" ClearContext ["id"];
    "POST" DescribeContextFiles ["contextId", "parentFolderPath", "pageNumber", "pageSize"];
    "POST" GetContextFileUploadUrl ["contextId", "filePath"];
    "POST" GetContextFileDownloadUrl ["contextId", "filePath"];
    "POST" DeleteContextFile ["contextId", "filePath"];
    // The extension `file-urls`. Its other parameters are in the body.
    "POST" GetContextFileUrls ["contextId"];
}

/// Returns the name of the operation that a request calls. Never contains a part of the path.
pub(crate) fn operation_name(method: &Method, path: &str) -> &'static str {
    if path.starts_with(url::PREFIX) {
        return if method == Method::PUT {
            UPLOAD
        } else {
            DOWNLOAD
        };
    }
    operations()
        .iter()
        .find(|operation| operation.path == path)
        .map_or("unknown", |operation| operation.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_names_contain_no_user_data() {
        let get = |path| operation_name(&Method::GET, path);
        assert_eq!(get("/sdk/GetContext"), "GetContext");
        assert_eq!(get("/objects/v1/a/b"), "download");
        assert_eq!(operation_name(&Method::PUT, "/objects/v1/a/b"), "upload");
        assert_eq!(get("/sdk/secret"), "unknown");
    }
}
