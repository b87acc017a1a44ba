//! A route that does not say for whom it is.

use axum::routing::get;
use countersign_client::guard::{Guard, Routes};

fn routes(guard: Guard) -> Routes {
    Routes::new(guard).route("/", get(async || "open to whom?"))
}

fn main() {
    let _: fn(Guard) -> Routes = routes;
}
