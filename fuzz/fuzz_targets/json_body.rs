//! Bodies of the API: taken, or refused without repeating them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_server::door::http::fuzz_body(data));
