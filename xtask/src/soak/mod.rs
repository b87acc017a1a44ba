//! The long checks, too slow for every change, and the measurements they leave in docs/measurements.
//!
//! Knows every long check by name and the form of a measurement. Read `suites` for those that are tests of ours at
//! length, then the file of the check you mean; `process` says how programs are run.

mod fuzz;
mod mutation;
mod progress;
pub(crate) mod report;
mod suites;

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Workshop;
use crate::process::Task;

/// What the command line of `soak` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    only: Option<String>,
    seed: u64,
    /// How many cases, cuts or executions, where not as many as the check is named for.
    count: Option<u64>,
}

/// A long check: its numbers, or why it could not run or failed.
struct Soak {
    name: &'static str,
    run: fn(&Workshop, &Options) -> Result<Numbers, Fault>,
}

/// What was measured, by name.
pub(crate) type Numbers = BTreeMap<String, Value>;

enum Fault {
    Skipped(String),
    Failed(String),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Failed(reason.to_owned())
    }
}

const SOAKS: &[Soak] = &[
    soak("oathtool", suites::oathtool),
    soak("fuzz", fuzz::strangers),
    soak("fuzz-imports", fuzz::imports),
    soak("races", suites::races),
    soak("kills", suites::kills),
    soak("bad-inputs", suites::bad_inputs),
    soak("tamperings", suites::tamperings),
    soak("timing", suites::timing),
    soak("nodes", suites::nodes),
    soak("kills-postgresql", suites::kills_postgresql),
    soak("races-nodes", suites::races_nodes),
    soak("power-cuts", suites::power_cuts),
    soak("disk-full", suites::disk_full),
    soak("clock-steps", suites::clock_steps),
    soak("mutation", mutation::run),
];

const fn soak(name: &'static str, run: fn(&Workshop, &Options) -> Result<Numbers, Fault>) -> Soak {
    Soak { name, run }
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            only: None,
            seed: fresh_seed(),
            count: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--seed" => options.seed = number("--seed", words.next())?,
                "--count" | "--executions" => options.count = Some(number(word, words.next())?),
                name if SOAKS.iter().any(|soak| soak.name == name) => options.only = Some(name.to_owned()),
                other => {
                    let names: Vec<&str> = SOAKS.iter().map(|soak| soak.name).collect();
                    return Err(format!(
                        "`{other}` is no long check: {}; options are --seed and --count",
                        names.join(", ")
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn number(option: &str, word: Option<&&str>) -> Result<u64, String> {
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("{option} takes a whole number"))
}

/// Another seed for each run, small enough for every program that takes one.
fn fresh_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_secs() & u64::from(u32::MAX))
}

/// Runs the long checks and writes what they measured.
pub(crate) fn run(workshop: &Workshop, options: &Options) -> Result<(), String> {
    let mut failures = Vec::new();
    for soak in SOAKS
        .iter()
        .filter(|soak| options.only.as_ref().is_none_or(|name| name == soak.name))
    {
        println!("=== {} with seed {}", soak.name, options.seed);
        match (soak.run)(workshop, options) {
            Ok(numbers) => println!(
                "wrote {}",
                write(soak.name, Some(options.seed), numbers, workshop)?
            ),
            Err(Fault::Skipped(reason)) => println!("skipped {}: {reason}", soak.name),
            Err(Fault::Failed(reason)) => failures.push(format!("failed {}: {reason}", soak.name)),
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Writes what was measured, with when, where and from which code; answers the file's path.
pub(crate) fn write(
    name: &str,
    seed: Option<u64>,
    numbers: Numbers,
    workshop: &Workshop,
) -> Result<String, String> {
    let ask = |program: &str, arguments: &[&str]| {
        let answer = Task::new(program, arguments).ask(workshop)?;
        answer.success(program)?;
        Ok::<String, String>(answer.output.trim().to_owned())
    };
    // What was measured before is no change of the code.
    let changed = ask(
        "git",
        &["status", "--porcelain", "--", ".", ":!docs/measurements"],
    )?;
    let mut measurement = json!({
        "name": name,
        "date": ask("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])?,
        "commit": format!("{}{}", ask("git", &["rev-parse", "HEAD"])?, if changed.is_empty() { "" } else { "-dirty" }),
        "processor": processor(),
        "numbers": numbers,
    });
    if let Some(seed) = seed {
        measurement["seed"] = seed.into();
    }
    let folder = workshop.root.join("docs/measurements");
    let path = folder.join(format!("{name}.json"));
    let text = format!("{measurement:#}\n");
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    // The page is made of the files, so it follows them.
    report::write(workshop)?;
    Ok(path.display().to_string())
}

fn processor() -> String {
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let lines: Vec<&str> = about
        .lines()
        .filter(|line| line.starts_with("model name"))
        .collect();
    let name = lines
        .first()
        .and_then(|line| line.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    format!("{} × {name}", lines.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_long_check_and_broken_number_are_refused() {
        assert!(Options::parse(&["nothing"]).is_err());
        assert!(Options::parse(&["fuzz", "--executions", "many"]).is_err());
        let options = Options::parse(&["fuzz", "--seed", "7", "--count", "60"]);
        assert_eq!(
            options,
            Ok(Options {
                only: Some("fuzz".to_owned()),
                seed: 7,
                count: Some(60)
            })
        );
    }
}
