//! Lists of people, and users tables: whoever is read and written is read again as the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_server::people::fuzz(data));
