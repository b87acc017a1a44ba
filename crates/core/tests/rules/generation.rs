//! Which code belongs to a counter or a moment.
//!
//! Knows: the appendices of RFC 4226 and RFC 6238 and the edges of 64 bits. Must never know: acceptance.

use countersign_core::otp::{Counter, Digits, Hotp, Totp};
use countersign_core::time::{StepNumber, UnixSeconds};

use crate::vectors::{cases, printed};

#[test]
fn rfc4226_appendix_d() {
    for case in cases("otp/rfc4226_appendix_d.json", 10) {
        let hotp = Hotp {
            digits: case.digits(),
            ..Hotp::default()
        };
        let code = hotp.generate(&case.secret(), Counter(case.number("counter")));
        assert_eq!(&*printed(code), case.text("code"), "{case}");
        let truncated = printed(case.number::<u32>("truncated"));
        for digits in [Digits::SIX, Digits::SEVEN, Digits::EIGHT] {
            let code = Hotp { digits, ..hotp }.generate(&case.secret(), Counter(case.number("counter")));
            assert!(truncated.ends_with(&*printed(code)), "{case}");
        }
    }
}

#[test]
fn rfc6238_appendix_b() {
    for case in cases("otp/rfc6238_appendix_b.json", 18) {
        let at = UnixSeconds(case.number("at"));
        assert_eq!(case.totp().step_at(at), StepNumber(case.number("step")), "{case}");
        assert_eq!(
            &*printed(case.totp().generate(&case.secret(), at)),
            case.text("code"),
            "{case}"
        );
    }
}

#[test]
fn codes_at_the_edges_of_numbers_neither_wrap_nor_panic() {
    for case in cases("otp/generation_edges.json", 13) {
        let (totp, at) = (case.totp(), UnixSeconds(case.number("at")));
        assert_eq!(totp.step_at(at), StepNumber(case.number("step")), "{case}");
        assert_eq!(
            totp.seconds_left(at),
            case.number::<u32>("seconds_left"),
            "{case}"
        );
        assert_eq!(
            &*printed(totp.generate(&case.secret(), at)),
            case.text("code"),
            "{case}"
        );
    }
}

#[test]
fn code_is_shown_until_its_seconds_are_over() {
    let totp = Totp::default();
    for second in 0..120 {
        let (at, left) = (UnixSeconds(second), totp.seconds_left(UnixSeconds(second)));
        assert!((1..=30).contains(&left));
        assert_eq!(totp.step_at(at), totp.step_at(at.plus(u64::from(left) - 1)));
        assert!(totp.step_at(at) < totp.step_at(at.plus(u64::from(left))));
    }
}
