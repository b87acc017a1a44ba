//! Chance that can be replayed: the same seed gives the same bytes on every machine, for ever.
//!
//! Knows a seed and a counter. Must never be used for a secret that protects anything.

use std::io::Write;

use sha2::{Digest, Sha256};

/// Bytes from SHA-256 over a seed and a block number. A failing test prints the seed, which replays it.
#[derive(Debug)]
pub struct SeededChance {
    seed: u64,
    block_number: u64,
    block: [u8; 32],
    used: usize,
}

impl SeededChance {
    /// Chance that follows from `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            block_number: 0,
            block: [0; 32],
            used: 32,
        }
    }

    /// Chance from the seed in the environment variable `COUNTERSIGN_SEED`, or from `otherwise` where none is
    /// set.
    ///
    /// # Panics
    /// Panics on a seed that is no decimal number, since a replay of something else would mislead.
    #[must_use]
    pub fn from_environment_or(otherwise: u64) -> Self {
        let seed = std::env::var("COUNTERSIGN_SEED").map_or(otherwise, |text| {
            text.parse()
                .expect("COUNTERSIGN_SEED is a decimal number of 64 bits")
        });
        Self::new(seed)
    }

    /// The seed that replays this chance.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Fills the whole slice.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.block.len() {
                self.next_block();
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    /// The next number of 64 bits.
    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The next number below `bound`.
    ///
    /// The division leaves a bias of at most `bound` in 2^64, which no test can see.
    ///
    /// # Panics
    /// Panics for a bound of 0, below which there is no number.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        self.number() % bound
    }

    fn next_block(&mut self) {
        let digest = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(self.block_number.to_le_bytes())
            .finalize();
        self.block.copy_from_slice(&digest);
        self.block_number += 1;
        self.used = 0;
    }
}

impl Drop for SeededChance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A closed standard error leaves nobody to tell, and a second panic here would end the process.
            drop(writeln!(
                std::io::stderr(),
                "replay with COUNTERSIGN_SEED={}",
                self.seed
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_bytes_in_any_portions() {
        let (mut whole, mut portions) = ([0; 100], [0; 100]);
        SeededChance::new(7).fill(&mut whole);
        let mut chance = SeededChance::new(7);
        for portion in portions.chunks_mut(9) {
            chance.fill(portion);
        }
        assert_eq!(whole, portions);
        let mut other = [0; 100];
        SeededChance::new(8).fill(&mut other);
        assert_ne!(whole, other);
    }

    #[test]
    fn bytes_are_those_of_sha256_over_seed_and_block() {
        let mut bytes = [0; 64];
        SeededChance::new(1).fill(&mut bytes);
        let second = Sha256::new()
            .chain_update(1_u64.to_le_bytes())
            .chain_update(1_u64.to_le_bytes())
            .finalize();
        assert_eq!(bytes[32..], second[..]);
    }

    #[test]
    fn number_stays_below_its_bound() {
        let mut chance = SeededChance::new(3);
        let seen: std::collections::BTreeSet<u64> = (0..1_000).map(|_| chance.below(6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }
}
