//! The API of the installation: how it stands, its keys, and the applications that ask about tokens.
//!
//! Knows: bodies and statuses. Must never know: rules.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::views::{Application, SealingKey, SigningKey};
use super::{Administering, unexpected};
use crate::door::http::asked::{Body, Id};
use crate::door::http::openapi::{Administered, Always, Conflict, InSession, Missing, Named, WithBody};
use crate::service::operator::{Ask, Reply};

/// How the server stands.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerStatus)]
struct Status {
    /// What stands in the way of answering; none when nothing does.
    trouble: Option<String>,
    /// The clock, in seconds since 1970.
    now: u64,
    /// The highest time any decision was made at.
    high_water: u64,
}

/// How the server stands.
#[utoipa::path(
    get,
    operation_id = "administer_status",
    path = "/api/admin/status",
    tag = "administration",
    security(("session" = [])),
    responses((status = 200, description = "How it stands", body = Status), InSession, Administered, Always)
)]
pub(in crate::door::http) async fn status(admin: Administering) -> Response {
    match admin.ask(Ask::Status).await {
        Ok(Reply::Status {
            trouble,
            now,
            high_water,
            ..
        }) => Json(Status {
            trouble,
            now,
            high_water,
        })
        .into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// The sealing keys.
#[derive(Serialize, ToSchema)]
#[schema(as = SealingKeys)]
struct Keys {
    /// Oldest first.
    keys: Vec<SealingKey>,
    /// How many accounts there are.
    accounts: u64,
}

/// The keys under which secrets are sealed, and how many each seals.
#[utoipa::path(
    get,
    operation_id = "administer_keys",
    path = "/api/admin/keys",
    tag = "administration",
    security(("session" = [])),
    responses((status = 200, description = "The keys", body = Keys), InSession, Administered, Always)
)]
pub(in crate::door::http) async fn keys(admin: Administering) -> Response {
    match admin.ask(Ask::KeyList).await {
        Ok(Reply::Keys { keys, accounts }) => {
            let keys = keys.into_iter().map(SealingKey::from).collect();
            Json(Keys { keys, accounts }).into_response()
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// A sealing key that was added.
#[derive(Serialize, ToSchema)]
#[schema(as = SealingKeyAdded)]
struct KeyAdded {
    id: String,
}

/// Adds a sealing key; what is sealed from now on is sealed under it.
#[utoipa::path(
    post,
    operation_id = "administer_add_key",
    path = "/api/admin/keys",
    tag = "administration",
    security(("session" = [])),
    responses((status = 201, description = "It is added", body = KeyAdded), InSession, Administered, Conflict, Always)
)]
pub(in crate::door::http) async fn add_key(admin: Administering) -> Response {
    match admin.ask(Ask::KeyRotate).await {
        Ok(Reply::KeyAdded { id }) => (StatusCode::CREATED, Json(KeyAdded { id })).into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Where sealing anew begins.
#[derive(Deserialize, ToSchema)]
#[schema(as = SealAnew)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct Reseal {
    /// The `next` of the page before; empty for the first.
    #[serde(default)]
    after: String,
}

/// A page of accounts whose secrets were sealed anew.
#[derive(Serialize, ToSchema)]
#[schema(as = SealedAnew)]
struct Resealed {
    /// How many accounts were looked at.
    accounts: u64,
    /// How many secrets were sealed under another key before.
    secrets: u64,
    /// Where the next page begins; none after the last.
    next: Option<String>,
}

/// Seals the secrets of a page of accounts under the newest key.
#[utoipa::path(
    post,
    operation_id = "administer_reseal",
    path = "/api/admin/keys/reseal",
    tag = "administration",
    security(("session" = [])),
    request_body = Reseal,
    responses((status = 200, description = "They are", body = Resealed), WithBody, InSession, Administered, Always)
)]
pub(in crate::door::http) async fn reseal(admin: Administering, Body(from): Body<Reseal>) -> Response {
    match admin.ask(Ask::KeyReseal { after: from.after }).await {
        Ok(Reply::Resealed {
            accounts,
            secrets,
            next,
        }) => Json(Resealed {
            accounts,
            secrets,
            next,
        })
        .into_response(),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Forgets a sealing key that nothing depends on any more.
#[utoipa::path(
    delete,
    operation_id = "administer_forget_key",
    path = "/api/admin/keys/{id}",
    tag = "administration",
    security(("session" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "It is forgotten", body = super::Done),
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn forget_key(admin: Administering, Id(id): Id) -> Response {
    admin.have_done(Ask::KeyForget { id }).await
}

/// The keys that sign tokens, oldest first.
#[utoipa::path(
    get,
    operation_id = "administer_signing_keys",
    path = "/api/admin/signing-keys",
    tag = "administration",
    security(("session" = [])),
    responses((status = 200, description = "The keys", body = Vec<SigningKey>), InSession, Administered, Always)
)]
pub(in crate::door::http) async fn signing_keys(admin: Administering) -> Response {
    match admin.ask(Ask::SigningList).await {
        Ok(Reply::SigningKeys { keys }) => all::<_, SigningKey>(keys),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Publishes another signing key, which takes over from the newest.
#[utoipa::path(
    post,
    operation_id = "administer_add_signing_key",
    path = "/api/admin/signing-keys",
    tag = "administration",
    security(("session" = [])),
    responses(
        (status = 200, description = "The keys", body = Vec<SigningKey>),
        InSession,
        Administered,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn add_signing_key(admin: Administering) -> Response {
    match admin.ask(Ask::SigningRotate).await {
        Ok(Reply::SigningKeys { keys }) => all::<_, SigningKey>(keys),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// The applications that may ask about tokens, in the order of their names.
#[utoipa::path(
    get,
    operation_id = "administer_applications",
    path = "/api/admin/applications",
    tag = "administration",
    security(("session" = [])),
    responses(
        (status = 200, description = "The applications", body = Vec<Application>),
        InSession,
        Administered,
        Always
    )
)]
pub(in crate::door::http) async fn applications(admin: Administering) -> Response {
    match admin.ask(Ask::AppList).await {
        Ok(Reply::Applications { applications }) => all::<_, Application>(applications),
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// An application to be added, or given another secret.
#[derive(Deserialize, ToSchema)]
#[schema(as = ApplicationToAdd)]
#[serde(deny_unknown_fields)]
pub(in crate::door::http) struct New {
    name: String,
    /// Whether it is there already, and is to have another secret.
    #[serde(default)]
    renew: bool,
}

/// An application's name and secret; shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = ApplicationSecret)]
struct Secret<'a> {
    /// Its `client_id`.
    name: &'a str,
    secret: &'a str,
}

/// Adds an application, or gives one another secret; it is shown here and never again.
#[utoipa::path(
    post,
    operation_id = "administer_add_application",
    path = "/api/admin/applications",
    tag = "administration",
    security(("session" = [])),
    request_body = New,
    responses(
        (status = 201, description = "Its name and secret", body = Secret),
        WithBody,
        InSession,
        Administered,
        Missing,
        Conflict,
        Always
    )
)]
pub(in crate::door::http) async fn add_application(admin: Administering, Body(new): Body<New>) -> Response {
    let New { name, renew } = new;
    match admin.ask(Ask::AppAdd { name, renew }).await {
        Ok(Reply::Application(added)) => {
            let (name, secret) = (&added.name, &*added.secret);
            (StatusCode::CREATED, Json(Secret { name, secret })).into_response()
        }
        Ok(_) => unexpected(),
        Err(answer) => answer,
    }
}

/// Removes an application; it is known no more at once.
#[utoipa::path(
    delete,
    operation_id = "administer_remove_application",
    path = "/api/admin/applications/{name}",
    tag = "administration",
    security(("session" = [])),
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "It is gone", body = super::Done),
        Named,
        InSession,
        Administered,
        Missing,
        Always
    )
)]
pub(in crate::door::http) async fn remove_application(admin: Administering, Id(name): Id) -> Response {
    admin.have_done(Ask::AppRemove { name }).await
}

/// A list as it is shown.
fn all<T, V: From<T> + Serialize>(list: Vec<T>) -> Response {
    Json(list.into_iter().map(V::from).collect::<Vec<_>>()).into_response()
}
