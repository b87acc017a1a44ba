//! Weighed: the verification of a time-based code with whichever of the three hash functions a secret has.

#![no_std]
#![no_main]

use core::hint::black_box;

use countersign_core::otp::Algorithm;
use countersign_image::{end, entry, weighed};

#[entry]
fn main() -> ! {
    end(weighed::totp(black_box(Algorithm::Sha1), "921300"))
}
