//! Files of pam_google_authenticator.
//!
//! Knows: what is read, what is refused and why. Must never know: whose file it is.

use countersign_core::otp::google_authenticator::{FILE_BYTES_MAX, SecretFileError, parse};
use countersign_core::time::StepNumber;

use crate::encodings::expected_parameters;
use crate::vectors::{cases, printed};

#[test]
fn file_is_read_line_by_line_or_refused_with_its_cause() {
    for case in cases("otp/google_authenticator.json", 16) {
        let read = parse(case.text("file"));
        if case.has("error") {
            let told = printed(read.map(drop).expect_err("it is no such file"));
            assert!(told.contains(case.text("error")), "{told} for {case}");
            continue;
        }
        let read = read.unwrap_or_else(|error| panic!("{case}: {error}"));
        let expected = case.inner("expected");
        assert_eq!(&*read.secret.to_base32(), expected.text("secret"), "{case}");
        assert_eq!(read.parameters, expected_parameters(&expected), "{case}");
        assert_eq!(read.drift, case.number::<i32>("drift"), "{case}");
        assert_eq!(
            read.scratch_codes,
            case.number::<usize>("scratch_codes"),
            "{case}"
        );
        let last = case
            .has("last_accepted")
            .then(|| StepNumber(case.number("last_accepted")));
        assert_eq!(read.last_accepted, last, "{case}");
    }
}

#[test]
fn file_longer_than_its_bound_is_refused() {
    let mut file = String::from("JBSWY3DPEHPK3PXPJBSWY3DPEE\n\" TOTP_AUTH\n");
    while file.len() + 9 <= FILE_BYTES_MAX {
        file.push_str("12345678\n");
    }
    assert!(parse(&file).is_ok());
    file.push_str("12345678\n");
    assert_eq!(parse(&file).map(drop), Err(SecretFileError::TooLong));
}
