//! Acting for others over the API: roles, elevations, and what each request does.

use axum::http::{Method, StatusCode};
use countersign_auth::role::Role;
use countersign_server::service::operator::UserAdded;
use serde_json::{Value, json};

use crate::browser::{Answer, Browser, Site, code};

/// Somebody of a role, signed in, and stepped up where the test says so.
pub async fn acting(site: &Site, name: &str, role: Role, steps: u64, elevated: bool) -> (Browser, UserAdded) {
    let person = site.person(name, true).await;
    site.give(name, role).await;
    let mut browser = site.browser();
    browser.sign_in(name, &code(&person, steps)).await;
    if elevated {
        site.hands.pass(30);
        step_up(&mut browser, &person, steps + 1).await;
    }
    (browser, person)
}

pub async fn step_up(browser: &mut Browser, person: &UserAdded, steps: u64) {
    let answer = browser
        .post("/step-up", &[("code", &code(person, steps)), ("to", "/account")])
        .await;
    assert_eq!(answer.leads_to(), "/account");
}

fn told(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).expect("the API answers in JSON")
}

#[tokio::test]
async fn reading_takes_a_role_and_changing_takes_an_elevation() {
    let site = Site::open_signing().await;
    site.person("alice", true).await;
    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, false).await;
    let listed = auditor
        .api(Method::GET, "/api/admin/people?matching=ali", None)
        .await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.body);
    let people = told(&listed);
    assert_eq!(people["people"][0]["name"], "alice");
    assert_eq!(people["people"].as_array().map(Vec::len), Some(1));
    let lacking = auditor
        .api(Method::POST, "/api/admin/people/alice/end-sessions", None)
        .await;
    assert_eq!(lacking.status, StatusCode::FORBIDDEN);
    assert_eq!(told(&lacking)["code"], "not_permitted");

    let (mut operator, olga) = acting(&site, "olga", Role::Operator, 0, false).await;
    let path = "/api/admin/people/alice/end-sessions";
    let owed = operator.api(Method::POST, path, None).await;
    assert_eq!(owed.status, StatusCode::FORBIDDEN);
    assert_eq!(told(&owed)["code"], "ELEVATION_REQUIRED");
    site.hands.pass(30);
    step_up(&mut operator, &olga, 1).await;
    let done = operator.api(Method::POST, path, None).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);

    let (mut user, _) = acting(&site, "ulf", Role::User, 1, false).await;
    for path in [
        "/api/admin/people",
        "/api/admin/people/alice",
        "/api/admin/keys",
        "/api/admin/status",
    ] {
        let answer = user.api(Method::GET, path, None).await;
        assert_eq!(
            (answer.status, told(&answer)["code"].clone()),
            (StatusCode::FORBIDDEN, json!("not_permitted"))
        );
    }
    let nobody = site.browser().api(Method::GET, "/api/admin/people", None).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn operator_does_not_help_an_administrator() {
    let site = Site::open_signing().await;
    let root = site.person("root", true).await;
    site.give(&root.name, Role::Administrator).await;
    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, true).await;
    for act in ["invite", "vouch", "unlock", "end-sessions"] {
        let answer = operator
            .api(Method::POST, &format!("/api/admin/people/root/{act}"), None)
            .await;
        assert_eq!(
            (answer.status, told(&answer)["code"].clone()),
            (StatusCode::FORBIDDEN, json!("outranked"))
        );
    }
}

#[tokio::test]
async fn whoever_sees_accounts_sees_those_of_greater_roles_as_well() {
    let site = Site::open_signing().await;
    site.person("root", true).await;
    site.give("root", Role::Administrator).await;
    for (name, role) in [("ada", Role::Auditor), ("olga", Role::Operator)] {
        let (mut browser, _) = acting(&site, name, role, 0, false).await;
        let shown = browser.api(Method::GET, "/api/admin/people/root", None).await;
        assert_eq!(shown.status, StatusCode::OK, "{name}: {}", shown.body);
    }
}

#[tokio::test]
async fn administrator_adds_changes_helps_and_sees_a_person() {
    let site = Site::open_signing().await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let added = root
        .api(
            Method::POST,
            "/api/admin/people",
            Some(json!({ "name": "Bob", "groups": ["staff"] })),
        )
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let link = told(&added)["ticket"]["link"].as_str().map(str::to_owned);
    assert!(link.is_some_and(|link| link.starts_with("https://localhost:8443/setup#")));
    let again = root
        .api(Method::POST, "/api/admin/people", Some(json!({ "name": "bob" })))
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let change = json!({
        "role": "auditor", "join": ["editors"], "leave": ["staff"],
        "claims": { "publisher": true }, "remove_claims": [],
    });
    let changed = root
        .api(Method::PATCH, "/api/admin/people/bob", Some(change))
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let email = json!({ "value": "bob@example.org" });
    let set = root
        .api(Method::PUT, "/api/admin/people/bob/email", Some(email))
        .await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
    let shown = told(&root.api(Method::GET, "/api/admin/people/bob", None).await);
    assert_eq!(shown["role"], "auditor");
    assert_eq!(shown["claims"], json!({ "publisher": true }));
    assert_eq!(shown["email"], "bob@example.org");
    assert!(
        shown["groups"]
            .as_array()
            .is_some_and(|groups| groups.contains(&json!("editors")))
    );

    let gone = root.api(Method::GET, "/api/admin/people/nobody", None).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let wrong = json!({ "claims": { "acr": "cs:2p" } });
    let wrong = root
        .api(Method::PATCH, "/api/admin/people/bob", Some(wrong))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.body);
    let unknown = root.api(Method::POST, "/api/admin/people/bob/dance", None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let reset = root.api(Method::POST, "/api/admin/people/bob/reset", None).await;
    assert!(told(&reset)["ticket"]["ticket"].is_string(), "{}", reset.body);
}

#[tokio::test]
async fn one_session_and_one_factor_of_somebody_are_ended_and_removed() {
    let site = Site::open_signing().await;
    let alice = site.person("alice", true).await;
    let mut hers = site.browser();
    hers.sign_in("alice", &code(&alice, 0)).await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let shown = told(&root.api(Method::GET, "/api/admin/people/alice", None).await);
    let session = shown["open"][0]["id"]
        .as_str()
        .expect("she is signed in")
        .to_owned();
    let path = format!("/api/admin/people/alice/sessions/{session}");
    assert_eq!(root.api(Method::DELETE, &path, None).await.status, StatusCode::OK);
    assert_eq!(hers.get("/account").await.leads_to(), "/sign-in");
    assert_eq!(
        root.api(Method::DELETE, &path, None).await.status,
        StatusCode::NOT_FOUND
    );
    let factors = shown["factors"].as_array().expect("a list");
    let totp = factors
        .iter()
        .find(|factor| factor["kind"] == "totp")
        .expect("she has one");
    let factor = totp["id"].as_str().expect("a text").to_owned();
    let path = format!("/api/admin/people/alice/factors/{factor}");
    assert_eq!(root.api(Method::DELETE, &path, None).await.status, StatusCode::OK);
    let shown = told(&root.api(Method::GET, "/api/admin/people/alice", None).await);
    assert_eq!(shown["second_factors"], 0);
}

#[tokio::test]
async fn list_of_people_goes_out_and_in_again() {
    let site = Site::open_signing().await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let people = json!({ "people": [
        { "name": "carol", "role": "user", "groups": ["staff"] },
        { "name": "dave", "groups": ["no such group!"] },
    ] });
    let taken = root.api(Method::POST, "/api/admin/import", Some(people)).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.body);
    let taken = told(&taken);
    assert_eq!(taken["people"][0]["outcome"], "added");
    assert_eq!(taken["people"][1]["outcome"], "refused");
    let list = told(&root.api(Method::GET, "/api/admin/export", None).await);
    let names: Vec<_> = list["people"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["carol", "root"]);
    let twice = root
        .api(Method::GET, "/api/admin/export?after=a&after=b", None)
        .await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn keys_and_applications_are_managed_by_administrators() {
    let site = Site::open_signing().await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let keys = told(&root.api(Method::GET, "/api/admin/keys", None).await);
    assert_eq!(keys["keys"][0]["current"], true);
    let unknown = root.api(Method::DELETE, "/api/admin/keys/none", None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let signing = told(&root.api(Method::POST, "/api/admin/signing-keys", None).await);
    assert_eq!(signing.as_array().map(Vec::len), Some(2));
    let added = root
        .api(
            Method::POST,
            "/api/admin/applications",
            Some(json!({ "name": "shop" })),
        )
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    assert!(told(&added)["secret"].is_string());
    let removed = root
        .api(Method::DELETE, "/api/admin/applications/shop", None)
        .await;
    assert_eq!(removed.status, StatusCode::OK);
    let listed = told(&root.api(Method::GET, "/api/admin/applications", None).await);
    assert_eq!(listed, json!([]));
    let status = told(&root.api(Method::GET, "/api/admin/status", None).await);
    assert_eq!(status["trouble"], Value::Null);
}

#[tokio::test]
async fn audit_is_searched_and_counted_by_auditors_alone() {
    let site = Site::open_signing().await;
    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, false).await;
    let found = auditor
        .api(Method::GET, "/api/admin/audit?act=sign_in&since=1h&limit=5", None)
        .await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.body);
    let found = told(&found);
    let entry = &found["entries"][0];
    assert_eq!(
        (&entry["event"]["act"], &entry["event"]["subject"]),
        (&json!("sign_in"), &json!("ada"))
    );
    assert_eq!(
        (&found["older"], &found["stopped_early"]),
        (&Value::Null, &json!(false))
    );
    let timeline = auditor
        .api(Method::GET, "/api/admin/audit/timeline?since=1h&buckets=1", None)
        .await;
    assert_eq!(told(&timeline)["buckets"][0]["sign_ins"], 1, "{}", timeline.body);
    for path in [
        "/api/admin/audit?act=signin",
        "/api/admin/audit?colour=red",
        "/api/admin/audit?limit=many",
        "/api/admin/audit/timeline?since=soon",
        "/api/admin/audit/timeline?buckets=201",
    ] {
        let wrong = auditor.api(Method::GET, path, None).await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{path}: {}", wrong.body);
    }
    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, false).await;
    for path in [
        "/api/admin/audit",
        "/api/admin/audit/timeline",
        "/api/admin/texts",
    ] {
        let lacking = operator.api(Method::GET, path, None).await;
        assert_eq!(lacking.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn operator_sees_who_is_held_off_and_lets_a_source_in_again() {
    let site = Site::open_signing().await;
    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, true).await;
    let alice = site.person("alice", true).await;
    let mut stranger = site.browser();
    for _ in 0..3 {
        stranger
            .api(
                Method::POST,
                "/api/auth/login",
                Some(json!({ "username": alice.name, "password": "guess" })),
            )
            .await;
    }
    let listed = operator.api(Method::GET, "/api/admin/throttles", None).await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.body);
    let listed = told(&listed);
    assert_eq!(
        (&listed["accounts"], &listed["looked_at"]),
        (&json!([]), &json!(2)),
        "three of twenty is not half"
    );
    assert!(
        listed["entries"].as_u64().is_some_and(|entries| entries > 0),
        "{listed}"
    );
    let mut lift = async |source: &str| {
        let body = json!({ "source": source });
        operator
            .api(Method::POST, "/api/admin/throttles/lift", Some(body))
            .await
            .status
    };
    assert_eq!(lift("203.0.113.99").await, StatusCode::NOT_FOUND);
    assert_eq!(lift("everybody").await, StatusCode::BAD_REQUEST);
    assert_eq!(lift("::").await, StatusCode::OK);
    assert_eq!(
        lift("::").await,
        StatusCode::NOT_FOUND,
        "nothing is held any more"
    );
}

#[tokio::test]
async fn words_are_set_by_administrators_and_judged_before() {
    let site = Site::open_signing().await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let listed = root.api(Method::GET, "/api/admin/texts", None).await;
    assert_eq!(
        told(&listed)["texts"].as_array().map(Vec::len),
        Some(4),
        "{}",
        listed.body
    );
    let path = "/api/admin/texts/notice";
    let text = |text: &str| Some(json!({ "text": text }));
    let wrong = root.api(Method::PUT, path, text("Subject: a\n\n{txet}\n")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.body.contains("line 3 has the unknown place {txet}"),
        "{}",
        wrong.body
    );
    let ours = "Subject: News for {name}\n\n{text}\n";
    let tried = root.api(Method::POST, &format!("{path}/try"), text(ours)).await;
    assert_eq!(told(&tried)["subject"], "News for alice", "{}", tried.body);
    assert_eq!(
        root.api(Method::PUT, path, text(ours)).await.status,
        StatusCode::OK
    );
    let shown = told(&root.api(Method::GET, path, None).await);
    assert_eq!((&shown["source"], &shown["text"]), (&json!("set"), &json!(ours)));
    assert_eq!(root.api(Method::DELETE, path, None).await.status, StatusCode::OK);
    assert_eq!(
        root.api(Method::DELETE, path, None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        root.api(Method::GET, "/api/admin/texts/news", None).await.status,
        StatusCode::NOT_FOUND
    );
}
