//! Set-up: a ticket lets its holder set a password, as the first administrator, an invited or a reset person.
//!
//! Knows: that the ticket comes behind the `#` of a link, which a browser never sends, and reaches us in a
//! form's body alone. Must never know: how the link was handed over.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::ticket::NotRedeemed;
use countersign_auth::record::TicketPurpose;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::asked::Form;
use super::frame::{Frame, Problem, failed, once, show};
use super::sign_in::lead;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::NotSet;

const NO_TICKET: &str = "This link is unknown, over or used. Ask whoever sent it for a new one.";

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct PasswordPage<'a> {
    frame: Frame,
    ticket: &'a str,
    /// The name that stands in the ticket; the first administrator chooses one.
    fixed: Option<String>,
    /// The name as it was typed.
    typed: &'a str,
    chars_min: usize,
}

/// The ticket, or the whole link.
#[derive(Deserialize)]
pub(super) struct Ticket {
    ticket: Zeroizing<String>,
}

/// The ticket and what it is used to set.
#[derive(Deserialize)]
pub(super) struct SetUp {
    ticket: Zeroizing<String>,
    #[serde(default)]
    username: String,
    password: Zeroizing<String>,
}

/// `GET /setup`.
pub(super) async fn ask_ticket() -> Response {
    ticket_page(None)
}

fn ticket_page(problem: Option<Problem>) -> Response {
    let page = TicketPage {
        frame: Frame::default().with(problem),
    };
    show(&page, &page.frame)
}

fn no_ticket() -> Response {
    ticket_page(Some(Problem::of(StatusCode::UNAUTHORIZED, "ticket", NO_TICKET)))
}

/// `POST /setup/ticket`: what the ticket is for decides what is asked next.
pub(super) async fn take_ticket(State(service): State<Shared>, Form(form): Form<Ticket>) -> Response {
    let ticket = Zeroizing::new(without_link(&form.ticket).to_owned());
    password_page(&service, &ticket, "", None).await
}

/// The ticket of a pasted link; a bare ticket stays what it is.
pub(super) fn without_link(pasted: &str) -> &str {
    let trimmed = pasted.trim();
    trimmed.rsplit_once('#').map_or(trimmed, |(_, ticket)| ticket)
}

async fn password_page(service: &Shared, ticket: &str, typed: &str, problem: Option<Problem>) -> Response {
    let fixed = match service.look_at_ticket(ticket).await {
        Err(failure) => return failed(&failure),
        Ok(None) => return no_ticket(),
        Ok(Some(TicketPurpose::FirstAdministrator)) => None,
        Ok(Some(TicketPurpose::Account(name))) => Some(name.to_string()),
    };
    let page = PasswordPage {
        frame: Frame::default().with(problem),
        ticket,
        fixed,
        typed,
        chars_min: service.policy().password_chars_min(),
    };
    once(show(&page, &page.frame))
}

/// `POST /setup`: sets the password; then a second factor is enrolled, or a code of it is due.
pub(super) async fn take_password(
    State(service): State<Shared>,
    Asked(mut origin): Asked,
    Form(form): Form<SetUp>,
) -> Response {
    // It is asked where the sign-in is completed.
    origin.remember = false;
    let redeemed = service
        .redeem_ticket(&form.ticket, &form.username, &form.password, &origin)
        .await;
    let problem = match redeemed {
        Err(failure) => return failed(&failure),
        Ok(Ok(next)) => return lead(&next),
        Ok(Err(NotSet::Ticket(NotRedeemed::NoTicket))) => return no_ticket(),
        Ok(Err(NotSet::Ticket(NotRedeemed::NameTaken))) => {
            let text = "There is an account of this name already. Choose another.";
            Problem::of(StatusCode::CONFLICT, "username", text)
        }
        Ok(Err(NotSet::Name(error))) => Problem::of(StatusCode::BAD_REQUEST, "username", error),
        Ok(Err(NotSet::Password(error))) => Problem::of(StatusCode::BAD_REQUEST, "password", error),
    };
    password_page(&service, &form.ticket, &form.username, Some(problem)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_is_taken_from_a_pasted_link() {
        assert_eq!(without_link(" https://localhost:8443/setup#abc\n"), "abc");
        assert_eq!(without_link("abc"), "abc");
        assert_eq!(without_link(""), "");
    }
}
