//! What is shown once: a link for somebody, an application's secret.
//!
//! Knows: how it is shown, and how it is handed over. Must never know: what it opens. Nothing keeps the page.

use askama::Template;
use axum::response::Response;
use zeroize::Zeroizing;

use super::Administrator;
use crate::door::http::pages::frame::{Frame, once, show};
use crate::service::operator::{ApplicationSecret, Ticket};

#[derive(Template)]
#[template(path = "administration/shown_once.html")]
struct ShownOncePage<'a> {
    frame: Frame,
    title: &'a str,
    /// Whom or what it is for.
    name: &'a str,
    label: &'static str,
    secret: &'a str,
    handing_over: &'a str,
    /// The page to go on to.
    to: &'a str,
}

/// Something to be handed over.
pub(super) struct Secret {
    label: &'static str,
    text: Zeroizing<String>,
    handing_over: String,
}

impl Secret {
    /// A link by which somebody sets a password.
    pub(super) fn link(ticket: Ticket) -> Secret {
        let minutes = ticket.expires_in / 60;
        Secret {
            label: "Link",
            text: Zeroizing::new(ticket.link),
            handing_over: format!(
                "Hand it over in person or on a channel that nobody else reads: whoever opens it first chooses the \
                 password. It works once, within {minutes} minutes."
            ),
        }
    }

    /// A link that is one proof of a recovery.
    pub(super) fn word(ticket: Ticket) -> Secret {
        let minutes = ticket.expires_in / 60;
        Secret {
            label: "Link",
            text: Zeroizing::new(ticket.link),
            handing_over: format!(
                "Give it to the person you recognised, and to nobody else. Beside a backup code or a mailed code it \
                 recovers the account. It works once, within {minutes} minutes."
            ),
        }
    }

    /// The secret of an application.
    pub(super) fn of_application(made: &ApplicationSecret) -> Secret {
        Secret {
            label: "Secret",
            text: made.secret.clone(),
            handing_over:
                "Put it where the application reads its secrets, and nowhere else. Its name is its client_id."
                    .to_owned(),
        }
    }
}

/// The page that shows it.
pub(super) fn page(
    admin: &Administrator,
    (place, to): (&'static str, &str),
    title: &str,
    name: &str,
    secret: &Secret,
) -> Response {
    let page = ShownOncePage {
        frame: admin.frame(place),
        title,
        name,
        label: secret.label,
        secret: &secret.text,
        handing_over: &secret.handing_over,
        to,
    };
    once(show(&page, &page.frame))
}
