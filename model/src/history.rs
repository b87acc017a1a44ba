//! The check of a recorded history: is what the clients were told explained by some order in which the operations
//! were carried out, one after another, each between its invocation and its return?
//!
//! Objects are independent, so each has a history of its own. An operation of unknown outcome stays pending: it may
//! take effect at any time after its invocation, or never.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

use crate::once::{Once, Op, Ret};

/// One operation as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Operation {
    /// The node that was asked.
    pub node: usize,
    /// What was asked.
    pub kind: Op,
    /// Of which code or session.
    pub object: String,
    /// When, in nanoseconds since the history began.
    pub invoked: u64,
    /// When the answer was there, or when the client gave up.
    pub returned: u64,
    /// What the client was told.
    pub outcome: Outcome,
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Accepted,
    /// It was not done.
    Refused,
    /// Neither.
    Unknown,
}

/// A history that was read.
#[derive(Debug, Default)]
pub struct History {
    objects: BTreeMap<String, Vec<Operation>>,
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Operations.
    pub operations: usize,
    /// Codes and sessions.
    pub objects: usize,
    /// Operations of unknown outcome.
    pub unknown: usize,
}

/// Why a history is not what the product promises.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line is no operation.
    Line {
        /// From 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The operations of an object are explained by no order.
    Object {
        /// Which.
        name: String,
        /// Those that contradict each other.
        operations: Vec<Operation>,
    },
    /// Nothing was recorded.
    Empty,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Line { number, why } => write!(f, "line {number} is no operation: {why}"),
            Fault::Object { name, operations } => {
                write!(f, "{name}: no order explains what was answered")?;
                operations.iter().try_for_each(|told| {
                    let Operation {
                        node,
                        kind,
                        invoked,
                        returned,
                        outcome,
                        ..
                    } = told;
                    write!(
                        f,
                        "\n  {kind:?} at node {node} from {invoked} to {returned} ns: {outcome:?}"
                    )
                })
            }
            Fault::Empty => f.write_str("the history holds no operation"),
        }
    }
}

impl std::error::Error for Fault {}

impl History {
    /// Reads lines of JSON.
    ///
    /// # Errors
    /// [`Fault::Line`], [`Fault::Empty`].
    pub fn parse(text: &str) -> Result<History, Fault> {
        let mut history = History::default();
        for (number, line) in (1..).zip(text.lines()) {
            let operation: Operation = serde_json::from_str(line).map_err(|error| Fault::Line {
                number,
                why: error.to_string(),
            })?;
            if operation.returned < operation.invoked {
                let why = "it returned before it was invoked".to_owned();
                return Err(Fault::Line { number, why });
            }
            history
                .objects
                .entry(operation.object.clone())
                .or_default()
                .push(operation);
        }
        if history.objects.is_empty() {
            return Err(Fault::Empty);
        }
        Ok(history)
    }

    /// Checks every object.
    ///
    /// # Errors
    /// [`Fault::Object`] with the first that no order explains.
    pub fn check(&self) -> Result<Extent, Fault> {
        let mut extent = Extent::default();
        for (name, operations) in &self.objects {
            let telling = telling(operations);
            if !is_linearizable(&telling) {
                return Err(Fault::Object {
                    name: name.clone(),
                    operations: telling,
                });
            }
            extent.objects += 1;
            extent.operations += operations.len();
            extent.unknown += operations
                .iter()
                .filter(|told| told.outcome == Outcome::Unknown)
                .count();
        }
        Ok(extent)
    }
}

/// The operations of one object on which alone it depends whether an order exists; at most five.
///
/// There is at most one end, and the others stand before or after it. So of several accepted uses the one invoked last
/// asks most (the end comes after its invocation), of several refusals the one that returned first (the end comes
/// before its return), of several ends of unknown outcome the one invoked first explains most. Two accepted ends are
/// one too many already.
#[must_use]
pub fn telling(operations: &[Operation]) -> Vec<Operation> {
    let of = |outcome: Outcome, ends: Option<bool>| {
        operations
            .iter()
            .filter(move |told| told.outcome == outcome && ends.is_none_or(|ends| told.kind.ends() == ends))
    };
    let ends = of(Outcome::Accepted, Some(true)).take(2);
    let last_use = of(Outcome::Accepted, Some(false)).max_by_key(|told| told.invoked);
    let first_refusal = of(Outcome::Refused, None).min_by_key(|told| told.returned);
    let first_unknown = of(Outcome::Unknown, Some(true)).min_by_key(|told| told.invoked);
    let others = [last_use, first_refusal, first_unknown].into_iter().flatten();
    ends.chain(others).cloned().collect()
}

/// Whether some order explains the operations of one object.
///
/// # Panics
/// Never: each operation has a thread of its own, which the tester asks for.
#[must_use]
pub fn is_linearizable(operations: &[Operation]) -> bool {
    // At one instant what begins comes before what ends: the two overlap.
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (thread, told) in operations.iter().enumerate() {
        events.push((told.invoked, false, thread));
        if told.outcome != Outcome::Unknown {
            events.push((told.returned, true, thread));
        }
    }
    events.sort_unstable();
    let mut tester = LinearizabilityTester::new(Once::default());
    for (_, is_return, thread) in events {
        let told = &operations[thread];
        let taken = match (is_return, told.outcome) {
            (false, _) => tester.on_invoke(thread, told.kind),
            (true, Outcome::Accepted) => tester.on_return(thread, Ret::Accepted),
            (true, _) => tester.on_return(thread, Ret::Refused),
        };
        taken.expect("each operation has a thread of its own");
    }
    tester.is_consistent()
}
