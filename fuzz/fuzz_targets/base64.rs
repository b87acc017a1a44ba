//! Base64: whatever is accepted comes back from its own spelling.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_core::bytes::base64::fuzz(data));
