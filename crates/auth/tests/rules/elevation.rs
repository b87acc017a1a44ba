//! Elevation: a code proven again within a session, what it is worth, with which token, and for how long.

use countersign_auth::command::SignedIn;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::password::Finished;
use countersign_auth::command::session::{End, Which};
use countersign_auth::command::step_up::{StepDown, StepUp, SteppedDown, SteppedUp, standing_of};
use countersign_auth::event::{Act, Reason};
use countersign_auth::id::{Presented, SessionToken};
use countersign_auth::policy::SecondFactor;
use countersign_auth::record::{Key, Record, Session};
use countersign_auth::session::{Level, opened};
use countersign_core::elevation::{Demand, ElevationVerdict, Standing, judge};

use crate::world::{HOME, Installation, Person, asker, granted, name, origin, wrong_code};

fn one_session() -> (Installation, Person, SignedIn) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    let session = installation.sign_in(&person, &origin(HOME));
    installation.pass(30);
    (installation, person, session)
}

fn step_up(installation: &mut Installation, session: &SignedIn, code: &str) -> Result<SteppedUp, Denied> {
    installation.submit(&StepUp {
        asker: asker(session, code),
        purpose: "pay an invoice".into(),
    })
}

fn stored(installation: &Installation, token: &SessionToken) -> Option<Session> {
    match installation.records.get(&Key::Session(token.digest())) {
        Some(Record::Session(session)) => Some((**session).clone()),
        _ => None,
    }
}

/// What whoever shows a token has proven, if it opens anything.
fn standing(installation: &Installation, token: &SessionToken) -> Option<Standing> {
    let presented = Presented::of(token.expose()).expect("a token has the shape of one");
    let session = stored(installation, token)?;
    opened(&session, presented.key, None, installation.now)
}

fn verdict(installation: &Installation, token: &SessionToken) -> Option<ElevationVerdict> {
    let standing = standing(installation, token)?;
    Some(judge(&standing, &Demand::ELEVATED, installation.now))
}

#[test]
fn elevation_is_worth_something_with_the_new_token_alone_and_ends_by_itself() {
    let (mut installation, alice, session) = one_session();
    assert_eq!(
        verdict(&installation, &session.session),
        Some(ElevationVerdict::Required),
        "a sign-in is no elevation"
    );
    let code = alice.code(installation.now, 0);
    let elevated = granted(step_up(&mut installation, &session, &code));
    assert_eq!(
        elevated.id,
        session.session.digest(),
        "the session stays the same"
    );
    assert_ne!(elevated.token.expose(), session.session.expose());
    assert_eq!(
        verdict(&installation, &elevated.token),
        Some(ElevationVerdict::Met)
    );
    assert_eq!(
        verdict(&installation, &session.session),
        Some(ElevationVerdict::Required),
        "whoever copied the old token gains nothing"
    );
    installation.pass(9);
    assert!(
        standing(&installation, &session.session).is_some(),
        "requests in flight"
    );
    installation.pass(1);
    assert_eq!(
        standing(&installation, &session.session),
        None,
        "the old token is over"
    );
    installation.pass(889);
    assert_eq!(
        verdict(&installation, &elevated.token),
        Some(ElevationVerdict::Met),
        "899 s"
    );
    installation.pass(1);
    assert_eq!(
        verdict(&installation, &elevated.token),
        Some(ElevationVerdict::Expired),
        "900 s"
    );
    let audited: Vec<_> = installation
        .audit
        .iter()
        .filter(|event| event.act == Act::StepUp)
        .collect();
    assert_eq!(audited.len(), 1);
    assert!(
        audited[0].object.ends_with(": pay an invoice"),
        "{:?}",
        audited[0]
    );
}

#[test]
fn wrong_used_and_misshapen_codes_elevate_nothing() {
    let (mut installation, alice, session) = one_session();
    let before = stored(&installation, &session.session);
    let wrong = wrong_code(&alice.secret, installation.now);
    let used = alice.code(installation.now, -1);
    for (code, denied, counted) in [
        (wrong.as_str(), Denied::Refused, Some(Reason::WrongCode)),
        (used.as_str(), Denied::Refused, Some(Reason::CodeAlreadyUsed)),
        ("12345", Denied::Malformed, None),
        ("１２３４５６", Denied::Malformed, None),
    ] {
        assert_eq!(
            step_up(&mut installation, &session, code).err(),
            Some(denied),
            "{code}"
        );
        if let Some(reason) = counted {
            assert_eq!(installation.audited(Act::StepUp, Some(reason)), 1);
        }
    }
    assert_eq!(stored(&installation, &session.session), before);
    let code = alice.code(installation.now, 0);
    granted(step_up(&mut installation, &session, &code));
    assert_eq!(
        step_up(&mut installation, &session, &code).err(),
        Some(Denied::Refused),
        "the code that elevated is used up"
    );
}

#[test]
fn sixth_wrong_code_of_a_step_up_is_not_evaluated_and_the_sign_in_counts_them_too() {
    let (mut installation, alice, session) = one_session();
    for _ in 0..5 {
        let wrong = wrong_code(&alice.secret, installation.now);
        assert_eq!(
            step_up(&mut installation, &session, &wrong).err(),
            Some(Denied::Refused)
        );
    }
    let right = alice.code(installation.now, 0);
    let denied = step_up(&mut installation, &session, &right).err();
    assert!(matches!(denied, Some(Denied::Throttled { .. })), "{denied:?}");
    let password = installation.password(&alice.name, true, &origin(HOME));
    assert!(
        matches!(password, Finished::Throttled { .. }),
        "guesses are counted over all doors: {password:?}"
    );
}

#[test]
fn backup_code_elevates_and_is_replaced() {
    let (mut installation, alice, session) = one_session();
    let code = alice.backup_codes[0].clone();
    let elevated = granted(step_up(&mut installation, &session, &code));
    assert_eq!(
        verdict(&installation, &elevated.token),
        Some(ElevationVerdict::Met)
    );
    let printed = format!("{elevated:?}");
    let replacement = elevated.replacement_code.expect("one is issued in its place");
    assert!(!printed.contains(replacement.as_str()), "{printed}");
    assert!(!alice.backup_codes.contains(&replacement));
    assert!(
        step_up(&mut installation, &session, &code).is_err(),
        "it is used up"
    );
}

#[test]
fn account_without_a_second_factor_has_nothing_to_step_up_with() {
    let mut installation = Installation::new();
    let newcomer = installation.newcomer("bob");
    let session = installation.first_session(&newcomer, &origin(HOME));
    let denied = step_up(&mut installation, &session, "123456").err();
    assert_eq!(denied, Some(Denied::NoFactor));
}

#[test]
fn session_of_a_password_alone_is_lifted_to_two_factors_for_a_while_where_the_policy_says_so() {
    let mut installation = Installation::new();
    installation.policy.second_factor = SecondFactor::AtStepUp;
    let alice = installation.person("alice");
    let session = installation.first_session(&name("alice"), &origin(HOME));
    assert_eq!(session.level, Level::One);
    let code = alice.code(installation.now, 0);
    let elevated = granted(step_up(&mut installation, &session, &code));
    let at = |installation: &Installation| {
        let standing = standing(installation, &elevated.token).expect("it is open");
        standing.level_at(installation.now)
    };
    assert_eq!(at(&installation), Level::Two);
    installation.pass(900);
    assert_eq!(at(&installation), Level::One);
}

#[test]
fn ending_the_session_ends_its_elevation_with_every_token_of_it() {
    let (mut installation, alice, session) = one_session();
    let code = alice.code(installation.now, 0);
    let elevated = granted(step_up(&mut installation, &session, &code));
    let ended = installation.submit(&End {
        session: elevated.id,
        name: alice.name.clone(),
        which: Which::Own,
        origin: origin(HOME),
    });
    assert_eq!(ended, 1);
    assert_eq!(standing(&installation, &elevated.token), None);
    assert_eq!(standing(&installation, &session.session), None);
}

#[test]
fn every_elevation_asks_a_code_of_its_own_and_the_newest_token_holds() {
    let (mut installation, alice, session) = one_session();
    let code = alice.code(installation.now, 0);
    let first = granted(step_up(&mut installation, &session, &code));
    installation.pass(600);
    let code = alice.code(installation.now, 0);
    let second = granted(step_up(&mut installation, &session, &code));
    assert_eq!(
        verdict(&installation, &first.token),
        Some(ElevationVerdict::Met),
        "in flight"
    );
    installation.pass(300);
    assert_eq!(standing(&installation, &first.token), None);
    assert_eq!(verdict(&installation, &second.token), Some(ElevationVerdict::Met));
}

#[test]
fn elevation_never_outlives_its_session() {
    let (mut installation, alice, session) = one_session();
    installation.pass(3_000);
    let code = alice.code(installation.now, 0);
    let elevated = granted(step_up(&mut installation, &session, &code));
    let until = elevated.session.standing.elevation.expect("it is elevated").until;
    assert_eq!(until, elevated.session.expires_at);
}

fn step_down(installation: &mut Installation, session: &SignedIn) -> SteppedDown {
    installation.submit(&StepDown {
        session: session.session.digest(),
        name: session.name.clone(),
        origin: origin(HOME),
    })
}

#[test]
fn elevation_that_was_given_back_is_over_with_every_key_and_token_and_a_later_one_does_not_revive_it() {
    let (mut installation, alice, session) = one_session();
    let code = alice.code(installation.now, 0);
    let first = granted(step_up(&mut installation, &session, &code));
    let token_of_then = first.session.standing;
    installation.pass(30);
    assert_eq!(step_down(&mut installation, &session), SteppedDown::Done);
    assert_eq!(
        verdict(&installation, &first.token),
        Some(ElevationVerdict::Expired),
        "the session goes on without it"
    );
    let worth = |installation: &Installation| {
        let session = stored(installation, &session.session).expect("it is open");
        let standing = standing_of(&session, token_of_then);
        judge(&standing, &Demand::ELEVATED, installation.now)
    };
    assert_eq!(worth(&installation), ElevationVerdict::Expired);
    assert_eq!(step_down(&mut installation, &session), SteppedDown::NotElevated);
    installation.pass(30);
    let code = alice.code(installation.now, 0);
    let second = granted(step_up(&mut installation, &session, &code));
    assert_eq!(verdict(&installation, &second.token), Some(ElevationVerdict::Met));
    assert_eq!(worth(&installation), ElevationVerdict::Expired);
    assert_eq!(installation.audited(Act::StepDown, Some(Reason::ByOwner)), 1);
}

#[test]
fn elevation_is_given_back_by_its_own_session_alone() {
    let (mut installation, alice, session) = one_session();
    let bob = installation.person("bob");
    let his = installation.sign_in(&bob, &origin(HOME));
    let code = alice.code(installation.now, 0);
    let elevated = granted(step_up(&mut installation, &session, &code));
    let forged = SignedIn {
        name: his.name,
        ..session
    };
    assert_eq!(step_down(&mut installation, &forged), SteppedDown::NoSession);
    assert_eq!(
        verdict(&installation, &elevated.token),
        Some(ElevationVerdict::Met)
    );
}
