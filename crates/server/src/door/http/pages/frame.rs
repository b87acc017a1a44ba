//! What every page has around its own content, and how a page becomes an answer.
//!
//! Knows: statuses, headers, and the words in which a refusal is told. Must never know: why something was
//! refused beyond what the service says outwardly.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use countersign_auth::command::enrol::Denied;
use countersign_auth::name::Name;
use countersign_auth::record::Session;
use countersign_auth::role::{Role, RoleVerdict};
use countersign_core::time::UnixSeconds;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::texting::Texting;
use super::{administration, assets, cookies};
use crate::door::http::answer;
use crate::service::Failure;

/// One sentence for every wrong code, whatever was wrong with it.
const CODE_REFUSED: &str = "That code was not accepted. If you used it already, wait for the next one.";
/// One sentence for everything that has not the shape of a code.
const CODE_MALFORMED: &str = "A code has 6 to 8 digits, a backup code 24 letters and digits.";

/// The menu of one's own account: each entry's place, path and text.
const MENU: &[(&str, &str, &str)] = &[
    ("home", "/account", "Home"),
    ("sessions", "/account/sessions", "Sessions"),
    ("browsers", "/account/browsers", "Browsers"),
    ("factors", "/account/factors", "Authenticators"),
    ("backup-codes", "/account/backup-codes", "Backup codes"),
    ("approvals", "/account/approvals", "Approvals"),
    ("tokens", "/account/tokens", "API tokens"),
    ("password", "/account/password", "Password"),
    ("email", "/account/email", "Mail"),
];

/// What stands around a page's own content.
#[derive(Default)]
pub(super) struct Frame {
    /// Who is signed in, when somebody is.
    pub(super) person: Option<String>,
    /// What they may do for others.
    pub(super) role: Role,
    /// The page's entry in the menu.
    pub(super) place: &'static str,
    /// Why the page is shown again.
    pub(super) problem: Option<Problem>,
    /// What was just done.
    pub(super) done: Option<&'static str>,
    /// The button beside the field of a code, where codes are sent.
    pub(super) texting: Option<Texting>,
}

/// A menu.
pub(super) struct Menu {
    pub(super) name: &'static str,
    pub(super) entries: Vec<Entry>,
}

/// An entry of a menu.
pub(super) struct Entry {
    pub(super) path: &'static str,
    pub(super) text: &'static str,
    pub(super) current: bool,
}

impl Frame {
    /// The frame of a page for somebody signed in.
    pub(super) fn of(session: &Session, place: &'static str) -> Frame {
        Frame {
            role: Role::of(&session.groups),
            place,
            ..Frame::named(&session.account)
        }
    }

    /// The frame of a page for somebody of a name, who may go nowhere else yet.
    pub(super) fn named(name: &Name) -> Frame {
        Frame {
            person: Some(name.to_string()),
            ..Frame::default()
        }
    }

    /// The same with what was just done.
    pub(super) fn after(self, done: Option<&'static str>) -> Frame {
        Frame { done, ..self }
    }

    /// The same with the button beside the field of a code.
    pub(super) fn texting(self, texting: Option<Texting>) -> Frame {
        Frame { texting, ..self }
    }

    /// The same with a problem, if there is one.
    pub(super) fn with(self, problem: Option<Problem>) -> Frame {
        Frame { problem, ..self }
    }

    /// The menu that the page stands in: none where one thing is to be done first.
    pub(super) fn menu(&self) -> Option<Menu> {
        let entry = |(place, path, text): (&str, &'static str, &'static str)| Entry {
            path,
            text,
            current: place == self.place,
        };
        let seen = administration::MENU
            .iter()
            .filter(|(_, _, _, takes)| self.role.may(*takes) == RoleVerdict::Allowed)
            .map(|(place, path, text, _)| entry((place, path, text)));
        let (mut own, mut others): (Vec<Entry>, Vec<Entry>) =
            (MENU.iter().copied().map(entry).collect(), seen.collect());
        let stands_in = |entries: &[Entry]| entries.iter().any(|entry| entry.current);
        if stands_in(&others) {
            others.push(entry(("", "/account", "Your account")));
            return Some(Menu {
                name: "Administration",
                entries: others,
            });
        }
        if !others.is_empty() {
            own.push(entry(("administration", administration::PLACE, "Administration")));
        }
        stands_in(&own).then_some(Menu {
            name: "Account",
            entries: own,
        })
    }

    /// The field the problem lies in; empty when it lies in none.
    pub(super) fn at(&self) -> &str {
        self.problem.as_ref().map_or("", |problem| problem.field)
    }

    pub(super) fn style(&self) -> &'static str {
        assets::style()
    }

    pub(super) fn script(&self) -> &'static str {
        assets::script()
    }

    pub(super) fn mark(&self) -> &'static str {
        assets::mark()
    }
}

/// Why a form could not be taken, as its reader is told.
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// The field it lies in; empty when it lies in none.
    pub(super) field: &'static str,
    pub(super) retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of one field.
    pub(super) fn of(status: StatusCode, field: &'static str, text: impl ToString) -> Problem {
        Problem {
            status,
            text: sentence(&text.to_string()),
            field,
            retry_after_s: None,
        }
    }

    /// A code that was wrong or used: one answer.
    pub(super) fn code_refused() -> Problem {
        Problem::of(StatusCode::UNAUTHORIZED, "code", CODE_REFUSED)
    }

    /// What was typed is no code at all.
    pub(super) fn code_malformed() -> Problem {
        Problem::of(StatusCode::BAD_REQUEST, "code", CODE_MALFORMED)
    }

    /// A budget has no room.
    pub(super) fn throttled(retry_after_s: u32) -> Problem {
        Problem {
            retry_after_s: Some(retry_after_s),
            ..Problem::of(StatusCode::TOO_MANY_REQUESTS, "", "Too many attempts.")
        }
    }

    /// Codes can't be judged.
    pub(super) fn clock_not_set() -> Problem {
        let text = "The server's clock is not set, so it can't judge codes. Tell whoever runs it.";
        Problem {
            retry_after_s: Some(60),
            ..Problem::of(StatusCode::SERVICE_UNAVAILABLE, "", text)
        }
    }

    /// The problem that a denied change of one's account is; none when the session is over.
    pub(super) fn denied(denied: &Denied) -> Option<Problem> {
        Some(match denied {
            Denied::NoSession => return None,
            Denied::Refused => Problem::code_refused(),
            Denied::Malformed => Problem::code_malformed(),
            Denied::Throttled { retry_after_s } => Problem::throttled(*retry_after_s),
            Denied::ClockNotSet => Problem::clock_not_set(),
            Denied::NotOffered => Problem::of(
                StatusCode::NOT_FOUND,
                "",
                "No codes are sent by text message here.",
            ),
            Denied::NoFactor => Problem::of(
                StatusCode::NOT_FOUND,
                "",
                "That authenticator is gone, or was not confirmed in time.",
            ),
            Denied::TooMany => Problem::of(
                StatusCode::CONFLICT,
                "",
                "You have as many authenticators as an account can hold. Remove one first.",
            ),
        })
    }

    /// How long to wait, in words; empty when waiting is no remedy.
    pub(super) fn wait(&self) -> String {
        match self.retry_after_s {
            None => String::new(),
            Some(1) => "1 second".into(),
            Some(seconds @ 0..=90) => format!("{seconds} seconds"),
            Some(seconds) => format!("{} minutes", seconds.div_ceil(60)),
        }
    }
}

/// A capital at the beginning and a stop at the end, for what other places say in half a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    let stop = if text.ends_with('.') { "" } else { "." };
    first.map_or_else(String::new, |first| {
        format!("{first}{}{stop}", characters.as_str())
    })
}

/// A page as an answer, with the status of its problem.
pub(super) fn show<T: Template>(page: &T, frame: &Frame) -> Response {
    let Ok(text) = page.render() else {
        tracing::error!("a page could not be written");
        return answer::failed(&Failure::Internal);
    };
    let status = frame
        .problem
        .as_ref()
        .map_or(StatusCode::OK, |problem| problem.status);
    let response = (status, Html(text)).into_response();
    match frame.problem.as_ref().and_then(|problem| problem.retry_after_s) {
        Some(seconds) => answer::retry_after(response, seconds),
        None => response,
    }
}

/// A page that has nothing to say but why there is none.
#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    frame: Frame,
    title: &'static str,
}

/// A page that says why there is no other.
pub(super) fn message(title: &'static str, problem: Problem) -> Response {
    message_in(Frame::default().with(Some(problem)), title)
}

/// The same in a frame, whose problem it tells.
pub(super) fn message_in(frame: Frame, title: &'static str) -> Response {
    let page = Message { frame, title };
    show(&page, &page.frame)
}

/// The service could not decide: never "refused".
pub(super) fn failed(failure: &Failure) -> Response {
    let (status, text) = match failure {
        Failure::Fault(_) | Failure::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server has a fault. Its log says which.",
        ),
        Failure::Clock(_) => return message("Not now", Problem::clock_not_set()),
        Failure::Busy | Failure::Stopping | Failure::Store(_) | Failure::Ring(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server can't answer right now. Nothing was decided.",
        ),
    };
    let wait = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5);
    let problem = Problem {
        retry_after_s: wait,
        ..Problem::of(status, "", text)
    };
    message("Not now", problem)
}

/// On to another page, after a form was taken (303).
pub(super) fn onward(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// To the sign-in, because there is no session.
pub(super) fn to_sign_in() -> Response {
    cookies::drop(onward("/sign-in"), cookies::SESSION)
}

/// A moment as pages show it: for machines and for people.
pub(super) struct Moment {
    pub(super) machine: String,
    pub(super) person: String,
}

impl Moment {
    pub(super) fn of(at: UnixSeconds) -> Moment {
        let seconds = i64::try_from(at.0).unwrap_or(i64::MAX);
        // A moment that no calendar holds was never a time; it is shown as the number it is.
        let Ok(moment) = OffsetDateTime::from_unix_timestamp(seconds) else {
            let text = at.0.to_string();
            return Moment {
                machine: String::new(),
                person: text,
            };
        };
        let person = format!(
            "{} {} {}, {:02}:{:02} UTC",
            moment.day(),
            moment.month(),
            moment.year(),
            moment.hour(),
            moment.minute()
        );
        Moment {
            machine: moment.format(&Rfc3339).unwrap_or_default(),
            person,
        }
    }
}

/// Marks an answer that holds what is shown once, so that nothing keeps it.
pub(super) fn once(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_told_in_seconds_and_then_in_minutes_rounded_up() {
        let wait = |seconds| Problem::throttled(seconds).wait();
        assert_eq!(wait(1), "1 second");
        assert_eq!(wait(90), "90 seconds");
        assert_eq!(wait(91), "2 minutes");
        assert_eq!(wait(300), "5 minutes");
    }

    #[test]
    fn moment_is_shown_for_people_and_machines() {
        let moment = Moment::of(UnixSeconds(1_800_000_000));
        assert_eq!(moment.person, "15 January 2027, 08:00 UTC");
        assert_eq!(moment.machine, "2027-01-15T08:00:00Z");
        assert_eq!(Moment::of(UnixSeconds(u64::MAX)).person, u64::MAX.to_string());
    }

    #[test]
    fn half_a_sentence_becomes_a_whole_one() {
        assert_eq!(sentence("the name is empty"), "The name is empty.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), "");
    }
}
