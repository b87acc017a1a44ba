//! Passwords, challenges, codes and sessions, and what becomes of each at its boundary.

use countersign_auth::command::code::Verified;
use countersign_auth::command::password::{Begin, Begun, Finished};
use countersign_auth::credential::Credential;
use countersign_auth::event::{Act, Reason};
use countersign_auth::id::Token;
use countersign_auth::record::{Key, NoticeKind, Record};
use countersign_auth::rule::Fault;
use countersign_auth::seal::SealError;
use countersign_auth::session::Level;
use countersign_core::otp::AcceptanceWindow;

use crate::world::{HOME, Installation, Person, hash, name, origin, wrong_code};

fn one_person() -> (Installation, Person) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    (installation, person)
}

#[test]
fn password_and_code_open_a_session_of_two_factors() {
    let (mut installation, alice) = one_person();
    let signed_in = installation.sign_in(&alice, &origin(HOME));
    assert_eq!((signed_in.level, signed_in.must_enrol), (Level::Two, false));
    assert_eq!(signed_in.expires_in_s, 3600);
    assert!(signed_in.browser.is_some(), "the browser is known from now on");
    let id = signed_in.session.digest();
    let Some(Record::Session(session)) = installation.records.get(&Key::Session(id)) else {
        panic!("no session is stored")
    };
    assert_eq!(session.methods, ["pwd", "otp", "mfa"]);
    assert_eq!(installation.audited(Act::SignIn, None), 1);
    assert_eq!(installation.account(&alice.name).sign_ins, 1);
}

#[test]
fn challenge_is_answered_until_it_is_300_seconds_old() {
    for (age_s, answered) in [(299, true), (300, false), (301, false)] {
        let (mut installation, alice) = one_person();
        let challenge = installation.challenge(&alice.name, &origin(HOME));
        installation.pass(age_s);
        let code = alice.code(installation.now, 0);
        let verified = installation.verify(&challenge, &code, &origin(HOME));
        let expected = if answered {
            matches!(verified, Verified::SignedIn(_))
        } else {
            verified == Verified::NoChallenge
        };
        assert!(expected, "after {age_s} s: {verified:?}");
    }
}

#[test]
fn challenge_that_was_never_given_or_is_used_up_answers_alike() {
    let (mut installation, alice) = one_person();
    let mut drawn = |buffer: &mut [u8]| buffer.fill(9);
    let invented = Token::draw(&mut drawn);
    let code = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&invented, &code, &origin(HOME)),
        Verified::NoChallenge
    );
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let first = installation.verify(&challenge, &code, &origin(HOME));
    assert!(matches!(first, Verified::SignedIn(_)), "{first:?}");
    let next = alice.code(installation.now, 1);
    assert_eq!(
        installation.verify(&challenge, &next, &origin(HOME)),
        Verified::NoChallenge,
        "a fresh code does not revive it"
    );
}

#[test]
fn challenge_of_one_person_takes_no_code_of_another() {
    let (mut installation, alice) = one_person();
    let bob = installation.person("bob");
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let code = bob.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &code, &origin(HOME)),
        Verified::Refused
    );
    assert_eq!(
        installation.verify(&challenge, &bob.backup_codes[0], &origin(HOME)),
        Verified::Refused
    );
    let challenge = installation.challenge(&bob.name, &origin(HOME));
    let own = installation.verify(&challenge, &code, &origin(HOME));
    assert!(
        matches!(&own, Verified::SignedIn(signed_in) if signed_in.name == bob.name),
        "bob's code was not used up by alice's challenge: {own:?}"
    );
}

/// Whether a code so many time steps away signs in under a window of so many each way.
fn signs_in(window: u8, steps: i64) -> bool {
    let (mut installation, alice) = one_person();
    installation.policy.window = AcceptanceWindow {
        past: window,
        future: window,
    };
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let code = alice.code(installation.now, steps);
    match installation.verify(&challenge, &code, &origin(HOME)) {
        Verified::SignedIn(_) => true,
        Verified::Refused => false,
        other => panic!("{steps}: {other:?}"),
    }
}

#[test]
fn codes_one_time_step_away_sign_in_and_two_steps_away_do_not() {
    assert_eq!(
        Installation::new().policy.window,
        AcceptanceWindow { past: 1, future: 1 }
    );
    let right = [-2, -1, 0, 1, 2].map(|steps| signs_in(1, steps));
    assert_eq!(right, [false, true, true, true, false]);
}

#[test]
fn strict_window_takes_the_code_of_the_current_time_step_alone() {
    assert_eq!([-1, 0, 1].map(|steps| signs_in(0, steps)), [false, true, false]);
}

#[test]
fn code_seen_again_is_refused_and_audited_but_is_no_guess() {
    let (mut installation, alice) = one_person();
    installation.sign_in(&alice, &origin(HOME));
    let used = alice.code(installation.now, 0);
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let buckets = |installation: &Installation| {
        let is_bucket = |key: &&Key| matches!(key, Key::Bucket(_));
        installation.records.keys().filter(is_bucket).count()
    };
    let before = buckets(&installation);
    for _ in 0..4 {
        assert_eq!(
            installation.verify(&challenge, &used, &origin(HOME)),
            Verified::Refused
        );
    }
    assert_eq!(buckets(&installation), before, "no budget was charged");
    assert_eq!(
        installation.audited(Act::CodeCheck, Some(Reason::CodeAlreadyUsed)),
        4
    );
    installation.pass(30);
    let code = alice.code(installation.now, 0);
    let fresh = installation.verify(&challenge, &code, &origin(HOME));
    assert!(matches!(fresh, Verified::SignedIn(_)), "{fresh:?}");
}

#[test]
fn challenge_bears_five_used_codes_and_tells_nobody_of_a_thief() {
    let (mut installation, alice) = one_person();
    installation.sign_in(&alice, &origin(HOME));
    let used = alice.code(installation.now, 0);
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    for _ in 0..5 {
        let verified = installation.verify(&challenge, &used, &origin(HOME));
        assert_eq!(verified, Verified::Refused);
    }
    let verified = installation.verify(&challenge, &used, &origin(HOME));
    assert_eq!(verified, Verified::NoChallenge);
    assert!(
        !installation
            .notices(&alice.name)
            .contains(&NoticeKind::PasswordKnownToStranger)
    );
}

#[test]
fn code_older_than_the_last_accepted_one_is_refused_also_when_never_seen() {
    let (mut installation, alice) = one_person();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let (older, newer) = (alice.code(installation.now, 0), alice.code(installation.now, 1));
    let first = installation.verify(&challenge, &newer, &origin(HOME));
    assert!(matches!(first, Verified::SignedIn(_)), "{first:?}");
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    assert_eq!(
        installation.verify(&challenge, &older, &origin(HOME)),
        Verified::Refused
    );
}

#[test]
fn texts_without_the_shape_of_a_code_are_malformed_and_never_counted() {
    let (mut installation, alice) = one_person();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let before = installation.records.clone();
    for text in [
        "",
        "12345",
        "123456abc",
        "１２３４５６",
        "+12345",
        "12345\u{200b}6",
        "-1.0e5",
    ] {
        let verified = installation.verify(&challenge, text, &origin(HOME));
        assert_eq!(verified, Verified::Malformed, "{text:?}");
    }
    assert_eq!(installation.records, before);
}

#[test]
fn sixth_wrong_password_waits_for_known_and_unknown_names_alike() {
    let (mut installation, alice) = one_person();
    let unknown = name("nobody");
    let mut works = Vec::new();
    for attempt in 1..=5 {
        let mut pair = Vec::new();
        for (who, stored) in [(&alice.name, Some(hash("alice"))), (&unknown, None)] {
            // Each from its own network, so that one does not fill the other's budgets.
            let from = origin(&format!("192.0.2.{who}"));
            let begin = Begin {
                name: who.clone(),
                origin: from.clone(),
            };
            let (begun, asked) = installation.weigh(&begin);
            assert!(matches!(begun, Begun::Check { known: false, .. }), "{begun:?}");
            let finish = installation.finish(who, stored, false, &from);
            let (finished, work) = installation.weigh(&finish);
            assert_eq!(finished, Finished::Refused, "attempt {attempt} of {who}");
            assert_eq!((work.deletes, work.entries), (0, 1));
            pair.push((asked, work));
        }
        let unknown = pair.pop().expect("two names");
        let known = pair.pop().expect("two names");
        assert_eq!(known, unknown, "attempt {attempt} costs the same");
        works.push(known);
    }
    assert!(works.windows(2).all(|two| two[0] == two[1]), "{works:?}");
    for (age_s, free) in [(0, false), (299, false), (300, true)] {
        installation.now = crate::world::START.plus(age_s);
        for who in [&alice.name, &unknown] {
            let finished = installation.password(who, false, &origin(&format!("192.0.2.{who}")));
            let expected = if free {
                Finished::Refused
            } else {
                let retry_after_s = 300 - u32::try_from(age_s).expect("a few minutes");
                Finished::Throttled { retry_after_s }
            };
            assert_eq!(finished, expected, "{who} after {age_s} s");
        }
    }
}

#[test]
fn locked_out_password_is_not_looked_at_even_if_right() {
    let (mut installation, alice) = one_person();
    for _ in 0..5 {
        assert_eq!(
            installation.password(&alice.name, false, &origin(HOME)),
            Finished::Refused
        );
    }
    let before = installation.records.clone();
    let finish = installation.finish(&alice.name, Some(hash("alice")), true, &origin(HOME));
    assert_eq!(
        installation.submit(&finish),
        Finished::Throttled { retry_after_s: 300 },
        "nor is one whose hash was under way when the budget closed"
    );
    assert_eq!(installation.records, before, "and it is not counted");
    installation.pass(300);
    installation.challenge(&alice.name, &origin(HOME));
}

#[test]
fn challenge_dies_after_five_wrong_codes_and_its_owner_is_told() {
    let (mut installation, alice) = one_person();
    let another = installation.challenge(&alice.name, &origin(HOME));
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let wrong = wrong_code(&alice.secret, installation.now);
    for attempt in 1..=5 {
        assert!(
            !installation
                .notices(&alice.name)
                .contains(&NoticeKind::PasswordKnownToStranger),
            "too early, at {attempt}"
        );
        assert_eq!(
            installation.verify(&challenge, &wrong, &origin(HOME)),
            Verified::Refused
        );
    }
    assert_eq!(
        installation.notices(&alice.name),
        [NoticeKind::PasswordKnownToStranger]
    );
    let code = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &code, &origin(HOME)),
        Verified::NoChallenge
    );
    assert_eq!(
        installation.verify(&another, &wrong, &origin(HOME)),
        Verified::Throttled { retry_after_s: 300 },
        "the sixth wrong code waits, on whatever challenge"
    );
    installation.pass(300);
    let later = installation.challenge(&alice.name, &origin(HOME));
    let code = alice.code(installation.now, 0);
    let verified = installation.verify(&later, &code, &origin(HOME));
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
}

#[test]
fn password_changed_while_it_was_checked_is_stale_and_opens_nothing() {
    let (mut installation, alice) = one_person();
    let before = installation.records.clone();
    let finish = installation.finish(&alice.name, Some(hash("older")), true, &origin(HOME));
    assert_eq!(installation.submit(&finish), Finished::Stale);
    let finish = installation.finish(&alice.name, None, true, &origin(HOME));
    assert_eq!(installation.submit(&finish), Finished::Stale);
    assert_eq!(installation.records, before);
}

#[test]
fn secrets_swapped_between_accounts_do_not_open() {
    let (mut installation, alice) = one_person();
    let bob = installation.person("bob");
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let [mut changed, donor] = [&alice.name, &bob.name].map(|name| installation.account(name).clone());
    let secret = |account: &countersign_auth::record::Account| {
        account
            .factors
            .iter()
            .find_map(|factor| match &factor.credential {
                Credential::Totp(totp) => Some(totp.secret.clone()),
                _ => None,
            })
    };
    for factor in &mut changed.factors {
        if let Credential::Totp(totp) = &mut factor.credential {
            totp.secret = secret(&donor).expect("bob has a factor");
        }
    }
    let key = Key::Account(alice.name.clone());
    installation.records.insert(key, Record::Account(changed.into()));
    let rule = countersign_auth::command::code::Verify {
        challenge: challenge.digest(),
        code: bob.code(installation.now, 0).into(),
        origin: origin(HOME),
    };
    let decided = installation.decide(&rule).map(|(decision, _)| decision.outcome);
    assert_eq!(
        decided,
        Err(Fault::Seal(SealError::Altered)),
        "a fault of ours, and neither a sign-in nor a refusal"
    );
}

#[test]
fn failures_before_a_sign_in_are_told_with_either_kind_of_sign_in() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let bob = installation.newcomer("bob");
    for who in [&alice.name, &bob] {
        for _ in 0..3 {
            assert_eq!(
                installation.password(who, false, &origin(HOME)),
                Finished::Refused
            );
        }
    }
    installation.sign_in(&alice, &origin(HOME));
    installation.first_session(&bob, &origin(HOME));
    assert_eq!(installation.account(&alice.name).failures, 3);
    assert_eq!(installation.account(&bob).failures, 3);
}
