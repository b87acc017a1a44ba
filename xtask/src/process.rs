//! Starting programs, letting their output through as it comes, and keeping a copy to read.
//!
//! Knows processes and the search path. Must never know what the output means; that is `tally`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::Workshop;

/// A program with its arguments, ready to start.
#[derive(Debug)]
pub(crate) struct Task {
    program: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    /// What it wrote to standard output.
    pub(crate) output: String,
    /// What it wrote to standard error.
    pub(crate) errors: String,
}

impl Task {
    pub(crate) fn new(program: &str, arguments: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
            folder: None,
        }
    }

    pub(crate) fn cargo(arguments: &[&str]) -> Self {
        Self::new("cargo", arguments)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn inside(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Runs to the end; all output passes through and is kept.
    pub(crate) fn run(&self, workshop: &Workshop) -> Result<Ended, String> {
        println!("+ {} {}", self.program, self.arguments.join(" "));
        let mut child = self
            .command(workshop)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let output = child
            .stdout
            .take()
            .expect("standard output was asked for as a pipe");
        let errors = child
            .stderr
            .take()
            .expect("standard error was asked for as a pipe");
        let listener = thread::spawn(|| pass_through(errors, std::io::stderr()));
        let output = pass_through(output, std::io::stdout());
        let errors = listener
            .join()
            .map_err(|_| "standard error could not be read".to_owned())?;
        let status = child
            .wait()
            .map_err(|error| format!("{} was lost: {error}", self.program))?;
        Ok(Ended {
            status,
            output,
            errors,
        })
    }

    /// Runs to the end in silence.
    pub(crate) fn ask(&self, workshop: &Workshop) -> Result<Ended, String> {
        let ended = self
            .command(workshop)
            .output()
            .map_err(|error| self.not_started(&error))?;
        Ok(Ended {
            status: ended.status,
            output: String::from_utf8_lossy(&ended.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }

    fn command(&self, workshop: &Workshop) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.folder.as_ref().unwrap_or(&workshop.root))
            .env("PATH", search_path(workshop))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        format!("{} could not be started: {error}", self.program)
    }
}

impl Ended {
    pub(crate) fn is_success(&self) -> bool {
        self.status.success()
    }

    pub(crate) fn success(&self, otherwise: &str) -> Result<(), String> {
        if self.is_success() {
            Ok(())
        } else {
            Err(format!("{otherwise} ({})", self.status))
        }
    }
}

/// Where Python modules for checks are installed, so that the system's Python stays as it is.
pub(crate) fn virtual_environment(workshop: &Workshop) -> PathBuf {
    workshop.target.join("venv")
}

/// The search path with the checks' own Python in front.
fn search_path(workshop: &Workshop) -> OsString {
    let mut path = virtual_environment(workshop).join("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// Copies line by line, so that two streams mix only between lines; answers everything read.
fn pass_through(from: impl Read, mut to: impl Write) -> String {
    let mut kept = String::new();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // A terminal that went away must not end the check; the copy still counts.
        let _gone = to.write_all(&line).and_then(|()| to.flush());
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    kept
}
