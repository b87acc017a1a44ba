//! The key ring: rotated in a running server, and never made anew beside a database.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::world::{Ended, Folder, PASSWORD, Person, Server, audit, countersign};

fn key(data: &Path, arguments: &[&str]) -> Ended {
    let data = data.to_str().expect("UTF-8");
    countersign(&[&["key"], arguments, &["--json", "--data", data]].concat(), "")
}

fn keys(data: &Path) -> Vec<Value> {
    let ended = key(data, &["list"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let listed: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    listed.as_array().expect("a list").clone()
}

#[test]
fn rotation_seals_every_secret_anew_while_people_sign_in() {
    let folder = Folder::fresh();
    let data = folder.data();
    let people: Vec<Person> = ["alice", "bob", "carol"]
        .map(|name| Person::add(&data, name))
        .into();
    let old = keys(&data)[0]["id"].as_str().expect("an id").to_owned();
    let server = Server::start(&data);
    for file in [
        "countersign.db",
        "countersign.db-wal",
        "countersign.db-shm",
        "keys/ring",
        "control.sock",
    ] {
        let mode = std::fs::metadata(data.join(file))
            .expect("the file is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let text = data.to_str().expect("UTF-8");
    let second = countersign(
        &["serve", "--tls", "off", "--listen", "127.0.0.1:0", "--data", text],
        "",
    );
    assert_eq!((second.code, second.stdout.as_str()), (3, ""));
    assert!(
        second.stderr.contains("another countersign process"),
        "{}",
        second.stderr
    );
    server.sign_in(&people[0], &people[0].code(0));
    let refused = key(&data, &["forget", &old]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("key rotate"), "{}", refused.stderr);

    let rotated = key(&data, &["rotate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let rotated: Value = serde_json::from_str(&rotated.stdout).expect("JSON");
    assert_eq!(
        rotated["secrets"],
        json!(4),
        "three factors, and the key that signs tokens"
    );
    let listed = keys(&data);
    assert_eq!(listed[0], json!({ "id": old, "current": false, "secrets": 0 }));
    assert_eq!(
        listed[1],
        json!({ "id": rotated["key"], "current": true, "secrets": 4 })
    );
    server.sign_in(&people[1], &people[1].code(0));

    let fresh = rotated["key"].as_str().expect("an id");
    assert_eq!(key(&data, &["forget", fresh]).code, 1, "the current key stays");
    assert_eq!(key(&data, &["forget", "k0"]).code, 1, "there is no such key");
    assert_eq!(key(&data, &["forget", &old]).code, 0);
    assert_eq!(keys(&data).len(), 1);
    server.stop();
    let server = Server::start(&data);
    server.sign_in(&people[2], &people[2].code(0));
    server.stop();
    let entries = audit(&data);
    let acts = |act: &str, id: &str| {
        let wanted = |entry: &&Value| entry["act"] == json!(act) && entry["object"] == json!(id);
        entries.iter().filter(wanted).count()
    };
    assert_eq!((acts("key_rotate", fresh), acts("key_forget", &old)), (1, 1));
}

#[test]
fn folder_with_a_database_but_no_ring_another_or_an_older_one_is_refused() {
    let folder = Folder::fresh();
    let data = folder.data();
    Person::add(&data, "alice");
    let ring = data.join("keys/ring");
    let kept = std::fs::read(&ring).expect("the ring is there");
    let serve = |why: &str| {
        let text = data.to_str().expect("UTF-8");
        let ended = countersign(&["serve", "--listen", "127.0.0.1:0", "--data", text], "");
        assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(ring.to_str().expect("UTF-8")),
            "{}",
            ended.stderr
        );
    };
    std::fs::remove_file(&ring).expect("the ring can be removed");
    serve("a database but no key ring");
    assert!(!ring.exists(), "no ring was made beside a database");

    let other = Folder::fresh();
    Person::add(&other.data(), "alice");
    std::fs::copy(other.data().join("keys/ring"), &ring).expect("another ring can be put there");
    serve("is not the one this database was written with");

    std::fs::write(&ring, &kept).expect("the ring can be put back");
    assert_eq!(key(&data, &["rotate"]).code, 0);
    let newest = std::fs::read(&ring).expect("the ring is there");
    std::fs::write(&ring, kept).expect("an older copy can be put there");
    serve("restore the newest copy of the ring");

    std::fs::write(&ring, newest).expect("the newest can be put there");
    let server = Server::start(&data);
    let login = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(server.post("/api/auth/login", None, &login).0, 200);
    server.stop();
}
