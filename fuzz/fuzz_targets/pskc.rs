//! PSKC containers: whatever key is usable can be written as a URI that is read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_server::seeds::pskc::fuzz(data));
