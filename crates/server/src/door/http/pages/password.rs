//! A new password, from within a session.
//!
//! Knows: the form and where it leads. Must never know: which of password and code was wrong.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::password::Replaced;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::account::Done;
use super::asked::{Form, Settled};
use super::cookies;
use super::frame::{Frame, Problem, failed, onward, show, to_sign_in};
use super::texting::Texting;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::Live;

/// The page's entry in the menu.
const PLACE: &str = "password";
/// One sentence for a wrong password, a wrong code and a used code.
const REFUSED: &str =
    "The current password or the code was not accepted. If you used the code already, wait for the next one.";

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    name: String,
    code_due: bool,
    chars_min: usize,
}

/// The old password, a new one, and the code that is owed.
#[derive(Deserialize)]
pub(super) struct Change {
    current_password: Zeroizing<String>,
    new_password: Zeroizing<String>,
    #[serde(default)]
    code: Zeroizing<String>,
}

/// `GET /account/password`.
pub(super) async fn ask(
    State(service): State<Shared>,
    Settled(live): Settled,
    Query(done): Query<Done>,
) -> Response {
    let frame = Frame::of(&live.session, PLACE).after(done.text());
    page(&service, &live, frame).await
}

async fn page(service: &Shared, live: &Live, frame: Frame) -> Response {
    let view = match service.view(&live.session.account).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return to_sign_in(),
        Ok(Some(view)) => view,
    };
    let page = PasswordPage {
        frame: frame.texting(Texting::of(service, &view.account, "/account/password")),
        name: live.session.account.to_string(),
        code_due: view.account.has_second_factor(),
        chars_min: service.policy().password_chars_min(),
    };
    show(&page, &page.frame)
}

/// `POST /account/password`: every other session ends, and this one gets a new token.
pub(super) async fn change(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Settled(live): Settled,
    Form(form): Form<Change>,
) -> Response {
    // Whether this browser is known was said at the sign-in, and stays so.
    origin.remember = false;
    let (current, new) = (&form.current_password, &form.new_password);
    let replaced = service
        .change_password(&live, current, new, &form.code, &origin)
        .await;
    let problem = match replaced {
        Err(failure) => return failed(&failure),
        Ok(Ok(Replaced::NoSession)) => return to_sign_in(),
        Ok(Ok(Replaced::Done(signed_in))) => {
            return cookies::open(onward("/account?done=password"), &signed_in);
        }
        Ok(Err(problem)) => Problem::of(StatusCode::BAD_REQUEST, "new_password", problem),
        Ok(Ok(Replaced::Throttled { retry_after_s })) => Problem::throttled(retry_after_s),
        Ok(Ok(Replaced::Malformed)) => Problem::code_malformed(),
        Ok(Ok(Replaced::ClockNotSet)) => Problem::clock_not_set(),
        Ok(Ok(Replaced::Refused | Replaced::Stale)) => {
            Problem::of(StatusCode::UNAUTHORIZED, "current_password", REFUSED)
        }
    };
    let frame = Frame::of(&live.session, PLACE).with(Some(problem));
    page(&service, &live, frame).await
}
