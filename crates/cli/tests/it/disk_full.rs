//! The disk is full: whoever asks is told to come again, nothing wrong is accepted, and all is well once there is room.
//!
//! Ignored unless asked for: it takes root, and PostgreSQL for the store of several nodes.

use countersign_testkit::postgres::Cluster;
use serde_json::{Value, json};

use crate::kills::{assert_audit_holds, post};
use crate::volume::Volume;
use crate::world::{Folder, PASSWORD, Person, Server};

/// Sign-ins in a row that find no room before the disk counts as full: everything that was left in some page is used.
const REFUSED_IN_A_ROW: usize = 12;
/// People, each with ten backup codes; a disk that were never full would come to an end of them.
const PEOPLE: usize = 12;

/// What came of a sign-in by password and backup code.
#[derive(Debug)]
enum Came {
    /// It opened this session.
    Open(String),
    /// It could not be decided.
    Unavailable,
}

/// Signs in, and sees that every answer on the way is right or a plain 503.
fn sign_in(server: &Server, person: &Person, code: &str) -> Came {
    let ask = |path: &str, body: &Value| {
        let (status, answer) = post(&server.url, path, None, body).expect("it answers in time");
        if status == 503 {
            assert_eq!(answer["code"], json!("store"), "{answer}");
        }
        (status, answer)
    };
    let login = |password: &str| {
        ask(
            "/api/auth/login",
            &json!({ "username": person.name, "password": password }),
        )
    };
    let (status, answer) = login(PASSWORD);
    if status == 503 {
        return Came::Unavailable;
    }
    assert_eq!(status, 200, "{answer}");
    let body = json!({ "challenge_token": answer["challenge_token"], "totp_code": code });
    match ask("/api/auth/verify", &body) {
        (200, answer) => Came::Open(answer["session_token"].as_str().expect("a token").to_owned()),
        (503, _) => Came::Unavailable,
        (status, answer) => panic!("{status}: a right code is accepted or not judged: {answer}"),
    }
}

/// Whether a code still works, where that may be either.
fn works(server: &Server, person: &Person, code: &str) -> bool {
    match server.verify(&server.login(&person.name), code) {
        (200, _) => true,
        (401, _) => false,
        (status, answer) => panic!("{status}: {answer}"),
    }
}

/// Fills the volume under a server that has its store there, makes room again, and compares; says how often what came.
fn nothing_is_lost_where_the_disk_is_full(
    volume: &Volume,
    data: &std::path::Path,
    options: &[&str],
) -> String {
    let server = Server::start_with(data, &[&["--tls", "off"], options].concat());
    let people: Vec<Person> = (0..PEOPLE)
        .map(|number| Person::add(data, &format!("p{number}")))
        .collect();
    let Came::Open(before) = sign_in(&server, &people[0], &people[0].backup_codes[0]) else {
        panic!("there is room at first")
    };
    let Came::Open(ended) = sign_in(&server, &people[0], &people[0].backup_codes[1]) else {
        panic!("there is room at first")
    };
    assert_eq!(server.post("/api/auth/logout", Some(&ended), &json!({})).0, 200);
    assert_eq!(server.get_bare("/readyz"), 200);

    volume.fill();
    let codes = |person: &Person| person.backup_codes[2..].to_vec();
    let mut all = people
        .iter()
        .flat_map(|person| codes(person).into_iter().map(move |code| (person, code)));
    let (mut open, mut unsure, mut in_a_row) = (Vec::new(), Vec::new(), 0);
    while in_a_row < REFUSED_IN_A_ROW {
        let (person, code) = all.next().expect("the disk is full before all codes are used");
        match sign_in(&server, person, &code) {
            Came::Open(session) => {
                in_a_row = 0;
                open.push((person, code, session));
            }
            Came::Unavailable => {
                in_a_row += 1;
                unsure.push((person, code));
            }
        }
    }
    // A page may have room for a small entry when it has none for a sign-in; more of them fill it.
    let right = |person: &Person| json!({ "username": person.name, "password": PASSWORD });
    let mut said = 0;
    for person in people.iter().cycle().take(50 * PEOPLE) {
        if server.get_bare("/readyz") == 503 {
            said += 1;
        } else {
            said = 0;
            server.post("/api/auth/login", None, &right(person));
        }
        if said == PEOPLE {
            break;
        }
    }
    assert_eq!(said, PEOPLE, "readiness says so");
    assert_eq!(server.get_bare("/healthz"), 200, "and nobody need start it anew");
    let wrong = json!({ "username": people[0].name, "password": "guess" });
    assert_eq!(server.post("/api/auth/login", None, &wrong).0, 503);
    assert_eq!(
        server.get("/api/dashboard", &before).0,
        200,
        "what is only read goes on"
    );
    assert_eq!(
        server.get("/api/dashboard", &ended).0,
        401,
        "what has ended stays so"
    );
    let out = server.post("/api/auth/logout", Some(&before), &json!({}));
    assert_eq!(out.0, 503, "an end that can't be kept is not promised: {}", out.1);

    volume.make_room();
    assert_eq!(server.get_bare("/readyz"), 200, "it recovers by itself");
    for (person, code, session) in &open {
        assert_eq!(server.get("/api/dashboard", session).0, 200, "a session is lost");
        assert!(!works(&server, person, code), "a code worked twice");
    }
    for (person, code) in &unsure[..3] {
        let first = works(&server, person, code);
        assert!(
            !(works(&server, person, code)),
            "a code worked twice, first {first}"
        );
    }
    assert!(
        !works(&server, &people[0], &people[0].backup_codes[0]),
        "a code worked twice"
    );
    // By the running server: it alone knows which store it has.
    assert_audit_holds(data, 2 + open.len(), 0);
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
    format!(
        "1 stores, {} sign_ins, {} unavailable",
        open.len() + 2,
        unsure.len()
    )
}

#[test]
#[ignore = "needs root for a disk_full"]
fn disk_full_under_the_embedded_store_loses_nothing_and_is_said() {
    let volume = Volume::small(8);
    let data = volume.path().join("data");
    println!("{}", nothing_is_lost_where_the_disk_is_full(&volume, &data, &[]));
}

#[test]
#[ignore = "needs root for a disk_full, and postgresql"]
fn disk_full_under_the_shared_store_loses_nothing_and_is_said() {
    let (volume, cluster, folder) = (Volume::small(24), Cluster::start(), Folder::fresh());
    let place = volume.path().join("place");
    std::fs::create_dir(&place).expect("there is room");
    let store = cluster.database_in("small", &place);
    let told = nothing_is_lost_where_the_disk_is_full(&volume, &folder.data(), &["--store", &store]);
    println!("{told}");
}
