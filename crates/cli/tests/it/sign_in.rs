//! The main job: a person signs in with a password and a code, and the code never works again.

use serde_json::{Value, json};

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

#[test]
fn code_signs_in_once_and_never_again_on_any_connection_or_after_kill() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "Alice");
    let server = Server::start(&folder.data());
    let code = person.code(0);
    let (status, opened) = server.verify(&server.login("alice"), &code);
    assert_eq!(
        (status, &opened["status"], &opened["expires_in"]),
        (200, &json!("success"), &json!(3600))
    );
    let session = opened["session_token"].as_str().expect("a token").to_owned();
    let (status, body) = server.get("/api/dashboard", &session);
    let counters = json!({ "total_logins": 1, "failed_attempts": 0, "active_sessions": 1 });
    assert_eq!(
        (status, &body["username"], &body["data"]),
        (200, &json!("alice"), &counters)
    );

    let challenge = server.login("alice");
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    for spelling in [code.clone(), spaced, format!("{code}\r\n")] {
        assert_eq!(server.verify(&challenge, &spelling).0, 401, "{spelling:?}");
    }
    let full_width: String = code
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xFEE0).expect("a digit"))
        .collect();
    assert_eq!(server.verify(&challenge, &full_width).0, 400);

    server.kill();
    let server = Server::start(&folder.data());
    assert_eq!(
        server.verify(&challenge, &code).0,
        401,
        "the challenge survived, the code must not work"
    );
    assert_eq!(
        server.get("/api/dashboard", &session).0,
        200,
        "an acknowledged session survives kill -9"
    );
    let next = person.code(1);
    assert_eq!(
        server.verify(&challenge, &next).0,
        200,
        "a fresh code answers the same challenge"
    );
    assert_eq!(
        server.verify(&challenge, &next).0,
        401,
        "a challenge is answered once"
    );
    server.stop();
    let entries = audit(&folder.data());
    let with_reason = |reason: &str| {
        let of_code =
            |entry: &&Value| entry["act"] == json!("code_check") && entry["reason"] == json!(reason);
        entries.iter().filter(of_code).count()
    };
    assert_eq!(
        with_reason("code_already_used"),
        4,
        "three spellings, and once more after the kill"
    );
    assert_eq!(with_reason("no_challenge"), 1);
}

#[test]
fn refusal_of_a_known_and_an_unknown_name_are_the_same_bytes_to_the_sixth() {
    let folder = Folder::fresh();
    Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    for attempt in 1..=6 {
        let [known, unknown] = ["alice", "nobody"].map(|name| {
            let login = json!({ "username": name, "password": "wrong" });
            let (status, headers, body) = server.whole_answer("/api/auth/login", &login);
            // Each waits for its own fifth failure, and a second may pass between the two.
            let waits = |(name, seconds): &(String, String)| {
                let wait: Option<u32> = seconds.parse().ok();
                name == "retry-after" && wait.is_some_and(|wait| (240..=300).contains(&wait))
            };
            let (waits, others): (Vec<_>, Vec<_>) = headers.into_iter().partition(waits);
            (status, waits.len(), others, body)
        });
        assert_eq!(known, unknown, "attempt {attempt}");
        let expected = if attempt < 6 { (401, 0) } else { (429, 1) };
        assert_eq!((known.0, known.1), expected, "attempt {attempt}");
    }
    server.stop();
}

#[test]
fn older_gateways_clients_are_answered_in_their_words() {
    let folder = Folder::fresh();
    let data = folder.data();
    Person::add(&data, "alice");
    let server = Server::start_with(&data, &["--tls", "off", "--second-factor", "optional"]);
    let text = data.to_str().expect("UTF-8");
    let add = ["user", "add", "bob", "--password-file", "-", "--data", text];
    assert_eq!(countersign(&add, PASSWORD).code, 0);
    let login = |name: &str, password: &str| {
        server.post("/login", None, &json!({ "username": name, "password": password }))
    };
    let (status, opened) = login("bob", PASSWORD);
    let token = opened["token"].as_str().expect("a token").to_owned();
    let expected = json!({
        "ok": true, "user": "bob", "display_name": "bob", "token": token, "expires_in": 3600,
    });
    assert_eq!((status, &opened), (200, &expected));
    assert_eq!(server.get("/api/dashboard", &token).0, 200);
    assert_eq!(login("alice", PASSWORD).1["status"], json!("2fa_required"));
    let (status, refused) = login("nobody", PASSWORD);
    assert_eq!(
        (status, &refused["message"]),
        (401, &json!("Invalid credentials"))
    );
    server.stop();
}

#[test]
fn unknown_name_wrong_password_and_wrong_code_tell_a_stranger_nothing() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let try_password = |name: &str, password: &str| {
        server.post(
            "/api/auth/login",
            None,
            &json!({ "username": name, "password": password }),
        )
    };
    assert_eq!(try_password("alice", "wrong"), try_password("nobody", PASSWORD));
    let challenge = server.login("alice");
    let wrong = server.verify(&challenge, "000000");
    let used = person.code(0);
    assert_eq!(server.verify(&challenge, &used).0, 200);
    let challenge = server.login("alice");
    assert_eq!(server.verify(&challenge, &used), wrong);
    server.stop();
}

#[test]
fn logout_ends_the_session_and_garbage_opens_none() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let session = server.sign_in(&person, &person.code(0));
    assert_eq!(server.post("/api/auth/logout", Some(&session), &json!({})).0, 200);
    for token in [session.as_str(), "", "garbage", &"f".repeat(64)] {
        let (status, body) = server.get("/api/dashboard", token);
        assert_eq!(
            (status, &body["message"]),
            (401, &json!("Unauthorized - please login"))
        );
    }
    assert_eq!(server.get_bare("/api/dashboard"), 401, "nothing is shown at all");
    server.stop();
}

#[test]
fn command_line_prints_the_code_of_a_moment() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let ended = countersign(
        &["code", "--secret-file", "-", "--digits", "8", "--time", "59"],
        secret,
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "94287082\n"));
    assert!(ended.stderr.contains("sample secret"));
}

#[test]
fn backup_code_signs_in_once_and_is_replaced() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    assert_eq!(person.backup_codes.len(), 10);
    let code = &person.backup_codes[3];
    let (status, body) = server.verify(&server.login("alice"), &code.to_uppercase());
    assert_eq!(status, 200, "{body}");
    let replacement = body["replacement_backup_code"]
        .as_str()
        .expect("a new code is shown")
        .to_owned();
    let challenge = server.login("alice");
    assert_eq!(server.verify(&challenge, code).0, 401);
    assert_eq!(server.verify(&challenge, &replacement).0, 200);
    server.stop();
}

#[test]
fn server_names_the_authority_it_is_to_be_pinned_by() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    assert!(
        person
            .otpauth_uri
            .starts_with("otpauth://totp/Countersign:alice?secret="),
        "a fresh secret's URI"
    );
    let server = Server::start_with(&folder.data(), &[]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    assert_eq!(server.fingerprint.len(), 64);
    let plain = server.url.replace("https://", "http://");
    assert!(
        ureq::get(format!("{plain}/healthz")).call().is_err(),
        "plain HTTP gets no answer on the TLS port"
    );
    server.stop();
}
