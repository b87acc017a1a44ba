//! Tables as other systems write them: CSV (RFC 4180) with a heading, or a JSON list of objects.
//!
//! Knows: rows of named cells, and where each row stands. Must never know: what a column means. Cells may hold secrets,
//! so whatever text is copied here is wiped when it is dropped.

use std::collections::BTreeMap;
use std::fmt;

use csv_core::{ReadRecordResult, Reader};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most rows of one file.
pub const ROWS_MAX: usize = 100_000;

/// Longest row, in bytes.
pub const ROW_BYTES_MAX: usize = 64 * 1024;

/// Most columns.
pub const COLUMNS_MAX: usize = 64;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A heading, then a row a line, with commas between.
    Csv,
    /// A list of objects.
    Json,
}

/// A value in a table. Of CSV, every cell is a text.
///
/// # Security
/// Debug prints no value: a cell may hold a secret.
#[derive(PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    OtherNumber,
    /// A text.
    Text(Zeroizing<String>),
    /// Several values.
    List(Vec<Cell>),
    /// Values by their names.
    Map(BTreeMap<String, Cell>),
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::Null => "Null",
            Cell::Bool(_) => "Bool(…)",
            Cell::Integer(_) => "Integer(…)",
            Cell::OtherNumber => "OtherNumber",
            Cell::Text(_) => "Text(…)",
            Cell::List(_) => "List(…)",
            Cell::Map(_) => "Map(…)",
        })
    }
}

/// The cells of a row by the names of their columns.
pub type Cells = BTreeMap<String, Cell>;

/// A row, and where it stands.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// The line, or the entry of a list.
    pub place: String,
    /// Its cells, or why it has none that can be used.
    pub cells: Result<Cells, String>,
}

/// Why a table can't be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// More than [`FILE_BYTES_MAX`] bytes.
    TooLong,
    /// More than [`ROWS_MAX`] rows.
    TooMany,
    /// There is no heading.
    Empty,
    /// A row is longer than [`ROW_BYTES_MAX`], or has more than [`COLUMNS_MAX`] cells.
    Row {
        /// In which line it begins.
        line: usize,
    },
    /// Two columns have one name.
    Twice {
        /// The name.
        column: String,
    },
    /// A column is missing.
    Missing {
        /// Its name.
        column: String,
    },
    /// A column is not known.
    Unknown {
        /// Its name.
        column: String,
        /// The names that are.
        known: &'static str,
    },
    /// It is no JSON list.
    Json {
        /// What the reader says, with its line and column.
        why: String,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::TooLong => write!(f, "the file is longer than {FILE_BYTES_MAX} bytes; split it"),
            Unreadable::TooMany => write!(f, "the file holds more than {ROWS_MAX} people; split it"),
            Unreadable::Empty => f.write_str("the file is empty; its first line names the columns"),
            Unreadable::Row { line } => write!(
                f,
                "line {line}: the row is longer than {ROW_BYTES_MAX} bytes or has more than {COLUMNS_MAX} cells; see \
                 whether a quotation mark is left open"
            ),
            Unreadable::Twice { column } => write!(f, "two columns are named {column:?}; keep one"),
            Unreadable::Missing { column } => write!(f, "there is no column {column:?}; add it"),
            Unreadable::Unknown { column, known } => {
                write!(
                    f,
                    "the column {column:?} is not known; leave it out, or name it one of {known}"
                )
            }
            Unreadable::Json { why } => write!(f, "it is no JSON list of objects: {why}"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// A table that was read.
#[derive(Debug, PartialEq)]
pub struct Table {
    /// The columns of the heading; of a JSON list, which has none, those of its first object.
    pub columns: Vec<String>,
    /// The rows in their order.
    pub rows: Vec<Row>,
}

/// Reads a table; without a format it is told by the first character.
///
/// # Errors
/// [`Unreadable`]; a row that can't be used is among the rows.
pub fn read(text: &str, format: Option<Format>) -> Result<Table, Unreadable> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Unreadable::TooLong);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let seems = match text.trim_start().starts_with('[') {
        true => Format::Json,
        false => Format::Csv,
    };
    match format.unwrap_or(seems) {
        Format::Csv => csv(text),
        Format::Json => json(text),
    }
}

fn csv(text: &str) -> Result<Table, Unreadable> {
    let mut records = Records::of(text);
    let Some((_, columns)) = records.next()? else {
        return Err(Unreadable::Empty);
    };
    let columns: Vec<String> = columns.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(at) = (1..columns.len()).find(|at| columns[..*at].contains(&columns[*at])) {
        let column = columns[at].clone();
        return Err(Unreadable::Twice { column });
    }
    let mut rows = Vec::new();
    while let Some((line, texts)) = records.next()? {
        if rows.len() == ROWS_MAX {
            return Err(Unreadable::TooMany);
        }
        let cells = match texts.len() == columns.len() {
            true => Ok(columns
                .iter()
                .cloned()
                .zip(texts.into_iter().map(Cell::Text))
                .collect()),
            false => Err(format!(
                "it has {} cells and the heading {}",
                texts.len(),
                columns.len()
            )),
        };
        rows.push(Row {
            place: format!("line {line}"),
            cells,
        });
    }
    Ok(Table { columns, rows })
}

/// The records of a CSV text, read into room that is wiped and never grows.
struct Records<'a> {
    reader: Reader,
    rest: &'a str,
    /// The line in which the rest begins.
    line: usize,
    room: Zeroizing<Vec<u8>>,
}

/// A record: the line in which it begins, and its cells.
type Record = (usize, Vec<Zeroizing<String>>);

impl<'a> Records<'a> {
    fn of(text: &'a str) -> Records<'a> {
        Records {
            reader: Reader::new(),
            rest: text,
            line: 1,
            room: Zeroizing::new(vec![0; ROW_BYTES_MAX]),
        }
    }

    /// The next record and the line in which it begins; none after the last.
    fn next(&mut self) -> Result<Option<Record>, Unreadable> {
        let begin = self.rest.trim_start_matches(['\r', '\n']);
        self.advance(self.rest.len() - begin.len());
        let line = self.line;
        let (mut ends, mut cells, mut written) = ([0; COLUMNS_MAX], 0, 0);
        loop {
            let (result, read, wrote, ended) = self.reader.read_record(
                self.rest.as_bytes(),
                &mut self.room[written..],
                &mut ends[cells..],
            );
            self.advance(read);
            (written, cells) = (written + wrote, cells + ended);
            match result {
                // The next round has no input, by which the reader sees the end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(Unreadable::Row { line });
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let mut begin = 0;
        let texts = ends[..cells].iter().map(|end| {
            let bytes = &self.room[std::mem::replace(&mut begin, *end)..*end];
            let text = std::str::from_utf8(bytes).expect("cells are cut out of a text at ASCII characters");
            Zeroizing::new(unarmed(text).to_owned())
        });
        Ok(Some((line, texts.collect())))
    }

    fn advance(&mut self, bytes: usize) {
        let (read, rest) = self.rest.split_at(bytes);
        self.line += read.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
    }
}

/// Whether a spreadsheet could take a text for a formula, behind as many apostrophes as were put there.
fn is_formula(text: &str) -> bool {
    let behind = text.trim_start_matches('\'');
    behind.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0'])
}

/// A cell as it was before [`armed`].
fn unarmed(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        _ => text,
    }
}

/// A cell as CSV has it (RFC 4180 §2). A text that a spreadsheet could take for a formula gets an apostrophe in front,
/// which is taken away again when it is read.
fn armed(text: &str) -> String {
    let apostrophe = if is_formula(text) { "'" } else { "" };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{apostrophe}{}\"", text.replace('"', "\"\"")),
        false => format!("{apostrophe}{text}"),
    }
}

/// A row of CSV, with its line end.
pub fn csv_row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(armed).collect();
    cells.join(",") + "\r\n"
}

fn json(text: &str) -> Result<Table, Unreadable> {
    let unreadable = |why: &dyn fmt::Display| Unreadable::Json { why: why.to_string() };
    let Cell::List(entries) = serde_json::from_str(text).map_err(|error| unreadable(&error))? else {
        return Err(unreadable(&"it is something else"));
    };
    if entries.len() > ROWS_MAX {
        return Err(Unreadable::TooMany);
    }
    let rows: Vec<Row> = (1..)
        .zip(entries)
        .map(|(number, entry)| Row {
            place: format!("entry {number}"),
            cells: match entry {
                Cell::Map(cells) => Ok(cells),
                _ => Err("it is no object".to_owned()),
            },
        })
        .collect();
    let first = rows.iter().find_map(|row| row.cells.as_ref().ok());
    let columns = first.map(|cells| cells.keys().cloned().collect());
    Ok(Table {
        columns: columns.unwrap_or_default(),
        rows,
    })
}

impl Cell {
    /// Reads one value of JSON.
    ///
    /// # Errors
    /// What the reader says, with its column.
    pub fn of_json(text: &str) -> Result<Cell, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
        Ok(i64::try_from(value).map_or(Cell::OtherNumber, Cell::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Cell, E> {
        Ok(Cell::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Cell, A::Error> {
        let mut list = Vec::new();
        while let Some(cell) = entries.next_element()? {
            if list.len() > ROWS_MAX {
                return Err(de::Error::custom(Unreadable::TooMany));
            }
            list.push(cell);
        }
        Ok(Cell::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Cell, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, cell)) = entries.next_entry()? {
            if map.insert(name, cell).is_some() {
                return Err(de::Error::custom("an object has one name twice"));
            }
            if map.len() > COLUMNS_MAX {
                return Err(de::Error::custom("an object has more than 64 names"));
            }
        }
        Ok(Cell::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        let mut records = Records::of(text);
        let mut all = Vec::new();
        while let Some((_, cells)) = records.next().expect("the rows fit") {
            all.push(cells.iter().map(|cell| cell.to_string()).collect());
        }
        all
    }

    #[test]
    fn every_text_survives_the_way_through_csv_and_none_begins_as_a_formula() {
        for text in [
            "",
            "plain",
            "=1+1",
            "+1",
            "-1",
            "@sum",
            "\tx",
            "\rx",
            "\n=x",
            "\0x",
            "'",
            "'=1",
            "''=1",
            "'quoted'",
            "a,b",
            "say \"so\"",
            "two\r\nlines",
            "{\"a\":\"=1\"}",
            "é",
        ] {
            let row = csv_row(["first", text, "last"]);
            assert_eq!(texts(&row), [["first", text, "last"]], "{row:?}");
            let cell = &row["first,".len()..];
            let shown = cell.trim_start_matches('"');
            assert!(
                !shown.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']),
                "{row:?}"
            );
        }
    }

    #[test]
    fn rows_of_rfc_4180_are_read_with_either_line_end_and_the_line_they_begin_in() {
        let text = "name,note\r\na,\"one, two\"\r\n\r\nb,\"two\r\nlines\"\nc,\"say \"\"so\"\"\"\nd,last";
        let table = read(text, None).expect("a table");
        assert_eq!(table.columns, ["name", "note"]);
        let rows: Vec<_> = table
            .rows
            .iter()
            .map(|row| {
                let cells = row.cells.as_ref().expect("two cells");
                match &cells["note"] {
                    Cell::Text(note) => (row.place.as_str(), note.as_str()),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let wanted = [
            ("line 2", "one, two"),
            ("line 4", "two\r\nlines"),
            ("line 6", "say \"so\""),
            ("line 7", "last"),
        ];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn row_of_another_length_is_named_and_the_others_are_read() {
        let table = read("a,b\n1\n1,2\n1,2,3\n", None).expect("a table");
        let told: Vec<_> = table
            .rows
            .iter()
            .map(|row| (row.place.as_str(), row.cells.as_ref().err().map(String::as_str)))
            .collect();
        let wanted = [
            ("line 2", Some("it has 1 cells and the heading 2")),
            ("line 3", None),
            ("line 4", Some("it has 3 cells and the heading 2")),
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn tables_are_bounded() {
        assert_eq!(read("", None), Err(Unreadable::Empty));
        let column = "a".to_owned();
        assert_eq!(read("a,b,a\n", None), Err(Unreadable::Twice { column }));
        let open = format!("a\n1\n\"{}", "x\n".repeat(ROW_BYTES_MAX));
        assert_eq!(read(&open, None), Err(Unreadable::Row { line: 3 }));
        let wide = |columns: usize| {
            (0..columns)
                .map(|at| format!("c{at}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(
            read(&wide(COLUMNS_MAX + 1), None),
            Err(Unreadable::Row { line: 1 })
        );
        assert_eq!(
            read(&wide(COLUMNS_MAX), None).map(|table| table.columns.len()),
            Ok(COLUMNS_MAX)
        );
        let rows = |count: usize| format!("a\n{}", "1\n".repeat(count));
        assert_eq!(read(&rows(ROWS_MAX + 1), None), Err(Unreadable::TooMany));
        assert_eq!(
            read(&rows(ROWS_MAX), None).map(|table| table.rows.len()),
            Ok(ROWS_MAX)
        );
        let entries = |count: usize| format!("[{}{{}}]", "{},".repeat(count - 1));
        assert!(read(&entries(ROWS_MAX + 2), None).is_err());
        assert_eq!(read(&entries(ROWS_MAX + 1), None), Err(Unreadable::TooMany));
        assert_eq!(
            read(&entries(ROWS_MAX), None).map(|table| table.rows.len()),
            Ok(ROWS_MAX)
        );
    }

    #[test]
    fn json_keeps_the_types_of_its_values_and_names_what_is_no_object() {
        let text = r#" [{"a":true,"b":-1,"c":"x\n","d":null,"e":[1],"f":1.5,"g":18446744073709551615}, 7]"#;
        let table = read(text, None).expect("a list");
        let cells = table.rows[0].cells.as_ref().expect("an object");
        let wanted = [
            Cell::Bool(true),
            Cell::Integer(-1),
            Cell::Text(Zeroizing::new("x\n".to_owned())),
            Cell::Null,
            Cell::List(vec![Cell::Integer(1)]),
            Cell::OtherNumber,
            Cell::OtherNumber,
        ];
        assert!(cells.values().eq(&wanted), "{cells:?}");
        assert_eq!(table.rows[1].place, "entry 2");
        assert_eq!(table.rows[1].cells, Err("it is no object".to_owned()));
        for text in [r#"[{"a":1,"a":2}]"#, "[{]", "[", "[]x"] {
            assert!(matches!(read(text, None), Err(Unreadable::Json { .. })), "{text}");
        }
        assert!(matches!(
            read("{}", Some(Format::Json)),
            Err(Unreadable::Json { .. })
        ));
        let secret = read("a\nsecret text\n", None).expect("a table");
        assert!(
            !format!("{secret:?}").contains("secret text"),
            "Debug prints no value"
        );
    }
}
