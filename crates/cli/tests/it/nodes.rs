//! Several nodes on one store: what one accepted no other accepts, and what one ended is over everywhere.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself.

use countersign_testkit::postgres::Cluster;
use serde_json::json;

use crate::world::{Folder, Person, Server, audit, countersign};

#[test]
#[ignore = "needs postgresql"]
fn two_nodes_on_postgresql_accept_a_code_once_and_share_every_session() {
    let cluster = Cluster::start();
    let store = cluster.database("nodes");
    let (one, other) = (Folder::fresh(), Folder::fresh());
    let ring = one.0.join("ring");
    let options = |node: &'static str| {
        let ring = ring.to_str().expect("UTF-8").to_owned();
        let given = [
            "--tls",
            "off",
            "--node",
            node,
            "--store",
            &store,
            "--keys-file",
            &ring,
        ];
        given.map(str::to_owned)
    };
    let start = |folder: &Folder, node| {
        let options = options(node);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Server::start_with(&folder.data(), &options)
    };
    let first = start(&one, "first");
    let person = Person::add(&one.data(), "alice");
    let second = start(&other, "second");

    let code = person.code(0);
    let session = first.sign_in(&person, &code);
    let challenge = second.login("alice");
    assert_eq!(
        second.verify(&challenge, &code).0,
        401,
        "a code works once, everywhere"
    );
    assert_eq!(
        first.verify(&challenge, &person.code(1)).0,
        200,
        "a challenge is answered anywhere"
    );
    assert_eq!(
        second.get("/api/dashboard", &session).0,
        200,
        "a session is one, whichever node is asked"
    );
    assert_eq!(second.post("/api/auth/logout", Some(&session), &json!({})).0, 200);
    assert_eq!(
        first.get("/api/dashboard", &session).0,
        401,
        "and over everywhere at once"
    );

    first.kill();
    assert_eq!(
        second.verify(&second.login("alice"), &person.backup_codes[0]).0,
        200
    );
    let verified = countersign(
        &["audit", "verify", "--data", other.data().to_str().expect("UTF-8")],
        "",
    );
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    let entries = audit(&other.data());
    for node in ["first", "second"] {
        assert!(
            entries.iter().any(|entry| entry["node"] == json!(node)),
            "{node} has a chain"
        );
    }
    second.stop();

    std::fs::remove_file(&ring).expect("the ring is there");
    let mut serve = vec![
        "serve".to_owned(),
        "--listen".to_owned(),
        "127.0.0.1:0".to_owned(),
    ];
    serve.extend(["--data".to_owned(), one.data().display().to_string()]);
    serve.extend(options("first"));
    let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
    let refused = countersign(&serve, "");
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("no key ring"), "{}", refused.stderr);
    assert!(!ring.exists(), "no ring is made beside a store that has one");
}
