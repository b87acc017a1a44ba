//! The chains of all nodes as one history, walked backwards in time.
//!
//! Knows: how chains are merged, and where a walk is to go on. Must never know: what is looked for.
//!
//! Read next: [`crate::store::Place`] for what a time means where a clock was put right.

use std::fmt;
use std::vec::IntoIter;

use countersign_core::time::UnixSeconds;

use crate::store::{AuditRow, Place, Store, StoreError};

/// Entries of one chain that are read at once.
const PAGE: usize = 500;

/// An entry's place among those of all chains: by its time, then its node, then its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    at: UnixSeconds,
    node: String,
    number: u64,
}

impl Cursor {
    /// Reads back what [`Display`](fmt::Display) wrote; none where it is something else.
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut parts = text.splitn(3, '.');
        Some(Cursor {
            at: UnixSeconds(parts.next()?.parse().ok()?),
            number: parts.next()?.parse().ok()?,
            node: parts.next()?.to_owned(),
        })
    }

    fn of(row: &AuditRow) -> Cursor {
        Cursor {
            at: row.at,
            node: row.node.clone(),
            number: row.number,
        }
    }

    /// Where a chain goes on before this entry.
    fn in_chain(&self, node: &str) -> Place {
        let number = match node.cmp(&self.node) {
            std::cmp::Ordering::Less => u64::MAX,
            std::cmp::Ordering::Equal => self.number,
            std::cmp::Ordering::Greater => 0,
        };
        Place { at: self.at, number }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.0, self.number, self.node)
    }
}

/// A walk from the latest entry to the earliest.
pub struct Walk<'a> {
    store: &'a dyn Store,
    since: UnixSeconds,
    chains: Vec<Chain>,
    last: Option<Cursor>,
}

/// One node's chain, as far as it was read.
struct Chain {
    node: String,
    before: Place,
    page: std::iter::Peekable<IntoIter<AuditRow>>,
    is_read: bool,
}

impl<'a> Walk<'a> {
    /// A walk over the entries that are dated in `since..until` and lie before a cursor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn back(
        store: &'a dyn Store,
        since: UnixSeconds,
        until: UnixSeconds,
        cursor: Option<&Cursor>,
    ) -> Result<Walk<'a>, StoreError> {
        let end = Place::before(until);
        let chain = |head: AuditRow| Chain {
            before: cursor.map_or(end, |cursor| cursor.in_chain(&head.node).min(end)),
            node: head.node,
            page: Vec::new().into_iter().peekable(),
            is_read: false,
        };
        Ok(Walk {
            store,
            since,
            chains: store.audit_heads()?.into_iter().map(chain).collect(),
            last: None,
        })
    }

    /// The next entry; none at the end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn step(&mut self) -> Result<Option<AuditRow>, StoreError> {
        let mut latest: Option<(Cursor, usize)> = None;
        for (index, chain) in self.chains.iter_mut().enumerate() {
            let Some(row) = chain.peek(self.store, self.since)? else {
                continue;
            };
            let cursor = Cursor::of(row);
            if latest.as_ref().is_none_or(|(found, _)| *found < cursor) {
                latest = Some((cursor, index));
            }
        }
        let Some((cursor, index)) = latest else {
            return Ok(None);
        };
        self.last = Some(cursor);
        Ok(self.chains[index].page.next())
    }

    /// The entry that was stepped on last, where another walk goes on.
    pub fn last(&self) -> Option<&Cursor> {
        self.last.as_ref()
    }
}

impl Chain {
    fn peek(&mut self, store: &dyn Store, since: UnixSeconds) -> Result<Option<&AuditRow>, StoreError> {
        if self.page.peek().is_none() && !self.is_read {
            let rows = store.audit_before(&self.node, since, self.before, PAGE)?;
            self.is_read = rows.len() < PAGE;
            if let Some(row) = rows.last() {
                self.before = Place {
                    at: row.at,
                    number: row.number,
                };
            }
            self.page = rows.into_iter().peekable();
        }
        Ok(self.page.peek())
    }
}

#[cfg(test)]
mod tests {
    use countersign_auth::event::{Act, Ending, Event, Origin};

    use super::*;
    use crate::store::memory::Memory;
    use crate::store::{Batch, Fate};

    /// Chains of entries at these times.
    fn store(chains: &[(&str, &[u64])]) -> Memory {
        let store = Memory::default();
        let event = Event::plain(Act::ServerStart, Ending::Success, &Origin::server());
        for (node, times) in chains {
            let rows = times.iter().zip(1..).map(|(at, number)| AuditRow {
                node: (*node).to_owned(),
                number,
                at: UnixSeconds(*at),
                body: serde_json::to_string(&event).expect("events are JSON"),
                mac: [0; 32],
            });
            let rows: Vec<AuditRow> = rows.collect();
            let batch = Batch {
                parts: Vec::new(),
                now: UnixSeconds(1),
                sealing_key: None,
            };
            let fates: Vec<Fate> = store
                .commit(&batch, &mut |_| rows.clone())
                .expect("memory takes everything");
            assert!(fates.is_empty());
        }
        store
    }

    fn walked(walk: &mut Walk<'_>, most: usize) -> Vec<String> {
        let step = || walk.step().expect("memory is there");
        std::iter::from_fn(step)
            .take(most)
            .map(|row| Cursor::of(&row).to_string())
            .collect()
    }

    #[test]
    fn chains_are_one_history_and_a_walk_goes_on_where_another_ended() {
        let many: Vec<u64> = (0..1200).collect();
        let store = store(&[("a", &[5, 5, 9]), ("b.c", &[5, 5, 7]), ("d", &many)]);
        let back = |cursor: Option<&Cursor>| {
            Walk::back(&store, UnixSeconds(5), UnixSeconds(8), cursor).expect("memory is there")
        };
        let whole = walked(&mut back(None), usize::MAX);
        let expected = [
            "7.8.d", "7.3.b.c", "6.7.d", "5.6.d", "5.2.b.c", "5.1.b.c", "5.2.a", "5.1.a",
        ];
        assert_eq!(whole, expected);
        for pace in 1..=whole.len() {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let mut walk = back(cursor.as_ref());
                let page = walked(&mut walk, pace);
                let Some(last) = walk.last() else { break };
                cursor = Cursor::parse(&last.to_string());
                assert_eq!(cursor.as_ref(), Some(last));
                found.extend(page);
            }
            assert_eq!(found, expected, "in steps of {pace}");
        }
        let all = Walk::back(&store, UnixSeconds(0), UnixSeconds(u64::MAX), None);
        assert_eq!(
            walked(&mut all.expect("memory is there"), usize::MAX).len(),
            1206,
            "over pages"
        );
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        for text in ["", "1", "1.2", "x.1.node", "1.-1.node", "1..node"] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }
}
