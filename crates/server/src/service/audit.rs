//! The audit's chain: each entry numbered and bound to its predecessor under a key that is not in the
//! database.
//!
//! Knows: how entries are linked, checked and summed up in a checkpoint. Must never know: what they mean.
//!
//! What it shows: altered, missing, reordered and, with a checkpoint, cut entries. What it can't show: a
//! database and a checkpoint that were set back together; keep an exported checkpoint elsewhere for that.

use std::collections::BTreeMap;
use std::fmt;

use countersign_auth::event::Event;
use countersign_auth::seal::KeyRing;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::store::{AuditRow, Store, StoreError};

/// The end of one node's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry; 0 before the first.
    pub number: u64,
    /// Its MAC; zeroes before the first.
    pub mac: [u8; 32],
}

impl Head {
    /// Before the first entry.
    pub const START: Head = Head {
        number: 0,
        mac: [0; 32],
    };
}

/// Numbers and links events after a head, and moves the head.
pub fn extend(
    head: &mut Head,
    node: &str,
    at: UnixSeconds,
    events: &[&Event],
    keys: &KeyRing,
) -> Vec<AuditRow> {
    let link_one = |event: &&Event| {
        let body = serde_json::to_string(event).expect("events hold nothing that JSON can't spell");
        let number = head.number + 1;
        let mac = link(&head.mac, node, number, at, &body, keys);
        *head = Head { number, mac };
        AuditRow {
            node: node.to_owned(),
            number,
            at,
            body,
            mac,
        }
    };
    events.iter().map(link_one).collect()
}

fn link(before: &[u8; 32], node: &str, number: u64, at: UnixSeconds, body: &str, keys: &KeyRing) -> [u8; 32] {
    let (number, at) = (number.to_be_bytes(), at.0.to_be_bytes());
    keys.audit(
        "audit entry",
        &[before, node.as_bytes(), &number, &at, body.as_bytes()],
    )
}

/// What is wrong with a chain, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// Entries between two numbers are missing.
    Missing {
        /// The chain.
        node: String,
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
    },
    /// The entry, or its place after its predecessor, was altered.
    Altered {
        /// The chain.
        node: String,
        /// The entry.
        number: u64,
    },
    /// The chain ends before the entry that a checkpoint names.
    Cut {
        /// The chain.
        node: String,
        /// Last entry there is.
        found: u64,
        /// Last entry the checkpoint saw.
        expected: u64,
    },
    /// The entry that a checkpoint names is another one now.
    Rewritten {
        /// The chain.
        node: String,
        /// The entry.
        number: u64,
    },
    /// The checkpoint itself was altered.
    Checkpoint,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Missing { node, from, to } => {
                write!(f, "audit entries {from} to {to} of node {node} are missing")
            }
            Damage::Altered { node, number } => {
                write!(f, "audit entry {number} of node {node} was altered or moved")
            }
            Damage::Cut {
                node,
                found,
                expected,
            } => {
                write!(
                    f,
                    "the audit of node {node} was cut: it ends at entry {found}, the checkpoint saw entry {expected}"
                )
            }
            Damage::Rewritten { node, number } => {
                write!(
                    f,
                    "audit entry {number} of node {node} is not the one that the checkpoint saw"
                )
            }
            Damage::Checkpoint => f.write_str("the checkpoint was altered, or belongs to another key ring"),
        }
    }
}

/// Heads of all chains at a time, authenticated, to be kept outside the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// When it was made.
    pub at: u64,
    /// Last entry of each chain.
    pub chains: BTreeMap<String, ChainEnd>,
    /// Over all of the above, under the audit key.
    pub mac: String,
}

/// The end of a chain, as a checkpoint spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// Number of the last entry, which is also the count of entries ever made.
    pub number: u64,
    /// Its MAC in hexadecimal.
    pub mac: String,
}

impl Checkpoint {
    /// Sums up the chains as they stand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn make(store: &dyn Store, at: UnixSeconds, keys: &KeyRing) -> Result<Checkpoint, StoreError> {
        let end = |row: AuditRow| {
            let mac = countersign_auth::id::hex(&row.mac);
            (
                row.node,
                ChainEnd {
                    number: row.number,
                    mac,
                },
            )
        };
        let chains = store.audit_heads()?.into_iter().map(end).collect();
        let mut checkpoint = Checkpoint {
            at: at.0,
            chains,
            mac: String::new(),
        };
        checkpoint.mac = checkpoint.expected_mac(keys);
        Ok(checkpoint)
    }

    /// Whether every chain still holds the entry that was its last one here and goes on from it undamaged, and
    /// this is what was written then.
    ///
    /// A new checkpoint may take the place of this one only then: it would vouch for what it does not know.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holds(&self, store: &dyn Store, keys: &KeyRing) -> Result<bool, StoreError> {
        if self.expected_mac(keys) != self.mac {
            return Ok(false);
        }
        let nodes = store.audit_heads()?.into_iter().map(|row| row.node);
        let mut heads: BTreeMap<String, Head> = nodes.map(|node| (node, Head::START)).collect();
        for (node, end) in &self.chains {
            let found = store.audit(node, end.number.saturating_sub(1), 1)?;
            let is_the_same =
                |row: &AuditRow| row.number == end.number && countersign_auth::id::hex(&row.mac) == end.mac;
            let Some(row) = found.into_iter().next().filter(is_the_same) else {
                return Ok(false);
            };
            let (number, mac) = (row.number, row.mac);
            heads.insert(node.clone(), Head { number, mac });
        }
        let mut damages = Vec::new();
        for (node, head) in heads {
            walk(store, keys, &node, head, None, &mut damages)?;
        }
        Ok(damages.is_empty())
    }

    fn expected_mac(&self, keys: &KeyRing) -> String {
        let chains = serde_json::to_string(&self.chains).expect("chains hold nothing that JSON can't spell");
        let mac = keys.audit("audit checkpoint", &[&self.at.to_be_bytes(), chains.as_bytes()]);
        countersign_auth::id::hex(&mac)
    }
}

/// Walks every chain and names what is damaged; nothing when all is whole.
///
/// # Errors
/// [`StoreError`] when the store can't be read.
pub fn verify(
    store: &dyn Store,
    keys: &KeyRing,
    checkpoint: Option<&Checkpoint>,
) -> Result<(u64, Vec<Damage>), StoreError> {
    let mut damages = Vec::new();
    let sound = checkpoint.filter(|checkpoint| checkpoint.expected_mac(keys) == checkpoint.mac);
    if checkpoint.is_some() && sound.is_none() {
        damages.push(Damage::Checkpoint);
    }
    let empty = BTreeMap::new();
    let expected = sound.map_or(&empty, |checkpoint| &checkpoint.chains);
    let mut nodes: Vec<String> = store.audit_heads()?.into_iter().map(|row| row.node).collect();
    nodes.extend(
        expected
            .keys()
            .filter(|node| !nodes.contains(node))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let mut total = 0;
    for node in nodes {
        let (entries, head) = walk(store, keys, &node, Head::START, expected.get(&node), &mut damages)?;
        total += entries;
        if let Some(end) = expected.get(&node).filter(|end| head.number < end.number) {
            damages.push(Damage::Cut {
                node: node.clone(),
                found: head.number,
                expected: end.number,
            });
        }
    }
    Ok((total, damages))
}

/// Walks one chain from an entry on; how many followed, and the last.
fn walk(
    store: &dyn Store,
    keys: &KeyRing,
    node: &str,
    from: Head,
    end: Option<&ChainEnd>,
    damages: &mut Vec<Damage>,
) -> Result<(u64, Head), StoreError> {
    const PAGE: usize = 1000;
    let (mut entries, mut head) = (0, from);
    loop {
        let rows = store.audit(node, head.number, PAGE)?;
        for row in &rows {
            entries += 1;
            check(&mut head, row, keys, end, damages);
        }
        if rows.len() < PAGE {
            return Ok((entries, head));
        }
    }
}

fn check(head: &mut Head, row: &AuditRow, keys: &KeyRing, end: Option<&ChainEnd>, damages: &mut Vec<Damage>) {
    let node = || row.node.clone();
    let gap = row.number != head.number + 1;
    if gap {
        damages.push(Damage::Missing {
            node: node(),
            from: head.number + 1,
            to: row.number - 1,
        });
    } else if link(&head.mac, &row.node, row.number, row.at, &row.body, keys) != row.mac {
        damages.push(Damage::Altered {
            node: node(),
            number: row.number,
        });
    }
    if end.is_some_and(|end| end.number == row.number && end.mac != countersign_auth::id::hex(&row.mac)) {
        damages.push(Damage::Rewritten {
            node: node(),
            number: row.number,
        });
    }
    *head = Head {
        number: row.number,
        mac: row.mac,
    };
}
