//! An elevation that nobody proved.

use countersign_client::guard::{Elevated, Person};

fn elevate(person: Person) -> Elevated {
    Elevated(person)
}

fn main() {
    let _: fn(Person) -> Elevated = elevate;
}
