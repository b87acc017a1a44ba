//! Readiness: whoever asks learns whether clock, store and committer could serve a request now.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use countersign_auth::record::Key;
use countersign_auth::rule::{Decision, Fault, Rule, World};
use countersign_auth::snapshot::Snapshot;
use countersign_server::door::http;
use countersign_server::service::clock::ClockDoubt;
use countersign_server::service::{Failure, Service};
use countersign_server::store::Store;
use countersign_server::store::faulty::{Fault as Place, Faulty};
use countersign_server::store::memory::Memory;
use tower::ServiceExt;

use crate::world::{Hands, service};

/// A rule that is not decided before the test says so.
struct Held(Mutex<Receiver<()>>);

impl Rule for Held {
    type Outcome = ();

    fn reads(&self, _: &Snapshot, _: &World<'_>) -> Vec<Key> {
        Vec::new()
    }

    fn decide(&self, _: &Snapshot, _: &mut World<'_>) -> Result<Decision<()>, Fault> {
        let released = self.0.lock().expect("no other thread holds it");
        released.recv().expect("the test releases what it holds");
        Ok(Decision::unchanged(()))
    }
}

async fn status(service: &Arc<Service>, path: &str) -> StatusCode {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = http::router(service.clone()).oneshot(request).await;
    answer.expect("the router answers").status()
}

#[tokio::test]
async fn clock_in_doubt_is_not_ready_but_alive() {
    let hands = Hands::new();
    let service = Arc::new(service(Arc::new(Memory::default()), &hands));
    assert_eq!(status(&service, "/readyz").await, StatusCode::OK);
    hands.jump(31);
    assert_eq!(
        service.ready().await,
        Err(Failure::Clock(ClockDoubt::Jumped { seconds: 31 }))
    );
    assert_eq!(status(&service, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&service, "/healthz").await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn committer_that_hangs_is_not_ready_until_it_goes_on() {
    let service = Arc::new(service(Arc::new(Memory::default()), &Hands::new()));
    let (release, held) = channel();
    let waiting = {
        let service = service.clone();
        tokio::spawn(async move { service.submit(Held(Mutex::new(held))).await })
    };
    // The held rule is handed in before anything else is asked.
    tokio::task::yield_now().await;
    assert_eq!(service.ready().await, Err(Failure::Busy));
    release.send(()).expect("the rule waits");
    assert_eq!(waiting.await.expect("no panic"), Ok(()));
    // The committer's thread is none that a paused clock waits for.
    tokio::time::resume();
    assert_eq!(service.ready().await, Ok(()));
}

#[tokio::test]
async fn store_that_takes_no_change_is_not_ready_until_it_takes_one() {
    let hands = Hands::new();
    let memory: Arc<dyn Store> = Arc::new(Memory::default());
    let store = Arc::new(Faulty::new(memory.clone()));
    let service = Arc::new(service(store.clone(), &hands));
    assert_eq!(service.ready().await, Ok(()));
    // What was shown a moment ago is not asked again.
    store.fail_next(Place::BeforeCommit);
    assert_eq!(service.ready().await, Ok(()));
    hands.pass(10);
    let is_store = |answer| matches!(answer, Err(Failure::Store(_)));
    assert!(
        is_store(service.ready().await),
        "a store that was not asked for ten seconds is asked"
    );
    store.fail_next(Place::BeforeCommit);
    assert!(
        is_store(service.ready().await),
        "one that failed is asked at once"
    );
    assert_eq!(status(&service, "/readyz").await, StatusCode::OK);
    let heads = memory.audit_heads().expect("memory answers");
    assert!(
        heads.iter().any(|head| head.body.contains("store_return")),
        "that it works again is in the audit: {heads:?}"
    );
}
