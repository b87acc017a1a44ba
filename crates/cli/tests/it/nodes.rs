//! Several nodes on one store: what one accepted no other accepts, and what one ended is over everywhere.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use countersign_testkit::postgres::Cluster;
use serde_json::{Value, json};

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

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
#[ignore = "needs postgresql"]
fn installation_moves_to_postgresql_and_back_with_its_sessions_factors_and_audit() {
    let cluster = Cluster::start();
    let store = cluster.database("moved");
    let (here, away) = (Folder::fresh(), Folder::fresh());
    let alice = Person::add(&here.data(), "alice");
    let ring = here.data().join("keys/ring");
    let old = format!("sqlite:{}", text(&here.data()));
    let copy = |from: &str, to: &str, options: &[&str]| {
        let arguments = ["store", "copy", "--json", "--from", from, "--to", to];
        countersign(&[&arguments, options].concat(), "")
    };
    let server = Server::start(&here.data());
    let used = alice.code(0);
    let session = server.sign_in(&alice, &used);
    let busy = copy(&old, &store, &[]);
    assert_eq!(busy.code, 3, "a server uses it: {}", busy.stderr);
    server.stop();
    let copied = copy(&old, &store, &[]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let copied: Value = serde_json::from_str(&copied.stdout).expect("JSON");
    assert!(copied["records"].as_u64() >= Some(3), "{copied}");
    let again = copy(&old, &store, &[]);
    assert_eq!(again.code, 1, "it holds an installation: {}", again.stderr);

    let keys = text(ring.parent().expect("a folder"));
    let private = std::fs::DirBuilder::new().mode(0o700).create(away.data());
    private.expect("the folder can be made");
    let settings = format!("tls = \"off\"\nstore = \"{store}\"\nkeys = \"{keys}\"\n");
    std::fs::write(away.data().join("countersign.toml"), settings).expect("the folder can be written");
    let node = Server::start_with(&away.data(), &[]);
    assert_eq!(node.get("/api/dashboard", &session).0, 200, "the session moved");
    let challenge = node.login("alice");
    assert_eq!(
        node.verify(&challenge, &used).0,
        401,
        "and what was used stays used"
    );
    let used = alice.code(1);
    assert_eq!(node.verify(&challenge, &used).0, 200);
    // A backup of what several nodes share is one file, as of one moment, made while they serve.
    let file = away.0.join("backup");
    let made = countersign(&["backup", text(&file), "--data", text(&away.data())], "");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let alone = copy(&store, "sqlite:anywhere", &["--keys-file", text(&ring)]);
    assert_eq!(alone.code, 3, "a node uses it: {}", alone.stderr);
    node.stop();

    let back = away.0.join("back");
    let new = format!("sqlite:{}", text(&back));
    let copied = copy(&store, &new, &["--keys-file", text(&ring)]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let restored = away.0.join("restored");
    let restore = [
        "restore",
        text(&file),
        "--data",
        text(&restored),
        "--keys-file",
        text(&ring),
    ];
    let restore = countersign(&restore, "");
    assert_eq!(restore.code, 0, "{}", restore.stderr);
    // What is restored is its own installation, whatever became of the database.
    drop(cluster);
    for data in [&back, &restored] {
        let verified = countersign(&["audit", "verify", "--data", text(data)], "");
        assert_eq!(verified.code, 0, "{}", verified.stderr);
        let server = Server::start(data);
        assert_eq!(server.get("/api/dashboard", &session).0, 200);
        assert_eq!(server.verify(&server.login("alice"), &used).0, 401);
        server.sign_in(&alice, &alice.backup_codes[0]);
        server.stop();
    }
}

#[test]
#[ignore = "needs postgresql"]
fn key_that_one_node_on_postgresql_adds_is_used_by_the_others_without_a_restart() {
    let cluster = Cluster::start();
    let store = cluster.database("rotated");
    let (one, other, shared) = (Folder::fresh(), Folder::fresh(), Folder::fresh());
    let keys = text(&shared.0).to_owned();
    let start = |folder: &Folder, node: &str| {
        let options = ["--tls", "off", "--node", node, "--store", &store, "--keys", &keys];
        Server::start_with(&folder.data(), &options)
    };
    let first = start(&one, "first");
    let second = start(&other, "second");
    let run = |folder: &Folder, words: &[&str]| {
        let folder = folder.data();
        countersign(&[words, &["--data", text(&folder)]].concat(), "")
    };
    let alice = Person::add(&one.data(), "alice");
    let old = run(&one, &["key", "list"]).stdout;
    let old = old
        .split_ascii_whitespace()
        .next()
        .expect("there is a key")
        .to_owned();
    let rotated = run(&one, &["key", "rotate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    // The factor is sealed under the new key; the node that was not told opens it.
    second.sign_in(&alice, &alice.code(0));
    // What that node seals from now on is sealed under the new key.
    let bob = Person::add(&other.data(), "bob");
    let list = run(&other, &["key", "list"]);
    assert!(
        list.stdout.starts_with(&format!("{old}  opens only  secrets 0")),
        "{}",
        list.stdout
    );
    first.sign_in(&bob, &bob.code(0));
    let forgotten = run(&one, &["key", "forget", &old]);
    assert_eq!(forgotten.code, 0, "{}", forgotten.stderr);
    second.sign_in(&alice, &alice.backup_codes[0]);
    // A third node that takes the name of another is refused, whatever folder it has.
    let third = Folder::fresh();
    let third = third.data();
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls",
        "off",
        "--node",
        "first",
    ];
    let serve = [
        &serve[..],
        &["--data", text(&third), "--store", &store, "--keys", &keys],
    ]
    .concat();
    let refused = countersign(&serve, "");
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("another node is called first"),
        "{}",
        refused.stderr
    );
    first.stop();
    second.stop();
}
