#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agbcloud_server::fuzzing::range(data));
