//! The workspace's own tool: `cargo xtask test`, `tidy`, `soak`, `bench`.
//!
//! Knows how checks are run, counted and reported. Must never know what a check is about; that stands in the
//! tables of `steps` and `soak`. Read `steps` first, then `runner`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "writing to the terminal is what this tool does"
)]

mod console;
mod fences;
mod floors;
mod histories;
mod licence;
mod needs;
mod outside;
mod process;
mod providers;
mod runner;
mod soak;
mod spdx;
mod steps;
mod tally;
mod targets;
mod walkthrough;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use process::Task;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--install] [--strict] [--only NAME]...   run every check, or the named ones
      --install   fetch what a check needs: Debian packages, Python and npm modules
      --strict    a check that cannot run is a failure (CI=true means --install --strict)
  targets [--debian]                             find or fetch a compiler for bare metal
      --debian    make it of Debian's packages, whatever rustup can fetch
  floors [--debian]                              run the lower floors on emulated boards, weigh them, and
                                                 write docs/measurements/floors.json
  walkthrough                                    picture every page anew, in docs/walkthrough
  tidy                                           check the shape of the tree
  soak [NAME] [--seed N] [--count N]             run the long checks, write docs/measurements/NAME.json
      --count     how many executions, kills, cuts; an interrupted check goes on where it was
  soak --report                                  make docs/measurements/index.html of all measurements
  bench                                          measure beside the peers, write docs/measurements/bench.json
";

/// Where the work happens.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// The folder of the workspace.
    pub(crate) root: PathBuf,
    /// Where builds and everything fetched for checks go.
    pub(crate) target: PathBuf,
}

impl Workshop {
    fn open() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .parent()
            .expect("xtask stands one folder below the root")
            .to_path_buf();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        Self {
            target: root.join(target),
            root,
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workshop = Workshop::open();
    let result = match words.as_slice() {
        ["test", options @ ..] => {
            runner::Options::parse(options).and_then(|options| runner::run(&workshop, &options))
        }
        ["targets", options @ ..] => {
            targets::Source::parse(options).and_then(|source| targets(source, &workshop))
        }
        ["floors", options @ ..] => {
            targets::Source::parse(options).and_then(|source| floors(source, &workshop))
        }
        ["tidy"] => tidy(&workshop),
        ["walkthrough"] => walkthrough::write(&workshop).map(|folder| println!("wrote {}", folder.display())),
        ["soak", "--report"] => soak::report::write(&workshop).map(|path| println!("wrote {path}")),
        ["soak", options @ ..] => {
            soak::Options::parse(options).and_then(|options| soak::run(&workshop, &options))
        }
        ["bench"] => bench(&workshop),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // The runner ends with its summary alone on the last line, so it has no more to say.
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::FAILURE
        }
    }
}

fn targets(source: targets::Source, workshop: &Workshop) -> Result<(), String> {
    let toolchain = targets::make(source, workshop)?;
    for target in targets::TARGETS {
        println!("{}cargo build --target {target}", toolchain.spelt());
    }
    Ok(())
}

fn floors(source: targets::Source, workshop: &Workshop) -> Result<(), String> {
    let (tally, numbers) = floors::run(source, workshop)?;
    if tally.failed > 0 {
        return Err(format!("{} of the boards' checks failed", tally.failed));
    }
    println!("wrote {}", soak::write("floors", None, numbers, workshop)?);
    Ok(())
}

fn tidy(workshop: &Workshop) -> Result<(), String> {
    let task = Task::cargo(&["test", "--quiet", "-p", "countersign-testkit", "--test", "tidy"]);
    task.run(workshop)?.success("the tree is not tidy")
}

fn bench(workshop: &Workshop) -> Result<(), String> {
    let folder = workshop.root.join("bench");
    if !folder.join("Cargo.toml").is_file() {
        return Err("bench/ has no Cargo.toml, so there is nothing to measure".to_owned());
    }
    let figures = workshop.target.join("bench.json");
    Task::cargo(&["run", "--release", "--", &figures.to_string_lossy()])
        .inside(folder)
        .run(workshop)?
        .success("the measurement failed")?;
    let told = std::fs::read(&figures).map_err(|error| format!("{}: {error}", figures.display()))?;
    let numbers = serde_json::from_slice(&told).map_err(|error| format!("{}: {error}", figures.display()))?;
    println!("wrote {}", soak::write("bench", None, numbers, workshop)?);
    Ok(())
}
