//! Files of pam_google_authenticator: whatever is accepted has a secret and a kind.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_core::otp::google_authenticator::fuzz(data));
