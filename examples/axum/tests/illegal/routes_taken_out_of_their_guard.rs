//! The router inside, to which anything could be added.

use axum::Router;
use countersign_client::guard::Routes;

fn unguarded(routes: Routes) -> Router {
    routes.router
}

fn main() {
    let _: fn(Routes) -> Router = unguarded;
}
