//! Codes by text message as they reach a gateway: a second factor with nothing to scan, through every endpoint and
//! page.

use std::path::Path;

use countersign_testkit::mail::Mailbox;
use countersign_testkit::texts::{Gateway, Posted};
use serde_json::{Value, json};

use crate::pages::Browser;
use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

const NUMBER: &str = "+41791234567";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server that sends codes to a gateway.
struct Site {
    server: Server,
    gateway: Gateway,
    _mailbox: Mailbox,
    folder: Folder,
}

impl Site {
    fn start(allowed: &str) -> Site {
        let (folder, gateway, mailbox) = (Folder::fresh(), Gateway::listen(), Mailbox::listen());
        let secret = folder.0.join("secret");
        std::fs::write(&secret, SECRET).expect("a file");
        let (webhook, smtp) = (gateway.url(), mailbox.url());
        let options = [
            ["--tls", "off"],
            ["--smtp-url", &smtp],
            ["--mail-from", "countersign@id.example.org"],
            ["--public-url", "https://id.example.org"],
            ["--sms-webhook", &webhook],
            ["--sms-webhook-secret-file", secret.to_str().expect("UTF-8")],
            ["--sms-codes", allowed],
        ];
        let server = Server::start_with(&folder.data(), &options.concat());
        Site {
            server,
            gateway,
            _mailbox: mailbox,
            folder,
        }
    }

    /// Somebody with a password alone.
    fn add(&self, name: &str) {
        let data = self.folder.data();
        let data = data.to_str().expect("UTF-8");
        let arguments = [
            "user",
            "add",
            name,
            "--password-file",
            "-",
            "--json",
            "--data",
            data,
        ];
        let ended = countersign(&arguments, PASSWORD);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }

    /// A session of somebody who has a password alone.
    fn first_session(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": PASSWORD });
        let (status, opened) = self.server.post("/api/auth/login", None, &body);
        assert_eq!((status, &opened["status"]), (200, &json!("success")), "{opened}");
        token(&opened)
    }

    /// The next message, which is a code for this number.
    fn text(&self) -> Posted {
        let posted = self.gateway.next();
        let message: Value = serde_json::from_str(&posted.body).expect("JSON");
        assert_eq!(message["to"], json!(NUMBER));
        let (code, text) = (posted.code(), message["text"].as_str().expect("a text"));
        assert_eq!(code.len(), 6, "{text}");
        assert!(text.ends_with(&format!("\n\n@id.example.org #{code}")), "{text}");
        assert!(posted.header("countersign-signature").starts_with("t="));
        posted
    }

    /// Somebody whose telephone is confirmed, and a session of theirs.
    fn with_telephone(&self, name: &str) -> String {
        self.add(name);
        let session = self.first_session(name);
        let setup = json!({ "kind": "sms", "phone": NUMBER });
        let (status, begun) = self.server.post("/auth/totp/setup", Some(&session), &setup);
        assert_eq!(status, 200, "{begun}");
        let code = json!({ "code": self.text().code() });
        let (status, confirmed) = self.server.post("/auth/totp/confirm", Some(&session), &code);
        assert_eq!(status, 200, "{confirmed}");
        token(&confirmed)
    }

    fn send(&self, challenge: &str) -> (u16, Value) {
        let body = json!({ "challenge_token": challenge });
        self.server.post("/api/auth/send-code", None, &body)
    }
}

fn token(opened: &Value) -> String {
    opened["session_token"].as_str().expect("a token").to_owned()
}

fn holds(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    files.filter(|file| file.path().is_file()).any(|file| {
        let bytes = std::fs::read(file.path()).expect("a file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn provider_without_anything_to_scan_is_used_by_every_endpoint() {
    let site = Site::start("allowed");
    site.add("alice");
    let session = site.first_session("alice");
    let setup = json!({ "kind": "sms", "phone": "+41 79 123 45 67", "label": "Phone" });
    let (status, begun) = site.server.post("/auth/totp/setup", Some(&session), &setup);
    assert_eq!(status, 200, "{begun}");
    for nothing in ["secret", "otpauth_uri", "qr_url", "qr_svg"] {
        assert_eq!(begun[nothing], json!(""), "{nothing}");
    }
    assert_eq!(
        (&begun["kind"], &begun["expires_in"]),
        (&json!("sms"), &json!(600))
    );
    assert_eq!(begun["backup_codes"].as_array().map(Vec::len), Some(10));
    let first = site.text();
    assert!(!begun.to_string().contains(&first.code()));
    let confirm = |code: &str| {
        let body = json!({ "code": code });
        site.server.post("/auth/totp/confirm", Some(&session), &body)
    };
    let wrong = if first.code() == "123456" {
        "654321"
    } else {
        "123456"
    };
    assert_eq!(confirm(wrong).0, 401);
    let (status, confirmed) = confirm(&first.code());
    assert_eq!((status, &confirmed["acr"]), (200, &json!("cs:2")), "{confirmed}");

    let challenge = site.server.login("alice");
    assert_eq!(
        site.server.verify(&challenge, &first.code()).0,
        401,
        "it is used up"
    );
    assert_eq!(site.send(&challenge).0, 202);
    let second = site.text();
    let (status, opened) = site.server.verify(&challenge, &second.code());
    assert_eq!((status, &opened["acr"]), (200, &json!("cs:2")), "{opened}");
    let session = token(&opened);

    let (status, listed) = site.server.get("/api/factors", &session);
    let telephone = listed
        .as_array()
        .and_then(|all| all.iter().find(|factor| factor["kind"] == "sms"));
    assert_eq!(
        (status, &telephone.expect("it is listed")["label"]),
        (200, &json!("Phone"))
    );

    let (status, _) = site
        .server
        .post("/api/auth/send-code", Some(&session), &json!({}));
    assert_eq!(status, 202);
    let third = site.text();
    let step_up = json!({ "code": third.code(), "purpose": "transfer" });
    let (status, elevated) = site.server.post("/auth/totp/step-up", Some(&session), &step_up);
    assert_eq!((status, &elevated["elevated"]), (200, &json!(true)), "{elevated}");
    let claims = elevated["token"]
        .as_str()
        .expect("a token")
        .split('.')
        .nth(1)
        .expect("claims");
    let mut bytes = vec![0; claims.len()];
    let length = countersign_core::bytes::base64::parse_url(claims, &mut bytes).expect("Base64");
    let claims: Value = serde_json::from_slice(&bytes[..length]).expect("JSON");
    let methods = claims["amr"].as_array().expect("a list");
    assert!(
        methods.contains(&json!("sms")) && !methods.contains(&json!("otp")),
        "{claims}"
    );
    assert_eq!(claims["acr"], json!("cs:2"));

    let log = site.server.stop();
    let data = site.folder.data();
    for code in [first.code(), second.code(), third.code()] {
        assert!(
            !log.contains(&format!("{code} ")) && !log.contains(&format!("\"{code}")),
            "{log}"
        );
        assert!(!holds(&data, &format!("\"{code}")), "no store has a code");
    }
    assert!(!log.contains(NUMBER), "{log}");
    let entries = audit(&data);
    let sent = entries
        .iter()
        .filter(|entry| entry["act"] == json!("code_send"))
        .count();
    assert_eq!(sent, 3);
}

#[test]
fn asking_for_a_code_is_answered_alike_whether_or_not_there_is_a_telephone() {
    let site = Site::start("allowed");
    site.with_telephone("alice");
    Person::add(&site.folder.data(), "bob");
    let shape = |name: &str| {
        let body = json!({ "challenge_token": site.server.login(name) });
        site.server.whole_answer("/api/auth/send-code", &body)
    };
    let told = [shape("alice"), shape("bob")];
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].0, 202);
    site.text();
    let (status, over) = site.send("0123");
    assert_eq!((status, &over["code"]), (401, &json!("no_challenge")), "{over}");
    assert_eq!(site.server.post("/api/auth/send-code", None, &json!({})).0, 401);
    for _ in 0..2 {
        assert_eq!(shape("alice").0, 202);
        site.text();
    }
    assert_eq!(shape("alice").0, 429, "a fourth since the last proof");
    site.server.stop();
    assert_eq!(site.gateway.already(), None, "bob was sent nothing");
}

#[test]
fn number_is_the_accounts_or_ones_own_and_must_be_one() {
    let site = Site::start("allowed");
    site.add("alice");
    let session = site.first_session("alice");
    let setup = |body: Value| site.server.post("/auth/totp/setup", Some(&session), &body);
    for (body, code) in [
        (json!({ "kind": "sms" }), "bad_phone"),
        (json!({ "kind": "sms", "phone": "0791234567" }), "bad_phone"),
        (json!({ "kind": "hotp" }), "bad_kind"),
    ] {
        let (status, refused) = setup(body);
        assert_eq!((status, &refused["code"]), (400, &json!(code)), "{refused}");
    }
    let data = site.folder.data();
    let arguments = [
        "user",
        "phone",
        "alice",
        NUMBER,
        "--data",
        data.to_str().expect("UTF-8"),
    ];
    assert_eq!(countersign(&arguments, "").code, 0);
    assert_eq!(setup(json!({ "kind": "sms" })).0, 200);
    site.text();
    // Without a kind it is an authenticator, as ever.
    let (status, begun) = setup(json!({}));
    assert_eq!((status, &begun["kind"]), (200, &json!("totp")));
    assert!(begun["secret"].as_str().is_some_and(|secret| secret.len() == 32));
    site.server.stop();
}

#[test]
fn nothing_is_texted_where_it_is_not_allowed() {
    let site = Site::start("never");
    site.add("alice");
    let session = site.first_session("alice");
    let setup = json!({ "kind": "sms", "phone": NUMBER });
    let (status, refused) = site.server.post("/auth/totp/setup", Some(&session), &setup);
    assert_eq!(
        (status, &refused["code"]),
        (404, &json!("no_text_messages")),
        "{refused}"
    );
    assert_eq!(site.send("0123").0, 404);
    let mut browser = Browser::new(&site.server);
    browser.post("/sign-in", &[("username", "alice"), ("password", PASSWORD)]);
    assert!(!browser.get("/enrol").body.contains("Text messages"));
    site.server.stop();
    assert_eq!(site.gateway.already(), None);
}

#[test]
fn telephone_is_enrolled_and_used_by_forms_alone() {
    let site = Site::start("allowed");
    site.add("alice");
    let mut browser = Browser::new(&site.server);
    let first = browser.post("/sign-in", &[("username", "alice"), ("password", PASSWORD)]);
    assert_eq!(first.location, "/enrol", "{}", first.body);
    assert!(browser.get("/enrol").body.contains("An app is safer"));
    let no_number = browser.post("/enrol", &[("kind", "sms")]);
    assert_eq!(no_number.status, 400);
    let begun = browser.post("/enrol", &[("kind", "sms"), ("phone", NUMBER)]);
    assert_eq!(begun.status, 200, "{}", begun.body);
    assert!(begun.body.contains("Look at your telephone") && !begun.body.contains("<svg"));
    assert_eq!(begun.body.matches("<li><code>").count(), 10);
    let confirmed = browser.post("/enrol/confirm", &[("code", &site.text().code())]);
    assert_eq!(confirmed.location, "/account", "{}", confirmed.body);
    let listed = browser.get("/account/factors").body;
    assert!(
        listed.contains("Text messages to …67") && !listed.contains(NUMBER),
        "{listed}"
    );

    // At a step-up, which then leads on.
    let asked = browser.get("/step-up?to=/account/sessions&purpose=pay");
    assert!(asked.body.contains("Text me a code"), "{}", asked.body);
    let back = "/step-up?to=/account/sessions&purpose=pay";
    let sent = browser.post("/account/send-code", &[("back", back)]);
    assert_eq!(
        (sent.status, sent.location.as_str()),
        (303, format!("{back}&done=sent").as_str())
    );
    assert!(
        browser
            .get(&sent.location)
            .body
            .contains("on its way to your telephone")
    );
    let fields = [
        ("code", &*site.text().code()),
        ("to", "/account/sessions"),
        ("purpose", "pay"),
    ];
    assert_eq!(browser.post("/step-up", &fields).location, "/account/sessions");
    browser.post("/sign-out", &[]);

    // At the sign-in.
    assert_eq!(
        browser.post("/sign-in/send-code", &[]).status,
        401,
        "no password was given yet"
    );
    let first = browser.post("/sign-in", &[("username", "alice"), ("password", PASSWORD)]);
    assert_eq!(first.location, "/sign-in/code");
    assert!(browser.get("/sign-in/code").body.contains("Text me a code"));
    assert!(
        !browser
            .get("/sign-in/code?with=backup")
            .body
            .contains("Text me a code")
    );
    let sent = browser.post("/sign-in/send-code", &[]);
    assert_eq!(sent.location, "/sign-in/code?done=sent", "{}", sent.body);
    assert!(
        browser
            .get(&sent.location)
            .body
            .contains("on its way to your telephone")
    );
    let entered = browser.post("/sign-in/code", &[("code", &site.text().code())]);
    assert_eq!(entered.location, "/account", "{}", entered.body);
    site.server.stop();
}

#[test]
fn button_is_shown_to_nobody_without_a_telephone() {
    let site = Site::start("allowed");
    let alice = Person::add(&site.folder.data(), "alice");
    let mut browser = Browser::new(&site.server);
    browser.post("/sign-in", &[("username", "alice"), ("password", PASSWORD)]);
    assert!(!browser.get("/sign-in/code").body.contains("Text me a code"));
    let entered = browser.post("/sign-in/code", &[("code", &alice.code(0))]);
    assert_eq!(entered.location, "/account", "{}", entered.body);
    for path in ["/step-up", "/account/password", "/account/backup-codes", "/enrol"] {
        let page = browser.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("Text me a code"), "{path}");
    }
    site.server.stop();
}

#[test]
fn codes_by_text_message_need_something_to_send_them_by() {
    let ended = countersign(&["check", "--sms-codes", "allowed"], "");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("sms_codes: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("set `sms_webhook`"), "{}", ended.stderr);
}
