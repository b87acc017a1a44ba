//! Weighed: the verification of a response, of whichever suite.

#![no_std]
#![no_main]

use countersign_image::{end, entry, weighed};

#[entry]
fn main() -> ! {
    end(weighed::ocra("OCRA-1:HOTP-SHA1-6:QN08", "243178"))
}
