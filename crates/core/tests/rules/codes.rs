//! What is no code, and what two codes that are not alike say about a clock or a counter.
//!
//! Knows: codes. Must never know: how one is computed.

use countersign_core::otp::{Code, CodeFormatError, Counter, Digits, Hotp, HotpVerdict, SharedSecret, Totp};
use countersign_core::time::UnixSeconds;

#[test]
fn text_that_is_no_code_says_what_is_wrong() {
    let said = |text: &str| {
        let error = Code::parse(text, Digits::SIX).expect_err("it is no code");
        error.to_string()
    };
    assert_eq!(said(""), "the code is empty");
    assert_eq!(said("12345x"), "a code is made of the digits 0 to 9 alone");
    assert_eq!(
        said("1234567"),
        "the code has 7 digits, which is the wrong number"
    );
    assert_eq!(said(&"1".repeat(65)), "the text is too long for a code");
}

#[test]
fn machines_code_is_counted_up_to_the_bound_and_not_read_beyond_it() {
    let refused = |length: usize| Code::parse_strict(&"1".repeat(length), Digits::SIX);
    assert_eq!(refused(64), Err(CodeFormatError::Length { found: 64 }));
    assert_eq!(refused(65), Err(CodeFormatError::TooLong));
    assert_eq!(refused(66), Err(CodeFormatError::TooLong));
}

/// Two consecutive codes that both begin with noughts in eight digits, so that their six digits are equal in value.
fn codes_of_equal_value(generate: impl Fn(Digits, u64) -> Code) -> (u64, [Code; 2], [Code; 2]) {
    let code = |digits, number| generate(digits, number);
    let is_small = |number| code(Digits::EIGHT, number).to_string().starts_with("00");
    let number = (40_000..)
        .find(|number| is_small(*number) && is_small(*number + 1))
        .expect("two of ten thousand are small");
    let both = |digits| [code(digits, number), code(digits, number + 1)];
    (number, both(Digits::SIX), both(Digits::EIGHT))
}

#[test]
fn code_of_another_length_resynchronises_nothing_even_if_its_value_is_right() {
    let secret = SharedSecret::from_bytes(&[7; 20]).expect("a secret");
    let totp = |digits| Totp {
        digits,
        ..Totp::default()
    };
    let at = |step: u64| UnixSeconds(step * 30 + 1_700_000_000);
    let (step, six, eight) = codes_of_equal_value(|digits, step| totp(digits).generate(&secret, at(step)));
    let found = |codes| {
        totp(Digits::SIX)
            .resynchronise(&secret, codes, at(step), 2)
            .is_some()
    };
    assert!(found((&six[0], &six[1])));
    assert!(!found((&six[0], &eight[1])));
    assert!(!found((&eight[0], &six[1])));

    let hotp = |digits| Hotp {
        digits,
        ..Hotp::default()
    };
    let (counter, six, eight) =
        codes_of_equal_value(|digits, counter| hotp(digits).generate(&secret, Counter(counter)));
    let found = |codes| {
        let verdict = hotp(Digits::SIX).resynchronise(&secret, codes, Counter(counter), 0);
        matches!(verdict, HotpVerdict::Accepted { .. })
    };
    assert!(found((&six[0], &six[1])));
    assert!(!found((&six[0], &eight[1])));
    assert!(!found((&eight[0], &six[1])));
}
