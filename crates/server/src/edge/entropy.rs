//! Randomness from the operating system: the only place that asks for it.
//!
//! Knows: the system's generator. Must never know: what it is for.

use countersign_auth::rule::Entropy;

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// When the operating system has no randomness: nothing secret can be made without it.
    fn fill(&mut self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives randomness");
    }
}
