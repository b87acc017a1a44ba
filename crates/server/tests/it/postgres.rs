//! The conformance suite on a real PostgreSQL server, which the test starts for itself and removes again.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself.

use std::sync::Arc;

use countersign_server::edge::certificate::Authority;
use countersign_server::edge::clock::SystemClock;
use countersign_server::edge::entropy::SystemEntropy;
use countersign_server::service::clock::Clock;
use countersign_server::store::Store;
use countersign_server::store::postgres::Postgres;
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
        rule(Arc::new(store));
    }
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
    // The server bears fifty connections; twice as many ask at once, and each is answered.
    std::thread::scope(|scope| {
        let ask = || store.claim_note("colour", "green");
        let asked: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        for asked in asked {
            assert_eq!(asked.join().expect("no thread panics"), Ok("green".into()));
        }
    });
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
