//! otpauth URIs: whatever is accepted comes back from its own spelling.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_core::otp::otpauth::fuzz(data));
