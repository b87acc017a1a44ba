//! Whoever is signed in, where an elevation is asked for.

use countersign_client::guard::{Elevated, Session};

fn pay(_: &Elevated) {}

fn transfer(session: Session) {
    pay(&session);
}

fn main() {
    let _: fn(Session) = transfer;
}
