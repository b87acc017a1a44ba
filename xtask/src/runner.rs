//! Running the table of checks: needs first, then the action, a count for each, a summary at the end.
//!
//! Knows order, counting and the words of the summary. Must never know a check by name.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::Workshop;
use crate::needs::Installer;
use crate::steps::{STEPS, Step};
use crate::tally::Tally;

/// What the command line of `test` asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    install: bool,
    strict: bool,
    only: Vec<String>,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        let mut options = Self {
            install: is_ci,
            strict: is_ci,
            only: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--install" => options.install = true,
                "--strict" => options.strict = true,
                "--only" => options.only.push(known_name(words.next())?),
                other => {
                    return Err(format!(
                        "`{other}` is no option of test: --install, --strict, --only NAME"
                    ));
                }
            }
        }
        Ok(options)
    }

    fn wants(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == step.name)
    }
}

fn known_name(word: Option<&&str>) -> Result<String, String> {
    let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    let known = word.filter(|word| names.contains(word));
    known
        .map(|word| (*word).to_owned())
        .ok_or_else(|| format!("--only takes one of: {}", names.join(", ")))
}

/// How one check ended.
#[derive(Debug)]
struct Line {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
    runs_ignored: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Ran(Tally),
    /// It ended before it could count, for this reason.
    Broke(String),
    /// It was not run, for this reason.
    Skipped(String),
    /// It was not run, for what no installation could change.
    Impossible(String),
}

/// Runs the checks and prints the summary; an empty error says that something failed.
pub(crate) fn run(workshop: &Workshop, options: &Options) -> Result<(), String> {
    let installer = Installer::default();
    let mut lines = Vec::new();
    for step in STEPS.iter().filter(|step| options.wants(step)) {
        println!("\n=== {}", step.name);
        let start = Instant::now();
        let outcome = outcome(step, workshop, options, &installer);
        lines.push(Line {
            name: step.name,
            took: start.elapsed(),
            outcome,
            runs_ignored: step.runs_ignored,
        });
    }
    let (text, success) = summary(&lines, options.strict);
    print!("\n{text}");
    if success { Ok(()) } else { Err(String::new()) }
}

fn outcome(step: &Step, workshop: &Workshop, options: &Options, installer: &Installer) -> Outcome {
    for need in step.needs {
        if need.is_met(workshop) {
            continue;
        }
        if !need.is_fetched() {
            return Outcome::Impossible(format!("needs {}", need.name()));
        }
        if !options.install {
            return Outcome::Skipped(format!("needs {}; --install fetches it", need.name()));
        }
        if let Err(reason) = installer.install(*need, workshop) {
            return Outcome::Skipped(format!(
                "needs {}, which could not be fetched: {reason}",
                need.name()
            ));
        }
    }
    match step.action.run(workshop) {
        Ok(tally) => Outcome::Ran(tally),
        Err(reason) => {
            eprintln!("{reason}");
            Outcome::Broke(reason)
        }
    }
}

/// The table, the reasons, and the totals alone on the last line; and whether all is well.
///
/// A test the plain run ignores is skipped unless a check of its own ran it.
fn summary(lines: &[Line], strict: bool) -> (String, bool) {
    let mut table = String::new();
    let mut reasons = String::new();
    let (mut total, mut skipped, mut made_up) = (Tally::default(), 0, 0);
    for line in lines {
        let result = match &line.outcome {
            Outcome::Ran(tally) => {
                total = total + *tally;
                made_up += if line.runs_ignored {
                    tally.passed + tally.failed
                } else {
                    0
                };
                if tally.failed == 0 {
                    format!("{} passed", tally.passed)
                } else {
                    format!("{} passed, {} FAILED", tally.passed, tally.failed)
                }
            }
            Outcome::Broke(reason) => {
                total.failed += 1;
                say(&mut reasons, &format!("failed {}: {reason}", line.name));
                "FAILED".to_owned()
            }
            Outcome::Impossible(reason) => {
                skipped += 1;
                say(&mut reasons, &format!("skipped {}: {reason}", line.name));
                "skipped".to_owned()
            }
            Outcome::Skipped(reason) => {
                total.failed += u64::from(strict);
                skipped += u64::from(!strict);
                say(&mut reasons, &format!("skipped {}: {reason}", line.name));
                if strict {
                    "FAILED: skipped".to_owned()
                } else {
                    "skipped".to_owned()
                }
            }
        };
        say(
            &mut table,
            &format!("{:<12} {:>8.1} s  {result}", line.name, line.took.as_secs_f64()),
        );
    }
    let never_run = total.ignored.saturating_sub(made_up);
    if never_run > 0 {
        say(
            &mut reasons,
            &format!("skipped {never_run} ignored tests that no check of this run made up for"),
        );
    }
    skipped += never_run;
    let totals = format!(
        "{} passed, {} failed, {skipped} skipped\n",
        total.passed, total.failed
    );
    (format!("{table}{reasons}\n{totals}"), total.failed == 0)
}

fn say(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &'static str, outcome: Outcome) -> Line {
        Line {
            name,
            took: Duration::from_millis(1_500),
            outcome,
            runs_ignored: name == "outside",
        }
    }

    fn ran(passed: u64, failed: u64, ignored: u64) -> Outcome {
        Outcome::Ran(Tally {
            passed,
            failed,
            ignored,
        })
    }

    fn last_line(text: &str) -> &str {
        text.lines().next_back().expect("a summary has lines")
    }

    #[test]
    fn totals_stand_alone_on_the_last_line() {
        let (text, success) = summary(&[line("fmt", ran(1, 0, 0)), line("test", ran(20, 0, 0))], false);
        assert_eq!(last_line(&text), "21 passed, 0 failed, 0 skipped");
        assert!(text.contains("fmt               1.5 s  1 passed"), "{text}");
        assert!(success);
    }

    #[test]
    fn failure_of_one_check_fails_the_run() {
        let broken = line("licences", Outcome::Broke("a licence".to_owned()));
        let (text, success) = summary(&[broken, line("test", ran(3, 2, 0))], false);
        assert_eq!(last_line(&text), "3 passed, 3 failed, 0 skipped");
        assert!(text.contains("failed licences: a licence"));
        assert!(!success);
    }

    #[test]
    fn skip_is_named_and_fails_the_strict_run_only() {
        let lines = [line("oathtool", Outcome::Skipped("needs oathtool".to_owned()))];
        let (text, success) = summary(&lines, false);
        assert!(text.contains("skipped oathtool: needs oathtool"));
        assert_eq!(
            (last_line(&text), success),
            ("0 passed, 0 failed, 1 skipped", true)
        );
        let (text, success) = summary(&lines, true);
        assert_eq!(
            (last_line(&text), success),
            ("0 passed, 1 failed, 0 skipped", false)
        );
    }

    #[test]
    fn what_the_machine_cannot_do_is_named_and_fails_no_run() {
        let lines = [line("cuts", Outcome::Impossible("needs root".to_owned()))];
        let (text, success) = summary(&lines, true);
        assert!(text.contains("skipped cuts: needs root"));
        assert_eq!(
            (last_line(&text), success),
            ("0 passed, 0 failed, 1 skipped", true)
        );
    }

    #[test]
    fn ignored_test_is_skipped_unless_a_check_of_its_own_ran_it() {
        let plain = || line("test", ran(5, 0, 2));
        assert_eq!(
            last_line(&summary(&[plain()], false).0),
            "5 passed, 0 failed, 2 skipped"
        );
        let both = [plain(), line("outside", ran(2, 0, 0))];
        assert_eq!(
            last_line(&summary(&both, false).0),
            "7 passed, 0 failed, 0 skipped"
        );
    }

    #[test]
    fn unknown_option_and_name_are_refused() {
        assert!(Options::parse(&["--onyl", "fmt"]).is_err());
        assert!(Options::parse(&["--only", "nothing"]).is_err());
        assert!(Options::parse(&["--only"]).is_err());
        let options = Options::parse(&["--strict", "--only", "fmt"]).expect("the options are known");
        assert!(options.strict);
        assert_eq!(options.only, ["fmt"]);
    }
}
