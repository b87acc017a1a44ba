//! People: looked for, listed, added.
//!
//! Knows: how somebody is shown in a list, and the form that adds somebody. Must never know: rules.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use countersign_auth::role::{Permission, Role};
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::shown_once::{self, Secret};
use super::{Administrator, PEOPLE, unexpected};
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::destination::address;
use crate::door::http::pages::frame::{Frame, Moment, Problem, onward, show};
use crate::service::operator::{Ask, Reply, User};

#[derive(Template)]
#[template(path = "administration/people.html")]
struct PeoplePage {
    frame: Frame,
    matching: String,
    people: Vec<Line>,
    /// Where the next page is; none after the last.
    next: Option<String>,
    /// Whether this is the first page.
    first: bool,
    /// The form, for whoever may add somebody.
    adding: Option<New>,
}

impl PeoplePage {
    fn start(&self) -> String {
        address(PEOPLE, &[("matching", &self.matching)])
    }
}

/// Somebody in the list.
struct Line {
    path: String,
    name: String,
    role: Option<&'static str>,
    groups: String,
    second_factors: usize,
    sessions: usize,
    last_sign_in: Option<Moment>,
    state: Option<&'static str>,
}

impl Line {
    fn of(user: User) -> Line {
        let groups = user.groups.iter().filter(|group| Role::of_group(group).is_none());
        let groups: Vec<&str> = groups.map(String::as_str).collect();
        Line {
            path: super::person_path(&user.name),
            role: (user.role != Role::User).then(|| user.role.name()),
            groups: groups.join(" "),
            second_factors: user.second_factors,
            sessions: user.sessions,
            last_sign_in: user.last_sign_in.map(|at| Moment::of(UnixSeconds(at))),
            state: match (user.disabled, user.password) {
                (true, _) => Some("disabled"),
                (false, false) => Some("no password yet"),
                (false, true) => None,
            },
            name: user.name,
        }
    }
}

/// Which people; any text, so that no address is an error.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    matching: String,
    #[serde(default)]
    after: String,
    #[serde(flatten)]
    done: super::Done,
}

/// Somebody to be added.
#[derive(Default, Deserialize)]
pub(super) struct New {
    name: String,
    #[serde(default)]
    groups: String,
    #[serde(default)]
    role: Role,
}

impl New {
    /// The roles to choose from, and which is chosen.
    fn roles(&self) -> impl Iterator<Item = (&'static str, bool)> {
        Role::ALL.map(|role| (role.name(), role == self.role)).into_iter()
    }
}

/// `GET /admin/people`.
pub(super) async fn list(admin: Administrator, Query(wanted): Query<Wanted>) -> Response {
    let frame = Frame {
        done: wanted.done.text(),
        ..admin.frame("people")
    };
    page(&admin, wanted, frame, New::default()).await
}

async fn page(admin: &Administrator, wanted: Wanted, frame: Frame, new: New) -> Response {
    let Wanted { matching, after, .. } = wanted;
    let first = after.is_empty();
    let ask = Ask::UserList {
        after,
        matching: matching.clone(),
    };
    let (users, next) = match admin.ask(ask).await {
        Ok(Reply::Users { users, next }) => (users, next),
        Ok(_) => return unexpected(),
        Err(answer) => return answer,
    };
    let page = PeoplePage {
        people: users.into_iter().map(Line::of).collect(),
        next: next.map(|after| address(PEOPLE, &[("matching", &matching), ("after", &after)])),
        adding: admin.may(Permission::ManageAccounts).then_some(new),
        frame,
        matching,
        first,
    };
    show(&page, &page.frame)
}

/// `POST /admin/people`: adds somebody, and shows the link for them once.
pub(super) async fn add(admin: Administrator, Form(new): Form<New>) -> Response {
    let groups = new.groups.split_whitespace().chain(new.role.group());
    let ask = Ask::UserAdd {
        name: new.name.clone(),
        groups: groups.map(str::to_owned).collect(),
        password: None,
        totp: false,
    };
    match admin.take(ask, PEOPLE).await {
        Err(answer) => answer,
        Ok(Ok(Reply::UserAdded(added))) => {
            let path = super::person_path(&added.name);
            match added.invitation.map(Secret::link) {
                Some(secret) => shown_once::page(&admin, ("people", &path), "Added", &added.name, &secret),
                None => onward(&path),
            }
        }
        Ok(Ok(_)) => unexpected(),
        Ok(Err(problem)) => {
            // The one sentence tells which of two fields it is about.
            let field = if problem.text.contains("group") {
                "groups"
            } else {
                "name"
            };
            let problem = Problem { field, ..problem };
            let everybody = Wanted {
                matching: String::new(),
                after: String::new(),
                done: super::Done::default(),
            };
            let frame = admin.frame("people").with(Some(problem));
            page(&admin, everybody, frame, new).await
        }
    }
}
