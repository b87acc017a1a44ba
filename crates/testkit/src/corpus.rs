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
        let inputs = self.corpus();
        assert!(inputs.len() >= 5, "the corpus of {} is nearly empty", self.name);
        inputs.iter().for_each(|input| (self.run)(input));
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = workspace_root().join("fuzz/corpus").join(self.name);
        let entries = std::fs::read_dir(&folder).expect("each target has a corpus");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("the folder can be read").path())
            .collect();
        // The same seed makes the same inputs, in whatever order a folder is listed.
        paths.sort();
        paths
            .iter()
            .map(|path| std::fs::read(path).expect("the input can be read"))
            .collect()
    }

    /// Runs inputs that chance makes: a third of the pieces, a third noise, a third of the corpus with changes.
    /// `COUNTERSIGN_FUZZ_TIMES` asks for as many times more.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn run_chance(&self, inputs: usize) {
        let times = std::env::var("COUNTERSIGN_FUZZ_TIMES").map_or(1, |text| text.parse().expect("a number"));
        let mut chance = SeededChance::from_environment_or(4648);
        let corpus = self.corpus();
        for _ in 0..inputs * times / 3 {
            let mut input = Vec::new();
            for _ in 0..chance.below(16) {
                input.extend_from_slice(self.piece(&mut chance));
            }
            (self.run)(&input);
            let mut noise = vec![0; input.len()];
            chance.fill(&mut noise);
            (self.run)(&noise);
            let mut known = corpus[index(&mut chance, corpus.len())].clone();
            for _ in 0..=chance.below(4) {
                self.change(&mut known, &mut chance);
            }
            (self.run)(&known);
        }
    }

    /// One change of the kinds that find most: a bit, a byte, a piece put in, a stretch taken out or doubled.
    fn change(&self, input: &mut Vec<u8>, chance: &mut SeededChance) {
        let at = index(chance, input.len() + 1);
        let end = at + index(chance, (input.len() - at + 1).min(16));
        match chance.below(5) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => chance.fill(&mut input[at..=at]),
            2 => drop(input.splice(at..at, self.piece(chance).iter().copied())),
            3 => drop(input.drain(at..end)),
            _ => {
                let doubled = input[at..end].to_vec();
                drop(input.splice(at..at, doubled));
            }
        }
    }

    fn piece(&self, chance: &mut SeededChance) -> &'static [u8] {
        self.pieces[index(chance, self.pieces.len())].as_bytes()
    }
}

fn index(chance: &mut SeededChance, length: usize) -> usize {
    usize::try_from(chance.below(length as u64)).expect("it is below a length")
}
