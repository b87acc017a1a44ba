//! Where a link to us asks to be led on to: a path of this host or of a protected one, or nowhere.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_server::door::http::fuzz_destination(data));
