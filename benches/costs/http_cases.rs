//! Operations over HTTP of which allocations are counted. Each sends 20 calls over one connection.
//!
//! Their instructions differ by 1.5 % between runs, so they are not counted.

use super::cases::{NAME, Service, service};

/// Number of calls. Part of the names of the functions.
const CALLS: usize = 20;

/// A service in which the call was made once, so that connections are open and statements are prepared.
fn warm(call: impl Fn(&Service)) -> Service {
    let service = service();
    service.upload("/1");
    call(&service);
    service
}

pub(crate) fn service_for_get() -> Service {
    warm(get_once)
}

pub(crate) fn service_for_upload() -> Service {
    warm(|service| service.upload("/1"))
}

pub(crate) fn service_for_download() -> Service {
    warm(download_once)
}

fn get_once(service: &Service) {
    let contexts = service.client.contexts();
    let call = async { contexts.get(&service.id).await.unwrap() };
    assert_eq!(service.runtime.block_on(call).name, NAME);
}

fn download_once(service: &Service) {
    let mut content = Vec::new();
    let files = service.files();
    let call = async { files.download("/1", &mut content).await.unwrap() };
    service.runtime.block_on(call);
    assert_eq!(content.len(), 4096);
}

/// Calls of GetContext, client and service.
pub(crate) fn http_get_x20(service: &Service) {
    for _ in 0..CALLS {
        get_once(service);
    }
}

/// A presigned URL and a PUT of 4 KiB over an existing file, client and service, in each call.
pub(crate) fn http_upload_x20(service: &Service) {
    for _ in 0..CALLS {
        service.upload("/1");
    }
}

/// A presigned URL and a GET of 4 KiB, client and service, in each call.
pub(crate) fn http_download_x20(service: &Service) {
    for _ in 0..CALLS {
        download_once(service);
    }
}
