//! Code input: whatever is accepted prints as digits that are accepted again.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_core::otp::fuzz_code(data));
