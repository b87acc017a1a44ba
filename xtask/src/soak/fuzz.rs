//! Fuzzing by coverage, counted by executions, a minute at a time.
//!
//! Knows cargo-fuzz and which sources a target judges. Must never know what a parser reads.

use std::fs;

use super::progress::Progress;
use super::{Fault, Numbers, Options};
use crate::Workshop;
use crate::process::Task;

/// Executions a parser gets.
pub(crate) const EXECUTIONS: u64 = 100_000_000;

/// Seconds after which what was done is written down: what an interruption can lose.
const PORTION: &str = "-max_total_time=60";

/// Longest input in bytes: longer than all that any parser but that of migrations takes in one piece, and short
/// enough to be quick. The bounds beyond it have tests of their own.
const LENGTH: &str = "-max_len=640";

/// Which sources a target that names this crate depends upon.
const SOURCES: [(&str, &[&str]); 4] = [
    ("countersign_core", &["crates/core/src"]),
    ("countersign_client", &["crates/core/src", "crates/client/src"]),
    ("countersign_auth", &["crates/core/src", "crates/auth/src"]),
    (
        "countersign_server",
        &[
            "crates/core/src",
            "crates/server/src/door",
            "crates/server/src/people",
            "crates/server/src/seeds",
            "crates/server/src/service/rules",
        ],
    ),
];

/// Targets of what an operator imports; all others read what strangers send.
const IMPORTS: [&str; 5] = ["base64", "google_authenticator", "migration", "people", "pskc"];

/// Fuzzes the parsers of what strangers send.
pub(super) fn strangers(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    run(workshop, options, |target| !IMPORTS.contains(&target))
}

/// Fuzzes the parsers of what an operator imports.
pub(super) fn imports(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    run(workshop, options, |target| IMPORTS.contains(&target))
}

/// Gives each fuzz target its executions; what it learns stays out of the committed corpus.
fn run(workshop: &Workshop, options: &Options, is_meant: impl Fn(&str) -> bool) -> Result<Numbers, Fault> {
    let targets = Task::cargo(&["+nightly", "fuzz", "list"]).ask(workshop)?;
    if !targets.is_success() {
        let reason = "needs the nightly toolchain and cargo-fuzz (cargo install cargo-fuzz)";
        return Err(Fault::Skipped(format!("{reason}: {}", targets.errors.trim())));
    }
    let mut numbers = Numbers::new();
    for target in targets.output.lines().filter(|target| is_meant(target)) {
        numbers.insert(target.to_owned(), fuzz(target, workshop, options)?.into());
    }
    if numbers.is_empty() {
        return Err(Fault::Failed("there is no fuzz target".to_owned()));
    }
    Ok(numbers)
}

/// Fuzzes one target until it has its executions; how many it has had since its sources changed.
fn fuzz(target: &str, workshop: &Workshop, options: &Options) -> Result<u64, Fault> {
    let source = format!("fuzz/fuzz_targets/{target}.rs");
    let text =
        fs::read_to_string(workshop.root.join(&source)).map_err(|error| format!("{source}: {error}"))?;
    let judged = SOURCES.iter().filter(|(name, _)| text.contains(name));
    let mut sources: Vec<&str> = judged.flat_map(|(_, folders)| folders.iter().copied()).collect();
    sources.push(&source);
    let mut progress = Progress::open(workshop, &format!("fuzz-{target}"), &sources)?;
    let wanted = options.count.unwrap_or(EXECUTIONS);

    let learnt = workshop.target.join("fuzz-learnt").join(target);
    fs::create_dir_all(&learnt).map_err(|error| format!("{}: {error}", learnt.display()))?;
    let (learnt, builds) = (
        learnt.to_string_lossy(),
        workshop.target.join("fuzz").to_string_lossy().into_owned(),
    );
    let committed = format!("fuzz/corpus/{target}");
    while progress.count("executions") < wanted {
        println!(
            "{target}: {} of {wanted} executions",
            progress.count("executions")
        );
        let runs = format!("-runs={}", wanted - progress.count("executions"));
        let seed = options.seed.wrapping_add(progress.count("portions"));
        let seed = format!("-seed={}", (seed & u64::from(u32::MAX)).max(1));
        // No sanitizer: safe Rust has nothing for it to find, and it halves the executions.
        let task = [
            "+nightly",
            "fuzz",
            "run",
            "--release",
            "--sanitizer=none",
            "--target-dir",
            &builds,
            target,
            &learnt,
            &committed,
            "--",
            PORTION,
            &runs,
            LENGTH,
            &seed,
            "-verbosity=0",
            "-print_final_stats=1",
        ];
        let ended = Task::cargo(&task).run(workshop)?;
        ended.success(&format!("the target {target} found an input"))?;
        let executed = ended
            .errors
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .and_then(|number| number.trim().parse().ok())
            .filter(|executed| *executed > 0)
            .ok_or("the fuzzer does not say how many inputs it tried")?;
        progress.add("portions", 1)?;
        progress.add("executions", executed)?;
    }
    Ok(progress.count("executions"))
}
