//! Weighed: the verification of a time-based code with HMAC-SHA-1 alone.

#![no_std]
#![no_main]

use countersign_core::otp::Algorithm;
use countersign_image::{end, entry, weighed};

#[entry]
fn main() -> ! {
    end(weighed::totp(Algorithm::Sha1, "921300"))
}
