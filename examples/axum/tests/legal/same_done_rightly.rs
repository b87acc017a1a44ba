//! The mistakes of `illegal`, done rightly, so that those fail for what they do and for nothing else.

use axum::Router;
use axum::routing::get;
use countersign_client::guard::{Claim, Elevated, Guard, Person, Posture, RequiredClaim, Routes, Session};
use serde_json::{Value, json};

struct Publisher;

impl RequiredClaim for Publisher {
    const NAME: &str = "publisher";

    fn value() -> Value {
        json!(true)
    }
}

fn pay(_: &Elevated) {}

fn routes(guard: Guard) -> Routes {
    let plain: Router = Router::new().route("/", get(async || "for operators"));
    let others = Routes::new(guard.clone()).signed_in("/earnings", get(async |_: Claim<Publisher>| "0 EUR"));
    Routes::new(guard)
        .public(
            "/",
            get(async |who: Option<Session>| {
                if who.is_some() {
                    "Welcome back."
                } else {
                    "Welcome."
                }
            }),
        )
        .route(
            "/profile",
            Posture::signed_in(),
            get(async |who: Session| Person::name(&who).to_owned()),
        )
        .elevated("/transfer", get(async |who: Elevated| pay(&who)))
        .nest("/operators", Posture::signed_in().group("operators"), plain)
        .merge(others)
}

fn main() {
    let _: fn(Guard) -> Routes = routes;
}
