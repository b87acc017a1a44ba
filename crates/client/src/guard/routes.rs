//! Routes of axum that each say what they demand.
//!
//! Knows: that there is no way to add a route without saying for whom it is. Must never know: what routes do.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{IntoMakeService, MethodRouter, Route, RouterIntoService};
use axum::{Router, ServiceExt};
use tower_layer::Layer;
use tower_service::Service;

use super::{Guard, Posture};

/// Routes, each with what it demands. Whatever was not declared is not there: 404.
///
/// A plain [`Router`] can be neither merged in nor taken out, because its routes demand nothing; [`nest`](Routes::nest)
/// puts one behind a posture. A path that is declared twice is a mistake, and panics at the start, as in axum.
///
/// ```
/// use axum::routing::{get, post};
/// use countersign_client::guard::{Elevated, Guard, Posture, Routes, Session};
///
/// fn routes(guard: Guard) -> Routes {
///     Routes::new(guard)
///         .public("/", get(async || "Welcome."))
///         .signed_in("/profile", get(async |session: Session| session.name().to_owned()))
///         .elevated("/payment/transfer", post(async |_: Elevated| "transferred"))
///         .route("/keys/rotate", Posture::fresh(60).group("operators"), post(async || "rotated"))
/// }
/// ```
#[must_use]
pub struct Routes<S = ()> {
    guard: Guard,
    router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new(guard: Guard) -> Routes<S> {
        let router = Router::new();
        Routes { guard, router }
    }

    /// A route for everybody. An `Option<Session>` tells who it is, where somebody is signed in.
    pub fn public(self, path: &str, methods: MethodRouter<S>) -> Routes<S> {
        let methods = methods.layer(self.guard.open_layer());
        self.with(|router| router.route(path, methods))
    }

    /// A route for whoever is signed in.
    pub fn signed_in(self, path: &str, methods: MethodRouter<S>) -> Routes<S> {
        self.route(path, Posture::signed_in(), methods)
    }

    /// A route for whoever is elevated.
    pub fn elevated(self, path: &str, methods: MethodRouter<S>) -> Routes<S> {
        self.route(path, Posture::elevated(), methods)
    }

    /// A route for whoever meets a posture.
    pub fn route(self, path: &str, posture: Posture, methods: MethodRouter<S>) -> Routes<S> {
        let methods = methods.layer(self.guard.layer(posture));
        self.with(|router| router.route(path, methods))
    }

    /// Everything below a path for whoever meets a posture, whatever the router there declares.
    pub fn nest(self, path: &str, posture: Posture, below: Router<S>) -> Routes<S> {
        let below = below.layer(self.guard.layer(posture));
        self.with(|router| router.nest(path, below))
    }

    /// These routes and those.
    pub fn merge(self, others: Routes<S>) -> Routes<S> {
        self.with(|router| router.merge(others.router))
    }

    /// Puts a layer around all routes so far: what it does comes before the guard.
    pub fn layer<L>(self, layer: L) -> Routes<S>
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.with(|router| router.layer(layer))
    }

    /// Gives the handlers their state.
    pub fn with_state<T>(self, state: S) -> Routes<T> {
        let router = self.router.with_state(state);
        Routes {
            guard: self.guard,
            router,
        }
    }

    fn with(self, change: impl FnOnce(Router<S>) -> Router<S>) -> Routes<S> {
        Routes {
            router: change(self.router),
            guard: self.guard,
        }
    }
}

impl Routes {
    /// What `axum::serve` serves.
    pub fn into_make_service(self) -> IntoMakeService<RouterIntoService<Body>> {
        ServiceExt::<Request>::into_make_service(self.into_service())
    }

    /// A service that answers requests.
    pub fn into_service(self) -> RouterIntoService<Body> {
        self.router.into_service()
    }
}
