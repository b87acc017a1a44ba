//! The texts in which secrets and codes travel: Base32, otpauth URIs, code input.
//!
//! Knows: what is read, what is refused and why. Must never know: who sent it.

use countersign_core::bytes::base32::{self, Base32Error};
use countersign_core::otp::otpauth::{self, OtpauthError, OtpauthUri, Parameters, Part, Provisioning};
use countersign_core::otp::{Code, CodeFormatError, Counter, Digits, Hotp, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};

use crate::vectors::{Case, cases, printed};

#[test]
fn base32_is_read_as_people_copy_it_and_refused_with_its_cause() {
    for case in cases("bytes/base32.json", 55) {
        let mut bytes = [0; 64];
        let result = base32::parse(case.text("text"), &mut bytes).map(|len| bytes[..len].to_vec());
        if !case.has("error") {
            assert_eq!(result, Ok(case.bytes("bytes_hex")), "{case}");
            let mut spelt = countersign_core::bytes::Text::<128>::new();
            base32::emit(&case.bytes("bytes_hex"), &mut spelt).expect("the text fits");
            assert_eq!(&*spelt, case.text("canonical"), "{case}");
            continue;
        }
        let expected = match case.text("error") {
            "character" => Base32Error::Character {
                at: case.number("at"),
            },
            "length" => Base32Error::Length,
            "trailing_bits" => Base32Error::TrailingBits,
            unknown => panic!("no refusal is called {unknown}"),
        };
        assert_eq!(result, Err(expected), "{case}");
    }
}

#[test]
fn base32_longer_than_its_room_is_refused() {
    let mut bytes = [0; 4];
    assert_eq!(base32::parse("MZXW6YQ", &mut bytes), Ok(4));
    assert_eq!(base32::parse("MZXW6YTB", &mut bytes), Err(Base32Error::TooLong));
}

#[test]
fn code_input_is_ascii_digits_or_refused_with_its_cause() {
    for case in cases("otp/code_input.json", 47) {
        let (text, digits) = (case.text("text"), case.digits());
        let parsed = Code::parse(text, digits);
        let strictly = Code::parse_strict(text, digits);
        if !case.has("error") {
            assert_eq!(
                &*printed(parsed.expect("the code is accepted")),
                case.text("code"),
                "{case}"
            );
            assert_eq!(strictly.is_ok(), case.is("strict"), "{case}");
            continue;
        }
        let expected = match case.text("error") {
            "empty" => CodeFormatError::Empty,
            "character" => CodeFormatError::Character,
            "length" => CodeFormatError::Length {
                found: case.number("found"),
            },
            "too_long" => CodeFormatError::TooLong,
            unknown => panic!("no refusal is called {unknown}"),
        };
        assert_eq!(parsed, Err(expected), "{case}");
        assert!(strictly.is_err(), "{case}");
    }
}

#[test]
fn code_is_not_printed_for_debugging() {
    let code = Code::parse("123 456", Digits::SIX).expect("the code is one");
    assert_eq!(format!("{code:?}"), "Code(6 digits)");
}

#[test]
fn otpauth_uri_is_written_exactly_as_authenticators_read_it() {
    let secret = SharedSecret::from_base32("JBSWY3DPEHPK3PXP").expect("the sample is Base32");
    let uri = OtpauthUri::totp("My App", "a b@x.org", &secret, &Totp::default());
    let expected = "otpauth://totp/My%20App:a%20b%40x.org?secret=JBSWY3DPEHPK3PXP&issuer=My%20App\
                    &algorithm=SHA1&digits=6&period=30";
    assert_eq!(&*printed(uri), expected);
    assert!(!format!("{uri:?}").contains("JBSWY3DP"));
    let uri = OtpauthUri::hotp("", "a", &secret, &Hotp::default(), Counter(7));
    let expected = "otpauth://hotp/a?secret=JBSWY3DPEHPK3PXP&algorithm=SHA1&digits=6&counter=7";
    assert_eq!(&*printed(uri), expected);
}

#[test]
fn otpauth_uris_are_read_in_every_spelling_and_refused_by_part() {
    for case in cases("otp/otpauth.json", 76) {
        let result = otpauth::parse(case.text("uri"));
        if case.has("error") {
            assert_refused_by_part(&case, result.expect_err("the URI is refused"));
            continue;
        }
        let read = result.unwrap_or_else(|error| panic!("{case}: {error}"));
        let expected = case.inner("expected");
        assert_eq!(
            (&*read.issuer, &*read.account),
            (expected.text("issuer"), expected.text("account"))
        );
        assert_eq!(&*read.secret.to_base32(), expected.text("secret"), "{case}");
        assert_eq!(read.parameters, expected_parameters(&expected), "{case}");
        assert_eq!(&*printed(read.uri()), case.text("canonical"), "{case}");
        assert!(!format!("{read:?}").contains(expected.text("secret")));
    }
}

pub(crate) fn expected_parameters(expected: &Case) -> Parameters {
    let (algorithm, digits) = (expected.algorithm(), expected.digits());
    if expected.text("kind") == "hotp" {
        return Parameters::Hotp(Hotp { algorithm, digits }, Counter(expected.number("counter")));
    }
    let time_step = TimeStep::new(expected.number("period")).expect("the period is not 0");
    Parameters::Totp(Totp {
        algorithm,
        digits,
        time_step,
        t0: UnixSeconds(0),
    })
}

fn assert_refused_by_part(case: &Case, error: OtpauthError) {
    let named = |part: Part| printed(part);
    let told = printed(error);
    assert!(!told.contains("JBSW"), "{told} holds the secret");
    if let OtpauthError::Missing(part) | OtpauthError::Twice(part) | OtpauthError::Invalid(part) = error {
        let (cause, remedy) = told.split_once("; ").expect("an error says what to do");
        assert!(cause.contains(&*named(part)) && !remedy.is_empty(), "{told}");
    }
    let (fault, part) = match error {
        OtpauthError::TooLong => ("too_long", None),
        OtpauthError::Missing(part) => ("missing", Some(named(part))),
        OtpauthError::Twice(part) => ("twice", Some(named(part))),
        OtpauthError::Invalid(part) => ("invalid", Some(named(part))),
        OtpauthError::Secret(_) => ("secret", None),
        other => panic!("no vector knows {other:?}"),
    };
    assert_eq!(fault, case.text("error"), "{case}");
    let expected = case.has("part").then(|| case.text("part"));
    assert_eq!(part.as_deref(), expected, "{case}");
}

#[test]
fn longest_names_that_are_read_can_be_written_and_read_again() {
    let (issuer, account) = ("ü".repeat(64), "\"".repeat(255));
    let uri = format!(
        "otpauth://hotp/{issuer}:{account}?counter={}&secret={}",
        u64::MAX,
        "A".repeat(204)
    );
    let read: Provisioning = otpauth::parse(&uri).expect("the names are as long as they may be");
    let again = otpauth::parse(&printed(read.uri())).expect("our own spelling is read");
    assert_eq!(
        (&*again.issuer, &*again.account),
        (issuer.as_str(), account.as_str())
    );
    let uri = format!("otpauth://totp/{issuer}x:a?secret=MZXW6YQ");
    assert_eq!(
        otpauth::parse(&uri).err(),
        Some(OtpauthError::Invalid(Part::Label))
    );
}
