//! The guard before any tower service that answers HTTP.
//!
//! Knows: where a request carries its token, and where its person is put for whoever comes after. Must never know:
//! which framework comes after.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, Flaw, Guard, Person, Posture, Refused, StepUpStatus};

impl Guard {
    /// A tower layer that lets through whoever meets a posture. The [`Person`] is in the request's extensions.
    pub fn layer(&self, posture: Posture) -> GuardLayer {
        GuardLayer {
            guard: self.clone(),
            posture: Some(posture.into()),
        }
    }

    /// A layer that lets everybody through, and leaves it to extractors to ask who it is.
    #[cfg(feature = "axum")]
    pub(crate) fn open_layer(&self) -> GuardLayer {
        GuardLayer {
            guard: self.clone(),
            posture: None,
        }
    }

    /// Who calls, by a request's headers.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Person, Refused> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Err(Refused::SignInDue);
        };
        let text = value.to_str().ok().filter(|_| values.next().is_none());
        let text = text.ok_or(Refused::Worthless(Flaw::Shape))?;
        self.check(Some(text), &Posture::signed_in()).await
    }
}

/// Makes services [`Guarded`].
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: Guard,
    posture: Option<std::sync::Arc<Posture>>,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that is reached only by whoever meets its posture.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    layer: GuardLayer,
}

/// What extractors find in a request: who guards it, and how refusals are told here.
#[cfg(feature = "axum")]
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) guard: Guard,
    pub(crate) status: Option<StepUpStatus>,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that was found ready serves; a clone takes its place.
        let fresh = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, fresh);
        let GuardLayer { guard, posture } = self.layer.clone();
        let status = posture.as_ref().and_then(|posture| posture.status());
        let headers = request.headers().clone();
        Box::pin(async move {
            if let Some(posture) = posture {
                let judged = guard.caller(&headers).await.and_then(|person| {
                    guard.judge(&person, &posture)?;
                    Ok(person)
                });
                match judged {
                    Ok(person) => drop(request.extensions_mut().insert(person)),
                    Err(refused) => return Ok(response(refused, &guard, status)),
                }
            }
            #[cfg(feature = "axum")]
            request.extensions_mut().insert(Scope { guard, status });
            ready.call(request).await
        })
    }
}

/// A refusal as a response. The [`Refused`] is in its extensions, for the application's own log.
pub(crate) fn response<R: From<String>>(
    refused: Refused,
    guard: &Guard,
    status: Option<StepUpStatus>,
) -> Response<R> {
    let mut response = written(guard.answer(&refused, status));
    response.extensions_mut().insert(refused);
    response
}

/// An answer as a response. It is of this moment, so nobody keeps it.
pub(crate) fn written<R: From<String>>(answer: Answer) -> Response<R> {
    let mut response = Response::new(R::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = answer.www_authenticate {
        let value = HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Bearer"));
        headers.insert(WWW_AUTHENTICATE, value);
    }
    if answer.status == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
