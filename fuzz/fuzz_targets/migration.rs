//! Exports of Google Authenticator: whatever account is accepted comes back from its own spelling.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_core::otp::migration::fuzz(data));
