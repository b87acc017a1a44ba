//! Nothing secret ever lies where it can be read: not in the log at its most talkative, not in the audit, not
//! in the database.

use countersign_core::otp::SharedSecret;
use serde_json::{Value, json};

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

/// What a text is full of that must lie nowhere: what it is, and the text.
type Canaries = Vec<(&'static str, String)>;

fn text(value: &Value) -> String {
    let found = value.as_str();
    found.unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

/// An invited person sets a password, enrols, and changes the password; every secret of it is a canary.
fn invite_and_change(server: &Server, data: &str) -> Canaries {
    let invited = countersign(&["user", "add", "carol", "--json", "--data", data], "");
    let invited: Value = serde_json::from_str(&invited.stdout).expect("JSON");
    let invitation = text(&invited["invitation"]["ticket"]);
    let (first, second) = ("first horse of the invited", "second horse of the invited");
    let set_up = json!({ "ticket": invitation, "password": first });
    let session = text(&server.post("/api/setup", None, &set_up).1["session_token"]);
    let (_, pending) = server.post("/auth/totp/setup", Some(&session), &json!({}));
    let secret = text(&pending["secret"]);
    let person = Person {
        name: "carol".into(),
        secret: SharedSecret::from_base32(&secret).expect("Base32"),
        backup_codes: Vec::new(),
        otpauth_uri: String::new(),
    };
    let confirming = person.code(0);
    let (_, confirmed) = server.post(
        "/auth/totp/confirm",
        Some(&session),
        &json!({ "code": confirming }),
    );
    let whole = text(&confirmed["session_token"]);
    let proof = person.code(1);
    let change = json!({ "current_password": first, "new_password": second, "code": proof });
    let (status, changed) = server.post("/api/password", Some(&whole), &change);
    assert_eq!(status, 200, "{changed}");
    vec![
        ("invitation", invitation),
        ("first password", first.into()),
        ("second password", second.into()),
        ("session of one factor", session),
        ("enrolled secret", secret),
        ("backup code of an enrolment", text(&pending["backup_codes"][0])),
        ("confirming code", confirming),
        ("session of two factors", whole),
        ("code that proved a change", proof),
        ("session after a change", text(&changed["session_token"])),
    ]
}

/// Whether a text stands in another as a word of its own; a code is short, and longer numbers may hold it.
fn holds_word(haystack: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = haystack.as_bytes();
    haystack.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !is_part(before) && !is_part(bytes.get(at + word.len()))
    })
}

#[test]
fn no_secret_of_a_whole_run_is_in_log_audit_or_database() {
    let folder = Folder::fresh();
    let data = folder.data();
    let person = Person::add(&data, "alice");
    let server = Server::start(&data);
    let code = person.code(0);
    let challenge = server.login("alice");
    let verify = json!({ "challenge_token": challenge, "totp_code": code });
    let (_, headers, opened) = server.whole_answer("/api/auth/verify", &verify);
    let opened: Value = serde_json::from_str(&opened).expect("JSON");
    let session = text(&opened["session_token"]);
    let cookie = headers.iter().find(|(name, _)| name == "set-cookie");
    let cookie = cookie.and_then(|(_, value)| value.split(['=', ';']).nth(1));
    let browser = cookie.expect("the browser is known from now on").to_owned();
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
    let ticket: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let ticket = text(&ticket["ticket"]);
    let more = invite_and_change(&server, data.to_str().expect("UTF-8"));
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

    assert!(
        String::from_utf8_lossy(&files[0]).contains("$argon2id$v=19$m="),
        "passwords are kept as Argon2id hashes in PHC form"
    );
    let bare = |code: &str| code.replace('-', "");
    let mut canaries = vec![
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
        ("browser cookie", browser),
        ("one-time code", code),
    ];
    canaries.extend(more);
    for (what, canary) in &canaries {
        for (number, file) in files.iter().enumerate() {
            let text = String::from_utf8_lossy(file).to_lowercase();
            let canary = canary.to_lowercase();
            let found = match canary.len() {
                ..=8 => holds_word(&text, &canary),
                _ => text.contains(&canary),
            };
            assert!(!found, "the {what} is in file {number}");
        }
    }
    assert!(
        !files
            .iter()
            .any(|file| file.windows(20).any(|bytes| bytes == person.secret.expose()))
    );
    assert!(holds_word("code=123456 seen", "123456") && !holds_word("7123456", "123456"));
}
