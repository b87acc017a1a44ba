//! The payload by which Google Authenticator hands accounts to another phone: `otpauth-migration://`.
//!
//! Knows: the few fields of its protocol buffer, and that an export may be spread over several QR codes. Must
//! never know: who may see the secrets, or how a picture is drawn.
//!
//! The format has no standard. Fields and numbers are those of the message that exporting apps write: 1 the
//! accounts, 2 a version, 3 to 5 the place among the parts; of an account 1 secret, 2 name, 3 issuer, 4 algorithm,
//! 5 digits, 6 type, 7 counter. Read next: [`Payload::parse`]; `wire` for how bytes become fields.

use core::fmt;

use zeroize::{Zeroize, Zeroizing};

use super::otpauth::{ACCOUNT_BYTES_MAX, ISSUER_BYTES_MAX, Parameters, Provisioning, is_unfit_to_show};
use super::{Algorithm, Counter, Digits, Hotp, SECRET_BYTES_MAX, SecretError, SharedSecret, Totp};
use crate::bytes::{Text, base64, percent};
use crate::time::TimeStep;

mod wire;

use wire::{Fields, Sink, Value};

/// Longest URI that is read, in bytes; a QR code holds 2953.
pub const URI_BYTES_MAX: usize = 4096;

/// Longest payload that is read, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 3072;

/// Most parts of one export that are read.
pub const PARTS_MAX: u8 = 128;

/// Most accounts that are written into one part, as the app does, so that each picture can be scanned.
pub const ENTRIES_PER_PART: usize = 10;

/// Longest URI that is written where a part has several accounts, in bytes, so that cameras can tell its squares apart.
const PART_BYTES_MAX: usize = 2000;

const SCHEME: &str = "otpauth-migration://offline";

/// The place of a payload among the parts of one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many parts there are, 1 to [`PARTS_MAX`].
    pub size: u8,
    /// Which one this is, from 0 on.
    pub index: u8,
    /// What all parts of one export have in common.
    pub id: i32,
}

impl Batch {
    /// An export of one part.
    pub const WHOLE: Batch = Batch {
        size: 1,
        index: 0,
        id: 0,
    };
}

/// Why a text is no payload that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationError {
    /// More than [`URI_BYTES_MAX`] bytes, or more than [`PAYLOAD_BYTES_MAX`] inside.
    TooLong,
    /// It does not begin with `otpauth-migration://offline`.
    Scheme,
    /// It has no parameter `data`, or it is empty.
    NoData,
    /// The parameter `data` stands twice.
    Twice,
    /// The data is not Base64.
    Base64(base64::Base64Error),
    /// The data breaks off, or a known field has another kind.
    Broken,
    /// The payload is of a version nobody has described.
    Version(i32),
    /// Its place among the parts can't be: no part, too many, or one beyond the last.
    Batch,
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MigrationError::TooLong => {
                f.write_str("the export is longer than a QR code; give one part a line")
            }
            MigrationError::Scheme => write!(f, "the export must begin with {SCHEME}?data="),
            MigrationError::NoData => f.write_str("the export has no data; copy it whole"),
            MigrationError::Twice => f.write_str("the export gives its data twice; keep the right one"),
            MigrationError::Base64(error) => write!(f, "the data of the export: {error}"),
            MigrationError::Broken => f.write_str("the data of the export is damaged; scan it again"),
            MigrationError::Version(version) => {
                write!(f, "the export has version {version}; only 1 and 2 are known")
            }
            MigrationError::Batch => f.write_str("the export names a part that can't be; export again"),
        }
    }
}

impl core::error::Error for MigrationError {}

/// Why one account of a payload can't be used; the others are not touched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A hash function by its name, which no code of ours is made with.
    Md5,
    /// A hash function of this number.
    Algorithm(u64),
    /// A number of digits of this number.
    Digits(u64),
    /// A type of this number.
    Type(u64),
    /// A counter below 0.
    Counter,
    /// The secret is missing or too long.
    Secret(SecretError),
    /// Issuer or name are not UTF-8, too long, or hold control characters.
    Name,
    /// There is no name.
    NoName,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Md5 => f.write_str("its algorithm is MD5; enrol it anew with SHA1, SHA256 or SHA512"),
            Refusal::Algorithm(number) => write!(f, "its algorithm has the unknown number {number}"),
            Refusal::Digits(number) => write!(f, "its count of digits has the unknown number {number}"),
            Refusal::Type(number) => write!(f, "its type has the unknown number {number}"),
            Refusal::Counter => f.write_str("its counter is below 0"),
            Refusal::Secret(error) => write!(f, "its secret can't be used: {error}"),
            Refusal::Name => write!(
                f,
                "its issuer or name can't be used; they are texts of at most {ISSUER_BYTES_MAX} and \
                 {ACCOUNT_BYTES_MAX} bytes without control characters"
            ),
            Refusal::NoName => f.write_str("it has no account name; name it in the app and export again"),
        }
    }
}

impl core::error::Error for Refusal {}

/// The bytes of one part, found whole; wiped on drop.
///
/// # Security
/// It holds the secrets of every account in it. Debug prints its place among the parts alone.
pub struct Payload {
    bytes: [u8; PAYLOAD_BYTES_MAX],
    len: usize,
    batch: Batch,
}

impl Payload {
    /// Reads a URI: its data in Base64 of either alphabet, with or without percent-encoding.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub fn parse(uri: &str) -> Result<Payload, MigrationError> {
        if uri.len() > URI_BYTES_MAX {
            return Err(MigrationError::TooLong);
        }
        let mut payload = Payload {
            bytes: [0; PAYLOAD_BYTES_MAX],
            len: 0,
            batch: Batch::WHOLE,
        };
        let decoded: Text<URI_BYTES_MAX> = percent::parse_path(data(uri)?).ok_or(MigrationError::Broken)?;
        // Whoever read the link as a form's has made spaces of its plus signs.
        let mut text = Text::<URI_BYTES_MAX>::new();
        let restored = decoded.chars().map(|c| if c == ' ' { '+' } else { c });
        if !restored.into_iter().all(|c| text.push(c)) {
            return Err(MigrationError::TooLong);
        }
        payload.len = base64::parse(&text, &mut payload.bytes).map_err(|error| match error {
            base64::Base64Error::TooLong => MigrationError::TooLong,
            error => MigrationError::Base64(error),
        })?;
        payload.batch = batch(payload.bytes())?;
        Ok(payload)
    }

    /// Its place among the parts.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.batch
    }

    /// Its accounts, in their order.
    pub fn entries(&self) -> impl Iterator<Item = Result<Provisioning, Refusal>> {
        let fields = Fields::of(self.bytes()).map_while(Result::ok);
        fields.filter_map(|(number, value)| match (number, value) {
            (1, Value::Bytes(bytes)) => Some(entry(bytes)),
            _ => None,
        })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({:?})", self.batch)
    }
}

/// The value of the parameter `data`, as it stands in the URI.
fn data(uri: &str) -> Result<&str, MigrationError> {
    let (uri, _fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    if !path.trim_end_matches('/').eq_ignore_ascii_case(SCHEME) {
        return Err(MigrationError::Scheme);
    }
    let mut found = query.split('&').filter_map(|pair| pair.strip_prefix("data="));
    let value = found.next().filter(|value| !value.is_empty());
    match (value, found.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(MigrationError::NoData),
        (Some(_), Some(_)) => Err(MigrationError::Twice),
    }
}

/// Walks the whole message, so that whoever reads it afterwards meets no damage.
fn batch(bytes: &[u8]) -> Result<Batch, MigrationError> {
    let (mut version, mut size, mut index, mut id) = (0, 0, 0, 0);
    for field in Fields::of(bytes) {
        match field.map_err(|wire::Broken| MigrationError::Broken)? {
            (1, Value::Bytes(entry)) => whole(entry)?,
            (2, Value::Varint(value)) => version = low_half(value),
            (3, Value::Varint(value)) => size = low_half(value),
            (4, Value::Varint(value)) => index = low_half(value),
            (5, Value::Varint(value)) => id = low_half(value),
            (1..=5, _) => return Err(MigrationError::Broken),
            _ => {}
        }
    }
    if !(0..=2).contains(&version) {
        return Err(MigrationError::Version(version));
    }
    let size = u8::try_from(size.max(1)).ok().filter(|size| *size <= PARTS_MAX);
    let size = size.ok_or(MigrationError::Batch)?;
    let index = u8::try_from(index).ok().filter(|index| *index < size);
    Ok(Batch {
        size,
        index: index.ok_or(MigrationError::Batch)?,
        id,
    })
}

fn whole(entry: &[u8]) -> Result<(), MigrationError> {
    for field in Fields::of(entry) {
        match field.map_err(|wire::Broken| MigrationError::Broken)? {
            (1..=3, Value::Bytes(_)) | (4..=7, Value::Varint(_)) => {}
            (1..=7, _) => return Err(MigrationError::Broken),
            _ => {}
        }
    }
    Ok(())
}

/// A 32-bit number as the wire carries it: the lower half of 64 bits.
fn low_half(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// Reads an account. A number that is missing or 0 is the first one there is, as the app itself reads it.
fn entry(bytes: &[u8]) -> Result<Provisioning, Refusal> {
    let (mut secret, mut name, mut issuer): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut numbers = [0u64; 4];
    for (number, value) in Fields::of(bytes).map_while(Result::ok) {
        match (number, value) {
            (1, Value::Bytes(bytes)) => secret = bytes,
            (2, Value::Bytes(bytes)) => name = bytes,
            (3, Value::Bytes(bytes)) => issuer = bytes,
            (4, Value::Varint(value)) => numbers[0] = value,
            (5, Value::Varint(value)) => numbers[1] = value,
            (6, Value::Varint(value)) => numbers[2] = value,
            (7, Value::Varint(value)) => numbers[3] = value,
            _ => {}
        }
    }
    let [algorithm, digits, kind, counter] = numbers;
    let algorithm = match algorithm {
        0 | 1 => Algorithm::Sha1,
        2 => Algorithm::Sha256,
        3 => Algorithm::Sha512,
        4 => return Err(Refusal::Md5),
        unknown => return Err(Refusal::Algorithm(unknown)),
    };
    let digits = match digits {
        0 | 1 => Digits::SIX,
        2 => Digits::EIGHT,
        3 => Digits::SEVEN,
        unknown => return Err(Refusal::Digits(unknown)),
    };
    let parameters = match kind {
        0 | 2 => Parameters::Totp(Totp {
            algorithm,
            digits,
            ..Totp::default()
        }),
        1 if i64::try_from(counter).is_err() => return Err(Refusal::Counter),
        1 => Parameters::Hotp(Hotp { algorithm, digits }, Counter(counter)),
        unknown => return Err(Refusal::Type(unknown)),
    };
    let (issuer, account) = names(issuer, name)?;
    Ok(Provisioning {
        issuer,
        account,
        secret: SharedSecret::from_bytes(secret).map_err(Refusal::Secret)?,
        parameters,
    })
}

/// Issuer and account. Most apps write the issuer into the name as well.
fn names(issuer: &[u8], name: &[u8]) -> Result<(Text<ISSUER_BYTES_MAX>, Text<ACCOUNT_BYTES_MAX>), Refusal> {
    let utf8 = |bytes| core::str::from_utf8(bytes).map_err(|_| Refusal::Name);
    let (issuer, name) = (utf8(issuer)?, utf8(name)?);
    let (prefix, account) = name.split_once(':').unwrap_or(("", name));
    let issuer = if issuer.is_empty() { prefix } else { issuer };
    let account = account.trim_start_matches(' ');
    let (mut issuer_text, mut account_text) = (Text::new(), Text::new());
    if is_unfit_to_show(issuer)
        || is_unfit_to_show(account)
        || !issuer_text.push_str(issuer)
        || !account_text.push_str(account)
        || (issuer.is_empty() && account.contains(':'))
    {
        return Err(Refusal::Name);
    }
    match account_text.is_empty() {
        true => Err(Refusal::NoName),
        false => Ok((issuer_text, account_text)),
    }
}

/// Which parts of an export were seen; the caller keeps their accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    export: Option<(i32, u8)>,
    seen: u128,
}

/// Why a part does not belong to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartError {
    /// It is of another export.
    OtherExport,
    /// It was seen before.
    Twice {
        /// Which one, from 0 on.
        index: u8,
    },
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartError::OtherExport => {
                f.write_str("the part is of another export; import one after the other")
            }
            PartError::Twice { index } => write!(f, "part {} stands twice; leave one out", index + 1),
        }
    }
}

impl core::error::Error for PartError {}

impl Parts {
    /// Notes a part.
    ///
    /// # Errors
    /// [`PartError`]; nothing is noted then.
    pub fn add(&mut self, batch: Batch) -> Result<(), PartError> {
        let export = *self.export.get_or_insert((batch.id, batch.size));
        if export != (batch.id, batch.size) {
            return Err(PartError::OtherExport);
        }
        let bit = 1u128 << (batch.index % PARTS_MAX);
        if self.seen & bit != 0 {
            return Err(PartError::Twice { index: batch.index });
        }
        self.seen |= bit;
        Ok(())
    }

    /// The first part that is missing, from 0 on; none when all were seen, or when none was.
    #[must_use]
    pub fn missing(&self) -> Option<u8> {
        let (_, size) = self.export?;
        (0..size).find(|index| self.seen & 1u128 << index == 0)
    }
}

/// One part to be written: [`fmt::Display`] spells it out.
///
/// # Security
/// Display prints the secrets; Debug does not.
#[derive(Clone, Copy, Debug)]
pub struct MigrationUri<'a> {
    entries: &'a [Provisioning],
    batch: Batch,
}

/// Why accounts can't be written as an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// The payload has no place for a time step other than 30 seconds.
    TimeStep {
        /// Which account, from 0 on.
        at: usize,
    },
    /// The payload has no place for a counter of 64 bits.
    Counter {
        /// Which account, from 0 on.
        at: usize,
    },
    /// More than [`PARTS_MAX`] parts of at most [`ENTRIES_PER_PART`] accounts.
    TooMany,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::TimeStep { at } => write!(
                f,
                "account {at} has another time step than 30 s, for which an export has no place; use its otpauth URI"
            ),
            Unfit::Counter { at } => {
                write!(
                    f,
                    "the counter of account {at} is too large for an export; use its otpauth URI"
                )
            }
            Unfit::TooMany => f.write_str("an export has at most 128 parts of ten accounts; make several"),
        }
    }
}

impl core::error::Error for Unfit {}

/// Accounts as the parts of one export; `id` is drawn by the caller and tells exports apart.
///
/// # Errors
/// [`Unfit`], which names what an export can't carry.
pub fn emit(
    entries: &[Provisioning],
    id: i32,
) -> Result<impl Iterator<Item = MigrationUri<'_>> + Clone, Unfit> {
    for (at, entry) in entries.iter().enumerate() {
        match &entry.parameters {
            Parameters::Totp(totp) if totp.time_step != TimeStep::DEFAULT => {
                return Err(Unfit::TimeStep { at });
            }
            Parameters::Hotp(_, counter) if i64::try_from(counter.0).is_err() => {
                return Err(Unfit::Counter { at });
            }
            _ => {}
        }
    }
    let mut rest = entries;
    let parts = core::iter::from_fn(move || {
        let (part, after) = rest.split_at(part_len(rest));
        rest = after;
        (!part.is_empty()).then_some(part)
    });
    let size = u8::try_from(parts.clone().count().max(1));
    let size = size
        .ok()
        .filter(|size| *size <= PARTS_MAX)
        .ok_or(Unfit::TooMany)?;
    Ok((0..size).zip(parts).map(move |(index, entries)| MigrationUri {
        entries,
        batch: Batch { size, index, id },
    }))
}

/// How many of some accounts go into the next part.
fn part_len(entries: &[Provisioning]) -> usize {
    // No place takes more bytes than this one.
    let batch = Batch {
        size: PARTS_MAX,
        index: PARTS_MAX - 1,
        id: -1,
    };
    let most = entries.len().min(ENTRIES_PER_PART);
    let fits = |len: &usize| {
        let mut length = Length(0);
        let part = MigrationUri {
            entries: &entries[..*len],
            batch,
        };
        fmt::Write::write_fmt(&mut length, format_args!("{part}")).is_ok() && length.0 <= PART_BYTES_MAX
    };
    // One account goes into a part of its own, however large it is.
    (2..=most).take_while(fits).last().unwrap_or(most.min(1))
}

/// Counts bytes and keeps none of them.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

impl fmt::Display for MigrationUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}?data=")?;
        let mut out = Armour {
            out: f,
            held: Zeroizing::new([0; 3]),
            len: 0,
        };
        for entry in self.entries {
            wire::bytes(1, wire::len_of(|sink| write_entry(entry, sink)), &mut out)?;
            write_entry(entry, &mut out)?;
        }
        let Batch { size, index, id } = self.batch;
        wire::varint_field(2, 1, &mut out)?;
        wire::varint_field(3, size.into(), &mut out)?;
        wire::varint_field(4, index.into(), &mut out)?;
        // A negative number is carried with the sign of 64 bits.
        wire::varint_field(5, i64::from(id).cast_unsigned(), &mut out)?;
        out.end()
    }
}

fn write_entry(entry: &Provisioning, out: &mut dyn Sink) -> fmt::Result {
    let (kind, algorithm, digits, counter) = match &entry.parameters {
        Parameters::Totp(totp) => (2, totp.algorithm, totp.digits, None),
        Parameters::Hotp(hotp, counter) => (1, hotp.algorithm, hotp.digits, Some(counter.0)),
    };
    let algorithm = match algorithm {
        Algorithm::Sha1 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha512 => 3,
    };
    let digits = match digits.count() {
        7 => 3,
        8 => 2,
        _ => 1,
    };
    let (issuer, account) = (entry.issuer.as_bytes(), entry.account.as_bytes());
    // Whoever reads takes what stands before a colon for the issuer.
    let prefix: [&[u8]; 2] = if account.contains(&b':') {
        [issuer, b":"]
    } else {
        [b"", b""]
    };
    let texts: [(u8, [&[u8]; 3]); 3] = [
        (1, [b"", b"", entry.secret.expose()]),
        (2, [prefix[0], prefix[1], account]),
        (3, [b"", b"", issuer]),
    ];
    for (number, pieces) in texts {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if length > 0 {
            wire::bytes(number, length, out)?;
            pieces.iter().try_for_each(|piece| out.put(piece))?;
        }
    }
    wire::varint_field(4, algorithm, out)?;
    wire::varint_field(5, digits, out)?;
    wire::varint_field(6, kind, out)?;
    counter.map_or(Ok(()), |counter| wire::varint_field(7, counter, out))
}

/// Base64 with what a query can't hold escaped, written as the bytes come.
struct Armour<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    held: Zeroizing<[u8; 3]>,
    len: usize,
}

impl Armour<'_, '_> {
    fn flush(&mut self) -> fmt::Result {
        for character in base64::quartet(&self.held[..self.len]) {
            let mut buffer = [0; 4];
            percent::emit(character.encode_utf8(&mut buffer), self.out)?;
        }
        self.len = 0;
        Ok(())
    }

    fn end(mut self) -> fmt::Result {
        if self.len > 0 { self.flush() } else { Ok(()) }
    }
}

impl Sink for Armour<'_, '_> {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        for byte in bytes {
            self.held[self.len] = *byte;
            self.len += 1;
            if self.len == self.held.len() {
                self.flush()?;
            }
        }
        Ok(())
    }
}

/// The longest an account can become: two lengths and a key of at most three bytes before each text, four numbers.
const _: () = assert!(SECRET_BYTES_MAX + 2 * ISSUER_BYTES_MAX + ACCOUNT_BYTES_MAX + 65 < PAYLOAD_BYTES_MAX);

/// For fuzzing: whatever is accepted comes back from its own spelling.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    use core::fmt::Write;
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let Ok(payload) = Payload::parse(text) else {
        return;
    };
    for read in payload.entries().flatten() {
        let entries = [read];
        let parts = emit(&entries, payload.batch().id);
        for part in parts.expect("all that is read can be written") {
            let mut spelt = Text::<URI_BYTES_MAX>::new();
            write!(spelt, "{part}").expect("one account fits into one part");
            let again = Payload::parse(&spelt).expect("our own spelling is read");
            assert_eq!(again.batch().id, payload.batch().id);
            let again = again.entries().next().expect("one account was written");
            let again = again.expect("our own spelling is read");
            let [read] = &entries;
            assert_eq!((&read.issuer, &read.account), (&again.issuer, &again.account));
            assert_eq!(read.parameters, again.parameters);
            assert_eq!(read.secret.expose(), again.secret.expose());
        }
    }
}
