//! Counts allocations of successful operations. Prints JSON for `cargo xtask costs`.

mod cases;

use allocation_counter::measure;
use serde_json::json;

/// Allocations of a prepared operation in its thread.
fn count<T>(prepared: T, operation: impl FnOnce(&T)) -> u64 {
    measure(|| operation(&prepared)).count_total
}

fn main() {
    let counts = json!({
        "get": count(cases::stubbed_contexts(), cases::get),
        "decode_page": count(cases::stubbed_page(), cases::decode_page),
        "plan": count(cases::stubbed_download(), cases::plan),
        "presign": count(cases::signed_url(), cases::presign),
        "verify": count(cases::signed_url(), cases::verify),
        "handle_page": count(cases::service_with_page(), cases::handle_page),
        "http_get_x20": count(cases::service_for_get(), cases::http_get_x20),
        "http_upload_x20": count(cases::service_for_upload(), cases::http_upload_x20),
        "http_download_x20": count(cases::service_for_download(), cases::http_download_x20),
    });
    println!("{counts}");
}
