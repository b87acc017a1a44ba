//! The words of what is mailed: read, tried, set and taken back.
//!
//! Knows: a form with two buttons. Must never know: what a text must hold.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::{Administrator, done, unexpected};
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::destination::segment;
use crate::door::http::pages::frame::{Frame, Moment, Problem, onward, show};
use crate::service::operator::{Ask, Reply, TextShown, TextTried};

/// Where the kinds of texts are listed.
pub(super) const TEXTS: &str = "/admin/texts";

#[derive(Template)]
#[template(path = "administration/texts.html")]
struct TextsPage {
    frame: Frame,
    texts: Vec<TextShown>,
    is_mail_sent: bool,
}

#[derive(Template)]
#[template(path = "administration/text.html")]
struct TextPage {
    frame: Frame,
    shown: TextShown,
    /// What stands in the form.
    text: String,
    set_at: Option<Moment>,
    tried: Option<TextTried>,
}

/// A text, and whether it is tried alone.
#[derive(Deserialize)]
pub(super) struct Typed {
    text: String,
    #[serde(default)]
    act: String,
}

/// `GET /admin/texts`.
pub(super) async fn list(admin: Administrator, Query(told): Query<super::Done>) -> Response {
    let (texts, is_mail_sent) = match admin.ask(Ask::TextList).await {
        Ok(Reply::Texts { texts, is_mail_sent }) => (texts, is_mail_sent),
        Ok(_) => return unexpected(),
        Err(answer) => return answer,
    };
    let frame = Frame {
        done: told.text(),
        ..admin.frame("texts")
    };
    let page = TextsPage {
        frame,
        texts,
        is_mail_sent,
    };
    show(&page, &page.frame)
}

/// `GET /admin/texts/{kind}`.
pub(super) async fn edit(
    admin: Administrator,
    Path(kind): Path<String>,
    Query(told): Query<super::Done>,
) -> Response {
    let frame = Frame {
        done: told.text(),
        ..admin.frame("texts")
    };
    page(&admin, kind, frame, None, None).await
}

async fn page(
    admin: &Administrator,
    kind: String,
    frame: Frame,
    typed: Option<String>,
    tried: Option<TextTried>,
) -> Response {
    let shown = match admin.ask(Ask::TextShow { kind }).await {
        Ok(Reply::Text(shown)) => shown,
        Ok(_) => return unexpected(),
        Err(answer) => return answer,
    };
    let page = TextPage {
        text: typed.unwrap_or_else(|| shown.text.clone()),
        set_at: shown.set_at.map(|at| Moment::of(UnixSeconds(at))),
        frame,
        shown,
        tried,
    };
    show(&page, &page.frame)
}

/// `POST /admin/texts/{kind}`: tries the text, or sets it.
pub(super) async fn take(
    admin: Administrator,
    Path(kind): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let place = text_path(&kind);
    // A browser ends each line of a form in two characters.
    let text = typed.text.replace("\r\n", "\n");
    let ask = match typed.act.as_str() {
        "try" => Ask::TextTry {
            kind: kind.clone(),
            text: Some(text.clone()),
        },
        _ => Ask::TextSet {
            kind: kind.clone(),
            text: text.clone(),
        },
    };
    match admin.take(ask, &place).await {
        Err(answer) => answer,
        Ok(Ok(Reply::TextTried(tried))) => {
            page(&admin, kind, admin.frame("texts"), Some(text), Some(tried)).await
        }
        Ok(Ok(_)) => onward(&done(TEXTS, "text-set")),
        Ok(Err(problem)) => {
            let frame = admin.frame("texts").with(Some(Problem {
                field: "text",
                ..problem
            }));
            page(&admin, kind, frame, Some(text), None).await
        }
    }
}

/// `POST /admin/texts/{kind}/reset`.
pub(super) async fn reset(admin: Administrator, Path(kind): Path<String>) -> Response {
    match admin
        .take(Ask::TextReset { kind: kind.clone() }, &text_path(&kind))
        .await
    {
        Err(answer) => answer,
        Ok(Ok(_)) => onward(&done(TEXTS, "text-reset")),
        Ok(Err(problem)) => page(&admin, kind, admin.frame("texts").with(Some(problem)), None, None).await,
    }
}

fn text_path(kind: &str) -> String {
    format!("{TEXTS}/{}", segment(kind))
}
