//! Mutation: code is changed on purpose, one place at a time, and a test has to notice.
//!
//! Knows cargo-mutants, and the files of which every mutant has to be caught. Must never know what the code does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::progress::Progress;
use super::{Fault, Numbers, Options};
use crate::Workshop;
use crate::process::Task;

const VERSION: &str = "27.1.0";

/// The crates whose mutants are tested, by the tests of their own.
const CRATES: [&str; 2] = ["core", "auth"];

/// Where no mutant may survive.
const EXACT: [(&str, &[&str]); 4] = [
    (
        "compare",
        &[
            "crates/core/src/otp/code.rs",
            "crates/core/src/otp/hotp.rs",
            "crates/core/src/otp/keyed.rs",
            "crates/core/src/otp/totp.rs",
        ],
    ),
    (
        "accept",
        &["crates/auth/src/command/code.rs", "crates/auth/src/credential/"],
    ),
    (
        "throttle",
        &["crates/auth/src/throttle.rs", "crates/core/src/limit.rs"],
    ),
    ("revoke", &["crates/auth/src/command/session.rs"]),
];

/// What became of a mutant, and the file that lists those.
const ENDS: [(&str, u64); 4] = [
    ("missed.txt", MISSED),
    ("timeout.txt", TIMED_OUT),
    ("unviable.txt", UNVIABLE),
    ("caught.txt", CAUGHT),
];
const MISSED: u64 = 1;
/// The tests did not come to an end: noticed, unless the machine was too slow.
const TIMED_OUT: u64 = 2;
/// It does not compile.
const UNVIABLE: u64 = 3;
const CAUGHT: u64 = 4;

/// How many mutants ended in which way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    caught: u64,
    timed_out: u64,
    missed: u64,
    untested: u64,
}

impl Count {
    fn add(&mut self, end: u64) {
        match end {
            CAUGHT => self.caught += 1,
            TIMED_OUT => self.timed_out += 1,
            MISSED => self.missed += 1,
            UNVIABLE => {}
            _ => self.untested += 1,
        }
    }

    /// Hundredths of those that were tested, rounded down to a tenth, so that 100 means every one.
    fn percent(self) -> Value {
        let noticed = self.caught + self.timed_out;
        match noticed + self.missed {
            0 => Value::Null,
            tested => {
                let tenths = u32::try_from(noticed * 1000 / tested).unwrap_or(0);
                json!(f64::from(tenths) / 10.0)
            }
        }
    }

    fn told(self) -> Value {
        json!({
            "caught": self.caught,
            "timed_out": self.timed_out,
            "missed": self.missed,
            "untested": self.untested,
            "percent": self.percent(),
        })
    }
}

/// Tests the mutants of one file after another; a file is done when all of its mutants are caught, and otherwise those
/// that survived are tested again. `--count` bounds the files of one run.
pub(super) fn run(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    let tool = tool(workshop)?;
    let packages = CRATES.map(|name| format!("countersign-{name}"));
    let mut list = vec!["mutants", "--list"];
    packages.iter().for_each(|package| list.extend(["-p", package]));
    let listed = Task::new(&tool, &list).ask(workshop)?;
    listed.success("cargo-mutants lists nothing")?;
    let mutants: Vec<&str> = listed.output.lines().collect();
    let mut files: Vec<&str> = mutants
        .iter()
        .filter_map(|mutant| mutant.split(':').next())
        .collect();
    files.dedup();
    // The files that owe every mutant come first.
    files.sort_by_key(|file| !EXACT.iter().any(|(_, exact)| is_one_of(file, exact)));

    let tests = [
        "test",
        "-p",
        &packages[0],
        "-p",
        &packages[1],
        "--lib",
        "--test",
        "rules",
    ];
    Task::cargo(&tests)
        .run(workshop)?
        .success("the tests fail without any mutant")?;
    let mut runs_left = options.count.unwrap_or(u64::MAX);
    let mut ends = Vec::new();
    for file in files {
        let mut tested = Tested::open(workshop, file)?;
        let own: Vec<&str> = mutants
            .iter()
            .copied()
            .filter(|mutant| mutant.starts_with(&format!("{file}:")))
            .collect();
        if runs_left > 0 && own.iter().any(|mutant| !tested.is_settled(mutant)) {
            runs_left -= 1;
            tested.test(&tool, file, workshop)?;
        }
        ends.extend(own.iter().map(|mutant| (*mutant, tested.progress.count(mutant))));
    }
    Ok(numbers(&ends))
}

fn is_one_of(file: &str, names: &[&str]) -> bool {
    names.iter().any(|name| file.starts_with(name))
}

fn numbers(ends: &[(&str, u64)]) -> Numbers {
    let count = |is_meant: &dyn Fn(&str) -> bool| {
        let mut count = Count::default();
        let meant = ends.iter().filter(|(mutant, _)| is_meant(mutant));
        meant.for_each(|(_, end)| count.add(*end));
        count.told()
    };
    let mut numbers = Numbers::new();
    for name in CRATES {
        let folder = format!("crates/{name}/");
        numbers.insert(name.to_owned(), count(&|mutant| mutant.starts_with(&folder)));
    }
    for (area, files) in EXACT {
        numbers.insert(area.to_owned(), count(&|mutant| is_one_of(mutant, files)));
    }
    let missed: Vec<&str> = ends
        .iter()
        .filter(|(_, end)| *end == MISSED)
        .map(|(mutant, _)| *mutant)
        .collect();
    numbers.insert("missed".to_owned(), json!(missed));
    numbers
}

/// The mutants of one file, as far as they were tested on this text of it.
struct Tested {
    progress: Progress,
    folder: PathBuf,
}

impl Tested {
    fn open(workshop: &Workshop, file: &str) -> Result<Self, Fault> {
        let name = format!("mutants-{}", file.replace('/', "-"));
        let progress = Progress::open(workshop, &name, &[file])?;
        let folder = workshop.target.join("soak").join(name);
        if progress.counts.is_empty() && folder.is_dir() {
            fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let mut tested = Self { progress, folder };
        // What an interrupted run had found.
        tested.read()?;
        Ok(tested)
    }

    fn is_settled(&self, mutant: &str) -> bool {
        matches!(self.progress.count(mutant), CAUGHT | UNVIABLE)
    }

    fn test(&mut self, tool: &str, file: &str, workshop: &Workshop) -> Result<(), Fault> {
        // From here on the folder belongs to this text of the file.
        self.progress.set("begun", 1)?;
        let package = file
            .split('/')
            .nth(1)
            .map(|name| format!("countersign-{name}"))
            .ok_or("a mutant is in no crate")?;
        fs::create_dir_all(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let builds = workshop.target.join("mutants");
        let task = [
            "mutants",
            "--iterate",
            "--no-shuffle",
            "--baseline=skip",
            "--timeout=60",
            "--build-timeout=600",
            "--colors=never",
            "-f",
            file,
            "-p",
            &package,
            "-o",
            &self.folder.to_string_lossy(),
        ];
        // A survivor is no failure of the tool; what it could not do shows in mutants that were not tested.
        Task::new(tool, &task)
            .with("CARGO_TARGET_DIR", &builds.to_string_lossy())
            .with("CARGO_INCREMENTAL", "1")
            .with("CARGO_PROFILE_DEV_DEBUG", "0")
            .with("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .run(workshop)?;
        self.read()
    }

    /// Takes over what the tool has written.
    fn read(&mut self) -> Result<(), Fault> {
        for (list, end) in ENDS {
            let path: &Path = &self.folder.join("mutants.out").join(list);
            for mutant in fs::read_to_string(path).unwrap_or_default().lines() {
                self.progress.set(mutant, end)?;
            }
        }
        Ok(())
    }
}

/// The tool, fetched into the target directory where it is missing.
fn tool(workshop: &Workshop) -> Result<String, Fault> {
    let root = workshop.target.join("tools");
    let path = root.join("bin/cargo-mutants");
    if !path.is_file() {
        let root = root.to_string_lossy();
        let install = [
            "install",
            "cargo-mutants",
            "--locked",
            "--version",
            VERSION,
            "--root",
            &root,
        ];
        if !Task::cargo(&install).run(workshop)?.is_success() {
            let reason = format!("needs cargo-mutants {VERSION}, which could not be fetched");
            return Err(Fault::Skipped(reason));
        }
    }
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_a_hundred_only_when_every_mutant_was_noticed() {
        let count = |caught, missed| Count {
            caught,
            missed,
            ..Count::default()
        };
        assert_eq!(count(3, 0).percent(), json!(100.0));
        assert_eq!(count(99_999, 1).percent(), json!(99.9));
        assert_eq!(count(0, 0).percent(), Value::Null);
    }

    #[test]
    fn files_that_owe_every_mutant_exist() {
        let root = Workshop::open().root;
        let owed = EXACT.iter().flat_map(|(_, files)| files.iter());
        owed.for_each(|file| assert!(root.join(file).exists(), "{file}"));
    }

    #[test]
    fn mutants_are_counted_by_crate_and_area() {
        let ends = [
            ("crates/core/src/limit.rs:1:1: a", CAUGHT),
            ("crates/core/src/limit.rs:2:1: b", MISSED),
            ("crates/core/src/limit.rs:3:1: c", UNVIABLE),
            ("crates/auth/src/id.rs:1:1: d", 0),
        ];
        let numbers = numbers(&ends);
        assert_eq!(numbers["core"]["percent"], json!(50.0));
        assert_eq!(numbers["throttle"], numbers["core"]);
        assert_eq!(numbers["auth"]["untested"], json!(1));
        assert_eq!(numbers["missed"], json!(["crates/core/src/limit.rs:2:1: b"]));
    }
}
