//! Tokens that were seeded elsewhere: taken over whole or not at all, used once, found again by two codes, and what
//! is learned of their clocks.

use countersign_auth::command::SignedIn;
use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::{Denied, Remove};
use countersign_auth::command::import::{Import, Imported, NotImported, Seed, Taken};
use countersign_auth::command::operator::{Action, Manage};
use countersign_auth::command::resynchronise::Resynchronise;
use countersign_auth::credential::Credential;
use countersign_auth::event::{Act, Reason};
use countersign_auth::name::Name;
use countersign_auth::policy::Acceptance;
use countersign_auth::record::{Key, NoticeKind, Record};
use countersign_auth::rule::Change;
use countersign_core::otp::otpauth::Parameters;
use countersign_core::otp::{Algorithm, Counter, Hotp, SecretStrength, SharedSecret, Totp};
use countersign_core::time::{StepNumber, TimeStep, UnixSeconds};
use zeroize::Zeroizing;

use crate::world::{HOME, Installation, Person, asker, code, granted, name, origin, signed_in};

const KEY: &[u8] = b"a token's own twenty bytes";

fn secret(fill: u8) -> SharedSecret {
    let bytes: Vec<u8> = KEY.iter().map(|byte| byte ^ fill).collect();
    SharedSecret::from_bytes(&bytes).expect("26 bytes are a secret")
}

fn seed(fill: u8, parameters: Parameters) -> Seed {
    Seed {
        label: "token".into(),
        secret: secret(fill),
        parameters,
        drift: 0,
        last_accepted: None,
    }
}

fn hotp(fill: u8, counter: u64) -> Seed {
    seed(fill, Parameters::Hotp(Hotp::default(), Counter(counter)))
}

fn totp(fill: u8) -> Seed {
    seed(fill, Parameters::Totp(Totp::default()))
}

fn import(who: &str, seeds: Vec<Seed>) -> Import {
    Import {
        name: name(who),
        add: false,
        seeds,
        again: false,
        dry_run: false,
        origin: origin("operator"),
    }
}

fn shown(fill: u8, counter: u64) -> String {
    Hotp::default()
        .generate(&secret(fill), Counter(counter))
        .to_string()
}

/// Bob with a password, and what was imported for him.
fn with(seeds: Vec<Seed>) -> (Installation, Name, Imported) {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let imported = granted(installation.submit(&import("bob", seeds)));
    (installation, bob, imported)
}

fn presented(installation: &mut Installation, bob: &Name, code: &str) -> Verified {
    let challenge = installation.challenge(bob, &origin(HOME));
    installation.verify(&challenge, code, &origin(HOME))
}

fn session(installation: &mut Installation, bob: &Name, code: &str) -> SignedIn {
    signed_in(presented(installation, bob, code))
}

fn factor(installation: &Installation, bob: &Name) -> String {
    let mut factors = installation.account(bob).factors.iter();
    factors
        .find(|factor| !factor.is_backup())
        .expect("it was imported")
        .id
        .clone()
}

fn resynchronise(
    installation: &mut Installation,
    session: &SignedIn,
    first: &str,
    second: &str,
) -> Result<(), Denied> {
    let rule = Resynchronise {
        asker: asker(session, ""),
        factor: factor(installation, &session.name),
        codes: (Zeroizing::new(first.into()), Zeroizing::new(second.into())),
    };
    installation.submit(&rule)
}

fn next(installation: &Installation, bob: &Name) -> Counter {
    let mut factors = installation.account(bob).factors.iter();
    let next = factors.find_map(|factor| match &factor.credential {
        Credential::Hotp(hotp) => Some(hotp.next),
        _ => None,
    });
    next.expect("there is a counter-based factor")
}

fn drift(installation: &Installation, bob: &Name) -> i32 {
    let mut factors = installation.account(bob).factors.iter();
    let drift = factors.find_map(|factor| match &factor.credential {
        Credential::Totp(totp) => Some(totp.drift),
        _ => None,
    });
    drift.expect("there is a time-based factor")
}

#[test]
fn counter_based_code_signs_in_once_and_uses_up_all_before_it() {
    let (mut installation, bob, _) = with(vec![hotp(0, 7)]);
    session(&mut installation, &bob, &shown(0, 7));
    assert_eq!(next(&installation, &bob), Counter(8));
    assert_eq!(
        presented(&mut installation, &bob, &shown(0, 7)),
        Verified::Refused
    );
    session(&mut installation, &bob, &shown(0, 18));
    for used in [7, 8, 17, 18] {
        installation.pass(600);
        assert_eq!(
            presented(&mut installation, &bob, &shown(0, used)),
            Verified::Refused
        );
    }
    assert_eq!(next(&installation, &bob), Counter(19));
}

#[test]
fn counter_beyond_the_look_ahead_is_refused_whatever_the_policy_says_it_is() {
    for look_ahead in [0, 3, 10] {
        let (mut installation, bob, _) = with(vec![hotp(0, 0)]);
        installation.policy.look_ahead = look_ahead;
        let beyond = shown(0, u64::from(look_ahead) + 1);
        assert_eq!(presented(&mut installation, &bob, &beyond), Verified::Refused);
        session(&mut installation, &bob, &shown(0, look_ahead.into()));
    }
}

#[test]
fn code_of_the_last_counter_is_none() {
    let (mut installation, bob, _) = with(vec![hotp(0, u64::MAX - 1)]);
    let last = shown(0, u64::MAX);
    assert_eq!(presented(&mut installation, &bob, &last), Verified::Refused);
    session(&mut installation, &bob, &shown(0, u64::MAX - 1));
    assert_eq!(presented(&mut installation, &bob, &last), Verified::Refused);
    assert_eq!(next(&installation, &bob), Counter(u64::MAX));
}

#[test]
fn token_pressed_too_often_is_found_by_two_consecutive_codes_and_both_are_used_up() {
    let (mut installation, bob, imported) = with(vec![hotp(0, 0)]);
    let backup = imported.backup_codes[0].clone();
    assert_eq!(
        presented(&mut installation, &bob, &shown(0, 500)),
        Verified::Refused
    );
    let session = session(&mut installation, &bob, &backup);
    let refused = [(500, 500), (500, 502), (501, 500), (1001, 1002)];
    for (first, second) in refused {
        let answer = resynchronise(&mut installation, &session, &shown(0, first), &shown(0, second));
        assert_eq!(answer, Err(Denied::Refused), "{first} and {second}");
        installation.pass(301);
    }
    assert_eq!(next(&installation, &bob), Counter(0));
    assert_eq!(
        resynchronise(&mut installation, &session, &shown(0, 500), &shown(0, 501)),
        Ok(())
    );
    assert_eq!(next(&installation, &bob), Counter(502));
    let again = resynchronise(&mut installation, &session, &shown(0, 500), &shown(0, 501));
    assert_eq!(again, Err(Denied::Refused));
    assert_eq!(
        presented(&mut installation, &bob, &shown(0, 501)),
        Verified::Refused
    );
    signed_in(presented(&mut installation, &bob, &shown(0, 502)));
    assert_eq!(installation.audited(Act::FactorResynchronise, None), 1);
    assert_eq!(
        installation.audited(Act::FactorResynchronise, Some(Reason::WrongCode)),
        5
    );
}

#[test]
fn owner_is_told_of_a_resynchronisation_and_of_no_refused_one() {
    let (mut installation, bob, imported) = with(vec![hotp(0, 0)]);
    let session = session(&mut installation, &bob, &imported.backup_codes[0].clone());
    for (first, second, is_found, told) in [(1, 1, false, 0), (20, 21, true, 1), (20, 21, false, 1)] {
        let answer = resynchronise(&mut installation, &session, &shown(0, first), &shown(0, second));
        assert_eq!(answer.is_ok(), is_found, "{first} and {second}");
        let kinds = installation.notices(&bob);
        let of_it = kinds
            .iter()
            .filter(|kind| **kind == NoticeKind::FactorResynchronised);
        assert_eq!(of_it.count(), told, "after {first} and {second}");
    }
}

#[test]
fn pairs_are_throttled_as_guesses_and_a_stranger_s_session_finds_nothing() {
    let (mut installation, bob, imported) = with(vec![hotp(0, 0)]);
    let mine = session(&mut installation, &bob, &imported.backup_codes[0].clone());
    let malformed = resynchronise(&mut installation, &mine, "12345", "123456");
    assert_eq!(malformed, Err(Denied::Malformed));
    for _ in 0..5 {
        let wrong = resynchronise(&mut installation, &mine, &shown(1, 1), &shown(1, 2));
        assert_eq!(wrong, Err(Denied::Refused));
    }
    let right = resynchronise(&mut installation, &mine, &shown(0, 1), &shown(0, 2));
    assert!(matches!(right, Err(Denied::Throttled { .. })), "{right:?}");
    installation.pass(301);
    let alice = installation.person("alice");
    let hers = installation.sign_in(&alice, &origin(HOME));
    let rule = Resynchronise {
        asker: asker(&hers, ""),
        factor: factor(&installation, &bob),
        codes: (shown(0, 1).into(), shown(0, 2).into()),
    };
    assert_eq!(installation.submit(&rule), Err(Denied::NoFactor));
    assert_eq!(
        resynchronise(&mut installation, &mine, &shown(0, 1), &shown(0, 2)),
        Ok(())
    );
    let backup = installation
        .account(&bob)
        .factors
        .iter()
        .find(|factor| factor.is_backup());
    let rule = Resynchronise {
        asker: asker(&mine, ""),
        factor: backup.expect("he has backup codes").id.clone(),
        codes: (shown(0, 3).into(), shown(0, 4).into()),
    };
    assert_eq!(installation.submit(&rule), Err(Denied::NoFactor));
}

#[test]
fn clock_astray_is_found_by_two_codes_neither_of_which_was_used() {
    for (off, found) in [
        (-121_i64, false),
        (-60, true),
        (60, true),
        (119, true),
        (121, false),
    ] {
        let (mut installation, bob, imported) = with(vec![totp(0)]);
        let backup = imported.backup_codes[0].clone();
        let session = session(&mut installation, &bob, &backup);
        let now = installation.now;
        let pair = [off, off + 1].map(|steps| code(&secret(0), now, steps));
        let answer = resynchronise(&mut installation, &session, &pair[0], &pair[1]);
        assert_eq!(answer.is_ok(), found, "{off}");
        let learned = i32::try_from(off + 1).expect("a small number");
        assert_eq!(drift(&installation, &bob), if found { learned } else { 0 });
        if found {
            assert_eq!(
                resynchronise(&mut installation, &session, &pair[0], &pair[1]),
                Err(Denied::Refused)
            );
            let following = code(&secret(0), now, off + 2);
            let overlapping = resynchronise(&mut installation, &session, &pair[1], &following);
            assert_eq!(overlapping, Err(Denied::Refused), "the first of them is used up");
            assert_eq!(presented(&mut installation, &bob, &pair[1]), Verified::Refused);
            signed_in(presented(&mut installation, &bob, &following));
        }
    }
}

/// Bob with a time-based token, of which codes so many steps off are presented one after the other.
fn after(acceptance: Acceptance, offs: &[i64]) -> (Installation, Name, Vec<bool>) {
    let (mut installation, bob, _) = with(vec![totp(0)]);
    installation.policy.acceptance = acceptance;
    let accepted = offs.iter().map(|off| {
        installation.pass(900);
        let code = code(&secret(0), installation.now, *off);
        matches!(presented(&mut installation, &bob, &code), Verified::SignedIn(_))
    });
    let accepted = accepted.collect();
    (installation, bob, accepted)
}

#[test]
fn drift_is_learned_at_acceptance_where_the_policy_says_so_and_no_further_than_its_bound() {
    let (installation, bob, accepted) = after(Acceptance::Window, &[1, 2, 3]);
    assert_eq!(
        (accepted, drift(&installation, &bob)),
        (vec![true, false, false], 0)
    );
    let offs: Vec<i64> = (1..=12).collect();
    let (installation, bob, accepted) = after(Acceptance::Learned, &offs);
    // The eleventh lies in the window around the tenth, yet teaches nothing more.
    assert_eq!(accepted, [[true; 11].as_slice(), &[false]].concat());
    assert_eq!(drift(&installation, &bob), 10);
    let (installation, bob, accepted) = after(Acceptance::Learned, &[-1, -2, -1, 0]);
    assert_eq!((accepted, drift(&installation, &bob)), (vec![true; 4], 0));
}

#[test]
fn used_step_is_never_accepted_again_whatever_was_learned_since() {
    let (mut installation, bob, _) = with(vec![totp(0)]);
    installation.policy.acceptance = Acceptance::Learned;
    let now = installation.now;
    let codes: Vec<String> = (-1..=4).map(|steps| code(&secret(0), now, steps)).collect();
    let mut used = Vec::new();
    for ahead in [2, 3] {
        session(&mut installation, &bob, &codes[ahead]);
        used.push(&codes[ahead]);
        for known in &used {
            let again = presented(&mut installation, &bob, known);
            assert_eq!(again, Verified::Refused);
        }
        for older in &codes[..ahead] {
            assert_eq!(presented(&mut installation, &bob, older), Verified::Refused);
        }
        installation
            .records
            .retain(|key, _| !matches!(key, Key::Bucket(_)));
    }
}

#[test]
fn strict_profile_accepts_the_current_step_alone_and_two_where_a_drift_was_learned() {
    for off in [-2_i64, -1, 1, 2] {
        assert_eq!(after(Acceptance::Strict, &[off]).2, [false], "{off}");
    }
    assert_eq!(after(Acceptance::Strict, &[0, 0]).2, [true, true]);
    for (learned, accepted) in [
        (-3, [-3_i64, -2]),
        (-1, [-1, 0]),
        (0, [0, 0]),
        (1, [0, 1]),
        (3, [2, 3]),
    ] {
        for off in -5_i64..=5 {
            let (mut installation, bob, _) = with(vec![Seed {
                drift: learned,
                ..totp(0)
            }]);
            installation.policy.acceptance = Acceptance::Strict;
            let code = code(&secret(0), installation.now, off);
            let answer = presented(&mut installation, &bob, &code);
            let is_in = matches!(answer, Verified::SignedIn(_));
            assert_eq!(is_in, accepted.contains(&off), "{off} with {learned} learned");
            assert_eq!(drift(&installation, &bob), learned);
        }
    }
}

#[test]
fn account_takes_over_everything_or_nothing() {
    let sample = Seed {
        secret: SharedSecret::from_base32("JBSWY3DPEHPK3PXP").expect("Base32"),
        ..totp(0)
    };
    let short = Seed {
        secret: SharedSecret::from_bytes(b"ninebytes").expect("nine bytes"),
        ..totp(0)
    };
    let with_step = |seconds| {
        let time_step = TimeStep::new(seconds).expect("it is not 0");
        seed(
            0,
            Parameters::Totp(Totp {
                time_step,
                ..Totp::default()
            }),
        )
    };
    let far = Seed {
        drift: -121,
        ..totp(0)
    };
    let refusals = [
        (
            sample,
            NotImported::Secret {
                at: 1,
                strength: SecretStrength::Sample,
            },
        ),
        (
            short,
            NotImported::Secret {
                at: 1,
                strength: SecretStrength::Short,
            },
        ),
        (with_step(14), NotImported::TimeStep { at: 1 }),
        (with_step(121), NotImported::TimeStep { at: 1 }),
        (far, NotImported::Drift { at: 1 }),
    ];
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    for (seed, expected) in refusals {
        let before = installation.records.clone();
        let refused = installation.submit(&import("bob", vec![hotp(9, 0), seed]));
        assert_eq!(refused.err(), Some(expected));
        assert_eq!(installation.records, before);
    }
    let many = (0..16).map(|fill| totp(fill + 1)).collect();
    assert_eq!(
        installation.submit(&import("bob", many)).err(),
        Some(NotImported::TooMany)
    );
    let fifteen = (0..15).map(|fill| totp(fill + 1)).collect();
    granted(installation.submit(&import("bob", fifteen)));
    assert_eq!(installation.account(&bob).factors.len(), 16);
    assert_eq!(installation.audited(Act::FactorImport, None), 15);
}

#[test]
fn import_says_what_exists_and_changes_nothing_when_it_is_run_again() {
    let (mut installation, bob, first) = with(vec![totp(0), totp(0)]);
    assert_eq!(
        first.taken,
        [Taken::Added, Taken::Exists],
        "the same secret twice is one factor"
    );
    assert_eq!((first.with_backup_codes, first.backup_codes.len()), (true, 10));
    assert!(installation.notices(&bob).contains(&NoticeKind::FactorAdded));
    let weak = Seed {
        secret: SharedSecret::from_bytes(b"ten bytes!").expect("ten bytes"),
        ..totp(0)
    };
    let before = installation.records.clone();
    let again = granted(installation.submit(&import("bob", vec![totp(0)])));
    assert_eq!(
        (again.taken, again.with_backup_codes),
        (vec![Taken::Exists], false)
    );
    assert_eq!(installation.records, before);
    let more = granted(installation.submit(&import("bob", vec![totp(0), weak])));
    assert_eq!(more.taken, [Taken::Exists, Taken::AddedWeak]);
    assert!(more.backup_codes.is_empty(), "he has some already");
}

#[test]
fn dry_run_tells_what_would_happen_and_changes_nothing() {
    let mut installation = Installation::new();
    installation.newcomer("bob");
    let before = installation.records.clone();
    let dry = |who: &str, add| Import {
        dry_run: true,
        add,
        ..import(who, vec![totp(0), hotp(1, 3)])
    };
    let told = granted(installation.submit(&dry("bob", false)));
    assert_eq!(told.taken, [Taken::Added; 2]);
    assert_eq!((told.account_added, told.with_backup_codes), (false, true));
    assert!(told.backup_codes.is_empty());
    assert_eq!(
        installation.submit(&dry("carol", false)).err(),
        Some(NotImported::NoAccount)
    );
    assert!(granted(installation.submit(&dry("carol", true))).account_added);
    assert_eq!(installation.records, before);
    assert_eq!(installation.audited(Act::FactorImport, None), 0);
}

#[test]
fn account_that_import_added_has_no_password_and_its_first_factor_ends_what_was_open() {
    let mut installation = Installation::new();
    let added = Import {
        add: true,
        ..import("carol", vec![totp(0)])
    };
    assert!(granted(installation.submit(&added)).account_added);
    assert!(installation.account(&name("carol")).password.is_none());
    assert_eq!(installation.audited(Act::AccountAdd, None), 1);
    let bob = installation.newcomer("bob");
    installation.first_session(&bob, &origin(HOME));
    granted(installation.submit(&import("bob", vec![totp(1)])));
    assert!(installation.account(&bob).sessions.is_empty());
    installation.challenge(&bob, &origin(HOME));
}

#[test]
fn code_that_the_other_system_accepted_is_used_here_too() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let step = Totp::default().step_at(installation.now);
    let seeds = vec![Seed {
        last_accepted: Some(step),
        ..totp(0)
    }];
    granted(installation.submit(&import("bob", seeds)));
    let now = code(&secret(0), installation.now, 0);
    assert_eq!(presented(&mut installation, &bob, &now), Verified::Refused);
    let later = code(&secret(0), installation.now, 1);
    signed_in(presented(&mut installation, &bob, &later));
    assert_ne!(step, StepNumber(0));
}

#[test]
fn imported_secrets_are_not_printed_for_debugging() {
    let (_, _, imported) = with(vec![totp(0)]);
    let text = format!("{imported:?} {:?}", import("bob", vec![totp(0)]));
    let person = Person {
        name: name("bob"),
        secret: secret(0),
        backup_codes: imported.backup_codes,
    };
    assert!(!text.contains(person.backup_codes[0].as_str()));
    assert!(!text.contains(&*person.secret.to_base32()));
}

#[test]
fn secret_that_zero_bytes_alone_tell_apart_is_the_same() {
    let padded = |zeroes: usize| {
        let bytes = [secret(0).expose(), &vec![0; zeroes]].concat();
        Seed {
            secret: SharedSecret::from_bytes(&bytes).expect("a secret"),
            ..hotp(0, 0)
        }
    };
    let (mut installation, _, first) = with(vec![padded(1), padded(0), padded(7)]);
    assert_eq!(first.taken, [Taken::Added, Taken::Exists, Taken::Exists]);
    for zeroes in [0, 1, 30] {
        let again = granted(installation.submit(&import("bob", vec![padded(zeroes)])));
        assert_eq!(again.taken, [Taken::Exists], "{zeroes}");
    }
}

#[test]
fn secret_that_hmac_would_hash_first_is_refused() {
    for (algorithm, len, is_taken) in [
        (Algorithm::Sha1, 64, true),
        (Algorithm::Sha1, 65, false),
        (Algorithm::Sha256, 65, false),
        (Algorithm::Sha512, 128, true),
    ] {
        let bytes: Vec<u8> = (1..=len).collect();
        let long = Seed {
            secret: SharedSecret::from_bytes(&bytes).expect("a secret"),
            ..seed(
                0,
                Parameters::Totp(Totp {
                    algorithm,
                    ..Totp::default()
                }),
            )
        };
        let mut installation = Installation::new();
        installation.newcomer("bob");
        let answer = installation.submit(&import("bob", vec![long]));
        assert_eq!(
            answer.is_ok(),
            is_taken,
            "{algorithm} with {len} bytes: {answer:?}"
        );
    }
}

#[test]
fn accepted_step_that_lies_beyond_all_that_can_be_accepted_is_refused() {
    let mut installation = Installation::new();
    installation.newcomer("bob");
    let current = Totp::default().step_at(installation.now).0;
    let with_last = |step| Seed {
        last_accepted: Some(StepNumber(step)),
        ..totp(0)
    };
    for beyond in [current + 121, u64::MAX] {
        let answer = installation.submit(&import("bob", vec![with_last(beyond)]));
        assert_eq!(answer.err(), Some(NotImported::LastAccepted { at: 0 }));
    }
    granted(installation.submit(&import("bob", vec![with_last(current + 120)])));
}

#[test]
fn pair_that_was_used_is_charged_and_leaves_the_account_as_it_is() {
    let (mut installation, bob, imported) = with(vec![totp(0)]);
    let mine = session(&mut installation, &bob, &imported.backup_codes[0].clone());
    let now = installation.now;
    let pair = [3, 4].map(|steps| code(&secret(0), now, steps));
    assert_eq!(
        resynchronise(&mut installation, &mine, &pair[0], &pair[1]),
        Ok(())
    );
    for _ in 0..5 {
        let rule = Resynchronise {
            asker: asker(&mine, ""),
            factor: factor(&installation, &bob),
            codes: (pair[0].clone().into(), pair[1].clone().into()),
        };
        let (decision, _) = installation.decide(&rule).expect("every secret opens");
        let is_account = |change: &Change| matches!(change, Change::Put(Key::Account(_), _));
        assert!(
            !decision.changes.iter().any(is_account),
            "nothing of it was written"
        );
        assert_eq!(installation.submit(&rule), Err(Denied::Refused));
    }
    let used = resynchronise(&mut installation, &mine, &pair[0], &pair[1]);
    assert!(matches!(used, Err(Denied::Throttled { .. })), "{used:?}");
    assert_eq!(
        installation.audited(Act::FactorResynchronise, Some(Reason::CodeAlreadyUsed)),
        5
    );
}

#[test]
fn wrong_pairs_of_a_time_based_token_are_throttled_too() {
    let (mut installation, bob, imported) = with(vec![totp(0)]);
    let mine = session(&mut installation, &bob, &imported.backup_codes[0].clone());
    let now = installation.now;
    let pair = |fill| [3, 4].map(|steps| code(&secret(fill), now, steps));
    for _ in 0..5 {
        let [first, second] = pair(1);
        let wrong = resynchronise(&mut installation, &mine, &first, &second);
        assert_eq!(wrong, Err(Denied::Refused));
    }
    let [first, second] = pair(0);
    let right = resynchronise(&mut installation, &mine, &first, &second);
    assert!(matches!(right, Err(Denied::Throttled { .. })), "{right:?}");
}

#[test]
fn two_codes_reach_an_hour_whatever_the_time_step() {
    for (seconds, reach) in [(15_u32, 240_i64), (60, 60), (120, 30)] {
        for (off, is_found) in [
            (reach, true),
            (reach + 1, false),
            (-reach, true),
            (-reach - 1, false),
        ] {
            let totp = Totp {
                time_step: TimeStep::new(seconds).expect("it is not 0"),
                ..Totp::default()
            };
            let (mut installation, bob, imported) = with(vec![seed(0, Parameters::Totp(totp))]);
            let mine = session(&mut installation, &bob, &imported.backup_codes[0].clone());
            let current = totp.step_at(installation.now).0;
            let shown = [off, off + 1].map(|off| {
                let step = current.checked_add_signed(off).expect("a step");
                let at = UnixSeconds(step * u64::from(seconds));
                totp.generate(&secret(0), at).to_string()
            });
            let answer = resynchronise(&mut installation, &mine, &shown[0], &shown[1]);
            assert_eq!(answer.is_ok(), is_found, "{off} steps of {seconds} s");
        }
    }
}

/// How a token leaves an account.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Removed,
    Reset,
}

/// Bob with a token that was used and then left his account.
fn without(leaving: Leaving, token: Seed, used: &str) -> (Installation, Name) {
    let (mut installation, bob, imported) = with(vec![token]);
    let mine = session(&mut installation, &bob, used);
    match leaving {
        Leaving::Removed => {
            let rule = Remove {
                asker: asker(&mine, &imported.backup_codes[0]),
                factor: factor(&installation, &bob),
            };
            granted(installation.submit(&rule).map(|granted| granted.given));
        }
        Leaving::Reset => {
            let rule = Manage {
                name: bob.clone(),
                action: Action::Reset,
                origin: origin("operator"),
            };
            installation.submit(&rule);
        }
    }
    assert!(installation.account(&bob).factors.is_empty());
    (installation, bob)
}

#[test]
fn token_that_left_the_account_does_not_come_back_by_another_import() {
    for leaving in [Leaving::Removed, Leaving::Reset] {
        let now = Installation::new().now;
        for (token, used) in [
            (hotp as fn(u8, u64) -> Seed, shown(0, 3)),
            (|fill, _| totp(fill), code(&secret(0), now, 0)),
        ] {
            let (mut installation, bob) = without(leaving, token(0, 0), &used);
            let before = installation.records.clone();
            let again = granted(installation.submit(&import("bob", vec![token(0, 0)])));
            assert_eq!(again.taken, [Taken::Removed], "{leaving:?}");
            assert_eq!(installation.records, before);
            let other = granted(installation.submit(&import("bob", vec![token(0, 0), hotp(9, 0)])));
            assert_eq!(other.taken, [Taken::Removed, Taken::Added]);
            assert!(installation.account(&bob).has_second_factor());
        }
    }
}

#[test]
fn codes_that_were_used_stay_used_when_a_token_comes_back_as_whatever_kind() {
    let now = Installation::new().now;
    let step = Totp::default().step_at(now).0;
    let again = |seed| Import {
        again: true,
        ..import("bob", vec![seed])
    };
    for leaving in [Leaving::Removed, Leaving::Reset] {
        for token in [hotp(0, 0), hotp(0, 2)] {
            let (mut installation, bob) = without(leaving, hotp(0, 0), &shown(0, 3));
            let told = granted(installation.submit(&again(token)));
            assert_eq!(told.taken, [Taken::Added]);
            assert_eq!(next(&installation, &bob), Counter(4), "{leaving:?}");
        }
        for (token, used) in [
            (totp(0), step),
            (hotp(0, 0), step),
            (
                Seed {
                    last_accepted: Some(StepNumber(step + 5)),
                    ..totp(0)
                },
                step + 5,
            ),
        ] {
            let (mut installation, bob) = without(leaving, totp(0), &code(&secret(0), now, 0));
            granted(installation.submit(&again(token)));
            let kept =
                installation
                    .account(&bob)
                    .factors
                    .iter()
                    .find_map(|factor| match &factor.credential {
                        Credential::Totp(totp) => totp.last_accepted,
                        Credential::Hotp(hotp) => hotp.next.0.checked_sub(1).map(StepNumber),
                        Credential::Backup(_) => None,
                    });
            assert_eq!(kept, Some(StepNumber(used)));
        }
    }
}

#[test]
fn account_remembers_the_last_thirty_two_secrets_that_left_it() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    for fill in 0..=32 {
        granted(installation.submit(&import("bob", vec![hotp(fill, 0)])));
        let reset = Manage {
            name: bob.clone(),
            action: Action::Reset,
            origin: origin("operator"),
        };
        installation.submit(&reset);
        assert!(installation.account(&bob).removed.len() <= 32);
    }
    for (fill, taken) in [(1, Taken::Removed), (32, Taken::Removed), (0, Taken::Added)] {
        let told = granted(installation.submit(&import("bob", vec![hotp(fill, 0)])));
        assert_eq!(told.taken, [taken], "{fill}");
    }
}

#[test]
fn factor_whose_key_is_lost_can_be_removed_all_the_same() {
    let (mut installation, bob, _) = with(vec![hotp(0, 0)]);
    let Some(Record::Account(account)) = installation.records.get_mut(&Key::Account(bob.clone())) else {
        panic!("bob has an account");
    };
    for factor in &mut account.factors {
        factor.id.push('x');
    }
    let reset = Manage {
        name: bob.clone(),
        action: Action::Reset,
        origin: origin("operator"),
    };
    installation.submit(&reset);
    assert!(installation.account(&bob).factors.is_empty());
}
