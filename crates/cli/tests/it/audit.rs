//! The audit: every act lands, and no alteration goes unnamed.

use std::path::Path;

use countersign_testkit::SeededChance;
use rusqlite::Connection;
use serde_json::json;

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

/// A resting installation with some history; how many entries it has.
fn history(data: &Path) -> u64 {
    let person = Person::add(data, "alice");
    let server = Server::start(data);
    let code = person.code(0);
    server.sign_in(&person, &code);
    assert_eq!(server.verify(&server.login("alice"), &code).0, 401);
    for _ in 0..3 {
        let (status, _) = server.post(
            "/api/auth/login",
            None,
            &json!({ "username": "bob", "password": PASSWORD }),
        );
        assert_eq!(status, 401);
    }
    server.stop();
    assert!(
        !data.join("countersign.db-wal").exists(),
        "an orderly stop leaves one whole file"
    );
    audit(data).len() as u64
}

fn verify(data: &Path) -> (i32, String) {
    let ended = countersign(&["audit", "verify", "--data", data.to_str().expect("UTF-8")], "");
    (ended.code, ended.stderr)
}

fn database(data: &Path) -> Connection {
    Connection::open(data.join("countersign.db")).expect("the database opens")
}

#[test]
fn every_act_of_a_sign_in_lands_in_order_and_without_gaps() {
    let folder = Folder::fresh();
    history(&folder.data());
    let entries = audit(&folder.data());
    let numbers: Vec<_> = entries
        .iter()
        .map(|entry| entry["number"].as_u64().expect("a number"))
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let acts: Vec<_> = entries
        .iter()
        .map(|entry| (entry["act"].as_str(), entry["reason"].as_str()))
        .collect();
    for expected in [
        (Some("account_add"), None),
        (Some("factor_confirm"), Some("by_operator")),
        (Some("server_start"), None),
        (Some("password_check"), None),
        (Some("sign_in"), None),
        (Some("code_check"), Some("code_already_used")),
        (Some("password_check"), Some("unknown_name")),
        (Some("server_stop"), None),
    ] {
        assert!(acts.contains(&expected), "{expected:?} is missing in {acts:?}");
    }
    assert_eq!(verify(&folder.data()).0, 0);
}

#[test]
fn list_shows_what_is_asked_for_and_no_more() {
    let folder = Folder::fresh();
    let data = folder.data();
    history(&data);
    let list = |options: &[&str]| {
        let data = data.to_str().expect("UTF-8");
        let ended = countersign(&[&["audit", "list", "--data", data], options].concat(), "");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let checks = list(&["--act", "password_check", "--subject", "alice"]);
    assert_eq!(checks.len(), 2, "{checks:#?}");
    assert_eq!(
        list(&["--act", "password_check", "--subject", "alice", "--limit", "1"]),
        checks[1..]
    );
    assert!(list(&["--since", "9999999999"]).is_empty());
    assert_eq!(list(&["--json", "--limit", "0"]).len(), 0);
}

#[test]
fn altered_missing_moved_and_cut_entries_are_each_named() {
    let folder = Folder::fresh();
    let data = folder.data();
    let last = history(&data);
    let copy = folder.0.join("before.db");
    std::fs::copy(data.join("countersign.db"), &copy).expect("a copy can be made");
    let tamperings: [(&str, &str, String); 8] = [
        (
            "a byte of an entry",
            "UPDATE audit SET body = replace(body, 'alice', 'malice') WHERE number = 1",
            "audit entry 1 ".into(),
        ),
        (
            "an entry's time",
            "UPDATE audit SET at = at + 1 WHERE number = 2",
            "audit entry 2 ".into(),
        ),
        (
            "a removed entry",
            "DELETE FROM audit WHERE number = 3",
            "audit entries 3 to 3 ".into(),
        ),
        (
            "two entries in each other's place",
            "UPDATE audit SET number = CASE number WHEN 4 THEN -5 ELSE -4 END WHERE number IN (4, 5);
             UPDATE audit SET number = -number WHERE number < 0",
            "audit entry 4 ".into(),
        ),
        (
            "an entry removed and the others renumbered",
            "DELETE FROM audit WHERE number = 3;
             UPDATE audit SET number = 1 - number WHERE number > 3;
             UPDATE audit SET number = -number WHERE number < 0",
            "audit entry 3 ".into(),
        ),
        (
            "an entry put in again at the end",
            "INSERT INTO audit SELECT node, (SELECT max(number) + 1 FROM audit), at, body, mac FROM audit
             WHERE number = 2",
            format!("audit entry {} ", last + 1),
        ),
        (
            "the end cut off",
            "DELETE FROM audit WHERE number > 6",
            format!("ends at entry 6, the checkpoint saw entry {last}"),
        ),
        (
            "another node's chain removed",
            "DELETE FROM audit",
            format!("ends at entry 0, the checkpoint saw entry {last}"),
        ),
    ];
    for (what, statement, named) in tamperings {
        database(&data)
            .execute_batch(statement)
            .expect("the statement runs");
        let (code, complaint) = verify(&data);
        assert_eq!(code, 1, "{what} went unnoticed");
        assert!(complaint.contains(&named), "{what}: {complaint}");
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(data.join(format!("countersign.db{suffix}")));
        }
        std::fs::copy(&copy, data.join("countersign.db")).expect("the copy can be put back");
    }
    assert_eq!(verify(&data).0, 0);
}

#[test]
fn every_random_tampering_is_noticed() {
    let tamperings: usize =
        std::env::var("COUNTERSIGN_TAMPERINGS").map_or(100, |text| text.parse().expect("a number"));
    let mut chance = SeededChance::from_environment_or(20_261_121);
    let folder = Folder::fresh();
    let data = folder.data();
    let last = history(&data);
    let copy = folder.0.join("before.db");
    std::fs::copy(data.join("countersign.db"), &copy).expect("a copy can be made");
    for _ in 0..tamperings.div_ceil(TAMPERINGS_A_ROUND) {
        let connection = database(&data);
        let mut altered: Vec<u64> = Vec::new();
        while altered.len() < TAMPERINGS_A_ROUND {
            let number = 1 + chance.below(last);
            if !altered.contains(&number) {
                flip_a_bit(&connection, number, &mut chance);
                altered.push(number);
            }
        }
        drop(connection);
        let (code, complaint) = verify(&data);
        assert_eq!(code, 1, "entries {altered:?} were altered unnoticed");
        for number in altered {
            let named = format!("audit entry {number} ");
            assert!(complaint.contains(&named), "{number}: {complaint}");
        }
        std::fs::copy(&copy, data.join("countersign.db")).expect("the copy can be put back");
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(data.join(format!("countersign.db{suffix}")));
        }
    }
    println!("{tamperings} tamperings, each named");
}

/// Entries altered before the audit is verified once.
const TAMPERINGS_A_ROUND: usize = 5;

/// Flips any bit of an entry's body, MAC or time; what comes out need be no text and no MAC.
fn flip_a_bit(connection: &Connection, number: u64, chance: &mut SeededChance) {
    let column = ["body", "body", "mac", "at"][chance.below(4) as usize];
    let (read, cast) = match column {
        "body" => ("CAST(body AS BLOB)", "CAST(?1 AS TEXT)"),
        "mac" => ("mac", "?1"),
        _ => (
            "CAST(CAST(at AS TEXT) AS BLOB)",
            "CAST(CAST(?1 AS TEXT) AS INTEGER)",
        ),
    };
    let query = format!("SELECT {read} FROM audit WHERE number = ?1");
    let mut bytes: Vec<u8> = connection
        .query_row(&query, [number as i64], |row| row.get(0))
        .expect("the entry exists");
    if column == "at" {
        // Of a number's text, a digit.
        let at = chance.below(bytes.len() as u64) as usize;
        bytes[at] = b'0' + (bytes[at] - b'0' + 1) % 10;
    } else if column == "mac" && chance.below(4) == 0 {
        bytes.pop();
    } else {
        let at = chance.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << chance.below(8);
    }
    let update = format!("UPDATE audit SET {column} = {cast} WHERE number = ?2");
    connection
        .execute(&update, (bytes, number as i64))
        .expect("it runs");
}

#[test]
fn cut_audit_is_still_named_after_it_has_grown_beyond_the_cut() {
    let folder = Folder::fresh();
    let data = folder.data();
    let last = history(&data);
    database(&data)
        .execute("DELETE FROM audit WHERE number = ?1", [last as i64])
        .expect("it runs");
    for _ in 0..2 {
        let log = Server::start(&data).stop();
        assert!(
            log.contains("countersign audit verify"),
            "the server says so: {log}"
        );
    }
    let (code, complaint) = verify(&data);
    assert_eq!(code, 1);
    let named = format!("audit entry {last} of node main is not the one that the checkpoint saw");
    assert!(complaint.contains(&named), "{complaint}");
}

#[test]
fn audit_that_is_cut_below_its_checkpoint_is_not_copied_into_a_store_that_would_call_it_whole() {
    let folder = Folder::fresh();
    let (data, to) = (folder.data(), folder.0.join("moved"));
    let last = history(&data);
    database(&data)
        .execute_batch("DELETE FROM audit WHERE number > 6")
        .expect("the statement runs");
    let place = |path: &Path| format!("sqlite:{}", path.display());
    let copied = countersign(
        &["store", "copy", "--from", &place(&data), "--to", &place(&to)],
        "",
    );
    assert_eq!(copied.code, 1, "{}", copied.stderr);
    let named = format!("ends at entry 6, the checkpoint saw entry {last}");
    assert!(copied.stderr.contains(&named), "{}", copied.stderr);
    assert_ne!(verify(&to).0, 0, "what was not copied is not whole");
}
