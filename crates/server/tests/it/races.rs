//! One code, many hands: however many present it at once, it opens one session; however many guess, five are
//! looked at.

use std::sync::Arc;

use countersign_auth::command::code::Verified;
use countersign_server::service::clock::Clock;
use countersign_server::service::{Failure, Service};
use countersign_server::store::faulty::{Fault, Faulty};
use countersign_server::store::memory::Memory;
use countersign_server::store::sqlite::Sqlite;
use countersign_server::store::{Store, StoreError};

use crate::world::{Folder, Hands, Person, service, verify};

const HANDS: usize = 64;

fn rounds() -> u64 {
    std::env::var("COUNTERSIGN_RACE_ROUNDS").map_or(20, |text| text.parse().expect("a number of rounds"))
}

async fn present_at_once(
    service: &Arc<Service>,
    person: &Person,
    code: &str,
) -> Vec<Result<Verified, Failure>> {
    let mut challenges = Vec::new();
    for _ in 0..HANDS {
        challenges.push(person.challenge(service, "192.0.2.1").await);
    }
    let presented = challenges.into_iter().enumerate().map(|(hand, challenge)| {
        let (service, code) = (service.clone(), code.to_owned());
        tokio::spawn(async move { verify(&service, &challenge, &code, &format!("198.51.100.{hand}")).await })
    });
    let mut outcomes = Vec::new();
    for presented in presented.collect::<Vec<_>>() {
        outcomes.push(presented.await.expect("no task panics"));
    }
    outcomes
}

async fn race(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let service = Arc::new(service(store, &hands));
    let person = Person::add(&service, "alice").await;
    for round in 0..rounds() {
        hands.pass(30);
        let outcomes = present_at_once(&service, &person, &person.code(hands.wall())).await;
        let opened = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(Verified::SignedIn(_))))
            .count();
        let refused = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(Verified::Refused)))
            .count();
        assert_eq!((opened, refused), (1, HANDS - 1), "round {round}: {outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_code_presented_by_many_at_once_opens_one_session_in_memory() {
    race(Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_code_presented_by_many_at_once_opens_one_session_on_the_embedded_store() {
    let folder = Folder::fresh();
    race(Arc::new(
        Sqlite::open(&folder.path().join("race.db")).expect("the store opens"),
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_committers_on_one_store_accept_a_code_once() {
    let folder = Folder::fresh();
    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open(&folder.path().join("two.db")).expect("the store opens"));
    let hands = Hands::new();
    let nodes = [
        Arc::new(service(store.clone(), &hands)),
        Arc::new(service(Arc::new(Forwarding(store)), &hands)),
    ];
    let person = Person::add(&nodes[0], "alice").await;
    for round in 0..rounds() {
        hands.pass(30);
        let code = person.code(hands.wall());
        let mut challenges = Vec::new();
        for node in nodes.iter().cycle().take(16) {
            challenges.push((node.clone(), person.challenge(node, "192.0.2.1").await));
        }
        let presented = challenges.into_iter().map(|(node, challenge)| {
            let code = code.clone();
            tokio::spawn(async move { verify(&node, &challenge, &code, "192.0.2.1").await })
        });
        let mut opened = 0;
        for presented in presented.collect::<Vec<_>>() {
            let outcome = presented.await.expect("no task panics");
            assert!(!matches!(outcome, Err(Failure::Store(_))), "{outcome:?}");
            opened += usize::from(matches!(outcome, Ok(Verified::SignedIn(_))));
        }
        assert_eq!(opened, 1, "round {round}");
    }
}

/// The same store under a second node's name in the audit; see [`countersign_server::store`] for what it
/// forwards.
struct Forwarding(Arc<dyn Store>);

impl Store for Forwarding {
    fn load(
        &self,
        keys: &[countersign_auth::record::Key],
    ) -> Result<Vec<countersign_auth::snapshot::Stored>, StoreError> {
        self.0.load(keys)
    }

    fn commit(
        &self,
        batch: &countersign_server::store::Batch,
        chain: &mut countersign_server::store::Chain<'_>,
    ) -> Result<Vec<countersign_server::store::Fate>, StoreError> {
        self.0.commit(batch, &mut |events| {
            let mut rows = chain(events);
            rows.iter_mut().for_each(|row| row.node = "second".into());
            rows
        })
    }

    fn list(
        &self,
        kind: countersign_server::store::Kind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(countersign_auth::record::Key, countersign_auth::record::Record)>, StoreError> {
        self.0.list(kind, after, limit)
    }

    fn expired(
        &self,
        now: countersign_core::time::UnixSeconds,
        limit: usize,
    ) -> Result<Vec<countersign_auth::record::Key>, StoreError> {
        self.0.expired(now, limit)
    }

    fn audit(
        &self,
        node: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<countersign_server::store::AuditRow>, StoreError> {
        self.0.audit(node, after, limit)
    }

    fn audit_heads(&self) -> Result<Vec<countersign_server::store::AuditRow>, StoreError> {
        let heads = self.0.audit_heads()?;
        let own = heads.into_iter().filter(|row| row.node == "second");
        Ok(own
            .map(|row| countersign_server::store::AuditRow {
                node: "test".into(),
                ..row
            })
            .collect())
    }

    fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.0.note(name)
    }

    fn set_note(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.0.set_note(name, value)
    }

    fn copy_to(&self, file: &std::path::Path) -> Result<(), StoreError> {
        self.0.copy_to(file)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_wrong_codes_at_once_five_are_evaluated() {
    let hands = Hands::new();
    let service = Arc::new(service(Arc::new(Memory::default()), &hands));
    let person = Person::add(&service, "alice").await;
    let outcomes = present_at_once(&service, &person, "000000").await;
    let refused = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Verified::Refused)))
        .count();
    let throttled = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Verified::Throttled { .. })))
        .count();
    assert_eq!((refused, throttled), (5, HANDS - 5), "from as many networks");
    let challenge = person.challenge(&service, "203.0.113.9").await;
    let right = verify(&service, &challenge, &person.code(hands.wall()), "203.0.113.9").await;
    assert!(
        matches!(right, Ok(Verified::Throttled { .. })),
        "a right code is not looked at either: {right:?}"
    );
    hands.pass(300);
    let challenge = person.challenge(&service, "203.0.113.9").await;
    let right = verify(&service, &challenge, &person.code(hands.wall()), "203.0.113.9").await;
    assert!(matches!(right, Ok(Verified::SignedIn(_))), "{right:?}");
}

#[tokio::test]
async fn clock_that_jumped_stops_decisions_until_it_is_accepted() {
    let hands = Hands::new();
    let service = service(Arc::new(Memory::default()), &hands);
    let person = Person::add(&service, "alice").await;
    hands.jump(-3600);
    let stopped = service.submit(person.right_password("192.0.2.1")).await;
    assert!(matches!(stopped, Err(Failure::Clock(_))), "{stopped:?}");
    service.clock().accept();
    person.challenge(&service, "192.0.2.1").await;
}

#[tokio::test]
async fn commit_without_an_answer_is_a_failure_and_is_never_decided_again() {
    let hands = Hands::new();
    let store = Arc::new(Faulty::new(Memory::default()));
    let service = service(store.clone(), &hands);
    let person = Person::add(&service, "alice").await;
    let code = person.code(hands.wall());
    let challenge = person.challenge(&service, "192.0.2.1").await;
    store.fail_next(Fault::AfterCommit);
    let unknown = verify(&service, &challenge, &code, "192.0.2.1").await;
    assert!(
        matches!(unknown, Err(Failure::Store(StoreError::Unknown(_)))),
        "{unknown:?}"
    );
    let again = person.challenge(&service, "192.0.2.1").await;
    let replayed = verify(&service, &again, &code, "192.0.2.1").await;
    assert_eq!(
        replayed,
        Ok(Verified::Refused),
        "it had been committed, so the code is used"
    );

    hands.pass(30);
    let code = person.code(hands.wall());
    let challenge = person.challenge(&service, "192.0.2.1").await;
    store.fail_next(Fault::BeforeCommit);
    let unavailable = verify(&service, &challenge, &code, "192.0.2.1").await;
    assert!(
        matches!(unavailable, Err(Failure::Store(StoreError::Unavailable(_)))),
        "{unavailable:?}"
    );
    let signed_in = verify(&service, &challenge, &code, "192.0.2.1").await;
    assert!(
        matches!(signed_in, Ok(Verified::SignedIn(_))),
        "nothing had happened, so the code is fresh: {signed_in:?}"
    );
    let entries = store.audit("test", 0, 1000).expect("the store works");
    let numbers: Vec<_> = entries.iter().map(|row| row.number).collect();
    assert_eq!(
        numbers,
        (1..=numbers.len() as u64).collect::<Vec<_>>(),
        "the chain goes on without a gap"
    );
}
