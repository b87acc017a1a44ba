//! `countersign audit search`: entries to which something applies, the latest first.
//!
//! Knows: how a search goes on until it has found what was asked for. Must never know: how entries are found.

use clap::Args;
use countersign_server::service::operator::{Ask, Entry, FOUND_MAX, Found, Reply, Search as Wanted, spelt};
use serde_json::json;

use crate::command::user::unexpected;
use crate::installation::{Common, Desk};
use crate::out::{Failed, data, say};

/// Find entries of all nodes by time, account, act, outcome and source, the latest first
#[derive(Args)]
pub(crate) struct Search {
    /// Only from this time on: how long ago (90s, 30m, 2h, 7d), 2026-11-21T08:00:00Z, a day, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only about this account, or a name that was tried and that nobody has
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only what this account did for others
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only this act, as the export spells it
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// Only what ended so: success or refused
    #[arg(long, value_name = "RESULT")]
    result: Option<String>,
    /// Only for this reason, as the export spells it
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only from this source: an IPv4 address, an IPv6 address (its /64 counts), or as the export spells it
    #[arg(long, value_name = "NETWORK")]
    source: Option<String>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Go on where an earlier search stopped
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Search {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let json = self.common.json;
        let desk = self.common.data.open_existing()?;
        let found = self.find(&desk, |entry| {
            if json {
                data(json!(entry));
            } else {
                data(line(entry));
            }
        });
        desk.close()?;
        let (looked_at, older) = found?;
        if let Some(cursor) = older {
            say(format_args!(
                "looked at {looked_at} entries; older ones: --cursor {cursor}"
            ));
        } else {
            say(format_args!(
                "looked at {looked_at} entries; there are no older ones"
            ));
        }
        Ok(())
    }

    /// Asks until there are as many as are wanted, or no more; one question looks at so many entries and no more.
    fn find(self, desk: &Desk, show: impl Fn(&Entry)) -> Result<(u64, Option<String>), Failed> {
        let mut wanted = Wanted {
            since: self.since,
            until: self.until,
            subject: self.subject,
            by: self.by,
            act: self.act,
            result: self.result,
            reason: self.reason,
            source: self.source,
            limit: 0,
            cursor: self.cursor,
        };
        let (mut left, mut looked_at) = (self.limit, 0);
        while left > 0 {
            wanted.limit = left.min(FOUND_MAX);
            let found: Found = match desk.ask(&Ask::AuditSearch(wanted.clone()))? {
                Reply::AuditFound(found) => found,
                other => return Err(unexpected(&other)),
            };
            found.entries.iter().for_each(&show);
            left = left.saturating_sub(found.entries.len());
            looked_at += found.looked_at;
            wanted.cursor = found.older;
            if wanted.cursor.is_none() {
                break;
            }
        }
        Ok((looked_at, wanted.cursor))
    }
}

fn line(entry: &Entry) -> String {
    let text = |member: &str| entry.event[member].as_str().unwrap_or("-").to_owned();
    let count = entry.event["count"].as_u64().filter(|count| *count > 1);
    let times = count.map_or_else(String::new, |count| format!("  {count} times"));
    let by = entry.event["by"].as_str();
    let by = by.map_or_else(String::new, |by| format!("  by {by}"));
    format!(
        "{}  {} {} {}  {}  {}{by}{times}",
        spelt(entry.at),
        text("act"),
        text("result"),
        text("reason"),
        text("subject"),
        text("source"),
    )
}
