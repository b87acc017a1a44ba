//! Other people's programs against the binary: a browser, a Python interpreter.
//!
//! Knows how each is started. Must never know what they check; that stands in their own files.

use crate::Workshop;
use crate::process::Task;
use crate::tally::Tally;

/// The walk through the pages in headless Chromium.
pub(crate) fn browser(workshop: &Workshop) -> Result<Tally, String> {
    let binary = built(workshop)?;
    let chromium = Task::new("sh", &["-c", "command -v chromium"]).ask(workshop)?;
    let ended = Task::new("node", &["--test", "--test-reporter=tap"])
        .inside(workshop.root.join("tests/web"))
        .with("COUNTERSIGN_BIN", &binary)
        .with("CHROMIUM", chromium.output.trim())
        .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

/// The Python client against a real server.
pub(crate) fn python_client(workshop: &Workshop) -> Result<Tally, String> {
    let binary = built(workshop)?;
    let ended = Task::new("python3", &["test_client.py"])
        .inside(workshop.root.join("clients/python"))
        .with("COUNTERSIGN_BIN", &binary)
        .with("PYTHONDONTWRITEBYTECODE", "1")
        .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

/// Builds the binary and says where it is.
fn built(workshop: &Workshop) -> Result<String, String> {
    Task::cargo(&["build", "-p", "countersign"])
        .run(workshop)?
        .success("the binary does not build")?;
    Ok(workshop.target.join("debug/countersign").display().to_string())
}
