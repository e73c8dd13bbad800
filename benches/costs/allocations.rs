//! Counts allocations of successful operations. Prints JSON for `cargo xtask costs`.

mod cases;
mod http_cases;

use allocation_counter::measure;
use serde_json::json;

/// Allocations of a prepared operation in its thread.
fn count<T>(prepared: T, operation: impl FnOnce(&T)) -> u64 {
    measure(|| operation(&prepared)).count_total
}

fn main() {
    let counts = json!({
        "get_x20": count(cases::stubbed_contexts(), cases::get),
        "decode_page": count(cases::stubbed_page(), cases::decode_page),
        "plan": count(cases::stubbed_download(), cases::plan),
        "presign": count(cases::signed_url(), cases::presign),
        "verify": count(cases::signed_url(), cases::verify),
        "handle_page": count(cases::service_with_page(), cases::handle_page),
        "handle_get": count(cases::service_with_context(), cases::handle_get),
        "http_get_x20": count(http_cases::service_for_get(), http_cases::http_get_x20),
        "http_upload_x20": count(http_cases::service_for_upload(), http_cases::http_upload_x20),
        "http_download_x20": count(http_cases::service_for_download(), http_cases::http_download_x20),
    });
    println!("{counts}");
}
