//! Recovery by the pages, without a script: what its owner sees, and what a stranger learns.

use axum::http::StatusCode;
use countersign_server::service::operator::UserAdded;
use countersign_server::service::post::Errand;
use tokio::sync::mpsc::Receiver;

use crate::browser::{Answer, Browser, PASSWORD, Site, code, code_of};

async fn with_alice() -> (Site, UserAdded, Receiver<Errand>) {
    let (site, errands) = Site::sending();
    let alice = site.person("alice", true).await;
    site.email("alice", "alice@example.org").await;
    (site, alice, errands)
}

/// The code that was left for the courier last, if any was.
fn mailed(errands: &mut Receiver<Errand>) -> Option<String> {
    let mut found = None;
    while let Ok(errand) = errands.try_recv() {
        if let Errand::Code(code) = errand {
            found = Some(code.code.to_string());
        }
    }
    found
}

/// The value of a hidden field.
fn hidden(answer: &Answer, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let after = answer.body.split(&mark).nth(1).unwrap_or("");
    after.split('"').next().unwrap_or("").to_owned()
}

async fn prove(browser: &mut Browser, asked: &Answer, mailed: &str, lost: &str, proof: &str) -> Answer {
    let recovery = hidden(asked, "recovery");
    let form = [
        ("recovery", recovery.as_str()),
        ("username", "alice"),
        ("mailed_code", mailed),
        ("lost", lost),
        ("proof", proof),
    ];
    browser.post("/recover/prove", &form).await
}

#[tokio::test]
async fn lost_password_is_set_anew_on_the_pages_and_a_code_is_due() {
    let (site, alice, mut errands) = with_alice().await;
    let mut browser = site.browser();
    let asked = browser.post("/recover", &[("username", "alice")]).await;
    let mailed = mailed(&mut errands).expect("a code was sent");
    assert!(!asked.body.contains(&mailed), "the page does not tell it");
    let refused = prove(&mut browser, &asked, "aaaaa-aaaaa", "password", &code(&alice, 0)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let proven = prove(&mut browser, &refused, &mailed, "password", &code(&alice, 0)).await;
    assert_eq!(proven.status, StatusCode::OK, "{}", proven.body);
    let cookie = proven.set_cookie("__Host-cs_recovery");
    assert!(
        cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=600"),
        "{cookie}"
    );
    let again = browser.get("/recover/finish").await;
    assert!(again.body.contains("Choose a new password"), "{}", again.body);
    let short = browser
        .post("/recover/finish", &[("new_password", "short")])
        .await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
    let new = "a quieter horse than the first";
    let set = browser.post("/recover/finish", &[("new_password", new)]).await;
    assert_eq!(set.leads_to(), "/sign-in/code");
    assert!(
        !browser.cookies.contains_key("__Host-cs_recovery"),
        "it is used up"
    );
    site.hands.pass(30);
    let entered = browser.post("/sign-in/code", &[("code", &code(&alice, 1))]).await;
    assert_eq!(entered.leads_to(), "/account");
}

#[tokio::test]
async fn lost_authenticator_is_enrolled_anew_on_the_pages_and_nothing_else_is_open_until_then() {
    let (site, _, mut errands) = with_alice().await;
    let mut browser = site.browser();
    let asked = browser.post("/recover", &[("username", "ALICE ")]).await;
    let mailed = mailed(&mut errands).expect("a code was sent");
    let proven = prove(&mut browser, &asked, &mailed, "second_factor", PASSWORD).await;
    assert_eq!(proven.status, StatusCode::OK, "{}", proven.body);
    assert_eq!(browser.post("/recover/finish", &[]).await.leads_to(), "/enrol");
    for path in [
        "/account",
        "/account/sessions",
        "/account/factors",
        "/account/password",
    ] {
        assert_eq!(browser.get(path).await.leads_to(), "/enrol", "{path}");
    }
    let begun = browser.post("/enrol", &[("label", "new phone")]).await;
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
    let (_, rest) = begun
        .body
        .split_once("secret=")
        .expect("the page links to the secret");
    let secret: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let confirmed = browser
        .post("/enrol/confirm", &[("code", &code_of(&secret, 0))])
        .await;
    assert!(!confirmed.status.is_client_error(), "{}", confirmed.body);
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
}

#[tokio::test]
async fn page_after_a_name_is_the_same_whether_or_not_there_is_anybody() {
    let (site, _, mut errands) = with_alice().await;
    let mut pages = Vec::new();
    for name in ["alice", "nobod"] {
        let asked = site.browser().post("/recover", &[("username", name)]).await;
        let recovery = hidden(&asked, "recovery");
        assert_eq!(recovery.len(), 64);
        let page = asked.body.replace(&recovery, "…").replace(name, "…");
        pages.push((asked.status, page));
    }
    assert_eq!(pages[0], pages[1]);
    assert!(mailed(&mut errands).is_some());
}

#[tokio::test]
async fn recovery_is_asked_for_a_bounded_number_of_times() {
    let (site, _, _errands) = with_alice().await;
    for _ in 0..3 {
        let asked = site.browser().post("/recover", &[("username", "alice")]).await;
        assert_eq!(asked.status, StatusCode::OK);
    }
    let asked = site.browser().post("/recover", &[("username", "alice")]).await;
    assert_eq!(asked.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(asked.body.contains("Try again in 60 minutes"), "{}", asked.body);
    let cancel = site.browser().post("/recover/cancel", &[("ticket", "x#y")]).await;
    assert_eq!(cancel.status, StatusCode::NOT_FOUND);
}
