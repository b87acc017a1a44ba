//! Every parser against the fuzzers' corpus and seeded chance; the parsers' own round trips are the judges.
//!
//! Knows: bytes. Must never know: what a good input looks like, beyond its alphabet.

use countersign_core::bytes::base32;
use countersign_core::otp::{fuzz_code, otpauth};
use countersign_testkit::{SeededChance, workspace_root};

/// A fuzz target as plain code.
struct Target {
    /// Its name, and that of its corpus.
    name: &'static str,
    run: fn(&[u8]),
    /// What leads chance deep into the parser.
    pieces: &'static [&'static str],
}

const TARGETS: [Target; 3] = [
    Target {
        name: "base32",
        run: base32::fuzz,
        pieces: &["A", "z", "2", "7", "MY", "=", "======", " ", "-", "1", "é"],
    },
    Target {
        name: "code",
        run: fuzz_code,
        pieces: &["0", "12", "345", "6789", " ", "-", "\r", "\n", "６", "+"],
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

/// Inputs that chance makes for each parser: half of them from its pieces, half of them noise.
const INPUTS: usize = 20_000;

#[test]
fn corpus_of_each_fuzz_target_round_trips() {
    for Target { name, run, .. } in TARGETS {
        let folder = workspace_root().join("fuzz/corpus").join(name);
        let entries = std::fs::read_dir(&folder).expect("each target has a corpus");
        let inputs: Vec<Vec<u8>> = entries
            .map(|entry| {
                std::fs::read(entry.expect("the folder can be read").path()).expect("the input can be read")
            })
            .collect();
        assert!(inputs.len() >= 5, "the corpus of {name} is nearly empty");
        inputs.iter().for_each(|input| run(input));
    }
}

#[test]
fn chance_breaks_no_parser() {
    let mut chance = SeededChance::from_environment_or(4648);
    for Target { run, pieces, .. } in TARGETS {
        for _ in 0..INPUTS / 2 {
            let mut input = Vec::new();
            for _ in 0..chance.below(16) {
                let piece = usize::try_from(chance.below(pieces.len() as u64)).expect("a small number");
                input.extend_from_slice(pieces[piece].as_bytes());
            }
            run(&input);
            let mut noise = vec![0; input.len()];
            chance.fill(&mut noise);
            run(&noise);
        }
    }
}
