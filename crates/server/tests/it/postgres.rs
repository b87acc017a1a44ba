//! The conformance suite on a real PostgreSQL server, which the test starts for itself and removes again.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use countersign_auth::id::Digest;
use countersign_auth::record::Key;
use countersign_auth::rule::Change;
use countersign_core::time::UnixSeconds;
use countersign_server::edge::certificate::Authority;
use countersign_server::edge::clock::SystemClock;
use countersign_server::edge::entropy::SystemEntropy;
use countersign_server::service::clock::{Clock, ClockGuard};
use countersign_server::store::faulty::Faulty;
use countersign_server::store::postgres::Postgres;
use countersign_server::store::{
    Batch, Beat, Fate, Listener, Moment, NOTE_SEALING_KEY, Part, Store, StoreError,
};
use countersign_testkit::postgres::Cluster;

use crate::conformance::SUITE;
use crate::world::Folder;

#[test]
#[ignore = "needs postgresql"]
fn postgresql_store_conforms() {
    let cluster = Cluster::start();
    for (number, (name, rule)) in SUITE.iter().enumerate() {
        println!("{name}");
        let address = cluster.database(&format!("rule{number}"));
        let store = Postgres::open(&address, None, None).unwrap_or_else(|error| panic!("{error}"));
        // The rules' clocks are the tests' own, and not the server's.
        rule(Arc::new(Faulty::new(Arc::new(store))));
    }
    let broken = "SELECT sum(deadlocks) FROM pg_stat_database";
    assert_eq!(
        cluster.ask("postgres", broken),
        "0",
        "nobody ever waits in a circle"
    );
}

#[test]
#[ignore = "needs postgresql"]
fn postgresql_of_a_newer_version_is_refused_and_an_older_node_keeps_what_is_there() {
    let cluster = Cluster::start();
    let address = cluster.database("newer");
    let open = || Postgres::open(&address, None, None);
    let store = open().unwrap_or_else(|error| panic!("{error}"));
    assert!(
        open().is_ok(),
        "it is opened by several nodes, and as often as one likes"
    );
    let raised = || store.claim_note("schema", "0");
    assert_eq!(raised(), Ok("6".into()), "binaries of before refuse it");
    store.set_note("schema", "1").expect("the store works");
    assert!(open().is_ok(), "an older database is raised");
    assert_eq!(raised(), Ok("6".into()));
    store.set_note("schema", "999").expect("the store works");
    let refused = open().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("version 999"), "{refused}");
}

#[test]
#[ignore = "needs postgresql"]
fn postgresql_is_asked_over_few_connections_however_many_ask() {
    let cluster = Cluster::start();
    let address = cluster.database("few");
    let store = Postgres::open(&address, None, None).unwrap_or_else(|error| panic!("{error}"));
    // Many more ask at once than there are connections; each is answered, and all the same.
    std::thread::scope(|scope| {
        let store = &store;
        let ask = |number| move || store.claim_note("colour", &format!("colour {number}"));
        let asked: Vec<_> = (0..200).map(|number| scope.spawn(ask(number))).collect();
        let told = asked
            .into_iter()
            .map(|asked| asked.join().expect("no thread panics"));
        let told: BTreeSet<_> = told.map(|told| told.expect("the store works")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
    });
    let mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'countersign'";
    assert_eq!(cluster.ask("few", mine), "16");
}

#[test]
#[ignore = "needs postgresql"]
fn postgresql_over_tls_is_trusted_by_its_own_authority_alone() {
    let (folder, elsewhere) = (Folder::fresh(), Folder::fresh());
    let now = SystemClock.wall();
    let make = |folder: &Folder| {
        let names = ["localhost".to_owned()];
        let made = Authority::open(folder.path(), &names, now, &mut SystemEntropy);
        made.and_then(|authority| authority.certificate())
            .expect("the folder can be written")
    };
    let (authority, another) = (make(&folder), make(&elsewhere));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it was made");
    let (_cluster, port) = Cluster::start_secured(&read("leaf.pem"), &read("leaf.key"));
    let address = format!("postgresql://countersign@localhost:{port}/postgres");
    let trusted = Postgres::open(&address, None, Some(&authority));
    let trusted = trusted.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(trusted.claim_note("colour", "green"), Ok("green".into()));
    let mistaken = Postgres::open(&address, None, Some(&another));
    assert!(mistaken.is_err(), "the certificate is of another authority");
}

/// Hands on what a store says of itself.
struct Told(SyncSender<Result<Beat, Key>>);

impl Listener for Told {
    fn asking(&self) -> Moment {
        let (wall, monotonic) = (SystemClock.since_1970(), SystemClock.monotonic());
        Moment { wall, monotonic }
    }

    fn heard(&self, asked: Moment, beat: Beat) {
        let guard = ClockGuard::new(Box::new(SystemClock), UnixSeconds(0));
        guard.compare(asked.wall, beat.now);
        assert!(guard.now().is_ok(), "one machine has one clock");
        // Nobody listens any more when the test is over.
        let _ = self.0.try_send(Ok(beat));
    }

    fn silent(&self, _: &StoreError) {}

    fn ended(&self, key: &Key) {
        let _ = self.0.try_send(Err(key.clone()));
    }
}

#[test]
#[ignore = "needs postgresql"]
fn postgresql_tells_every_node_of_its_clock_of_the_newest_key_and_of_ended_sessions() {
    let cluster = Cluster::start();
    let address = cluster.database("followed");
    let open = || Postgres::open(&address, None, None).unwrap_or_else(|error| panic!("{error}"));
    let (one, other) = (open(), open());
    let (tell, told) = sync_channel(1000);
    assert!(other.follow("other", Arc::new(Told(tell))));
    let until = |wanted: &dyn Fn(&Result<Beat, Key>) -> bool| {
        let found = told.iter().find(|said| wanted(said));
        assert!(found.is_some(), "the store goes on telling");
    };
    until(&|said| {
        matches!(
            said,
            Ok(Beat {
                sealing_key: None,
                ..
            })
        )
    });
    one.set_note(NOTE_SEALING_KEY, "k7").expect("the store works");
    until(&|said| matches!(said, Ok(Beat { sealing_key: Some(key), .. }) if key == "k7"));
    let ended = Key::Session(Digest::of("a token"));
    let part = Part {
        reads: vec![(ended.clone(), 0)],
        changes: vec![Change::Delete(ended.clone())],
    };
    let (parts, now) = (vec![part], UnixSeconds(1000));
    let fates = one.commit(
        &Batch {
            parts,
            now,
            sealing_key: None,
        },
        &mut |_| Vec::new(),
    );
    assert_eq!(fates, Ok(vec![Fate::Committed]));
    until(&|said| *said == Err(ended.clone()));
}

#[test]
#[ignore = "needs postgresql"]
fn postgresql_is_copied_as_of_one_moment_and_by_nobody_while_a_node_follows_it() {
    let cluster = Cluster::start();
    let address = cluster.database("moment");
    let open = || Postgres::open(&address, None, None).unwrap_or_else(|error| panic!("{error}"));
    let (one, other) = (open(), open());
    one.set_note("colour", "green").expect("the store works");
    let before = other.as_of_now().expect("the store works");
    assert_eq!(before.note("colour"), Ok(Some("green".into())));
    one.set_note("colour", "red").expect("the store works");
    assert_eq!(before.note("colour"), Ok(Some("green".into())));
    assert_eq!(other.note("colour"), Ok(Some("red".into())));
    drop(before);
    let alone = other.alone().expect("nobody follows it");
    assert!(one.alone().is_err(), "one at a time");
    drop(alone);
    let (tell, told) = sync_channel(1000);
    other.follow("other", Arc::new(Told(tell)));
    told.recv().expect("the store tells").expect("a beat comes first");
    assert!(one.alone().is_err(), "a node uses it");
}

#[test]
#[ignore = "needs postgresql"]
fn postgresql_that_may_not_be_written_is_named_as_such() {
    let cluster = Cluster::start();
    let address = cluster.database("foreign");
    cluster.ask("foreign", "CREATE ROLE stranger LOGIN");
    let refused = Postgres::open(&address.replace("user=countersign", "user=stranger"), None, None);
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("permission denied"), "{refused}");
    assert!(
        Postgres::open(&address, None, None).is_ok(),
        "and holds up nobody else"
    );
}

#[test]
fn shared_store_elsewhere_is_spoken_to_over_tls_alone_and_no_password_is_repeated() {
    let refused = |url: &str, authority| {
        Postgres::open(url, None, authority)
            .err()
            .map(|error| error.to_string())
    };
    let elsewhere = refused("postgresql://u:secret@192.0.2.1/d", None).expect("it is on another machine");
    assert!(
        elsewhere.contains("store_ca") && !elsewhere.contains("secret"),
        "{elsewhere}"
    );
    for disguised in [
        "postgresql://u@localhost/d?hostaddr=192.0.2.1",
        "postgresql://u@localhost,192.0.2.1/d",
        "postgresql://u@db.example.org/d?sslmode=disable",
    ] {
        let refusal = refused(disguised, None).unwrap_or_default();
        assert!(refusal.contains("store_ca"), "{disguised}: {refusal}");
    }
    let broken = refused("postgresql://u:secret@h:x/d", None).expect("the port is none");
    assert!(!broken.contains("secret"), "{broken}");
    let no_authority = refused("postgresql://u@192.0.2.1/d", Some("nothing")).expect("no certificate");
    assert!(no_authority.contains("store_ca"), "{no_authority}");
}
