//! The table of operations: the routes are built from it, and a check holds it against the OpenAPI document.

use std::sync::Arc;

use axum::response::Response;
use futures_util::future::BoxFuture;

use super::App;
use super::contexts;
use super::envelope::Failure;
use super::files;
use super::params::Params;
use crate::signing::{Issuer, Tenant};

/// One operation of the control leg.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Operation {
    /// Its name in the OpenAPI document.
    pub name: &'static str,
    /// Its HTTP method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// The query parameters that it knows.
    pub parameters: &'static [&'static str],
    /// What it does.
    pub(super) run: fn(Call) -> Done,
}

/// One call of an operation by someone who may call it.
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) tenant: Tenant,
    /// The key it was called by, for the URLs that it asks for.
    pub(super) issuer: Issuer,
    pub(super) params: Params,
    pub(super) request_id: String,
}

/// What a call comes to.
pub(super) type Done = BoxFuture<'static, Result<Response, Failure>>;

/// All operations of the control leg, as the server routes them.
///
/// ```
/// let list = &agbcloud_server::operations()[0];
/// assert_eq!((list.name, list.method, list.path), ("ListContexts", "GET", "/sdk/ListContexts"));
/// assert_eq!(list.parameters, ["maxResults", "nextToken"]);
/// ```
pub fn operations() -> &'static [Operation] {
    &OPERATIONS
}

macro_rules! operation {
    ($method:literal $name:literal $parameters:expr, $run:path) => {
        Operation {
            name: $name,
            method: $method,
            path: concat!("/sdk/", $name),
            parameters: &$parameters,
            run: |call| Box::pin($run(call)),
        }
    };
}

static OPERATIONS: [Operation; 9] = [
    operation!("GET" "ListContexts" ["maxResults", "nextToken"], contexts::list),
    operation!("GET" "GetContext" ["id", "name", "allowCreate", "loginRegionId"], contexts::get),
    operation!("POST" "ModifyContext" ["id", "name"], contexts::modify),
    operation!("POST" "DeleteContext" ["id"], contexts::delete),
    operation!("POST" "ClearContext" ["id"], contexts::clear),
    operation!("POST" "DescribeContextFiles" ["contextId", "parentFolderPath", "pageNumber", "pageSize"], files::list),
    operation!("POST" "GetContextFileUploadUrl" ["contextId", "filePath"], files::upload_url),
    operation!("POST" "GetContextFileDownloadUrl" ["contextId", "filePath"], files::download_url),
    operation!("POST" "DeleteContextFile" ["contextId", "filePath"], files::delete),
];
