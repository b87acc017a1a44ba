//! The pages over the real routes: who may see what, under which headers, and what a stranger learns.

use axum::body::Body;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use crate::browser::{Answer, Browser, PASSWORD, Site, code, code_of};

const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const FORM: &str = "application/x-www-form-urlencoded";

/// Pages that anybody may see.
const OPEN: &[&str] = &[
    "/sign-in",
    "/sign-in/code",
    "/setup",
    "/recover",
    "/recover/vouched",
    "/recover/cancel",
];
/// Pages of somebody who is signed in by all factors due.
const OWN: &[&str] = &[
    "/account",
    "/account/sessions",
    "/account/browsers",
    "/step-up",
    "/account/factors",
    "/account/backup-codes",
    "/account/password",
    "/account/email",
];
/// Forms of somebody who is signed in by all factors due.
const OWN_FORMS: &[&str] = &[
    "/account/sessions/end-others",
    "/account/browsers/forget-all",
    "/account/browsers/00000000/forget",
    "/account/step-down",
    "/step-up",
    "/account/sessions/00000000/end",
    "/account/sessions/00000000/name",
    "/account/factors/00000000/remove",
    "/account/backup-codes",
    "/account/password",
    "/account/email",
    "/account/email/confirm",
];
/// Forms that need less.
const OTHER_FORMS: &[&str] = &[
    "/sign-in",
    "/sign-in/code",
    "/sign-out",
    "/setup",
    "/setup/ticket",
    "/enrol",
    "/enrol/confirm",
    "/recover",
    "/recover/prove",
    "/recover/vouched",
    "/sign-in/send-code",
    "/account/send-code",
    "/recover/finish",
    "/recover/cancel",
];
/// One form with every field there is.
const FULL: &[(&str, &str)] = &[
    ("username", "alice"),
    ("password", PASSWORD),
    ("code", "000000"),
    ("ticket", "none"),
    ("recovery", "none"),
    ("mailed_code", "none"),
    ("lost", "password"),
    ("proof", "000000"),
    ("address", "alice@example.org"),
    ("label", "name"),
    ("current_password", PASSWORD),
    ("new_password", "a quieter horse than the first"),
];

async fn signed_in(site: &Site) -> Browser {
    let person = site.person("alice", true).await;
    let mut browser = site.browser();
    browser.sign_in("alice", &code(&person, 0)).await;
    browser
}

pub fn assert_is_confined(answer: &Answer, place: &str) {
    assert_eq!(
        answer.header(header::CONTENT_SECURITY_POLICY),
        CONTENT_POLICY,
        "{place}"
    );
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{place}");
    assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin", "{place}");
    assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY", "{place}");
    assert_eq!(
        answer.header(header::X_CONTENT_TYPE_OPTIONS),
        "nosniff",
        "{place}"
    );
    let secured = answer.header(header::STRICT_TRANSPORT_SECURITY);
    assert_eq!(secured, "max-age=31536000", "{place}");
    for inline in [
        " style=",
        "<style",
        "<script>",
        " onclick=",
        " onload=",
        "javascript:",
    ] {
        assert!(!answer.body.contains(inline), "{place} has {inline}");
    }
}

#[tokio::test]
async fn every_page_is_confined_by_policy_and_kept_by_nobody() {
    let site = Site::open();
    for path in OPEN {
        assert_is_confined(&site.browser().get(path).await, path);
    }
    let mut browser = signed_in(&site).await;
    for path in OWN.iter().chain(&["/enrol"]) {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_is_confined(&answer, path);
    }
    for path in OTHER_FORMS.iter().chain(OWN_FORMS) {
        assert_is_confined(&browser.post(path, &[]).await, path);
    }
}

#[tokio::test]
async fn cookies_reach_this_host_alone_and_no_script() {
    let site = Site::open();
    let person = site.person("alice", true).await;
    let mut browser = site.browser();
    let challenged = browser.password("alice", PASSWORD).await;
    let challenge = challenged.set_cookie("__Host-cs_challenge");
    assert!(
        challenge.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=300"),
        "{challenge}"
    );
    let entered = browser
        .post(
            "/sign-in/code",
            &[("code", &code(&person, 0)), ("remember", "yes")],
        )
        .await;
    let session = entered.set_cookie("__Host-cs_session");
    assert!(
        session.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600"),
        "{session}"
    );
    let known = entered.set_cookie("__Host-cs_browser");
    assert!(
        known.contains("; Path=/; Secure; HttpOnly; SameSite=Lax; "),
        "{known}"
    );
    assert!(
        !browser.cookies.contains_key("__Host-cs_challenge"),
        "it is answered"
    );
}

#[tokio::test]
async fn form_from_another_site_is_refused_at_every_page() {
    let site = Site::open();
    let mut browser = signed_in(&site).await;
    let before = site.audit_entries().await;
    let elsewhere: &[&[(&str, &str)]] = &[
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://localhost:8443"),
        ],
        &[("origin", "https://elsewhere.example")],
        &[("origin", "null")],
    ];
    for from in elsewhere {
        for path in OTHER_FORMS.iter().chain(OWN_FORMS) {
            let answer = browser.post_from(from, path, FULL).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {from:?}");
        }
    }
    assert_eq!(site.audit_entries().await, before, "nothing was done");
    let own = [("origin", "https://localhost:8443")];
    let answer = browser.post_from(&own, "/sign-out", &[]).await;
    assert_eq!(answer.leads_to(), "/sign-in", "the own origin is enough");
}

#[tokio::test]
async fn session_cookie_opens_pages_and_nothing_of_the_api() {
    let site = Site::open();
    let mut browser = signed_in(&site).await;
    let read = browser.get("/api/dashboard").await;
    assert_eq!(read.status, StatusCode::UNAUTHORIZED);
    let from = [("sec-fetch-site", "cross-site")];
    let changed = browser
        .post_raw(&from, "/api/sessions/end-others", "text/plain", Body::empty())
        .await;
    assert_eq!(changed.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn known_browser_that_shows_no_session_opens_nothing() {
    let site = Site::open();
    let mut browser = signed_in(&site).await;
    let known = browser.cookies.get("__Host-cs_browser").cloned();
    let known = known.expect("it completed a sign-in");
    browser.cookies.clear();
    browser.cookies.insert("__Host-cs_browser".into(), known);
    for path in OWN {
        assert_eq!(browser.get(path).await.leads_to(), "/sign-in", "{path}");
    }
    let read = browser.get("/api/dashboard").await;
    assert_eq!(read.status, StatusCode::UNAUTHORIZED);
    let due = browser.password("alice", PASSWORD).await;
    assert_eq!(due.leads_to(), "/sign-in/code", "the code is owed all the same");
}

#[tokio::test]
async fn code_that_the_api_accepted_is_refused_by_the_page() {
    let site = Site::open();
    let person = site.person("alice", true).await;
    let code = code(&person, 0);
    let mut api = site.browser();
    let mut ask = async |path: &str, body: Value| {
        let answer = api.post_raw(&[], path, "application/json", Body::from(body.to_string()));
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str::<Value>(&answer.body).expect("JSON")
    };
    let due = ask(
        "/api/auth/login",
        json!({ "username": "alice", "password": PASSWORD }),
    )
    .await;
    let verify = json!({ "challenge_token": due["challenge_token"], "totp_code": code });
    ask("/api/auth/verify", verify).await;
    let mut browser = site.browser();
    assert_eq!(
        browser.password("alice", PASSWORD).await.leads_to(),
        "/sign-in/code"
    );
    let refused = browser.post("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn forms_say_what_each_field_is_for_so_that_password_managers_fill_them() {
    let site = Site::open();
    let mut browser = site.browser();
    let sign_in = browser.get("/sign-in").await.body;
    assert!(sign_in.contains("autocomplete=\"username\""), "{sign_in}");
    assert!(sign_in.contains("autocomplete=\"current-password\""), "{sign_in}");
    let mut browser = signed_in(&site).await;
    let password = browser.get("/account/password").await.body;
    for purpose in ["current-password", "new-password", "one-time-code"] {
        let said = format!("autocomplete=\"{purpose}\"");
        assert!(password.contains(&said), "{purpose}: {password}");
    }
    for page in [sign_in, password] {
        assert!(!page.contains("onpaste"), "nothing hinders pasting");
    }
}

#[tokio::test]
async fn session_of_one_factor_may_only_enrol_or_sign_out() {
    let site = Site::open();
    site.person("carol", false).await;
    let mut browser = site.browser();
    assert_eq!(browser.password("carol", PASSWORD).await.leads_to(), "/enrol");
    let before = site.audit_entries().await;
    for path in OWN {
        assert_eq!(browser.get(path).await.leads_to(), "/enrol", "{path}");
    }
    for path in OWN_FORMS {
        assert_eq!(browser.post(path, FULL).await.leads_to(), "/enrol", "{path}");
    }
    assert_eq!(site.audit_entries().await, before, "nothing was done");
    assert_eq!(browser.get("/enrol").await.status, StatusCode::OK);
    assert_eq!(browser.post("/sign-out", &[]).await.leads_to(), "/sign-in");
    assert!(browser.cookies.keys().all(|name| name != "__Host-cs_session"));
}

#[tokio::test]
async fn without_a_session_every_own_page_leads_to_the_sign_in() {
    let site = Site::open();
    let stale = ("__Host-cs_session".to_owned(), "f".repeat(64));
    for cookie in [None, Some(stale)] {
        for path in OWN.iter().chain(&["/enrol"]) {
            let mut browser = site.browser();
            browser.cookies.extend(cookie.clone());
            assert_eq!(browser.get(path).await.leads_to(), "/sign-in", "{path}");
        }
        for path in OWN_FORMS.iter().chain(&["/enrol", "/enrol/confirm", "/sign-out"]) {
            let mut browser = site.browser();
            browser.cookies.extend(cookie.clone());
            assert_eq!(browser.post(path, FULL).await.leads_to(), "/sign-in", "{path}");
        }
    }
}

#[tokio::test]
async fn stranger_learns_nothing_from_a_refused_name_or_password() {
    let site = Site::open();
    site.person("alice", true).await;
    site.person("mallo", false).await;
    let mut bodies = Vec::new();
    for (name, password) in [("alice", "wrong"), ("mallo", "wrong"), ("nobod", PASSWORD)] {
        let answer = site.browser().password(name, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(
            answer
                .body
                .contains("That did not work. Check name and password.")
        );
        assert!(!answer.body.contains(PASSWORD), "a password is never repeated");
        bodies.push(answer.body.replace(name, "NAME"));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn wrong_and_used_code_are_one_answer() {
    let site = Site::open();
    let person = site.person("alice", true).await;
    let used = code(&person, 0);
    site.browser().sign_in("alice", &used).await;
    let mut browser = site.browser();
    browser.password("alice", PASSWORD).await;
    let mut answers = Vec::new();
    for wrong in [used.as_str(), "000000"] {
        let answer = browser.post("/sign-in/code", &[("code", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        answers.push(answer.body);
    }
    assert!(answers[0].contains("If you used it already, wait for the next one."));
    assert_eq!(answers[0], answers[1]);
    let late = site.browser().post("/sign-in/code", &[("code", "000000")]).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED, "no challenge, no code");
    assert!(late.body.contains("That sign-in is over."));
}

#[tokio::test]
async fn throttled_sign_in_is_told_how_long_to_wait() {
    let site = Site::open();
    site.person("alice", true).await;
    for name in ["alice", "nobody"] {
        let mut browser = site.browser();
        for _ in 0..5 {
            assert_eq!(
                browser.password(name, "wrong").await.status,
                StatusCode::UNAUTHORIZED
            );
        }
        let answer = browser.password(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert_eq!(answer.header(header::RETRY_AFTER), "300");
        assert!(answer.body.contains("Try again in 5 minutes."));
    }
    site.hands.pass(300);
    let answer = site.browser().password("alice", PASSWORD).await;
    assert_eq!(answer.leads_to(), "/sign-in/code");
}

#[tokio::test]
async fn ticket_sets_a_password_once_and_the_secret_is_shown_once() {
    let site = Site::open();
    let ticket = site.ticket().await;
    let mut browser = site.browser();
    let link = format!("https://localhost:8443/setup#{ticket}");
    let asked = browser.post("/setup/ticket", &[("ticket", &link)]).await;
    assert!(asked.body.contains("Set up the first administrator"));
    let form = [
        ("ticket", ticket.as_str()),
        ("username", "Root"),
        ("password", PASSWORD),
    ];
    let weak = [form[0], form[1], ("password", "short")];
    let refused = browser.post("/setup", &weak).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.body.contains("value=\"Root\""),
        "the name need not be typed again"
    );
    let taken = browser.post("/setup", &form).await;
    assert_eq!(taken.leads_to(), "/enrol");
    assert!(taken.set_cookie("__Host-cs_session").len() > 64);
    let again = site.browser().post("/setup", &form).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(
        !again.body.contains(&ticket),
        "a ticket is not repeated once it is spent"
    );

    let shown = browser.post("/enrol", &[("label", "Phone")]).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.body.contains("otpauth://totp/Countersign:root?"));
    let wrong = browser.post("/enrol/confirm", &[("code", "000000")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    for page in [wrong.body, browser.get("/enrol").await.body] {
        assert!(!page.contains("otpauth:"), "the secret is shown once");
    }
}

#[tokio::test]
async fn session_is_renewed_when_the_second_factor_is_confirmed() {
    let site = Site::open();
    site.person("carol", false).await;
    let mut browser = site.browser();
    browser.password("carol", PASSWORD).await;
    let before = browser.cookies["__Host-cs_session"].clone();
    let shown = browser.post("/enrol", &[]).await.body;
    let (_, rest) = shown.split_once("secret=").expect("the page links to the secret");
    let secret: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let confirmed = browser
        .post("/enrol/confirm", &[("code", &code_of(&secret, 0))])
        .await;
    assert_eq!(confirmed.leads_to(), "/account");
    assert_ne!(browser.cookies["__Host-cs_session"], before);
    let mut old = site.browser();
    old.cookies.insert("__Host-cs_session".into(), before);
    assert_eq!(old.get("/enrol").await.leads_to(), "/sign-in");
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
}

#[tokio::test]
async fn unreadable_form_is_refused_and_never_repeated() {
    let site = Site::open();
    let mut browser = signed_in(&site).await;
    let long = "a".repeat(17 * 1024);
    let bodies: &[(&str, &str, StatusCode)] = &[
        (FORM, "", StatusCode::BAD_REQUEST),
        (
            FORM,
            "username=canary&username=canary&password=p",
            StatusCode::BAD_REQUEST,
        ),
        (FORM, "password=canary", StatusCode::BAD_REQUEST),
        (FORM, &long, StatusCode::PAYLOAD_TOO_LARGE),
        (
            "application/json",
            "{\"username\":\"canary\"}",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("text/plain", "canary", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    let from = [("sec-fetch-site", "same-origin")];
    for (media, body, status) in bodies {
        let body = (*body).to_owned();
        let answer = browser.post_raw(&from, "/sign-in", media, body.into()).await;
        assert_eq!(answer.status, *status, "{media}");
        assert!(!answer.body.contains("canary"), "{media}");
    }
}

#[tokio::test]
async fn bad_input_is_never_the_servers_fault() {
    let site = Site::open();
    let mut browser = signed_in(&site).await;
    let from = [("sec-fetch-site", "same-origin")];
    let fields = "username=V&password=V&code=V&ticket=V&label=V&current_password=V&new_password=V\
                  &recovery=V&mailed_code=V&lost=V&proof=V";
    let forms = OTHER_FORMS.iter().chain(OWN_FORMS);
    for path in forms.filter(|path| **path != "/sign-out") {
        for value in ["", "%00", "%ff%fe", "%e2%80%ae", "%", "&&==", &"9".repeat(2_000)] {
            let body = fields.replace('V', value);
            let answer = browser.post_raw(&from, path, FORM, body.into()).await;
            assert!(!answer.status.is_server_error(), "{path} {value}");
        }
    }
    for path in [
        "/account?done=%ff",
        "/account?done=a&done=b",
        "/sign-in/code?with=%ff&with",
        "/account/factors/%ff/remove",
        "/assets/..%2fstyle.css",
    ] {
        assert!(!browser.get(path).await.status.is_server_error(), "{path}");
    }
    assert_eq!(
        browser.get("/account").await.status,
        StatusCode::OK,
        "the session lives on"
    );
}

#[tokio::test]
async fn what_a_person_typed_is_shown_as_text() {
    let site = Site::open();
    let answer = site.browser().password("<script>\"'&", PASSWORD).await;
    assert!(!answer.body.contains("<script>\""));
    assert!(answer.status.is_client_error());
}

#[tokio::test]
async fn assets_are_kept_by_their_hash_and_found_under_no_other() {
    let site = Site::open();
    let mut browser = site.browser();
    let page = browser.get("/sign-in").await.body;
    let mut names: Vec<&str> = page
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        let asset = browser.get(name).await;
        assert_eq!(asset.status, StatusCode::OK, "{name}");
        assert_eq!(
            asset.header(header::CACHE_CONTROL),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(asset.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
    assert_eq!(
        browser.get("/assets/style-00000000.css").await.status,
        StatusCode::NOT_FOUND
    );
}
