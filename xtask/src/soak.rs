//! The long checks, too slow for every change, and the measurements they leave in docs/measurements.
//!
//! Knows every long check by name and the form of a measurement. Read `process` for how programs are run.

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Workshop;
use crate::nodes;
use crate::process::Task;
use crate::tally::Tally;

/// What the command line of `soak` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    only: Option<String>,
    seed: u64,
    seconds: u64,
}

/// The time a fuzz target gets where nothing else is asked: ten minutes, in which a parser meets millions of
/// inputs.
const SECONDS: u64 = 600;

/// Cases the differential check against oathtool reaches.
const CASES: u64 = 1_000_000;

/// Rounds of 64 hands with one code, in each of the races.
const RACE_ROUNDS: u64 = 500;

/// Times a server is killed under load.
const KILLS: u64 = 50;

/// Requests of nonsense that the HTTP door gets.
const BAD_INPUTS: u64 = 100_000;

/// Changes made to an audit behind the server's back.
const TAMPERINGS: u64 = 1_000;

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

const SOAKS: [Soak; 10] = [
    Soak {
        name: "oathtool",
        run: oathtool,
    },
    Soak {
        name: "fuzz",
        run: fuzz,
    },
    Soak {
        name: "races",
        run: races,
    },
    Soak {
        name: "kills",
        run: kills,
    },
    Soak {
        name: "bad-inputs",
        run: bad_inputs,
    },
    Soak {
        name: "tamperings",
        run: tamperings,
    },
    Soak {
        name: "timing",
        run: timing,
    },
    Soak {
        name: "nodes",
        run: |workshop, options| Ok(nodes::nodes(workshop, options.seed)?),
    },
    Soak {
        name: "kills-postgresql",
        run: |workshop, options| Ok(nodes::kills(workshop, options.seed)?),
    },
    Soak {
        name: "races-nodes",
        run: |workshop, options| Ok(nodes::races(workshop, options.seed)?),
    },
];

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            only: None,
            seed: fresh_seed(),
            seconds: SECONDS,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--seed" => options.seed = number("--seed", words.next())?,
                "--seconds" => options.seconds = number("--seconds", words.next())?,
                name if SOAKS.iter().any(|soak| soak.name == name) => options.only = Some(name.to_owned()),
                other => {
                    let names = SOAKS.map(|soak| soak.name).join(", ");
                    return Err(format!(
                        "`{other}` is no long check: {names}; options are --seed and --seconds"
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
    written
        .map(|()| path.display().to_string())
        .map_err(|error| format!("{}: {error}", path.display()))
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

/// Compares with oathtool, one seed after another, until enough cases agreed.
fn oathtool(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    if Task::new("oathtool", &["--version"]).ask(workshop).is_err() {
        return Err(Fault::Skipped(
            "needs oathtool (Debian package oathtool)".to_owned(),
        ));
    }
    let arguments = [
        "test",
        "-p",
        "countersign-testkit",
        "--release",
        "--test",
        "outside_oathtool",
    ];
    let filter = ["--", "--ignored", "--nocapture", "oathtool"];
    let (mut cases, mut runs) = (0, 0);
    while cases < CASES {
        let seed = options.seed.wrapping_add(runs).to_string();
        let task = Task::cargo(&[&arguments[..], &filter[..]].concat()).with("COUNTERSIGN_SEED", &seed);
        let ended = task.run(workshop)?;
        if Tally::read(&ended.output, ended.is_success()).failed > 0 {
            return Err(Fault::Failed(format!(
                "oathtool and we disagree under seed {seed}"
            )));
        }
        let more = number_before(&ended.output, "cases")
            .ok_or("the check does not say how many cases it compared")?;
        (cases, runs) = (cases + more, runs + 1);
    }
    Ok(Numbers::from([
        ("cases".to_owned(), cases.into()),
        ("mismatches".to_owned(), 0.into()),
        ("runs".to_owned(), runs.into()),
    ]))
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Failed(reason.to_owned())
    }
}

/// Gives each fuzz target its time; what it learns stays out of the committed corpus.
fn fuzz(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    let targets = Task::cargo(&["+nightly", "fuzz", "list"]).ask(workshop)?;
    if !targets.is_success() {
        let reason = "needs the nightly toolchain and cargo-fuzz (cargo install cargo-fuzz)";
        return Err(Fault::Skipped(format!("{reason}: {}", targets.errors.trim())));
    }
    let mut numbers = Numbers::from([("seconds_per_target".to_owned(), options.seconds.into())]);
    let time = format!("-max_total_time={}", options.seconds);
    let seed = format!("-seed={}", (options.seed & u64::from(u32::MAX)).max(1));
    for target in targets.output.lines() {
        let learnt = workshop.target.join("fuzz-learnt").join(target);
        fs::create_dir_all(&learnt).map_err(|error| format!("{}: {error}", learnt.display()))?;
        let committed = workshop.root.join("fuzz/corpus").join(target);
        let (learnt, committed) = (learnt.to_string_lossy(), committed.to_string_lossy());
        let task = [
            "+nightly",
            "fuzz",
            "run",
            target,
            &learnt,
            &committed,
            "--",
            &time,
            &seed,
            "-print_final_stats=1",
        ];
        let ended = Task::cargo(&task).run(workshop)?;
        ended.success(&format!("the target {target} found an input"))?;
        let executed = ended
            .errors
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        let executed: Option<u64> = executed.and_then(|number| number.trim().parse().ok());
        numbers.insert(
            target.to_owned(),
            executed
                .ok_or("the fuzzer does not say how many inputs it tried")?
                .into(),
        );
    }
    if numbers.len() == 1 {
        return Err(Fault::Failed("there is no fuzz target".to_owned()));
    }
    Ok(numbers)
}

/// Races for one code, in memory, on the embedded store and between two committers.
fn races(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    let mut numbers = Tests {
        package: "countersign-server",
        scale: Some(("COUNTERSIGN_RACE_ROUNDS", RACE_ROUNDS)),
        ..Tests::named("conformance::")
    }
    .run(workshop, options)?;
    numbers.insert("rounds_each".to_owned(), RACE_ROUNDS.into());
    Ok(numbers)
}

/// Kills the real server under load, again and again, and compares with what it had acknowledged.
fn kills(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Tests {
        scale: Some(("COUNTERSIGN_KILLS", KILLS)),
        told: &["kills", "sign_ins"],
        ..Tests::named("kills::")
    }
    .run(workshop, options)
}

/// Changes the audit behind the server's back in every way there is, and sees each named.
fn tamperings(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Tests {
        scale: Some(("COUNTERSIGN_TAMPERINGS", TAMPERINGS)),
        told: &["tamperings"],
        ..Tests::named("audit::")
    }
    .run(workshop, options)
}

/// Sends nonsense to every route of the HTTP door.
fn bad_inputs(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Tests {
        scale: Some(("COUNTERSIGN_BAD_INPUTS", BAD_INPUTS)),
        told: &["requests"],
        ..Tests::named("bad_input::nonsense")
    }
    .run(workshop, options)
}

/// Measures what a clock could tell a stranger, and what a flood of sign-ins leaves to others.
fn timing(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Tests {
        arguments: &["--release"],
        filters: &["--ignored", "--test-threads=1"],
        told: &[
            "pairs",
            "known_us",
            "unknown_us",
            "beside_requests",
            "beside_p99_us",
            "beside_max_us",
            "alone_us",
            "eight_us",
        ],
        ..Tests::named("timing::")
    }
    .run(workshop, options)
}

/// Tests that are run at a larger scale, or only here, and tell numbers.
struct Tests {
    package: &'static str,
    arguments: &'static [&'static str],
    filters: &'static [&'static str],
    name: &'static str,
    /// The variable that asks for a scale, and the scale.
    scale: Option<(&'static str, u64)>,
    /// The words before which the tests print a number.
    told: &'static [&'static str],
}

impl Tests {
    /// Tests of the binary whose names begin so.
    fn named(name: &'static str) -> Self {
        Self {
            package: "countersign",
            arguments: &[],
            filters: &[],
            name,
            scale: None,
            told: &[],
        }
    }

    fn run(&self, workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
        let head = ["test", "-p", self.package, "--test", "it"];
        let tail = ["--", "--nocapture", self.name];
        let arguments = [&head, self.arguments, &tail, self.filters].concat();
        let mut task = Task::cargo(&arguments).with("COUNTERSIGN_SEED", &options.seed.to_string());
        if let Some((variable, scale)) = self.scale {
            task = task.with(variable, &scale.to_string());
        }
        let ended = task.run(workshop)?;
        let tally = Tally::read(&ended.output, ended.is_success());
        if tally.failed > 0 || tally.passed == 0 {
            let reason = format!("under seed {}; the output says in which way", options.seed);
            return Err(Fault::Failed(reason));
        }
        let mut numbers = Numbers::from([
            ("tests".to_owned(), tally.passed.into()),
            ("failures".to_owned(), 0.into()),
        ]);
        for word in self.told {
            let number = number_before(&ended.output, word);
            numbers.insert(
                (*word).to_owned(),
                number.ok_or("the check does not say what it did")?.into(),
            );
        }
        Ok(numbers)
    }
}

/// The first number that stands right before a word, as in `100000 cases`.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    words
        .windows(2)
        .filter(|two| two[1] == word)
        .find_map(|two| two[0].replace('_', "").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_read_before_its_word() {
        assert_eq!(
            number_before("seed 7: 100000 cases, 0 mismatches", "cases"),
            Some(100_000)
        );
        assert_eq!(number_before("many cases", "cases"), None);
        assert_eq!(number_before("test kills::lost ... 50 kills", "kills"), Some(50));
        assert_eq!(number_before("", "cases"), None);
    }

    #[test]
    fn unknown_long_check_and_broken_number_are_refused() {
        assert!(Options::parse(&["nothing"]).is_err());
        assert!(Options::parse(&["fuzz", "--seconds", "soon"]).is_err());
        let options = Options::parse(&["fuzz", "--seed", "7", "--seconds", "60"]);
        assert_eq!(
            options,
            Ok(Options {
                only: Some("fuzz".to_owned()),
                seed: 7,
                seconds: 60
            })
        );
    }
}
