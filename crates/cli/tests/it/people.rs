//! People by the command line: roles, groups, claims, lists out and in, and the users table of a Kinglet application.

use std::path::Path;

use countersign_core::otp::SharedSecret;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};

use crate::world::{Ended, Folder, PASSWORD, Person, Server, audit, countersign};

/// A secret, and it in Kinglet's newer and older cipher under the text below, as Python's `cryptography` made them.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR";
const NEWER: &str = "AAECAwQFBgcICQoLi/wfrWHa49wERnNxAvHsuQUIV6mUkk27YUqYancjn/Y6hYb5grC4T+YSzGKUX3NF";
const CONFIGURED: &str = "an-environments-own-key";
/// Another secret in the older cipher.
const LONG_SECRET: &str = "MRSWMZ3INFVGW3DNNZXXA4LSON2HK5TXPB4XU634PV7H7AEBQKBYJBMGQ6EITCUL";
const LONG_OLDER: &str =
    "ZpId3Ibrj+k/ZYGrSQsIMuqT4iVqHDQIv/pyhK/52cJ7gnrTnoePlCF14KQpeQk+9YL4JGFqNRyhggWFsI/Y1g==";
/// The hash of [`PASSWORD`] as an older system keeps it.
const OLD_HASH: &str = "sha256$pepper$7577e17c5358a464d145b4e7ddbbe40b8ff0a5f625d919a2c32643a7b4488c43";

fn path(data: &Path) -> &str {
    data.to_str().expect("the path is UTF-8")
}

fn run(arguments: &[&str], data: &Path, stdin: &str) -> Ended {
    countersign(&[arguments, &["--data", path(data)]].concat(), stdin)
}

fn done(arguments: &[&str], data: &Path, stdin: &str) -> String {
    let ended = run(arguments, data, stdin);
    assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    ended.stdout
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("the output is JSON")
}

fn show(name: &str, data: &Path) -> Value {
    json_of(&done(&["user", "show", name, "--json"], data, ""))
}

#[test]
fn role_groups_and_claims_are_set_in_a_running_server_shown_and_audited() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start(&data);
    let session = server.sign_in(&alice, &alice.code(0));
    done(&["user", "role", "alice", "auditor"], &data, "");
    done(&["user", "role", "alice", "operator"], &data, "");
    done(
        &["user", "group", "alice", "--join", "staff", "--join", "editors"],
        &data,
        "",
    );
    done(&["user", "group", "alice", "--leave", "editors"], &data, "");
    let claims = ["publisher=true", "shelf=7", "desk=\"behind the door\"", "gone=1"];
    done(&[&["user", "claim", "alice"][..], &claims].concat(), &data, "");
    done(&["user", "claim", "alice", "--remove", "gone"], &data, "");
    let shown = show("alice", &data);
    assert_eq!(shown["role"], json!("operator"));
    assert_eq!(shown["groups"], json!(["operator", "staff"]));
    assert_eq!(
        shown["claims"],
        json!({ "publisher": true, "shelf": 7, "desk": "behind the door" })
    );
    assert_eq!(
        (&shown["second_factors"], &shown["sessions"]),
        (&json!(1), &json!(1))
    );
    let kinds: Vec<_> = shown["factors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|factor| &factor["kind"])
        .collect();
    assert_eq!(kinds, ["backup", "totp"]);
    let listed = json_of(&done(&["user", "list", "--json"], &data, ""));
    assert_eq!(
        (&listed[0]["role"], &listed[0]["claims"]["shelf"]),
        (&json!("operator"), &json!(7))
    );
    for (arguments, code, said) in [
        (&["user", "role", "alice", "chief"][..], 2, "administrator"),
        (&["user", "role", "nobody", "user"], 1, "no account named nobody"),
        (&["user", "group", "alice", "--join", "admin"], 1, "user role"),
        (&["user", "group", "alice", "--join", "a,b"], 1, "\"a,b\""),
        (&["user", "claim", "alice", "sub=\"root\""], 1, "\"sub\""),
        (&["user", "claim", "alice", "publisher=yes"], 2, "quotation marks"),
        (&["user", "show", "nobody"], 1, "no account named nobody"),
    ] {
        let refused = run(arguments, &data, "");
        assert_eq!(refused.code, code, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(said), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(show("alice", &data), shown, "what is refused changes nothing");
    assert_eq!(
        server.get("/api/sessions", &session).0,
        200,
        "nothing of it ends a session"
    );
    done(&["user", "end-sessions", "alice"], &data, "");
    assert_eq!(server.get("/api/sessions", &session).0, 401);
    done(&["user", "remove-factors", "alice"], &data, "");
    let login = json!({ "username": "alice", "password": PASSWORD });
    let (status, body) = server.post("/api/auth/login", None, &login);
    assert_eq!((status, &body["status"]), (200, &json!("success")), "{body}");
    assert_eq!(run(&["user", "remove-factors", "alice"], &data, "").code, 1);
    server.stop();
    let entries = audit(&data);
    let told = |act: &str| {
        let of_act = entries.iter().filter(|entry| entry["act"] == json!(act));
        of_act
            .map(|entry| entry["object"].as_str().unwrap_or("-"))
            .collect::<Vec<_>>()
    };
    assert_eq!(told("role_set"), ["auditor", "operator"]);
    assert_eq!(told("group_join"), ["staff", "editors"]);
    assert_eq!(told("group_leave"), ["editors"]);
    assert_eq!(told("claim_set"), ["publisher=true", "shelf=7", "desk", "gone=1"]);
    assert_eq!(
        (told("claim_remove"), told("factors_remove")),
        (vec!["gone"], vec!["-"])
    );
    assert!(
        !format!("{entries:?}").contains("behind the door"),
        "texts are not written down"
    );
}

#[test]
fn list_that_was_exported_makes_the_same_people_elsewhere_and_has_no_secret() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let list = "name,role,groups,claims,disabled,password_hash\r\n\
                '=mallory,administrator,'-staff editors,\
                \"{\"\"desk\"\":\"\"=1, \\\"\"x\\\"\"\"\",\"\"n\"\":-3}\",false,\r\n\
                josé,auditor,,,true,\r\n";
    done(
        &["user", "import", "-"],
        &data,
        &list.replace("auditor,,,true,", &format!("auditor,,,true,{OLD_HASH}")),
    );
    for format in ["csv", "json"] {
        let exported = done(&["user", "export", "--format", format], &data, "");
        let elsewhere = folder.0.join(format);
        let imported = done(&["user", "import", "-", "--json"], &elsewhere, &exported);
        let outcomes = json_of(&imported)["people"].clone();
        let outcomes = outcomes
            .as_array()
            .expect("a list")
            .iter()
            .map(|person| &person["outcome"]);
        assert!(outcomes.eq([&json!("added"); 3]), "{imported}");
        assert_eq!(
            done(&["user", "export", "--format", format], &elsewhere, ""),
            exported
        );
        let again = done(
            &["user", "import", "-", "--update", "--json"],
            &elsewhere,
            &exported,
        );
        assert_eq!(again.matches("\"same\"").count(), 3, "{again}");
        for secret in [
            "argon2",
            "sha256",
            "pepper",
            alice.secret.to_base32().as_str(),
            &alice.backup_codes[0],
        ] {
            assert!(!exported.contains(secret), "{exported}");
        }
    }
    let csv = done(&["user", "export"], &data, "");
    let begins = |sign: &str| {
        csv.lines()
            .any(|line| line.split(',').any(|cell| cell.starts_with(sign)))
    };
    assert!(begins("'=mallory") && begins("'-staff"), "{csv}");
    assert!(!begins("=") && !begins("-"), "{csv}");
    let mallory = &json_of(&done(&["user", "show", "=mallory", "--json"], &data, ""));
    assert_eq!(mallory["claims"], json!({ "desk": "=1, \"x\"", "n": -3 }));
    assert_eq!(mallory["groups"], json!(["-staff", "editors", "admin"]));
    let exports = audit(&data)
        .iter()
        .filter(|entry| entry["act"] == json!("accounts_export"))
        .count();
    assert_eq!(exports, 3);
}

#[test]
fn bad_lines_are_named_and_the_good_ones_taken_once() {
    let folder = Folder::fresh();
    let data = folder.data();
    let list = format!(
        "name,role,groups,claims,disabled,password_hash,otpauth\n\
         alice,user,staff,,,{OLD_HASH},otpauth://totp/Acme:alice?secret={SECRET}&issuer=Acme\n\
         bob,boss,,,,,\n\
         carol,,admin,,,,\n\
         dave,,,\"{{\"\"sub\"\":\"\"root\"\"}}\",,,\n\
         erin,,,,,plaintext-password,\n\
         frank,,,,,,otpauth://totp/frank?secret=JBSWY3DPEHPK3PXP\n\
         two words,,,,,,\n\
         grace,,\n"
    );
    let dry = run(&["user", "import", "-", "--dry-run"], &data, &list);
    assert_eq!(dry.code, 2, "a dry run makes no installation: {}", dry.stdout);
    done(&["user", "add", "root"], &data, "");
    let before = done(&["user", "list", "--json"], &data, "");
    let dry = run(&["user", "import", "-", "--dry-run"], &data, &list);
    assert_eq!(
        (dry.code, done(&["user", "list", "--json"], &data, "")),
        (1, before)
    );
    assert!(
        dry.stdout
            .contains("alice  would be added, with its authenticator\n"),
        "{}",
        dry.stdout
    );
    let real = run(&["user", "import", "-"], &data, &list);
    assert_eq!(real.code, 1);
    for said in [
        "line 3  refused: role:",
        "line 4  carol  refused: group \"admin\"",
        "line 5  dave  refused: claim \"sub\":",
        "line 6  erin  refused: password_hash:",
        "line 7  frank  refused: otpauth: its secret is a sample",
        "line 8  two words  refused: name:",
        "line 9  refused: it has 3 cells and the heading 7",
        "alice  added, with its authenticator\n",
    ] {
        assert!(real.stdout.contains(said), "{said}: {}", real.stdout);
    }
    assert_eq!(real.stdout.matches("alice  backup code").count(), 10);
    assert!(real.stderr.contains("7 were refused"), "{}", real.stderr);
    let all = format!("{}{}", real.stdout, real.stderr);
    assert!(
        !all.contains("plaintext-password") && !all.contains(SECRET) && !all.contains("JBSWY3DPEHPK3PXP")
    );
    let listed = json_of(&done(&["user", "list", "--json"], &data, ""));
    let names: Vec<_> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| &user["name"])
        .collect();
    assert_eq!(names, ["alice", "root"]);
    let again = run(&["user", "import", "-"], &data, &list);
    assert!(
        again.stdout.contains("alice  exists already and is left alone"),
        "{}",
        again.stdout
    );
    let other = "[{\"name\":\"alice\",\"groups\":[],\"role\":\"auditor\"}]";
    done(&["user", "import", "-", "--update"], &data, other);
    assert_eq!(show("alice", &data)["groups"], json!(["auditor"]));
    let server = Server::start(&data);
    let alice = person("alice", SECRET);
    server.sign_in(&alice, &alice.code(0));
    server.stop();
}

fn person(name: &str, secret: &str) -> Person {
    Person {
        name: name.into(),
        secret: SharedSecret::from_base32(secret).expect("Base32"),
        backup_codes: Vec::new(),
        otpauth_uri: String::new(),
    }
}

#[test]
fn list_of_many_goes_through_a_running_server_in_pieces_it_can_read() {
    let folder = Folder::fresh();
    let data = folder.data();
    let server = Server::start(&data);
    let long = "x".repeat(256);
    let claims: Map<String, Value> = (0..32).map(|at| (format!("claim{at}"), json!(long))).collect();
    let people = (0..200).map(|at| match at % 10 {
        0 => json!({ "name": format!("person{at:03}"), "claims": claims }),
        _ => json!({ "name": format!("person{at:03}"), "groups": ["staff"] }),
    });
    let list = json!(people.collect::<Vec<_>>()).to_string();
    let told = json_of(&done(&["user", "import", "-", "--json"], &data, &list));
    let places: Vec<_> = told["people"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|person| &person["place"])
        .collect();
    assert_eq!(
        (places.len(), places[199]),
        (200, &json!("entry 200")),
        "in the order of the list"
    );
    let exported = json_of(&done(&["user", "export", "--format", "json"], &data, ""));
    let exported = exported.as_array().expect("a list");
    assert_eq!(exported.len(), 200);
    assert_eq!(exported[190]["claims"], json!(claims));
    assert_eq!(exported[191]["groups"], json!(["staff"]));
    let beyond = json!([{ "name": "a", "claims": { "c": "x".repeat(50_000) } }]).to_string();
    let refused = run(&["user", "import", "-"], &data, &beyond);
    assert!(
        refused.stdout.contains("entry 1  refused: it has more than"),
        "{}",
        refused.stdout
    );
    server.stop();
}

#[test]
fn wrong_lists_change_nothing_and_are_named() {
    let folder = Folder::fresh();
    let data = folder.data();
    for (text, options, said) in [
        ("", &[][..], "its first line names the columns"),
        ("name,passwort\n", &[], "\"passwort\""),
        ("role\nuser\n", &[], "\"name\""),
        ("name,name\n", &[], "two columns"),
        ("name\n\"open\nand never closed", &["--format", "json"], "JSON"),
        ("[{\"name\":\"a\"", &[], "JSON"),
    ] {
        let ended = run(&[&["user", "import", "-"], options].concat(), &data, text);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let both = run(&["import", "kinglet", "-", "--key-file", "-"], &data, CONFIGURED);
    assert_eq!(both.code, 2, "{}", both.stderr);
    assert!(!data.exists(), "a list that can't be read opens no installation");
    assert_eq!(run(&["user", "export"], &data, "").code, 2);
    assert!(!data.exists());
}

/// The SQL of the guide, a block each.
fn guide() -> Vec<String> {
    let document = include_str!("../../../../docs/operate/from-kinglet.md");
    let blocks = document.split("```text\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// What a query of a users table answers, as `sqlite3 -json` prints it.
fn rows(table: &Connection, query: &str) -> String {
    let mut statement = table.prepare(query).expect("the guide's query runs");
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([]).expect("it runs");
    let mut rows = Vec::new();
    while let Some(row) = found.next().expect("a row") {
        let value = |at: usize| match row.get_ref(at).expect("a column") {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => json!(number),
            ValueRef::Text(text) => json!(std::str::from_utf8(text).expect("UTF-8")),
            other => panic!("no users table has {other:?}"),
        };
        rows.push(Value::Object(
            columns
                .iter()
                .enumerate()
                .map(|(at, name)| (name.clone(), value(at)))
                .collect(),
        ));
    }
    json!(rows).to_string()
}

/// The users table of an application, with rows of every kind.
fn users_table() -> Connection {
    let table = Connection::open_in_memory().expect("a database");
    table
        .execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT UNIQUE, password_hash TEXT,
             totp_secret TEXT, totp_enabled BOOLEAN DEFAULT false, totp_verified BOOLEAN DEFAULT false)",
        )
        .expect("the table");
    for (name, secret, enabled) in [
        ("Alice", Some(NEWER), true),
        ("bob", None, false),
        ("carol", Some(LONG_OLDER), true),
        (
            "dave",
            Some("AgMEBQYHCAkKCwwNbmgWE0nA0tES1Wu2c0oz/EWX17sk0cNiA71B2c0hibI="),
            true,
        ),
    ] {
        let insert = "INSERT INTO users (username, password_hash, totp_secret, totp_enabled, totp_verified)
                      VALUES (?1, ?2, ?3, ?4, ?4)";
        table
            .execute(insert, (name, OLD_HASH, secret, enabled))
            .expect("a row");
    }
    table
}

#[test]
fn guide_moves_a_kinglet_table_and_users_without_totp_still_sign_in() {
    let folder = Folder::fresh();
    let data = folder.data();
    let [columns, query, moved, forget] = guide().try_into().expect("the guide has four blocks of SQL");
    let table = users_table();
    table.execute_batch(&columns).expect("two columns are added");
    let list = rows(&table, &query);
    let key = folder.0.join("key");
    std::fs::write(&key, format!("{CONFIGURED}\n")).expect("it can be written");
    let import = [
        "import",
        "kinglet",
        "-",
        "--key-file",
        path(&key),
        "--password-hash-column",
        "password_hash",
    ];
    done(&["user", "add", "root"], &data, "");
    let server = Server::start(&data);
    let told = run(&import, &data, &list);
    assert_eq!(told.code, 1, "{}", told.stderr);
    for said in [
        "alice  added, with its authenticator\n",
        "bob  added\n",
        "entry 3  refused: totp_secret: the key does not open it",
        "entry 4  dave  refused: totp_secret (Kinglet): its secret is a sample",
    ] {
        assert!(told.stdout.contains(said), "{said}: {}", told.stdout);
    }
    let older = run(
        &[&import[..], &["--unauthenticated-cipher"]].concat(),
        &data,
        &list,
    );
    for said in [
        "carol  added, with its authenticator\n",
        "carol  its secret was read by the older cipher",
    ] {
        assert!(older.stdout.contains(said), "{said}: {}", older.stdout);
    }
    table
        .execute_batch(&moved)
        .and_then(|()| table.execute_batch(&forget))
        .expect("the guide's SQL runs");
    let left = rows(
        &table,
        "SELECT countersign_name, totp_secret FROM users WHERE username = 'Alice'",
    );
    assert_eq!(
        json_of(&left),
        json!([{ "countersign_name": "alice", "totp_secret": null }])
    );
    assert_eq!(rows(&table, &query), "[]", "whoever has moved is not moved again");
    for (name, secret) in [("alice", SECRET), ("carol", LONG_SECRET)] {
        let mover = person(name, secret);
        let code = mover.code(0);
        server.sign_in(&mover, &code);
        assert_eq!(
            server.verify(&server.login(name), &code).0,
            401,
            "a code works once"
        );
    }
    let login = json!({ "username": "BOB", "password": PASSWORD });
    let (status, body) = server.post("/api/auth/login", None, &login);
    assert_eq!((status, &body["status"]), (200, &json!("success")), "{body}");
    let log = server.stop();
    let all = format!(
        "{log}{:?}{}{}{}{}",
        audit(&data),
        told.stdout,
        told.stderr,
        older.stdout,
        older.stderr
    );
    for secret in [
        SECRET,
        LONG_SECRET,
        NEWER,
        LONG_OLDER,
        CONFIGURED,
        "JBSWY3DPEHPK3PXP",
    ] {
        assert!(!all.contains(secret), "{secret} was written down");
    }
}

#[test]
fn users_table_from_before_totp_becomes_accounts_that_sign_in() {
    let folder = Folder::fresh();
    let data = folder.data();
    let table = users_table();
    let list = rows(
        &table,
        "SELECT username AS email, password_hash FROM users WHERE totp_secret IS NULL",
    );
    let options = [
        "--name-column",
        "email",
        "--password-hash-column",
        "password_hash",
    ];
    let told = done(
        &[&["import", "kinglet", "-"], &options[..]].concat(),
        &data,
        &list,
    );
    assert_eq!(told, "bob  added\n");
    let server = Server::start(&data);
    let login = json!({ "username": "bob", "password": PASSWORD });
    assert_eq!(
        server.post("/api/auth/login", None, &login).1["status"],
        json!("success")
    );
    server.stop();
}
