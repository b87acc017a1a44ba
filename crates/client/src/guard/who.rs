//! Who calls, as a handler's arguments.
//!
//! Knows: how to find the caller of a request that was guarded, and that nobody is found in one that was not. Must
//! never know: a way to make a caller up; a guard alone has one.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use countersign_core::elevation::Demand;
use serde_json::{Value, json};

use super::layer::{Scope, response, written};
use super::posture::has_claim;
use super::refused::Answer;
use super::{NotTheirs, Person, Posture, Refused, StepUpStatus};

/// Whoever is signed in; 401 where nobody is. `Option<Session>` takes those too who show no token at all.
#[derive(Clone, Debug)]
pub struct Session(Person);

/// Whoever is elevated; 401 where nobody is signed in, 403 where they are not elevated.
#[derive(Clone, Debug)]
pub struct Elevated(Person);

/// Whoever has a claim; 401 where nobody is signed in, 403 where they have not.
///
/// ```
/// use countersign_client::guard::{Claim, RequiredClaim};
/// use serde_json::{Value, json};
///
/// struct Publisher;
///
/// impl RequiredClaim for Publisher {
///     const NAME: &str = "publisher";
///     fn value() -> Value {
///         json!(true)
///     }
/// }
///
/// async fn earnings(publisher: Claim<Publisher>) -> String {
///     format!("{} earned nothing yet", publisher.name())
/// }
/// ```
pub struct Claim<C: RequiredClaim> {
    person: Person,
    claim: PhantomData<fn() -> C>,
}

/// A claim that [`Claim`] demands.
pub trait RequiredClaim {
    /// Its name, among the account's own claims.
    const NAME: &str;

    /// The value it must have, of the same JSON type.
    fn value() -> Value;
}

/// A refusal, ready to go out.
pub struct Denied(Response);

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        self.0
    }
}

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Denied").field(&self.0.status()).finish()
    }
}

impl IntoResponse for NotTheirs {
    fn into_response(self) -> Response {
        let status = match self {
            NotTheirs::Hidden => 404,
            NotTheirs::Refused => 403,
        };
        written(Answer {
            status,
            www_authenticate: None,
            body: json!({ "error": self.to_string() }).to_string(),
        })
    }
}

impl Deref for Session {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.0
    }
}

impl Deref for Elevated {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.0
    }
}

impl<C: RequiredClaim> Deref for Claim<C> {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.person
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Session, Denied> {
        caller(parts, |_, _| Ok(())).await.map(Session)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Session>, Denied> {
        // A token that is worth nothing is refused here as well: whoever shows one believes to be signed in.
        match parts.headers.contains_key(AUTHORIZATION) {
            true => caller(parts, |_, _| Ok(()))
                .await
                .map(|person| Some(Session(person))),
            false => Ok(None),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Elevated {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Elevated, Denied> {
        let elevated = Posture::signed_in().demand(Demand::ELEVATED);
        let judged = caller(parts, |scope, person| scope.guard.judge(person, &elevated));
        judged.await.map(Elevated)
    }
}

impl<S: Sync, C: RequiredClaim> FromRequestParts<S> for Claim<C> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Claim<C>, Denied> {
        let person = caller(parts, |_, person| has_claim(person, C::NAME, &C::value())).await?;
        Ok(Claim {
            person,
            claim: PhantomData,
        })
    }
}

/// Who calls and passes a judgement. In a request that no guard has seen, nobody does.
async fn caller(
    parts: &mut Parts,
    judge: impl FnOnce(&Scope, &Person) -> Result<(), Refused>,
) -> Result<Person, Denied> {
    let Some(scope) = parts.extensions.get::<Scope>().cloned() else {
        let unguarded = Refused::SignInDue.answer("", StepUpStatus::default());
        return Err(Denied(written(unguarded)));
    };
    let known = parts.extensions.get::<Person>().cloned();
    let found = match known {
        Some(person) => Ok(person),
        None => scope.guard.caller(&parts.headers).await,
    };
    let judged = found.and_then(|person| {
        judge(&scope, &person)?;
        Ok(person)
    });
    match judged {
        Ok(person) => {
            parts.extensions.insert(person.clone());
            Ok(person)
        }
        Err(refused) => Err(Denied(response(refused, &scope.guard, scope.status))),
    }
}
