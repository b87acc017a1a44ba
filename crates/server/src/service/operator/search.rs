//! The audit, searched: what happened to whom, from where, and how it ended, the latest first.
//!
//! Knows: filters, and how much may be looked at in one go. Must never know: how chains are linked, or merged; see
//! [`crate::service::history`].

use countersign_auth::event::{Act, Ending, Reason, unknown};
use countersign_auth::name::Name;
use countersign_auth::seal::KeyRing;
use countersign_core::time::UnixSeconds;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::history::{Cursor, Walk};
use super::super::{Failure, names, networks};
use super::audit::Entry;
use super::{Operator, Reply, Stop, malformed, when};
use crate::store::Store;

/// Most entries that one search answers with.
pub const FOUND_MAX: usize = 200;
/// Most entries that one search looks at; a longer one goes on at the cursor.
const LOOKED_AT_MAX: u64 = 20_000;
/// How what nobody has is spelt in the audit.
const UNKNOWN: &str = "unknown:";

/// What is looked for: entries to which all of it applies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// From when on.
    pub since: Option<String>,
    /// Until when; what happened at that very second is not part of it.
    pub until: Option<String>,
    /// The account's name, or a name that was tried and that nobody has.
    pub subject: Option<String>,
    /// The name of whoever acted for others.
    pub by: Option<String>,
    /// What was done or tried.
    pub act: Option<String>,
    /// How it ended.
    pub result: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Where it came from: a network as the audit spells it, or an address in it.
    pub source: Option<String>,
    /// At most so many entries; [`FOUND_MAX`] where it is 0 or more than that.
    pub limit: usize,
    /// Where an earlier search stopped.
    pub cursor: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The entries, the latest first.
    pub entries: Vec<Entry>,
    /// How many entries were looked at.
    pub looked_at: u64,
    /// Where to go on; none where all was looked at.
    pub older: Option<String>,
    /// Whether it stopped because it had looked at as much as one search may, and not because it had found enough.
    pub stopped_early: bool,
}

/// A search that was found to make sense.
#[derive(Debug)]
struct Wanted {
    since: UnixSeconds,
    until: UnixSeconds,
    /// Members of an entry, and what may stand there.
    members: Vec<(&'static str, Vec<String>)>,
    limit: usize,
    cursor: Option<Cursor>,
}

impl Operator {
    pub(super) async fn search_audit(&self, search: Search) -> Result<Reply, Stop> {
        let now = self.service.clock.shown();
        let wanted = match Wanted::of(search, now, &self.service.ring()) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(malformed(why)),
        };
        let found = self.service.read(move |store| wanted.find(store)).await?;
        Ok(Reply::AuditFound(found))
    }
}

impl Wanted {
    fn of(search: Search, now: UnixSeconds, keys: &KeyRing) -> Result<Wanted, String> {
        let mut members = Vec::new();
        for (member, given, known) in [
            ("act", search.act, variants::<Act>()),
            ("result", search.result, variants::<Ending>()),
            ("reason", search.reason, variants::<Reason>()),
        ] {
            let Some(word) = given else { continue };
            if !known.contains(&word.as_str()) {
                return Err(format!(
                    "{member}: there is none of that name; there are {}",
                    known.join(", ")
                ));
            }
            members.push((member, vec![word]));
        }
        if let Some(typed) = search.subject {
            members.push(("subject", subjects(&typed, keys)?));
        }
        if let Some(typed) = search.by {
            let name = names::parse(&typed).map_err(|error| format!("by: {error}"))?;
            members.push(("by", vec![name.to_string()]));
        }
        if let Some(source) = search.source {
            let network = networks::parse(&source);
            members.push(("source", network.into_iter().chain([source]).collect()));
        }
        let cursor = match search.cursor {
            None => None,
            Some(text) => {
                Some(Cursor::parse(&text).ok_or("cursor: give the one that the search before answered")?)
            }
        };
        Ok(Wanted {
            since: moment("since", search.since.as_deref(), now)?.unwrap_or(UnixSeconds(0)),
            until: moment("until", search.until.as_deref(), now)?.unwrap_or(UnixSeconds(u64::MAX)),
            members,
            limit: match search.limit {
                0 => FOUND_MAX,
                limit => limit.min(FOUND_MAX),
            },
            cursor,
        })
    }

    fn find(&self, store: &dyn Store) -> Result<Found, Failure> {
        let mut walk =
            Walk::back(store, self.since, self.until, self.cursor.as_ref()).map_err(Failure::Store)?;
        let mut found = Found {
            entries: Vec::new(),
            looked_at: 0,
            older: None,
            stopped_early: false,
        };
        while let Some(row) = walk.step().map_err(Failure::Store)? {
            found.looked_at += 1;
            let entry = Entry::of(row);
            if self.applies_to(&entry.event) {
                found.entries.push(entry);
            }
            let is_enough = found.entries.len() >= self.limit;
            if is_enough || found.looked_at >= LOOKED_AT_MAX {
                found.older = walk.last().map(ToString::to_string);
                found.stopped_early = !is_enough;
                break;
            }
        }
        Ok(found)
    }

    fn applies_to(&self, event: &Value) -> bool {
        let has = |(member, texts): &(&str, Vec<String>)| {
            event[*member]
                .as_str()
                .is_some_and(|is| texts.iter().any(|text| text == is))
        };
        self.members.iter().all(has)
    }
}

/// What a bound of the time stands for.
pub(super) fn moment(
    member: &str,
    text: Option<&str>,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>, String> {
    let parse = |text| when::parse(text, now).ok_or_else(|| format!("{member}: {}", when::SPELLINGS));
    text.map(parse).transpose()
}

/// How a name that was typed stands in the audit: as itself, or as its tag where nobody had it.
fn subjects(typed: &str, keys: &KeyRing) -> Result<Vec<String>, String> {
    if typed.starts_with(UNKNOWN) {
        return Ok(vec![typed.to_owned()]);
    }
    let name: Name = names::parse(typed).map_err(|error| format!("subject: {error}"))?;
    Ok(vec![name.to_string(), unknown(&name, keys)])
}

/// The words that an enumeration of the audit has.
pub fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    let nothing = StrDeserializer::<Variants>::new("");
    T::deserialize(nothing).err().map_or(&[], |variants| variants.0)
}

/// What is heard from an enumeration that is asked for a variant it does not have: those it has.
#[derive(Debug)]
struct Variants(&'static [&'static str]);

impl Error for Variants {
    fn custom<T: std::fmt::Display>(_: T) -> Variants {
        Variants(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Variants {
        Variants(expected)
    }
}

impl std::fmt::Display for Variants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Variants {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_audit_are_told_by_the_enumerations_themselves() {
        assert_eq!(variants::<Ending>(), ["success", "refused"]);
        for act in ["password_check", "sign_in", "rules_reload"] {
            assert!(variants::<Act>().contains(&act), "{act}");
        }
        assert!(variants::<Reason>().contains(&"code_already_used"));
    }
}
