//! Known browsers: made known where that is wished, seen and forgotten by their owner; they replace no factor.

use countersign_auth::command::browser::{Forget, Which};
use countersign_auth::command::code::Verified;
use countersign_auth::command::password::{Begin, Begun, Finished};
use countersign_auth::command::{Onward, SignedIn};
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::id::Token;
use countersign_auth::record::{Browser, Key, NoticeKind, Record};

use crate::world::{HOME, Installation, Person, from_browser, name, origin};

const ELSEWHERE: &str = "198.51.100.7";

fn stranger() -> Origin {
    Origin {
        remember: false,
        ..origin(HOME)
    }
}

fn alice() -> (Installation, Person) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    (installation, person)
}

fn is_known(installation: &mut Installation, person: &Person, browser: &Token) -> bool {
    let begin = Begin {
        name: person.name.clone(),
        origin: from_browser(HOME, browser),
    };
    matches!(installation.submit(&begin), Begun::Check { known: true, .. })
}

fn stored(installation: &Installation, browser: &Token) -> Option<Browser> {
    match installation.records.get(&Key::Browser(browser.digest())) {
        Some(Record::Browser(browser)) => Some(browser.clone()),
        _ => None,
    }
}

fn forget(installation: &mut Installation, by: &SignedIn, which: Which) -> usize {
    installation.submit(&Forget {
        session: by.session.digest(),
        name: by.name.clone(),
        which,
        origin: origin(HOME),
    })
}

#[test]
fn browser_is_known_only_where_that_was_wished_and_its_owner_is_told_either_way() {
    let (mut installation, alice) = alice();
    installation.sign_in(&alice, &stranger());
    let again = installation.sign_in(&alice, &stranger());
    assert_eq!(again.browser, None);
    assert_eq!(installation.account(&alice.name).browsers, []);
    let told = installation.notices(&alice.name);
    assert_eq!(
        told,
        [NoticeKind::NewBrowser],
        "who unticks the box hides nothing"
    );
    let wished = installation.sign_in(&alice, &origin(HOME));
    assert!(is_known(
        &mut installation,
        &alice,
        &wished.browser.expect("it was wished")
    ));
}

#[test]
fn known_browser_owes_password_and_code_all_the_same() {
    let (mut installation, alice) = alice();
    let browser = installation.sign_in(&alice, &origin(HOME)).browser;
    let known = from_browser(HOME, &browser.expect("it was unknown"));
    let finished = installation.password(&alice.name, true, &known);
    assert!(
        matches!(finished, Finished::Onward(Onward::CodeDue { .. })),
        "{finished:?}"
    );
    let challenge = installation.challenge(&alice.name, &known);
    assert_eq!(
        installation.verify(&challenge, "12345", &known),
        Verified::Malformed
    );
}

#[test]
fn use_of_a_known_browser_is_noted_and_it_stays_known_whatever_is_wished_later() {
    let (mut installation, alice) = alice();
    let first = installation.sign_in(&alice, &origin(HOME));
    let browser = first.browser.expect("it was unknown");
    let made = stored(&installation, &browser).expect("it is kept");
    let later = Origin {
        remember: false,
        agent: "Firefox/140.0".into(),
        ..from_browser(ELSEWHERE, &browser)
    };
    assert_eq!(installation.sign_in(&alice, &later).browser, None);
    let used = stored(&installation, &browser).expect("it is still kept");
    let expected = Browser {
        last_used: Some(installation.now),
        network: ELSEWHERE.into(),
        agent: "Firefox/140.0".into(),
        ..made.clone()
    };
    assert_eq!(used, expected);
    assert!(made.created_at < used.last_used);
}

#[test]
fn forgotten_browser_is_a_stranger_and_no_other_is_forgotten_with_it() {
    let (mut installation, alice) = alice();
    let bob = installation.person("bob");
    let mut known = |person: &Person| {
        let session = installation.sign_in(person, &origin(HOME));
        let browser = session.browser.clone().expect("it was unknown");
        (session, browser)
    };
    let (session, first) = known(&alice);
    let (_, second) = known(&alice);
    let (_, third) = known(&alice);
    let (_, bobs) = known(&bob);
    for (which, count) in [
        (Which::One(bobs.digest().short()), 0),
        (Which::One(first.digest().short()), 1),
        (Which::One(first.digest().short()), 0),
    ] {
        assert_eq!(
            forget(&mut installation, &session, which.clone()),
            count,
            "{which:?}"
        );
    }
    assert!(!is_known(&mut installation, &alice, &first));
    assert!(is_known(&mut installation, &alice, &second));
    assert_eq!(forget(&mut installation, &session, Which::All), 2);
    assert!(!is_known(&mut installation, &alice, &third));
    assert!(is_known(&mut installation, &bob, &bobs));
    assert_eq!(stored(&installation, &first), None);
    assert_eq!(installation.audited(Act::BrowserForget, Some(Reason::ByOwner)), 3);
}

#[test]
fn session_of_somebody_else_forgets_no_browser() {
    let (mut installation, alice) = alice();
    let hers = installation.sign_in(&alice, &origin(HOME));
    let bob = installation.person("bob");
    let his = installation.sign_in(&bob, &origin(HOME));
    let forged = SignedIn {
        name: name("alice"),
        ..his
    };
    assert_eq!(forget(&mut installation, &forged, Which::All), 0);
    let browser = hers.browser.expect("it was unknown");
    assert!(is_known(&mut installation, &alice, &browser));
}
