//! A node of several refuses while it does not hear its store, while its clock is apart from the store's, and while it
//! lacks the newest key; and it learns what became of a commit whose answer was lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_auth::command::code::Verified;
use countersign_auth::command::operator::{Action, Manage};
use countersign_auth::command::upkeep::Reseal;
use countersign_auth::seal::KeyRing;
use countersign_core::time::UnixSeconds;
use countersign_server::service::clock::ClockDoubt;
use countersign_server::service::keys::{Keys, RingKeeper};
use countersign_server::service::{Failure, Parts, Service};
use countersign_server::store::faulty::{Fault, Faulty};
use countersign_server::store::memory::Memory;
use countersign_server::store::{Beat, Listener, StoreError};
use zeroize::Zeroizing;

use crate::world::{Hands, Person, START, hashing, origin, parts, verify};

/// A node on a shared store, whose beats the test gives.
struct Node {
    hands: Hands,
    service: Service,
    listener: Arc<dyn Listener>,
    kept: Kept,
}

/// A ring of so many sealing keys, as it is kept for all nodes.
#[derive(Clone)]
struct Kept(Arc<Mutex<Vec<&'static str>>>);

fn ring(ids: &[&str]) -> KeyRing {
    let key = |fill| Zeroizing::new([fill; 32]);
    let sealing = ids
        .iter()
        .zip(1..)
        .map(|(id, fill)| ((*id).to_owned(), key(fill)));
    KeyRing::new(sealing.collect(), key(200), key(201)).expect("one key")
}

impl RingKeeper for Kept {
    fn read(&self) -> Result<KeyRing, String> {
        Ok(ring(&self.0.lock().expect("nobody panics")))
    }

    fn add(&self) -> Result<KeyRing, String> {
        self.0.lock().expect("nobody panics").push("k2");
        self.read()
    }

    fn forget(&self, _: &str) -> Result<KeyRing, String> {
        self.read()
    }
}

impl Node {
    fn start() -> Node {
        Node::on(&Arc::new(Faulty::shared(Arc::new(Memory::default()))), "test")
    }

    fn on(store: &Arc<Faulty>, name: &str) -> Node {
        let (hands, kept) = (Hands::new(), Kept(Arc::new(Mutex::new(vec!["k1"]))));
        let service = Service::start(Parts {
            keys: Keys::new(ring(&["k1"]), Box::new(kept.clone())),
            ..parts(store.clone(), &hands, hashing(), name)
        });
        let service = service.expect("the service starts");
        let listener = store.listener().expect("a shared store is listened to");
        let node = Node {
            hands,
            service,
            listener,
            kept,
        };
        node.beat(0, None);
        node
    }

    /// The store answers at once.
    fn beat(&self, clock_ahead_s: i64, key: Option<&str>) {
        let asked = self.listener.asking();
        let now = START.saturating_add_signed(clock_ahead_s) + asked.monotonic.as_secs();
        self.listener.heard(
            asked,
            Beat {
                now: Duration::from_secs(now),
                sealing_key: key.map(ToOwned::to_owned),
            },
        );
    }
}

#[tokio::test]
async fn node_that_has_not_heard_its_store_for_a_second_refuses_until_it_does() {
    let node = Node::start();
    assert_eq!(node.service.ready().await, Ok(()));
    node.hands.pass(1);
    assert_eq!(node.service.ready().await, Ok(()), "a second is not too long");
    node.hands.pass(1);
    let silent = node.service.ready().await;
    let Err(Failure::Store(StoreError::Unavailable(cause))) = &silent else {
        panic!("{silent:?}");
    };
    assert!(cause.contains("2 s"), "{cause}");
    assert_eq!(
        node.service.session("anything").await.err(),
        silent.err(),
        "no session is believed either"
    );
    node.beat(0, None);
    assert_eq!(node.service.ready().await, Ok(()));
}

#[tokio::test]
async fn node_that_never_heard_its_store_refuses_and_says_why() {
    let store = Arc::new(Faulty::shared(Arc::new(Memory::default())));
    let service = Service::start(parts(store.clone(), &Hands::new(), hashing(), "test"));
    let service = service.expect("the service starts");
    let listener = store.listener().expect("a shared store is listened to");
    listener.silent(&StoreError::Unavailable("another node is called test".into()));
    let refused = service.ready().await.expect_err("nothing was heard");
    assert!(
        refused.to_string().contains("another node is called test"),
        "{refused}"
    );
    assert_eq!(service.wait_for_store(Duration::ZERO), Err(refused));
}

#[tokio::test]
async fn answer_counts_from_when_it_was_asked_for() {
    let node = Node::start();
    let asked = node.listener.asking();
    node.hands.pass(3);
    let (now, sealing_key) = (Duration::from_secs(START), None);
    node.listener.heard(asked, Beat { now, sealing_key });
    assert!(matches!(node.service.ready().await, Err(Failure::Store(_))));
}

#[tokio::test]
async fn node_whose_clock_is_apart_from_the_stores_refuses_until_an_operator_accepts() {
    let node = Node::start();
    node.beat(-2, None);
    assert_eq!(node.service.ready().await, Ok(()));
    node.beat(3, None);
    let apart = Err(Failure::Clock(ClockDoubt::Apart { seconds: -3 }));
    assert_eq!(node.service.ready().await, apart);
    node.beat(0, None);
    assert_eq!(
        node.service.ready().await,
        apart,
        "it was wrong, so it is doubted"
    );
    node.service.clock().accept();
    assert_eq!(node.service.ready().await, Ok(()));
}

#[tokio::test]
async fn key_that_another_node_added_is_taken_from_the_ring_without_a_restart() {
    let node = Node::start();
    node.beat(0, Some("k1"));
    assert_eq!(node.service.ready().await, Ok(()));
    node.beat(0, Some("k2"));
    assert_eq!(
        node.service.ready().await,
        Err(Failure::Ring("k2".into())),
        "nothing is decided with a ring that lacks the newest key"
    );
    node.kept.add().expect("the ring can be changed");
    node.beat(0, Some("k2"));
    assert_eq!(node.service.ready().await, Ok(()));
}

#[tokio::test]
async fn secret_sealed_under_a_key_added_just_now_opens_before_any_beat() {
    let store = Arc::new(Faulty::shared(Arc::new(Memory::default())));
    let (one, other) = (Node::on(&store, "one"), Node::on(&store, "other"));
    let person = Person::add(&one.service, "alice").await;
    let challenge = person.challenge(&one.service, "192.0.2.1").await;
    // The person's secret is sealed anew under a key that the other node has not read yet.
    one.kept.add().expect("the ring can be changed");
    other.kept.add().expect("the ring is kept for both");
    let name = person.name.clone();
    one.beat(0, Some("k2"));
    let resealed = one.service.submit(Reseal { name });
    assert_eq!(resealed.await, Ok(1));
    let verified = verify(
        &other.service,
        &challenge,
        &person.code(UnixSeconds(START)),
        "192.0.2.1",
    )
    .await;
    assert!(matches!(verified, Ok(Verified::SignedIn(_))), "{verified:?}");
}

#[tokio::test]
async fn commit_whose_answer_was_lost_is_looked_up_and_its_notice_goes_out_once_it_is_known_to_stand() {
    for (fault, told) in [(Fault::AfterCommit, 1), (Fault::BeforeCommit, 0)] {
        let store = Arc::new(Faulty::new(Arc::new(Memory::default())));
        let notices = Arc::new(AtomicUsize::new(0));
        let counted = notices.clone();
        let service = Service::start(Parts {
            notices: Box::new(move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
            }),
            ..parts(store.clone(), &Hands::new(), hashing(), "test")
        });
        let service = service.expect("the service starts");
        let person = Person::add(&service, "alice").await;
        let reset = Manage {
            name: person.name,
            action: Action::Reset,
            origin: origin("operator"),
        };
        let before = notices.load(Ordering::Relaxed);
        store.fail_next(fault);
        let answer = service.submit(reset).await;
        assert!(matches!(answer, Err(Failure::Store(_))), "{answer:?}");
        assert_eq!(notices.load(Ordering::Relaxed), before, "nothing is revealed yet");
        // Twice, since what is known is told once.
        for _ in 0..2 {
            assert_eq!(service.ready().await, Ok(()));
            assert_eq!(notices.load(Ordering::Relaxed) - before, told, "{fault:?}");
        }
    }
}
