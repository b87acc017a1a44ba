//! A claim without its name and value.

use axum::routing::get;
use countersign_client::guard::{Claim, Guard, Routes};

struct Publisher;

fn routes(guard: Guard) -> Routes {
    Routes::new(guard).signed_in("/", get(async |_: Claim<Publisher>| "earnings"))
}

fn main() {
    let _: fn(Guard) -> Routes = routes;
}
