//! Routes that demand nothing among those that do.

use axum::Router;
use axum::routing::get;
use countersign_client::guard::{Guard, Routes};

fn routes(guard: Guard) -> Routes {
    let plain: Router = Router::new().route("/", get(async || "open to everybody"));
    Routes::new(guard).merge(plain)
}

fn main() {
    let _: fn(Guard) -> Routes = routes;
}
