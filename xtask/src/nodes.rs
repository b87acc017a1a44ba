//! Three nodes on one PostgreSQL at length, and the checker of what their clients were told, in `model/`.
//!
//! Knows the tests, the variables that set their size, and the words in which they tell what they did. Must never know
//! how they do it.

use std::fs;

use crate::Workshop;
use crate::process::Task;
use crate::soak::Numbers;
use crate::tally::Tally;

/// Tests of three nodes that are run at length.
struct Length {
    /// Their names begin so.
    tests: &'static [&'static str],
    /// Variables that set sizes, where the environment does not set them already.
    sizes: &'static [(&'static str, &'static str)],
    /// The words before which the tests print a number.
    told: &'static [&'static str],
    /// The histories that they leave.
    histories: &'static [&'static str],
}

/// Revocations and outages: how long, and how many notice.
pub(crate) fn nodes(workshop: &Workshop, seed: u64) -> Result<Numbers, String> {
    Length {
        tests: &["cluster::revocation", "cluster::outage"],
        sizes: &[
            ("COUNTERSIGN_REVOCATIONS", "500"),
            ("COUNTERSIGN_NODE_KILLS", "10"),
        ],
        told: &[
            "revocations",
            "revocation_p99_us",
            "revocation_max_us",
            "node_kills",
            "requests",
            "failed_requests",
            "failed_ppm",
            "failing_max_ms",
        ],
        histories: &["revocation", "outage"],
    }
    .run(workshop, seed)
}

/// Kills of nodes and of PostgreSQL under load.
pub(crate) fn kills(workshop: &Workshop, seed: u64) -> Result<Numbers, String> {
    Length {
        tests: &["cluster::kills"],
        sizes: &[("COUNTERSIGN_KILLS", "500")],
        told: &["kills", "sign_ins", "people"],
        histories: &["kills"],
    }
    .run(workshop, seed)
}

/// A million presentations of a thousand codes, under kills.
pub(crate) fn races(workshop: &Workshop, seed: u64) -> Result<Numbers, String> {
    Length {
        tests: &["cluster::races"],
        sizes: &[("COUNTERSIGN_NODE_RACE_ROUNDS", "1000")],
        told: &[
            "hands",
            "presentations",
            "codes",
            "accepted",
            "refused",
            "unanswered",
            "kills",
            "seconds",
        ],
        histories: &["thousand-hands", "races"],
    }
    .run(workshop, seed)
}

impl Length {
    fn run(&self, workshop: &Workshop, seed: u64) -> Result<Numbers, String> {
        let head = ["test", "-p", "countersign", "--release", "--test", "it", "--"];
        let tail = ["--ignored", "--nocapture", "--test-threads=1"];
        let mut task =
            Task::cargo(&[&head, self.tests, &tail].concat()).with("COUNTERSIGN_SEED", &seed.to_string());
        for (variable, size) in self.sizes {
            if std::env::var_os(variable).is_none() {
                task = task.with(variable, size);
            }
        }
        let ended = task.run(workshop)?;
        let tally = Tally::read(&ended.output, ended.is_success());
        if tally.failed > 0 {
            return Err("three nodes broke a promise; the output says which".to_owned());
        }
        let mut numbers = Numbers::from([
            ("tests".to_owned(), tally.passed.into()),
            ("failures".to_owned(), 0.into()),
        ]);
        for word in self.told {
            let number = number_before(&ended.output, word).ok_or("the check does not say what it did")?;
            numbers.insert((*word).to_owned(), number.into());
        }
        let folder = workshop.target.join("histories");
        let paths = self
            .histories
            .iter()
            .map(|name| folder.join(format!("{name}.jsonl")));
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let checked = check(workshop, &paths)?;
        for word in ["operations", "objects", "unknown"] {
            let number = number_before(&checked, word).ok_or("the checker does not say what it did")?;
            numbers.insert(format!("history_{word}"), number.into());
        }
        Ok(numbers)
    }
}

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

/// Checks recorded histories; what the checker said.
fn check(workshop: &Workshop, paths: &[String]) -> Result<String, String> {
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let ended = Task::cargo(&[&["run", "--locked", "--quiet", "--"], &paths[..]].concat())
        .inside(workshop.root.join("model"))
        .run(workshop)?;
    ended.success("what the clients were told is explained by no order of events")?;
    Ok(ended.output)
}

/// The sum of the numbers that stand right before a word.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let numbers = words.windows(2).filter(|two| two[1] == word);
    numbers
        .filter_map(|two| two[0].parse::<u64>().ok())
        .reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn numbers_before_a_word_are_added_up() {
        let told = "a: 3 operations, 1 objects\nb: 4 operations, 2 objects";
        assert_eq!(number_before(told, "operations"), Some(7));
        assert_eq!(number_before(told, "unknown"), None);
    }
}
