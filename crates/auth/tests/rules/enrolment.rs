//! A second factor is pending until a code of it was seen, and whoever has one must prove it to change any.

use countersign_auth::command::SignedIn;
use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::{Confirm, Denied, Enrolment, Remove, ReplaceBackupCodes};
use countersign_auth::command::operator::Vouch;
use countersign_auth::credential::Credential;
use countersign_auth::event::{Act, Reason};
use countersign_auth::name::Name;
use countersign_auth::policy::Acceptance;
use countersign_auth::record::{Key, NoticeKind, Record};
use countersign_auth::session::Level;
use countersign_core::otp::{Digits, Totp};
use countersign_core::time::TimeStep;

use crate::world::{HOME, Installation, Person, asker, code, granted, origin, secret, wrong_code};

fn confirm(
    installation: &mut Installation,
    session: &SignedIn,
    enrolment: &Enrolment,
    steps: i64,
) -> Result<SignedIn, Denied> {
    let code = code(&secret(enrolment), installation.now, steps);
    let asker = asker(session, &code);
    installation.submit(&Confirm { asker })
}

/// Bob with a password, a session, and a factor that is pending.
fn pending() -> (Installation, Name, SignedIn, Enrolment) {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let session = installation.first_session(&bob, &origin(HOME));
    let enrolment = granted(installation.begin_enrolment(asker(&session, ""))).given;
    (installation, bob, session, enrolment)
}

fn person(name: Name, enrolment: Enrolment) -> Person {
    Person {
        name,
        secret: secret(&enrolment),
        backup_codes: enrolment.backup_codes,
    }
}

/// Alice with two authenticators, and a session.
fn with_two_factors() -> (Installation, Person, Person, SignedIn) {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    installation.pass(30);
    let proof = alice.code(installation.now, 0);
    let second = granted(installation.begin_enrolment(asker(&session, &proof))).given;
    let session = confirm(&mut installation, &session, &second, 0).expect("the code is right");
    installation.pass(60);
    let other = person(alice.name.clone(), second);
    (installation, alice, other, session)
}

fn factor_of(installation: &Installation, name: &Name, at: usize) -> String {
    let factors = &installation.account(name).factors;
    let mut codes = factors.iter().filter(|factor| !factor.is_backup());
    codes.nth(at).expect("there is such a factor").id.clone()
}

#[test]
fn factor_counts_only_once_it_is_confirmed_and_the_session_gets_a_new_token() {
    let (mut installation, bob, session, enrolment) = pending();
    assert_eq!((session.level, session.must_enrol), (Level::One, true));
    assert_eq!(enrolment.backup_codes.len(), 10);
    assert!(!installation.account(&bob).has_second_factor());
    let early = installation.first_session(&bob, &origin(HOME));
    assert_eq!(early.level, Level::One, "nothing but a password is owed yet");
    let confirmed = confirm(&mut installation, &session, &enrolment, 0).expect("the code is right");
    assert_eq!((confirmed.level, confirmed.must_enrol), (Level::Two, false));
    let old = Key::Session(session.session.digest());
    assert!(!installation.records.contains_key(&old));
    assert!(
        installation
            .account(&bob)
            .factors
            .iter()
            .all(|factor| factor.is_active())
    );
    assert!(installation.notices(&bob).contains(&NoticeKind::FactorAdded));
    installation.challenge(&bob, &origin(HOME));
}

#[test]
fn pending_backup_codes_prove_nothing() {
    let (mut installation, bob, session, enrolment) = pending();
    let backup = enrolment.backup_codes[0].clone();
    let refused = installation.submit(&Confirm {
        asker: asker(&session, &backup),
    });
    assert_eq!(refused, Err(Denied::Malformed));
    assert!(!installation.account(&bob).has_second_factor());
}

#[test]
fn confirming_code_is_used_up() {
    let (mut installation, bob, session, enrolment) = pending();
    confirm(&mut installation, &session, &enrolment, 0).expect("the code is right");
    let bob = person(bob, enrolment);
    let challenge = installation.challenge(&bob.name, &origin(HOME));
    let used = bob.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &used, &origin(HOME)),
        Verified::Refused
    );
    installation.sign_in(&bob, &origin(HOME));
}

#[test]
fn pending_factor_waits_900_seconds_for_its_code() {
    for (age_s, expected) in [(899, None), (900, Some(Denied::NoFactor))] {
        let (mut installation, bob, session, enrolment) = pending();
        installation.pass(age_s);
        let confirmed = confirm(&mut installation, &session, &enrolment, 0);
        assert_eq!(confirmed.err(), expected, "after {age_s} s");
        assert_eq!(installation.account(&bob).has_second_factor(), expected.is_none());
    }
}

#[test]
fn second_enrolment_drops_the_first_one_that_was_never_confirmed() {
    let (mut installation, bob, session, first) = pending();
    let second = granted(installation.begin_enrolment(asker(&session, ""))).given;
    assert_eq!(
        confirm(&mut installation, &session, &first, 0).err(),
        Some(Denied::Refused)
    );
    confirm(&mut installation, &session, &second, 0).expect("the code is right");
    assert_eq!(
        installation.account(&bob).factors.len(),
        2,
        "one factor and its backup codes"
    );
}

#[test]
fn drift_is_learned_at_enrolment_up_to_ten_time_steps_and_kept_at_sign_in() {
    for drift in [-10_i64, -9, -3, 0, 3, 9, 10] {
        for (away, right) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let (mut installation, bob, session, enrolment) = pending();
            confirm(&mut installation, &session, &enrolment, drift).expect("within the wide window");
            let bob = person(bob, enrolment);
            installation.pass(120);
            let challenge = installation.challenge(&bob.name, &origin(HOME));
            let code = bob.code(installation.now, drift + away);
            let verified = installation.verify(&challenge, &code, &origin(HOME));
            let signed_in = matches!(verified, Verified::SignedIn(_));
            assert_eq!(
                signed_in, right,
                "drift {drift}, {away} away from it: {verified:?}"
            );
        }
    }
    for beyond in [-11, 11] {
        let (mut installation, _, session, enrolment) = pending();
        let refused = confirm(&mut installation, &session, &enrolment, beyond);
        assert_eq!(refused.err(), Some(Denied::Refused), "{beyond}");
    }
}

#[test]
fn strict_enrolment_learns_nothing_of_a_code_that_is_one_step_off() {
    for (off, learned) in [(-3, -3), (-2, -2), (-1, 0), (0, 0), (1, 0), (2, 2)] {
        for (at, is_right) in [(-2, false), (-1, learned != 0), (0, true), (1, false), (2, false)] {
            let (mut installation, bob, session, enrolment) = pending();
            installation.policy.acceptance = Acceptance::Strict;
            confirm(&mut installation, &session, &enrolment, off).expect("within the wide window");
            let mut factors = installation.account(&bob).factors.iter();
            let drift = factors.find_map(|factor| match &factor.credential {
                Credential::Totp(totp) => Some(totp.drift),
                _ => None,
            });
            assert_eq!(drift, Some(learned), "{off}");
            let bob = person(bob, enrolment);
            installation.pass(600);
            // The neighbour towards now is the later step where a clock is slow.
            let from_now = if learned < 0 { -at } else { at };
            let code = bob.code(installation.now, i64::from(learned) + from_now);
            let challenge = installation.challenge(&bob.name, &origin(HOME));
            let verified = installation.verify(&challenge, &code, &origin(HOME));
            let is_in = matches!(verified, Verified::SignedIn(_));
            assert_eq!(is_in, is_right, "{off}, {at}");
        }
    }
}

#[test]
fn wrong_confirming_codes_are_guesses_like_any_other() {
    let (mut installation, bob, session, enrolment) = pending();
    let wrong = wrong_code(&secret(&enrolment), installation.now);
    for _ in 0..5 {
        let asker = asker(&session, &wrong);
        assert_eq!(installation.submit(&Confirm { asker }), Err(Denied::Refused));
    }
    let throttled = confirm(&mut installation, &session, &enrolment, 0);
    assert_eq!(throttled.err(), Some(Denied::Throttled { retry_after_s: 300 }));
    assert!(!installation.account(&bob).has_second_factor());
    installation.pass(300);
    confirm(&mut installation, &session, &enrolment, 0).expect("the code is right");
}

#[test]
fn further_factor_needs_a_code_of_the_present_one() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    let before = installation.records.clone();
    let used = alice.code(installation.now, 0);
    for (proof, denied) in [
        ("", Denied::Malformed),
        (used.as_str(), Denied::Refused),
        (&wrong_code(&alice.secret, installation.now), Denied::Refused),
    ] {
        let refused = installation.begin_enrolment(asker(&session, proof));
        assert_eq!(refused.err(), Some(denied), "{proof:?}");
    }
    assert_eq!(
        before[&Key::Account(alice.name.clone())],
        installation.records[&Key::Account(alice.name.clone())],
        "nothing was added"
    );
    assert_eq!(
        installation.audited(Act::FactorAdd, Some(Reason::CodeAlreadyUsed)),
        1
    );
    assert_eq!(installation.audited(Act::FactorAdd, Some(Reason::WrongCode)), 1);
    installation.pass(30);
    let proof = alice.code(installation.now, 0);
    let begun = installation.begin_enrolment(asker(&session, &proof));
    let second = granted(begun).given;
    assert!(second.backup_codes.is_empty(), "there are backup codes already");
    installation.pass(30);
    let old_still_works = installation.challenge(&alice.name, &origin(HOME));
    let code = alice.code(installation.now, 0);
    let verified = installation.verify(&old_still_works, &code, &origin(HOME));
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
}

#[test]
fn pending_factor_signs_nobody_in_beside_an_active_one() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    installation.pass(30);
    let proof = alice.code(installation.now, 0);
    let begun = installation.begin_enrolment(asker(&session, &proof));
    let pending = person(alice.name.clone(), granted(begun).given);
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let code = pending.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &code, &origin(HOME)),
        Verified::Refused
    );
}

#[test]
fn session_that_is_over_or_belongs_to_somebody_else_changes_nothing() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let bob = installation.newcomer("bob");
    let foreign = installation.first_session(&bob, &origin(HOME));
    let mut asking = asker(&foreign, "");
    asking.name = alice.name.clone();
    let before = installation.records.clone();
    assert_eq!(
        installation.begin_enrolment(asking.clone()).err(),
        Some(Denied::NoSession)
    );
    installation
        .records
        .remove(&Key::Session(foreign.session.digest()));
    let over = installation.begin_enrolment(asker(&foreign, ""));
    assert_eq!(over.err(), Some(Denied::NoSession));
    installation.records.insert(
        Key::Session(foreign.session.digest()),
        before[&Key::Session(foreign.session.digest())].clone(),
    );
    assert_eq!(installation.records, before);
}

#[test]
fn removing_one_factor_keeps_the_others_and_ends_other_sessions() {
    let (mut installation, alice, second, session) = with_two_factors();
    let elsewhere = installation.sign_in(&second, &origin(HOME));
    installation.pass(30);
    let first = factor_of(&installation, &alice.name, 0);
    let proof = second.code(installation.now, 0);
    let remove = Remove {
        asker: asker(&session, &proof),
        factor: first.clone(),
    };
    assert!(installation.submit(&remove).is_ok());
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::FactorRemoved)
    );
    let alive = |signed_in: &SignedIn| {
        let key = Key::Session(signed_in.session.digest());
        installation.records.contains_key(&key)
    };
    assert_eq!((alive(&session), alive(&elsewhere)), (true, false));
    installation.pass(30);
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let removed = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &removed, &origin(HOME)),
        Verified::Refused
    );
    let verified = installation.verify(&challenge, &alice.backup_codes[0], &origin(HOME));
    assert!(
        matches!(verified, Verified::SignedIn(_)),
        "backup codes stay: {verified:?}"
    );
    installation.sign_in(&second, &origin(HOME));
}

#[test]
fn removing_the_last_factor_voids_the_backup_codes() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    let remove = Remove {
        asker: asker(&session, &alice.backup_codes[0]),
        factor: factor_of(&installation, &alice.name, 0),
    };
    let done = granted(installation.submit(&remove));
    assert_eq!(
        done.replacement_code, None,
        "a code of a set that is void is not shown"
    );
    assert_eq!(installation.account(&alice.name).factors, []);
    let signed_in = installation.first_session(&alice.name, &origin(HOME));
    assert_eq!((signed_in.level, signed_in.must_enrol), (Level::One, true));
}

#[test]
fn change_that_is_impossible_uses_up_no_code() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    installation.pass(30);
    let before = installation.records.clone();
    for proof in [alice.code(installation.now, 0), alice.backup_codes[0].to_string()] {
        let remove = Remove {
            asker: asker(&session, &proof),
            factor: "no such".into(),
        };
        assert_eq!(installation.submit(&remove).err(), Some(Denied::NoFactor));
    }
    assert_eq!(installation.records, before);
}

#[test]
fn backup_code_that_proves_a_change_is_replaced_and_the_new_one_is_shown() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    let begun = installation.begin_enrolment(asker(&session, &alice.backup_codes[4]));
    let replacement = granted(begun).replacement_code;
    let replacement = replacement.expect("a new code is shown");
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    assert_eq!(
        installation.verify(&challenge, &alice.backup_codes[4], &origin(HOME)),
        Verified::Refused
    );
    let verified = installation.verify(&challenge, &replacement, &origin(HOME));
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::BackupCodeUsed)
    );
}

#[test]
fn operator_vouches_for_nothing_that_was_begun_before() {
    let mut installation = Installation::new();
    let alice = installation.newcomer("alice");
    let thief = installation.first_session(&alice, &origin("198.51.100.1"));
    let begun = granted(installation.begin_enrolment(asker(&thief, ""))).given;
    let vouch = Vouch {
        name: alice.clone(),
        label: String::new(),
        origin: origin("operator"),
    };
    let vouched = installation.submit(&vouch).expect("there is room");
    assert_eq!(vouched.backup_codes.len(), 10, "they are the owner's own");
    let confirmed = confirm(&mut installation, &thief, &begun, 0);
    assert_eq!(confirmed, Err(Denied::NoSession));
    assert_eq!(installation.account(&alice).sessions, []);
}

#[test]
fn first_factor_ends_every_session_that_was_opened_without_one() {
    let mut installation = Installation::new();
    let alice = installation.newcomer("alice");
    let thief = installation.first_session(&alice, &origin("198.51.100.1"));
    let owner = installation.first_session(&alice, &origin(HOME));
    let begun = granted(installation.begin_enrolment(asker(&owner, ""))).given;
    let confirmed = confirm(&mut installation, &owner, &begun, 0).expect("the code is right");
    let account = installation.account(&alice);
    let open: Vec<_> = account.sessions.iter().map(|open| open.id).collect();
    assert_eq!(open, [confirmed.session.digest()]);
    assert!(
        !installation
            .records
            .contains_key(&Key::Session(thief.session.digest()))
    );
}

#[test]
fn factor_is_removed_and_backup_codes_are_replaced_for_a_fresh_right_code_alone() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    let used = alice.code(installation.now, 0);
    installation.pass(30);
    let wrong = wrong_code(&alice.secret, installation.now);
    let factor = factor_of(&installation, &alice.name, 0);
    let factors = installation.account(&alice.name).factors.clone();
    for (code, why) in [
        ("", Denied::Malformed),
        (wrong.as_str(), Denied::Refused),
        (used.as_str(), Denied::Refused),
    ] {
        let asker = || asker(&session, code);
        let remove = Remove {
            asker: asker(),
            factor: factor.clone(),
        };
        assert_eq!(installation.submit(&remove).err(), Some(why.clone()), "{code:?}");
        let replace = ReplaceBackupCodes { asker: asker() };
        assert_eq!(installation.submit(&replace).err(), Some(why), "{code:?}");
    }
    assert_eq!(installation.account(&alice.name).factors, factors);
    let replace = ReplaceBackupCodes {
        asker: asker(&session, &alice.code(installation.now, 0)),
    };
    assert_eq!(granted(installation.submit(&replace)).given.len(), 10);
    let told = installation.notices(&alice.name);
    assert!(told.contains(&NoticeKind::BackupCodesReplaced), "{told:?}");
}

#[test]
fn session_that_takes_the_place_of_another_has_both_time_outs_anew() {
    let (mut installation, _, session, enrolment) = pending();
    installation.pass(600);
    let fresh = confirm(&mut installation, &session, &enrolment, 0).expect("the code is right");
    let Some(Record::Session(stored)) = installation.records.get(&Key::Session(fresh.session.digest()))
    else {
        panic!("no session is stored")
    };
    let now = installation.now;
    assert_eq!((stored.created_at, stored.last_seen), (now, now));
    assert_eq!(stored.expires_at, now.plus(3600));
}

#[test]
fn factor_keeps_its_digits_and_time_step_when_the_policy_changes() {
    let mut installation = Installation::new();
    installation.policy.parameters = Totp {
        digits: Digits::EIGHT,
        time_step: TimeStep::new(60).expect("not 0"),
        ..Totp::default()
    };
    let made = installation.policy.parameters;
    let alice = installation.person("alice");
    installation.policy.parameters = Totp::default();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let of_the_policy = alice.code(installation.now, 0);
    let of_the_factor = made.generate(&alice.secret, installation.now).to_string();
    assert_eq!(of_the_factor.len(), 8);
    let verified = installation.verify(&challenge, &of_the_policy, &origin(HOME));
    assert_eq!(verified, Verified::Refused);
    let verified = installation.verify(&challenge, &of_the_factor, &origin(HOME));
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
}
