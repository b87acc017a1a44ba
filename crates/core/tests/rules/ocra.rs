//! Which response belongs to a challenge, and which texts are suites.
//!
//! Knows: the appendix of RFC 6287 and the grammar of its section 6. Must never know: who asks.

use countersign_core::otp::AcceptanceWindow;
use countersign_core::otp::SharedSecret;
use countersign_core::otp::ocra::{Input, InputError, OcraVerdict, Part, Suite, SuiteError};
use countersign_core::time::UnixSeconds;

use crate::vectors::{Case, cases, printed};

const NO_WINDOW: AcceptanceWindow = AcceptanceWindow { past: 0, future: 0 };

fn secret() -> SharedSecret {
    SharedSecret::from_bytes(b"12345678901234567890").expect("20 bytes are a secret")
}

fn suite(text: &str) -> Suite {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn input<'a>(case: &'a Case, pin: &'a [u8]) -> Input<'a> {
    Input {
        counter: case.has("counter").then(|| case.number("counter")),
        question: case.text("question"),
        pin_hash: case.has("pin_hash_hex").then_some(pin),
        session: None,
        now: case.has("at").then(|| UnixSeconds(case.number("at"))),
    }
}

#[test]
fn rfc6287_appendix_c() {
    for case in cases("otp/rfc6287_appendix_c.json", 70) {
        let (suite, secret) = (suite(case.text("suite")), case.secret());
        let pin = if case.has("pin_hash_hex") {
            case.bytes("pin_hash_hex")
        } else {
            Vec::new()
        };
        let input = input(&case, &pin);
        let response = suite.respond(&secret, &input).expect("the input fits");
        assert_eq!(&*printed(response), case.text("code"), "{case}");
        assert_eq!(&*printed(suite), case.text("suite"));
        let verdict = suite.verify(&secret, &input, NO_WINDOW, case.text("code"));
        assert_eq!(verdict, Ok(OcraVerdict::Accepted), "{case}");
        let verdict = suite.verify(
            &secret,
            &input,
            NO_WINDOW,
            "0".repeat(usize::from(suite.digits())).as_str(),
        );
        assert_eq!(verdict, Ok(OcraVerdict::Wrong), "{case}");
    }
}

#[test]
fn suite_has_one_spelling_and_every_part_its_bounds() {
    for text in [
        "OCRA-1:HOTP-SHA1-4:QA04",
        "OCRA-1:HOTP-SHA512-10:C-QH64-PSHA512-S512-T48H",
        "OCRA-1:HOTP-SHA256-8:QN08-T59S",
        "OCRA-1:HOTP-SHA256-8:QN08-S001",
    ] {
        assert_eq!(&*printed(suite(text)), text);
    }
    for (text, why) in [
        ("", SuiteError::Version),
        ("OCRA-2:HOTP-SHA1-6:QN08", SuiteError::Version),
        ("ocra-1:HOTP-SHA1-6:QN08", SuiteError::Version),
        ("OCRA-1:HOTP-SHA1-6", SuiteError::Function),
        ("OCRA-1:HOTP-SHA1-0:QN08", SuiteError::Function),
        ("OCRA-1:HOTP-SHA1-3:QN08", SuiteError::Function),
        ("OCRA-1:HOTP-SHA1-11:QN08", SuiteError::Function),
        ("OCRA-1:HOTP-MD5-6:QN08", SuiteError::Function),
        ("OCRA-1:HOTP-sha1-6:QN08", SuiteError::Function),
        ("OCRA-1:TOTP-SHA1-6:QN08", SuiteError::Function),
        ("OCRA-1:HOTP-SHA1-06:QN08", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:C", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN8", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN03", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN65", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QX08", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:Q\u{e9}08", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-C", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-PMD5", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-S64", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-S000", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-S513", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T0M", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T01M", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T60M", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T49H", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T1", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T1M-S064", SuiteError::Input),
        ("OCRA-1:HOTP-SHA1-6:QN08-T1M ", SuiteError::Input),
    ] {
        assert_eq!(text.parse::<Suite>(), Err(why), "{text}");
    }
}

#[test]
fn input_covers_exactly_what_the_suite_says() {
    let all = suite("OCRA-1:HOTP-SHA1-6:C-QN08-PSHA1-S064-T1M");
    let (hash, session) = ([7; 20], [1; 64]);
    let whole = Input {
        counter: Some(1),
        question: "12345678",
        pin_hash: Some(&hash),
        session: Some(&session),
        now: Some(UnixSeconds(60)),
    };
    assert!(all.respond(&secret(), &whole).is_ok());
    let bare = suite("OCRA-1:HOTP-SHA1-6:QN08");
    let nothing = Input {
        question: "12345678",
        ..Input::default()
    };
    assert!(bare.respond(&secret(), &nothing).is_ok());
    for (part, without, beside) in [
        (
            Part::Counter,
            Input {
                counter: None,
                ..whole
            },
            Input {
                counter: Some(1),
                ..nothing
            },
        ),
        (
            Part::Pin,
            Input {
                pin_hash: None,
                ..whole
            },
            Input {
                pin_hash: Some(&hash),
                ..nothing
            },
        ),
        (
            Part::Session,
            Input {
                session: None,
                ..whole
            },
            Input {
                session: Some(&session),
                ..nothing
            },
        ),
        (
            Part::Time,
            Input { now: None, ..whole },
            Input {
                now: Some(UnixSeconds(60)),
                ..nothing
            },
        ),
    ] {
        let why = Some(InputError::Uncovered(part));
        assert_eq!(all.respond(&secret(), &without).err(), why);
        assert_eq!(bare.respond(&secret(), &beside).err(), why);
    }
    let short_hash = Input {
        pin_hash: Some(&hash[1..]),
        ..whole
    };
    assert_eq!(all.respond(&secret(), &short_hash).err(), Some(InputError::Pin));
    let long = Input {
        session: Some(&[1; 65]),
        ..whole
    };
    assert_eq!(all.respond(&secret(), &long).err(), Some(InputError::Session));
}

#[test]
fn every_part_that_is_covered_changes_the_response() {
    let all = suite("OCRA-1:HOTP-SHA512-10:C-QA08-PSHA1-S064-T1M");
    let (hash, session) = ([7; 20], [1; 64]);
    let whole = Input {
        counter: Some(1),
        question: "pay250EU",
        pin_hash: Some(&hash),
        session: Some(&session),
        now: Some(UnixSeconds(600)),
    };
    let respond = |input: &Input<'_>| printed(all.respond(&secret(), input).expect("it fits")).to_owned();
    let response = respond(&whole);
    assert_eq!(response.len(), 10);
    for changed in [
        Input {
            counter: Some(2),
            ..whole
        },
        Input {
            question: "pay251EU",
            ..whole
        },
        Input {
            pin_hash: Some(&[8; 20]),
            ..whole
        },
        Input {
            session: Some(&[2; 64]),
            ..whole
        },
        Input {
            now: Some(UnixSeconds(660)),
            ..whole
        },
    ] {
        assert_ne!(respond(&changed), response, "{changed:?}");
    }
    let same_minute = Input {
        now: Some(UnixSeconds(659)),
        ..whole
    };
    assert_eq!(respond(&same_minute), response);
    let shorter = Input {
        session: Some(&[1; 63]),
        ..whole
    };
    let filled: Vec<u8> = std::iter::once(0).chain([1; 63]).collect();
    assert_eq!(
        respond(&shorter),
        respond(&Input {
            session: Some(&filled),
            ..whole
        })
    );
}

#[test]
fn question_is_of_its_alphabet_and_a_number_is_the_same_in_every_spelling() {
    let respond = |suite_text: &str, question: &str| {
        let input = Input {
            question,
            ..Input::default()
        };
        let response = suite(suite_text).respond(&secret(), &input);
        response.map(|response| printed(response).to_owned())
    };
    for (alphabet, good, bad) in [
        (
            "QN08",
            "12345678",
            ["", "1234567a", "12345678901234567", "\u{661}234"],
        ),
        ("QH08", "0aF9", ["", "xyz", "0123456789abcdef0", "0 "]),
        ("QA08", "aZ09", ["", "a b", "01234567890123456", "\u{e9}"]),
    ] {
        let text = format!("OCRA-1:HOTP-SHA1-6:{alphabet}");
        assert!(respond(&text, good).is_ok(), "{alphabet}");
        for question in bad {
            assert_eq!(
                respond(&text, question),
                Err(InputError::Question),
                "{alphabet} {question:?}"
            );
        }
    }
    let number = "OCRA-1:HOTP-SHA1-6:QN64";
    assert_eq!(respond(number, "17"), respond(number, "0017"));
    assert_eq!(respond(number, "17"), respond("OCRA-1:HOTP-SHA1-6:QN64", "17"));
    let most = "9".repeat(128);
    assert!(respond(number, &most).is_ok(), "two challenges of 64 digits");
    assert_ne!(respond(number, &most), respond(number, &most[1..]));
}

#[test]
fn response_is_judged_in_a_window_of_time_steps_where_the_time_is_covered() {
    let suite = suite("OCRA-1:HOTP-SHA256-8:QN08-T1M");
    let at = |seconds| Input {
        question: "12345678",
        now: Some(UnixSeconds(seconds)),
        ..Input::default()
    };
    let response = printed(suite.respond(&secret(), &at(600)).expect("it fits")).to_owned();
    let one_each_way = AcceptanceWindow { past: 1, future: 1 };
    for (seconds, expected) in [
        (480, OcraVerdict::Wrong),
        (540, OcraVerdict::Accepted),
        (659, OcraVerdict::Accepted),
        (719, OcraVerdict::Accepted),
        (720, OcraVerdict::Wrong),
    ] {
        let verdict = suite.verify(&secret(), &at(seconds), one_each_way, &response);
        assert_eq!(verdict, Ok(expected), "{seconds}");
    }
    let first = suite.verify(&secret(), &at(0), one_each_way, &response);
    assert_eq!(first, Ok(OcraVerdict::Wrong), "1970 neither wraps nor panics");
    for malformed in [
        "",
        "1234567",
        "123456789",
        "1234567a",
        "\u{661}2345678",
        "+1234567",
    ] {
        let verdict = suite.verify(&secret(), &at(600), one_each_way, malformed);
        assert_eq!(verdict, Ok(OcraVerdict::Malformed), "{malformed:?}");
    }
}
