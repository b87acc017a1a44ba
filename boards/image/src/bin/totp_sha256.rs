//! Weighed: the verification of a time-based code with HMAC-SHA-256 alone.

#![no_std]
#![no_main]

use countersign_core::otp::Algorithm;
use countersign_image::{end, entry, weighed};

#[entry]
fn main() -> ! {
    end(weighed::totp(Algorithm::Sha256, "869966"))
}
