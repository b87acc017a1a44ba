//! `countersign audit timeline`: sign-ins, step-ups and refusals over time, as letters or as a picture.
//!
//! Knows: how a row of numbers is drawn with letters. Must never know: what is counted as what.

use std::path::PathBuf;

use clap::Args;
use countersign_server::plot::Row;
use countersign_server::service::operator::{Ask, Reply, Timeline as Counted, spelt};
use serde_json::json;

use crate::command::user::unexpected;
use crate::installation::Common;
use crate::out::{Failed, data, say};

/// Heights of a bar of letters, the lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Plot sign-ins, step-ups, refusals, used codes and throttled attempts over time
#[derive(Args)]
pub(crate) struct Timeline {
    /// From when on: how long ago (90s, 30m, 2h, 7d), 2026-11-21T08:00:00Z, a day, or seconds since 1970; a day before
    /// the end
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until when; now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Into how many stretches that is cut, at most 200; 48
    #[arg(long, value_name = "N")]
    buckets: Option<u32>,
    /// Write a picture to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Timeline {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let ask = Ask::AuditTimeline {
            since: self.since,
            until: self.until,
            buckets: self.buckets,
        };
        let desk = self.common.data.open_existing()?;
        let reply = desk.ask(&ask);
        desk.close()?;
        let counted = match reply? {
            Reply::AuditTimeline(counted) => counted,
            other => return Err(unexpected(&other)),
        };
        if let Some(file) = &self.svg {
            let picture = counted.plot().document();
            std::fs::write(file, picture)
                .map_err(|error| Failed::Usage(format!("{}: {error}", file.display())))?;
        }
        if self.common.json {
            data(json!(counted));
        } else if self.svg.is_none() {
            draw(&counted);
        }
        if counted.is_cut() {
            say(format_args!(
                "there is more than one question looks at; counted from {} on",
                spelt(counted.counted_since)
            ));
        }
        Ok(())
    }
}

fn draw(counted: &Counted) {
    for row in counted.rows() {
        data(line(&row).trim_end());
    }
    let minutes = counted.bucket_s.div_ceil(60);
    data(format_args!(
        "            {} to {}, {minutes} min a column",
        spelt(counted.since),
        spelt(counted.until)
    ));
}

/// A row with letters: as high as the row's own most.
fn line(row: &Row) -> String {
    let most = row.values.iter().copied().max().unwrap_or(0);
    let sum: u64 = row.values.iter().sum();
    let bar = |value: &u64| match *value {
        0 => ' ',
        value => {
            let height = value.saturating_mul(BARS.len() as u64).div_ceil(most);
            BARS[usize::try_from(height).unwrap_or(BARS.len()) - 1]
        }
    };
    let bars: String = row.values.iter().map(bar).collect();
    format!("{:<11} {bars} {sum}", row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_of_letters_is_as_high_as_its_numbers() {
        let row = |values| Row {
            name: "Sign-ins",
            class: "good",
            values,
        };
        assert_eq!(line(&row(vec![0, 1, 4, 8])), "Sign-ins     ▁▄█ 13");
        assert_eq!(line(&row(vec![0, 0])), "Sign-ins       0");
        assert_eq!(line(&row(vec![1, 1_000_000])), "Sign-ins    ▁█ 1000001");
    }
}
