//! Mail as it reaches a mail server: recovery from the first request to the last, and notices.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use countersign_auth::contact::MailAddress;
use countersign_core::time::UnixSeconds;
use countersign_server::deliver::smtp::{Relay, Smtp};
use countersign_server::deliver::{Courier, Message, Undelivered};
use countersign_testkit::mail::{Mail, Mailbox};
use serde_json::{Value, json};

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

const ADDRESS: &str = "alice@example.org";
const SITE: &str = "https://id.example.org";

/// A server that hands its mail to a mailbox, and alice, whose address it knows.
struct Post {
    mailbox: Mailbox,
    folder: Folder,
    alice: Person,
    server: Server,
}

fn options(mailbox: &Mailbox) -> Vec<String> {
    let pairs = [
        ("--tls", "off".to_owned()),
        ("--smtp-url", mailbox.url()),
        ("--mail-from", "countersign@id.example.org".to_owned()),
        ("--public-url", SITE.to_owned()),
    ];
    pairs
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
}

fn start(data: &Path, mailbox: &Mailbox, more: &[&str]) -> Server {
    let options = options(mailbox);
    let options: Vec<&str> = options
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    Server::start_with(data, &options)
}

fn set_email(data: &Path, name: &str, address: &str) {
    let data = data.to_str().expect("UTF-8");
    let ended = countersign(&["user", "email", name, address, "--data", data], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

impl Post {
    fn new(more: &[&str]) -> Post {
        let (mailbox, folder) = (Mailbox::listen(), Folder::fresh());
        let alice = Person::add(&folder.data(), "alice");
        let server = start(&folder.data(), &mailbox, more);
        set_email(&folder.data(), "alice", ADDRESS);
        let told = mailbox.next();
        assert!(told.text().contains("another address"), "{}", told.data);
        Post {
            mailbox,
            folder,
            alice,
            server,
        }
    }

    /// Asks for a recovery; its token and the mail with the code.
    fn ask(&self, name: &str) -> Value {
        let (status, body) = self
            .server
            .post("/api/recovery", None, &json!({ "username": name }));
        assert_eq!(status, 202, "{body}");
        body["recovery_token"].clone()
    }

    fn prove(&self, token: &Value, mailed: &str, field: &str, proof: &str) -> (u16, Value) {
        let mut body = json!({ "recovery_token": token, "username": "alice", "mailed_code": mailed });
        body[field] = json!(proof);
        self.server.post("/api/recovery/prove", None, &body)
    }

    fn finish(&self, body: &Value) -> (u16, Value) {
        self.server.post("/api/recovery/finish", None, body)
    }
}

fn code_of(mail: &Mail) -> String {
    assert_eq!(mail.to, [ADDRESS]);
    assert_eq!(mail.header("Subject"), "Recovering your account alice");
    mail.code()
        .unwrap_or_else(|| panic!("a code was mailed: {}", mail.data))
}

#[test]
fn lost_password_is_recovered_by_a_mailed_code_and_a_code_and_told_by_mail() {
    let post = Post::new(&[]);
    let token = post.ask("alice");
    let mailed = code_of(&post.mailbox.next());
    assert_eq!(post.prove(&token, &mailed, "code", "000000").0, 401);
    let (status, proven) = post.prove(&token, &mailed, "code", &post.alice.backup_codes[0]);
    assert_eq!((status, &proven["lost"]), (200, &json!("password")), "{proven}");
    assert!(proven["replacement_backup_code"].is_string(), "{proven}");
    assert_eq!(post.finish(&json!({ "recovery_token": token })).0, 400);
    let new = "a quieter horse than the first";
    let (status, due) = post.finish(&json!({ "recovery_token": token, "new_password": new }));
    assert_eq!((status, &due["status"]), (200, &json!("2fa_required")), "{due}");
    let challenge = due["challenge_token"].as_str().expect("a token");
    assert_eq!(post.server.verify(challenge, &post.alice.code(0)).0, 200);
    let old = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(post.server.post("/api/auth/login", None, &old).0, 401);

    let mut told: Vec<String> = (0..3).map(|_| post.mailbox.next().text()).collect();
    told.sort();
    for words in [
        "two proofs to recover",
        "Your password was set anew",
        "A backup code was used",
    ] {
        assert!(told.iter().any(|text| text.contains(words)), "{words}: {told:?}");
    }
    let log = post.server.stop();
    assert!(!log.contains(&mailed) && !log.contains(ADDRESS), "{log}");
    let entries = audit(&post.folder.data());
    let acts: Vec<&str> = entries.iter().filter_map(|entry| entry["act"].as_str()).collect();
    for act in ["recovery_ask", "recovery_prove", "recovery_finish"] {
        assert!(acts.contains(&act), "{act}: {acts:?}");
    }
}

#[test]
fn lost_authenticator_is_replaced_after_password_and_mailed_code() {
    let post = Post::new(&[]);
    let token = post.ask("alice");
    let mailed = code_of(&post.mailbox.next());
    let (status, proven) = post.prove(&token, &mailed, "password", PASSWORD);
    assert_eq!(
        (status, &proven["lost"]),
        (200, &json!("second_factor")),
        "{proven}"
    );
    let (status, opened) = post.finish(&json!({ "recovery_token": token }));
    assert_eq!(status, 200, "{opened}");
    assert_eq!(
        (&opened["acr"], &opened["second_factor_enrolment_required"]),
        (&json!("cs:1"), &json!(true))
    );
    let session = opened["session_token"].as_str().expect("a token");
    for path in ["/api/dashboard", "/api/sessions", "/api/factors"] {
        assert_eq!(post.server.get(path, session).0, 403, "{path}");
    }
    let (status, begun) = post.server.post("/auth/totp/setup", Some(session), &json!({}));
    assert_eq!(status, 200, "{begun}");
    // The old one works until the new one is confirmed.
    post.server.sign_in(&post.alice, &post.alice.code(0));
    let secret = begun["secret"].as_str().expect("a secret");
    let phone = Person {
        name: "alice".into(),
        secret: countersign_core::otp::SharedSecret::from_base32(secret).expect("Base32"),
        backup_codes: Vec::new(),
        otpauth_uri: String::new(),
    };
    let confirm = json!({ "code": phone.code(0) });
    let (status, whole) = post.server.post("/auth/totp/confirm", Some(session), &confirm);
    assert_eq!(status, 200, "{whole}");
    let challenge = post.server.login("alice");
    assert_eq!(post.server.verify(&challenge, &post.alice.code(1)).0, 401);
    assert_eq!(post.server.verify(&challenge, &phone.code(1)).0, 200);
    post.server.stop();
}

#[test]
fn recovery_is_called_off_by_the_mailed_link_while_it_waits() {
    let post = Post::new(&["--recovery-delay-s", "3600"]);
    let token = post.ask("alice");
    let mailed = code_of(&post.mailbox.next());
    assert_eq!(post.prove(&token, &mailed, "password", PASSWORD).0, 200);
    let (status, waits) = post.finish(&json!({ "recovery_token": token }));
    assert_eq!((status, &waits["code"]), (409, &json!("not_yet")), "{waits}");
    let mail = post.mailbox.next();
    let text = mail.text();
    let link = text
        .split_whitespace()
        .find(|word| word.contains("/recover/cancel#"));
    let link = link.unwrap_or_else(|| panic!("a link is mailed: {text}"));
    let cancel_token = link
        .strip_prefix(&format!("{SITE}/recover/cancel#"))
        .expect("of this site");
    let cancel = |token: &str| {
        let body = json!({ "cancel_token": token });
        post.server.post("/api/recovery/cancel", None, &body).0
    };
    assert_eq!(cancel(&cancel_token.replace('0', "1")), 404);
    assert_eq!(cancel(cancel_token), 200);
    assert_eq!(cancel(cancel_token), 404);
    assert_eq!(post.finish(&json!({ "recovery_token": token })).0, 401);
    post.server.stop();
}

#[test]
fn unknown_name_and_name_without_address_are_answered_like_any_other_and_nothing_is_mailed() {
    let post = Post::new(&[]);
    Person::add(&post.folder.data(), "bob");
    let shape = |name: &str| {
        let body = json!({ "username": name });
        let (status, headers, text) = post.server.whole_answer("/api/recovery", &body);
        let mut body: Value = serde_json::from_str(&text).expect("JSON");
        let token = body["recovery_token"].take();
        (status, headers, body, token.as_str().map(str::len))
    };
    let known = shape("alice");
    assert_eq!(known, shape("nobody"));
    assert_eq!(known, shape("bob"));
    code_of(&post.mailbox.next());
    post.server.stop();
    assert_eq!(post.mailbox.already(), None);
}

#[test]
fn notice_waits_for_the_mail_server_and_keeps_its_identifier() {
    let post = Post::new(&[]);
    post.mailbox.refuse(2);
    set_email(&post.folder.data(), "alice", "new@example.org");
    let mut told = [post.mailbox.next(), post.mailbox.next()];
    told.sort_by(|a, b| a.to.cmp(&b.to));
    assert_eq!(told[0].to, [ADDRESS], "the old address is told");
    assert_eq!(told[1].to, ["new@example.org"]);
    for mail in &told {
        assert_eq!(mail.from, "countersign@id.example.org");
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        let id = mail.header("Message-ID");
        assert!(id.ends_with("@id.example.org>") && id.len() > 64, "{id}");
    }
    let log = post.server.stop();
    assert!(log.contains("the mail server said 451"), "{log}");
}

#[test]
fn own_texts_are_used_and_a_wrong_one_stops_the_start() {
    let (mailbox, folder) = (Mailbox::listen(), Folder::fresh());
    let texts = folder.0.join("texts");
    std::fs::create_dir(&texts).expect("a folder");
    std::fs::write(texts.join("notice.txt"), "Subject: Hallo {name}\n\nNeu: {txet}\n").expect("a file");
    Person::add(&folder.data(), "alice");
    let path = texts.to_str().expect("UTF-8");
    let data = folder.data();
    let arguments = options(&mailbox);
    let arguments: Vec<&str> = ["serve", "--listen", "127.0.0.1:0", "--data"]
        .into_iter()
        .chain(data.to_str())
        .chain(arguments.iter().map(String::as_str))
        .chain(["--mail-templates", path])
        .collect();
    let ended = countersign(&arguments, "");
    assert_ne!(ended.code, 0);
    assert!(
        ended
            .stderr
            .contains("notice.txt: line 3 has the unknown place {txet}"),
        "{}",
        ended.stderr
    );
    std::fs::write(texts.join("notice.txt"), "Subject: Hallo {name}\n\nNeu: {text}\n").expect("a file");
    let server = start(&data, &mailbox, &["--mail-templates", path]);
    set_email(&data, "alice", ADDRESS);
    let mail = mailbox.next();
    assert_eq!(mail.header("Subject"), "Hallo alice");
    assert!(mail.text().starts_with("Neu: Mail about"), "{}", mail.data);
    server.stop();
}

#[test]
fn without_a_mail_server_nothing_is_recovered_by_mail() {
    let folder = Folder::fresh();
    let server = Server::start(&folder.data());
    let (status, body) = server.post("/api/recovery", None, &json!({ "username": "alice" }));
    assert_eq!((status, &body["code"]), (404, &json!("no_mail")), "{body}");
    assert_eq!(server.get_bare("/recover"), 404);
    server.stop();
}

#[test]
fn settings_of_mail_that_disagree_are_named_together() {
    let check = |options: &[&str]| countersign(&[&["check"], options].concat(), "");
    let alone = check(&["--smtp-url", "smtps://us@mail.example.org"]);
    assert_eq!(alone.code, 2);
    for expected in ["set `mail_from`", "set `public_url`", "set `smtp_password_file`"] {
        assert!(alone.stderr.contains(expected), "{expected}: {}", alone.stderr);
    }
    let password = check(&["--smtp-url", "smtps://us:secret@mail.example.org"]);
    assert!(
        password.stderr.contains("belongs in `smtp_password_file`"),
        "{}",
        password.stderr
    );
    let useless = check(&[
        "--mail-from",
        "us@example.org",
        "--sms-webhook",
        "http://sms.example.org/",
    ]);
    assert!(useless.stderr.contains("only this machine"), "{}", useless.stderr);
}

#[test]
fn address_and_number_are_refused_when_they_are_none() {
    let folder = Folder::fresh();
    Person::add(&folder.data(), "alice");
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    for (what, wrong) in [
        ("email", "alice"),
        ("email", "a@b\r\nBcc: c@d"),
        ("phone", "0791234567"),
    ] {
        let ended = countersign(&["user", what, "alice", wrong, "--data", data], "");
        assert_eq!(ended.code, 1, "{what} {wrong}: {}", ended.stderr);
    }
    assert_eq!(
        countersign(
            &["user", "phone", "alice", "+41 79 123 45 67", "--data", data],
            ""
        )
        .code,
        0
    );
    assert_eq!(
        countersign(&["user", "email", "nobody", ADDRESS, "--data", data], "").code,
        1
    );
}

/// A mail server of others', which keeps what it is handed in a maildir; ended with the test.
struct Aiosmtpd(Child);

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for something that another process brings about.
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what} in time");
        std::thread::yield_now();
    }
}

impl Aiosmtpd {
    /// Starts it under TLS from the first byte, with the certificate of an installation.
    fn start(maildir: &Path, tls: &Path) -> (Aiosmtpd, u16) {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let child = Command::new("python3")
            .args(["-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}")])
            .arg("--smtpscert")
            .arg(tls.join("leaf.pem"))
            .arg("--smtpskey")
            .arg(tls.join("leaf.key"))
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(maildir)
            .spawn()
            .expect("python3 is installed");
        let server = Aiosmtpd(child);
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        (server, port)
    }
}

/// Every mail of a maildir, as text.
fn mails(maildir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(maildir.join("new"))
        .into_iter()
        .flatten()
        .flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.collect()
}

/// Hands a mail over to a server that no authority of ours vouches for.
fn handed(url: &str) -> Result<(), Undelivered> {
    let relay = Relay::parse(url).expect("a relay");
    let from = MailAddress::parse("countersign@example.org").expect("an address");
    let smtp = Smtp::new(&relay, None, None, &from).expect("nothing is wrong");
    let message = Message {
        id: "m1".into(),
        to: ADDRESS.into(),
        subject: "subject".into(),
        text: String::from("text").into(),
        at: UnixSeconds(1_800_000_000),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(smtp.deliver(&message))
}

#[test]
#[ignore = "needs aiosmtpd"]
fn mail_server_of_others_takes_mail_under_tls_and_is_refused_without_its_authority() {
    let folder = Folder::fresh();
    let data = folder.data();
    // An installation's own certificate does for another server of this machine.
    Server::start_with(&data, &[]).stop();
    Person::add(&data, "alice");
    let maildir = folder.0.join("mail");
    let (_mail_server, port) = Aiosmtpd::start(&maildir, &data.join("tls"));
    let url = format!("smtps://localhost:{port}");
    let authority = data.join("tls").join("ca.pem");
    let settings = [
        "--tls",
        "off",
        "--smtp-url",
        &url,
        "--mail-from",
        "countersign@example.org",
        "--public-url",
        SITE,
    ];
    let trusting = ["--smtp-ca", authority.to_str().expect("UTF-8")];

    assert!(
        matches!(handed(&url), Err(Undelivered::Later(_))),
        "nothing is said to whom nobody vouches for"
    );
    assert_eq!(mails(&maildir), Vec::<String>::new());

    set_email(&data, "alice", ADDRESS);
    let server = Server::start_with(&data, &[settings.as_slice(), &trusting].concat());
    let (status, body) = server.post("/api/recovery", None, &json!({ "username": "alice" }));
    assert_eq!(status, 202, "{body}");
    let mail = until("the mail arrives", || {
        mails(&maildir)
            .into_iter()
            .find(|mail| mail.contains("Recovering"))
    });
    for expected in [
        "To: alice@example.org",
        "Auto-Submitted: auto-generated",
        "@example.org>",
        "is the code.",
    ] {
        assert!(mail.contains(expected), "{expected}: {mail}");
    }
    server.stop();
}

#[test]
fn words_are_shown_tried_set_and_taken_back() {
    let folder = Folder::fresh();
    let data = folder.data();
    Person::add(&data, "alice");
    let run = |arguments: &[&str], text: &str| {
        let data = data.to_str().expect("UTF-8");
        countersign(&[&["mail"], arguments, &["--data", data]].concat(), text)
    };
    let listed = run(&["texts"], "");
    assert_eq!(
        listed
            .stdout
            .lines()
            .filter(|line| line.contains(" product "))
            .count(),
        4,
        "{}",
        listed.stdout
    );
    assert!(
        listed.stderr.contains("no mail is sent here"),
        "{}",
        listed.stderr
    );

    let shown = run(&["show", "notice"], "");
    assert!(
        shown.stdout.starts_with("Subject: About your account {name}\n\n"),
        "{}",
        shown.stdout
    );
    let own = shown.stdout.replace("About your account", "News about");
    let tried = run(&["try", "notice", "--file", "-"], &own);
    assert!(
        tried
            .stdout
            .starts_with("Subject: News about alice\n\nHello alice,\n"),
        "{}",
        tried.stdout
    );
    let wrong = run(
        &["set", "notice", "--file", "-"],
        "Subject: News\n\n{text}\n{nmae}\n",
    );
    assert_eq!(wrong.code, 1);
    assert!(
        wrong
            .stderr
            .contains("notice: line 4 has the unknown place {nmae}"),
        "{}",
        wrong.stderr
    );
    let long = format!("Subject: News\n\n{{text}}{}", "x".repeat(16 * 1024));
    let long = run(&["set", "notice", "--file", "-"], &long);
    assert!(
        long.code == 1 && long.stderr.contains("longer than 16384 bytes"),
        "{}",
        long.stderr
    );
    assert_eq!(run(&["set", "notice", "--file", "-"], &own).code, 0);
    assert_eq!(run(&["show", "notice"], "").stdout, own);

    // Also by the server that mails it.
    let mailbox = Mailbox::listen();
    let server = start(&data, &mailbox, &[]);
    set_email(&data, "alice", ADDRESS);
    assert!(run(&["texts"], "").stdout.contains("notice           set "));
    assert_eq!(mailbox.next().header("Subject"), "News about alice");
    assert_eq!(run(&["reset", "notice"], "").code, 0);
    let data_folder = data.to_str().expect("UTF-8");
    let enrolled = countersign(&["enrol", "alice", "--data", data_folder], "");
    assert_eq!(enrolled.code, 0, "{}", enrolled.stderr);
    assert_eq!(mailbox.next().header("Subject"), "About your account alice");
    server.stop();
    let again = run(&["reset", "notice"], "");
    assert_eq!(
        (again.code, again.stderr.trim()),
        (1, "countersign: notice: no text was set")
    );
    let acts: Vec<_> = audit(&data)
        .into_iter()
        .map(|entry| (entry["act"].clone(), entry["object"].clone()))
        .collect();
    for act in ["text_set", "text_reset"] {
        assert!(
            acts.contains(&(json!(act), json!("notice"))),
            "{act} is missing in {acts:?}"
        );
    }
}
