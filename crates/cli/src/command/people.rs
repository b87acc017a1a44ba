//! `countersign user import`, `user export` and `import kinglet`: people by the list.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use countersign_server::people::table::{FILE_BYTES_MAX, Format};
use countersign_server::people::{self, Found, kinglet};
use countersign_server::service::operator::{
    Ask, PEOPLE_MAX, Person, PersonOutcome, PersonTaken, Reply, Taken,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::import::{in_file, read_bounded};
use super::user::unexpected;
use crate::installation::{Common, Data, Desk, read_secret};
use crate::out::{Failed, data, say, text};

/// Longest person in the request that carries them, so that a running server reads it.
const PERSON_BYTES_MAX: usize = 48 * 1024;

/// How a list is written.
#[derive(Clone, Copy, ValueEnum)]
enum ListFormat {
    /// A heading, then a person a line
    Csv,
    /// A list of objects
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

/// Print everybody's name, role, groups, claims and state; nothing secret is among it
#[derive(Args)]
pub(crate) struct Export {
    /// How the list is written
    #[arg(long, value_enum, default_value = "csv")]
    format: ListFormat,
    #[command(flatten)]
    data: Data,
}

/// What is done with a list.
#[derive(Args)]
struct Taking {
    /// Make accounts that exist like the list says; without it they are left alone
    #[arg(long)]
    update: bool,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: Common,
}

/// Add people from a list
#[derive(Args)]
pub(crate) struct Import {
    /// The list, `-` for standard input. Columns: name, role, groups, claims, disabled, password_hash, otpauth
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the list is written, if its first character does not tell
    #[arg(long, value_enum)]
    format: Option<ListFormat>,
    #[command(flatten)]
    taking: Taking,
}

/// Add people and their authenticators from the users table of a Kinglet application
#[derive(Args)]
pub(crate) struct Kinglet {
    /// The table's rows in CSV or JSON, `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File with the text of TOTP_ENCRYPTION_KEY, or where that was never set, of JWT_SECRET
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The column that holds the accounts' names
    #[arg(long, value_name = "COLUMN", default_value = "username")]
    name_column: String,
    /// The column that holds hashes of passwords, in the forms of `user add --password-hash-file`
    #[arg(long, value_name = "COLUMN")]
    password_hash_column: Option<String>,
    /// Read secrets of the older cipher too. Nothing vouches for them: whoever could write the table may have
    /// chosen them, and knows their codes
    #[arg(long)]
    unauthenticated_cipher: bool,
    /// How the rows are written, if their first character does not tell
    #[arg(long, value_enum)]
    format: Option<ListFormat>,
    #[command(flatten)]
    taking: Taking,
}

impl Export {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let desk = self.data.open_existing()?;
        let people = everybody(&desk);
        desk.close()?;
        // Printed at once, so that a list that could not be read to its end is no list.
        let people = people?;
        text(&match self.format {
            ListFormat::Csv => {
                people::csv_heading() + &people.iter().map(people::csv_row).collect::<String>()
            }
            ListFormat::Json => {
                let rows: Vec<String> = people.iter().map(|person| json!(person).to_string()).collect();
                format!("[\n{}\n]\n", rows.join(",\n"))
            }
        });
        Ok(())
    }
}

fn everybody(desk: &Desk) -> Result<Vec<Person>, Failed> {
    let (mut everybody, mut after) = (Vec::new(), String::new());
    loop {
        match desk.ask(&Ask::PeopleExport { after })? {
            Reply::People { people, next } => {
                everybody.extend(people);
                match next {
                    Some(next) => after = next,
                    None => return Ok(everybody),
                }
            }
            other => return Err(unexpected(&other)),
        }
    }
}

impl Import {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let list = read_bounded(&self.file, FILE_BYTES_MAX)?;
        let format = self.format.map(Format::from);
        let found = people::read(&list, format).map_err(|why| in_file(&self.file, why))?;
        self.taking.run(found)
    }
}

impl Kinglet {
    pub(crate) fn run(self) -> Result<(), Failed> {
        if self.file == Path::new("-") && self.key_file.as_deref() == Some(Path::new("-")) {
            return Err(Failed::Usage(
                "standard input can be only one of the files".into(),
            ));
        }
        let configured = self.key_file.as_ref().map(|path| read_secret(path)).transpose()?;
        let key = configured.as_ref().map(|configured| kinglet::Key::of(configured));
        let list = read_bounded(&self.file, FILE_BYTES_MAX)?;
        let reading = kinglet::Reading {
            key: key.as_ref(),
            name_column: &self.name_column,
            password_hash_column: self.password_hash_column.as_deref(),
            unauthenticated_cipher: self.unauthenticated_cipher,
        };
        let format = self.format.map(Format::from);
        let found = kinglet::read(&list, format, &reading).map_err(|why| in_file(&self.file, why))?;
        self.taking.run(found)
    }
}

/// A person of the list, and what came of them.
struct Outcome {
    place: String,
    notes: Vec<String>,
    taken: PersonTaken,
}

impl Taking {
    fn run(&self, found: Vec<Found>) -> Result<(), Failed> {
        let desk = match self.dry_run {
            true => self.common.data.open_existing()?,
            false => self.common.data.open()?,
        };
        let mut outcomes = Vec::new();
        let carried_out = self.carry_out(found, &desk, &mut outcomes);
        let closed = desk.close();
        // What was done is shown even if something stopped it: backup codes are shown once.
        if self.common.json {
            data(json!({
                "dry_run": self.dry_run,
                "people": outcomes.iter().map(Outcome::json).collect::<Vec<_>>(),
            }));
        }
        carried_out?;
        closed?;
        let refused = |outcome: &&Outcome| outcome.taken.outcome == PersonOutcome::Refused;
        match outcomes.iter().filter(refused).count() {
            0 => Ok(()),
            1 => Err(Failed::Refused("1 was refused, as said above".into())),
            refused => Err(Failed::Refused(format!("{refused} were refused, as said above"))),
        }
    }

    /// Has the people taken over in requests of a bounded size, and shows each as soon as it is known.
    fn carry_out(&self, found: Vec<Found>, desk: &Desk, outcomes: &mut Vec<Outcome>) -> Result<(), Failed> {
        let mut request = Request::default();
        for Found { place, person, notes } in found {
            let person = person.and_then(|person| {
                let bytes = Zeroizing::new(json!(person).to_string()).len();
                match bytes > PERSON_BYTES_MAX {
                    true => Err(format!("it has more than {PERSON_BYTES_MAX} bytes")),
                    false => Ok((person, bytes)),
                }
            });
            match person {
                Err(why) => {
                    let taken = PersonTaken {
                        name: String::new(),
                        outcome: PersonOutcome::Refused,
                        why: Some(why),
                        factor: None,
                        backup_codes: Vec::new(),
                    };
                    self.note(Outcome { place, notes, taken }, outcomes);
                }
                Ok((person, bytes)) => {
                    if !request.has_room(bytes) {
                        self.send(std::mem::take(&mut request), desk, outcomes)?;
                    }
                    request.bytes += bytes;
                    request.people.push(person);
                    request.rows.push((place, notes));
                }
            }
        }
        self.send(request, desk, outcomes)
    }

    fn send(&self, request: Request, desk: &Desk, outcomes: &mut Vec<Outcome>) -> Result<(), Failed> {
        if request.people.is_empty() {
            return Ok(());
        }
        let ask = Ask::PeopleImport {
            people: request.people,
            update: self.update,
            dry_run: self.dry_run,
        };
        let taken = match desk.ask(&ask)? {
            Reply::PeopleImported { people } => people,
            other => return Err(unexpected(&other)),
        };
        for ((place, notes), taken) in request.rows.into_iter().zip(taken) {
            self.note(Outcome { place, notes, taken }, outcomes);
        }
        Ok(())
    }

    fn note(&self, outcome: Outcome, outcomes: &mut Vec<Outcome>) {
        if !self.common.json {
            outcome.show(self.dry_run);
        }
        outcomes.push(outcome);
    }
}

/// People that are sent together.
#[derive(Default)]
struct Request {
    people: Vec<Person>,
    rows: Vec<(String, Vec<String>)>,
    bytes: usize,
}

impl Request {
    fn has_room(&self, bytes: usize) -> bool {
        self.people.len() < PEOPLE_MAX && self.bytes + bytes <= PERSON_BYTES_MAX
    }
}

impl Outcome {
    fn show(&self, dry_run: bool) {
        let Outcome { place, notes, taken } = self;
        let name = &taken.name;
        let said = match (taken.outcome, dry_run) {
            (PersonOutcome::Added, false) => "added",
            (PersonOutcome::Added, true) => "would be added",
            (PersonOutcome::Updated, false) => "updated",
            (PersonOutcome::Updated, true) => "would be updated",
            (PersonOutcome::Same, _) => "is so already",
            (PersonOutcome::LeftAlone, _) => {
                "exists already and is left alone; --update makes it like the list"
            }
            (PersonOutcome::Refused, _) => {
                let why = taken.why.as_deref().unwrap_or_default();
                let whose = if name.is_empty() {
                    String::new()
                } else {
                    format!("  {name}")
                };
                data(format_args!("{place}{whose}  refused: {why}"));
                return;
            }
        };
        let factor = match taken.factor {
            Some(Taken::Added) => ", with its authenticator",
            Some(Taken::AddedWeak) => ", with its authenticator, though its secret has less than 128 bits",
            _ => "",
        };
        data(format_args!("{name}  {said}{factor}"));
        for note in notes {
            data(format_args!("{name}  {note}"));
        }
        for code in &taken.backup_codes {
            data(format_args!("{name}  backup code   {code}"));
        }
        if !taken.backup_codes.is_empty() {
            say("The backup codes are shown once; hand them over on a channel you trust.");
        }
    }

    fn json(&self) -> serde_json::Value {
        let mut told = json!(self.taken);
        told["place"] = json!(self.place);
        told["notes"] = json!(self.notes);
        told
    }
}
