//! One's own account over the API: set up, enrol, recover, change, end.

use countersign_core::otp::SharedSecret;
use serde_json::{Value, json};

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}

/// An invited person who has set a password, and the session that this opened.
fn invited(server: &Server, folder: &Folder) -> String {
    let data = folder.data();
    let ended = countersign(
        &[
            "user",
            "add",
            "carol",
            "--json",
            "--data",
            data.to_str().expect("UTF-8"),
        ],
        "",
    );
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let added: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let ticket = text(&added["invitation"]["ticket"]);
    let weak = server.post(
        "/api/setup",
        None,
        &json!({ "ticket": ticket, "password": "password1" }),
    );
    assert_eq!((weak.0, &weak.1["code"]), (400, &json!("bad_password")));
    let (status, body) = server.post(
        "/api/setup",
        None,
        &json!({ "ticket": ticket, "password": PASSWORD }),
    );
    assert_eq!((status, &body["acr"]), (200, &json!("cs:1")), "{body}");
    let again = server.post(
        "/api/setup",
        None,
        &json!({ "ticket": ticket, "password": PASSWORD }),
    );
    assert_eq!((again.0, &again.1["code"]), (401, &json!("no_ticket")));
    text(&body["session_token"])
}

#[test]
fn invited_person_with_an_authenticator_owes_its_code_too() {
    let folder = Folder::fresh();
    let data = folder.data();
    let server = Server::start(&data);
    let data = data.to_str().expect("UTF-8");
    let ended = countersign(&["user", "add", "carol", "--totp", "--json", "--data", data], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let added: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let set_up = json!({ "ticket": added["invitation"]["ticket"], "password": PASSWORD });
    let (status, due) = server.post("/api/setup", None, &set_up);
    assert_eq!((status, &due["status"]), (200, &json!("2fa_required")), "{due}");
    let person = Person {
        name: "carol".into(),
        secret: SharedSecret::from_base32(&text(&added["totp_secret"])).expect("Base32"),
        backup_codes: Vec::new(),
        otpauth_uri: text(&added["otpauth_uri"]),
    };
    let (status, opened) = server.verify(&text(&due["challenge_token"]), &person.code(0));
    assert_eq!((status, &opened["acr"]), (200, &json!("cs:2")), "{opened}");
    assert_eq!(
        server.get("/api/dashboard", &text(&opened["session_token"])).0,
        200
    );
    server.stop();
}

#[test]
fn operator_gives_a_new_password_beside_the_factor_or_a_new_beginning() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start(&data);
    let session = server.sign_in(&alice, &alice.code(0));
    let data_text = data.to_str().expect("UTF-8");
    let set_up = |action: &str, password: &str| {
        let ended = countersign(&["user", action, "alice", "--json", "--data", data_text], "");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let ticket: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let set_up = json!({ "ticket": ticket["ticket"], "password": password });
        let (status, answer) = server.post("/api/setup", None, &set_up);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let due = set_up("invite", "second horse of alice");
    assert_eq!(due["status"], json!("2fa_required"), "the factor stays");
    assert_eq!(
        server.get("/api/dashboard", &session).0,
        401,
        "every session ended"
    );
    assert_eq!(
        server.verify(&text(&due["challenge_token"]), &alice.code(1)).0,
        200
    );
    let begun = set_up("reset", "third horse of alice");
    assert_eq!(begun["acr"], json!("cs:1"), "the factor is gone");
    assert_eq!(begun["second_factor_enrolment_required"], json!(true));
    let nobody = countersign(&["user", "invite", "nobody", "--data", data_text], "");
    assert_eq!(nobody.code, 1);
    server.stop();
    let entries = audit(&data);
    let count = |act: &str| entries.iter().filter(|entry| entry["act"] == json!(act)).count();
    assert_eq!(
        (
            count("account_reset"),
            count("ticket_issue"),
            count("ticket_redeem")
        ),
        (1, 1, 2)
    );
}

#[test]
fn invited_person_enrols_and_the_confirming_code_is_used_up() {
    let folder = Folder::fresh();
    let server = Server::start(&folder.data());
    let session = invited(&server, &folder);
    for path in ["/api/dashboard", "/api/sessions", "/api/factors"] {
        let (status, body) = server.get(path, &session);
        assert_eq!(
            (status, &body["code"]),
            (403, &json!("second_factor_enrolment_required")),
            "{path}"
        );
    }
    let (status, pending) = server.post("/auth/totp/setup", Some(&session), &json!({ "label": "phone" }));
    assert_eq!(status, 200, "{pending}");
    let secret = text(&pending["secret"]);
    assert_eq!(secret.len(), 32, "160 bits in Base32 without padding");
    assert_eq!(pending["backup_codes"].as_array().map(Vec::len), Some(10));
    assert!(text(&pending["qr_svg"]).starts_with("<svg"));
    let person = Person {
        name: "carol".into(),
        secret: SharedSecret::from_base32(&secret).expect("Base32"),
        backup_codes: pending["backup_codes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(text)
            .collect(),
        otpauth_uri: text(&pending["otpauth_uri"]),
    };
    let wrong = server.post("/auth/totp/confirm", Some(&session), &json!({ "code": "000000" }));
    assert_eq!(wrong.0, 401, "{}", wrong.1);
    let code = person.code(0);
    let (status, body) = server.post("/auth/totp/confirm", Some(&session), &json!({ "code": code }));
    assert_eq!((status, &body["acr"]), (200, &json!("cs:2")), "{body}");
    assert_eq!(
        server.get("/api/dashboard", &session).0,
        401,
        "the session of one factor was replaced"
    );
    assert_eq!(server.get("/api/dashboard", &text(&body["session_token"])).0, 200);
    assert_eq!(
        server.verify(&server.login("carol"), &code).0,
        401,
        "the confirming code is used up"
    );
    assert_eq!(server.verify(&server.login("carol"), &person.code(1)).0, 200);
    assert_eq!(
        server.verify(&server.login("carol"), &person.backup_codes[0]).0,
        200
    );
    server.stop();
}

#[test]
fn owner_sees_names_and_ends_sessions() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let here = server.sign_in(&person, &person.code(0));
    let there = server.sign_in(&person, &person.code(1));
    let third = server.sign_in(&person, &person.backup_codes[0]);
    let (_, sessions) = server.get("/api/sessions", &here);
    let list = sessions.as_array().expect("a list");
    assert_eq!(list.len(), 3);
    let other = list
        .iter()
        .find(|session| session["current"] == json!(false))
        .expect("another session");
    let id = text(&other["id"]);
    let named = server.post(
        &format!("/api/sessions/{id}"),
        Some(&here),
        &json!({ "label": "the old laptop" }),
    );
    assert_eq!(named.0, 200);
    let (_, sessions) = server.get("/api/sessions", &here);
    assert!(
        sessions
            .as_array()
            .expect("a list")
            .iter()
            .any(|session| session["label"] == json!("the old laptop"))
    );
    let (status, body) = server.post("/api/sessions/end-others", Some(&here), &json!({}));
    assert_eq!((status, &body["ended"]), (200, &json!(2)));
    for token in [&there, &third] {
        assert_eq!(server.get("/api/dashboard", token).0, 401);
    }
    assert_eq!(server.get("/api/dashboard", &here).0, 200);
    server.stop();
}

#[test]
fn new_password_ends_every_other_session_and_replaces_the_asking_one() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let here = server.sign_in(&person, &person.code(-1));
    let there = server.sign_in(&person, &person.code(0));
    let challenge = server.login("alice");
    let change = |current: &str, code: &str| {
        let new = "a quite different passphrase";
        let body = json!({ "current_password": current, "new_password": new, "code": code });
        server.post("/api/password", Some(&here), &body)
    };
    assert_eq!(change("wrong", &person.code(1)).0, 401);
    assert_eq!(change(PASSWORD, "").0, 400, "a code is owed");
    let (status, body) = change(PASSWORD, &person.code(1));
    assert_eq!(status, 200, "{body}");
    for token in [&here, &there] {
        assert_eq!(server.get("/api/dashboard", token).0, 401);
    }
    assert_eq!(server.get("/api/dashboard", &text(&body["session_token"])).0, 200);
    assert_eq!(
        server.verify(&challenge, &person.backup_codes[0]).0,
        401,
        "open challenges died"
    );
    let old = server.post(
        "/api/auth/login",
        None,
        &json!({ "username": "alice", "password": PASSWORD }),
    );
    assert_eq!(old.0, 401);
    server.stop();
}

#[test]
fn new_backup_codes_void_the_old_ones() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let session = server.sign_in(&person, &person.code(0));
    assert_eq!(
        server
            .post(
                "/api/backup-codes",
                Some(&session),
                &json!({ "code": person.code(0) })
            )
            .0,
        401
    );
    let (status, body) = server.post(
        "/api/backup-codes",
        Some(&session),
        &json!({ "code": person.code(1) }),
    );
    assert_eq!(status, 200, "{body}");
    let fresh = text(&body["backup_codes"][0]);
    let challenge = server.login("alice");
    assert_eq!(server.verify(&challenge, &person.backup_codes[5]).0, 401);
    assert_eq!(server.verify(&challenge, &fresh).0, 200);
    server.stop();
}

#[test]
fn sixth_wrong_password_is_throttled_for_known_and_unknown_names_alike() {
    let folder = Folder::fresh();
    Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let guess = |name: &str| {
        server.post(
            "/api/auth/login",
            None,
            &json!({ "username": name, "password": "guess" }),
        )
    };
    let answers = |name: &str| (0..7).map(|_| guess(name)).collect::<Vec<_>>();
    let known = answers("alice");
    assert_eq!(
        known.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        [401, 401, 401, 401, 401, 429, 429]
    );
    assert_eq!(known, answers("nobody"));
    let right = server.post(
        "/api/auth/login",
        None,
        &json!({ "username": "ALICE", "password": PASSWORD }),
    );
    assert_eq!(
        right.0, 429,
        "in another spelling, and even with the right password"
    );
    let data = folder.data();
    let ended = countersign(
        &["user", "unlock", "alice", "--data", data.to_str().expect("UTF-8")],
        "",
    );
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    server.stop();
}

#[test]
fn sixth_wrong_code_is_throttled_and_five_kill_the_challenge() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let challenge = server.login("alice");
    for _ in 0..5 {
        assert_eq!(server.verify(&challenge, "00000000").0, 401);
    }
    assert_eq!(
        server.verify(&challenge, &person.code(0)).0,
        401,
        "the challenge is dead"
    );
    let (status, _) = server.post(
        "/api/auth/login",
        None,
        &json!({ "username": "alice", "password": PASSWORD }),
    );
    assert_eq!(
        status, 429,
        "wrong codes count against the pair of name and source"
    );
    server.stop();
}

#[test]
fn disabled_account_is_refused_like_an_unknown_one_and_its_sessions_end() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let session = server.sign_in(&person, &person.code(0));
    let data = folder.data();
    let ended = countersign(
        &[
            "user",
            "disable",
            "alice",
            "--data",
            data.to_str().expect("UTF-8"),
        ],
        "",
    );
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(server.get("/api/dashboard", &session).0, 401);
    let login = |name: &str| {
        server.post(
            "/api/auth/login",
            None,
            &json!({ "username": name, "password": PASSWORD }),
        )
    };
    assert_eq!(login("alice"), login("nobody"));
    server.stop();
}

#[test]
fn account_taken_over_from_an_older_system_keeps_its_password() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    // SHA-256 of `a pinch` and the password, one after the other.
    let older = "sha256$a pinch$5eb8378093bf2617e269d5c84e6c583846598b445c7058a5721a56555c90f5e7";
    let add = |name: &str, text: &str| {
        let arguments = ["user", "add", name, "--password-hash-file", "-", "--data", data];
        countersign(&arguments, text)
    };
    assert_eq!(add("alice", older).code, 0);
    let refused = add("bob", "not a hash");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("Argon2id") && !refused.stderr.contains("not a hash"));
    let server = Server::start(&folder.data());
    let login = |password: &str| {
        let body = json!({ "username": "alice", "password": password });
        server.post("/api/auth/login", None, &body)
    };
    assert_eq!(login("a guess").0, 401);
    for _ in 0..2 {
        let (status, body) = login(PASSWORD);
        assert_eq!((status, &body["status"]), (200, &json!("success")), "{body}");
    }
    server.stop();
}
