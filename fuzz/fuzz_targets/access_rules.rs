//! Rules of protected applications: no file breaks their reader, no spelling of a path leads past a rule.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_server::service::rules::fuzz(data));
