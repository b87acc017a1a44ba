//! Weighed: what every image carries before it does anything.

#![no_std]
#![no_main]

use countersign_image::{end, entry};

#[entry]
fn main() -> ! {
    end(true)
}
