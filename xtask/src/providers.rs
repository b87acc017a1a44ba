//! One provider of TLS: two in one binary are two sets of bugs to follow and two answers to the same
//! question.
//!
//! Knows the names of the providers. Must never look into the lock file, where optional crates stand too.

use std::collections::BTreeSet;

use crate::Workshop;
use crate::process::Task;
use crate::tally::Tally;

const OURS: &str = "aws-lc-rs";

/// Crates that bring a provider of their own.
const OTHERS: [&str; 7] = [
    "ring",
    "openssl",
    "openssl-sys",
    "native-tls",
    "boring-sys",
    "rustls-graviola",
    "mbedtls",
];

/// Checks what is compiled into the binary on this machine.
pub(crate) fn check(workshop: &Workshop) -> Result<Tally, String> {
    let question = [
        "tree",
        "--locked",
        "-p",
        "countersign",
        "-e",
        "normal,build",
        "--prefix",
        "none",
    ];
    let answer = Task::cargo(&question).ask(workshop)?;
    answer.success(&answer.errors)?;
    judge(&answer.output).map(|()| {
        println!("the only provider of TLS is {OURS}");
        Tally::one(true)
    })
}

fn judge(tree: &str) -> Result<(), String> {
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let others: Vec<&str> = OTHERS.into_iter().filter(|name| names.contains(name)).collect();
    if !others.is_empty() {
        return Err(format!(
            "compiled in beside {OURS}: {}; `cargo tree -p countersign -i NAME` shows by whom",
            others.join(", ")
        ));
    }
    if names.contains(OURS) {
        Ok(())
    } else {
        Err(format!("{OURS} is not compiled in, so who speaks TLS?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_provider_is_named() {
        let found = judge("countersign v0.1.0\naws-lc-rs v1.0.0\nring v0.17.0 (*)\n");
        assert!(found.is_err_and(|message| message.contains("ring")));
    }

    #[test]
    fn single_provider_is_welcome_and_none_is_not() {
        assert_eq!(
            judge("countersign v0.1.0\naws-lc-rs v1.0.0\nstring v1.0.0\n"),
            Ok(())
        );
        assert!(judge("countersign v0.1.0\n").is_err());
    }
}
