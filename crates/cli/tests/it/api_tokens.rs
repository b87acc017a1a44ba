//! Tokens for programs, from their making by a code to their end, as a proxy, an application and an operator meet them.

use serde_json::{Value, json};

use crate::elevation::{application, introspect};
use crate::forward_auth::{Scene, header};
use crate::world::{PASSWORD, audit, countersign};

const APP: &str = "app.example.org";
const OTHER: &str = "other.example.org";

fn bearer(token: &str) -> Vec<String> {
    vec![format!("Authorization: Bearer {token}")]
}

/// Makes a token in a session: what is told of it.
fn make(scene: &Scene, session: &str, code: &str, hosts: &Value) -> (u16, Value) {
    let wished = json!({ "label": "nightly build", "expires_in_days": 30, "hosts": hosts, "code": code });
    scene.server.post("/api/tokens", Some(session), &wished)
}

fn made(scene: &Scene, session: &str, code: &str, hosts: &Value) -> (String, String) {
    let (status, told) = make(scene, session, code, hosts);
    assert_eq!(status, 200, "{told}");
    let text = |name: &str| told[name].as_str().expect("a text").to_owned();
    (text("token"), text("id"))
}

fn status_at(scene: &Scene, host: &str, token: &str) -> u16 {
    let asked = scene.asked("/forward-auth", host, "/x", &bearer(token));
    asked.status
}

#[test]
fn token_passes_in_its_owners_name_until_it_is_revoked_and_opens_nothing_of_countersign() {
    let scene = Scene::new();
    let application = application(&scene.folder.data());
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    let (status, refused) = make(&scene, &session, &scene.person.code(0), &json!([]));
    assert_eq!(
        (status, &refused["code"]),
        (401, &json!("refused")),
        "a used code"
    );
    let (token, id) = made(&scene, &session, &scene.person.code(1), &json!([]));

    let passed = scene.check("/x", &bearer(&token));
    let told = ["remote-user", "remote-acr"].map(|name| header(&passed, name).unwrap_or_default());
    assert_eq!(
        (passed.status, told),
        (204, ["alice".to_owned(), "cs:1".to_owned()])
    );
    let (_, told) = introspect(&scene.server, &application, &token);
    let shown = ["active", "username", "acr", "amr", "elevated", "auth_time"].map(|name| told[name].clone());
    let expected = [
        json!(true),
        json!("alice"),
        json!("cs:1"),
        json!([]),
        json!(false),
        json!(0),
    ];
    assert_eq!(shown, expected, "{told}");

    for path in [
        "/api/dashboard",
        "/api/sessions",
        "/api/tokens",
        "/api/factors",
        "/api/browsers",
    ] {
        assert_eq!(scene.server.get(path, &token).0, 401, "{path}");
    }
    let stepped = scene.server.post(
        "/auth/totp/step-up",
        Some(&token),
        &json!({ "code": scene.person.code(2) }),
    );
    assert_eq!(stepped.0, 401, "nothing elevates it: {}", stepped.1);
    assert_eq!(make(&scene, &token, &scene.person.code(2), &json!([])).0, 401);
    let page = scene.asked(
        "/account",
        APP,
        "/account",
        &[format!("Cookie: __Host-cs_session={token}")],
    );
    assert_eq!(
        (page.status, header(&page, "location").as_deref()),
        (303, Some("/sign-in"))
    );

    let (_, listed) = scene.server.get("/api/tokens", &session);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["label"]),
        (&json!(id), &json!("nightly build"))
    );
    assert!(
        listed[0]["last_used"].as_u64() >= listed[0]["created_at"].as_u64(),
        "{listed}"
    );
    assert!(!listed.to_string().contains(&token));

    let revoke = format!("/api/tokens/{id}");
    assert_eq!(scene.server.delete(&revoke, &session).0, 200);
    assert_eq!(status_at(&scene, APP, &token), 401);
    assert_eq!(
        introspect(&scene.server, &application, &token).1,
        json!({ "active": false })
    );
    assert_eq!(scene.server.delete(&revoke, &session).0, 404);

    let data = scene.folder.data();
    let log = scene.server.stop();
    assert!(!log.contains(&token), "no log has a token");
    let audited = audit(&data);
    let about = |act: &str| {
        let mut entries = audited
            .iter()
            .filter(|entry| entry["event"]["act"] == act || entry["act"] == act);
        entries.any(|entry| entry.to_string().contains(&id))
    };
    assert!(
        about("api_token_make") && about("api_token_revoke"),
        "{audited:?}"
    );
    assert!(
        !json!(audited).to_string().contains("nightly build"),
        "what a person typed"
    );
}

#[test]
fn token_is_refused_where_more_is_asked_and_whoever_shows_one_is_never_sent_elsewhere() {
    let scene = Scene::new();
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    let (token, _) = made(&scene, &session, &scene.person.code(1), &json!([]));
    let page = "Accept: text/html".to_owned();
    for question in ["/forward-auth", "/forward-auth/redirect"] {
        for (uri, more, status) in [
            ("/x", "", 204),
            ("/x", "?acr=cs:1", 204),
            ("/x", "?acr=cs:2", 403),
            ("/x", "?max_age=4294967295", 403),
            ("/x", "?elevated=true", 403),
            ("/admin/x", "", 403),
            ("/strict/x", "", 401),
            ("/staff/x", "", 403),
        ] {
            let shown = [bearer(&token), vec![page.clone()]].concat();
            let answered = scene.asked(&format!("{question}{more}"), APP, uri, &shown);
            assert_eq!(
                answered.status, status,
                "{question}{more} {uri}: {}",
                answered.text
            );
        }
        let worthless = [bearer(&format!("cs_api_{}", "0".repeat(64))), vec![page.clone()]].concat();
        assert_eq!(
            scene.asked(question, APP, "/x", &worthless).status,
            401,
            "{question}"
        );
    }
    scene.server.stop();
}

#[test]
fn token_of_one_host_is_nothing_at_another_and_to_applications_that_ask() {
    let scene = Scene::new();
    let application = application(&scene.folder.data());
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    for hosts in [json!(["https://app.example.org"]), json!(["app.example.org:443"])] {
        let (status, told) = make(&scene, &session, &scene.person.code(1), &hosts);
        assert_eq!((status, &told["code"]), (400, &json!("malformed")), "{hosts}");
    }
    let (token, _) = made(
        &scene,
        &session,
        &scene.person.code(1),
        &json!(["APP.example.org"]),
    );
    assert_eq!(status_at(&scene, APP, &token), 204);
    assert_eq!(status_at(&scene, OTHER, &token), 401);
    assert_eq!(
        introspect(&scene.server, &application, &token).1,
        json!({ "active": false })
    );
    scene.server.stop();
}

#[test]
fn changed_password_revokes_every_token_at_once() {
    let scene = Scene::new();
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    let (token, _) = made(&scene, &session, &scene.person.backup_codes[0], &json!([]));
    assert_eq!(status_at(&scene, APP, &token), 204);
    let (status, told) = scene.server.post(
        "/api/password",
        Some(&session),
        &json!({
            "current_password": PASSWORD,
            "new_password": "another horse battery staple",
            "code": scene.person.code(1),
        }),
    );
    assert_eq!(status, 200, "{told}");
    assert_eq!(status_at(&scene, APP, &token), 401);
    scene.server.stop();
}

#[test]
fn operator_makes_lists_and_revokes_tokens_by_commands() {
    let scene = Scene::new();
    let data = scene.folder.data();
    let data = data.to_str().expect("UTF-8");
    let run = |words: &[&str]| countersign(&[&["user", "token"], words, &["--data", data]].concat(), "");
    let ended = run(&["add", "alice", "nightly", "--host", OTHER, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let made: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let token = made["token"].as_str().expect("a token");
    let id = made["id"].as_str().expect("an identifier");
    assert_eq!(status_at(&scene, OTHER, token), 204);
    let listed = run(&["list", "alice"]).stdout;
    assert!(
        listed.starts_with(&format!("{id}  nightly  {OTHER}  last used ")),
        "{listed}"
    );
    for (words, code) in [
        (&["revoke", "alice", id][..], 0),
        (&["revoke", "alice", id], 1),
        (&["add", "alice", "x", "--days", "367"], 1),
        (&["add", "nobody", "x"], 1),
        (&["list", "nobody"], 1),
    ] {
        let ended = run(words);
        assert_eq!(ended.code, code, "{words:?}: {}", ended.stderr);
    }
    assert_eq!(status_at(&scene, OTHER, token), 401);
    assert_eq!(run(&["list", "alice"]).stdout, "");
    scene.server.stop();
}
