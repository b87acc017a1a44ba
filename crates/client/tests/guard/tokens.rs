//! Which tokens are believed: the vectors that guards in every language share, keys that come and go.
//!
//! Knows: `vectors/tokens`. Must never know: why a token of them is refused; it is 401 for every reason.

use countersign_client::guard::{Flaw, Guard, Person, Refused, StepUpStatus};
use countersign_core::elevation::{Demand, ElevationVerdict, judge};
use countersign_core::time::UnixSeconds;
use countersign_testkit::{Target, workspace_root};
use serde_json::{Value, json};

use crate::stub::{NOW, SID, Stub};

/// The parser of tokens as a fuzz target.
const TOKEN: Target = Target {
    name: "token",
    run: countersign_client::guard::fuzz,
    pieces: &[
        "eyJhbGciOiJFZERTQSIsImtpZCI6IjEiLCJ0eXAiOiJhdCtqd3QifQ",
        ".",
        "e30",
        "eyJhbGciOiJub25lIn0",
        "eyJlbGV2YXRlZCI6dHJ1ZX0",
        "AAAA",
        "-_",
        "=",
        "\u{e9}",
    ],
};

#[test]
fn corpus_of_tokens_is_believed_by_nobody() {
    TOKEN.run_corpus();
}

#[test]
fn chance_makes_no_token_that_is_believed() {
    TOKEN.run_chance(20_000);
}

/// A file of vectors.
pub(crate) fn file(path: &str) -> Value {
    let path = workspace_root().join("vectors").join(path);
    let text = std::fs::read_to_string(&path).expect("the file is part of the workspace");
    serde_json::from_str(&text).expect("vectors are JSON")
}

/// All cases of a file, at least so many.
pub(crate) fn cases(path: &str, least: usize) -> Vec<Value> {
    let cases = file(path)["cases"].as_array().expect("cases are a list").clone();
    assert!(cases.len() >= least, "{path} has {} cases", cases.len());
    cases
}

/// A guard of the installation that the vectors are of.
fn guard_of_the_vectors(stub: &Stub) -> Guard {
    stub.publish(file("tokens/installation.json")["jwks"]["keys"].clone());
    stub.online()
}

/// What a guard says of a vector's token, at the vector's moment.
async fn identified(stub: &Stub, guard: &Guard, case: &Value) -> Result<Person, Refused> {
    stub.hands.set(case["now"].as_u64().expect("a moment"));
    let token = case["token"].as_str().expect("a token");
    guard.identify(token).await
}

/// Lets the stub say that the token's session lives, by the token's own claims.
fn vouch(stub: &Stub, case: &Value) {
    let token = case["token"].as_str().expect("a token");
    let claims = token.split('.').nth(1).expect("claims");
    let mut bytes = vec![0; claims.len()];
    let length = countersign_core::bytes::base64::parse_url(claims, &mut bytes).expect("base64url");
    let mut claims: Value = serde_json::from_slice(&bytes[..length]).expect("claims are JSON");
    let members = claims.as_object_mut().expect("claims are an object");
    members.insert("active".into(), json!(true));
    members.insert("claims".into(), case.get("claims").cloned().unwrap_or(json!({})));
    stub.tell(token, claims);
}

#[tokio::test]
async fn every_forged_or_stale_token_is_401() {
    let stub = Stub::start().await;
    let guard = guard_of_the_vectors(&stub);
    for case in cases("tokens/refused.json", 500) {
        let rule = &case["rule"];
        let refused = identified(&stub, &guard, &case).await;
        let refused = refused.expect_err(rule.as_str().expect("a rule"));
        let answer = guard.answer(&refused, None);
        assert_eq!(json!(answer.status), case["status"], "{rule}: {refused}");
        assert!(matches!(refused, Refused::Worthless(_)), "{rule}: {refused}");
    }
    let asked = stub.introspected();
    assert_eq!(
        asked, 1,
        "but the session token, each was refused for what it says itself"
    );
}

#[tokio::test]
async fn every_good_token_says_whose_it_is_and_whether_an_elevation_is_on() {
    let stub = Stub::start().await;
    let guard = guard_of_the_vectors(&stub);
    for case in cases("tokens/accepted.json", 30) {
        vouch(&stub, &case);
        let rule = &case["rule"];
        let person = identified(&stub, &guard, &case).await;
        let person = person.unwrap_or_else(|refused| panic!("{rule}: {refused}"));
        let now = UnixSeconds(case["now"].as_u64().expect("a moment"));
        assert_eq!(json!(person.name()), case["subject"], "{rule}");
        assert_eq!(
            json!(person.standing().level_at(now).acr()),
            case["acr"],
            "{rule}"
        );
        let verdict = match judge(person.standing(), &Demand::ELEVATED, now) {
            ElevationVerdict::Met => "met",
            ElevationVerdict::Required => "required",
            ElevationVerdict::Expired => "expired",
        };
        assert_eq!(json!(verdict), case["elevated"], "{rule}");
        for (name, value) in case["claims"].as_object().expect("claims") {
            assert_eq!(person.claim(name), Some(value), "{rule}");
        }
        let groups = case.get("groups").cloned().unwrap_or(json!(["staff"]));
        assert_eq!(json!(person.groups()), groups, "{rule}");
        assert_eq!(
            person.purpose(),
            case.get("purpose").and_then(Value::as_str),
            "{rule}"
        );
    }
}

#[tokio::test]
async fn shared_key_takes_hs256_and_nothing_else() {
    let stub = Stub::start().await;
    let installation = file("tokens/installation.json");
    let key = installation["shared_key_hex"].as_str().expect("a key");
    let digits: Vec<u32> = key
        .chars()
        .map(|digit| digit.to_digit(16).expect("hexadecimal"))
        .collect();
    let key: Vec<u8> = digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect();
    assert!(
        stub.trust().shared_key(&key[1..]).is_err(),
        "31 bytes are too few"
    );
    let guard = Guard::online(stub.trust().shared_key(&key).expect("32 bytes are enough"));
    for case in cases("tokens/hs256.json", 20) {
        let rule = &case["rule"];
        if case["status"] == json!(200) {
            vouch(&stub, &case);
        }
        let told = match identified(&stub, &guard, &case).await {
            Ok(_) => 200,
            Err(refused) => refused.answer("", StepUpStatus::Forbidden).status,
        };
        assert_eq!(json!(told), case["status"], "{rule}");
    }
    assert_eq!(stub.keys_asked(), 0, "no published key is of use");
}

#[tokio::test]
async fn key_that_signs_anew_is_asked_for_once_in_ten_seconds_and_one_that_is_withdrawn_ends() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let (old, new) = (stub.token("one", json!({})), stub.token("two", json!({})));
    let worthless = Err(Refused::Worthless(Flaw::Key));
    let who = async |token: &str| guard.identify(token).await.map(|person| person.name().to_owned());
    assert_eq!(who(&old).await, Ok("alice".into()));
    assert_eq!(who(&new).await, worthless);
    stub.publish(json!([stub.jwk("one"), stub.jwk("two")]));
    stub.hands.turn(10_000);
    assert_eq!(who(&new).await, worthless);
    assert_eq!(stub.keys_asked(), 1, "ten seconds are not over");
    stub.hands.turn(1);
    assert_eq!(who(&new).await, Ok("alice".into()));
    assert_eq!(who(&old).await, Ok("alice".into()), "rotation leaves no gap");
    stub.publish(json!([stub.jwk("two")]));
    stub.hands.turn(300_000);
    assert_eq!(who(&old).await, Ok("alice".into()), "a set is believed for 300 s");
    stub.hands.turn(1);
    assert_eq!(who(&old).await, worthless);
    assert_eq!(stub.keys_asked(), 3);
}

#[tokio::test]
async fn token_for_another_audience_is_refused_and_one_for_this_application_taken() {
    let stub = Stub::start().await;
    let guard = Guard::online(stub.trust().audience("https://shop.example.org"));
    let general = stub.token("one", json!({}));
    assert_eq!(
        guard.identify(&general).await,
        Err(Refused::Worthless(Flaw::Audience))
    );
    let ours = stub.token("one", json!({"aud": "https://shop.example.org"}));
    let person = guard.identify(&ours).await.expect("it is for us");
    assert_eq!(
        (person.session_id(), person.signed_in_until()),
        (SID, UnixSeconds(NOW + 28_800))
    );
    let printed = format!("{person:?} {guard:?}");
    assert!(
        !printed.contains("publisher") && printed.contains("alice"),
        "{printed}"
    );
}
