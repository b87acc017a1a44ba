//! Histories made by hand, good and bad, and the proof that looking at the telling operations alone loses nothing.

use countersign_model::history::{Fault, History, Operation, Outcome, is_linearizable, telling};
use countersign_model::once::Op;

/// A history of one object: kind, invoked, returned, outcome.
fn lines(told: &[(&str, u64, u64, &str)]) -> String {
    let line = |(kind, invoked, returned, outcome): &(&str, u64, u64, &str)| {
        let when = format!(r#""invoked":{invoked},"returned":{returned}"#);
        format!(r#"{{"node":1,"kind":"{kind}","object":"it",{when},"outcome":"{outcome}"}}"#)
    };
    told.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn is_sound(told: &[(&str, u64, u64, &str)]) -> bool {
    let history = History::parse(&lines(told)).expect("the lines are operations");
    match history.check() {
        Ok(extent) => {
            assert_eq!(extent.operations, told.len());
            true
        }
        Err(Fault::Object { name, operations }) => {
            assert_eq!((name.as_str(), operations.is_empty()), ("it", false));
            false
        }
        Err(other) => panic!("{other}"),
    }
}

const CODE: &str = "present_code";
const USE: &str = "use_session";
const REVOKE: &str = "revoke_session";

#[test]
fn good_histories_are_explained() {
    let good: [&[(&str, u64, u64, &str)]; 7] = [
        &[
            (CODE, 0, 9, "accepted"),
            (CODE, 1, 8, "refused"),
            (CODE, 2, 12, "refused"),
        ],
        // Refused before the acceptance returned, though begun after it.
        &[(CODE, 0, 20, "accepted"), (CODE, 5, 9, "refused")],
        // Whoever got no answer used it up.
        &[(CODE, 0, 5, "unknown"), (CODE, 9, 12, "refused")],
        // Whoever got no answer did not.
        &[
            (CODE, 0, 5, "unknown"),
            (CODE, 9, 12, "accepted"),
            (CODE, 13, 14, "refused"),
        ],
        &[
            (USE, 0, 3, "accepted"),
            (REVOKE, 4, 8, "accepted"),
            (USE, 5, 7, "accepted"),
            (USE, 9, 11, "refused"),
        ],
        &[
            (REVOKE, 0, 4, "unknown"),
            (USE, 5, 6, "accepted"),
            (USE, 8, 9, "refused"),
        ],
        &[(REVOKE, 0, 4, "accepted"), (REVOKE, 2, 6, "refused")],
    ];
    for told in good {
        assert!(is_sound(told), "{told:?}");
    }
}

#[test]
fn bad_histories_are_found() {
    let bad: [(&str, &[(&str, u64, u64, &str)]); 8] = [
        (
            "accepted twice",
            &[(CODE, 0, 9, "accepted"), (CODE, 1, 8, "accepted")],
        ),
        (
            "accepted again long after",
            &[(CODE, 0, 3, "accepted"), (CODE, 900, 903, "accepted")],
        ),
        (
            "refused before anybody presented it",
            &[(CODE, 0, 3, "refused"), (CODE, 4, 6, "accepted")],
        ),
        ("refused, and nobody used it", &[(CODE, 0, 3, "refused")]),
        (
            "used after its revocation",
            &[(REVOKE, 0, 3, "accepted"), (USE, 4, 5, "accepted")],
        ),
        (
            "alive again",
            &[
                (REVOKE, 0, 9, "unknown"),
                (USE, 1, 2, "refused"),
                (USE, 3, 4, "accepted"),
            ],
        ),
        (
            "over without a revocation",
            &[(USE, 0, 1, "accepted"), (USE, 2, 3, "refused")],
        ),
        (
            "revoked twice",
            &[(REVOKE, 0, 3, "accepted"), (REVOKE, 1, 4, "accepted")],
        ),
    ];
    for (why, told) in bad {
        assert!(!is_sound(told), "{why}");
    }
}

#[test]
fn lines_that_are_no_operations_are_named() {
    assert_eq!(History::parse("").err(), Some(Fault::Empty));
    let broken = format!("{}\n{{}}", lines(&[(CODE, 0, 1, "accepted")]));
    assert!(matches!(
        History::parse(&broken),
        Err(Fault::Line { number: 2, .. })
    ));
    let backwards = History::parse(&lines(&[(CODE, 2, 1, "accepted")]));
    assert!(matches!(backwards, Err(Fault::Line { number: 1, .. })));
}

/// Numbers that look like chance and are the same every time (Knuth's constants for a linear congruence).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn telling_operations_tell_all() {
    let mut numbers = Numbers(1);
    let mut verdicts = [0_u32; 2];
    for _ in 0..20_000 {
        let kinds = [[Op::PresentCode; 2], [Op::UseSession, Op::RevokeSession]];
        let kinds = if numbers.below(2) == 0 { kinds[0] } else { kinds[1] };
        let count = 1 + numbers.below(6);
        let mut one = || {
            let invoked = numbers.below(20);
            Operation {
                node: 0,
                kind: if numbers.below(2) == 0 { kinds[0] } else { kinds[1] },
                object: "it".to_owned(),
                invoked,
                returned: invoked + numbers.below(12),
                outcome: match numbers.below(5) {
                    0 | 1 => Outcome::Accepted,
                    2 | 3 => Outcome::Refused,
                    _ => Outcome::Unknown,
                },
            }
        };
        let whole: Vec<Operation> = (0..count).map(|_| one()).collect();
        let verdict = is_linearizable(&whole);
        assert_eq!(is_linearizable(&telling(&whole)), verdict, "{whole:?}");
        verdicts[usize::from(verdict)] += 1;
    }
    assert!(
        verdicts.iter().all(|count| *count > 1_000),
        "both verdicts are met: {verdicts:?}"
    );
}
