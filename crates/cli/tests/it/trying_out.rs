//! The development profile: what the step-up guide's readers try, and what production never has.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::world::{Folder, Server, audit, countersign};

/// The block of shell commands in the document.
fn commands() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/trying-out.md");
    let text = std::fs::read_to_string(document).expect("the document is there");
    let (_, rest) = text.split_once("```text\n").expect("a block begins");
    let (block, _) = rest.split_once("```").expect("it ends");
    block.to_owned()
}

/// Runs the document's commands against a server; what the last one printed.
fn run(url: &str) -> String {
    let at = url.strip_prefix("http://").expect("plain HTTP");
    let script = commands().replace("localhost:8787", at);
    let ran = Command::new("bash")
        .args(["-c", &script])
        .output()
        .expect("bash runs");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

#[test]
#[ignore = "needs curl and jq"]
fn step_up_guide_s_commands_work_in_development_with_curl_and_fail_in_production() {
    let folder = Folder::fresh();
    let server = Server::start_with(&folder.data(), &["--profile", "development"]);
    let answered: Value = serde_json::from_str(&run(&server.url)).expect("JSON");
    assert_eq!(answered["dashboard"], "publisher", "{answered}");
    server.stop();
    let folder = Folder::fresh();
    let server = Server::start(&folder.data());
    let refused = run(&server.url);
    assert!(!refused.contains("dashboard"), "{refused}");
    server.stop();
}

#[test]
fn development_asks_for_a_code_at_the_step_up_and_guards_its_routes() {
    let folder = Folder::fresh();
    let data = folder.data();
    let server = Server::start_with(&data, &["--profile", "development"]);
    let login = json!({ "username": "admin", "password": "test" });
    let (status, body) = server.post("/api/auth/login", None, &login);
    assert_eq!((status, &body["status"]), (200, &json!("success")), "{body}");
    let session = body["token"].as_str().expect("a token");
    assert_eq!(body["session_token"], session);
    let ask = |token: &str| {
        [
            server.post("/payment/transfer", Some(token), &json!({})).0,
            server.delete("/publisher/earnings", token).0,
            server.get("/api/publisher/dashboard", token).0,
        ]
    };
    assert_eq!(ask("nobody"), [401; 3]);
    assert_eq!(ask(session), [403; 3]);
    for path in ["/api/auth/totp/verify", "/auth/totp/step-up"] {
        let (status, wrong) = server.post(path, Some(session), &json!({ "code": "123456" }));
        assert_eq!(
            (status, &wrong["error"]),
            (401, &json!("Invalid code")),
            "{wrong}"
        );
    }
    let (status, body) = server.post(
        "/api/auth/totp/verify",
        Some(session),
        &json!({ "code": "000000" }),
    );
    assert_eq!(status, 200, "{body}");
    let elevated = body["token"].as_str().expect("a token");
    assert_eq!(ask(elevated), [200; 3]);
    server.stop();
    let text = data.to_str().expect("UTF-8");
    let production = countersign(
        &["serve", "--tls", "off", "--listen", "127.0.0.1:0", "--data", text],
        "",
    );
    assert_ne!(production.code, 0, "the folder stays what it was");
    assert_eq!(production.stdout, "");
}

#[test]
fn elevation_that_is_skipped_in_development_is_a_line_in_the_audit_each_time() {
    let folder = Folder::fresh();
    let data = folder.data();
    let options = ["--profile", "development", "--dev-skip-elevation", "true"];
    let server = Server::start_with(&data, &options);
    let login = json!({ "username": "admin", "password": "test" });
    let (_, body) = server.post("/api/auth/login", None, &login);
    let session = body["token"].as_str().expect("a token");
    for _ in 0..2 {
        assert_eq!(server.post("/payment/transfer", Some(session), &json!({})).0, 200);
    }
    let text = data.to_str().expect("UTF-8");
    let listed = countersign(&["audit", "list", "--act", "elevation_skip", "--data", text], "");
    assert_eq!(
        listed.stdout.lines().count(),
        2,
        "{}{}",
        listed.stdout,
        listed.stderr
    );
    server.stop();
}

#[test]
fn production_has_neither_the_account_nor_the_routes_to_try_out_with() {
    let folder = Folder::fresh();
    let data = folder.data();
    let server = Server::start(&data);
    let login = json!({ "username": "admin", "password": "test" });
    assert_eq!(server.post("/api/auth/login", None, &login).0, 401);
    assert_eq!(server.post("/payment/transfer", None, &json!({})).0, 404);
    server.stop();
    assert!(audit(&data).iter().all(|entry| entry["act"] != "account_add"));
}

#[test]
fn folder_with_accounts_is_never_opened_to_codes_for_trying_out() {
    let folder = Folder::fresh();
    let data = folder.data();
    crate::world::Person::add(&data, "alice");
    let text = data.to_str().expect("UTF-8");
    let arguments = [
        "serve",
        "--profile",
        "development",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text,
    ];
    let refused = countersign(&arguments, "");
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("has accounts already"),
        "{}",
        refused.stderr
    );
    let server = Server::start(&data);
    server.stop();
}
