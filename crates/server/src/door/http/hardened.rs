//! What every answer carries, and how long any request may take.
//!
//! Knows: headers that hold for all routes. Must never know: any one of them. It is a service and no function of
//! axum's, because it stands before every request and those box and copy more than it does.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use tower::Service;

use super::asked::RequestId;
use super::{answer, listen};

/// Headers of every answer, whatever it says itself.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    ),
];
/// Headers of every answer that does not say otherwise.
const UNLESS_SAID: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A service whose every answer comes in time and is hardened.
#[derive(Clone)]
pub(super) struct Hardened<S>(pub(super) S);

impl<S> Service<Request> for Hardened<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let id = request.extensions().get::<RequestId>().cloned();
        // The route and not the path: a path is what a client chose to write, and may hold anything.
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let answered = tokio::time::timeout(listen::REQUEST_TIME_MAX, self.0.call(request));
        Box::pin(async move {
            let mut response = match answered.await {
                Ok(Ok(response)) => response,
                Err(_) => answer::too_slow(),
            };
            let id = id.map_or_else(String::new, |RequestId(id)| id);
            let route = route.as_ref().map_or("", MatchedPath::as_str);
            tracing::debug!(%id, %method, route, status = response.status().as_u16(), "answered");
            harden(response.headers_mut(), id);
            Ok(response)
        })
    }
}

fn harden(headers: &mut HeaderMap, id: String) {
    headers.reserve(ALWAYS.len() + UNLESS_SAID.len() + 1);
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    for (name, value) in UNLESS_SAID {
        headers.entry(name).or_insert(value);
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
}
