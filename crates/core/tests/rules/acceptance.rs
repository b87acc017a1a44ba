//! Which presented code is accepted, and that it is accepted once.
//!
//! Knows: verdicts. Must never know: accounts or throttling.

use countersign_core::otp::{
    AcceptanceWindow, Code, Counter, Digits, Hotp, HotpVerdict, Presented, Resynchronised, SharedSecret,
    Totp, Verdict,
};
use countersign_core::time::{StepNumber, UnixSeconds};
use countersign_testkit::SeededChance;

use crate::vectors::{Case, cases, printed};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

#[test]
fn presented_codes_meet_their_verdicts() {
    for case in cases("otp/acceptance.json", 57) {
        let presented = Presented {
            now: UnixSeconds(case.number("now")),
            window: AcceptanceWindow {
                past: case.number("past"),
                future: case.number("future"),
            },
            drift: case.number("drift"),
            last_accepted: case
                .has("last_accepted")
                .then(|| StepNumber(case.number("last_accepted"))),
        };
        let verdict = case.totp().verify(&case.secret(), &case.code("code"), presented);
        assert_eq!(verdict, expected_verdict(&case.inner("expected")), "{case}");
    }
}

fn expected_verdict(expected: &Case) -> Verdict {
    let step = || StepNumber(expected.number("step"));
    match expected.text("verdict") {
        "accepted" => Verdict::Accepted {
            step: step(),
            drift: expected.number("drift"),
        },
        "already_used" => Verdict::AlreadyUsed { step: step() },
        "wrong" => Verdict::Wrong,
        "clock_not_set" => Verdict::ClockNotSet,
        unknown => panic!("no verdict is called {unknown}"),
    }
}

#[test]
fn two_consecutive_codes_tell_the_drift() {
    for case in cases("otp/totp_resynchronisation.json", 13) {
        let (first, second) = (case.code("first"), case.code("second"));
        let now = UnixSeconds(case.number("now"));
        let found = case
            .totp()
            .resynchronise(&case.secret(), (&first, &second), now, case.number("steps"));
        let expected = case.has("expected").then(|| case.inner("expected"));
        let expected = expected.map(|expected| Resynchronised {
            step: StepNumber(expected.number("step")),
            drift: expected.number("drift"),
        });
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn counters_are_looked_for_ahead_and_never_behind() {
    for case in cases("otp/hotp_verification.json", 15) {
        let hotp = Hotp {
            digits: case.digits(),
            ..Hotp::default()
        };
        let codes = case
            .texts("codes")
            .into_iter()
            .map(|code| Code::parse_strict(code, case.digits()));
        let codes: Vec<Code> = codes.map(|code| code.expect("the code is one")).collect();
        let next = Counter(case.number("next"));
        let verdict = match codes.as_slice() {
            [code] => hotp.verify(&case.secret(), code, next, case.number("look_ahead")),
            [first, second] => {
                hotp.resynchronise(&case.secret(), (first, second), next, case.number("look_ahead"))
            }
            _ => panic!("{case} has neither one code nor two"),
        };
        let expected = match case.has("expected") {
            true => HotpVerdict::Accepted {
                counter: Counter(case.number("expected")),
            },
            false => HotpVerdict::Wrong,
        };
        assert_eq!(verdict, expected, "{case}");
    }
}

#[test]
fn code_with_another_number_of_digits_is_wrong_even_with_the_same_value() {
    let secret = SharedSecret::from_bytes(b"12345678901234567890").expect("20 bytes are a secret");
    let eight = Hotp {
        digits: Digits::EIGHT,
        ..Hotp::default()
    };
    let six = Hotp::default();
    let zeros = (0..)
        .map(Counter)
        .find(|counter| printed(eight.generate(&secret, *counter)).starts_with("00"));
    let counter = zeros.expect("one code in a hundred begins with two zeros");
    let code = six.generate(&secret, counter);
    assert_eq!(eight.verify(&secret, &code, counter, 0), HotpVerdict::Wrong);
    let next = six.generate(&secret, Counter(counter.0 + 1));
    assert_eq!(
        eight.resynchronise(&secret, (&code, &next), counter, 0),
        HotpVerdict::Wrong
    );
    let totp = Totp {
        digits: Digits::EIGHT,
        t0: NOW,
        ..Totp::default()
    };
    let now = NOW.plus(counter.0 * 30);
    assert_eq!(totp.verify(&secret, &code, presented(now, None)), Verdict::Wrong);
    assert_eq!(totp.resynchronise(&secret, (&code, &next), now, 0), None);
}

#[test]
fn clock_that_is_not_set_tells_no_drift() {
    let (totp, secret) = (
        Totp::default(),
        SharedSecret::from_bytes(&[7; 20]).expect("20 bytes are a secret"),
    );
    let codes = (
        totp.generate(&secret, UnixSeconds(3000)),
        totp.generate(&secret, UnixSeconds(3030)),
    );
    assert_eq!(
        totp.resynchronise(&secret, (&codes.0, &codes.1), UnixSeconds(3000), 10),
        None
    );
}

#[test]
fn verdicts_at_the_end_of_time_neither_wrap_nor_panic() {
    let (totp, secret) = (
        Totp::default(),
        SharedSecret::from_bytes(&[7; 20]).expect("20 bytes are a secret"),
    );
    let end = UnixSeconds(u64::MAX);
    let code = totp.generate(&secret, end);
    let mut presented = presented(end, None);
    let step = totp.step_at(end);
    assert_eq!(
        totp.verify(&secret, &code, presented),
        Verdict::Accepted { step, drift: 0 }
    );
    presented.last_accepted = Some(StepNumber(u64::MAX));
    assert_eq!(
        totp.verify(&secret, &code, presented),
        Verdict::AlreadyUsed { step }
    );
    presented.drift = i32::MAX;
    assert_eq!(totp.verify(&secret, &code, presented), Verdict::Wrong);
    assert_eq!(totp.resynchronise(&secret, (&code, &code), end, u16::MAX), None);
    let late = Totp { t0: end, ..totp };
    presented.drift = i32::MIN;
    assert_eq!(late.verify(&secret, &code, presented), Verdict::Wrong);
}

#[test]
fn last_step_there_is_can_be_used_once() {
    let totp = Totp {
        time_step: countersign_core::time::TimeStep::new(1).expect("1 is not 0"),
        ..Totp::default()
    };
    let secret = SharedSecret::from_bytes(&[7; 20]).expect("20 bytes are a secret");
    let end = UnixSeconds(u64::MAX);
    let (code, step) = (totp.generate(&secret, end), StepNumber(u64::MAX));
    assert_eq!(
        totp.verify(&secret, &code, presented(end, None)),
        Verdict::Accepted { step, drift: 0 }
    );
    assert_eq!(
        totp.verify(&secret, &code, presented(end, Some(step))),
        Verdict::AlreadyUsed { step }
    );
}

#[test]
fn no_step_is_accepted_twice_whatever_is_presented() {
    let mut chance = SeededChance::from_environment_or(6238);
    for _ in 0..20 {
        let mut bytes = [0; 20];
        chance.fill(&mut bytes);
        let secret = SharedSecret::from_bytes(&bytes).expect("20 bytes are a secret");
        let (totp, mut last_accepted, mut now) = (Totp::default(), None, NOW);
        for _ in 0..200 {
            now = now.plus(chance.below(20));
            let shown_at = UnixSeconds(now.0 + chance.below(150) - 75);
            let code = totp.generate(&secret, shown_at);
            let verdict = totp.verify(&secret, &code, presented(now, last_accepted));
            let is_within = totp.step_at(shown_at).0.abs_diff(totp.step_at(now).0) <= 1;
            match verdict {
                Verdict::Accepted { step, drift } => {
                    assert!(last_accepted < Some(step));
                    assert_eq!(
                        totp.step_at(now).0.checked_add_signed(i64::from(drift)),
                        Some(step.0)
                    );
                    last_accepted = Some(step);
                }
                Verdict::AlreadyUsed { step } => assert!(last_accepted >= Some(step)),
                Verdict::Wrong => assert!(!is_within),
                Verdict::ClockNotSet => panic!("the clock is set"),
            }
            let again = totp.verify(&secret, &code, presented(now, last_accepted));
            assert!(
                !matches!(again, Verdict::Accepted { .. }),
                "accepted twice at {now}"
            );
        }
    }
}

fn presented(now: UnixSeconds, last_accepted: Option<StepNumber>) -> Presented {
    Presented {
        now,
        window: AcceptanceWindow { past: 1, future: 1 },
        drift: 0,
        last_accepted,
    }
}
