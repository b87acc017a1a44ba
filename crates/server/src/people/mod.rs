//! Lists of people, as they travel between systems.
//!
//! Knows: the columns of a list, and how each is written in CSV and in JSON. Must never know: accounts as they are
//! stored, or what becomes of a person.
//!
//! Read next: [`read`] and [`csv_heading`] for this installation's own lists, [`kinglet`] for the rows of a Kinglet
//! application, [`table`] for what both are read out of.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_auth::claim::{ClaimValue, Claims};
use countersign_auth::command::bounded;
use countersign_auth::policy::LABEL_CHARS_MAX;
use countersign_auth::role::Role;
use countersign_core::otp::otpauth;
use zeroize::Zeroizing;

use crate::service::names;
use crate::service::operator::{Person, Seed};

pub mod kinglet;
pub mod table;

use table::{Cell, Cells, Format, Row, Unreadable};

/// The columns of a list, those that are exported first.
const COLUMNS: [&str; 7] = [
    "name",
    "role",
    "groups",
    "claims",
    "disabled",
    "password_hash",
    "otpauth",
];
const COLUMN_NAMES: &str = "name, role, groups, claims, disabled, password_hash, otpauth";

/// A person of a list, and where they stand in it.
#[derive(Debug)]
pub struct Found {
    /// The line, or the entry.
    pub place: String,
    /// The person, or why nothing of the row can be taken, beginning with the field.
    pub person: Result<Person, String>,
    /// What is left behind or to be known, a sentence each.
    pub notes: Vec<String>,
}

/// Reads a list of people; without a format it is told by the first character.
///
/// # Errors
/// [`Unreadable`] when nothing of it can be used; a row that can't be is among what was found.
pub fn read(text: &str, format: Option<Format>) -> Result<Vec<Found>, Unreadable> {
    let table = table::read(text, format)?;
    let unknown = table
        .columns
        .iter()
        .find(|column| !COLUMNS.contains(&column.as_str()));
    if let Some(column) = unknown {
        return Err(Unreadable::Unknown {
            column: column.clone(),
            known: COLUMN_NAMES,
        });
    }
    if !table.rows.is_empty() && !table.columns.iter().any(|column| column == "name") {
        return Err(Unreadable::Missing {
            column: "name".to_owned(),
        });
    }
    let found = table.rows.into_iter().map(|row| {
        let Row { place, cells } = row;
        let person = cells.and_then(person);
        Found {
            place,
            person,
            notes: Vec::new(),
        }
    });
    Ok(apart(found.collect()))
}

fn person(mut cells: Cells) -> Result<Person, String> {
    let unknown = cells.keys().find(|column| !COLUMNS.contains(&column.as_str()));
    if let Some(column) = unknown {
        return Err(format!(
            "{column}: it is not known; the fields are {COLUMN_NAMES}"
        ));
    }
    let mut take = |column: &'static str| Field {
        column,
        cell: cells.remove(column),
    };
    let name = take("name").text()?;
    Ok(Person {
        name: name.map(|name| name.to_string()).unwrap_or_default(),
        role: take("role").role()?,
        groups: take("groups").groups()?,
        claims: take("claims").claims()?,
        disabled: take("disabled").flag()?,
        password_hash: take("password_hash").text()?,
        seed: take("otpauth").seed()?,
    })
}

/// A cell of a column, if the row has one.
struct Field {
    column: &'static str,
    cell: Option<Cell>,
}

impl Field {
    fn wants(&self, what: impl fmt::Display) -> String {
        format!("{}: {what}", self.column)
    }

    /// A text; an empty one is none.
    fn text(self) -> Result<Option<Zeroizing<String>>, String> {
        match self.cell {
            None | Some(Cell::Null) => Ok(None),
            Some(Cell::Text(text)) => Ok((!text.is_empty()).then_some(text)),
            _ => Err(self.wants("give a text")),
        }
    }

    fn role(self) -> Result<Option<Role>, String> {
        let wants = self.wants("give user, auditor, operator or administrator");
        match self.text()? {
            None => Ok(None),
            Some(name) => Role::parse(&name).map(Some).ok_or(wants),
        }
    }

    /// True or false as systems write it: as such, as 1 or 0, or as the text of either. An empty text is none.
    fn flag(self) -> Result<Option<bool>, String> {
        match &self.cell {
            None | Some(Cell::Null) => Ok(None),
            Some(Cell::Bool(flag)) => Ok(Some(*flag)),
            Some(Cell::Integer(0)) => Ok(Some(false)),
            Some(Cell::Integer(1)) => Ok(Some(true)),
            Some(Cell::Text(text)) => match text.to_ascii_lowercase().as_str() {
                "" => Ok(None),
                "true" | "t" | "1" => Ok(Some(true)),
                "false" | "f" | "0" => Ok(Some(false)),
                _ => Err(self.wants("give true or false")),
            },
            _ => Err(self.wants("give true or false")),
        }
    }

    /// A list of texts, or one text of words with spaces between; an empty one is no group at all.
    fn groups(self) -> Result<Option<Vec<String>>, String> {
        let wants = self.wants("give names with spaces between, in JSON a list of texts");
        match self.cell {
            None | Some(Cell::Null) => Ok(None),
            Some(Cell::Text(text)) => Ok(Some(text.split_whitespace().map(str::to_owned).collect())),
            Some(Cell::List(cells)) => {
                let texts = cells.into_iter().map(|cell| match cell {
                    Cell::Text(text) => Ok(text.to_string()),
                    _ => Err(wants.clone()),
                });
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(wants),
        }
    }

    /// An object, or the text of one; an empty text is no claim at all.
    fn claims(self) -> Result<Option<Claims>, String> {
        let column = self.column;
        let wants = |why: &dyn fmt::Display| {
            format!("{column}: give a JSON object of texts, whole numbers, true, false: {why}")
        };
        let cells = match self.cell {
            None | Some(Cell::Null) => return Ok(None),
            Some(Cell::Map(cells)) => cells,
            Some(Cell::Text(text)) if text.trim().is_empty() => BTreeMap::new(),
            Some(Cell::Text(text)) => match Cell::of_json(&text) {
                Ok(Cell::Map(cells)) => cells,
                Ok(_) => return Err(wants(&"it is something else")),
                Err(why) => return Err(wants(&why)),
            },
            Some(_) => return Err(wants(&"it is something else")),
        };
        let claims = cells.into_iter().map(|(name, cell)| match claim_value(cell) {
            Some(value) => Ok((name, value)),
            None => Err(wants(&format_args!("{name:?} is something else"))),
        });
        claims.collect::<Result<_, _>>().map(Some)
    }

    fn seed(self) -> Result<Option<Seed>, String> {
        let column = self.column;
        let Some(uri) = self.text()? else {
            return Ok(None);
        };
        let read = otpauth::parse(&uri).map_err(|why| format!("{column}: {why}"))?;
        Ok(Some(Seed {
            place: column.to_owned(),
            label: bounded(&read.issuer, LABEL_CHARS_MAX),
            uri,
            drift: 0,
            last_accepted: None,
        }))
    }
}

/// The value of a claim; none for what can't be one.
fn claim_value(cell: Cell) -> Option<ClaimValue> {
    match cell {
        Cell::Bool(value) => Some(ClaimValue::Bool(value)),
        Cell::Integer(value) => Some(ClaimValue::Integer(value)),
        Cell::Text(text) => Some(ClaimValue::Text(text.to_string())),
        Cell::Null | Cell::OtherNumber | Cell::List(_) | Cell::Map(_) => None,
    }
}

/// Reads the value of one claim as JSON has it.
///
/// # Errors
/// A sentence that says what to give.
pub fn parse_claim(text: &str) -> Result<ClaimValue, String> {
    let value = Cell::of_json(text).ok().and_then(claim_value);
    value.ok_or_else(|| "give true, false, a whole number, or a text in quotation marks".to_owned())
}

/// Refuses whoever stands in a list twice, and every secret that stands for two people: which of them counts is
/// nobody's to guess (for secrets RFC 6238 §3 R5).
fn apart(mut found: Vec<Found>) -> Vec<Found> {
    let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut secrets: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for (at, found) in found.iter().enumerate() {
        let Ok(person) = &found.person else { continue };
        let name = names::parse(&person.name).map_or_else(|_| person.name.clone(), |name| name.to_string());
        names.entry(name).or_default().push(at);
        let secret = person
            .seed
            .as_ref()
            .and_then(|seed| otpauth::parse(&seed.uri).ok());
        if let Some(read) = secret {
            let tag = digest(&SHA256, read.secret.canonical()).as_ref().to_vec();
            secrets.entry(tag).or_default().push(at);
        }
    }
    let shared = |what: &'static str| move |rows: Vec<usize>| (what, rows);
    let twice = names.into_values().map(shared("name: it stands in"));
    let twice = twice.chain(
        secrets
            .into_values()
            .map(shared("secret: the same one stands in")),
    );
    for (what, rows) in twice.filter(|(_, rows)| rows.len() > 1) {
        let places: Vec<String> = rows.iter().map(|at| found[*at].place.clone()).collect();
        let places = match places.as_slice() {
            [first, second] => format!("{first} and {second}"),
            [first, second, ..] => format!("{first}, {second} and others"),
            _ => continue,
        };
        for at in rows {
            found[at].person = Err(format!("{what} {places}; give each person their own"));
        }
    }
    found
}

/// The heading of a CSV list as it is exported.
pub fn csv_heading() -> String {
    table::csv_row(COLUMNS[..5].iter().copied())
}

/// A person as a row of CSV, without anything secret.
pub fn csv_row(person: &Person) -> String {
    let role = person.role.unwrap_or_default();
    let groups = person.groups.as_deref().unwrap_or_default().join(" ");
    let claims = match &person.claims {
        Some(claims) if !claims.is_empty() => {
            serde_json::to_string(claims).expect("claims hold nothing that JSON can't spell")
        }
        _ => String::new(),
    };
    let disabled = person.disabled.unwrap_or_default().to_string();
    table::csv_row([&person.name, role.name(), &groups, &claims, &disabled])
}

/// For fuzzing: whoever is read and written is read again as the same, and no cell is a formula; what can't be read as
/// a list or a users table is refused and nothing else.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let key = kinglet::Key::of("an-environments-own-key");
    for unauthenticated_cipher in [false, true] {
        let reading = kinglet::Reading {
            key: Some(&key),
            name_column: "username",
            password_hash_column: Some("password_hash"),
            unauthenticated_cipher,
        };
        let people = kinglet::read(text, None, &reading).unwrap_or_default();
        for seed in people
            .iter()
            .filter_map(|found| found.person.as_ref().ok()?.seed.as_ref())
        {
            assert!(otpauth::parse(&seed.uri).is_ok(), "our own spelling is read");
        }
    }
    let people = read(text, None).unwrap_or_default();
    for person in people.iter().filter_map(|found| found.person.as_ref().ok()) {
        let row = csv_row(person);
        if row.len() > table::ROW_BYTES_MAX {
            continue;
        }
        assert!(
            !row.starts_with(['=', '+', '-', '@', '\t', '\0']),
            "a spreadsheet would take it for a formula"
        );
        let again = read(&(csv_heading() + &row), Some(Format::Csv)).expect("our own spelling is read");
        let [again] = again.as_slice() else {
            panic!("one person was written and {} were read", again.len());
        };
        let again = again.person.as_ref().expect("our own spelling is read");
        assert_eq!(csv_row(again), row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(text: &str) -> Vec<(String, String)> {
        let found = read(text, None).expect("a list");
        let refused = found
            .into_iter()
            .filter_map(|found| Some((found.place, found.person.err()?)));
        refused.collect()
    }

    #[test]
    fn every_bad_row_is_named_with_its_line_and_field_and_the_others_are_read() {
        let text = "name,role,groups,claims,disabled,password_hash,otpauth\n\
                    alice,chief,,,,,\n\
                    bob,,,[1],,,\n\
                    carol,,,\"{\"\"a\"\":1.5}\",,,\n\
                    dave,,,,perhaps,,\n\
                    erin,,,,,,otpauth://totp/erin?secret=1\n\
                    frank,user,staff editors,\"{\"\"publisher\"\":true}\",1,,\n\
                    grace,,\n";
        let found = refusals(text);
        let told: Vec<_> = found
            .iter()
            .map(|(place, why)| (place.as_str(), why.split(':').next().unwrap_or_default()))
            .collect();
        let wanted = [
            ("line 2", "role"),
            ("line 3", "claims"),
            ("line 4", "claims"),
            ("line 5", "disabled"),
            ("line 6", "otpauth"),
            ("line 8", "it has 3 cells and the heading 7"),
        ];
        assert_eq!(told, wanted, "{found:?}");
        let frank = read(text, None)
            .expect("a list")
            .swap_remove(5)
            .person
            .expect("it is whole");
        assert_eq!(frank.role, Some(Role::User));
        assert_eq!(frank.groups, Some(vec!["staff".to_owned(), "editors".to_owned()]));
        assert_eq!(
            frank.claims,
            Some([("publisher".to_owned(), ClaimValue::Bool(true))].into())
        );
        assert_eq!(frank.disabled, Some(true));
    }

    #[test]
    fn columns_and_fields_nobody_knows_are_refused_by_name() {
        for text in ["name,passwort\na,b\n", r#"[{"name":"a","passwort":"b"}]"#] {
            let refused = read(text, None).expect_err("the column is not known").to_string();
            assert!(refused.contains("\"passwort\""), "{refused}");
        }
        let later = refusals(r#"[{"name":"a"},{"name":"b","passwort":"secret text"}]"#);
        assert_eq!(later[0].0, "entry 2");
        assert!(
            later[0].1.starts_with("passwort:") && !later[0].1.contains("secret text"),
            "{later:?}"
        );
        let missing = read("role\nuser\n", None).map(|found| found.len());
        assert_eq!(
            missing,
            Err(Unreadable::Missing {
                column: "name".to_owned()
            })
        );
    }

    #[test]
    fn whoever_stands_twice_and_secrets_of_two_people_are_refused() {
        let uri = |name: &str| format!("otpauth://totp/{name}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR");
        let text = format!(
            "name,otpauth\nalice,{}\nALICE,\nbob,{}\ncarol,{}\ndave,\n",
            "",
            uri("bob"),
            uri("carol")
        );
        let told = refusals(&text);
        let places: Vec<_> = told.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["line 2", "line 3", "line 4", "line 5"], "{told:?}");
        assert!(told[0].1.contains("line 2 and line 3"), "{told:?}");
        assert!(
            told[2].1.starts_with("secret:") && told[2].1.contains("line 4 and line 5"),
            "{told:?}"
        );
        assert!(
            !told.iter().any(|(_, why)| why.contains("GEZDG")),
            "no secret is told"
        );
    }

    #[test]
    fn exported_row_reads_back_as_the_same_person() {
        let person = Person {
            name: "'=mallory@example.com".to_owned(),
            role: Some(Role::Auditor),
            groups: Some(vec!["-staff".to_owned(), "editors".to_owned()]),
            claims: Some(
                [
                    (
                        "desk".to_owned(),
                        ClaimValue::Text("=HYPERLINK(\"x\"), or".to_owned()),
                    ),
                    ("shelf".to_owned(), ClaimValue::Integer(-7)),
                    ("publisher".to_owned(), ClaimValue::Bool(true)),
                ]
                .into(),
            ),
            disabled: Some(true),
            ..Person::default()
        };
        let text = csv_heading() + &csv_row(&person);
        let read = read(&text, None)
            .expect("a list")
            .swap_remove(0)
            .person
            .expect("it is whole");
        assert_eq!(
            serde_json::to_value(&read).expect("JSON"),
            serde_json::to_value(&person).expect("JSON")
        );
    }

    #[test]
    fn claims_are_given_as_json_values() {
        assert_eq!(parse_claim("true"), Ok(ClaimValue::Bool(true)));
        assert_eq!(parse_claim("-5"), Ok(ClaimValue::Integer(-5)));
        assert_eq!(parse_claim("\"a b\""), Ok(ClaimValue::Text("a b".to_owned())));
        for text in [
            "",
            "yes",
            "1.5",
            "null",
            "[]",
            "{}",
            "true false",
            "99999999999999999999",
        ] {
            assert!(parse_claim(text).is_err(), "{text}");
        }
    }
}
