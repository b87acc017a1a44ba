//! The API of administration: what the operator's commands do, for whoever has the role.
//!
//! Knows: how a role and a proof that do not suffice are answered. Must never know: what each takes; see
//! [`Ask::needs`]. Read next: `people`, and `installation` for keys and applications.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use countersign_auth::command::authority::{Needs, NotAllowed};
use countersign_auth::event::Origin;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub(super) mod history;
pub(super) mod installation;
pub(super) mod people;
pub(super) mod texts;
pub(super) mod throttles;
mod views;

use super::asked::{Asked, Whole};
use super::step_up::{STEP_UP_URL, owed};
use super::{Shared, answer};
use views::Ticket;

use crate::service::operator::{Ask, Operator, Refusal, Reply};
use crate::service::{Failure, Live};

/// Somebody signed in who asks by a role.
pub(super) struct Administering {
    service: Shared,
    live: Live,
    origin: Origin,
}

impl FromRequestParts<Shared> for Administering {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Administering, Response> {
        let Whole(live) = Whole::from_request_parts(parts, service).await?;
        let Asked(origin) = Asked::from_request_parts(parts, service).await?;
        let service = service.clone();
        Ok(Administering {
            service,
            live,
            origin,
        })
    }
}

impl Administering {
    /// The reply, or the answer that says why there is none.
    async fn ask(&self, ask: Ask) -> Result<Reply, Response> {
        let needs = ask.needs();
        let operator = Operator::new(self.service.clone());
        match operator.answer_as(&self.live, ask, &self.origin).await {
            Err(failure) => Err(answer::failed(&failure)),
            Ok(Err(why)) => Err(not_allowed(why, &needs, self.service.policy().elevation_s)),
            Ok(Ok(Reply::Refused { what, why })) => Err(refused(what, &why)),
            Ok(Ok(reply)) => Ok(reply),
        }
    }

    /// Asks for something that leaves nothing to say, or a ticket.
    async fn have_done(&self, ask: Ask) -> Response {
        match self.ask(ask).await {
            Err(answer) => answer,
            Ok(reply) => {
                let ticket = match reply {
                    Reply::Ticket(ticket) => Some(Ticket::from(ticket)),
                    _ => None,
                };
                Json(Done {
                    status: "success",
                    ticket,
                })
                .into_response()
            }
        }
    }
}

/// It is done.
#[derive(Serialize, ToSchema)]
#[schema(as = Administered)]
struct Done {
    status: &'static str,
    /// What lets the account's owner set a password, where that is what was asked for; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ticket: Option<Ticket>,
}

fn not_allowed(why: NotAllowed, needs: &Needs, elevation_s: u32) -> Response {
    let forbidden = |code, title, detail| answer::problem(StatusCode::FORBIDDEN, code, title, detail);
    let lacking = || {
        let detail = "somebody with a greater role has to do it";
        forbidden("not_permitted", "Your role does not suffice", detail)
    };
    match why {
        NotAllowed::NoSession => super::enrol::refused(&countersign_auth::command::enrol::Denied::NoSession),
        NotAllowed::Lacking => lacking(),
        NotAllowed::Outranked => {
            let detail = "the other account may do what your role may not";
            forbidden("outranked", "Your role does not suffice", detail)
        }
        NotAllowed::Elevation(verdict) => {
            let demand = needs.demand();
            let status = StatusCode::FORBIDDEN;
            owed(verdict, &demand, status, STEP_UP_URL, elevation_s).unwrap_or_else(lacking)
        }
    }
}

fn refused(what: Refusal, why: &str) -> Response {
    let (status, code, title) = match what {
        Refusal::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request can't be used"),
        Refusal::Missing => (StatusCode::NOT_FOUND, "missing", "There is no such thing"),
        Refusal::Conflict => (
            StatusCode::CONFLICT,
            "conflict",
            "It can't be done as things stand",
        ),
    };
    answer::problem(status, code, title, why)
}

/// A reply that does not belong to what was asked.
fn unexpected() -> Response {
    answer::failed(&Failure::Internal)
}

/// What stands behind the question mark of a request line.
///
/// # Security
/// What could not be read is never repeated.
pub(super) struct Wanted<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Wanted<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Wanted<T>, Response> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(wanted)) => Ok(Wanted(wanted)),
            Err(_) => {
                let detail = "a parameter is unknown, twice, or of another type; see /openapi.json";
                Err(answer::bad_request("malformed", detail))
            }
        }
    }
}
