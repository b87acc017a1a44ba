//! Step-up over real connections: what a code within a session gives, to whom, and when it is over.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use crate::world::{Folder, Person, Server, audit, countersign};

/// The application to try it on is served in the development profile alone; codes are verified all the same.
const DEVELOPMENT: [&str; 8] = [
    "--tls",
    "off",
    "--profile",
    "development",
    "--totp-enabled",
    "true",
    "--second-factor",
    "required",
];

/// An application that is known by its secret, as HTTP Basic spells it.
pub fn application(data: &Path) -> String {
    let data = data.to_str().expect("UTF-8");
    let ended = countersign(&["app", "add", "shop", "--data", data], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let secret = ended.stdout.trim();
    format!("Basic {}", BASE64.encode(format!("shop:{secret}").as_bytes()))
}

/// The same application with another secret.
fn renewed_application(data: &Path) -> String {
    let data = data.to_str().expect("UTF-8");
    let ended = countersign(&["app", "renew", "shop", "--data", data], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    format!(
        "Basic {}",
        BASE64.encode(format!("shop:{}", ended.stdout.trim()).as_bytes())
    )
}

pub fn introspect(server: &Server, application: &str, token: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let answered = agent
        .post(format!("{}/oauth/introspect", server.url))
        .header("authorization", application)
        .send_form([("token", token)]);
    let mut response = answered.expect("the server answers");
    let text = response.body_mut().read_to_string().expect("text");
    (
        response.status().as_u16(),
        serde_json::from_str(&text).expect("JSON"),
    )
}

fn step_up(server: &Server, token: &str, code: &str) -> (u16, Value) {
    let body = json!({ "code": code, "purpose": "pay an invoice" });
    server.post("/auth/totp/step-up", Some(token), &body)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn operation_is_refused_until_a_code_elevates_the_session_and_after_it_ends() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start_with(&data, &DEVELOPMENT);
    let session = server.sign_in(&alice, &alice.code(-1));
    let pay = |token: &str| server.post("/payment/transfer", Some(token), &json!({}));
    let (status, refused) = pay(&session);
    assert_eq!(
        (status, text(&refused["code"])),
        (403, "ELEVATION_REQUIRED"),
        "{refused}"
    );
    assert_eq!(refused["step_up_url"], "/auth/totp/step-up");
    let (status, body) = step_up(&server, &session, &alice.code(0));
    assert_eq!(
        (status, &body["elevated"], &body["expires_in"]),
        (200, &json!(true), &json!(900)),
        "{body}"
    );
    let (token, renewed) = (text(&body["token"]), text(&body["session_token"]));
    assert_eq!(pay(token).0, 200, "the elevated token");
    assert_eq!(pay(renewed).0, 200, "the session's new token");
    assert_eq!(pay(&session).0, 403, "the old one is not elevated by it");
    assert_eq!(
        server.get("/api/dashboard", token).0,
        401,
        "it is no session token"
    );
    let (status, _) = step_up(&server, renewed, &alice.code(0));
    assert_eq!(status, 401, "the code is used up");
    assert_eq!(server.post("/api/auth/logout", Some(renewed), &json!({})).0, 200);
    for token in [token, renewed, &session] {
        assert_eq!(pay(token).0, 401, "the session is over");
    }
    server.stop();
    let elevations: Vec<_> = audit(&data)
        .into_iter()
        .filter(|entry| entry["act"] == "step_up" && entry["result"] == "success")
        .collect();
    assert_eq!(elevations.len(), 1, "{elevations:#?}");
    assert!(text(&elevations[0]["object"]).ends_with(": pay an invoice"));
}

#[test]
fn elevation_that_was_given_back_is_worth_nothing_to_any_guard_that_asks() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start_with(&data, &DEVELOPMENT);
    let application = application(&data);
    let session = server.sign_in(&alice, &alice.code(-1));
    let (_, body) = step_up(&server, &session, &alice.code(0));
    let (token, renewed) = (text(&body["token"]), text(&body["session_token"]));
    let pay = |token: &str| server.post("/payment/transfer", Some(token), &json!({}));
    assert_eq!((pay(token).0, pay(renewed).0), (200, 200));
    for time in ["once", "again"] {
        let answered = server.post("/auth/totp/step-down", Some(renewed), &json!({}));
        let expected = (200, json!({ "success": true, "elevated": false }));
        assert_eq!(answered, expected, "{time}");
    }
    for shown in [token, renewed] {
        let (status, refused) = pay(shown);
        assert_eq!((status, text(&refused["code"])), (403, "ELEVATION_EXPIRED"));
        let (_, told) = introspect(&server, &application, shown);
        assert_eq!(
            (&told["active"], &told["elevated"]),
            (&json!(true), &json!(false)),
            "{told}"
        );
    }
    assert_eq!(server.post("/auth/totp/step-down", None, &json!({})).0, 401);
    server.stop();
    let lowered = audit(&data)
        .into_iter()
        .filter(|entry| entry["act"] == "step_down");
    assert_eq!(lowered.count(), 1);
}

#[test]
fn applications_are_told_about_tokens_and_nobody_else() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start(&data);
    let application = application(&data);
    let session = server.sign_in(&alice, &alice.code(-1));
    let (status, told) = introspect(&server, &application, &session);
    assert_eq!(
        (status, &told["active"], &told["elevated"]),
        (200, &json!(true), &json!(false)),
        "{told}"
    );
    assert_eq!((&told["sub"], &told["acr"]), (&json!("alice"), &json!("cs:2")));
    let (_, body) = step_up(&server, &session, &alice.code(0));
    let elevated = text(&body["token"]).to_owned();
    let (_, told) = introspect(&server, &application, &elevated);
    assert_eq!(
        (&told["active"], &told["elevated"]),
        (&json!(true), &json!(true)),
        "{told}"
    );
    let (_, anew) = introspect(&server, &application, text(&body["session_token"]));
    assert_eq!(told["sid"], anew["sid"], "one session");
    for stranger in [
        "Basic c2hvcDpndWVzcw==",
        "Basic bm9ib2R5OmZvbw==",
        "Bearer x",
        "Basic !",
    ] {
        assert_eq!(introspect(&server, stranger, &session).0, 401, "{stranger}");
    }
    for worthless in ["", "x", "a.b.c", &elevated[..elevated.len() - 2], &session[1..]] {
        let (status, told) = introspect(&server, &application, worthless);
        assert_eq!((status, told), (200, json!({ "active": false })), "{worthless}");
    }
    server.stop();
}

#[test]
fn feed_names_a_session_that_ends_and_beats_meanwhile() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start(&data);
    let application = application(&data);
    let session = server.sign_in(&alice, &alice.code(0));
    let (_, told) = introspect(&server, &application, &session);
    let address = server.url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time limit");
    let request =
        format!("GET /oauth/revocations HTTP/1.1\r\nHost: {address}\r\nAuthorization: {application}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut lines = BufReader::new(stream).lines();
    let mut until = |wanted: &str| {
        let found = lines
            .by_ref()
            .map(|line| line.expect("in time"))
            .find(|line| line.contains(wanted));
        assert!(found.is_some(), "the feed ended before {wanted}");
    };
    until(": on");
    until(": on");
    assert_eq!(server.post("/api/auth/logout", Some(&session), &json!({})).0, 200);
    until("event: ended");
    until(&format!("data: {}", text(&told["sid"])));
    until(": on");
    server.stop();
}

#[test]
fn new_signing_key_is_published_before_it_signs_and_the_old_one_stays_believed() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start(&data);
    let application = application(&data);
    let keys = || {
        let (status, set) = server.get("/.well-known/jwks.json", "");
        assert_eq!(status, 200);
        let ids = set["keys"].as_array().expect("a list").iter();
        ids.map(|key| text(&key["kid"]).to_owned()).collect::<Vec<_>>()
    };
    let before = keys();
    assert_eq!(before.len(), 1);
    let data_text = data.to_str().expect("UTF-8");
    let rotated = countersign(&["signing", "rotate", "--data", data_text], "");
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let after = keys();
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    let session = server.sign_in(&alice, &alice.code(-1));
    let (_, body) = step_up(&server, &session, &alice.code(0));
    let token = text(&body["token"]);
    let header = token.split('.').next().expect("a header");
    let header: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes()).expect("base64url")).expect("JSON");
    assert_eq!(
        text(&header["kid"]),
        before[0],
        "the new key waits until everybody can know it"
    );
    assert_eq!(introspect(&server, &application, token).1["active"], true);
    server.stop();
}

#[test]
fn step_up_is_refused_in_the_words_that_older_clients_know() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start(&data);
    let session = server.sign_in(&alice, &alice.code(-1));
    for path in [
        "/auth/totp/step-up",
        "/auth/totp/verify",
        "/api/auth/totp/step-up",
        "/api/auth/totp/verify",
    ] {
        for (body, status, error) in [
            (json!({}), 400, "Code required"),
            (json!({ "code": "" }), 400, "Code required"),
            (
                json!({ "code": "000000", "acr_values": "cs:2p" }),
                400,
                "unmet_authentication_requirements",
            ),
        ] {
            let (answered, refused) = server.post(path, Some(&session), &body);
            assert_eq!(
                (answered, text(&refused["error"])),
                (status, error),
                "{path} {body}"
            );
        }
    }
    let (status, refused) = step_up(&server, &session, &alice.code(-1));
    assert_eq!(
        (status, text(&refused["error"])),
        (401, "Invalid code"),
        "it signed in with that"
    );
    assert_eq!(step_up(&server, "nobody", &alice.code(0)).0, 401);
    let odd = server.post("/auth/totp/step-up", Some(&session), &json!({ "code": 123_456 }));
    assert_eq!(odd.0, 400, "{}", odd.1);
    server.stop();
}

#[test]
fn tokens_under_a_shared_key_are_made_with_a_key_of_its_own_alone() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let file = folder.0.join("shared.key");
    let path = file.to_str().expect("UTF-8").to_owned();
    let folder_text = data.to_str().expect("UTF-8");
    let serve = [
        "serve",
        "--tls",
        "off",
        "--listen",
        "127.0.0.1:0",
        "--data",
        folder_text,
        "--token-key-file",
        &path,
    ];
    let write = |bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("it can be written");
        let owner_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, owner_alone).expect("it is ours");
    };
    let ring = std::fs::read_to_string(data.join("keys/ring")).expect("the ring is there");
    let in_ring = ring
        .split_whitespace()
        .max_by_key(|word| word.len())
        .expect("a key");
    for (bytes, why) in [("abcdefgh", "too short"), (in_ring, "a key of the key ring")] {
        write(bytes.as_bytes());
        let refused = countersign(&serve, "");
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert!(!refused.stderr.contains(bytes), "a key is never repeated");
    }
    write(b"cad085dfd95088d2a9933ae8ba809f8549555e158470ff48");
    let server = Server::start_with(&data, &["--tls", "off", "--token-key-file", &path]);
    let application = application(&data);
    let session = server.sign_in(&alice, &alice.code(-1));
    let (_, body) = step_up(&server, &session, &alice.code(0));
    let (_, told) = introspect(&server, &application, text(&body["token"]));
    assert_eq!(told["elevated"], true, "{told}");
    assert_eq!(server.get("/.well-known/jwks.json", "").1, json!({ "keys": [] }));
    server.stop();
}

#[test]
fn password_alone_signs_in_and_a_code_lifts_it_where_the_second_factor_is_kept_for_step_up() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start_with(&data, &["--tls", "off", "--second-factor", "step_up"]);
    let application = application(&data);
    let login = json!({ "username": "alice", "password": crate::world::PASSWORD });
    let (status, body) = server.post("/api/auth/login", None, &login);
    assert_eq!(
        (status, &body["status"], &body["acr"]),
        (200, &json!("success"), &json!("cs:1")),
        "{body}"
    );
    assert_eq!(body["token"], body["session_token"]);
    let (status, body) = step_up(&server, text(&body["session_token"]), &alice.code(0));
    assert_eq!(status, 200, "{body}");
    let (_, told) = introspect(&server, &application, text(&body["session_token"]));
    assert_eq!(
        (&told["acr"], &told["session_acr"]),
        (&json!("cs:2"), &json!("cs:1")),
        "{told}"
    );
    server.stop();
}

#[test]
fn session_that_may_only_enrol_is_nobody_to_an_application() {
    let folder = Folder::fresh();
    let data = folder.data();
    let path = data.to_str().expect("UTF-8");
    let add = ["user", "add", "bob", "--password-file", "-", "--data", path];
    let added = countersign(&add, &format!("{}\n", crate::world::PASSWORD));
    assert_eq!(added.code, 0, "{}", added.stderr);
    let login = json!({ "username": "bob", "password": crate::world::PASSWORD });
    for (second_factor, is_somebody) in [("required", false), ("optional", true)] {
        let server = Server::start_with(&data, &["--tls", "off", "--second-factor", second_factor]);
        let application = match is_somebody {
            false => application(&data),
            true => renewed_application(&data),
        };
        let (_, body) = server.post("/api/auth/login", None, &login);
        let (status, told) = introspect(&server, &application, text(&body["session_token"]));
        assert_eq!(
            (status, &told["active"]),
            (200, &json!(is_somebody)),
            "{second_factor}: {told}"
        );
        server.stop();
    }
}
