//! A claim without its name and value.

use countersign_client::guard::Claim;

struct Publisher;

fn earnings(_: Claim<Publisher>) {}

fn main() {
    let _: fn(Claim<Publisher>) = earnings;
}
