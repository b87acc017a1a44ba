//! Every parser against the fuzzers' corpus and seeded chance; the parsers' own round trips are the judges.
//!
//! Knows: bytes. Must never know: what a good input looks like, beyond its alphabet.

use countersign_core::bytes::{base32, base64};
use countersign_core::otp::{fuzz_code, google_authenticator, migration, ocra, otpauth};
use countersign_testkit::Target;

const TARGETS: [Target; 7] = [
    Target {
        name: "base32",
        run: base32::fuzz,
        pieces: &["A", "z", "2", "7", "MY", "=", "======", " ", "-", "1", "é"],
    },
    Target {
        name: "base64",
        run: base64::fuzz,
        pieces: &[
            "Zg==", "Zm8=", "Zm9v", "-_", "+/", "A", "=", " ", "\r\n", "é", "*",
        ],
    },
    Target {
        name: "google_authenticator",
        run: google_authenticator::fuzz,
        pieces: &[
            "JBSWY3DPEHPK3PXP",
            "\n",
            "\" ",
            "TOTP_AUTH",
            "HOTP_COUNTER ",
            "STEP_SIZE ",
            "TIME_SKEW ",
            "DISALLOW_REUSE ",
            "12345678",
            "-",
            "0",
            "99999999999",
            "é",
        ],
    },
    Target {
        name: "migration",
        run: migration::fuzz,
        pieces: &[
            "otpauth-migration://offline?data=",
            "CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC",
            "CgYKAWESAWEw",
            "AQ",
            "EAEYASAA",
            "//////////8",
            "gICAgICA",
            "%2B",
            "%3D",
            "+",
            " ",
            "&data=",
            "#",
            "é",
        ],
    },
    Target {
        name: "code",
        run: fuzz_code,
        pieces: &["0", "12", "345", "6789", " ", "-", "\r", "\n", "６", "+"],
    },
    Target {
        name: "ocra",
        run: ocra::fuzz,
        pieces: &[
            "OCRA-1:",
            "HOTP-SHA1-6:",
            "HOTP-SHA256-8:",
            "HOTP-SHA512-10:",
            "C-",
            "QN08",
            "QA64",
            "QH10",
            "-PSHA1",
            "-S064",
            "-T1M",
            "-T48H",
            "\n",
            "0",
            "99999999",
            "aF",
            "é",
            "-",
            ":",
        ],
    },
    Target {
        name: "otpauth",
        run: otpauth::fuzz,
        pieces: &[
            "otpauth://totp/",
            "otpauth://hotp/",
            "?secret=MY",
            "&issuer=",
            "&digits=8",
            "&period=",
            "&counter=1",
            "&algorithm=sha256",
            "%3A",
            ":",
            "a",
            "+",
            "%20",
            "=",
            "&",
            "é",
            "0",
            "7",
            "#",
            "%",
        ],
    },
];

/// Inputs that chance makes for each parser.
const INPUTS: usize = 20_000;

#[test]
fn corpus_of_each_fuzz_target_round_trips() {
    TARGETS.iter().for_each(Target::run_corpus);
}

#[test]
fn chance_breaks_no_parser() {
    TARGETS.iter().for_each(|target| target.run_chance(INPUTS));
}
