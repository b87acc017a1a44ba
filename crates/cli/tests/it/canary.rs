//! Nothing secret ever lies where it can be read: not in the log at its most talkative, not in the audit, not
//! in the database.

use serde_json::json;

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

#[test]
fn no_secret_of_a_whole_run_is_in_log_audit_or_database() {
    let folder = Folder::fresh();
    let data = folder.data();
    let person = Person::add(&data, "alice");
    let server = Server::start(&data);
    let code = person.code(0);
    let challenge = server.login("alice");
    let (_, opened) = server.verify(&challenge, &code);
    let session = opened["session_token"].as_str().expect("a token").to_owned();
    let (_, recovered) = server.verify(&server.login("alice"), &person.backup_codes[0]);
    let replacement = recovered["replacement_backup_code"]
        .as_str()
        .expect("a code")
        .to_owned();
    let typed = "hunter2 typed into the wrong field";
    server.post(
        "/api/auth/login",
        None,
        &json!({ "username": "Hunter2-in-the-name", "password": typed }),
    );
    server.post(
        "/api/auth/login",
        None,
        &json!({ "username": 7, "password": typed }),
    );
    server.post(
        &format!("/api/{session}"),
        Some(&session),
        &json!({ "code": code }),
    );
    let ended = countersign(
        &["setup-link", "--json", "--data", data.to_str().expect("UTF-8")],
        "",
    );
    let ticket: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    let secret = person.secret.to_base32();
    let raw: String = person
        .secret
        .expose()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();

    let mut files = vec![std::fs::read(data.join("countersign.db")).expect("the database is there")];
    files.extend(std::fs::read(data.join("countersign.db-wal")));
    let log = server.stop();
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log was at its most talkative"
    );
    files.push(log.into_bytes());
    files.push(std::fs::read(data.join("countersign.db")).expect("the database is there"));
    files.push(serde_json::to_vec(&audit(&data)).expect("JSON"));

    let bare = |code: &str| code.replace('-', "");
    let canaries = [
        ("password", PASSWORD.to_owned()),
        ("password of an unknown name", typed.to_owned()),
        ("text typed as a name", "hunter2-in-the-name".to_owned()),
        ("TOTP secret", secret.as_str().to_owned()),
        ("TOTP secret in hexadecimal", raw),
        ("challenge", challenge),
        ("session", session),
        ("ticket", ticket),
        ("backup code", person.backup_codes[0].clone()),
        ("backup code without hyphens", bare(&person.backup_codes[1])),
        ("replacement code", replacement),
    ];
    for (what, canary) in &canaries {
        for (number, file) in files.iter().enumerate() {
            let text = String::from_utf8_lossy(file).to_lowercase();
            assert!(
                !text.contains(&canary.to_lowercase()),
                "the {what} is in file {number}"
            );
        }
    }
    assert!(
        !files
            .iter()
            .any(|file| file.windows(20).any(|bytes| bytes == person.secret.expose()))
    );
    let one_time = format!("\"{code}\"");
    assert!(
        !files
            .iter()
            .any(|file| String::from_utf8_lossy(file).contains(&one_time))
    );
}
