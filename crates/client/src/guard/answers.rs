//! Answers about tokens, for as long as they may be repeated.
//!
//! Knows: that an answer is worth half a second. Must never know: tokens; it sees their digests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::clock::Moment;
use super::feed::Digest;
use super::person::Person;

/// How old an answer may be.
const AGE_MAX: Duration = Duration::from_millis(500);
/// Most answers that are kept; beyond, each token is asked about.
const ANSWERS_MAX: usize = 10_000;

/// What was answered of late: who holds a token, or that nobody does.
#[derive(Default)]
pub(crate) struct Answers {
    kept: Mutex<HashMap<Digest, (Option<Person>, Moment)>>,
}

impl Answers {
    /// The answer about a token, where it was asked about of late.
    pub(crate) fn find(&self, token: &Digest, now: Moment) -> Option<Option<Person>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (answered, asked_at) = kept.get(token)?;
        now.is_within(*asked_at, AGE_MAX).then(|| answered.clone())
    }

    /// Keeps an answer, by the moment of its question.
    pub(crate) fn keep(&self, token: Digest, answered: Option<Person>, asked_at: Moment) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ANSWERS_MAX {
            kept.retain(|_, (_, then)| asked_at.is_within(*then, AGE_MAX));
        }
        if kept.len() < ANSWERS_MAX {
            kept.insert(token, (answered, asked_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        let time = Duration::from_millis(milliseconds);
        Moment {
            unix: time,
            steady: time,
        }
    }

    fn numbered(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn answer_is_repeated_for_500_milliseconds_and_no_longer() {
        let answers = Answers::default();
        answers.keep([1; 32], None, at(0));
        assert_eq!(answers.find(&[1; 32], at(500)), Some(None));
        assert_eq!(answers.find(&[1; 32], at(501)), None);
        assert_eq!(answers.find(&[2; 32], at(0)), None);
    }

    #[test]
    fn answers_are_bounded_and_old_ones_make_room() {
        let answers = Answers::default();
        for number in 0..ANSWERS_MAX {
            answers.keep(numbered(number), None, at(0));
        }
        answers.keep([1; 32], None, at(0));
        assert_eq!(answers.find(&[1; 32], at(0)), None);
        answers.keep([1; 32], None, at(501));
        assert_eq!(answers.find(&[1; 32], at(501)), Some(None));
        assert_eq!(answers.kept.lock().expect("nobody panicked").len(), 1);
    }
}
