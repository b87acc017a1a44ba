//! What every store must do, from one source for all of them.

use std::sync::Arc;

use countersign_auth::command::password::{Checked, Finish, Finished};
use countersign_auth::event::{Act, Ending, Event};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::policy::CHALLENGES_MAX;
use countersign_auth::record::{Account, Challenge, Founder, Key, Record};
use countersign_auth::rule::Change;
use countersign_auth::throttle::{BUCKETS, WAYS};
use countersign_core::time::UnixSeconds;
use countersign_server::service::audit::{Head, extend, verify};
use countersign_server::store::faulty::{Fault, Faulty};
use countersign_server::store::memory::Memory;
use countersign_server::store::sqlite::Sqlite;
use countersign_server::store::transfer::{self, Copied, Trouble};
use countersign_server::store::{
    Batch, Fate, Kind, NOTE_HIGH_WATER, NOTE_RING, NOTE_SEALING_KEY, Part, Place, Store,
};

use crate::races;
use crate::world::{Folder, Hands, Person, keys, origin, service};

fn account(name: &str, sign_ins: u64) -> (Key, Record) {
    let name = Name::from_ascii(name).expect("a name");
    let mut account = Account::new(name.clone(), UnixSeconds(1));
    account.sign_ins = sign_ins;
    (Key::Account(name), Record::Account(Box::new(account)))
}

fn challenge(token: &str, expires_at: u64) -> (Key, Record) {
    let account = Name::from_ascii("alice").expect("a name");
    let (created_at, expires_at) = (UnixSeconds(1), UnixSeconds(expires_at));
    let record = Challenge {
        account,
        created_at,
        expires_at,
        wrong_codes: 0,
    };
    (Key::Challenge(Digest::of(token)), Record::Challenge(record))
}

fn event() -> Change {
    Change::Audit(Event::plain(
        Act::ServerStart,
        Ending::Success,
        &origin("192.0.2.1"),
    ))
}

fn put((key, record): (Key, Record)) -> Change {
    Change::Put(key, record)
}

/// A decision upon keys as they stand in the store now.
fn decided(store: &dyn Store, keys: &[&Key], changes: Vec<Change>) -> Part {
    let keys: Vec<Key> = keys.iter().map(|key| (*key).clone()).collect();
    let versions = store
        .load(&keys)
        .expect("the store works")
        .into_iter()
        .map(|stored| stored.version);
    Part {
        reads: keys.iter().cloned().zip(versions).collect(),
        changes,
    }
}

fn commit(store: &dyn Store, parts: Vec<Part>) -> Vec<Fate> {
    let ring = keys();
    let last = store.audit_heads().expect("the store works").into_iter().next();
    let mut head = last.map_or(Head::START, |row| Head {
        number: row.number,
        mac: row.mac,
    });
    let now = UnixSeconds(1000);
    let batch = Batch {
        parts,
        now,
        sealing_key: None,
    };
    store
        .commit(&batch, &mut |fates| {
            extend(&mut head, "n1", now, &batch.events(fates), &ring)
        })
        .expect("the store works")
}

fn record_of(store: &dyn Store, key: &Key) -> Option<Record> {
    let stored = store.load(std::slice::from_ref(key)).expect("the store works");
    stored.into_iter().next().expect("one answer a key").record
}

fn reads_what_was_written_under_rising_versions(store: &dyn Store) {
    let (key, first) = account("alice", 1);
    assert_eq!(record_of(store, &key), None);
    assert_eq!(
        commit(
            store,
            vec![decided(
                store,
                &[&key],
                vec![Change::Put(key.clone(), first.clone())]
            )]
        ),
        [Fate::Committed]
    );
    assert_eq!(record_of(store, &key), Some(first));
    let before = store.load(std::slice::from_ref(&key)).expect("it works")[0].version;
    let (_, second) = account("alice", 2);
    commit(
        store,
        vec![decided(
            store,
            &[&key],
            vec![Change::Put(key.clone(), second.clone())],
        )],
    );
    assert_eq!(record_of(store, &key), Some(second));
    assert!(store.load(std::slice::from_ref(&key)).expect("it works")[0].version > before);
}

fn decision_upon_what_changed_is_lost_and_changes_nothing(store: &dyn Store) {
    let (key, first) = account("alice", 1);
    let stale = decided(
        store,
        &[&key],
        vec![put(account("alice", 7)), put(account("mallory", 1)), event()],
    );
    commit(
        store,
        vec![decided(
            store,
            &[&key],
            vec![Change::Put(key.clone(), first.clone())],
        )],
    );
    let audited = store.audit("n1", 0, 10).expect("it works").len();
    assert_eq!(commit(store, vec![stale]), [Fate::Lost]);
    assert_eq!(record_of(store, &key), Some(first));
    assert_eq!(record_of(store, &account("mallory", 1).0), None);
    assert_eq!(store.audit("n1", 0, 10).expect("it works").len(), audited);
}

fn deleted_and_recreated_record_never_has_an_old_version(store: &dyn Store) {
    let (key, record) = account("alice", 1);
    commit(
        store,
        vec![decided(
            store,
            &[&key],
            vec![Change::Put(key.clone(), record.clone())],
        )],
    );
    let stale = decided(store, &[&key], vec![put(account("alice", 9))]);
    commit(
        store,
        vec![decided(store, &[&key], vec![Change::Delete(key.clone())])],
    );
    commit(
        store,
        vec![decided(store, &[&key], vec![Change::Put(key.clone(), record)])],
    );
    assert_eq!(commit(store, vec![stale]), [Fate::Lost]);
}

fn loser_takes_with_it_whatever_was_decided_upon_its_changes(store: &dyn Store) {
    let (alice, bob, carol) = (account("alice", 1).0, account("bob", 1).0, account("carol", 1).0);
    let first = decided(store, &[&alice, &bob], vec![put(account("bob", 1))]);
    let upon_it = decided(store, &[&bob, &carol], vec![put(account("carol", 1))]);
    let apart = decided(store, &[], vec![put(challenge("apart", 2000))]);
    commit(
        store,
        vec![decided(store, &[&alice], vec![put(account("alice", 5))])],
    );
    assert_eq!(
        commit(store, vec![first, upon_it, apart]),
        [Fate::Lost, Fate::Lost, Fate::Committed]
    );
    assert_eq!(record_of(store, &carol), None);
    assert!(record_of(store, &challenge("apart", 2000).0).is_some());
}

fn decisions_of_one_batch_see_each_other(store: &dyn Store) {
    let key = account("alice", 1).0;
    let first = decided(store, &[&key], vec![put(account("alice", 1)), event()]);
    let second = decided(store, &[&key], vec![put(account("alice", 2)), event()]);
    assert_eq!(
        commit(store, vec![first, second]),
        [Fate::Committed, Fate::Committed]
    );
    assert_eq!(record_of(store, &key), Some(account("alice", 2).1));
}

fn lists_and_expires_by_page(store: &dyn Store) {
    let names = ["carol", "alice", "bob"];
    let parts = names
        .iter()
        .map(|name| decided(store, &[], vec![put(account(name, 1))]))
        .collect();
    commit(store, parts);
    let page = |after, limit| {
        let page = store
            .list(Kind::Account, after, limit)
            .expect("it works")
            .into_iter();
        page.map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2), [account("alice", 1).0, account("bob", 1).0]);
    assert_eq!(page(Some("bob"), 2), [account("carol", 1).0]);
    let parts = [("over", 999), ("now", 1000), ("later", 1001)]
        .map(|(token, at)| decided(store, &[], vec![put(challenge(token, at))]));
    commit(store, parts.to_vec());
    let mut over = store.expired(UnixSeconds(1000), 10).expect("it works");
    over.sort();
    let mut expected = vec![challenge("over", 0).0, challenge("now", 0).0];
    expected.sort();
    assert_eq!(over, expected);
    assert_eq!(
        store.expired(UnixSeconds(1000), 1).expect("it works").len(),
        1,
        "a page is bounded"
    );
}

fn audit_is_numbered_without_gaps_and_whole(store: &dyn Store) {
    for _ in 0..5 {
        let parts = (0..7).map(|_| decided(store, &[], vec![event()])).collect();
        commit(store, parts);
    }
    let rows = store.audit("n1", 30, 100).expect("it works");
    assert_eq!(
        rows.iter().map(|row| row.number).collect::<Vec<_>>(),
        [31, 32, 33, 34, 35]
    );
    assert_eq!(store.audit_heads().expect("it works").len(), 1);
    assert_eq!(verify(store, &keys(), None), Ok((35, Vec::new())));
}

/// By times, also where a clock was put right, so that they fell while the numbers rose.
fn audit_is_read_backwards_by_time(store: &dyn Store) {
    let ring = keys();
    let append = |node: &str, head: &mut Head, at: u64| {
        let now = UnixSeconds(at);
        let batch = Batch {
            parts: vec![decided(store, &[], vec![event()])],
            now,
            sealing_key: None,
        };
        let fates = store.commit(&batch, &mut |fates| {
            extend(head, node, now, &batch.events(fates), &ring)
        });
        assert_eq!(fates, Ok(vec![Fate::Committed]));
    };
    let (mut here, mut there) = (Head::START, Head::START);
    for at in [10, 20, 20, 900, 30, 40] {
        append("n1", &mut here, at);
        append("n2", &mut there, at);
    }
    let read = |since, before, limit| {
        let rows = store.audit_before("n1", UnixSeconds(since), before, limit);
        let rows = rows.expect("it works").into_iter();
        rows.map(|row| (row.at.0, row.number)).collect::<Vec<_>>()
    };
    let end = Place::before(UnixSeconds(u64::MAX));
    let all = [(900, 4), (40, 6), (30, 5), (20, 3), (20, 2), (10, 1)];
    assert_eq!(read(0, end, 10), all);
    assert_eq!(read(0, end, 2), all[..2]);
    let second = Place {
        at: UnixSeconds(20),
        number: 3,
    };
    assert_eq!(read(0, second, 10), all[4..], "a page goes on within one second");
    assert_eq!(read(20, Place::before(UnixSeconds(40)), 10), all[2..5]);
    assert_eq!(read(901, end, 10), []);
    assert_eq!(read(u64::MAX, end, 10), []);
}

fn notes_are_kept_and_the_highest_time_only_rises(store: &dyn Store) {
    assert_eq!(store.note("colour"), Ok(None));
    store.set_note("colour", "green").expect("it works");
    assert_eq!(store.note("colour"), Ok(Some("green".into())));
    assert_eq!(store.claim_note("colour", "red"), Ok("green".into()));
    assert_eq!(store.claim_note("shape", "round"), Ok("round".into()));
    assert_eq!(store.note("shape"), Ok(Some("round".into())));
    commit(store, vec![decided(store, &[], vec![event()])]);
    assert_eq!(store.note(NOTE_HIGH_WATER), Ok(Some("1000".into())));
    let batch = Batch {
        parts: vec![decided(store, &[], vec![put(challenge("x", 1))])],
        now: UnixSeconds(500),
        sealing_key: None,
    };
    assert_eq!(
        store.commit(&batch, &mut |_| Vec::new()),
        Ok(vec![Fate::Committed])
    );
    assert_eq!(store.note(NOTE_HIGH_WATER), Ok(Some("1000".into())));
}

fn crossing_committers_do_not_block_each_other_and_one_of_them_wins(store: &dyn Store) {
    let (alice, bob) = (account("alice", 1).0, account("bob", 1).0);
    for round in 0..50 {
        let both = vec![put(account("alice", round)), put(account("bob", round))];
        commit(store, vec![decided(store, &[&alice, &bob], both)]);
        // Each changes what the other was decided upon, and has not read it itself.
        let one = decided(
            store,
            &[&alice],
            vec![put(account("alice", round)), Change::Delete(bob.clone())],
        );
        let other = decided(
            store,
            &[&bob],
            vec![put(account("bob", round)), Change::Delete(alice.clone())],
        );
        let fates = std::thread::scope(|scope| {
            let run = |part: Part| {
                let batch = Batch {
                    parts: vec![part],
                    now: UnixSeconds(1000),
                    sealing_key: None,
                };
                move || store.commit(&batch, &mut |_| Vec::new()).expect("it works")
            };
            let running = [scope.spawn(run(one)), scope.spawn(run(other))];
            running
                .map(|thread| thread.join().expect("no thread panics"))
                .concat()
        });
        let winners = fates.iter().filter(|fate| **fate == Fate::Committed).count();
        assert_eq!(winners, 1, "round {round}: {fates:?}");
    }
}

/// What was sealed under a key that is about to be forgotten is lost before it is stored.
fn decision_sealed_under_an_older_key_is_lost(store: &dyn Store) {
    let sealed = |name: &str, key: Option<&str>| {
        let batch = Batch {
            parts: vec![decided(store, &[], vec![put(account(name, 1)), event()])],
            now: UnixSeconds(1000),
            sealing_key: key.map(ToOwned::to_owned),
        };
        let fates = store.commit(&batch, &mut |_| Vec::new()).expect("it works");
        (fates, record_of(store, &account(name, 1).0).is_some())
    };
    let (stands, lost) = ((vec![Fate::Committed], true), (vec![Fate::Lost], false));
    assert_eq!(sealed("alice", Some("k1")), stands, "no key is the newest yet");
    store.set_note(NOTE_SEALING_KEY, "k2").expect("it works");
    assert_eq!(sealed("bob", Some("k1")), lost);
    assert_eq!(sealed("carol", Some("k2")), stands);
    assert_eq!(sealed("dora", None), stands, "nothing was sealed");
}

/// An installation moves into this store and out of it, also when that is interrupted on the way.
async fn is_copied_whole_and_an_interrupted_copy_is_finished(store: Arc<dyn Store>) {
    let here = Memory::default();
    // More than a page of each.
    for number in 0..600 {
        let name = account(&format!("person{number}"), 1);
        commit(&here, vec![decided(&here, &[], vec![put(name), event()])]);
    }
    let copy = |from: &dyn Store, to: &dyn Store| transfer::copy(from, to, &mut |_, _| {});
    let name = Name::from_ascii("person1").expect("a name");
    let founder = Change::Put(Key::Founder, Record::Founder(Founder { name }));
    commit(
        &here,
        vec![decided(&here, &[], vec![founder, put(challenge("x", 99))])],
    );
    assert_eq!(copy(&here, &*store), Err(Trouble::Empty), "it was never served");
    here.set_note(NOTE_RING, "ring").expect("it works");
    here.set_note(NOTE_SEALING_KEY, "k1").expect("it works");
    // The first try ends when the accounts are there.
    let broken = Faulty::new(store.clone());
    let mut steps = Vec::new();
    let mut step = |done, of| {
        steps.push((done, of));
        if done > 600 {
            broken.fail_next(Fault::BeforeCommit);
        }
    };
    let interrupted = transfer::copy(&here, &broken, &mut step);
    assert!(matches!(interrupted, Err(Trouble::Store(_))), "{interrupted:?}");
    assert_eq!(steps, [(500, 1202), (600, 1202), (601, 1202)]);
    assert_eq!(transfer::is_unfinished(&*store), Ok(true));
    assert_eq!(copy(&*store, &Memory::default()), Err(Trouble::Unfinished));
    // What was changed meanwhile is noticed, and what was not is gone on with.
    let (person, _) = account("person7", 1);
    let changed = |sign_ins| decided(&here, &[&person], vec![put(account("person7", sign_ins))]);
    commit(&here, vec![changed(2)]);
    assert!(matches!(copy(&here, &*store), Err(Trouble::Differs(_))));
    commit(&here, vec![changed(1)]);
    // The second ends within the audit.
    let mut step = |done, _| {
        if done == 602 + 600 {
            broken.fail_next(Fault::BeforeCommit);
        }
    };
    let interrupted = transfer::copy(&here, &broken, &mut step);
    assert!(matches!(interrupted, Err(Trouble::Store(_))), "{interrupted:?}");
    assert_eq!(store.audit_heads().expect("it works")[0].number, 500);
    let all = Copied {
        records: 602,
        entries: 600,
    };
    assert_eq!(copy(&here, &*store), Ok(all));
    assert_eq!(
        transfer::is_unfinished(&*store),
        Ok(true),
        "whoever copies says when it is done"
    );
    transfer::finish(&*store).expect("it works");
    assert_eq!(copy(&here, &*store), Err(Trouble::Taken), "it is whole already");
    let away = Memory::default();
    assert_eq!(copy(&*store, &away), Ok(all));
    transfer::finish(&away).expect("it works");
    for store in [&*store, &away] {
        assert_eq!(transfer::is_unfinished(store), Ok(false));
        assert_eq!(verify(store, &keys(), None), Ok((600, Vec::new())));
        for (name, value) in [
            (NOTE_RING, "ring"),
            (NOTE_SEALING_KEY, "k1"),
            (NOTE_HIGH_WATER, "1000"),
        ] {
            assert_eq!(store.note(name), Ok(Some(value.into())));
        }
        assert!(record_of(store, &Key::Founder).is_some());
    }
}

async fn tables_stay_bounded_and_what_is_over_is_swept(store: Arc<dyn Store>) {
    let hands = Hands::new();
    let service = service(store.clone(), &hands);
    let person = Person::add(&service, "alice").await;
    let records = |kind| store.list(kind, None, 1000).expect("the store works").len();
    for _ in 0..CHALLENGES_MAX + 20 {
        person.challenge(&service, "192.0.2.1").await;
    }
    assert_eq!(records(Kind::Challenge), CHALLENGES_MAX);
    // Guesses at names that nobody has, from as many networks.
    for number in 0..200 {
        let finish = Finish {
            name: Name::from_ascii(&format!("nobody{number}")).expect("a name"),
            origin: origin(&format!("198.51.100.{number}")),
            checked: Checked {
                hash: None,
                matched: false,
                rehash: None,
            },
        };
        assert_eq!(service.submit(finish).await, Ok(Finished::Refused));
    }
    assert_eq!(
        records(Kind::Account),
        1,
        "an unknown name leaves no record of its own"
    );
    let buckets = store
        .list(Kind::Bucket, None, usize::from(BUCKETS))
        .expect("the store works");
    let fullest = buckets.iter().map(|(_, record)| match record {
        Record::Bucket(bucket) => bucket.entries.len(),
        other => panic!("not a bucket: {other:?}"),
    });
    assert!(fullest.max().is_some_and(|entries| entries <= WAYS));
    hands.pass(300);
    service.every_minute().await.expect("the store works");
    assert_eq!(records(Kind::Challenge), 0);
}

/// What a store must do, shown on an empty one.
pub type Rule = fn(Arc<dyn Store>);

/// A rule over the port alone.
macro_rules! port {
    ($rule:ident) => {
        (stringify!($rule), |store| $rule(&*store))
    };
}

/// A rule over services that share the store.
macro_rules! service {
    ($rule:path) => {
        (stringify!($rule), |store| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(4)
                .build();
            runtime.expect("the machine gives threads").block_on($rule(store));
        })
    };
}

/// Every rule, each on a fresh store.
pub const SUITE: [(&str, Rule); 18] = [
    port!(reads_what_was_written_under_rising_versions),
    port!(decision_upon_what_changed_is_lost_and_changes_nothing),
    port!(deleted_and_recreated_record_never_has_an_old_version),
    port!(loser_takes_with_it_whatever_was_decided_upon_its_changes),
    port!(decisions_of_one_batch_see_each_other),
    port!(lists_and_expires_by_page),
    port!(audit_is_numbered_without_gaps_and_whole),
    port!(audit_is_read_backwards_by_time),
    port!(notes_are_kept_and_the_highest_time_only_rises),
    port!(crossing_committers_do_not_block_each_other_and_one_of_them_wins),
    port!(decision_sealed_under_an_older_key_is_lost),
    service!(is_copied_whole_and_an_interrupted_copy_is_finished),
    service!(tables_stay_bounded_and_what_is_over_is_swept),
    service!(races::one_code_presented_by_many_at_once_opens_one_session),
    service!(races::two_nodes_accept_a_code_once),
    service!(races::of_many_wrong_codes_at_once_five_are_evaluated),
    service!(races::of_many_wrong_passwords_at_once_five_are_evaluated),
    service!(races::commit_without_an_answer_is_a_failure_and_is_never_decided_again),
];

#[test]
fn memory_store_conforms() {
    for (name, rule) in SUITE {
        println!("{name}");
        rule(Arc::new(Memory::default()));
    }
}

#[test]
fn embedded_store_conforms() {
    for (name, rule) in SUITE {
        let folder = Folder::fresh();
        println!("{name}");
        let store = Sqlite::open(&folder.path().join("conformance.db"));
        rule(Arc::new(store.expect("the store opens")));
    }
}

#[test]
fn embedded_store_keeps_everything_when_it_is_opened_again() {
    let folder = Folder::fresh();
    let path = folder.path().join("kept.db");
    let (key, record) = account("alice", 3);
    {
        let store = Sqlite::open(&path).expect("the store opens");
        commit(
            &store,
            vec![decided(
                &store,
                &[&key],
                vec![put((key.clone(), record.clone())), event()],
            )],
        );
    }
    let store = Arc::new(Sqlite::open(&path).expect("the store opens"));
    assert_eq!(record_of(&*store, &key), Some(record));
    assert_eq!(verify(&*store, &keys(), None), Ok((1, Vec::new())));
}

#[test]
fn embedded_store_of_before_founders_finds_the_oldest_administrator() {
    let folder = Folder::fresh();
    let path = folder.path().join("older.db");
    {
        let older = rusqlite::Connection::open(&path).expect("it opens");
        older
            .execute_batch(include_str!("../../migrations/sqlite/0001_records.sql"))
            .and_then(|()| older.pragma_update(None, "user_version", 1))
            .expect("the first shape");
        for (name, created_at, groups) in [
            ("second", 30, "[\"staff\",\"admin\"]"),
            ("first", 20, "[\"admin\"]"),
            ("nobody", 10, "[\"staff\"]"),
        ] {
            let body = format!(r#"{{"name":"{name}","created_at":{created_at},"groups":{groups}}}"#);
            let insert = "INSERT INTO record (kind, id, version, body) VALUES ('account', ?1, 1, ?2)";
            older.execute(insert, [name, &body]).expect("it is stored");
        }
        let ticket =
            "INSERT INTO record (kind, id, version, expires_at, body) VALUES ('ticket', 'a', 1, 9, '{}')";
        older.execute(ticket, []).expect("it is stored");
    }
    let store = Sqlite::open(&path).expect("the store opens");
    let founder = Founder {
        name: Name::from_ascii("first").expect("a name"),
    };
    assert_eq!(record_of(&store, &Key::Founder), Some(Record::Founder(founder)));
    assert_eq!(
        store.expired(UnixSeconds(1000), 10),
        Ok(Vec::new()),
        "the ticket is gone"
    );
}

#[test]
fn embedded_store_of_before_counter_based_tokens_is_raised_so_that_older_binaries_refuse_it() {
    let folder = Folder::fresh();
    let path = folder.path().join("older.db");
    let older = rusqlite::Connection::open(&path).expect("it opens");
    older
        .execute_batch(include_str!("../../migrations/sqlite/0001_records.sql"))
        .and_then(|()| older.execute_batch(include_str!("../../migrations/sqlite/0002_founder.sql")))
        .and_then(|()| older.pragma_update(None, "user_version", 2))
        .expect("the shape before");
    let body = r#"{"name":"bob","created_at":10,"password":null,"factors":[]}"#;
    let insert = "INSERT INTO record (kind, id, version, body) VALUES ('account', 'bob', 1, ?1)";
    older.execute(insert, [body]).expect("it is stored");
    let opened =
        "INSERT INTO record (kind, id, version, body) VALUES ('session', ?1, 2, '{\"level\":\"cs:2\"}')";
    let id = Digest::of("a token of before");
    older.execute(opened, [id.to_string()]).expect("it is stored");
    let store = Sqlite::open(&path).expect("the store opens");
    let version = older.pragma_query_value(None, "user_version", |row| row.get(0));
    assert_eq!(version, Ok(7), "binaries that know up to 2 refuse it");
    assert_eq!(
        record_of(&store, &Key::Session(id)),
        None,
        "sessions of before are over"
    );
    let bob = Name::from_ascii("bob").expect("a name");
    let kept = Account::new(bob.clone(), UnixSeconds(10));
    assert_eq!(
        record_of(&store, &Key::Account(bob)),
        Some(Record::Account(Box::new(kept))),
        "what it holds is read"
    );
    drop(store);
    assert!(Sqlite::open(&path).is_ok(), "it is raised once");
}

#[test]
fn embedded_store_refuses_a_database_of_a_newer_version() {
    let folder = Folder::fresh();
    let path = folder.path().join("newer.db");
    drop(Sqlite::open(&path).expect("the store opens"));
    let newer = rusqlite::Connection::open(&path).expect("it opens");
    newer
        .pragma_update(None, "user_version", 999)
        .expect("it can be set");
    drop(newer);
    let refused = Sqlite::open(&path)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(refused.contains("version 999"), "{refused}");
}
