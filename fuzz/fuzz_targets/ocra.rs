//! OCRA suites and questions: a suite has one spelling, and a response to a question is accepted.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_core::otp::ocra::fuzz(data));
