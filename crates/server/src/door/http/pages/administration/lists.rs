//! Lists of people: taken out as a file, tried and taken in.
//!
//! Knows: the form, how much one of them may hold, and what came of each line in words. Must never know: the columns of
//! a list; see [`crate::people`].

use askama::Template;
use axum::body::Body;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_auth::role::Permission;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Administrator, LISTS, unexpected};
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::frame::{Frame, Problem, once, show};
use crate::people::table::Format;
use crate::people::{self, Found};
use crate::service::operator::{Ask, PEOPLE_MAX, Person, PersonOutcome, PersonTaken, Reply, Taken};

/// Longest form with a list, in bytes.
pub(super) const FORM_BYTES_MAX: usize = 1024 * 1024;
/// Most people of one list here; the command takes longer ones.
const LIST_PEOPLE_MAX: usize = 2_000;
/// Most password hashes of one list here: an older one is hashed once more, and a request has 30 s.
const LIST_HASHES_MAX: usize = 100;

#[derive(Template)]
#[template(path = "administration/lists.html")]
struct ListsPage<'a> {
    frame: Frame,
    list: &'a str,
    update: bool,
    /// What would come, or came, of each line.
    fates: Vec<Fate>,
    step: Step,
}

impl ListsPage<'_> {
    /// How many lines have which fate, in one sentence.
    fn summary(&self) -> String {
        let refused = self.fates.iter().filter(|fate| fate.refused).count();
        let lines = match self.fates.len() {
            1 => "1 line".to_owned(),
            lines => format!("{lines} lines"),
        };
        match (refused, self.step) {
            (0, _) => format!("{lines}, none refused."),
            (_, Step::Take) => format!("{lines}, {refused} of them refused. The others are done."),
            _ => format!("{lines}, {refused} of them refused. The others can be taken over without them."),
        }
    }
}

/// How far a list has come.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Nothing was given yet.
    #[default]
    Begin,
    /// It is only said what would happen.
    Try,
    /// It is taken over.
    Take,
}

/// A list, and what is to be done with it.
#[derive(Deserialize)]
pub(super) struct List {
    list: Zeroizing<String>,
    #[serde(default)]
    update: String,
    step: Step,
}

/// A line of the list and what comes of it.
struct Fate {
    place: String,
    name: String,
    said: String,
    refused: bool,
    /// Shown once.
    backup_codes: Vec<String>,
}

/// `GET /admin/lists`.
pub(super) async fn show_form(admin: Administrator, Query(done): Query<super::Done>) -> Response {
    if !admin.may(Permission::ManageAccounts) {
        return admin.lacking();
    }
    let frame = Frame {
        done: done.text(),
        ..admin.frame("lists")
    };
    page(frame, ("", false), Step::Begin, Vec::new())
}

fn page(frame: Frame, (list, update): (&str, bool), step: Step, fates: Vec<Fate>) -> Response {
    let page = ListsPage {
        frame,
        list,
        update,
        fates,
        step,
    };
    once(show(&page, &page.frame))
}

/// `POST /admin/lists`: tries a list, or takes it over.
pub(super) async fn take_in(admin: Administrator, Form(form): Form<List>) -> Response {
    // Reading a list is work, so it is done for nobody who may not take it over.
    if !admin.may(Permission::ManageAccounts) {
        return admin.lacking();
    }
    let (list, update) = (&*form.list, form.update == "yes");
    let found = match read(list) {
        Ok(found) => found,
        Err(why) => {
            let problem = Problem::of(StatusCode::BAD_REQUEST, "list", why);
            let frame = admin.frame("lists").with(Some(problem));
            return page(frame, (list, update), Step::Begin, Vec::new());
        }
    };
    let taking = Taking {
        update,
        dry_run: form.step != Step::Take,
    };
    let (fates, stopped) = taking.carry_out(&admin, found).await;
    let problem = match stopped {
        None => None,
        // Who owes a step-up learns it at the first request, when nothing is done yet.
        Some(answer) if fates.iter().all(|fate| fate.refused) => return answer,
        Some(_) => {
            let text =
                "It stopped after these. What is done stays; take the list over once more for the rest.";
            Some(Problem::of(StatusCode::SERVICE_UNAVAILABLE, "", text))
        }
    };
    let frame = Frame {
        done: (problem.is_none() && !taking.dry_run).then_some("The list was taken over, as said below."),
        ..admin.frame("lists").with(problem)
    };
    page(frame, (list, update), form.step, fates)
}

/// The people of a list that is not too long for a request.
fn read(list: &str) -> Result<Vec<Found>, String> {
    let found = people::read(list, None).map_err(|why| why.to_string())?;
    if found.is_empty() {
        return Err("there is nobody in the list; paste it whole, with its first line".to_owned());
    }
    let has_hash = |found: &&Found| matches!(&found.person, Ok(person) if person.password_hash.is_some());
    if found.len() > LIST_PEOPLE_MAX || found.iter().filter(has_hash).count() > LIST_HASHES_MAX {
        return Err(format!(
            "a list has at most {LIST_PEOPLE_MAX} people here and {LIST_HASHES_MAX} password hashes; split it, or use \
             `countersign user import`"
        ));
    }
    Ok(found)
}

/// What is done with a list.
struct Taking {
    update: bool,
    dry_run: bool,
}

impl Taking {
    /// What came of the lines, in their order, as far as they were carried out; and the answer that stopped it.
    async fn carry_out(&self, admin: &Administrator, found: Vec<Found>) -> (Vec<Fate>, Option<Response>) {
        let mut fates = Vec::new();
        let mut rest = found.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut lines, mut people) = (Vec::new(), Vec::new());
            for Found { place, person, .. } in rest.by_ref().take(PEOPLE_MAX) {
                lines.push((place, person.map(|person| people.push(person))));
            }
            let mut taken = match self.ask(admin, people).await {
                Ok(taken) => taken.into_iter(),
                Err(answer) => return (fates, Some(answer)),
            };
            fates.extend(lines.into_iter().filter_map(|(place, line)| match line {
                Ok(()) => taken.next().map(|taken| Fate::of(place, taken, self.dry_run)),
                Err(why) => Some(Fate::unreadable(place, &why)),
            }));
        }
        (fates, None)
    }

    async fn ask(&self, admin: &Administrator, people: Vec<Person>) -> Result<Vec<PersonTaken>, Response> {
        let ask = Ask::PeopleImport {
            people,
            update: self.update,
            dry_run: self.dry_run,
        };
        match admin.take(ask, LISTS).await? {
            Ok(Reply::PeopleImported { people }) => Ok(people),
            Ok(_) => Err(unexpected()),
            Err(problem) => Err(admin.message("It can't be taken over", problem)),
        }
    }
}

impl Fate {
    fn unreadable(place: String, why: &str) -> Fate {
        Fate {
            place,
            name: String::new(),
            said: format!("refused: {why}"),
            refused: true,
            backup_codes: Vec::new(),
        }
    }

    fn of(place: String, taken: PersonTaken, dry_run: bool) -> Fate {
        let said = match (taken.outcome, dry_run) {
            (PersonOutcome::Added, false) => "added",
            (PersonOutcome::Added, true) => "would be added",
            (PersonOutcome::Updated, false) => "updated",
            (PersonOutcome::Updated, true) => "would be updated",
            (PersonOutcome::Same, _) => "is so already",
            (PersonOutcome::LeftAlone, _) => "exists already and is left alone",
            (PersonOutcome::Refused, _) => {
                let why = taken.why.unwrap_or_default();
                let refused = Fate::unreadable(place, &why);
                return Fate {
                    name: taken.name,
                    ..refused
                };
            }
        };
        let factor = match taken.factor {
            Some(Taken::Added) => ", with an authenticator",
            Some(Taken::AddedWeak) => ", with an authenticator, though its secret has less than 128 bits",
            _ => "",
        };
        Fate {
            place,
            name: taken.name,
            said: format!("{said}{factor}"),
            refused: false,
            backup_codes: taken.backup_codes,
        }
    }
}

/// As what a list is taken out.
#[derive(Deserialize)]
pub(super) struct Wanted {
    format: ListFormat,
}

/// How a list is written.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ListFormat {
    Csv,
    Json,
}

impl From<ListFormat> for Format {
    fn from(format: ListFormat) -> Format {
        match format {
            ListFormat::Csv => Format::Csv,
            ListFormat::Json => Format::Json,
        }
    }
}

/// `POST /admin/lists/export`: everybody, as a file. It is written page by page, so that it may have any length; one
/// that can't be written to its end breaks off, and the browser says so.
pub(super) async fn take_out(admin: Administrator, Form(wanted): Form<Wanted>) -> Response {
    let format = Format::from(wanted.format);
    let (first, next) = match people_after(&admin, String::new()).await {
        Ok(page) => page,
        Err(answer) => return answer,
    };
    let first = written(format, &first, true, next.is_none());
    let rest = stream::try_unfold((admin, next), move |(admin, after)| async move {
        let Some(after) = after else {
            return Ok(None);
        };
        let page = people_after(&admin, after).await;
        let (people, next) =
            page.map_err(|_| std::io::Error::other("the list could not be read to its end"))?;
        let text = written(format, &people, false, next.is_none());
        Ok(Some((text, (admin, next))))
    });
    let first = stream::iter([Ok::<_, std::io::Error>(first)]);
    let (media, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"people.csv\""),
        Format::Json => ("application/json", "attachment; filename=\"people.json\""),
    };
    let headers = [(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, name)];
    let body = Body::from_stream(stream::StreamExt::chain(first, rest));
    once((headers, body).into_response())
}

/// A page of people, and where the next begins.
async fn people_after(
    admin: &Administrator,
    after: String,
) -> Result<(Vec<Person>, Option<String>), Response> {
    match admin.take(Ask::PeopleExport { after }, LISTS).await? {
        Ok(Reply::People { people, next }) => Ok((people, next)),
        Ok(_) => Err(unexpected()),
        Err(problem) => Err(admin.message("It can't be taken out", problem)),
    }
}

/// A page of a list as it stands in the file.
fn written(format: Format, people: &[Person], is_first: bool, is_last: bool) -> String {
    match format {
        Format::Csv => {
            let heading = if is_first {
                people::csv_heading()
            } else {
                String::new()
            };
            heading + &people.iter().map(people::csv_row).collect::<String>()
        }
        Format::Json => {
            let rows: Vec<String> = people.iter().map(|person| json!(person).to_string()).collect();
            let before = if is_first { "[\n" } else { ",\n" };
            let after = if is_last { "\n]\n" } else { "" };
            format!("{before}{}{after}", rows.join(",\n"))
        }
    }
}
