//! One code, many hands: however many present it at once, it opens one session; however many guess, five are
//! looked at. Each is a rule of the conformance suite, for every store and for several nodes on one.

use std::sync::Arc;

use countersign_auth::command::code::Verified;
use countersign_auth::command::password::Finished;
use countersign_server::service::audit;
use countersign_server::service::clock::Clock;
use countersign_server::service::{Failure, Service};
use countersign_server::store::faulty::{Fault, Faulty};
use countersign_server::store::memory::Memory;
use countersign_server::store::{Store, StoreError};

use crate::world::{Hands, Person, hashing, keys, node, service, verify};

const HANDS: usize = 64;
const HOME: &str = "192.0.2.1";

fn rounds() -> u64 {
    std::env::var("COUNTERSIGN_RACE_ROUNDS").map_or(20, |text| text.parse().expect("a number of rounds"))
}

/// Two nodes with one store and one clock, each with its own chain of the audit.
fn two_nodes(store: &Arc<dyn Store>, hands: &Hands) -> [Arc<Service>; 2] {
    ["first", "second"].map(|name| Arc::new(node(store.clone(), hands, hashing(), name)))
}

/// A code from as many hands at once, each with a challenge and a network of its own, at the nodes in turn.
async fn present_at_once(
    nodes: &[Arc<Service>],
    person: &Person,
    code: &str,
) -> Vec<Result<Verified, Failure>> {
    let mut challenges = Vec::new();
    for node in nodes.iter().cycle().take(HANDS) {
        challenges.push((node.clone(), person.challenge(node, HOME).await));
    }
    let presented = challenges
        .into_iter()
        .enumerate()
        .map(|(hand, (node, challenge))| {
            let code = code.to_owned();
            tokio::spawn(async move { verify(&node, &challenge, &code, &format!("198.51.100.{hand}")).await })
        });
    let mut outcomes = Vec::new();
    for presented in presented.collect::<Vec<_>>() {
        outcomes.push(presented.await.expect("no task panics"));
    }
    outcomes
}

fn count(outcomes: &[Result<Verified, Failure>], wanted: fn(&Verified) -> bool) -> usize {
    outcomes
        .iter()
        .flatten()
        .filter(|verified| wanted(verified))
        .count()
}

fn opened(outcomes: &[Result<Verified, Failure>]) -> usize {
    count(outcomes, |verified| matches!(verified, Verified::SignedIn(_)))
}

fn refused(outcomes: &[Result<Verified, Failure>]) -> usize {
    count(outcomes, |verified| matches!(verified, Verified::Refused))
}

pub async fn one_code_presented_by_many_at_once_opens_one_session(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let nodes = [Arc::new(service(store, &hands))];
    let person = Person::add(&nodes[0], "alice").await;
    for round in 0..rounds() {
        hands.pass(30);
        let outcomes = present_at_once(&nodes, &person, &person.code(hands.wall())).await;
        assert_eq!(
            (opened(&outcomes), refused(&outcomes)),
            (1, HANDS - 1),
            "round {round}: {outcomes:?}"
        );
    }
}

pub async fn two_nodes_accept_a_code_once(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let nodes = two_nodes(&store, &hands);
    let person = Person::add(&nodes[0], "alice").await;
    for round in 0..rounds() {
        hands.pass(30);
        let outcomes = present_at_once(&nodes, &person, &person.code(hands.wall())).await;
        let unanswered = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(Failure::Store(_))))
            .count();
        assert_eq!(
            (opened(&outcomes), unanswered),
            (1, 0),
            "round {round}: {outcomes:?}"
        );
    }
    assert_eq!(store.audit_heads().map(|heads| heads.len()), Ok(2));
    let damages = audit::verify(&*store, &keys(), None).map(|(_, damages)| damages);
    assert_eq!(damages, Ok(Vec::new()), "both chains are whole");
}

pub async fn of_many_wrong_codes_at_once_five_are_evaluated(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let nodes = two_nodes(&store, &hands);
    let person = Person::add(&nodes[0], "alice").await;
    let outcomes = present_at_once(&nodes, &person, "000000").await;
    let busy = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(Failure::Busy)))
        .count();
    let throttled = count(&outcomes, |verified| {
        matches!(verified, Verified::Throttled { .. })
    });
    assert_eq!(
        refused(&outcomes),
        5,
        "from as many networks, at two nodes: {outcomes:?}"
    );
    assert_eq!(throttled + busy, HANDS - 5, "{outcomes:?}");
    let stranger = "203.0.113.9";
    let challenge = person.challenge(&nodes[1], stranger).await;
    let right = verify(&nodes[1], &challenge, &person.code(hands.wall()), stranger).await;
    assert!(
        matches!(right, Ok(Verified::Throttled { .. })),
        "a right code is not looked at either: {right:?}"
    );
    hands.pass(300);
    let challenge = person.challenge(&nodes[0], stranger).await;
    let right = verify(&nodes[0], &challenge, &person.code(hands.wall()), stranger).await;
    assert!(matches!(right, Ok(Verified::SignedIn(_))), "{right:?}");
}

pub async fn of_many_wrong_passwords_at_once_five_are_evaluated(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let nodes = two_nodes(&store, &hands);
    let person = Person::add(&nodes[0], "alice").await;
    let guesses = nodes.iter().cycle().take(HANDS).map(|node| {
        let mut guess = person.right_password(HOME);
        guess.checked.matched = false;
        let node = node.clone();
        tokio::spawn(async move { node.submit(guess).await })
    });
    let (mut refused, mut throttled) = (0, 0);
    for guess in guesses.collect::<Vec<_>>() {
        match guess.await.expect("no task panics") {
            Ok(Finished::Refused) => refused += 1,
            Ok(Finished::Throttled { .. }) | Err(Failure::Busy) => throttled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (refused, throttled),
        (5, HANDS - 5),
        "from one network, at two nodes"
    );
    let right = nodes[1].submit(person.right_password(HOME)).await;
    assert_eq!(right, Ok(Finished::Throttled { retry_after_s: 300 }));
}

pub async fn commit_without_an_answer_is_a_failure_and_is_never_decided_again(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let store = Arc::new(Faulty::new(store));
    let service = service(store.clone(), &hands);
    let person = Person::add(&service, "alice").await;
    let code = person.code(hands.wall());
    let challenge = person.challenge(&service, HOME).await;
    store.fail_next(Fault::AfterCommit);
    let unknown = verify(&service, &challenge, &code, HOME).await;
    assert!(
        matches!(unknown, Err(Failure::Store(StoreError::Unknown(_)))),
        "{unknown:?}"
    );
    let again = person.challenge(&service, HOME).await;
    let replayed = verify(&service, &again, &code, HOME).await;
    assert_eq!(
        replayed,
        Ok(Verified::Refused),
        "it had been committed, so the code is used"
    );

    hands.pass(30);
    let code = person.code(hands.wall());
    let challenge = person.challenge(&service, HOME).await;
    store.fail_next(Fault::BeforeCommit);
    let unavailable = verify(&service, &challenge, &code, HOME).await;
    assert!(
        matches!(unavailable, Err(Failure::Store(StoreError::Unavailable(_)))),
        "{unavailable:?}"
    );
    let signed_in = verify(&service, &challenge, &code, HOME).await;
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

#[tokio::test]
async fn decision_that_other_nodes_outrun_many_times_is_made_in_the_end() {
    let hands = Hands::new();
    let store = Arc::new(Faulty::new(Arc::new(Memory::default())));
    let service = service(store.clone(), &hands);
    let person = Person::add(&service, "alice").await;
    let challenge = person.challenge(&service, HOME).await;
    store.fail_next(Fault::Outrun(30));
    let verified = verify(&service, &challenge, &person.code(hands.wall()), HOME).await;
    assert!(matches!(verified, Ok(Verified::SignedIn(_))), "{verified:?}");

    hands.pass(30);
    let challenge = person.challenge(&service, HOME).await;
    store.fail_next(Fault::Outrun(u32::MAX));
    let verified = verify(&service, &challenge, &person.code(hands.wall()), HOME).await;
    assert_eq!(verified, Err(Failure::Busy), "but nobody waits for ever");
}

#[tokio::test]
async fn clock_that_jumped_stops_decisions_until_it_is_accepted() {
    let hands = Hands::new();
    let service = service(Arc::new(Memory::default()), &hands);
    let person = Person::add(&service, "alice").await;
    hands.jump(-3600);
    let stopped = service.submit(person.right_password(HOME)).await;
    assert!(matches!(stopped, Err(Failure::Clock(_))), "{stopped:?}");
    service.clock().accept();
    person.challenge(&service, HOME).await;
}
