//! The page that stands before whatever takes something away: what it does, and that somebody is told.
//!
//! Knows: how it is asked. Must never know: what is done. The form on it is posted to the address that asked.

use askama::Template;
use axum::response::Response;

use super::Administrator;
use crate::door::http::pages::frame::{Frame, Problem, show};

/// What is asked before something is done.
#[derive(Clone, Copy)]
pub(super) struct Question {
    /// What is done, as a heading asks it; whom it is done to follows.
    pub(super) title: &'static str,
    /// What comes of it, and who is told.
    pub(super) text: &'static str,
    pub(super) button: &'static str,
}

#[derive(Template)]
#[template(path = "administration/confirm.html")]
struct ConfirmPage<'a> {
    frame: Frame,
    question: Question,
    name: &'a str,
    /// What has to be known besides.
    warning: Option<&'a str>,
    action: &'a str,
    back: &'a str,
    person: Option<&'a str>,
}

/// Where a question is asked and where it leads.
pub(super) struct Way<'a> {
    pub(super) place: &'static str,
    /// Where the answer is posted.
    pub(super) action: &'a str,
    /// Where nothing is done.
    pub(super) back: &'a str,
    /// Whose page that is, where it is somebody's.
    pub(super) person: Option<&'a str>,
}

/// Asks whether something is to be done to whoever or whatever has a name.
pub(super) fn page(
    admin: &Administrator,
    way: &Way<'_>,
    question: Question,
    (name, warning): (&str, Option<&str>),
    problem: Option<Problem>,
) -> Response {
    let page = ConfirmPage {
        frame: admin.frame(way.place).with(problem),
        question,
        name,
        warning,
        action: way.action,
        back: way.back,
        person: way.person,
    };
    show(&page, &page.frame)
}
