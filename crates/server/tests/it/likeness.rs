//! An unknown name and a wrong password are told apart neither by the answer nor by the work done for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_auth::command::password::Finished;
use countersign_auth::command::{Onward, operator};
use countersign_auth::name::Name;
use countersign_auth::record::{Key, Record};
use countersign_auth::snapshot::Stored;
use countersign_core::time::UnixSeconds;
use countersign_server::service::Service;
use countersign_server::service::hashing::Hashing;
use countersign_server::store::memory::Memory;
use countersign_server::store::{AuditRow, Batch, Chain, Fate, Kind, Place, Store, StoreError};

use crate::world::{Hands, hashing, origin, service_with};

const PASSWORD: &str = "correct horse battery staple";

/// A store that counts what is asked of it.
#[derive(Default)]
struct Counting {
    inner: Memory,
    loads: AtomicUsize,
    keys: AtomicUsize,
    commits: AtomicUsize,
    changes: AtomicUsize,
    others: AtomicUsize,
}

/// What one request cost.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    computations: u64,
    loads: usize,
    keys: usize,
    commits: usize,
    changes: usize,
    others: usize,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn add(counter: &AtomicUsize, more: usize) {
    counter.fetch_add(more, Ordering::SeqCst);
}

fn take(counter: &AtomicUsize) -> usize {
    counter.swap(0, Ordering::SeqCst)
}

impl Counting {
    fn take(&self, computations: u64) -> Cost {
        Cost {
            computations,
            loads: take(&self.loads),
            keys: take(&self.keys),
            commits: take(&self.commits),
            changes: take(&self.changes),
            others: take(&self.others),
        }
    }
}

impl Store for Counting {
    fn load(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        add(&self.loads, 1);
        add(&self.keys, keys.len());
        self.inner.load(keys)
    }

    fn commit(&self, batch: &Batch, chain: &mut Chain<'_>) -> Result<Vec<Fate>, StoreError> {
        add(&self.commits, 1);
        add(
            &self.changes,
            batch.parts.iter().map(|part| part.changes.len()).sum(),
        );
        self.inner.commit(batch, chain)
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<(Key, Record)>, StoreError> {
        add(&self.others, 1);
        self.inner.list(kind, after, limit)
    }

    fn expired(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Key>, StoreError> {
        add(&self.others, 1);
        self.inner.expired(now, limit)
    }

    fn audit(&self, node: &str, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        add(&self.others, 1);
        self.inner.audit(node, after, limit)
    }

    fn audit_before(
        &self,
        node: &str,
        since: UnixSeconds,
        before: Place,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        add(&self.others, 1);
        self.inner.audit_before(node, since, before, limit)
    }

    fn audit_heads(&self) -> Result<Vec<AuditRow>, StoreError> {
        add(&self.others, 1);
        self.inner.audit_heads()
    }

    fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        add(&self.others, 1);
        self.inner.note(name)
    }

    fn set_note(&self, name: &str, value: &str) -> Result<(), StoreError> {
        add(&self.others, 1);
        self.inner.set_note(name, value)
    }

    fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        self.inner.copy_to(file)
    }
}

struct Bench {
    service: Service,
    store: Arc<Counting>,
    hashing: Hashing,
}

impl Bench {
    /// Accounts of several conditions behind one service.
    async fn new() -> Bench {
        let (store, hashing) = (Arc::new(Counting::default()), hashing());
        let service = service_with(store.clone(), &Hands::new(), hashing.clone());
        let bench = Bench {
            service,
            store,
            hashing,
        };
        let hash = bench.hashing.hash(&PASSWORD.to_owned().into(), [7; 16]).await;
        let hash = hash.expect("nobody else waits");
        for (text, totp) in [("alice", true), ("bob", false), ("disabled", true)] {
            let rule = operator::Add {
                name: name(text),
                groups: Vec::new(),
                hash: Some(hash.clone()),
                totp,
                origin: origin("operator"),
            };
            let added = bench.service.submit(rule).await.expect("the store works");
            assert!(added.is_ok(), "{text}");
        }
        let disable = operator::Manage {
            name: name("disabled"),
            action: operator::Action::Disable,
            origin: origin("operator"),
        };
        let disabled = bench.service.submit(disable).await;
        assert_eq!(disabled, Ok(operator::Managed::Done));
        bench
    }

    /// A sign-in from a network of its own, and what it cost.
    async fn ask(&self, name: &str, password: &str, network: &str) -> (Finished, Cost) {
        let before = self.hashing.computations();
        self.store.take(0);
        let finished = self
            .service
            .sign_in(name, password, &origin(network))
            .await
            .expect("the store works")
            .expect("the name can be one");
        let computations = self.hashing.computations() - before;
        (finished, self.store.take(computations))
    }
}

#[tokio::test]
async fn refused_sign_ins_cost_and_answer_the_same_whatever_the_reason() {
    let bench = Bench::new().await;
    for attempt in 1..=7 {
        let mut asked = Vec::new();
        for (name, password) in [
            ("alice", "wrong"),
            ("bob", "wrong"),
            ("nobody", PASSWORD),
            ("disabled", PASSWORD),
        ] {
            let network = format!("192.0.2.{name}");
            asked.push(bench.ask(name, password, &network).await);
        }
        let (outcome, cost) = &asked[0];
        assert!(asked.iter().all(|one| one == &asked[0]), "{attempt}: {asked:#?}");
        if attempt <= 5 {
            assert_eq!(outcome, &Finished::Refused);
            assert_eq!((cost.computations, cost.commits), (1, 1), "{cost:?}");
        } else {
            assert!(matches!(outcome, Finished::Throttled { .. }), "{outcome:?}");
            assert_eq!(
                (cost.computations, cost.commits),
                (0, 0),
                "a throttled guess is cheap: {cost:?}"
            );
        }
    }
}

#[tokio::test]
async fn right_password_costs_one_computation_like_a_wrong_one() {
    let bench = Bench::new().await;
    let (finished, cost) = bench.ask("alice", PASSWORD, "192.0.2.1").await;
    assert!(
        matches!(finished, Finished::Onward(Onward::CodeDue { .. })),
        "{finished:?}"
    );
    assert_eq!((cost.computations, cost.commits), (1, 1), "{cost:?}");
}
