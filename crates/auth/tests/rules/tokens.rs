//! Tokens that were seeded elsewhere: used once, found again by two codes, and what is learned of their clocks.

use countersign_auth::command::SignedIn;
use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::import::{Import, Imported, Seed};
use countersign_auth::command::resynchronise::Resynchronise;
use countersign_auth::credential::Credential;
use countersign_auth::event::{Act, Reason};
use countersign_auth::name::Name;
use countersign_auth::policy::Acceptance;
use countersign_auth::record::{Key, NoticeKind};
use countersign_auth::rule::Change;
use countersign_core::otp::otpauth::Parameters;
use countersign_core::otp::{Counter, Hotp, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};
use zeroize::Zeroizing;

use crate::world::{HOME, Installation, asker, code, granted, name, origin, signed_in};

const KEY: &[u8] = b"a token's own twenty bytes";

pub fn secret(fill: u8) -> SharedSecret {
    let bytes: Vec<u8> = KEY.iter().map(|byte| byte ^ fill).collect();
    SharedSecret::from_bytes(&bytes).expect("26 bytes are a secret")
}

pub fn seed(fill: u8, parameters: Parameters) -> Seed {
    Seed {
        label: "token".into(),
        secret: secret(fill),
        parameters,
        drift: 0,
        last_accepted: None,
    }
}

pub fn hotp(fill: u8, counter: u64) -> Seed {
    seed(fill, Parameters::Hotp(Hotp::default(), Counter(counter)))
}

pub fn totp(fill: u8) -> Seed {
    seed(fill, Parameters::Totp(Totp::default()))
}

pub fn import(who: &str, seeds: Vec<Seed>) -> Import {
    Import {
        name: name(who),
        add: false,
        seeds,
        again: false,
        dry_run: false,
        origin: origin("operator"),
    }
}

pub fn shown(fill: u8, counter: u64) -> String {
    Hotp::default()
        .generate(&secret(fill), Counter(counter))
        .to_string()
}

/// Bob with a password, and what was imported for him.
pub fn with(seeds: Vec<Seed>) -> (Installation, Name, Imported) {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let imported = granted(installation.submit(&import("bob", seeds)));
    (installation, bob, imported)
}

pub fn presented(installation: &mut Installation, bob: &Name, code: &str) -> Verified {
    let challenge = installation.challenge(bob, &origin(HOME));
    installation.verify(&challenge, code, &origin(HOME))
}

pub fn session(installation: &mut Installation, bob: &Name, code: &str) -> SignedIn {
    signed_in(presented(installation, bob, code))
}

pub fn factor(installation: &Installation, bob: &Name) -> String {
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

pub fn next(installation: &Installation, bob: &Name) -> Counter {
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
