//! A fuzz target as plain code: its committed corpus and seeded chance run in every test run.
//!
//! Knows: bytes, and where the corpus stands. Must never know: what a good input looks like, beyond its pieces.

use crate::{SeededChance, workspace_root};

/// A fuzz target.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Judges one input; panics where a rule is broken.
    pub run: fn(&[u8]),
    /// What leads chance deep into the parser.
    pub pieces: &'static [&'static str],
}

impl Target {
    /// Runs every input of the committed corpus.
    ///
    /// # Panics
    /// When a rule is broken, or the corpus can't be read or is nearly empty.
    pub fn run_corpus(&self) {
        let folder = workspace_root().join("fuzz/corpus").join(self.name);
        let entries = std::fs::read_dir(&folder).expect("each target has a corpus");
        let inputs: Vec<Vec<u8>> = entries
            .map(|entry| {
                std::fs::read(entry.expect("the folder can be read").path()).expect("the input can be read")
            })
            .collect();
        assert!(inputs.len() >= 5, "the corpus of {} is nearly empty", self.name);
        inputs.iter().for_each(|input| (self.run)(input));
    }

    /// Runs inputs that chance makes: half of them from the pieces, half of them noise.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn run_chance(&self, inputs: usize) {
        let mut chance = SeededChance::from_environment_or(4648);
        for _ in 0..inputs / 2 {
            let mut input = Vec::new();
            for _ in 0..chance.below(16) {
                let piece = usize::try_from(chance.below(self.pieces.len() as u64)).expect("a small number");
                input.extend_from_slice(self.pieces[piece].as_bytes());
            }
            (self.run)(&input);
            let mut noise = vec![0; input.len()];
            chance.fill(&mut noise);
            (self.run)(&noise);
        }
    }
}
