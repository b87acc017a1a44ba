//! The pages of step-up and of known browsers, over the real routes.

use axum::http::{Method, StatusCode};
use countersign_auth::record::Browser;
use countersign_server::service::operator::{Ask, Reply, UserAdded};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::browser::{self, PASSWORD, Site, code};

const SESSION: &str = "__Host-cs_session";
const KNOWN: &str = "__Host-cs_browser";

async fn signed_in(site: &Site) -> (browser::Browser, UserAdded) {
    let person = site.person("alice", true).await;
    let mut browser = site.browser();
    browser.sign_in("alice", &code(&person, 0)).await;
    site.hands.pass(30);
    (browser, person)
}

#[tokio::test]
async fn page_elevates_the_session_renews_its_cookie_and_leads_on() {
    let site = Site::open_signing().await;
    let (mut browser, person) = signed_in(&site).await;
    let asked = browser
        .get("/step-up?to=/account/sessions&purpose=pay%20%3Cb%3E")
        .await;
    assert!(
        asked.body.contains("value=\"/account/sessions\""),
        "{}",
        asked.body
    );
    assert!(
        asked.body.contains("pay &#60;b&#62;"),
        "it is told as text: {}",
        asked.body
    );
    let before = browser.cookies.get(SESSION).cloned();
    let to = ("to", "/account/sessions");
    let wrong = browser.post("/step-up", &[("code", "000000"), to]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(
        wrong.body.contains("value=\"/account/sessions\""),
        "{}",
        wrong.body
    );
    let answer = browser.post("/step-up", &[("code", &code(&person, 1)), to]).await;
    assert_eq!(answer.leads_to(), "/account/sessions");
    let line = answer.set_cookie(SESSION);
    assert!(
        line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3570"),
        "it ends when the session would have: {line}"
    );
    assert_ne!(browser.cookies.get(SESSION).cloned(), before);
    assert!(
        browser
            .get("/account")
            .await
            .body
            .contains("Confirmed by a code at")
    );
    let ended = browser.post("/account/step-down", &[]).await;
    assert_eq!(ended.leads_to(), "/account?done=lowered");
    assert!(
        browser
            .get("/account")
            .await
            .body
            .contains("/step-up?to=/account")
    );
}

#[tokio::test]
async fn page_leads_to_paths_of_this_host_alone() {
    let site = Site::open_signing().await;
    let (mut browser, person) = signed_in(&site).await;
    for (at, to) in [
        "//elsewhere.example",
        "https://elsewhere.example/",
        "/\\elsewhere.example",
        "",
    ]
    .iter()
    .enumerate()
    {
        let code = code(&person, at as u64 + 1);
        let answer = browser.post("/step-up", &[("code", &code), ("to", to)]).await;
        assert_eq!(answer.leads_to(), "/account", "{to:?}");
        site.hands.pass(30);
    }
}

#[tokio::test]
async fn backup_code_is_replaced_on_the_way_and_nobody_without_a_factor_is_asked() {
    let site = Site::open_signing().await;
    let (mut browser, person) = signed_in(&site).await;
    let spare = person
        .backup_codes
        .first()
        .expect("backup codes come with an authenticator");
    let to = ("to", "/account/sessions");
    let answer = browser.post("/step-up", &[("code", spare), to]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer.body.contains("Keep this new backup code"),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("href=\"/account/sessions\""),
        "{}",
        answer.body
    );
    assert!(!answer.set_cookie(SESSION).is_empty());
    site.person("newcomer", false).await;
    let mut newcomer = site.browser();
    assert_eq!(newcomer.password("newcomer", PASSWORD).await.leads_to(), "/enrol");
    assert_eq!(newcomer.get("/step-up").await.leads_to(), "/enrol");
}

#[tokio::test]
async fn browser_is_remembered_when_the_box_is_ticked_and_forgotten_when_its_owner_says_so() {
    let site = Site::open();
    let person = site.person("alice", true).await;
    let mut browser = site.browser();
    browser.password("alice", PASSWORD).await;
    browser
        .post("/sign-in/code", &[("code", &code(&person, 0))])
        .await;
    assert!(!browser.cookies.contains_key(KNOWN), "the box was not ticked");
    let none = browser.get("/account/browsers").await;
    assert!(none.body.contains("There is none."), "{}", none.body);
    for steps in 1..=2 {
        site.hands.pass(30);
        browser.cookies.clear();
        browser.password("alice", PASSWORD).await;
        let form = [("code", code(&person, steps)), ("remember", "yes".into())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post("/sign-in/code", &form).await;
        assert!(browser.cookies.contains_key(KNOWN));
    }
    let listed = browser.get("/account/browsers").await.body;
    assert_eq!(listed.matches("/forget\"").count(), 2, "{listed}");
    assert_eq!(listed.matches("this one").count(), 1, "{listed}");
    let path = listed.split("action=\"").find(|part| part.contains("/forget\""));
    let path = path.and_then(|part| part.split('"').next()).expect("a form");
    let answer = browser.post(path, &[]).await;
    assert_eq!(answer.leads_to(), "/account/browsers?done=forgotten");
    assert!(
        !browser.cookies.contains_key(KNOWN),
        "the own cookie goes with it"
    );
    assert_eq!(browser.post(path, &[]).await.status, StatusCode::NOT_FOUND);
    let answer = browser.post("/account/browsers/forget-all", &[]).await;
    assert_eq!(answer.leads_to(), "/account/browsers?done=all-forgotten");
    assert!(
        browser
            .get("/account/browsers")
            .await
            .body
            .contains("There is none.")
    );
}

#[tokio::test]
async fn client_that_says_nothing_of_it_is_remembered_and_one_that_declines_is_not() {
    let site = Site::open();
    let person = site.person("alice", true).await;
    for (steps, declines) in [(0, false), (1, true)] {
        let mut client = site.browser();
        let login = json!({ "username": "alice", "password": PASSWORD });
        let due = client
            .post_raw(
                &[],
                "/api/auth/login",
                "application/json",
                login.to_string().into(),
            )
            .await;
        let due: serde_json::Value = serde_json::from_str(&due.body).expect("JSON");
        let mut verify =
            json!({ "challenge_token": due["challenge_token"], "totp_code": code(&person, steps) });
        if declines {
            verify["remember_browser"] = json!(false);
        }
        let verify = verify.to_string().into();
        let answer = client
            .post_raw(&[], "/api/auth/verify", "application/json", verify)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(client.cookies.contains_key(KNOWN), !declines);
        site.hands.pass(30);
    }
}

#[test]
fn known_browser_of_before_is_read_without_what_was_not_noted_then() {
    let older = r#"{"account":"alice","expires_at":7}"#;
    let browser: Browser = serde_json::from_str(older).expect("what is missing has a default");
    assert_eq!((browser.created_at, browser.last_used), (None, None));
}

#[tokio::test]
async fn application_is_told_of_an_elevation_at_899_seconds_and_not_at_900() {
    let site = Site::open_signing().await;
    let (mut browser, person) = signed_in(&site).await;
    let name = "shop".to_owned();
    let added = site
        .operator
        .answer(Ask::AppAdd { name, renew: false }, "test")
        .await;
    let Reply::Application(application) = added else {
        panic!("no application: {added:?}");
    };
    let proof = json!({ "code": code(&person, 1) });
    let answer = browser.api(Method::POST, "/auth/totp/step-up", Some(proof)).await;
    let told: Value = serde_json::from_str(&answer.body).expect("JSON");
    let known = format!("shop:{}", &*application.secret);
    let known = format!("Basic {}", BASE64.encode(known.as_bytes()));
    for (passed, elevated) in [(0, true), (899, true), (1, false)] {
        site.hands.pass(passed);
        for member in ["token", "session_token"] {
            let token = told[member].as_str().expect("a token");
            let from = [("authorization", known.as_str())];
            let asked = site
                .browser()
                .post_from(&from, "/oauth/introspect", &[("token", token)])
                .await;
            let answer: Value = serde_json::from_str(&asked.body).expect("JSON");
            assert_eq!(
                answer["active"], true,
                "{member} after {passed} s: {}",
                asked.body
            );
            assert_eq!(
                answer["elevated"], elevated,
                "{member} after {passed} s: {}",
                asked.body
            );
        }
    }
}
