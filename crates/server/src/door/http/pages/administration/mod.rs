//! The pages of administration: what the operator's commands do, for whoever has the role.
//!
//! Knows: how a role and a proof that do not suffice are told, and the way back from a step-up. Must never know: what
//! each act takes; see [`Ask::needs`]. What a page shows or hides by role is a courtesy: every act is judged again.
//!
//! Read next: `people` for the list, `person` for one of it, `help` for what is done for them.

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use countersign_auth::command::authority::NotAllowed;
use countersign_auth::event::Origin;
use countersign_auth::role::{Permission, Role, RoleVerdict};
use serde::Deserialize;

mod applications;
mod confirm;
mod help;
mod history;
mod keys;
mod lists;
mod people;
mod person;
mod shown_once;
mod texts;
mod throttles;

use super::asked::Settled;
use super::destination::{address, segment};
use super::frame::{Frame, Problem, failed, message_in, onward, to_sign_in};
use super::step_up;
use crate::door::http::Shared;
use crate::door::http::asked::Asked;
use crate::service::operator::{Ask, Operator, Refusal, Reply};
use crate::service::{Failure, Live};

/// Where it begins.
pub(super) const PLACE: &str = "/admin";

/// Where people are listed.
const PEOPLE: &str = "/admin/people";
/// Where lists of them go out and in.
const LISTS: &str = "/admin/lists";
/// Where applications are listed.
const APPLICATIONS: &str = "/admin/applications";
/// Where keys are listed.
const KEYS: &str = "/admin/keys";

/// Its menu: each entry's place, path and text, and what it takes to see it.
pub(super) const MENU: &[(&str, &str, &str, Permission)] = &[
    ("people", PEOPLE, "People", Permission::SeeAccounts),
    (
        "throttles",
        throttles::THROTTLES,
        "Held off",
        Permission::SeeAccounts,
    ),
    ("lists", LISTS, "Lists", Permission::ManageAccounts),
    ("audit", history::AUDIT, "Audit", Permission::ReadAudit),
    ("texts", texts::TEXTS, "Mail", Permission::ManageInstallation),
    (
        "applications",
        APPLICATIONS,
        "Applications",
        Permission::ManageInstallation,
    ),
    ("keys", KEYS, "Keys", Permission::ManageKeys),
];

/// Why somebody's role does not do.
const LACKING: &str = "Your role does not suffice. Somebody with a greater role has to do it.";

/// What a step-up on the way to one of these pages is for, as its page and the audit tell it.
const PURPOSE: &str = "administration";

/// All routes of the pages of administration.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/admin", get(begin))
        .route("/admin/people", get(people::list).post(people::add))
        .merge(routes_of_a_person())
        .route("/admin/throttles", get(throttles::list).post(throttles::lift))
        .route("/admin/audit", get(history::search))
        .route("/admin/texts", get(texts::list))
        .route("/admin/texts/{kind}", get(texts::edit).post(texts::take))
        .route("/admin/texts/{kind}/reset", post(texts::reset))
        .route("/admin/lists/export", post(lists::take_out))
        .route(
            "/admin/lists",
            get(lists::show_form)
                .post(lists::take_in)
                .layer(DefaultBodyLimit::max(lists::FORM_BYTES_MAX)),
        )
        .route(
            "/admin/applications",
            get(applications::list).post(applications::add),
        )
        .route(
            "/admin/applications/{name}/{act}",
            get(applications::ask).post(applications::act),
        )
        .route("/admin/keys", get(keys::list))
        .route("/admin/keys/rotate", post(keys::rotate))
        .route("/admin/keys/reseal", post(keys::reseal))
        .route(
            "/admin/keys/{id}/forget",
            get(keys::ask_forget).post(keys::forget),
        )
        .route("/admin/signing-keys/rotate", post(keys::rotate_signing))
}

fn routes_of_a_person() -> Router<Shared> {
    Router::new()
        .route("/admin/people/{name}", get(person::show_one))
        .route("/admin/people/{name}/role", post(person::give_role))
        .route("/admin/people/{name}/groups", post(person::set_groups))
        .route("/admin/people/{name}/claims", post(person::set_claim))
        .route("/admin/people/{name}/claims/remove", post(person::remove_claim))
        .route("/admin/people/{name}/email", post(person::set_email))
        .route("/admin/people/{name}/phone", post(person::set_phone))
        .route(
            "/admin/people/{name}/sessions/{id}/end",
            post(person::end_session),
        )
        .route(
            "/admin/people/{name}/factors/{id}/remove",
            get(help::ask_remove).post(help::remove),
        )
        .route("/admin/people/{name}/{act}", get(help::ask).post(help::act))
}

/// `GET /admin`: on to the first page that the role may see.
async fn begin(Settled(live): Settled) -> Response {
    let role = Role::of(&live.session.groups);
    let first = MENU
        .iter()
        .find(|(_, _, _, takes)| role.may(*takes) == RoleVerdict::Allowed);
    match first {
        Some((_, path, ..)) => onward(path),
        None => not_permitted(
            &live,
            "Your role does not suffice. Somebody with a greater role has to do it.",
        ),
    }
}

fn not_permitted(live: &Live, text: &str) -> Response {
    let problem = Problem::of(StatusCode::FORBIDDEN, "", text);
    let frame = Frame::of(&live.session, "home").with(Some(problem));
    message_in(frame, "Not permitted")
}

/// Somebody signed in who acts by a role.
pub(super) struct Administrator {
    service: Shared,
    live: Live,
    origin: Origin,
    /// The path and query that was asked for.
    asked: String,
}

impl FromRequestParts<Shared> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Administrator, Response> {
        let Settled(live) = Settled::from_request_parts(parts, service).await?;
        let Asked(origin) = Asked::from_request_parts(parts, service).await?;
        let asked = parts.uri.path_and_query();
        Ok(Administrator {
            service: service.clone(),
            live,
            origin,
            asked: asked.map_or_else(String::new, ToString::to_string),
        })
    }
}

impl Administrator {
    /// The frame of one of the pages.
    pub(super) fn frame(&self, place: &'static str) -> Frame {
        Frame::of(&self.live.session, place)
    }

    /// Whether a page shows what takes this permission.
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.role().may(permission) == RoleVerdict::Allowed
    }

    fn role(&self) -> Role {
        Role::of(&self.live.session.groups)
    }

    /// What a page shows, or the answer that says why there is nothing to show.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Reply, Response> {
        match self.answer(ask, &self.asked).await? {
            Ok(reply) => Ok(reply),
            Err(problem) => Err(self.message("It can't be shown", problem)),
        }
    }

    /// What a form asks for. A refusal is for the page that holds the form to tell; whoever has to step up first is led
    /// back to that page, because a form can't be sent again for them.
    pub(super) async fn take(&self, ask: Ask, page: &str) -> Result<Result<Reply, Problem>, Response> {
        self.answer(ask, &done(page, "confirmed")).await
    }

    async fn answer(&self, ask: Ask, after_step_up: &str) -> Result<Result<Reply, Problem>, Response> {
        let operator = Operator::new(self.service.clone());
        let answered = operator.answer_as(&self.live, ask, &self.origin).await;
        match answered.map_err(|failure| failed(&failure))? {
            Ok(Reply::Refused { what, why }) => Ok(Err(refused(what, &why))),
            Ok(reply) => Ok(Ok(reply)),
            Err(NotAllowed::NoSession) => Err(to_sign_in()),
            Err(NotAllowed::Elevation(_)) => Err(onward(&step_up::location(after_step_up, PURPOSE))),
            Err(NotAllowed::Lacking) => Err(self.lacking()),
            Err(NotAllowed::Outranked) => {
                let text =
                    "That account may do what your role may not. Somebody with a greater role has to do it.";
                Err(not_permitted(&self.live, text))
            }
        }
    }

    /// The page for whoever's role does not suffice.
    pub(super) fn lacking(&self) -> Response {
        not_permitted(&self.live, LACKING)
    }

    /// A page that says why there is no other.
    pub(super) fn message(&self, title: &'static str, problem: Problem) -> Response {
        message_in(self.frame("people").with(Some(problem)), title)
    }
}

/// Why something was refused, told at no field yet.
fn refused(what: Refusal, why: &str) -> Problem {
    let status = match what {
        Refusal::Malformed => StatusCode::BAD_REQUEST,
        Refusal::Missing => StatusCode::NOT_FOUND,
        Refusal::Conflict => StatusCode::CONFLICT,
    };
    Problem::of(status, "", why)
}

/// A reply that does not belong to what was asked.
pub(super) fn unexpected() -> Response {
    failed(&Failure::Internal)
}

/// The page of somebody.
fn person_path(name: &str) -> String {
    format!("{PEOPLE}/{}", segment(name))
}

/// The address of a page that says what was just done.
pub(super) fn done(page: &str, what: &str) -> String {
    address(page, &[("done", what)])
}

/// What was just done; any text, so that no address is an error.
#[derive(Default, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    /// The sentence for it. Only sentences of ours are ever shown.
    pub(super) fn text(&self) -> Option<&'static str> {
        match self.done.as_str() {
            "role" => Some("The role was given. Its owner is told."),
            "groups" => Some("The groups were changed."),
            "claims" => Some("The claims were changed."),
            "email" => Some("The mail address was changed."),
            "phone" => Some("The phone number was changed."),
            "session" => Some("The session has ended."),
            "factor" => Some("The authenticator was removed. Its owner is told."),
            "unlock" => Some("The failures are forgotten."),
            "end-sessions" => Some("All sessions have ended."),
            "remove-factors" => Some("All authenticators were removed. Their owner is told."),
            "disable" => Some("The account is disabled."),
            "enable" => Some("The account is enabled."),
            "application-removed" => Some("The application was removed."),
            "key-added" => Some("There is a new sealing key. Seal everything anew under it next."),
            "resealed" => Some("Everything is sealed under the newest key."),
            "key-forgotten" => Some("The key is forgotten."),
            "signing-key-added" => Some("There is a new signing key. It takes over at the time shown below."),
            "lifted" => Some("What was counted is forgotten."),
            "text-set" => Some("The text is set, from the next message on."),
            "text-reset" => Some("The product’s own text counts again."),
            "confirmed" => Some("You are confirmed. Nothing was changed yet: do it once more."),
            _ => None,
        }
    }
}
