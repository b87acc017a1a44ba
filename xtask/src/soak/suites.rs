//! The long checks that are tests of ours, run at length and a portion at a time.
//!
//! Knows which tests, the variable that sets their size, and the words in which they tell what they did. Must never
//! know how they do it.

use super::progress::Progress;
use super::{Fault, Numbers, Options};
use crate::needs::Need;
use crate::process::Task;
use crate::tally::Tally;
use crate::{Workshop, histories, steps};

/// Everything that the product is made of: what a check of the whole depends upon.
const PRODUCT: &[&str] = &["crates", "Cargo.toml", "Cargo.lock"];

/// Compares with oathtool, one seed after another, until enough cases agreed.
pub(super) fn oathtool(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        needs: &[steps::OATHTOOL],
        package: "countersign-testkit",
        test: "outside_oathtool",
        arguments: &["--release"],
        filters: &["--ignored"],
        told: &["cases"],
        size: Some(Size {
            of: "cases",
            whole: 1_000_000,
            portion: None,
        }),
        ..Suite::named("oathtool", "oathtool")
    }
    .run(workshop, options)
}

/// Races for one code, in memory, on the embedded store and between two committers.
pub(super) fn races(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        package: "countersign-server",
        size: Some(Size {
            of: "rounds",
            whole: 500,
            portion: Some(("COUNTERSIGN_RACE_ROUNDS", 500)),
        }),
        ..Suite::named("races", "conformance::")
    }
    .run(workshop, options)
}

/// Kills the real server under load, again and again, and compares with what it had acknowledged.
pub(super) fn kills(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        size: Some(Size {
            of: "kills",
            whole: 500,
            portion: Some(("COUNTERSIGN_KILLS", 20)),
        }),
        told: &["kills", "sign_ins"],
        ..Suite::named("kills", "kills::")
    }
    .run(workshop, options)
}

/// Takes the power from under the real server's file system, again and again, and compares likewise.
pub(super) fn power_cuts(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        needs: &[Need::Mounts, steps::XFS],
        filters: &["--ignored"],
        size: Some(Size {
            of: "cuts",
            whole: 200,
            portion: Some(("COUNTERSIGN_POWER_CUTS", 20)),
        }),
        told: &["cuts", "sign_ins"],
        ..Suite::named("power-cuts", "power_cut")
    }
    .run(workshop, options)
}

/// Fills the disk under a server, on both stores, and makes room again.
pub(super) fn disk_full(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        needs: &[Need::Mounts, steps::POSTGRESQL],
        filters: &["--ignored", "--test-threads=1"],
        told: &["stores", "sign_ins", "unavailable"],
        ..Suite::named("disk-full", "disk_full")
    }
    .run(workshop, options)
}

/// Sets the clock under a running server, and before it starts.
pub(super) fn clock_steps(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        needs: &[steps::FAKETIME],
        filters: &["--ignored"],
        told: &["clock_steps"],
        ..Suite::named("clock-steps", "clock_steps")
    }
    .run(workshop, options)
}

/// Changes the audit behind the server's back in every way there is, and sees each named.
pub(super) fn tamperings(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        size: Some(Size {
            of: "tamperings",
            whole: 1_000,
            portion: Some(("COUNTERSIGN_TAMPERINGS", 1_000)),
        }),
        told: &["tamperings"],
        ..Suite::named("tamperings", "audit::")
    }
    .run(workshop, options)
}

/// Sends nonsense to every route of the HTTP door.
pub(super) fn bad_inputs(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        size: Some(Size {
            of: "requests",
            whole: 100_000,
            portion: Some(("COUNTERSIGN_BAD_INPUTS", 20_000)),
        }),
        told: &["requests"],
        ..Suite::named("bad-inputs", "bad_input::nonsense")
    }
    .run(workshop, options)
}

/// Measures what a clock could tell a stranger, and what a flood of sign-ins leaves to others.
pub(super) fn timing(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
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
        ..Suite::named("timing", "timing::")
    }
    .run(workshop, options)
}

/// What three nodes on one database are checked with.
const NODES: Suite = Suite {
    needs: &[steps::POSTGRESQL],
    arguments: &["--release"],
    filters: &["--ignored", "--test-threads=1"],
    ..Suite::named("nodes", "cluster::")
};

/// Revocations at one node, and the loss of one of three under load: how long, and how many notice.
pub(super) fn nodes(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        filters: &["cluster::outage", "--ignored", "--test-threads=1"],
        name: "cluster::revocation",
        environment: &[
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
        ..NODES
    }
    .run(workshop, options)
}

/// Kills nodes and PostgreSQL under load, and compares with what they had acknowledged.
pub(super) fn kills_postgresql(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        check: "kills-postgresql",
        name: "cluster::kills",
        size: Some(Size {
            of: "kills",
            whole: 500,
            portion: Some(("COUNTERSIGN_KILLS", 25)),
        }),
        told: &["kills", "sign_ins"],
        histories: &["kills"],
        ..NODES
    }
    .run(workshop, options)
}

/// Presents codes a thousand times each at three nodes, under kills.
pub(super) fn races_nodes(workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
    Suite {
        check: "races-nodes",
        name: "cluster::races",
        size: Some(Size {
            of: "presentations",
            whole: 1_000_000,
            portion: None,
        }),
        environment: &[("COUNTERSIGN_NODE_RACE_ROUNDS", "50")],
        told: &[
            "presentations",
            "codes",
            "accepted",
            "refused",
            "unanswered",
            "kills",
            "seconds",
        ],
        histories: &["races"],
        ..NODES
    }
    .run(workshop, options)
}

/// Tests that are run at a larger size, or only here, and tell numbers.
struct Suite {
    /// The check's name, under which its progress is kept.
    check: &'static str,
    needs: &'static [Need],
    package: &'static str,
    test: &'static str,
    arguments: &'static [&'static str],
    filters: &'static [&'static str],
    name: &'static str,
    /// What is counted until there is enough of it; without a size the tests run once.
    size: Option<Size>,
    /// Sizes that stay the same.
    environment: &'static [(&'static str, &'static str)],
    /// The words before which the tests print a number.
    told: &'static [&'static str],
    /// Histories that the tests leave, to be explained by the model.
    histories: &'static [&'static str],
}

struct Size {
    /// The word for what is counted. Where the tests do not tell it, it is what was asked for.
    of: &'static str,
    whole: u64,
    /// The variable that asks for a size, and how much one run is asked for: what an interruption can lose.
    /// Without it a run has a size of its own.
    portion: Option<(&'static str, u64)>,
}

impl Suite {
    /// Tests of the binary whose names begin so.
    const fn named(check: &'static str, name: &'static str) -> Self {
        Self {
            check,
            needs: &[],
            package: "countersign",
            test: "it",
            arguments: &[],
            filters: &[],
            name,
            size: None,
            environment: &[],
            told: &[],
            histories: &[],
        }
    }

    /// Runs portion after portion, each with a seed of its own, and adds up what they tell.
    fn run(&self, workshop: &Workshop, options: &Options) -> Result<Numbers, Fault> {
        if let Some(need) = self.needs.iter().find(|need| !need.is_met(workshop)) {
            return Err(Fault::Skipped(format!("needs {}", need.name())));
        }
        let Some(size) = &self.size else {
            return Ok(numbers(self.portion(workshop, options.seed, None)?));
        };
        let whole = options.count.unwrap_or(size.whole);
        let mut progress = Progress::open(workshop, self.check, PRODUCT)?;
        loop {
            let left = whole.saturating_sub(progress.count(size.of));
            if left == 0 {
                break;
            }
            let seed = options.seed.wrapping_add(progress.count("portions"));
            let asked = size.portion.map(|(variable, most)| (variable, left.min(most)));
            let told = self.portion(workshop, seed, asked)?;
            progress.add("portions", 1)?;
            if !self.told.contains(&size.of) {
                progress.add(size.of, asked.map_or(left, |(_, asked)| asked))?;
            }
            for (name, number) in told {
                progress.add(name, number)?;
            }
            println!(
                "{}: {} of {whole} {}",
                self.check,
                progress.count(size.of),
                size.of
            );
        }
        let numbers = numbers(progress.counts.clone());
        progress.finish()?;
        Ok(numbers)
    }

    /// Runs the tests once; what they told.
    fn portion(
        &self,
        workshop: &Workshop,
        seed: u64,
        asked: Option<(&str, u64)>,
    ) -> Result<Vec<(&'static str, u64)>, Fault> {
        let head = ["test", "-p", self.package, "--test", self.test];
        let tail = ["--", "--nocapture", self.name];
        let arguments = [&head, self.arguments, &tail, self.filters].concat();
        let mut task = Task::cargo(&arguments).with("COUNTERSIGN_SEED", &seed.to_string());
        for (variable, size) in self.environment {
            task = task.with(variable, size);
        }
        if let Some((variable, asked)) = asked {
            task = task.with(variable, &asked.to_string());
        }
        let ended = task.run(workshop)?;
        let tally = Tally::read(&ended.output, ended.is_success());
        if tally.failed > 0 || tally.passed == 0 {
            let reason = format!("under seed {seed}; the output says in which way");
            return Err(Fault::Failed(reason));
        }
        let mut numbers = vec![("failures", 0)];
        for word in self.told {
            let number = number_before(&ended.output, word).ok_or("the check does not say what it did")?;
            numbers.push((*word, number));
        }
        if !self.histories.is_empty() {
            let said = histories::check_named(workshop, self.histories)?;
            for (word, name) in [
                ("operations", "operations_explained"),
                ("unknown", "unanswered_operations"),
            ] {
                let number = number_before(&said, word).ok_or("the checker does not say what it did")?;
                numbers.push((name, number));
            }
        }
        Ok(numbers)
    }
}

fn numbers<N: ToString>(counts: impl IntoIterator<Item = (N, impl Into<serde_json::Value>)>) -> Numbers {
    let named = counts.into_iter();
    named
        .map(|(name, count)| (name.to_string(), count.into()))
        .collect()
}

/// The sum of the numbers that stand right before a word, as in `100000 cases`; none where there is none.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    words
        .windows(2)
        .filter(|two| two[1] == word)
        .filter_map(|two| two[0].replace('_', "").parse::<u64>().ok())
        .reduce(u64::saturating_add)
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
        assert_eq!(number_before("1 stores\n1 stores, 9 cases", "stores"), Some(2));
    }
}
