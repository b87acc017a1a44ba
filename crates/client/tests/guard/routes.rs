//! Routes and services behind the guard, as an application has them.
//!
//! Knows: what each posture lets through, and how it is told. Must never know: how it is decided.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use countersign_client::guard::{
    Claim, Elevated, Guard, NotTheirs, Person, Posture, Refused, RequiredClaim, Routes, Session, StepUpStatus,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::stub::{Stub, session_answer};

struct Publisher;

impl RequiredClaim for Publisher {
    const NAME: &str = "publisher";

    fn value() -> Value {
        json!(true)
    }
}

async fn document(session: Session) -> Result<&'static str, NotTheirs> {
    session.owns("alice")?;
    Ok("hers")
}

async fn other_document(session: Session) -> Result<&'static str, NotTheirs> {
    session.owns("bob")?;
    Ok("his")
}

fn application(guard: Guard) -> Routes {
    let strict = Posture::elevated().step_up_status(StepUpStatus::Unauthorized);
    let documents = Routes::new(guard.clone()).signed_in("/document", get(document));
    let below = Router::new().route("/keys", get(async || "keys"));
    Routes::new(guard)
        .public(
            "/",
            get(async |who: Option<Session>| who.map_or("nobody".into(), |who| who.name().to_owned())),
        )
        .public("/lax/payment", post(async |_: Elevated| "paid"))
        .public("/lax/earnings", get(async |_: Claim<Publisher>| "earnings"))
        .signed_in(
            "/profile",
            get(async |session: Session| session.name().to_owned()),
        )
        .elevated(
            "/payment/transfer",
            post(async |who: Elevated| who.name().to_owned()),
        )
        .route(
            "/publisher/earnings",
            Posture::elevated().claim("publisher", true),
            get(async || "earnings"),
        )
        .route("/fresh", Posture::fresh(60), any(async || "fresh"))
        .route("/strict", strict, get(async || "strict"))
        .nest("/admin", Posture::signed_in().group("operators"), below)
        .merge(documents)
        .signed_in("/other-document", get(other_document))
}

/// An answer, read whole.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    body: String,
    refused: Option<Refused>,
}

async fn told(response: Response) -> Told {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Told {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
        refused: head.extensions.get().cloned(),
    }
}

/// Calls the application with these `Authorization` headers.
async fn call(guard: &Guard, method: &str, path: &str, headers: &[&str]) -> Told {
    let mut request = Request::builder().method(method).uri(path);
    for header in headers {
        request = request.header("authorization", *header);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = application(guard.clone()).into_service().oneshot(request).await;
    told(response.expect("routes never fail")).await
}

fn code(told: &Told) -> String {
    let body: Value = serde_json::from_str(&told.body).unwrap_or_default();
    format!("{} {}", told.status, body["code"].as_str().unwrap_or_default())
}

const CLOSED: [(&str, &str); 9] = [
    ("GET", "/profile"),
    ("POST", "/payment/transfer"),
    ("GET", "/publisher/earnings"),
    ("GET", "/fresh"),
    ("GET", "/strict"),
    ("GET", "/admin/keys"),
    ("GET", "/document"),
    ("POST", "/lax/payment"),
    ("GET", "/lax/earnings"),
];

#[tokio::test]
async fn nobody_passes_a_route_that_is_not_public() {
    let stub = Stub::start().await;
    let guard = stub.online();
    for (method, path) in CLOSED {
        let nobody = call(&guard, method, path, &[]).await;
        assert_eq!(
            (nobody.status, &nobody.headers["www-authenticate"]),
            (401, &HeaderValue::from_static("Bearer")),
            "{path}"
        );
        assert_eq!(nobody.body, r#"{"error":"authentication required"}"#);
        assert_eq!(nobody.headers["cache-control"], "no-store");
        for header in ["Bearer x", "Bearer ", "Bearer é", "Bearer a.b.c"] {
            let worthless = call(&guard, method, path, &[header]).await;
            assert_eq!(worthless.status, 401, "{path} {header}");
            assert_eq!(
                worthless.headers["www-authenticate"], "Bearer error=\"invalid_token\"",
                "{path} {header}"
            );
        }
    }
    assert_eq!(
        stub.introspected() + stub.keys_asked(),
        0,
        "nothing of that is worth a question"
    );
    assert_eq!(call(&guard, "GET", "/", &[]).await.body, "nobody");
    assert_eq!(call(&guard, "GET", "/undeclared", &[]).await.status, 404);
    assert_eq!(
        call(&guard, "DELETE", "/profile", &[]).await.status,
        401,
        "whoever is not signed in is told nothing"
    );
}

#[tokio::test]
async fn token_is_read_from_one_bearer_header_in_any_case_and_from_nowhere_else() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let token = stub.session();
    for header in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER  {token}"),
    ] {
        assert_eq!(
            call(&guard, "GET", "/profile", &[&header]).await.body,
            "alice",
            "{header}"
        );
    }
    let good = format!("Bearer {token}");
    for headers in [[good.as_str(), good.as_str()], [good.as_str(), "Basic eDp5"]] {
        assert_eq!(call(&guard, "GET", "/profile", &headers).await.status, 401);
    }
    for header in [
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer{token}"),
        format!("Bearer {token} x"),
    ] {
        assert_eq!(
            call(&guard, "GET", "/profile", &[&header]).await.status,
            401,
            "{header}"
        );
    }
    let query = format!("/profile?access_token={token}");
    assert_eq!(call(&guard, "GET", &query, &[]).await.status, 401);
    assert_eq!(call(&guard, "GET", "/", &[&good]).await.body, "alice");
    assert_eq!(
        call(&guard, "GET", "/", &["Bearer x"]).await.status,
        401,
        "a bad token is not nobody's"
    );
}

#[tokio::test]
async fn session_without_an_elevation_is_told_to_step_up() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let header = format!("Bearer {}", stub.session());
    for (method, path) in [
        ("POST", "/payment/transfer"),
        ("GET", "/publisher/earnings"),
        ("POST", "/lax/payment"),
    ] {
        let told = call(&guard, method, path, &[&header]).await;
        assert_eq!(code(&told), "403 ELEVATION_REQUIRED", "{path}");
        let challenge = told.headers["www-authenticate"].to_str().expect("text");
        assert!(
            challenge.starts_with("Bearer error=\"insufficient_user_authentication\""),
            "{challenge}"
        );
        assert!(
            matches!(told.refused, Some(Refused::ElevationRequired(_))),
            "for the application's log"
        );
    }
    assert_eq!(
        code(&call(&guard, "GET", "/strict", &[&header]).await),
        "401 ELEVATION_REQUIRED"
    );
    assert_eq!(
        code(&call(&guard, "GET", "/admin/keys", &[&header]).await),
        "403 MISSING_CLAIM"
    );
    assert_eq!(
        code(&call(&guard, "DELETE", "/profile", &[&header]).await),
        "405 "
    );
}

#[tokio::test]
async fn elevation_opens_for_899_seconds_and_at_900_is_expired_though_the_token_lives_on() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let header = format!("Bearer {}", stub.token("one", json!({})));
    stub.hands.turn(899_000);
    for (method, path) in [
        ("POST", "/payment/transfer"),
        ("GET", "/publisher/earnings"),
        ("GET", "/strict"),
    ] {
        assert_eq!(call(&guard, method, path, &[&header]).await.status, 200, "{path}");
    }
    stub.hands.turn(1_000);
    assert_eq!(
        code(&call(&guard, "POST", "/payment/transfer", &[&header]).await),
        "403 ELEVATION_EXPIRED"
    );
    assert_eq!(
        code(&call(&guard, "POST", "/lax/payment", &[&header]).await),
        "403 ELEVATION_EXPIRED"
    );
    assert_eq!(
        code(&call(&guard, "GET", "/strict", &[&header]).await),
        "401 ELEVATION_EXPIRED"
    );
    assert_eq!(call(&guard, "GET", "/profile", &[&header]).await.body, "alice");
    stub.hands.turn((28_800 - 900) * 1_000);
    assert_eq!(call(&guard, "GET", "/profile", &[&header]).await.status, 401);
}

#[tokio::test]
async fn fresh_route_asks_a_young_code_even_while_elevated() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let header = format!("Bearer {}", stub.token("one", json!({})));
    stub.hands.turn(60_000);
    assert_eq!(call(&guard, "PUT", "/fresh", &[&header]).await.body, "fresh");
    stub.hands.turn(1_000);
    let told = call(&guard, "PUT", "/fresh", &[&header]).await;
    assert_eq!(code(&told), "403 ELEVATION_EXPIRED");
    assert!(
        told.headers["www-authenticate"]
            .to_str()
            .expect("text")
            .ends_with("max_age=\"60\"")
    );
    assert_eq!(
        call(&guard, "POST", "/payment/transfer", &[&header]).await.status,
        200
    );
}

#[tokio::test]
async fn claim_of_another_type_is_missing_in_routes_and_in_extractors() {
    let stub = Stub::start().await;
    let guard = stub.online();
    for value in [json!("true"), json!(1), json!(null), json!([true])] {
        let token = stub.token("one", json!({"publisher": value}));
        let header = format!("Bearer {token}");
        for path in ["/publisher/earnings", "/lax/earnings"] {
            let told = call(&guard, "GET", path, &[&header]).await;
            assert_eq!(code(&told), "403 MISSING_CLAIM", "{path} {value}");
            assert!(
                told.body
                    .contains(r#""required_claim":"publisher","required_value":true"#),
                "{}",
                told.body
            );
        }
    }
    let header = format!("Bearer {}", stub.session());
    assert_eq!(call(&guard, "GET", "/lax/earnings", &[&header]).await.status, 200);
    let told = call(&guard, "GET", "/publisher/earnings", &[&header]).await;
    assert_eq!(code(&told), "403 ELEVATION_REQUIRED", "the claim is there");
}

#[tokio::test]
async fn document_of_somebody_else_is_not_there_and_an_empty_list_is_for_nobody() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let header = format!("Bearer {}", stub.session());
    assert_eq!(call(&guard, "GET", "/document", &[&header]).await.body, "hers");
    let told = call(&guard, "GET", "/other-document", &[&header]).await;
    assert_eq!(
        (told.status, told.body.as_str()),
        (404, r#"{"error":"not found"}"#)
    );
    let alice = guard.identify(&stub.session()).await.expect("she is signed in");
    assert_eq!(alice.is_among(&["bob", "alice"]), Ok(()));
    for others in [
        vec![],
        vec![""],
        vec!["Alice"],
        vec!["alice "],
        vec!["alic", "alicea"],
        vec!["*"],
    ] {
        assert_eq!(alice.is_among(&others), Err(NotTheirs::Refused), "{others:?}");
    }
    let told = self::told(NotTheirs::Refused.into_response()).await;
    assert_eq!(
        (told.status, told.body.as_str()),
        (403, r#"{"error":"forbidden"}"#)
    );
    let mut answer = session_answer();
    answer["sub"] = json!("");
    stub.tell(&"0".repeat(96), answer);
    let nameless = guard.identify(&"0".repeat(96)).await.expect("it is active");
    assert_eq!(
        nameless.owns(""),
        Err(NotTheirs::Hidden),
        "nobody's is not theirs"
    );
}

#[tokio::test]
async fn undecided_is_503_and_never_through() {
    let stub = Stub::start().await;
    let guard = stub.online();
    let header = format!("Bearer {}", stub.session());
    stub.fail(Some(StatusCode::SERVICE_UNAVAILABLE));
    for (method, path) in CLOSED {
        let told = call(&guard, method, path, &[&header]).await;
        assert_eq!(
            (told.status, &told.headers["retry-after"], told.body.as_str()),
            (
                503,
                &HeaderValue::from_static("1"),
                r#"{"error":"temporarily unavailable"}"#
            ),
            "{path}"
        );
    }
}

#[tokio::test]
async fn extractor_in_an_application_without_a_guard_finds_nobody() {
    let stub = Stub::start().await;
    let plain = Router::new()
        .route("/session", get(async |_: Session| "in"))
        .route("/elevated", get(async |_: Elevated| "in"))
        .route("/claim", get(async |_: Claim<Publisher>| "in"));
    for path in ["/session", "/elevated", "/claim"] {
        let header = format!("Bearer {}", stub.token("one", json!({})));
        let request = Request::builder().uri(path).header("authorization", header);
        let response = plain
            .clone()
            .oneshot(request.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(
            told(response.expect("routes never fail")).await.status,
            401,
            "{path}"
        );
    }
}

#[tokio::test]
async fn state_and_layers_stand_around_the_guard() {
    let stub = Stub::start().await;
    let read = async |axum::extract::State(state): axum::extract::State<u8>,
                      Extension(extra): Extension<u16>| { format!("{state} {extra}") };
    let routes = Routes::new(stub.online()).signed_in("/", get(read));
    let service = routes.layer(Extension(2_u16)).with_state(1_u8).into_service();
    let header = format!("Bearer {}", stub.session());
    let request = Request::builder()
        .header("authorization", header)
        .body(Body::empty());
    let response = service.clone().oneshot(request.expect("a request")).await;
    assert_eq!(told(response.expect("routes never fail")).await.body, "1 2");
    let response = service.oneshot(Request::new(Body::empty())).await;
    assert_eq!(told(response.expect("routes never fail")).await.status, 401);
}

#[tokio::test]
async fn any_tower_service_can_be_guarded() {
    let stub = Stub::start().await;
    let greets = service_fn(async |request: hyper::Request<()>| {
        let person: &Person = request.extensions().get().expect("the guard knows who it is");
        Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::<Bytes>::from(
            person.name().to_owned(),
        )))
    });
    let service = ServiceBuilder::new()
        .layer(stub.online().layer(Posture::elevated()))
        .service(greets);
    let calls = async |header: &str| {
        let request = hyper::Request::builder().header("authorization", header).body(());
        let response = service
            .clone()
            .oneshot(request.expect("a request"))
            .await
            .expect("it never fails");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    };
    assert_eq!(
        calls(&format!("Bearer {}", stub.token("one", json!({})))).await,
        (200, "alice".into())
    );
    assert_eq!(calls(&format!("Bearer {}", stub.session())).await.0, 403);
    assert_eq!(calls("").await.0, 401);
}
