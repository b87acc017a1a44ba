//! Everything an account can have open has an upper limit, and a rule for what goes.

use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::{Confirm, Denied};
use countersign_auth::command::operator::{Add, NotAdded, Vouch};
use countersign_auth::command::password::{Begin, Begun};
use countersign_auth::command::session::Rename;
use countersign_auth::credential::Factor;
use countersign_auth::event::{Act, Reason};
use countersign_auth::policy::{
    BROWSERS_MAX, CHALLENGES_MAX, FACTORS_MAX, GROUPS_MAX, LABEL_CHARS_MAX, SESSIONS_MAX,
};
use countersign_auth::record::{Key, NoticeKind, Record};

use crate::world::{HOME, Installation, asker, code, from_browser, name, origin, secret};

fn stored(installation: &Installation, kind: fn(&Key) -> bool) -> usize {
    installation.records.keys().filter(|key| kind(key)).count()
}

#[test]
fn sixty_fifth_session_ends_the_oldest() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let sessions: Vec<_> = (0..=SESSIONS_MAX)
        .map(|_| installation.first_session(&bob, &origin(HOME)).session)
        .collect();
    let alive = |at: usize| {
        let key = Key::Session(sessions[at].digest());
        installation.records.contains_key(&key)
    };
    assert!(!alive(0));
    assert!((1..=SESSIONS_MAX).all(alive));
    assert_eq!(installation.account(&bob).sessions.len(), SESSIONS_MAX);
    assert_eq!(
        stored(&installation, |key| matches!(key, Key::Session(_))),
        SESSIONS_MAX
    );
    assert_eq!(
        installation.audited(Act::SessionEnd, Some(Reason::TooMany)),
        1,
        "no session ends unseen"
    );
}

#[test]
fn hundred_and_twenty_ninth_challenge_ends_the_oldest() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let challenges: Vec<_> = (0..=CHALLENGES_MAX)
        .map(|_| installation.challenge(&alice.name, &origin(HOME)))
        .collect();
    assert_eq!(
        stored(&installation, |key| matches!(key, Key::Challenge(_))),
        CHALLENGES_MAX
    );
    let code = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenges[0], &code, &origin(HOME)),
        Verified::NoChallenge
    );
    let second = installation.verify(&challenges[1], &code, &origin(HOME));
    assert!(matches!(second, Verified::SignedIn(_)), "{second:?}");
}

#[test]
fn seventeenth_browser_makes_the_one_unused_for_longest_a_stranger() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let mut browsers = Vec::new();
    for _ in 0..BROWSERS_MAX {
        let signed_in = installation.first_session(&bob, &origin(HOME));
        browsers.push(signed_in.browser.expect("it is unknown"));
    }
    let again = installation.first_session(&bob, &from_browser(HOME, &browsers[0]));
    assert_eq!(again.browser, None, "it is known and stays so");
    installation.first_session(&bob, &origin(HOME));
    let known: Vec<bool> = browsers
        .iter()
        .map(|browser| {
            let begin = Begin {
                name: bob.clone(),
                origin: from_browser(HOME, browser),
            };
            matches!(installation.submit(&begin), Begun::Check { known: true, .. })
        })
        .collect();
    let mut expected = [true; BROWSERS_MAX];
    expected[1] = false;
    assert_eq!(known, expected);
    assert_eq!(
        stored(&installation, |key| matches!(key, Key::Browser(_))),
        BROWSERS_MAX
    );
}

#[test]
fn browser_is_forgotten_after_its_time() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let browser = installation
        .first_session(&bob, &origin(HOME))
        .browser
        .expect("it is unknown");
    let begin = Begin {
        name: bob,
        origin: from_browser(HOME, &browser),
    };
    installation.pass(180 * 86_400 - 1);
    let before = installation.submit(&begin);
    assert!(matches!(before, Begun::Check { known: true, .. }), "{before:?}");
    installation.pass(1);
    let after = installation.submit(&begin);
    assert!(matches!(after, Begun::Check { known: false, .. }), "{after:?}");
}

#[test]
fn fifty_first_notice_drops_the_oldest() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let vouch = Vouch {
        name: bob.clone(),
        label: String::new(),
        origin: origin("operator"),
    };
    let enrolment = installation.submit(&vouch).expect("there is room");
    assert_eq!(installation.notices(&bob), [NoticeKind::FactorAdded]);
    let bob = crate::world::Person {
        name: bob,
        secret: secret(&enrolment),
        backup_codes: enrolment.backup_codes,
    };
    // The first browser is no news; each of fifty more is.
    for _ in 0..51 {
        installation.sign_in(&bob, &origin(HOME));
    }
    assert_eq!(installation.notices(&bob.name), [NoticeKind::NewBrowser; 50]);
    assert_eq!(stored(&installation, |key| matches!(key, Key::Notice(_))), 50);
}

#[test]
fn factors_are_enrolled_up_to_the_limit_and_a_code_is_not_spent_beyond_it() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let mut session = installation.sign_in(&alice, &origin(HOME));
    let denied = loop {
        installation.pass(30);
        let proof = alice.code(installation.now, 0);
        let enrolment = match installation.begin_enrolment(asker(&session, &proof)) {
            Ok(granted) => granted.given,
            Err(denied) => break denied,
        };
        let confirm = Confirm {
            asker: asker(&session, &code(&secret(&enrolment), installation.now, 0)),
        };
        session = installation.submit(&confirm).expect("the code is right");
        let factors = &installation.account(&alice.name).factors;
        assert!(factors.len() <= FACTORS_MAX && factors.iter().all(Factor::is_active));
    };
    assert_eq!(denied, Denied::TooMany);
    let full = installation.account(&alice.name).factors.len();
    assert_eq!(full, FACTORS_MAX - 1, "one place is kept for backup codes");
    let vouch = Vouch {
        name: alice.name.clone(),
        label: String::new(),
        origin: origin("operator"),
    };
    assert!(installation.submit(&vouch).is_none());
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let unspent = alice.code(installation.now, 0);
    let verified = installation.verify(&challenge, &unspent, &origin(HOME));
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
}

#[test]
fn labels_and_groups_are_bounded() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let session = installation.first_session(&bob, &origin(HOME)).session.digest();
    let rename = Rename {
        name: bob.clone(),
        session,
        label: format!(" \u{1b}[2J{}", "é".repeat(LABEL_CHARS_MAX + 1)),
        origin: origin(HOME),
    };
    assert!(installation.submit(&rename));
    let Some(Record::Session(session)) = installation.records.get(&Key::Session(session)) else {
        panic!("the session is gone")
    };
    assert_eq!(session.label.chars().count(), LABEL_CHARS_MAX);
    assert!(!session.label.chars().any(char::is_control));
    let add = |groups: usize| Add {
        name: name("carol"),
        groups: (0..groups).map(|number| format!("group{number}")).collect(),
        hash: None,
        totp: false,
        origin: origin("operator"),
    };
    assert_eq!(
        installation.submit(&add(GROUPS_MAX + 1)).err(),
        Some(NotAdded::TooManyGroups)
    );
    assert!(installation.submit(&add(GROUPS_MAX)).is_ok());
}
