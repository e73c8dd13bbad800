//! Extensions of the API that a service may have and the cloud does not: `docs/extensions.md` describes them, and
//! `spec/extensions.yaml` specifies them.
//!
//! A service announces its extensions in the header [`HEADER`] of the response to each call.

use serde::{Deserialize, Serialize};

use crate::{SignedUrl, types::ExpireTime};

/// The response header with the names of the extensions, separated by commas.
pub const HEADER: &str = "x-agb-extensions";

/// The name of the extension with the operation `GetContextFileUrls`: presigned URLs of many files by one call.
pub const FILE_URLS: &str = "file-urls";

/// Maximum number of paths in one call of `GetContextFileUrls`.
pub const MAX_FILE_URLS: usize = 1000;

/// Whether a value of the header announces an extension.
///
/// ```
/// use agbcloud_api::extensions::{FILE_URLS, announces};
///
/// assert!(announces("other, file-urls", FILE_URLS));
/// assert!(!announces("file-urls-2", FILE_URLS));
/// ```
pub fn announces(header: &str, extension: &str) -> bool {
    header.split(',').any(|name| name.trim() == extension)
}

/// The access that presigned URLs grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileUrlOperation {
    /// To write the file by PUT.
    Upload,
    /// To read the file by GET.
    Download,
}

/// The body of `GetContextFileUrls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetContextFileUrlsRequest {
    /// The access that the URLs grant.
    pub operation: FileUrlOperation,
    /// The paths, at most [`MAX_FILE_URLS`].
    #[serde(rename = "filePaths")]
    pub file_paths: Vec<String>,
}

/// The envelope of `GetContextFileUrls`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetContextFileUrlsResponse {
    /// Id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::text")]
    pub request_id: Option<String>,
    /// Whether the call succeeded. The files can have failed nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::truth")]
    pub success: Option<bool>,
    /// `ok`, or the code of the failure of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::text")]
    pub code: Option<String>,
    /// Empty, or a description of the failure of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::text")]
    pub message: Option<String>,
    /// Same as the HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::integer")]
    pub http_status_code: Option<i32>,
    /// The result of each path, in the order of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Vec<FileUrlResult>>,
}

/// The URL of one file, or the reason why there is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileUrlResult {
    /// The path, as in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// The URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SignedUrl>,
    /// When the URL expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::expiry")]
    pub expire_time: Option<ExpireTime>,
    /// The code of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::text")]
    pub code: Option<String>,
    /// A description of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::text")]
    pub message: Option<String>,
    /// The HTTP status that the call for this file alone would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default, deserialize_with = "crate::lenient::integer")]
    pub http_status_code: Option<i32>,
}

#[cfg(feature = "client")]
impl crate::Client {
    /// Calls `GetContextFileUrls`, for a service that announces [`FILE_URLS`].
    ///
    /// # Errors
    ///
    /// Those of the generated calls.
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub async fn get_context_file_urls(
        &self,
        context_id: &str,
        body: &GetContextFileUrlsRequest,
    ) -> Result<crate::ResponseValue<GetContextFileUrlsResponse>, crate::Error<()>> {
        use progenitor_client::{ClientHooks, ClientInfo, OperationInfo, QueryParam};
        use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

        let json = HeaderValue::from_static("application/json");
        let encoded = serde_json::to_vec(body)
            .map_err(|error| crate::Error::InvalidRequest(error.to_string()))?;
        let mut request = self
            .client()
            .post(format!("{}/sdk/GetContextFileUrls", self.baseurl()))
            .header(ACCEPT, json.clone())
            .header(CONTENT_TYPE, json)
            .header("api-version", Self::api_version())
            .query(&QueryParam::new("contextId", &context_id))
            .body(encoded)
            .build()?;
        let info = OperationInfo {
            operation_id: "get_context_file_urls",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200 => crate::decode(response).await,
            _ => Err(crate::Error::UnexpectedResponse(response)),
        }
    }
}
