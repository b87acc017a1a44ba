//! Counting: what a check's output says about how many tests passed, failed and were ignored.
//!
//! Knows the result lines of Rust's test runner and Node's. Must never run anything.

use std::iter::Sum;
use std::ops::Add;

/// Numbers of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// The count of one check that has no tests inside.
    pub(crate) fn one(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
            ignored: 0,
        }
    }

    /// Reads a program's output: the sum of its result lines, or one check where it has none.
    ///
    /// A program that failed counts a failure even where no test did, as when it does not compile. One whose
    /// result lines name no test at all has failed: a filter that matches nothing proves nothing.
    pub(crate) fn read(output: &str, success: bool) -> Self {
        let line = |line| result_line(line).or_else(|| tap_line(line));
        let mut lines = output.lines().filter_map(line).peekable();
        if lines.peek().is_none() {
            return Self::one(success);
        }
        let mut sum: Self = lines.sum();
        if sum.failed == 0 && (!success || sum.passed == 0) {
            sum.failed = 1;
        }
        sum
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}

/// Reads `# pass 3` and its like, which Node's runner writes at the end of its TAP (Test Anything Protocol).
fn tap_line(line: &str) -> Option<Tally> {
    let (word, number) = line.strip_prefix("# ")?.split_once(' ')?;
    let number = number.parse().ok()?;
    let mut tally = Tally::default();
    match word {
        "pass" => tally.passed = number,
        "fail" | "cancelled" => tally.failed = number,
        "skipped" | "todo" => tally.ignored = number,
        _ => return None,
    }
    Some(tally)
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn result_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        match part.split_once(' ') {
            Some((number, "passed")) => tally.passed = number.parse().ok()?,
            Some((number, "failed")) => tally.failed = number.parse().ok()?,
            Some((number, "ignored")) => tally.ignored = number.parse().ok()?,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s";

    #[test]
    fn result_lines_are_summed() {
        let broken = "test result: FAILED. 1 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out";
        let output = format!("running 3 tests\n{LINE}\n\n{broken}\n{LINE}\n");
        assert_eq!(
            Tally::read(&output, false),
            Tally {
                passed: 7,
                failed: 4,
                ignored: 4
            }
        );
    }

    #[test]
    fn nodes_counts_are_summed() {
        let output = "TAP version 13\nok 1 - a\n# tests 4\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 1\n";
        assert_eq!(
            Tally::read(output, false),
            Tally {
                passed: 2,
                failed: 1,
                ignored: 1
            }
        );
    }

    #[test]
    fn output_without_result_lines_counts_as_one_check() {
        assert_eq!(Tally::read("Finished\n", true), Tally::one(true));
        assert_eq!(Tally::read("error\n", false), Tally::one(false));
    }

    #[test]
    fn failure_outside_the_tests_is_counted() {
        assert_eq!(
            Tally::read(LINE, false),
            Tally {
                passed: 3,
                failed: 1,
                ignored: 2
            }
        );
    }

    #[test]
    fn run_without_any_test_is_a_failure() {
        let empty =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.0s";
        assert_eq!(Tally::read(empty, true).failed, 1);
    }

    #[test]
    fn lines_that_only_resemble_results_are_not_counted() {
        assert_eq!(
            Tally::read("the test result: ok. 3 passed; 0 failed", true),
            Tally::one(true)
        );
    }
}
