//! The files in which authenticators' seeds travel from one system to another.
//!
//! Knows: how a format is recognised by its content, and whose each seed is. Must never know: accounts as they are
//! stored, or what becomes of a seed.
//!
//! Read next: [`read`] for the formats, [`by_account`] for whose they are, [`pskc`] for the only one with structure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_auth::command::bounded;
use countersign_auth::policy::LABEL_CHARS_MAX;
use countersign_core::otp::migration::{MigrationError, PartError, Parts, Payload};
use countersign_core::otp::otpauth::{self, OtpauthUri, Parameters, Provisioning};
use countersign_core::otp::{SharedSecret, google_authenticator};
use countersign_core::time::{StepNumber, UnixSeconds};
use zeroize::Zeroizing;

use crate::service::names;

pub mod pskc;

/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most seeds of one file.
pub const SEEDS_MAX: usize = 10_000;

/// A file's format, as its content shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// otpauth and otpauth-migration URIs, one a line.
    Uris,
    /// A Portable Symmetric Key Container (RFC 6030).
    Pskc,
    /// A file of pam_google_authenticator.
    GoogleAuthenticator,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Uris => "otpauth URIs",
            Format::Pskc => "PSKC",
            Format::GoogleAuthenticator => "pam_google_authenticator",
        })
    }
}

/// What a file holds.
#[derive(Debug)]
pub struct Contents {
    /// In which format.
    pub format: Format,
    /// Its entries in their order, the refused ones among them.
    pub entries: Vec<Entry>,
}

/// One entry of a file.
#[derive(Debug)]
pub struct Entry {
    /// Where it stands, for whoever repairs it: a line, an account, a serial number.
    pub place: String,
    /// The account's name as the file gives it.
    pub account: Option<String>,
    /// The serial number of its token.
    pub serial: Option<String>,
    /// The seed, or why it can't be used.
    pub seed: Result<Seed, String>,
}

/// A seed that can be used.
#[derive(Debug)]
pub struct Seed {
    /// Where it stands in its file, for whoever repairs it.
    pub place: String,
    /// A name for the factor.
    pub label: String,
    /// The shared secret.
    pub secret: SharedSecret,
    /// Which codes.
    pub parameters: Parameters,
    /// Time steps by which its clock was found to be ahead.
    pub drift: i32,
    /// The highest time step whose code was accepted elsewhere.
    pub last_accepted: Option<StepNumber>,
    /// What is left behind, a sentence each.
    pub notes: Vec<String>,
}

impl Seed {
    fn of(read: Provisioning) -> Seed {
        Seed {
            place: String::new(),
            label: read.issuer.to_string(),
            secret: read.secret,
            parameters: read.parameters,
            drift: 0,
            last_accepted: None,
            notes: Vec::new(),
        }
    }

    /// Secret and parameters as an otpauth URI, without anybody's name.
    pub fn uri(&self) -> Zeroizing<String> {
        let uri = match &self.parameters {
            Parameters::Totp(totp) => OtpauthUri::totp("", "seed", &self.secret, totp),
            Parameters::Hotp(hotp, counter) => OtpauthUri::hotp("", "seed", &self.secret, hotp, *counter),
        };
        Zeroizing::new(uri.to_string())
    }

    /// Which codes it shows, in words.
    pub fn shows(&self) -> String {
        match &self.parameters {
            Parameters::Totp(totp) => {
                let (digits, seconds) = (totp.digits.count(), totp.time_step.seconds());
                format!("totp {} {digits} digits {seconds} s", totp.algorithm)
            }
            Parameters::Hotp(hotp, counter) => {
                let digits = hotp.digits.count();
                format!(
                    "hotp {} {digits} digits from counter {}",
                    hotp.algorithm, counter.0
                )
            }
        }
    }
}

/// Why a file can't be read at all.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// More than [`FILE_BYTES_MAX`] bytes.
    TooLong,
    /// It looks like none of the formats.
    Unknown,
    /// More than [`SEEDS_MAX`] seeds.
    TooMany,
    /// A part of an export can't be read.
    Part {
        /// In which line.
        line: usize,
        /// Why.
        why: MigrationError,
    },
    /// The parts of an export do not belong together.
    Parts {
        /// In which line.
        line: usize,
        /// Why.
        why: PartError,
    },
    /// A part of an export is missing.
    MissingPart {
        /// Which one, from 1 on.
        part: usize,
    },
    /// It is no file of pam_google_authenticator after all.
    GoogleAuthenticator(google_authenticator::SecretFileError),
    /// It is no container that can be read.
    Pskc(pskc::PskcError),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::TooLong => write!(f, "the file is longer than {FILE_BYTES_MAX} bytes; split it"),
            Unreadable::Unknown => f.write_str(
                "the file is of no known format; give otpauth or otpauth-migration URIs one a line, a PSKC container, \
                 or a ~/.google_authenticator",
            ),
            Unreadable::TooMany => write!(f, "the file holds more than {SEEDS_MAX} seeds; split it"),
            Unreadable::Part { line, why } => write!(f, "line {line}: {why}"),
            Unreadable::Parts { line, why } => write!(f, "line {line}: {why}"),
            Unreadable::MissingPart { part } => {
                write!(f, "part {part} of the export is missing; give all parts, one a line")
            }
            Unreadable::GoogleAuthenticator(error) => error.fmt(f),
            Unreadable::Pskc(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads a file of any format, recognised by its content; `key` opens what is encrypted in it, and `now` judges the
/// dates in it.
///
/// # Errors
/// [`Unreadable`] when nothing of it can be used; an entry that can't is among the entries.
pub fn read(text: &str, key: &pskc::Key, now: UnixSeconds) -> Result<Contents, Unreadable> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Unreadable::TooLong);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let begin = text.trim_start();
    let (format, entries) = if begin.starts_with('<') {
        (
            Format::Pskc,
            pskc::read(begin, key, now).map_err(Unreadable::Pskc)?,
        )
    } else if starts_with(begin, "otpauth") {
        (Format::Uris, uris(text)?)
    } else if text.lines().nth(1).is_some_and(|line| line.starts_with("\" ")) {
        (Format::GoogleAuthenticator, vec![secret_file(text)?])
    } else {
        return Err(Unreadable::Unknown);
    };
    if entries.len() > SEEDS_MAX {
        return Err(Unreadable::TooMany);
    }
    Ok(Contents { format, entries })
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn uris(text: &str) -> Result<Vec<Entry>, Unreadable> {
    let mut entries = Vec::new();
    let mut parts = Parts::default();
    let lines = (1..).zip(text.lines().map(str::trim));
    for (line, uri) in lines.filter(|(_, uri)| !uri.is_empty()) {
        if starts_with(uri, "otpauth-migration:") {
            let payload = Payload::parse(uri).map_err(|why| Unreadable::Part { line, why })?;
            parts
                .add(payload.batch())
                .map_err(|why| Unreadable::Parts { line, why })?;
            let read = (1..).zip(payload.entries());
            entries.extend(read.map(|(number, read)| {
                let place = format!("line {line}, account {number}");
                entry(place, read.map_err(|why| why.to_string()))
            }));
        } else {
            let read = otpauth::parse(uri).map_err(|why| why.to_string());
            entries.push(entry(format!("line {line}"), read));
        }
        if entries.len() > SEEDS_MAX {
            return Err(Unreadable::TooMany);
        }
    }
    match parts.missing() {
        Some(index) => Err(Unreadable::MissingPart {
            part: usize::from(index) + 1,
        }),
        None => Ok(entries),
    }
}

fn entry(place: String, read: Result<Provisioning, String>) -> Entry {
    Entry {
        place,
        account: read.as_ref().ok().map(|read| read.account.to_string()),
        serial: None,
        seed: read.map(Seed::of),
    }
}

fn secret_file(text: &str) -> Result<Entry, Unreadable> {
    let read = google_authenticator::parse(text).map_err(Unreadable::GoogleAuthenticator)?;
    let mut notes = Vec::new();
    if read.scratch_codes > 0 {
        notes.push(format!(
            "scratch codes left behind: {}; eight digits are too few, backup codes take their place",
            read.scratch_codes
        ));
    }
    Ok(Entry {
        place: "the file".to_owned(),
        account: None,
        serial: None,
        seed: Ok(Seed {
            place: String::new(),
            label: "Google Authenticator".to_owned(),
            secret: read.secret,
            parameters: read.parameters,
            drift: read.drift,
            last_accepted: read.last_accepted,
            notes,
        }),
    })
}

/// Who owns the entries of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owners {
    /// Whoever the file names.
    AsNamed,
    /// One account owns all of them.
    One(String),
    /// The owners of tokens by their serial numbers; tokens that are not listed are left alone.
    BySerial(BTreeMap<String, String>),
}

/// Reads a list of owners: a serial number and an account's name a line, parted by a comma, semicolon or space.
///
/// # Errors
/// A sentence that names the line.
pub fn owners(text: &str) -> Result<Owners, String> {
    let mut owners = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() {
            continue;
        }
        let parted = line.split_once(|c: char| matches!(c, ',' | ';') || c.is_whitespace());
        let Some((serial, name)) = parted else {
            return Err(format!(
                "line {number} of the owners has no account after the serial number"
            ));
        };
        if owners
            .insert(serial.trim().to_owned(), name.trim().to_owned())
            .is_some()
        {
            return Err(format!(
                "line {number} of the owners names a token that has an owner already"
            ));
        }
    }
    Ok(Owners::BySerial(owners))
}

/// What a file holds, sorted by whose it is.
#[derive(Debug, Default)]
pub struct Sorted {
    /// The seeds of each account, by the name as it was given.
    pub accounts: BTreeMap<String, Vec<Seed>>,
    /// Where an entry stands that can't be used, and why.
    pub refused: Vec<(String, String)>,
    /// How many tokens nobody owns.
    pub left_alone: usize,
}

/// By what secrets are told apart without being kept.
fn tag(secret: &SharedSecret) -> Vec<u8> {
    digest(&SHA256, secret.canonical()).as_ref().to_vec()
}

/// Sorts the entries of a file by account. A secret that would have two owners is refused to both (RFC 6238 §3 R5: a
/// key belongs to one prover).
pub fn by_account(contents: Contents, owners: &Owners) -> Sorted {
    let mut sorted = Sorted::default();
    let mut holders: BTreeMap<Vec<u8>, BTreeSet<String>> = BTreeMap::new();
    let mut owned = Vec::new();
    for entry in contents.entries {
        let owner = match owners {
            Owners::AsNamed => entry.account.clone(),
            Owners::One(name) => Some(name.clone()),
            Owners::BySerial(names) => {
                let name = entry.serial.as_ref().and_then(|serial| names.get(serial));
                if name.is_none() {
                    sorted.left_alone += 1;
                    continue;
                }
                name.cloned()
            }
        };
        match (entry.seed, owner) {
            (Err(why), _) => sorted.refused.push((entry.place, why)),
            (Ok(_), None) => {
                let why = "nobody is named as its owner; use --account NAME or --owners FILE";
                sorted.refused.push((entry.place, why.to_owned()));
            }
            (Ok(seed), Some(owner)) => {
                let owner = names::parse(&owner).map_or(owner, |name| name.to_string());
                holders
                    .entry(tag(&seed.secret))
                    .or_default()
                    .insert(owner.clone());
                owned.push((entry.place, owner, seed));
            }
        }
    }
    for (place, owner, mut seed) in owned {
        if holders
            .get(&tag(&seed.secret))
            .is_some_and(|owners| owners.len() > 1)
        {
            let why = "its secret stands for another account as well; enrol both anew";
            sorted.refused.push((place, why.to_owned()));
            continue;
        }
        seed.place = place;
        seed.label = bounded(&seed.label, LABEL_CHARS_MAX);
        sorted.accounts.entry(owner).or_default().push(seed);
    }
    sorted
}
