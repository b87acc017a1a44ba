//! What happened: the audit, searched by a form, with a plot of the same time above.
//!
//! Knows: how an entry is told in a line. Must never know: how entries are found, or how a plot is drawn.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use countersign_auth::event::{Act, Ending};
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::{Administrator, unexpected};
use crate::door::http::pages::destination::address;
use crate::door::http::pages::frame::{Frame, Moment, Problem, show};
use crate::service::operator::{Ask, Counts, Entry, Found, Reply, Search, Timeline, variants};

/// Where the audit is searched.
pub(super) const AUDIT: &str = "/admin/audit";
/// From when on, where nobody says.
const SINCE: &str = "24h";
/// Most entries on a page.
const ENTRIES_MAX: usize = 100;

#[derive(Template)]
#[template(path = "administration/audit.html")]
struct AuditPage {
    frame: Frame,
    wanted: Wanted,
    /// The picture and its numbers; none where what is wanted can't be.
    plot: Option<Drawn>,
    found: Option<Page>,
}

/// A timeline as a page shows it.
struct Drawn {
    picture: String,
    /// The stretches in which anything was counted.
    stretches: Vec<(Moment, Counts)>,
    /// From when on everything was counted, where that is not all of it.
    counted_since: Option<Moment>,
}

/// What was found, as a page shows it.
struct Page {
    entries: Vec<Line>,
    older: Option<String>,
    looked_at: u64,
    stopped_early: bool,
}

/// An entry in the list.
struct Line {
    at: Moment,
    place: String,
    act: String,
    /// Why it was refused; none where it was done.
    refused: Option<String>,
    subject: String,
    object: String,
    by: String,
    source: String,
    count: u64,
}

/// What is looked for; any text, so that no address is an error.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    since: String,
    until: String,
    subject: String,
    act: String,
    result: String,
    source: String,
    cursor: String,
}

impl Default for Wanted {
    fn default() -> Wanted {
        let nothing = String::new;
        Wanted {
            since: SINCE.to_owned(),
            until: nothing(),
            subject: nothing(),
            act: nothing(),
            result: nothing(),
            source: nothing(),
            cursor: nothing(),
        }
    }
}

impl Wanted {
    /// The acts to choose from, their words, and which is chosen.
    fn acts(&self) -> impl Iterator<Item = (&'static str, String, bool)> {
        let mut acts = variants::<Act>().to_vec();
        acts.sort_unstable();
        acts.into_iter().map(|act| (act, words(act), act == self.act))
    }

    /// The outcomes to choose from, and which is chosen.
    fn results(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let results = variants::<Ending>().iter();
        results.map(|result| (*result, *result == self.result))
    }

    fn search(&self) -> Search {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Search {
            since: given(&self.since),
            until: given(&self.until),
            subject: given(&self.subject),
            by: None,
            act: given(&self.act),
            result: given(&self.result),
            reason: None,
            source: given(&self.source),
            limit: ENTRIES_MAX,
            cursor: given(&self.cursor),
        }
    }

    /// The page of older ones.
    fn older(&self, cursor: &str) -> String {
        let query = [
            ("since", self.since.as_str()),
            ("until", &self.until),
            ("subject", &self.subject),
            ("act", &self.act),
            ("result", &self.result),
            ("source", &self.source),
            ("cursor", cursor),
        ];
        address(AUDIT, &query)
    }
}

/// `GET /admin/audit`.
pub(super) async fn search(admin: Administrator, Query(wanted): Query<Wanted>) -> Response {
    let search = wanted.search();
    let timeline = Ask::AuditTimeline {
        since: search.since.clone(),
        until: search.until.clone(),
        buckets: None,
    };
    let found = match admin.answer(Ask::AuditSearch(search), &admin.asked).await {
        Ok(Ok(Reply::AuditFound(found))) => found,
        Ok(Ok(_)) => return unexpected(),
        Ok(Err(problem)) => return refused(&admin, wanted, problem),
        Err(answer) => return answer,
    };
    let counted = match admin.answer(timeline, &admin.asked).await {
        Ok(Ok(Reply::AuditTimeline(counted))) => counted,
        Ok(Ok(_)) => return unexpected(),
        Ok(Err(problem)) => return refused(&admin, wanted, problem),
        Err(answer) => return answer,
    };
    let page = AuditPage {
        frame: admin.frame("audit"),
        plot: Some(Drawn::of(&counted)),
        found: Some(Page::of(found, &wanted)),
        wanted,
    };
    show(&page, &page.frame)
}

/// The form once more, with what is wrong with it at its field.
fn refused(admin: &Administrator, wanted: Wanted, problem: Problem) -> Response {
    const FIELDS: [&str; 6] = ["since", "until", "subject", "act", "result", "source"];
    let named = problem.text.split(':').next().unwrap_or_default().to_lowercase();
    let field = FIELDS
        .into_iter()
        .find(|field| *field == named)
        .unwrap_or_default();
    let page = AuditPage {
        frame: admin.frame("audit").with(Some(Problem { field, ..problem })),
        wanted,
        plot: None,
        found: None,
    };
    show(&page, &page.frame)
}

impl Drawn {
    fn of(counted: &Timeline) -> Drawn {
        let begins = (counted.since..).step_by(usize::try_from(counted.bucket_s).unwrap_or(usize::MAX));
        let stretches = begins.zip(&counted.buckets);
        let counted_in = stretches.filter(|(_, counts)| **counts != Counts::default());
        Drawn {
            picture: counted.plot().element(),
            stretches: counted_in.map(|(at, counts)| (moment(at), *counts)).collect(),
            counted_since: counted.is_cut().then(|| moment(counted.counted_since)),
        }
    }
}

impl Page {
    fn of(found: Found, wanted: &Wanted) -> Page {
        Page {
            entries: found.entries.into_iter().map(Line::of).collect(),
            older: found.older.map(|cursor| wanted.older(&cursor)),
            looked_at: found.looked_at,
            stopped_early: found.stopped_early,
        }
    }
}

impl Line {
    fn of(entry: Entry) -> Line {
        let text = |member: &str| entry.event[member].as_str().unwrap_or_default().to_owned();
        let is_refused = text("result") == "refused";
        Line {
            at: moment(entry.at),
            place: format!("{}/{}", entry.node, entry.number),
            act: words(&text("act")),
            refused: is_refused.then(|| words(&text("reason"))),
            subject: text("subject"),
            object: text("object"),
            by: text("by"),
            source: text("source"),
            count: entry.event["count"].as_u64().unwrap_or(1),
        }
    }
}

fn moment(at: u64) -> Moment {
    Moment::of(UnixSeconds(at))
}

/// A word of the audit, for people.
fn words(word: &str) -> String {
    word.replace('_', " ")
}
