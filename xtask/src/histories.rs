//! The checker of what clients of three nodes were told, in `model/`, and its own tests.
//!
//! Knows where the tests of three nodes leave their histories. Must never know how one is judged.

use std::fs;

use crate::Workshop;
use crate::process::Task;
use crate::tally::Tally;

/// The model's own tests, and a check of every history that the tests of three nodes left.
pub(crate) fn model(workshop: &Workshop) -> Result<Tally, String> {
    let ended = Task::cargo(&["test", "--locked"])
        .inside(workshop.root.join("model"))
        .run(workshop)?;
    let tally = Tally::read(&ended.output, ended.is_success());
    let folder = workshop.target.join("histories");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let paths: Vec<String> = entries.map(|entry| entry.path().display().to_string()).collect();
    if paths.is_empty() {
        println!("no history was recorded; the check `postgresql` records some");
        return Ok(tally);
    }
    check(workshop, &paths)?;
    let checked = paths.iter().map(|_| Tally::one(true)).sum();
    Ok(tally + checked)
}

/// Checks the histories of these names that the tests left; what the checker said.
pub(crate) fn check_named(workshop: &Workshop, names: &[&str]) -> Result<String, String> {
    let folder = workshop.target.join("histories");
    let path = |name: &&str| folder.join(format!("{name}.jsonl")).display().to_string();
    check(workshop, &names.iter().map(path).collect::<Vec<_>>())
}

fn check(workshop: &Workshop, paths: &[String]) -> Result<String, String> {
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let ended = Task::cargo(&[&["run", "--locked", "--quiet", "--"], &paths[..]].concat())
        .inside(workshop.root.join("model"))
        .run(workshop)?;
    ended.success("what the clients were told is explained by no order of events")?;
    Ok(ended.output)
}
