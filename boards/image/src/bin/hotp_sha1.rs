//! Weighed: the verification of a counter-based code.

#![no_std]
#![no_main]

use countersign_image::{end, entry, weighed};

#[entry]
fn main() -> ! {
    end(weighed::hotp("969429"))
}
