//! The API of people: listed, added, changed, helped, and taken in and out as lists.
//!
//! Knows: bodies and statuses. Must never know: rules.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_auth::claim::{ClaimValue, Claims};
use countersign_auth::command::people::Amendment;
use countersign_auth::role::Role;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::views::{self, PersonShown, Ticket};
use super::{Administering, Wanted, unexpected};
use crate::door::http::asked::{Body, Id, Two};
use crate::door::http::openapi::{
    Administered, Always, Conflict, InSession, Missing, Named, Parameters, WithBody,
};
use crate::service::operator::{Ask, Person, PersonTaken, Reply};

/// Which people.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::door::http) struct Listed {
    /// Name of the account after which to begin; the `next` of the page before.
    #[serde(default)]
    after: String,
    /// What the name, the mail address or a group holds.
    #[serde(default)]
    matching: String,
}

/// A page of people.
#[derive(Serialize, ToSchema)]
#[schema(as = PeoplePage)]
struct Page {
    people: Vec<views::Person>,
    /// Where the next page begins; none after the last.
    next: Option<String>,
}

/// Lists people in the order of their names, at most 100 at a time.
#[utoipa::path(
    get,
    operation_id = "administer_list",
    path = "/api/admin/people",
    tag = "administration",
    security(("session" = [])),
    params(Listed),
    responses(
        (status = 200, description = "A page of people", body = Page),
        Parameters,
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn list(admin: Administering, Wanted(listed): Wanted<Listed>) -> Response {
    let Listed { after, matching } = listed;
    match admin.ask(Ask::UserList { after, matching }).await {
        Ok(Reply::Users { users, next }) => {
            let people = users.into_iter().map(views::Person::from).collect();
            Json(Page { people, next }).into_response()
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Somebody to be added. They choose their password by the ticket in the answer.
#[derive(Deserialize, ToSchema)]
#[schema(as = PersonToAdd)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct New {
    name: String,
    /// Groups; that of a role gives the role.
    #[serde(default)]
    groups: Vec<String>,
}

/// Somebody who was added.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonAdded)]
struct Added {
    status: &'static str,
    name: String,
    /// What lets them set a password; shown once.
    ticket: Option<Ticket>,
}

/// Adds an account and makes the link by which its owner sets a password.
#[utoipa::path(
    post,
    operation_id = "administer_add",
    path = "/api/admin/people",
    tag = "administration",
    security(("session" = [])),
    request_body = New,
    responses(
        (status = 201, description = "The account is there", body = Added),
        WithBody,
        InSession,
        Administered,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn add(admin: Administering, Body(new): Body<New>) -> Response {
    let ask = Ask::UserAdd {
        name: new.name,
        groups: new.groups,
        password: None,
        totp: false,
    };
    match admin.ask(ask).await {
        Ok(Reply::UserAdded(added)) => {
            let body = Added {
                status: "success",
                name: added.name,
                ticket: added.invitation.map(Ticket::from),
            };
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Shows an account: role, groups, claims, factors, sessions with their elevations, failures.
#[utoipa::path(
    get,
    operation_id = "administer_show",
    path = "/api/admin/people/{name}",
    tag = "administration",
    security(("session" = [])),
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "The account", body = PersonShown),
        Named,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn show(admin: Administering, Id(name): Id) -> Response {
    match admin.ask(Ask::UserShow { name }).await {
        Ok(Reply::User(shown)) => Json(PersonShown::from(shown)).into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// What is to be so; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = PersonChange)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct Change {
    /// `user`, `auditor`, `operator` or `administrator`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// Groups to join.
    #[serde(default)]
    join: Vec<String>,
    /// Groups to leave.
    #[serde(default)]
    leave: Vec<String>,
    /// Claims to have.
    #[serde(default)]
    #[schema(value_type = Object)]
    claims: Claims,
    /// Names of claims to lose.
    #[serde(default)]
    remove_claims: Vec<String>,
}

/// Changes role, groups and claims of an account: all that is named, or nothing.
#[utoipa::path(
    patch,
    operation_id = "administer_change",
    path = "/api/admin/people/{name}",
    tag = "administration",
    security(("session" = [])),
    params(("name" = String, Path)),
    request_body = Change,
    responses(
        (status = 200, description = "It is so", body = super::Done),
        WithBody,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn change(
    admin: Administering,
    Id(name): Id,
    Body(change): Body<Change>,
) -> Response {
    let claims = change.claims.into_iter();
    let amendments = change
        .role
        .map(Amendment::Role)
        .into_iter()
        .chain(change.join.into_iter().map(Amendment::Join))
        .chain(change.leave.into_iter().map(Amendment::Leave))
        .chain(claims.map(|(name, value): (String, ClaimValue)| Amendment::Claim(name, value)))
        .chain(change.remove_claims.into_iter().map(Amendment::Unclaim))
        .collect();
    admin.have_done(Ask::UserAmend { name, amendments }).await
}

/// Where somebody is reached; none takes it away.
#[derive(Deserialize, ToSchema)]
#[schema(as = PersonContact)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct Reached {
    /// The mail address, or the number in E.164.
    value: Option<String>,
}

/// Sets where an account's owner is written to, or sent text messages; whoever does so vouches for it.
#[utoipa::path(
    put,
    operation_id = "administer_reach",
    path = "/api/admin/people/{name}/{what}",
    tag = "administration",
    security(("session" = [])),
    params(("name" = String, Path), ("what" = String, Path, pattern = "^(email|phone)$")),
    request_body = Reached,
    responses(
        (status = 200, description = "It is set", body = super::Done),
        WithBody,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn reach(
    admin: Administering,
    Two(name, contact): Two,
    Body(reached): Body<Reached>,
) -> Response {
    let ask = match contact.as_str() {
        "email" => Ask::UserEmail {
            name,
            address: reached.value,
        },
        "phone" => Ask::UserPhone {
            name,
            number: reached.value,
        },
        _ => return crate::door::http::answer::not_found().await,
    };
    admin.have_done(ask).await
}

/// Helps somebody as the command of that name does: `disable`, `enable`, `reset`, `invite`, `vouch`, `unlock`,
/// `end-sessions` or `remove-factors`.
#[utoipa::path(
    post,
    operation_id = "administer_help",
    path = "/api/admin/people/{name}/{what}",
    tag = "administration",
    security(("session" = [])),
    params(
        ("name" = String, Path),
        ("what" = String, Path, pattern = "^(disable|enable|reset|invite|vouch|unlock|end-sessions|remove-factors)$")
    ),
    responses(
        (status = 200, description = "It is done", body = super::Done),
        Named,
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn help(admin: Administering, Two(name, act): Two) -> Response {
    match ask_of(&act, name) {
        Some(ask) => admin.have_done(ask).await,
        None => crate::door::http::answer::not_found().await,
    }
}

/// What an act of one word asks for.
pub(in crate::door::http) fn ask_of(act: &str, name: String) -> Option<Ask> {
    Some(match act {
        "disable" => Ask::UserDisable { name },
        "enable" => Ask::UserEnable { name },
        "reset" => Ask::UserReset { name },
        "invite" => Ask::UserInvite { name },
        "vouch" => Ask::UserVouch { name },
        "unlock" => Ask::UserUnlock { name },
        "end-sessions" => Ask::UserEndSessions { name },
        "remove-factors" => Ask::UserRemoveFactors { name },
        _ => return None,
    })
}

/// Ends one session of somebody.
#[utoipa::path(
    delete,
    operation_id = "administer_end_session",
    path = "/api/admin/people/{name}/sessions/{id}",
    tag = "administration",
    security(("session" = [])),
    params(("name" = String, Path), ("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    responses(
        (status = 200, description = "It is over", body = super::Done),
        Named,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn end_session(admin: Administering, Two(name, session): Two) -> Response {
    admin.have_done(Ask::UserEndSession { name, session }).await
}

/// Removes one second factor of somebody and ends their sessions; with the last one the backup codes go.
#[utoipa::path(
    delete,
    operation_id = "administer_remove_factor",
    path = "/api/admin/people/{name}/factors/{id}",
    tag = "administration",
    security(("session" = [])),
    params(("name" = String, Path), ("id" = String, Path, pattern = "^[0-9a-f]{8}$")),
    responses(
        (status = 200, description = "It is gone", body = super::Done),
        Named,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn remove_factor(admin: Administering, Two(name, factor): Two) -> Response {
    admin.have_done(Ask::UserRemoveFactor { name, factor }).await
}

/// Where a page of a list begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::door::http) struct From {
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A page of a list of people.
#[derive(Serialize, ToSchema)]
#[schema(as = PeopleList)]
struct TakenOut {
    #[schema(value_type = Vec<Object>)]
    people: Vec<Person>,
    /// Where the next page begins; none after the last.
    next: Option<String>,
}

/// Takes a list of people out: names, roles, groups, claims and states, and nothing secret.
#[utoipa::path(
    get,
    operation_id = "administer_export",
    path = "/api/admin/export",
    tag = "administration",
    security(("session" = [])),
    params(From),
    responses(
        (status = 200, description = "A page of it", body = TakenOut),
        Parameters,
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn export(admin: Administering, Wanted(from): Wanted<From>) -> Response {
    match admin.ask(Ask::PeopleExport { after: from.after }).await {
        Ok(Reply::People { people, next }) => Json(TakenOut { people, next }).into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// A list of people to take over.
#[derive(Deserialize, ToSchema)]
#[schema(as = PeopleToTake)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct List {
    /// With the members that an export has, and `password_hash` for whoever has no password yet.
    #[schema(value_type = Vec<Object>)]
    people: Vec<Person>,
    /// Whether accounts that exist are made like the list says; otherwise they are left alone.
    #[serde(default)]
    update: bool,
    /// Whether only to say what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// What came of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = PeopleTaken)]
struct TakenIn {
    /// One for each of the list.
    #[schema(value_type = Vec<Object>)]
    people: Vec<PersonTaken>,
}

/// Takes people over from a list, each account whole or not at all.
#[utoipa::path(
    post,
    operation_id = "administer_import",
    path = "/api/admin/import",
    tag = "administration",
    security(("session" = [])),
    request_body = List,
    responses(
        (status = 200, description = "What came of each", body = TakenIn),
        WithBody,
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn import(admin: Administering, Body(list): Body<List>) -> Response {
    let List {
        people,
        update,
        dry_run,
    } = list;
    match admin
        .ask(Ask::PeopleImport {
            people,
            update,
            dry_run,
        })
        .await
    {
        Ok(Reply::PeopleImported { people }) => Json(TakenIn { people }).into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}
