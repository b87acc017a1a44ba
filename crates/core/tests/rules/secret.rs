//! The shared secret: its bounds, its strength, and that it is not printed.
//!
//! Knows: lengths and samples. Must never know: codes.

use countersign_core::bytes::base32::Base32Error;
use countersign_core::otp::{SecretError, SecretStrength, SharedSecret};

use crate::vectors::cases;

#[test]
fn strength_follows_from_length_and_samples_are_known() {
    for case in cases("otp/secret_strength.json", 23) {
        let expected = match case.text("strength") {
            "sample" => SecretStrength::Sample,
            "short" => SecretStrength::Short,
            "weak" => SecretStrength::Weak,
            "acceptable" => SecretStrength::Acceptable,
            "recommended" => SecretStrength::Recommended,
            unknown => panic!("no strength is called {unknown}"),
        };
        assert_eq!(case.secret().strength(), expected, "{case}");
    }
}

#[test]
fn secret_has_1_to_128_bytes() {
    assert_eq!(SharedSecret::from_bytes(&[]).err(), Some(SecretError::Empty));
    assert_eq!(
        SharedSecret::from_bytes(&[1; 129]).err(),
        Some(SecretError::TooLong)
    );
    assert_eq!(SharedSecret::from_base32(" - ").err(), Some(SecretError::Empty));
    assert_eq!(
        SharedSecret::from_base32(&"A".repeat(208)).err(),
        Some(SecretError::TooLong)
    );
    let refused = SharedSecret::from_base32("JBSW1").err();
    assert_eq!(
        refused,
        Some(SecretError::Base32(Base32Error::Character { at: 4 }))
    );
    for len in 1..=128 {
        let bytes: Vec<u8> = (0..len).collect();
        let secret = SharedSecret::from_bytes(&bytes).expect("1 to 128 bytes are a secret");
        let again = SharedSecret::from_base32(&secret.to_base32()).expect("our own spelling is read");
        assert_eq!(again.expose(), bytes);
    }
}

#[test]
fn secret_is_not_printed_for_debugging() {
    let secret = SharedSecret::from_base32("JBSWY3DPEHPK3PXP").expect("the sample is Base32");
    assert_eq!(format!("{secret:?}"), "SharedSecret(10 bytes)");
    assert_eq!(format!("{:?}", secret.to_base32()), "Text(16 bytes)");
}
