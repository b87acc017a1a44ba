//! Sessions as the service answers for them: alive to the second, and over at once when they are ended.

use std::sync::Arc;

use countersign_auth::command::SignedIn;
use countersign_auth::command::api_token::{Add, Revoke, Revoker, Wish};
use countersign_auth::command::code::Verified;
use countersign_auth::command::session::Which;
use countersign_auth::name::Name;
use countersign_auth::record::{Key, Record};
use countersign_server::service::Service;
use countersign_server::store::Store;
use countersign_server::store::faulty::{Fault, Faulty};
use countersign_server::store::memory::Memory;

use crate::world::{Hands, Person, START, origin, service, verify};

const HOME: &str = "192.0.2.1";

async fn sign_in(service: &Service, person: &Person, hands: &Hands) -> SignedIn {
    hands.pass(30);
    let challenge = person.challenge(service, HOME).await;
    let code = person.code(countersign_server::service::clock::Clock::wall(hands));
    match verify(service, &challenge, &code, HOME).await {
        Ok(Verified::SignedIn(signed_in)) => signed_in,
        other => panic!("the code is right, yet {other:?}"),
    }
}

async fn is_alive(service: &Service, signed_in: &SignedIn) -> bool {
    let live = service.session(signed_in.session.expose()).await;
    live.expect("the store works").is_some()
}

#[tokio::test]
async fn session_that_was_ended_is_refused_by_the_very_next_request() {
    let hands = Hands::new();
    let service = service(Arc::new(Memory::default()), &hands);
    let person = Person::add(&service, "alice").await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(sign_in(&service, &person, &hands).await);
        assert!(is_alive(&service, &sessions[sessions.len() - 1]).await);
    }
    let token = sessions[0].session.expose();
    let live = service.session(token).await.expect("the store works");
    let live = live.expect("it is alive");
    let end = async |which| {
        let ended = service.end_sessions(&live, which, &origin(HOME)).await;
        ended.expect("the store works")
    };
    assert_eq!(end(Which::Others).await, 2);
    assert!(!is_alive(&service, &sessions[1]).await);
    assert!(!is_alive(&service, &sessions[2]).await);
    assert!(is_alive(&service, &sessions[0]).await);
    assert_eq!(end(Which::Own).await, 1);
    assert!(!is_alive(&service, &sessions[0]).await);
}

#[tokio::test]
async fn session_lives_3599_seconds_with_activity_and_1799_without() {
    let hands = Hands::new();
    let service = service(Arc::new(Memory::default()), &hands);
    let person = Person::add(&service, "alice").await;
    let (busy, idle) = (
        sign_in(&service, &person, &hands).await,
        sign_in(&service, &person, &hands).await,
    );
    // The busy one is 30 seconds older.
    hands.pass(1769);
    assert!(is_alive(&service, &busy).await, "at 1799 s");
    hands.pass(30);
    assert!(is_alive(&service, &busy).await);
    hands.pass(1);
    assert!(
        !is_alive(&service, &idle).await,
        "nothing happened in it for 1800 s"
    );
    hands.pass(1769);
    assert!(is_alive(&service, &busy).await, "at 3599 s");
    hands.pass(1);
    assert!(!is_alive(&service, &busy).await, "at 3600 s");
}

#[tokio::test]
async fn activity_is_kept_in_memory_and_written_down_even_if_a_commit_fails_once() {
    let hands = Hands::new();
    let store = Arc::new(Faulty::new(Arc::new(Memory::default())));
    let service = service(store.clone(), &hands);
    let person = Person::add(&service, "alice").await;
    let signed_in = sign_in(&service, &person, &hands).await;
    let last_seen = || {
        let key = Key::Session(signed_in.session.digest());
        let stored = store.load(&[key]).expect("the store works");
        match stored.into_iter().find_map(|stored| stored.record) {
            Some(Record::Session(session)) => session.last_seen.0 - START,
            other => panic!("no session is stored: {other:?}"),
        }
    };
    hands.pass(1700);
    assert!(is_alive(&service, &signed_in).await);
    assert_eq!(last_seen(), 30, "a request is not a commit");
    store.fail_next(Fault::BeforeCommit);
    assert!(service.write_activity().await.is_err());
    hands.pass(1700);
    assert!(
        is_alive(&service, &signed_in).await,
        "the activity that could not be written down was not forgotten"
    );
    service.write_activity().await.expect("the store works");
    assert_eq!(last_seen(), 3430);
}

#[tokio::test]
async fn session_check_reads_the_store_once_and_for_half_a_second_not_again() {
    let hands = Hands::new();
    let store = Arc::new(Faulty::new(Arc::new(Memory::default())));
    let service = service(store.clone(), &hands);
    service.issue_as("https://id.example.org");
    service.read_signing_keys().await.expect("the store works");
    let person = Person::add(&service, "alice").await;
    let signed_in = sign_in(&service, &person, &hands).await;
    let loads_of = async |token: &str| {
        let before = store.loads();
        let identified = service.identify(None, token).await.expect("the store works");
        assert!(identified.is_some());
        store.loads() - before
    };
    let token = signed_in.session.expose();
    assert_eq!(loads_of(token).await, 1);
    assert_eq!(loads_of(token).await, 0);
    hands.pass(1);
    assert_eq!(loads_of(token).await, 1, "another node may have changed it since");

    hands.pass(30);
    let live = service
        .session(token)
        .await
        .expect("the store works")
        .expect("it is alive");
    let code = person.code(countersign_server::service::clock::Clock::wall(&hands));
    let elevated = match service.step_up(&live, &code, "", &origin(HOME)).await {
        Ok(Ok(elevated)) => elevated,
        _ => panic!("the code is right"),
    };
    let renewed = elevated.stepped_up.token.expose();
    assert_eq!(
        loads_of(renewed).await,
        1,
        "what was kept is forgotten once it changed"
    );
    assert_eq!(
        loads_of(&elevated.token).await,
        0,
        "the elevated token speaks of the same session"
    );
    let nobody = service.identify(None, &"0".repeat(96)).await;
    assert!(nobody.expect("the store works").is_none());
}

#[tokio::test]
async fn token_that_another_node_renewed_is_believed_at_once_and_an_ended_one_no_longer_than_half_a_second() {
    let hands = Hands::new();
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let (here, there) = (service(store.clone(), &hands), service(store.clone(), &hands));
    let person = Person::add(&here, "alice").await;
    let signed_in = sign_in(&here, &person, &hands).await;
    let old = signed_in.session.expose();
    hands.pass(30);
    assert!(is_alive(&there, &signed_in).await, "it is kept there from now on");
    let code = person.code(countersign_server::service::clock::Clock::wall(&hands));
    let live = here
        .session(old)
        .await
        .expect("the store works")
        .expect("it is alive");
    here.read_signing_keys().await.expect("the store works");
    let elevated = match here.step_up(&live, &code, "", &origin(HOME)).await {
        Ok(Ok(elevated)) => elevated,
        _ => panic!("the code is right"),
    };
    let renewed = elevated.stepped_up.token.expose();
    let there_now = there
        .session(renewed)
        .await
        .expect("the store works")
        .expect("it is alive");
    assert!(there_now.standing.elevation.is_some());
    let live = here
        .session(renewed)
        .await
        .expect("the store works")
        .expect("it is alive");
    let ended = here.end_sessions(&live, Which::Own, &origin(HOME)).await;
    assert_eq!(ended.expect("the store works"), 1);
    hands.pass(1);
    assert!(there.session(renewed).await.expect("the store works").is_none());
}

#[tokio::test]
async fn token_for_programs_that_another_node_revoked_is_believed_no_longer_than_half_a_second() {
    let hands = Hands::new();
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let (here, there) = (service(store.clone(), &hands), service(store.clone(), &hands));
    Person::add(&here, "alice").await;
    let name = Name::from_ascii("alice").expect("a name");
    let made = here
        .submit(Add {
            name: name.clone(),
            wish: Wish {
                label: "backup".into(),
                lives_s: 86_400,
                hosts: Vec::new(),
            },
            origin: origin("operator"),
        })
        .await
        .expect("the store works")
        .expect("there is room");
    let good_there = async || {
        let found = there
            .api_token_at(Some("app.example.org"), made.token.expose())
            .await;
        found.expect("the store works").is_some()
    };
    assert!(good_there().await, "it is kept there from now on");
    let revoked = here.submit(Revoke {
        name,
        short: made.id.short(),
        revoker: Revoker::Operator,
        origin: origin("operator"),
    });
    assert_eq!(revoked.await, Ok(true));
    let here_now = here
        .api_token_at(Some("app.example.org"), made.token.expose())
        .await;
    assert!(
        here_now.expect("the store works").is_none(),
        "here it is over at once"
    );
    hands.pass(1);
    assert!(!good_there().await);
}
