//! What stands after a sign-in, for how long, and who may end it: sessions, known browsers, the account itself.

use countersign_auth::command::code::Verified;
use countersign_auth::command::operator::{Action, Manage, Managed};
use countersign_auth::command::password::{Begin, Begun};
use countersign_auth::command::session::{End, Which};
use countersign_auth::command::ticket::{Issue, Look};
use countersign_auth::event::{Act, Reason};
use countersign_auth::record::{Key, Record, Session, TicketPurpose};
use countersign_auth::session::{Level, SessionVerdict, judge};
use countersign_core::elevation::Standing;
use countersign_core::time::UnixSeconds;

use crate::world::{HOME, Installation, Person, from_browser, hash, name, origin, wrong_code};

fn one_person() -> (Installation, Person) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    (installation, person)
}

#[test]
fn session_ends_at_its_age_and_at_its_idleness_and_not_a_second_before() {
    let policy = countersign_auth::policy::Policy::default();
    let began = UnixSeconds(1000);
    let session = Session {
        account: name("alice"),
        created_at: began,
        expires_at: began.plus(u64::from(policy.session_s)),
        last_seen: began,
        handle: String::new(),
        standing: Standing {
            level: Level::Two,
            authenticated_at: began,
            elevation: None,
        },
        methods: Vec::new(),
        keys: Vec::new(),
        stepped_down_at: None,
        tickets: Vec::new(),
        groups: Vec::new(),
        claims: Default::default(),
        label: String::new(),
        network: String::new(),
        agent: String::new(),
        recovers: false,
    };
    let live = |until| SessionVerdict::Live {
        until: began.plus(until),
    };
    for (last_seen_s, now_s, expected) in [
        (0, 0, live(1800)),
        (0, 1799, live(1800)),
        (0, 1800, SessionVerdict::Idle),
        (1700, 1800, live(3500)),
        (1799, 3598, live(3599)),
        (1799, 3599, SessionVerdict::Idle),
        (3000, 3599, live(3600)),
        (3599, 3600, SessionVerdict::Expired),
        (3599, 9999, SessionVerdict::Expired),
    ] {
        let verdict = judge(&session, began.plus(last_seen_s), began.plus(now_s), &policy);
        assert_eq!(verdict, expected, "seen at {last_seen_s}, judged at {now_s}");
    }
    let stored_later = Session {
        last_seen: began.plus(1000),
        ..session
    };
    assert_eq!(
        judge(&stored_later, began, began.plus(2799), &policy),
        live(2800),
        "stored activity counts where memory has older"
    );
}

#[test]
fn what_is_dated_after_now_is_over_once_the_clock_was_put_right() {
    for (back_s, is_open) in [(60, true), (61, false)] {
        let (mut installation, alice) = one_person();
        let session = installation.sign_in(&alice, &origin(HOME));
        let challenge = installation.challenge(&alice.name, &origin(HOME));
        let issue = Issue {
            purpose: TicketPurpose::Account(alice.name.clone()),
            origin: origin("operator"),
        };
        let (ticket, _) = installation.submit(&issue).expect("the account exists");
        installation.now = UnixSeconds(installation.now.0 - back_s);
        let look = Look {
            ticket: ticket.digest(),
        };
        assert_eq!(installation.submit(&look).is_some(), is_open, "{back_s} s");
        let Some(Record::Session(stored)) = installation.records.get(&Key::Session(session.session.digest()))
        else {
            panic!("no session is stored")
        };
        let verdict = judge(stored, stored.last_seen, installation.now, &installation.policy);
        assert_eq!(verdict != SessionVerdict::Expired, is_open, "{back_s} s");
        let wrong = wrong_code(&alice.secret, installation.now);
        let verified = installation.verify(&challenge, &wrong, &origin(HOME));
        assert_eq!(verified != Verified::NoChallenge, is_open, "{back_s} s");
    }
}

#[test]
fn what_is_over_is_deleted_when_its_account_forgets_it() {
    let (mut installation, alice) = one_person();
    let session = installation.sign_in(&alice, &origin(HOME));
    let browser = session.browser.as_ref().expect("it was unknown").digest();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let keys = [
        Key::Session(session.session.digest()),
        Key::Challenge(challenge.digest()),
        Key::Browser(browser),
    ];
    assert!(keys.iter().all(|key| installation.records.contains_key(key)));
    installation.pass(181 * 86_400);
    installation.sign_in(&alice, &origin(HOME));
    for key in keys {
        let is_there = installation.records.contains_key(&key);
        assert!(
            !is_there,
            "a clock set back would revive what nobody could end: {key:?}"
        );
    }
}

#[test]
fn disabled_account_is_refused_like_an_unknown_one_and_everything_open_ends() {
    let (mut installation, alice) = one_person();
    let signed_in = installation.sign_in(&alice, &origin(HOME));
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let manage = |action| Manage {
        name: alice.name.clone(),
        action,
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&manage(Action::Disable)), Managed::Done);
    let session = Key::Session(signed_in.session.digest());
    assert!(!installation.records.contains_key(&session));
    installation.pass(30);
    let code = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &code, &origin(HOME)),
        Verified::NoChallenge
    );
    let known = installation.finish(&alice.name, Some(hash("alice")), true, &origin("192.0.2.8"));
    let unknown = installation.finish(&name("nobody"), None, false, &origin("192.0.2.9"));
    assert_eq!(
        installation.weigh(&known),
        installation.weigh(&unknown),
        "the right password of a disabled account and any of an unknown one"
    );
    assert_eq!(
        installation.audited(Act::PasswordCheck, Some(Reason::Disabled)),
        1
    );
    assert_eq!(installation.submit(&manage(Action::Enable)), Managed::Done);
    installation.sign_in(&alice, &origin(HOME));
}

#[test]
fn challenge_that_outlived_the_disabling_of_its_account_opens_nothing() {
    let (mut installation, alice) = one_person();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let mut disabled = installation.account(&alice.name).clone();
    disabled.disabled = true;
    let key = Key::Account(alice.name.clone());
    installation.records.insert(key, Record::Account(disabled.into()));
    let code = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &code, &origin(HOME)),
        Verified::NoChallenge
    );
}

#[test]
fn owner_ends_one_session_the_others_or_the_own_and_nobody_elses() {
    let (mut installation, alice) = one_person();
    let bob = installation.person("bob");
    let sessions: Vec<_> = (0..4)
        .map(|_| installation.sign_in(&alice, &origin(HOME)))
        .collect();
    let foreign = installation.sign_in(&bob, &origin(HOME));
    let end = |asking: &countersign_auth::command::SignedIn, which| End {
        session: asking.session.digest(),
        name: alice.name.clone(),
        which,
        origin: origin(HOME),
    };
    let short = |at: usize| sessions[at].session.digest().short();
    let one = end(&sessions[0], Which::One(short(2)));
    assert_eq!(installation.submit(&one), 1);
    assert_eq!(installation.submit(&one), 0, "it is over already");
    let bobs = end(&sessions[0], Which::One(foreign.session.digest().short()));
    assert_eq!(installation.submit(&bobs), 0);
    assert_eq!(
        installation.submit(&end(&foreign, Which::Others)),
        0,
        "another person's session ends none of alice's"
    );
    assert_eq!(installation.submit(&end(&sessions[0], Which::Others)), 2);
    assert_eq!(installation.submit(&end(&sessions[0], Which::Own)), 1);
    assert_eq!(installation.account(&alice.name).sessions, []);
    assert!(
        installation
            .records
            .contains_key(&Key::Session(foreign.session.digest()))
    );
    assert_eq!(installation.audited(Act::SessionEnd, Some(Reason::ByOwner)), 3);
    assert_eq!(installation.audited(Act::SignOut, Some(Reason::ByOwner)), 1);
}

#[test]
fn browser_of_one_person_is_a_stranger_to_another() {
    let (mut installation, alice) = one_person();
    let bob = installation.person("bob");
    let browser = installation
        .sign_in(&bob, &origin(HOME))
        .browser
        .expect("the browser was unknown");
    let begin = |who: &Person| Begin {
        name: who.name.clone(),
        origin: from_browser(HOME, &browser),
    };
    let of_bob = installation.submit(&begin(&bob));
    let of_alice = installation.submit(&begin(&alice));
    assert!(matches!(of_bob, Begun::Check { known: true, .. }), "{of_bob:?}");
    assert!(
        matches!(of_alice, Begun::Check { known: false, .. }),
        "{of_alice:?}"
    );
}
