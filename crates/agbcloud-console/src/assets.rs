//! The style sheet, the script and the icon, which are part of the program.

use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName},
    response::IntoResponse,
};

use crate::web::{
    extract::Path,
    failure::{Failure, Result},
};

const STYLE: &str = include_str!("../assets/console.css");
const SCRIPT: &str = include_str!("../assets/console.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Returns a file of the console itself. Needs no session: it contains no data.
pub(crate) async fn get(Path(name): Path<String>) -> Result {
    let (content_type, text) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", STYLE),
        "console.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Err(Failure::not_found()),
    };
    let headers = [
        (CONTENT_TYPE, content_type),
        // Another version of the program may have the same address.
        (CACHE_CONTROL, "no-cache"),
        // The frame with rendered Markdown has an origin of its own, and uses the style sheet.
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ];
    Ok((headers, text).into_response())
}
