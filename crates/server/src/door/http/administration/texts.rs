//! The API of the words that are mailed: read, tried, set and taken back.
//!
//! Knows: bodies and members. Must never know: what a text must hold.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Administering, unexpected};
use crate::door::http::asked::{Body, Id};
use crate::door::http::openapi::{Administered, Always, Conflict, InSession, Missing, WithBody};
use crate::service::operator::{self as told, Ask, Reply};

/// The words of what is mailed.
#[derive(Serialize, ToSchema)]
#[schema(as = MailTexts)]
struct Texts {
    /// One for each kind.
    texts: Vec<Text>,
    /// Whether this node sends mail at all.
    is_mail_sent: bool,
}

/// A kind of text, and the text that counts for it.
#[derive(Serialize, ToSchema)]
#[schema(as = MailText)]
struct Text {
    kind: String,
    /// When it is sent.
    about: String,
    /// Where the text comes from: `product`, `set` or `file`.
    source: String,
    /// Subject and text, with their places in braces.
    text: String,
    /// When a text was set, if one was, in seconds since 1970.
    set_at: Option<u64>,
    /// Why the text that was set is not the one that counts.
    passed_over: Option<String>,
    /// The places it may have.
    places: Vec<String>,
    /// The places it can't do without.
    needed: Vec<String>,
}

impl From<told::TextShown> for Text {
    fn from(told: told::TextShown) -> Text {
        Text {
            kind: told.kind,
            about: told.about,
            source: told.source,
            text: told.text,
            set_at: told.set_at,
            passed_over: told.passed_over,
            places: told.places,
            needed: told.needed,
        }
    }
}

/// Lists the words of what is mailed.
#[utoipa::path(
    get,
    operation_id = "administer_texts",
    path = "/api/admin/texts",
    tag = "administration",
    security(("session" = [])),
    responses((status = 200, description = "The texts", body = Texts), InSession, Administered, Conflict, Always)
)]
pub(in crate::door::http) async fn list(admin: Administering) -> Response {
    match admin.ask(Ask::TextList).await {
        Ok(Reply::Texts { texts, is_mail_sent }) => {
            let texts = texts.into_iter().map(Text::from).collect();
            Json(Texts { texts, is_mail_sent }).into_response()
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Shows the text that counts for one kind.
#[utoipa::path(
    get,
    operation_id = "administer_text",
    path = "/api/admin/texts/{kind}",
    tag = "administration",
    security(("session" = [])),
    params(("kind" = String, Path)),
    responses(
        (status = 200, description = "The text", body = Text),
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn show(admin: Administering, Id(kind): Id) -> Response {
    match admin.ask(Ask::TextShow { kind }).await {
        Ok(Reply::Text(shown)) => Json(Text::from(shown)).into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// A text that is to be set.
#[derive(Deserialize, ToSchema)]
#[schema(as = TextToSet)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct New {
    /// `Subject: …`, an empty line, and the text.
    text: String,
}

/// Sets a text for all nodes.
#[utoipa::path(
    put,
    operation_id = "administer_set_text",
    path = "/api/admin/texts/{kind}",
    tag = "administration",
    security(("session" = [])),
    params(("kind" = String, Path)),
    request_body = New,
    responses(
        (status = 200, description = "It counts from the next message on", body = super::Done),
        WithBody,
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn set(admin: Administering, Id(kind): Id, Body(new): Body<New>) -> Response {
    admin.have_done(Ask::TextSet { kind, text: new.text }).await
}

/// Takes back a text that was set.
#[utoipa::path(
    delete,
    operation_id = "administer_reset_text",
    path = "/api/admin/texts/{kind}",
    tag = "administration",
    security(("session" = [])),
    params(("kind" = String, Path)),
    responses(
        (status = 200, description = "The product's own, or a file's, counts again", body = super::Done),
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn reset(admin: Administering, Id(kind): Id) -> Response {
    admin.have_done(Ask::TextReset { kind }).await
}

/// A text that is to be tried.
#[derive(Deserialize, ToSchema)]
#[schema(as = TextToTry)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct Trial {
    /// One that is not set; without it the one that counts is tried.
    #[serde(default)]
    text: Option<String>,
}

/// A text filled with what is made up.
#[derive(Serialize, ToSchema)]
#[schema(as = TextTried)]
struct Tried {
    subject: String,
    text: String,
}

/// Fills a text with what is made up; nothing is sent and nothing changes.
#[utoipa::path(
    post,
    operation_id = "administer_try_text",
    path = "/api/admin/texts/{kind}/try",
    tag = "administration",
    security(("session" = [])),
    params(("kind" = String, Path)),
    request_body = Trial,
    responses(
        (status = 200, description = "How it would read", body = Tried),
        WithBody,
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn try_out(
    admin: Administering,
    Id(kind): Id,
    Body(trial): Body<Trial>,
) -> Response {
    let Trial { text } = trial;
    match admin.ask(Ask::TextTry { kind, text }).await {
        Ok(Reply::TextTried(told::TextTried { subject, text })) => {
            Json(Tried { subject, text }).into_response()
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}
