//! Counts instructions of operations with callgrind. Run by `cargo xtask costs`.
//!
//! None uses a connection: the number of wake-ups of sockets differs between runs.

#![expect(missing_docs, reason = "the macros create public modules")]

mod cases;

use agbcloud::{Contexts, Files, SyncDir};
use agbcloud_server::bench_points::PresignedUrls;
use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::cases::Service;

// The prepared value is returned, so that its drop is not counted.

#[library_benchmark]
#[bench::stub(cases::stubbed_contexts())]
fn get_x20(prepared: (Runtime, Contexts)) -> (Runtime, Contexts) {
    cases::get(&prepared);
    prepared
}

#[library_benchmark]
#[bench::stub(cases::stubbed_page())]
fn decode_page(prepared: (Runtime, Files)) -> (Runtime, Files) {
    cases::decode_page(&prepared);
    prepared
}

#[library_benchmark]
#[bench::stub(cases::stubbed_download())]
fn plan(prepared: (Runtime, SyncDir, TempDir)) -> (Runtime, SyncDir, TempDir) {
    cases::plan(&prepared);
    prepared
}

#[library_benchmark]
#[bench::url(cases::signed_url())]
fn presign(prepared: (PresignedUrls, String)) -> (PresignedUrls, String) {
    cases::presign(&prepared);
    prepared
}

#[library_benchmark]
#[bench::url(cases::signed_url())]
fn verify(prepared: (PresignedUrls, String)) -> (PresignedUrls, String) {
    cases::verify(&prepared);
    prepared
}

#[library_benchmark]
#[bench::service(cases::service_with_page())]
fn handle_page(prepared: (Service, String)) -> (Service, String) {
    cases::handle_page(&prepared);
    prepared
}

#[library_benchmark]
#[bench::service(cases::service_with_context())]
fn handle_get(prepared: (Service, String)) -> (Service, String) {
    cases::handle_get(&prepared);
    prepared
}

library_benchmark_group!(
    name = costs,
    benchmarks = [
        get_x20,
        decode_page,
        plan,
        presign,
        verify,
        handle_page,
        handle_get
    ]
);

// Without the simulation of caches, which takes most of the time.
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = costs
);
