//! The audit over time: how many sign-ins, step-ups, refusals, replays and throttled attempts there were in each of
//! some equal stretches.
//!
//! Knows: what of an entry counts as what, and by which name. Must never know: how it is drawn; see [`crate::plot`].

use countersign_auth::event::{Act, Ending, Event, Reason};
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::super::history::Walk;
use super::search::moment;
use super::{Operator, Reply, Stop, malformed, when};
use crate::plot::{Plot, Row};
use crate::store::Store;

/// Most stretches that a timeline has.
pub const BUCKETS_MAX: u32 = 200;
/// Stretches where nobody says how many.
const BUCKETS: u32 = 48;
/// Most entries that are looked at for one timeline.
const LOOKED_AT_MAX: u64 = 100_000;
/// How far back it reaches where nobody says.
const SPAN_S: u64 = 86_400;

/// How often something happened over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the first stretch begins, in seconds since 1970.
    pub since: u64,
    /// When the last one is over.
    pub until: u64,
    /// How long each is, in seconds; the last one may be shorter.
    pub bucket_s: u64,
    /// What was counted, the earliest first.
    pub buckets: Vec<Counts>,
    /// How many entries were looked at.
    pub looked_at: u64,
    /// From when on everything was counted: later than `since` where there was more than may be looked at.
    pub counted_since: u64,
}

/// What was counted in one stretch. An entry that stands for several attempts counts as many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Sign-ins that were completed.
    pub sign_ins: u64,
    /// Sessions that were elevated.
    pub step_ups: u64,
    /// Whatever was refused and is neither of the following.
    pub refusals: u64,
    /// Codes that had been used before.
    pub replays: u64,
    /// Attempts that were not looked at because a budget had no room.
    pub throttled: u64,
}

/// How far ahead of the clock a timeline may end: entries of a clock that was ahead are dated so.
const AHEAD_S_MAX: u64 = 366 * 86_400;

impl Operator {
    pub(super) async fn audit_timeline(
        &self,
        since: Option<String>,
        until: Option<String>,
        buckets: Option<u32>,
    ) -> Result<Reply, Stop> {
        let now = self.service.clock.shown();
        let empty = match span(since.as_deref(), until.as_deref(), buckets, now) {
            Ok(empty) => empty,
            Err(why) => return Ok(malformed(why)),
        };
        let counted = self
            .service
            .read(move |store| count(empty, LOOKED_AT_MAX, store))
            .await?;
        Ok(Reply::AuditTimeline(counted))
    }
}

/// A timeline on which nothing was counted yet.
fn span(
    since: Option<&str>,
    until: Option<&str>,
    buckets: Option<u32>,
    now: UnixSeconds,
) -> Result<Timeline, String> {
    // What happens in this very second counts; whoever says how long ago means as long before the end.
    let end = now.plus(1);
    let (until, now) = moment("until", until, now)?.map_or((end, end), |until| (until, now));
    let since = moment("since", since, now)?.map_or(until.0.saturating_sub(SPAN_S), |since| since.0);
    let until = until.0;
    if until > end.0.saturating_add(AHEAD_S_MAX) {
        return Err("until: it lies more than a year ahead; give an earlier time".to_owned());
    }
    if since >= until {
        return Err("since: it is not before the end; give an earlier time".to_owned());
    }
    let wanted = buckets.unwrap_or(BUCKETS);
    if !(1..=BUCKETS_MAX).contains(&wanted) {
        return Err(format!("buckets: give 1 to {BUCKETS_MAX}"));
    }
    let bucket_s = (until - since).div_ceil(u64::from(wanted));
    let held = (until - since).div_ceil(bucket_s);
    Ok(Timeline {
        since,
        until,
        bucket_s,
        buckets: (0..held).map(|_| Counts::default()).collect(),
        looked_at: 0,
        counted_since: since,
    })
}

/// Counts the latest entries, as many as `most`.
fn count(mut timeline: Timeline, most: u64, store: &dyn Store) -> Result<Timeline, Failure> {
    let (since, until) = (UnixSeconds(timeline.since), UnixSeconds(timeline.until));
    let mut walk = Walk::back(store, since, until, None).map_err(Failure::Store)?;
    while let Some(row) = walk.step().map_err(Failure::Store)? {
        if timeline.looked_at == most {
            // Of that second some may be missing.
            timeline.counted_since = row.at.0 + 1;
            break;
        }
        timeline.looked_at += 1;
        let index = (row.at.0 - timeline.since) / timeline.bucket_s;
        let bucket = usize::try_from(index)
            .ok()
            .and_then(|index| timeline.buckets.get_mut(index));
        // What can't be read was altered; `audit verify` names it.
        if let (Some(bucket), Ok(event)) = (bucket, serde_json::from_str(&row.body)) {
            bucket.add(&event);
        }
    }
    Ok(timeline)
}

impl Timeline {
    /// Its rows: what each counts, and how often that happened in each stretch.
    pub fn rows(&self) -> Vec<Row> {
        let row = |name, class, number: fn(&Counts) -> u64| Row {
            name,
            class,
            values: self.buckets.iter().map(number).collect(),
        };
        vec![
            row("Sign-ins", "good", |counts| counts.sign_ins),
            row("Step-ups", "strong", |counts| counts.step_ups),
            row("Refused", "bad", |counts| counts.refusals),
            row("Used codes", "worse", |counts| counts.replays),
            row("Throttled", "wait", |counts| counts.throttled),
        ]
    }

    /// Whether there was more than may be looked at, so that its beginning was not counted.
    pub fn is_cut(&self) -> bool {
        self.counted_since > self.since
    }

    /// It as a picture.
    pub fn plot(&self) -> Plot {
        let sum = |row: &Row| format!("{} {}", row.name, row.values.iter().sum::<u64>());
        let sums: Vec<String> = self.rows().iter().map(sum).collect();
        let span = format!("From {} to {}", when::spelt(self.since), when::spelt(self.until));
        let mut description = format!("{span}: {}.", sums.join(", "));
        if self.is_cut() {
            description += &format!(" Counted from {} on.", when::spelt(self.counted_since));
        }
        Plot {
            title: "What happened over time",
            description,
            since: self.since,
            until: self.until,
            step_s: self.bucket_s,
            whole_since: self.counted_since,
            rows: self.rows(),
        }
    }
}

impl Counts {
    fn add(&mut self, event: &Event) {
        let counted = match (event.result, event.act, event.reason) {
            (Ending::Success, Act::SignIn, _) => &mut self.sign_ins,
            (Ending::Success, Act::StepUp, _) => &mut self.step_ups,
            (Ending::Success, ..) => return,
            (Ending::Refused, _, Some(Reason::CodeAlreadyUsed)) => &mut self.replays,
            (Ending::Refused, _, Some(Reason::Throttled)) => &mut self.throttled,
            (Ending::Refused, ..) => &mut self.refusals,
        };
        *counted = counted.saturating_add(u64::from(event.count));
    }
}

#[cfg(test)]
mod tests {
    use countersign_auth::event::Origin;

    use super::*;
    use crate::store::memory::Memory;
    use crate::store::{AuditRow, Batch};

    const START: u64 = 1_800_000_000;

    fn event(act: Act, result: Ending, reason: Option<Reason>, count: u32) -> String {
        let event = Event {
            reason,
            count,
            ..Event::plain(act, result, &Origin::server())
        };
        serde_json::to_string(&event).expect("events are JSON")
    }

    fn store(entries: &[(u64, String)]) -> Memory {
        let store = Memory::default();
        let row = |((after, body), number): (&(u64, String), u64)| AuditRow {
            node: "here".to_owned(),
            number,
            at: UnixSeconds(START + after),
            body: body.clone(),
            mac: [0; 32],
        };
        let rows: Vec<AuditRow> = entries.iter().zip(1..).map(row).collect();
        let batch = Batch {
            parts: Vec::new(),
            now: UnixSeconds(START),
            sealing_key: None,
        };
        let committed = store.commit(&batch, &mut |_| rows.clone());
        assert_eq!(committed, Ok(Vec::new()));
        store
    }

    #[test]
    fn timeline_that_ends_where_no_clock_will_ever_be_is_refused() {
        let now = UnixSeconds(START);
        for (since, until) in [
            ("0", "18446744073709551615"),
            ("18446744073709551614", "18446744073709551615"),
        ] {
            let refused = span(Some(since), Some(until), None, now).expect_err("it is far ahead");
            assert!(refused.starts_with("until: "), "{refused}");
        }
        assert!(
            span(Some("0"), Some("1831622400"), None, now).is_ok(),
            "a year ahead is borne"
        );
    }

    fn hour(buckets: u32) -> Timeline {
        let now = UnixSeconds(START + 3_600);
        span(Some("1h"), Some("0s"), Some(buckets), now).expect("it is right")
    }

    #[test]
    fn every_entry_counts_as_one_thing_in_its_own_stretch() {
        let (done, refused) = (Ending::Success, Ending::Refused);
        let store = store(&[
            (0, event(Act::SignIn, done, None, 1)),
            (899, event(Act::SignIn, done, None, 1)),
            (900, event(Act::StepUp, done, None, 1)),
            (
                901,
                event(Act::CodeCheck, refused, Some(Reason::CodeAlreadyUsed), 1),
            ),
            (
                1_800,
                event(Act::PasswordCheck, refused, Some(Reason::Throttled), 40),
            ),
            (2_700, event(Act::StepUp, refused, Some(Reason::WrongCode), 1)),
            (3_599, event(Act::SignIn, refused, None, 1)),
            (3_599, event(Act::PasswordCheck, done, None, 1)),
            (3_599, "altered".to_owned()),
            (3_600, event(Act::SignIn, done, None, 1)),
        ]);
        let counted = count(hour(4), LOOKED_AT_MAX, &store).expect("memory is there");
        let none = Counts::default();
        let expected = [
            Counts { sign_ins: 2, ..none },
            Counts {
                step_ups: 1,
                replays: 1,
                ..none
            },
            Counts {
                throttled: 40,
                ..none
            },
            Counts { refusals: 2, ..none },
        ];
        assert_eq!(counted.buckets, expected);
        assert_eq!((counted.looked_at, counted.is_cut()), (9, false));
    }

    #[test]
    fn what_was_not_looked_at_is_told() {
        let entries: Vec<_> = (0..10)
            .map(|at| (at * 60, event(Act::SignIn, Ending::Success, None, 1)))
            .collect();
        let store = store(&entries);
        let counted = count(hour(60), 4, &store).expect("memory is there");
        assert!(counted.is_cut());
        assert_eq!(
            (counted.looked_at, counted.counted_since),
            (4, START + 5 * 60 + 1)
        );
        let counts: Vec<u64> = counted.buckets.iter().map(|counts| counts.sign_ins).collect();
        assert_eq!(counts[..11], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0]);
        let whole = count(hour(60), 10, &store).expect("memory is there");
        assert!(!whole.is_cut(), "as many as may be looked at, and no more");
    }

    #[test]
    fn timeline_that_can_not_be_is_refused_and_none_has_more_stretches_than_may_be() {
        let now = UnixSeconds(START);
        let told = |since, until, buckets| span(since, until, buckets, now).err().unwrap_or_default();
        assert!(told(Some("1h"), Some("2h"), None).starts_with("since: it is not before the end"));
        assert!(told(Some("soon"), None, None).starts_with("since: give how long ago"));
        assert!(told(None, None, Some(0)).contains("1 to 200"));
        assert!(told(None, None, Some(BUCKETS_MAX + 1)).contains("1 to 200"));
        for (since, buckets) in [("1s", 200), ("201s", 200), ("7d", 200), ("1970-01-01", 7)] {
            let held = span(Some(since), None, Some(buckets), now)
                .expect("it is right")
                .buckets
                .len();
            assert!(
                (1..=buckets as usize).contains(&held),
                "{held} of {buckets} since {since}"
            );
        }
        let hour = span(Some("1h"), None, Some(12), now).expect("it is right");
        assert_eq!(
            (hour.bucket_s, hour.buckets.len()),
            (300, 12),
            "stretches are even"
        );
        let day = span(None, None, None, now).expect("it is right");
        assert_eq!((day.until, day.until - day.since), (START + 1, 86_400));
    }
}
