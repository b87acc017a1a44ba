//! Whole sign-ins, on the board.

#![no_std]
#![no_main]

use countersign_image::{Console, end, entry};

/// Bytes of the heap.
const HEAP_BYTES: usize = 96 * 1024;

#[global_allocator]
static HEAP: emballoc::Allocator<HEAP_BYTES> = emballoc::Allocator::new();

#[entry]
fn main() -> ! {
    end(countersign_checks::tell_sign_ins(&mut Console) == Ok(true))
}
