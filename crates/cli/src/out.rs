//! What a command prints and how it ends: data on standard output, talk on standard error.
//!
//! Knows: exit codes. Must never know: what a command does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Why a command did not do what it was asked; each kind has its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It was refused: exit code 1.
    Refused(String),
    /// It was called wrongly: exit code 2.
    Usage(String),
    /// Something it needs can't be reached or used: exit code 3.
    Unavailable(String),
    /// No decision about time can be made: exit code 4.
    Clock(String),
}

impl Failed {
    /// Whatever stood in the way of reaching or using something.
    pub(crate) fn unavailable(error: impl Display) -> Failed {
        Failed::Unavailable(error.to_string())
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failed::Refused(_) => 1,
            Failed::Usage(_) => 2,
            Failed::Unavailable(_) => 3,
            Failed::Clock(_) => 4,
        })
    }

    fn text(&self) -> &str {
        match self {
            Failed::Refused(text) | Failed::Usage(text) | Failed::Unavailable(text) | Failed::Clock(text) => {
                text
            }
        }
    }
}

/// Says on standard error why a command failed.
pub(crate) fn complain(failed: &Failed) {
    eprintln!("countersign: {}", failed.text());
}

/// Talks on standard error.
pub(crate) fn say(text: impl Display) {
    eprintln!("{text}");
}

/// Prints a line of data on standard output at once; a reader that went away is no fault of ours.
pub(crate) fn data(text: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// How far long work has come: one line on standard error that is written over, on a terminal only.
pub(crate) struct Progress {
    done: u64,
    all: u64,
    what: &'static str,
    shown: bool,
}

impl Progress {
    /// Nothing of so much is done.
    pub(crate) fn over(all: u64, what: &'static str) -> Progress {
        Progress {
            done: 0,
            all,
            what,
            shown: std::io::stderr().is_terminal(),
        }
    }

    /// So much more is done.
    pub(crate) fn advance(&mut self, by: u64) {
        self.done += by;
        if self.shown {
            let percent = (self.done * 100).checked_div(self.all).unwrap_or(100).min(100);
            eprint!(
                "\r{percent:3} %  {} of {} {}",
                self.done,
                self.all.max(self.done),
                self.what
            );
        }
    }

    /// Leaves the line.
    pub(crate) fn end(self) {
        if self.shown {
            eprintln!();
        }
    }
}

/// Prints a text that brings its own line ends.
pub(crate) fn text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
