//! How refusals are told: the vectors that guards in every language share.
//!
//! Knows: `vectors/elevation`. Must never know: frameworks.

use countersign_client::guard::{Guard, Posture, Refused, StepUpStatus};
use countersign_core::elevation::{Demand, Level};
use serde_json::{Value, json};

use crate::stub::{Stub, session_answer};
use crate::tokens::cases;

/// A posture as the vectors write it.
fn posture(requirement: &Value) -> Posture {
    let demand = Demand {
        elevated: requirement["elevated"] == json!(true),
        level: requirement["acr"].as_str().and_then(Level::parse),
        age_s_max: requirement["max_age"]
            .as_u64()
            .map(|age| age.try_into().expect("an age")),
    };
    let list = |name: &str| requirement[name].as_array().cloned().unwrap_or_default();
    let mut posture = Posture::signed_in().demand(demand);
    for group in list("groups") {
        posture = posture.group(group.as_str().expect("a name"));
    }
    for claim in list("claims") {
        posture = posture.claim(claim[0].as_str().expect("a name"), claim[1].clone());
    }
    posture
}

/// What is answered about the session of somebody as the vectors describe them.
fn answer_about(who: &Value, now: u64) -> Value {
    let standing = &who["standing"];
    let elevation = &standing["elevation"];
    let is_on = elevation["elevated_until"]
        .as_u64()
        .is_some_and(|until| now < until);
    let mut answer = session_answer();
    let members = answer.as_object_mut().expect("it is one");
    let mut set = |name: &str, value: &Value| drop(members.insert(name.to_owned(), value.clone()));
    set("session_acr", &standing["acr"]);
    set(
        "acr",
        if is_on {
            &elevation["acr"]
        } else {
            &standing["acr"]
        },
    );
    set("auth_time", &standing["auth_time"]);
    set("elevated", &json!(is_on));
    if !elevation.is_null() {
        set("elevation_time", &elevation["elevation_time"]);
        set("elevated_until", &elevation["elevated_until"]);
    }
    set("claims", &who["claims"]);
    set("groups", &who["groups"]);
    answer
}

#[tokio::test]
async fn every_refusal_is_told_as_in_every_other_language() {
    let stub = Stub::start().await;
    for case in cases("elevation/answers.json", 40) {
        let rule = &case["rule"];
        let now = case["now"].as_u64().expect("a moment");
        let guard = stub.online();
        stub.hands.set(now);
        let token = stub.session();
        let header = match case["who"].as_str() {
            Some("nobody") => None,
            Some("worthless") => Some("Bearer worthless".to_owned()),
            Some(other) => panic!("nobody is called {other}"),
            None => {
                stub.tell(&token, answer_about(&case["who"], now));
                Some(format!("Bearer {token}"))
            }
        };
        let status = match case["step_up_status"].as_u64() {
            Some(401) => StepUpStatus::Unauthorized,
            _ => StepUpStatus::Forbidden,
        };
        let checked = guard
            .check(header.as_deref(), &posture(&case["requirement"]))
            .await;
        let told = checked.err().map_or(Value::Null, |refused| {
            let answer = guard.answer(&refused, Some(status));
            let body: Value = serde_json::from_str(&answer.body).expect("bodies are JSON");
            json!({"status": answer.status, "www_authenticate": answer.www_authenticate, "body": body})
        });
        assert_eq!(told, case["answer"], "{rule}");
    }
}

#[tokio::test]
async fn claim_is_met_by_the_same_type_and_value_alone() {
    let stub = Stub::start().await;
    for case in cases("elevation/claims.json", 50) {
        let rule = &case["rule"];
        let token = stub.session();
        let mut answer = session_answer();
        answer["claims"] = case.get("have").map_or(json!({}), |have| json!({"tier": have}));
        stub.tell(&token, answer);
        let wanted = Posture::signed_in().claim("tier", case["want"].clone());
        let header = format!("Bearer {token}");
        let checked = Guard::check(&stub.online(), Some(&header), &wanted).await;
        assert_eq!(json!(checked.is_ok()), case["met"], "{rule}");
        if let Err(refused) = checked {
            assert!(
                matches!(refused, Refused::MissingClaim { .. }),
                "{rule}: {refused}"
            );
        }
    }
}

#[tokio::test]
async fn standard_claim_is_none_of_the_account_s_own() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let token = format!("Bearer {}", stub.token("one", json!({})));
    for (name, value) in [
        ("elevated", json!(true)),
        ("sub", json!("alice")),
        ("acr", json!("cs:2")),
    ] {
        let wanted = Posture::signed_in().claim(name, value);
        let checked = guard.check(Some(&token), &wanted).await;
        assert!(
            matches!(checked, Err(Refused::MissingClaim { .. })),
            "{name}: {checked:?}"
        );
    }
}

#[tokio::test]
async fn step_up_address_and_status_are_the_application_s_to_choose() {
    let stub = Stub::start().await;
    let trust = stub
        .trust()
        .step_up_url("https://id.example.org/auth/totp/step-up");
    let guard = Guard::online(trust.step_up_status(StepUpStatus::Unauthorized));
    let header = format!("Bearer {}", stub.session());
    let refused = guard.check(Some(&header), &Posture::elevated()).await;
    let refused = refused.expect_err("there is no elevation");
    let answer = guard.answer(&refused, None);
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .body
            .ends_with(r#""step_up_url":"https://id.example.org/auth/totp/step-up"}"#),
        "{}",
        answer.body
    );
    assert_eq!(guard.answer(&refused, Some(StepUpStatus::Forbidden)).status, 403);
}
