//! An operator's word as one proof of a recovery: over the API, on the pages, and never alone; and the page of one's
//! own mail address.

use countersign_testkit::mail::Mailbox;
use serde_json::{Value, json};

use crate::pages::{Browser, between};
use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

const NEW: &str = "a quieter horse than the first";

fn vouch(folder: &Folder, name: &str) -> Value {
    let data = folder.data();
    let arguments = [
        "user",
        "vouch",
        name,
        "--json",
        "--data",
        data.to_str().expect("UTF-8"),
    ];
    let ended = countersign(&arguments, "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn start_with_mail(folder: &Folder) -> (Server, Mailbox) {
    let mailbox = Mailbox::listen();
    let smtp = mailbox.url();
    let options = [
        ["--tls", "off"],
        ["--smtp-url", &smtp],
        ["--mail-from", "countersign@id.example.org"],
        ["--public-url", "https://id.example.org"],
    ];
    (Server::start_with(&folder.data(), &options.concat()), mailbox)
}

#[test]
fn word_beside_a_backup_code_sets_a_password_where_no_mail_is_sent() {
    let folder = Folder::fresh();
    let alice = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let word = vouch(&folder, "alice");
    let (ticket, link) = (&word["ticket"], word["link"].as_str().expect("a link"));
    assert!(link.contains("/recover/vouched#"), "{link}");
    assert_eq!(word["expires_in"], json!(900));
    let prove = |body: &Value| server.post("/api/recovery/prove", None, body);
    for alone in [
        json!({ "username": "alice", "ticket": ticket }),
        json!({ "username": "alice", "ticket": ticket, "password": PASSWORD }),
        json!({ "username": "alice", "ticket": ticket, "code": "000000", "password": PASSWORD }),
        json!({ "username": "alice", "ticket": ticket, "recovery_token": ticket, "mailed_code": "" }),
        json!({ "username": "alice", "recovery_token": ticket, "mailed_code": "", "password": PASSWORD }),
    ] {
        let (status, refused) = prove(&alone);
        assert_eq!(
            (status, &refused["code"]),
            (400, &json!("malformed")),
            "{alone}: {refused}"
        );
    }
    let finish = |body: &Value| server.post("/api/recovery/finish", None, body);
    let carry = json!({ "recovery_token": ticket, "new_password": NEW });
    assert_eq!(finish(&carry).0, 401, "a word alone opens nothing");
    let redeem = json!({ "ticket": ticket, "username": "alice", "password": NEW });
    assert_eq!(
        server.post("/api/setup", None, &redeem).0,
        401,
        "it is no set-up link"
    );
    let wrong = json!({ "username": "alice", "ticket": ticket, "code": "000000" });
    assert_eq!(prove(&wrong).0, 401);
    let right = json!({ "username": "alice", "ticket": ticket, "code": alice.backup_codes[0] });
    let (status, proven) = prove(&right);
    assert_eq!((status, &proven["lost"]), (200, &json!("password")), "{proven}");
    let (status, due) = finish(&carry);
    assert_eq!((status, &due["status"]), (200, &json!("2fa_required")), "{due}");
    let challenge = due["challenge_token"].as_str().expect("a token");
    assert_eq!(server.verify(challenge, &alice.code(0)).0, 200);
    assert_eq!(finish(&carry).0, 401, "it works once");
    let log = server.stop();
    assert!(!log.contains(ticket.as_str().expect("a ticket")), "{log}");
    let entries = audit(&folder.data());
    let vouched = entries
        .iter()
        .find(|entry| entry["act"] == json!("recovery_vouch"));
    assert_eq!(vouched.expect("it is an entry")["reason"], json!("by_operator"));
}

#[test]
fn word_beside_a_mailed_code_sets_a_password() {
    let folder = Folder::fresh();
    let alice = Person::add(&folder.data(), "alice");
    let (server, mailbox) = start_with_mail(&folder);
    let data = folder.data();
    let email = [
        "user",
        "email",
        "alice",
        "alice@example.org",
        "--data",
        data.to_str().expect("UTF-8"),
    ];
    assert_eq!(countersign(&email, "").code, 0);
    mailbox.next();
    let (status, asked) = server.post("/api/recovery", None, &json!({ "username": "alice" }));
    assert_eq!(status, 202, "{asked}");
    let code = mailbox.next().code().expect("a code was mailed");
    let word = vouch(&folder, "alice");
    assert!(mailbox.next().text().contains("vouched for you"));
    let mut body = json!({
        "recovery_token": asked["recovery_token"], "username": "alice", "mailed_code": code, "ticket": "0123",
    });
    assert_eq!(server.post("/api/recovery/prove", None, &body).0, 401);
    body["ticket"] = word["ticket"].clone();
    let (status, proven) = server.post("/api/recovery/prove", None, &body);
    assert_eq!((status, &proven["lost"]), (200, &json!("password")), "{proven}");
    let carry = json!({ "recovery_token": asked["recovery_token"], "new_password": NEW });
    let (status, due) = server.post("/api/recovery/finish", None, &carry);
    assert_eq!((status, &due["status"]), (200, &json!("2fa_required")), "{due}");
    let challenge = due["challenge_token"].as_str().expect("a token");
    assert_eq!(server.verify(challenge, &alice.code(0)).0, 200);
    server.stop();
}

#[test]
fn link_of_an_operator_leads_to_a_new_password_by_forms_alone() {
    let folder = Folder::fresh();
    let alice = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let word = vouch(&folder, "alice");
    let link = word["link"].as_str().expect("a link");
    let mut browser = Browser::new(&server);
    assert!(browser.get("/recover/vouched").body.contains("Paste the link"));
    let asked = browser.post("/recover/vouched", &[("ticket", link)]);
    assert!(asked.body.contains("is one of two proofs"), "{}", asked.body);
    let ticket = between(&asked.body, "name=\"ticket\" value=\"", "\"").to_owned();
    assert!(link.ends_with(&format!("#{ticket}")));
    let wrong = [("ticket", &*ticket), ("username", "alice"), ("code", "000000")];
    assert_eq!(browser.post("/recover/vouched", &wrong).status, 401);
    let unknown = [("ticket", "0123"), ("username", "alice"), ("code", "000000")];
    assert!(
        browser
            .post("/recover/vouched", &unknown)
            .body
            .contains("unknown, over or used")
    );
    let right = [
        ("ticket", &*ticket),
        ("username", "alice"),
        ("code", &*alice.backup_codes[0]),
    ];
    let proven = browser.post("/recover/vouched", &right);
    assert!(proven.body.contains("Choose a new password"), "{}", proven.body);
    let finished = browser.post("/recover/finish", &[("new_password", NEW)]);
    assert_eq!(finished.location, "/sign-in/code", "{}", finished.body);
    let entered = browser.post("/sign-in/code", &[("code", &alice.code(0))]);
    assert_eq!(entered.location, "/account", "{}", entered.body);
    server.stop();
}

#[test]
fn nobody_is_vouched_for_who_could_owe_no_other_proof() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    let added = countersign(&["user", "add", "bob", "--data", data], "");
    assert_eq!(added.code, 0, "{}", added.stderr);
    for (name, why) in [
        ("bob", "countersign user invite bob"),
        ("nobody", "no account named"),
    ] {
        let ended = countersign(&["user", "vouch", name, "--data", data], "");
        assert_eq!(ended.code, 1);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}

#[test]
fn mail_address_is_seen_set_and_confirmed_by_forms_alone() {
    let folder = Folder::fresh();
    let alice = Person::add(&folder.data(), "alice");
    let (server, mailbox) = start_with_mail(&folder);
    let mut browser = Browser::new(&server);
    browser.sign_in(&alice, &alice.code(0));
    assert!(browser.get("/account/email").body.contains("no mail address"));
    let post = |browser: &mut Browser<'_>, address: &str, code: &str| {
        browser.post("/account/email", &[("address", address), ("code", code)])
    };
    assert_eq!(
        post(&mut browser, "alice", &alice.code(1)).status,
        400,
        "that code is not used up"
    );
    assert_eq!(post(&mut browser, "alice@example.org", "000000").status, 401);
    let asked = post(&mut browser, "alice@example.org", &alice.code(1));
    assert_eq!(asked.location, "/account/email?done=mailed", "{}", asked.body);
    let mail = mailbox.next();
    assert_eq!(mail.to, ["alice@example.org"]);
    let page = browser.get("/account/email").body;
    assert!(
        page.contains("Confirm alice@example.org") && page.contains("no mail address"),
        "{page}"
    );
    let wrong = browser.post("/account/email/confirm", &[("mailed_code", "aaaaa-aaaaa")]);
    assert_eq!(wrong.status, 401);
    let code = mail.code().expect("a code was mailed");
    let confirmed = browser.post("/account/email/confirm", &[("mailed_code", &code)]);
    assert_eq!(
        confirmed.location, "/account/email?done=email",
        "{}",
        confirmed.body
    );
    let page = browser.get("/account/email").body;
    assert!(page.contains("goes to <strong>alice@example.org"), "{page}");
    assert!(!page.contains("Mailed code"), "nothing is owed any more");
    let again = browser.post("/account/email/confirm", &[("mailed_code", &code)]);
    assert_eq!(again.status, 404);
    let backup = post(&mut browser, "new@example.org", &alice.backup_codes[0]);
    assert!(
        backup.body.contains("Keep this new backup code"),
        "{}",
        backup.body
    );
    server.stop();
}

#[test]
fn page_of_the_mail_address_says_so_where_no_mail_is_sent() {
    let folder = Folder::fresh();
    let alice = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let mut browser = Browser::new(&server);
    browser.sign_in(&alice, &alice.code(0));
    let page = browser.get("/account/email").body;
    assert!(
        page.contains("No mail is sent from here") && !page.contains("<input type=\"email\""),
        "{page}"
    );
    let fields = [("address", "alice@example.org"), ("code", &*alice.code(1))];
    assert_eq!(browser.post("/account/email", &fields).status, 404);
    server.stop();
}
