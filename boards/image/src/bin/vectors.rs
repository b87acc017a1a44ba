//! Every vector, on the board.

#![no_std]
#![no_main]

use countersign_image::{Console, end, entry};

#[entry]
fn main() -> ! {
    end(countersign_checks::tell_vectors(&mut Console) == Ok(true))
}
