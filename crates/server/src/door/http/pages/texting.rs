//! “Text me a code”: the button beside a code's field where codes are sent, and the way back to that page.
//!
//! Knows: whom the button is shown to, and two forms. Must never know: the code, or the number it goes to.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_auth::record::Account;
use serde::Deserialize;

use super::asked::{Arrived, Form};
use super::cookies;
use super::destination::Destination;
use super::frame::{Problem, failed, message, onward, to_sign_in};
use super::sign_in::begin_again;
use crate::door::http::Shared;
use crate::door::http::asked::{Asked, cookie};
use crate::service::Service;
use crate::service::texting::Sent;

/// Where the button leads, and from there back.
pub(super) struct Texting {
    pub(super) action: &'static str,
    pub(super) back: String,
}

impl Texting {
    /// The button of a page for somebody signed in; none where there is no telephone.
    pub(super) fn of(service: &Service, account: &Account, back: &str) -> Option<Texting> {
        service.can_ask_code(account).then(|| Texting {
            action: "/account/send-code",
            back: back.to_owned(),
        })
    }

    /// The button of the page that asks the code of a sign-in.
    pub(super) fn for_sign_in() -> Texting {
        Texting {
            action: "/sign-in/send-code",
            back: String::new(),
        }
    }
}

/// The page that asked.
#[derive(Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    back: String,
}

/// `POST /sign-in/send-code`.
pub(super) async fn for_sign_in(
    State(service): State<Shared>,
    Asked(origin): Asked,
    headers: HeaderMap,
) -> Response {
    let Some(challenge) = cookie(&headers, cookies::CHALLENGE) else {
        return begin_again(&service);
    };
    if !service.sends_codes() {
        return none_sent();
    }
    match service.send_code_for(challenge, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Sent::Over) => begin_again(&service),
        Ok(Sent::Throttled { retry_after_s }) => too_often(retry_after_s),
        Ok(Sent::Accepted) => onward("/sign-in/code?done=sent"),
    }
}

/// `POST /account/send-code`.
pub(super) async fn for_session(
    State(service): State<Shared>,
    Asked(origin): Asked,
    Arrived(live): Arrived,
    Form(form): Form<Back>,
) -> Response {
    if !service.sends_codes() {
        return none_sent();
    }
    match service.send_code_to(&live, &origin).await {
        Err(failure) => failed(&failure),
        Ok(Sent::Over) => to_sign_in(),
        Ok(Sent::Throttled { retry_after_s }) => too_often(retry_after_s),
        Ok(Sent::Accepted) => onward(&told(&Destination::of(&form.back))),
    }
}

/// The page that asked, which then says that a code is on its way.
fn told(back: &Destination) -> String {
    let joint = if back.path().contains('?') { '&' } else { '?' };
    format!("{}{joint}done=sent", back.path())
}

fn none_sent() -> Response {
    let text = "No codes are sent by text message here.";
    message("Not here", Problem::of(StatusCode::NOT_FOUND, "", text))
}

fn too_often(retry_after_s: u32) -> Response {
    let text = "So many messages were asked for that no more are sent for now.";
    let problem = Problem {
        retry_after_s: Some(retry_after_s),
        ..Problem::of(StatusCode::TOO_MANY_REQUESTS, "", text)
    };
    message("Not now", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_that_asked_is_told_behind_what_its_address_says_already() {
        let told = |back: &str| told(&Destination::of(back));
        assert_eq!(told("/account/password"), "/account/password?done=sent");
        assert_eq!(told("/step-up?to=/a"), "/step-up?to=/a&done=sent");
        assert_eq!(told("//elsewhere.example"), "/account?done=sent");
    }
}
