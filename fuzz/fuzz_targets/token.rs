//! Elevated tokens: none is believed without its signature.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_client::guard::fuzz(data));
