//! The session behind a token: asked about, or heard of.
//!
//! Knows: when the server must be asked, and when it must not. Must never know: what a token looks like.

use countersign_client::guard::{Fault, Flaw, Guard, Posture, Refused};
use countersign_core::elevation::ElevationVerdict;
use hyper::StatusCode;
use serde_json::json;

use crate::stub::{NOW, SID, Stub, session_answer, until};

const ENDED: Refused = Refused::Worthless(Flaw::Ended);
const UNREACHABLE: Refused = Refused::Undecided(Fault::Unreachable);

async fn who(guard: &Guard, token: &str) -> Result<String, Refused> {
    guard.identify(token).await.map(|person| person.name().to_owned())
}

#[tokio::test]
async fn session_that_was_ended_is_over_half_a_second_later_at_the_latest() {
    let stub = Stub::start().await;
    let guard = stub.online();
    for token in [stub.token("one", json!({})), stub.session()] {
        assert_eq!(who(&guard, &token).await, Ok("alice".into()));
        stub.forget(&token);
        stub.hands.turn(500);
        assert_eq!(who(&guard, &token).await, Ok("alice".into()));
        stub.hands.turn(1);
        assert_eq!(who(&guard, &token).await, Err(ENDED));
    }
    assert_eq!(stub.introspected(), 4);
    assert_eq!(stub.connections(), 1, "connections are kept");
}

#[tokio::test]
async fn nothing_is_decided_where_the_server_does_not_answer_as_it_should() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let token = stub.token("one", json!({}));
    stub.fail(Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(who(&guard, &token).await, Err(UNREACHABLE), "there are no keys");
    stub.fail(None);
    stub.hands.turn(10_001);
    assert_eq!(who(&guard, &token).await, Ok("alice".into()));
    for (status, fault) in [
        (StatusCode::SERVICE_UNAVAILABLE, Fault::Unreachable),
        (StatusCode::UNAUTHORIZED, Fault::ApplicationUnknown),
        (StatusCode::NOT_FOUND, Fault::Unexpected),
        (StatusCode::FOUND, Fault::Unexpected),
    ] {
        stub.fail(Some(status));
        stub.hands.turn(501);
        let refused = Refused::Undecided(fault);
        assert_eq!(guard.answer(&refused, None).status, 503);
        assert_eq!(who(&guard, &token).await, Err(refused), "{status}");
    }
    stub.fail(None);
    for (member, value) in [
        ("active", json!("true")),
        ("active", json!(null)),
        ("sid", json!("aa".repeat(32))),
        ("sub", json!("mallory")),
        ("iss", json!("https://other.example")),
        ("acr", json!("cs:3")),
        ("elevated", json!(1)),
        ("exp", json!(-1)),
        ("claims", json!([])),
    ] {
        let mut answer = session_answer();
        answer.as_object_mut().expect("it is one").extend([
            ("elevated".into(), json!(true)),
            ("elevation_time".into(), json!(NOW)),
            ("elevated_until".into(), json!(NOW + 900)),
        ]);
        answer[member] = value;
        stub.tell(&token, answer);
        stub.hands.turn(501);
        assert_eq!(
            who(&guard, &token).await,
            Err(Refused::Undecided(Fault::Unexpected)),
            "{member}"
        );
    }
}

#[tokio::test]
async fn answer_of_this_moment_counts_before_what_the_token_said_then() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let token = stub.token("one", json!({}));
    let mut answer = session_answer();
    answer["claims"] = json!({"publisher": false});
    answer["groups"] = json!([]);
    stub.tell(&token, answer.clone());
    let person = guard.identify(&token).await.expect("the session lives");
    assert_eq!(person.claim("publisher"), Some(&json!(false)));
    assert!(person.groups().is_empty());
    let elevated = guard.judge(&person, &Posture::elevated());
    assert!(
        matches!(elevated, Err(Refused::ElevationRequired(_))),
        "the session has none: {elevated:?}"
    );
    let members = answer.as_object_mut().expect("it is one");
    members.extend([
        ("elevation_time".into(), json!(NOW)),
        ("elevated_until".into(), json!(NOW + 1800)),
    ]);
    stub.tell(&token, answer.clone());
    stub.hands.turn(501);
    let person = guard.identify(&token).await.expect("the session lives");
    let elevated = guard.judge(&person, &Posture::elevated());
    assert!(
        matches!(elevated, Err(Refused::ElevationExpired(_))),
        "it was taken back: {elevated:?}"
    );
    answer["elevated"] = json!(true);
    answer["acr"] = json!("cs:2");
    stub.tell(&token, answer);
    stub.hands.turn(900_000);
    let person = guard.identify(&token).await.expect("the session lives");
    let elevated = guard.judge(&person, &Posture::elevated());
    let verdict = format!("{:?}", ElevationVerdict::Expired);
    assert!(
        matches!(elevated, Err(Refused::ElevationExpired(_))),
        "a later elevation is another token's: {elevated:?}, not {verdict}"
    );
}

/// A guard that hears a feed, and what makes it hear.
struct Hearing {
    stub: Stub,
    guard: Guard,
    said: u64,
}

impl Hearing {
    async fn start() -> Hearing {
        let stub = Stub::start().await;
        let (guard, feed) = Guard::by_feed(stub.trust());
        tokio::spawn(feed);
        let mut hearing = Hearing { stub, guard, said: 0 };
        hearing.opens().await;
        hearing
    }

    /// Waits until a feed is open and was heard.
    async fn opens(&mut self) {
        until(async || self.stub.feeds() == 1).await;
        self.stub.say(": on\n\n").await;
        self.hears().await;
    }

    /// Says that some other session ended, and waits until that was heard.
    async fn hears(&mut self) {
        self.said += 1;
        let other = format!("{:064x}", self.said);
        self.stub.say(&format!("event: ended\ndata: {other}\n\n")).await;
        let token = self.stub.token("one", json!({"sid": other}));
        until(async || who(&self.guard, &token).await == Err(ENDED)).await;
    }

    /// Lets a second and a half pass without a silence.
    async fn settles(&mut self) {
        for _ in 0..3 {
            self.stub.hands.turn(500);
            self.hears().await;
        }
    }

    /// Who holds a token, and how often that was asked.
    async fn asks(&self, token: &str) -> (Result<String, Refused>, usize) {
        let before = self.stub.introspected();
        let who = who(&self.guard, token).await;
        (who, self.stub.introspected() - before)
    }
}

#[tokio::test]
async fn token_of_before_the_feed_is_asked_about_once_and_one_of_after_it_never() {
    let mut hearing = Hearing::start().await;
    let old = hearing.stub.token("one", json!({}));
    hearing.settles().await;
    let alice = || Ok("alice".to_owned());
    assert_eq!(hearing.asks(&old).await, (alice(), 1));
    hearing.stub.hands.turn(900);
    assert_eq!(hearing.asks(&old).await, (alice(), 0));
    let young = hearing.stub.token("one", json!({"iat": NOW + 61}));
    hearing.stub.hands.turn(0);
    assert_eq!(hearing.asks(&young).await, (alice(), 0));
    hearing.stub.forget(&old);
    hearing.stub.forget(&young);
    assert_eq!(hearing.asks(&young).await, (alice(), 0), "the feed says nothing");
    hearing.stub.say(&format!("event: ended\ndata: {SID}\n\n")).await;
    until(async || hearing.asks(&old).await == (Err(ENDED), 0)).await;
    assert_eq!(hearing.asks(&young).await, (Err(ENDED), 0));
}

#[tokio::test]
async fn silent_feed_means_asking_and_without_an_answer_503() {
    let mut hearing = Hearing::start().await;
    let token = hearing.stub.token("one", json!({}));
    hearing.settles().await;
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 1));
    hearing.stub.hands.turn(1_000);
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 0));
    hearing.stub.hands.turn(1);
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 1));
    hearing.stub.fail(Some(StatusCode::SERVICE_UNAVAILABLE));
    hearing.stub.hands.turn(501);
    assert_eq!(who(&hearing.guard, &token).await, Err(UNREACHABLE));
    hearing.stub.fail(None);
    hearing.hears().await;
    assert_eq!(
        hearing.asks(&token).await,
        (Ok("alice".into()), 0),
        "nothing was missed"
    );
}

#[tokio::test]
async fn feed_that_was_cut_off_is_opened_anew_and_tokens_are_asked_about_again() {
    let mut hearing = Hearing::start().await;
    let token = hearing.stub.token("one", json!({}));
    hearing.settles().await;
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 1));
    hearing.stub.cut();
    hearing.opens().await;
    hearing.settles().await;
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 1));
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 0));
    hearing.stub.say("event: ended\ndata: nonsense\n\n").await;
    hearing.stub.cut();
    until(async || hearing.stub.feeds() == 1).await;
}

#[tokio::test]
async fn api_token_is_asked_about_like_a_session_token_and_nothing_else_of_its_length_is() {
    let mut hearing = Hearing::start().await;
    let token = hearing.stub.api_token();
    hearing.settles().await;
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 1));
    let (shorter, other) = (&token[..token.len() - 1], format!("x{}", &token[1..]));
    for worthless in [&token.to_uppercase(), &format!("{token}0"), shorter, &other] {
        let (who, asked) = hearing.asks(worthless).await;
        assert_eq!((who.is_err(), asked), (true, 0), "{worthless}");
    }
    hearing.stub.say(&format!("event: ended\ndata: {SID}\n\n")).await;
    until(async || who(&hearing.guard, &token).await == Err(ENDED)).await;
}

#[tokio::test]
async fn session_token_is_asked_about_though_the_feed_is_heard() {
    let mut hearing = Hearing::start().await;
    let token = hearing.stub.session();
    hearing.settles().await;
    assert_eq!(hearing.asks(&token).await, (Ok("alice".into()), 1));
    hearing.stub.hands.turn(501);
    assert_eq!(
        hearing.asks(&token).await,
        (Ok("alice".into()), 1),
        "its key may have been replaced"
    );
    hearing.stub.say(&format!("event: ended\ndata: {SID}\n\n")).await;
    until(async || who(&hearing.guard, &token).await == Err(ENDED)).await;
}
