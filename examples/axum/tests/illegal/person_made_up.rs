//! A person out of nothing, to be put into a request.

use countersign_client::guard::Person;

fn main() {
    let _ = Person { name: "alice".to_owned() };
}
