//! What a proxy says of a request: taken in one spelling, or refused.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_server::door::http::fuzz_forwarded(data));
