//! Protected hosts: one session, one key for each host, and a ticket that leads from one to the other once.

use countersign_auth::command::SignedIn;
use countersign_auth::command::host::{Enter, Entered, Issue};
use countersign_auth::command::step_up::StepUp;
use countersign_auth::event::Act;
use countersign_auth::id::{Digest, Presented, SessionToken};
use countersign_auth::policy::{HOST_TICKETS_MAX, HOSTS_MAX};
use countersign_auth::record::{Key, Record, Session};
use countersign_auth::session::opened;
use countersign_core::elevation::Standing;

use crate::world::{HOME, Installation, Person, asker, granted, origin};

const HOST: &str = "app.example.org";

fn one_session() -> (Installation, Person, SignedIn) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    let session = installation.sign_in(&person, &origin(HOME));
    (installation, person, session)
}

fn issue(installation: &mut Installation, session: &SignedIn, host: &str, browser: &str) -> SessionToken {
    let ticket = installation.submit(&Issue {
        session: session.session.digest(),
        host: host.into(),
        state: Digest::of(browser),
    });
    ticket.expect("the session is open")
}

fn enter(
    installation: &mut Installation,
    ticket: &SessionToken,
    host: &str,
    browser: &str,
) -> Option<Entered> {
    installation.submit(&Enter {
        ticket: Presented::of(ticket.expose()).expect("a ticket has the shape of one"),
        host: host.into(),
        state: Digest::of(browser),
        origin: origin(HOME),
    })
}

fn session_of(installation: &Installation, token: &SessionToken) -> Session {
    match installation.records.get(&Key::Session(token.digest())) {
        Some(Record::Session(session)) => (**session).clone(),
        other => panic!("no session: {other:?}"),
    }
}

fn standing_at(installation: &Installation, token: &SessionToken, host: Option<&str>) -> Option<Standing> {
    opened(
        &session_of(installation, token),
        token.key(),
        host,
        installation.now,
    )
}

#[test]
fn ticket_opens_its_session_at_its_host_once() {
    let (mut installation, _, session) = one_session();
    let ticket = issue(&mut installation, &session, HOST, "browser");
    let entered = enter(&mut installation, &ticket, HOST, "browser").expect("it is the first time");
    assert!(standing_at(&installation, &entered.token, Some(HOST)).is_some());
    for elsewhere in [None, Some("other.example.org")] {
        assert_eq!(
            standing_at(&installation, &entered.token, elsewhere),
            None,
            "{elsewhere:?}"
        );
    }
    assert_eq!(
        standing_at(&installation, &session.session, Some(HOST)),
        None,
        "the session's own token is worth nothing at a host"
    );
    assert_eq!(
        standing_at(&installation, &ticket, Some(HOST)),
        None,
        "a ticket is no token"
    );
    assert!(
        enter(&mut installation, &ticket, HOST, "browser").is_none(),
        "it is used up"
    );
    assert_eq!(installation.audited(Act::HostEnter, None), 1);
}

#[test]
fn ticket_is_for_one_host_one_browser_and_59_seconds() {
    let (mut installation, _, session) = one_session();
    let ticket = issue(&mut installation, &session, HOST, "browser");
    assert!(enter(&mut installation, &ticket, "other.example.org", "browser").is_none());
    assert!(
        enter(&mut installation, &ticket, HOST, "somebody else's browser").is_none(),
        "a ticket that was sent to somebody opens nothing there"
    );
    installation.pass(59);
    assert!(enter(&mut installation, &ticket, HOST, "browser").is_some());
    let late = issue(&mut installation, &session, HOST, "browser");
    installation.pass(60);
    assert!(enter(&mut installation, &late, HOST, "browser").is_none());
}

#[test]
fn elevation_counts_at_a_host_that_is_entered_after_it() {
    let (mut installation, alice, session) = one_session();
    let ticket = issue(&mut installation, &session, HOST, "browser");
    let before = enter(&mut installation, &ticket, HOST, "browser").expect("it is right");
    installation.pass(30);
    let code = alice.code(installation.now, 0);
    let step_up = StepUp {
        asker: asker(&session, &code),
        purpose: String::new(),
    };
    granted(installation.submit(&step_up));
    let elevation = |installation: &Installation, token| {
        standing_at(installation, token, Some(HOST))
            .expect("it is open")
            .elevation
    };
    assert_eq!(
        elevation(&installation, &before.token),
        None,
        "the token was not replaced yet"
    );
    let ticket = issue(&mut installation, &session, HOST, "browser");
    let after = enter(&mut installation, &ticket, HOST, "browser").expect("it is right");
    assert!(elevation(&installation, &after.token).is_some());
    installation.pass(10);
    assert_eq!(
        standing_at(&installation, &before.token, Some(HOST)),
        None,
        "it was replaced"
    );
    assert!(standing_at(&installation, &after.token, Some(HOST)).is_some());
}

#[test]
fn keys_and_tickets_of_a_session_are_bounded_and_the_oldest_goes() {
    let (mut installation, _, session) = one_session();
    let mut entered = Vec::new();
    for number in 0..HOSTS_MAX {
        let host = format!("app{number}.example.org");
        let ticket = issue(&mut installation, &session, &host, "browser");
        entered.push(enter(&mut installation, &ticket, &host, "browser").expect("it is right"));
    }
    let stored = session_of(&installation, &session.session);
    assert_eq!(stored.keys.len(), HOSTS_MAX);
    assert!(
        standing_at(&installation, &session.session, None).is_some(),
        "the session's own key stays, however many hosts are entered"
    );
    assert_eq!(
        standing_at(&installation, &entered[0].token, Some("app0.example.org")),
        None
    );
    for _ in 0..=HOST_TICKETS_MAX {
        issue(&mut installation, &session, HOST, "browser");
    }
    assert_eq!(
        session_of(&installation, &session.session).tickets.len(),
        HOST_TICKETS_MAX
    );
}
