//! Approvals over real connections: an application's action, and a session confirmed by another of the same person.

use std::path::Path;

use countersign_core::otp::ocra::{Input, Suite};
use serde_json::{Value, json};

use crate::elevation::application;
use crate::pages::{Browser, between};
use crate::world::{Folder, Person, Server, audit, countersign};

fn as_application(server: &Server, application: &str, path: &str, body: &Value) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let answered = agent
        .post(format!("{}{path}", server.url))
        .header("authorization", application)
        .send_json(body);
    let mut response = answered.expect("the server answers");
    let text = response.body_mut().read_to_string().expect("text");
    (
        response.status().as_u16(),
        serde_json::from_str(&text).expect("JSON"),
    )
}

fn payment(amount: &str, totp_fallback: bool) -> Value {
    json!({
        "account": "alice",
        "action": { "kind": "payment", "fields": { "amount": amount, "to": "Bob <b> & Söhne" } },
        "totp_fallback": totp_fallback,
    })
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn response(person: &Person, asked: &Value) -> String {
    let suite: Suite = text(&asked["suite"]).parse().expect("a suite");
    let input = Input {
        question: text(&asked["challenge"]),
        ..Input::default()
    };
    suite
        .respond(&person.secret, &input)
        .expect("it fits")
        .to_string()
}

/// What the owner of a token reads from the command line.
fn response_by_command(folder: &Folder, person: &Person, asked: &Value) -> String {
    let file = folder.0.join("seed");
    std::fs::write(&file, person.secret.to_base32().as_bytes()).expect("it is written");
    let (suite, question) = (text(&asked["suite"]), text(&asked["challenge"]));
    let file = file.to_str().expect("UTF-8");
    let ended = countersign(
        &[
            "code",
            "--secret-file",
            file,
            "--ocra",
            suite,
            "--question",
            question,
        ],
        "",
    );
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.stdout.trim().to_owned()
}

struct Shop {
    folder: Folder,
    server: Server,
    alice: Person,
    shop: String,
}

impl Shop {
    fn open() -> Shop {
        Shop::open_with(&[])
    }

    fn open_with(options: &[&str]) -> Shop {
        let folder = Folder::fresh();
        let data = folder.data();
        let alice = Person::add(&data, "alice");
        let server = Server::start_with(&data, &[&["--tls", "off"], options].concat());
        let shop = application(&data);
        Shop {
            folder,
            server,
            alice,
            shop,
        }
    }

    fn ask(&self, body: &Value) -> Value {
        let (status, asked) = as_application(&self.server, &self.shop, "/api/approvals", body);
        assert_eq!(status, 200, "{asked}");
        asked
    }

    fn redeem(&self, asked: &Value) -> (u16, Value) {
        let path = format!("/api/approvals/{}/redeem", text(&asked["id"]));
        as_application(&self.server, &self.shop, &path, &json!({}))
    }

    fn answer(&self, session: &str, asked: &Value, body: &Value) -> (u16, Value) {
        let path = format!("/api/approvals/{}/answer", text(&asked["id"]));
        self.server.post(&path, Some(session), body)
    }
}

fn objects(data: &Path, act: &str, result: &str) -> Vec<String> {
    let entries = audit(data).into_iter();
    let entries = entries.filter(|entry| entry["act"] == act && entry["result"] == result);
    entries.map(|entry| text(&entry["object"]).to_owned()).collect()
}

#[test]
fn application_hears_once_that_the_token_answered_for_this_very_action() {
    let world = Shop::open();
    let session = world.server.sign_in(&world.alice, &world.alice.code(-1));
    let asked = world.ask(&payment("250.00 EUR", false));
    assert_eq!(world.redeem(&asked).1["status"], "waiting");
    let (status, listed) = world.server.get("/api/approvals", &session);
    assert_eq!((status, listed.as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(listed[0]["action"]["fields"]["amount"], "250.00 EUR");
    assert_eq!(
        (&listed[0]["challenge"], &listed[0]["digest"]),
        (&asked["challenge"], &asked["digest"])
    );
    let code = response_by_command(&world.folder, &world.alice, &asked);
    let other = world.ask(&payment("9250.00 EUR", false));
    let (status, refused) = world.answer(&session, &other, &json!({ "code": code }));
    assert_eq!(
        (status, &refused["code"]),
        (401, &json!("refused")),
        "captured: {refused}"
    );
    let (status, answered) = world.answer(&session, &asked, &json!({ "code": code }));
    assert_eq!((status, &answered["status"]), (200, &json!("approved")));
    assert_eq!(
        world.answer(&session, &asked, &json!({ "code": code })).0,
        404,
        "answered once"
    );
    let (status, became) = world.redeem(&asked);
    assert_eq!(
        (status, &became["approved"], &became["bound"]),
        (200, &json!(true), &json!(true)),
        "{became}"
    );
    assert_eq!(
        (&became["digest"], &became["acr"], &became["account"]),
        (&asked["digest"], &json!("cs:2"), &json!("alice"))
    );
    assert_eq!(world.redeem(&asked).0, 404, "told once");
    let (status, denied) = world.answer(&session, &other, &json!({ "deny": true }));
    assert_eq!((status, &denied["status"]), (200, &json!("denied")));
    assert_eq!(world.redeem(&other).1["approved"], false);
    world.server.stop();
    let data = world.folder.data();
    let about = format!("shop: sha256:{}", text(&asked["digest"]));
    for act in ["approval_ask", "approval_answer", "approval_redeem"] {
        assert!(objects(&data, act, "success").contains(&about), "{act}");
    }
    assert_eq!(objects(&data, "approval_answer", "refused").len(), 2);
}

#[test]
fn one_time_code_does_only_where_the_application_and_the_operator_let_it() {
    for (setting, does) in [("allowed", true), ("never", false)] {
        let world = Shop::open_with(&["--totp-fallback", setting]);
        let asked = world.ask(&payment("1.00 EUR", true));
        assert_eq!(asked["totp_fallback"], does, "{setting}");
        let session = world.server.sign_in(&world.alice, &world.alice.code(-1));
        let code = json!({ "code": world.alice.code(0) });
        let (status, answered) = world.answer(&session, &asked, &code);
        if does {
            assert_eq!(status, 200, "{answered}");
            let (_, became) = world.redeem(&asked);
            assert_eq!(
                (&became["approved"], &became["bound"]),
                (&json!(true), &json!(false))
            );
            let (status, _) = world.server.post("/auth/totp/step-up", Some(&session), &code);
            assert_eq!(status, 401, "the code is used up");
        } else {
            assert_eq!(
                (status, &answered["code"]),
                (400, &json!("malformed_code")),
                "{answered}"
            );
        }
        world.server.stop();
    }
}

#[test]
fn what_an_application_may_not_ask_is_refused_with_its_cause() {
    let world = Shop::open();
    let ask = |body: Value| as_application(&world.server, &world.shop, "/api/approvals", &body);
    let action = |fields: Value| json!({ "account": "alice", "action": { "kind": "pay", "fields": fields } });
    for (body, status, code) in [
        (action(json!({})), 400, "malformed_action"),
        (action(json!({ "to": "\u{202e}boB" })), 400, "malformed_action"),
        (action(json!({ "to": 250 })), 400, "malformed"),
        (
            json!({ "account": "nobody", "action": { "kind": "pay", "fields": { "to": "Bob" } } }),
            404,
            "nobody",
        ),
        (
            json!({ "action": { "kind": "pay", "fields": { "to": "Bob" } } }),
            400,
            "malformed",
        ),
    ] {
        let (answered, refused) = ask(body.clone());
        assert_eq!(
            (answered, text(&refused["code"])),
            (status, code),
            "{body} {refused}"
        );
    }
    for _ in 0..4 {
        world.ask(&payment("1.00 EUR", false));
    }
    let (status, refused) = ask(payment("1.00 EUR", false));
    assert_eq!((status, text(&refused["code"])), (429, "asked_too_often"));
    let stranger = as_application(
        &world.server,
        "Basic c2hvcDpndWVzcw==",
        "/api/approvals",
        &payment("1 EUR", false),
    );
    assert_eq!(stranger.0, 401, "{}", stranger.1);
    world.server.stop();
}

#[test]
fn person_sees_the_action_word_by_word_and_approves_it_by_forms_alone() {
    let world = Shop::open();
    let mut browser = Browser::new(&world.server);
    browser.sign_in(&world.alice, &world.alice.code(-1));
    let asked = world.ask(&payment("250.00 EUR", false));
    let path = format!("/account/approvals/{}", text(&asked["id"]));
    let list = browser.get("/account/approvals");
    assert!(list.body.contains(&path), "{}", list.body);
    let page = browser.get(&path);
    assert_eq!(page.status, 200);
    for shown in ["shop asks: payment", "250.00 EUR", "Söhne"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(!page.body.contains("<b>"), "what an application says is text");
    let wrong = browser.post(&path, &[("code", "1234")]);
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    let code = response(&world.alice, &asked);
    let approved = browser.post(&path, &[("code", &code)]);
    assert_eq!(
        (approved.status, approved.location.as_str()),
        (303, "/account/approvals?done=approved"),
        "{}",
        approved.body
    );
    assert_eq!(world.redeem(&asked).1["approved"], true);
    let asked = world.ask(&payment("251.00 EUR", false));
    let path = format!("/account/approvals/{}", text(&asked["id"]));
    assert_eq!(browser.post(&format!("{path}/deny"), &[]).status, 303);
    assert_eq!(world.redeem(&asked).1["status"], "denied");
    assert_eq!(browser.get(&path).status, 404);
    assert!(browser.get("/account").body.contains("it was denied"));
    world.server.stop();
}

#[test]
fn number_of_one_session_typed_in_another_elevates_it() {
    let world = Shop::open();
    let server = &world.server;
    let asking = server.sign_in(&world.alice, &world.alice.code(-1));
    let answering = server.sign_in(&world.alice, &world.alice.code(0));
    let (status, begun) = server.post(
        "/auth/approval/begin",
        Some(&asking),
        &json!({ "purpose": "pay an invoice" }),
    );
    assert_eq!((status, &begun["expires_in"]), (200, &json!(90)), "{begun}");
    let result = |token: &str| {
        let body = json!({ "request_token": begun["request_token"] });
        server.post("/auth/approval/result", Some(token), &body)
    };
    assert_eq!(result(&asking).0, 202);
    let pending = |token: &str| server.get("/auth/approval/pending", token).1["request"].clone();
    assert_eq!(pending(&asking), Value::Null, "never its own");
    let request = pending(&answering);
    assert_eq!(
        (&request["network"], &request["purpose"]),
        (&json!("127.0.0.1"), &json!("pay an invoice"))
    );
    assert!(!request.to_string().contains(text(&begun["number"])));
    let answer = |token: &str, number: &str| {
        let body = json!({ "id": request["id"], "number": number });
        server.post("/auth/approval/answer", Some(token), &body)
    };
    assert_eq!(
        answer(&asking, text(&begun["number"])).0,
        404,
        "nobody answers for themselves"
    );
    let wrong = if text(&begun["number"]) == "000000" {
        "000001"
    } else {
        "000000"
    };
    assert_eq!(answer(&answering, wrong).0, 401);
    let (status, busy) = server.post("/auth/approval/begin", Some(&answering), &json!({}));
    assert_eq!((status, &busy["code"]), (429, &json!("asked_too_often")));
    let (status, approved) = answer(&answering, text(&begun["number"]));
    assert_eq!(
        (status, &approved["status"]),
        (200, &json!("approved")),
        "{approved}"
    );
    assert_eq!(result(&answering).0, 404, "not the asking session");
    let (status, elevated) = result(&asking);
    assert_eq!(
        (status, &elevated["elevated"], &elevated["acr"]),
        (200, &json!(true), &json!("cs:2")),
        "{elevated}"
    );
    let renewed = text(&elevated["session_token"]);
    assert_eq!(server.get("/api/dashboard", renewed).0, 200);
    assert_eq!(result(renewed).0, 404, "told once");
    let data = world.folder.data();
    world.server.stop();
    assert_eq!(objects(&data, "number_ask", "success").len(), 1);
    assert_eq!(objects(&data, "number_answer", "success").len(), 1);
    assert_eq!(objects(&data, "step_up", "success").len(), 1);
}

#[test]
fn number_is_shown_typed_and_collected_by_forms_alone() {
    let world = Shop::open();
    let mut asking = Browser::new(&world.server);
    asking.sign_in(&world.alice, &world.alice.code(-1));
    let mut answering = Browser::new(&world.server);
    answering.sign_in(&world.alice, &world.alice.code(0));
    let before = asking.cookies["__Host-cs_session"].clone();
    assert_eq!(
        asking.post("/account/approvals/begin", &[]).location,
        "/account/approvals/waiting"
    );
    let shown = asking.get("/account/approvals/waiting");
    let number = between(&shown.body, "<code class=\"challenge\">", "<").to_owned();
    assert_eq!(number.len(), 6);
    assert!(shown.body.contains("http-equiv=\"refresh\""));
    let page = answering.get("/account/approvals");
    assert!(
        page.body.contains("127.0.0.1") && !page.body.contains(&number),
        "{}",
        page.body
    );
    let id = between(&page.body, "name=\"id\" value=\"", "\"").to_owned();
    let fields = [("id", id.as_str()), ("number", number.as_str())];
    assert_eq!(
        answering.post("/account/approvals/number", &fields).location,
        "/account/approvals?done=approved"
    );
    assert!(
        asking
            .get("/account/approvals/waiting")
            .body
            .contains("confirmed this one")
    );
    let collected = asking.post("/account/approvals/collect", &[]);
    assert_eq!(
        collected.location, "/account/approvals?done=elevated",
        "{}",
        collected.body
    );
    assert_ne!(asking.cookies["__Host-cs_session"], before, "a new key");
    assert_eq!(asking.get("/account/approvals").status, 200);
    asking.post("/account/approvals/begin", &[]);
    let page = answering.get("/account/approvals");
    let id = between(&page.body, "name=\"id\" value=\"", "\"").to_owned();
    let denied = answering.post("/account/approvals/number/deny", &[("id", &id)]);
    assert_eq!(denied.location, "/account/approvals?done=denied");
    assert_eq!(asking.get("/account/approvals/waiting").status, 403);
    assert!(
        asking
            .get("/account")
            .body
            .contains("asked another to confirm it")
    );
    world.server.stop();
}

#[test]
fn nothing_is_begun_by_number_where_the_operator_forbids_it() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start_with(&data, &["--tls", "off", "--approve-by-number", "never"]);
    let session = server.sign_in(&alice, &alice.code(0));
    let (status, refused) = server.post("/auth/approval/begin", Some(&session), &json!({}));
    assert_eq!(
        (status, &refused["code"]),
        (404, &json!("not_offered")),
        "{refused}"
    );
    server.stop();
}
