//! Applications that may ask about tokens: listed, added, given another secret, removed.
//!
//! Knows: how they are listed, and that a secret is shown once. Must never know: what is asked about which token.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::confirm::{self, Question, Way};
use super::shown_once::{self, Secret};
use super::{APPLICATIONS, Administrator, done, unexpected};
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::destination::segment;
use crate::door::http::pages::frame::{Frame, Moment, Problem, onward, show};
use crate::service::operator::{ApplicationView, Ask, Reply};

#[derive(Template)]
#[template(path = "administration/applications.html")]
struct ApplicationsPage {
    frame: Frame,
    applications: Vec<Line>,
    /// The name that was typed.
    name: String,
}

/// An application in the list.
struct Line {
    path: String,
    name: String,
    since: Moment,
}

impl Line {
    fn of(application: ApplicationView) -> Line {
        Line {
            path: path(&application.name),
            name: application.name,
            since: Moment::of(UnixSeconds(application.created_at)),
        }
    }
}

fn path(name: &str) -> String {
    format!("{APPLICATIONS}/{}", segment(name))
}

/// `GET /admin/applications`.
pub(super) async fn list(admin: Administrator, Query(done): Query<super::Done>) -> Response {
    let frame = Frame {
        done: done.text(),
        ..admin.frame("applications")
    };
    page(&admin, frame, String::new()).await
}

async fn all(admin: &Administrator) -> Result<Vec<ApplicationView>, Response> {
    match admin.ask(Ask::AppList).await? {
        Reply::Applications { applications } => Ok(applications),
        _ => Err(unexpected()),
    }
}

async fn page(admin: &Administrator, frame: Frame, name: String) -> Response {
    let applications = match all(admin).await {
        Ok(applications) => applications,
        Err(answer) => return answer,
    };
    let page = ApplicationsPage {
        frame,
        applications: applications.into_iter().map(Line::of).collect(),
        name,
    };
    show(&page, &page.frame)
}

/// An application to be added.
#[derive(Deserialize)]
pub(super) struct New {
    name: String,
}

/// `POST /admin/applications`: its secret is shown once.
pub(super) async fn add(admin: Administrator, Form(new): Form<New>) -> Response {
    let ask = Ask::AppAdd {
        name: new.name.clone(),
        renew: false,
    };
    match admin.take(ask, APPLICATIONS).await {
        Err(answer) => answer,
        Ok(Ok(reply)) => secret(&admin, "Added", reply),
        Ok(Err(problem)) => {
            let problem = Problem {
                field: "name",
                ..problem
            };
            let frame = admin.frame("applications").with(Some(problem));
            page(&admin, frame, new.name).await
        }
    }
}

fn secret(admin: &Administrator, title: &str, reply: Reply) -> Response {
    let Reply::Application(made) = reply else {
        return unexpected();
    };
    let way = ("applications", APPLICATIONS);
    shown_once::page(admin, way, title, &made.name, &Secret::of_application(&made))
}

/// What each act does, in words, and what it asks for.
fn act_of(act: &str, name: String) -> Option<(Question, Ask)> {
    Some(match act {
        "renew" => (
            Question {
                title: "Give another secret to",
                text: "The secret that it has is void at once: until it has the new one, it can't ask about tokens.",
                button: "Make another secret",
            },
            Ask::AppAdd { name, renew: true },
        ),
        "remove" => (
            Question {
                title: "Remove the application",
                text: "It can't ask about tokens any more, at once. Nobody's session ends.",
                button: "Remove it",
            },
            Ask::AppRemove { name },
        ),
        _ => return None,
    })
}

fn gone(admin: &Administrator) -> Response {
    let text = "There is no such application. It may have been removed already.";
    admin.message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text))
}

/// `GET /admin/applications/{name}/{act}`.
pub(super) async fn ask(admin: Administrator, Path((name, act)): Path<(String, String)>) -> Response {
    let known = match all(&admin).await {
        Ok(applications) => applications.iter().any(|application| application.name == name),
        Err(answer) => return answer,
    };
    match act_of(&act, name.clone()) {
        Some((question, _)) if known => asked(&admin, (&name, &act), question, None),
        _ => gone(&admin),
    }
}

fn asked(
    admin: &Administrator,
    (name, act): (&str, &str),
    question: Question,
    problem: Option<Problem>,
) -> Response {
    let action = format!("{}/{act}", path(name));
    let way = Way {
        place: "applications",
        action: &action,
        back: APPLICATIONS,
        person: None,
    };
    confirm::page(admin, &way, question, (name, None), problem)
}

/// `POST /admin/applications/{name}/{act}`.
pub(super) async fn act(admin: Administrator, Path((name, act)): Path<(String, String)>) -> Response {
    let Some((question, ask)) = act_of(&act, name.clone()) else {
        return gone(&admin);
    };
    match admin.take(ask, &format!("{}/{act}", path(&name))).await {
        Err(answer) => answer,
        Ok(Ok(Reply::Done)) => onward(&done(APPLICATIONS, "application-removed")),
        Ok(Ok(reply)) => secret(&admin, "Another secret", reply),
        Ok(Err(problem)) => asked(&admin, (&name, &act), question, Some(problem)),
    }
}
