//! How records are spelt in a store: a kind, an id, and a JSON body that a person can read.
//!
//! Knows: serde and the names of kinds. Must never know: any one database.

use countersign_auth::claim::is_word;
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::record::{Key, Record};

use super::StoreError;

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Account,
    Challenge,
    Session,
    Browser,
    Ticket,
    Founder,
    Bucket,
    Signing,
    Application,
    Approval,
    NumberRequest,
    Notice,
    Recovery,
    ApiToken,
    Text,
}

impl Kind {
    pub(super) const ALL: [Kind; 15] = [
        Kind::Account,
        Kind::Challenge,
        Kind::Session,
        Kind::Browser,
        Kind::Ticket,
        Kind::Founder,
        Kind::Bucket,
        Kind::Signing,
        Kind::Application,
        Kind::Approval,
        Kind::NumberRequest,
        Kind::Notice,
        Kind::Recovery,
        Kind::ApiToken,
        Kind::Text,
    ];

    /// Its name in a store.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::Challenge => "challenge",
            Kind::Session => "session",
            Kind::Browser => "browser",
            Kind::Ticket => "ticket",
            Kind::Founder => "founder",
            Kind::Bucket => "bucket",
            Kind::Signing => "signing",
            Kind::Application => "application",
            Kind::Approval => "approval",
            Kind::NumberRequest => "number_request",
            Kind::Notice => "notice",
            Kind::Recovery => "recovery",
            Kind::ApiToken => "api_token",
            Kind::Text => "text",
        }
    }
}

/// Kind and id of a key.
pub(super) fn spelt(key: &Key) -> (Kind, String) {
    match key {
        Key::Account(name) => (Kind::Account, name.to_string()),
        Key::Challenge(id) => (Kind::Challenge, id.to_string()),
        Key::Session(id) => (Kind::Session, id.to_string()),
        Key::Browser(id) => (Kind::Browser, id.to_string()),
        Key::Ticket(id) => (Kind::Ticket, id.to_string()),
        Key::Founder => (Kind::Founder, String::new()),
        Key::Bucket(number) => (Kind::Bucket, format!("{number:05}")),
        Key::Signing => (Kind::Signing, String::new()),
        Key::Application(name) => (Kind::Application, name.to_string()),
        Key::Approval(id) => (Kind::Approval, id.to_string()),
        Key::NumberRequest(id) => (Kind::NumberRequest, id.to_string()),
        Key::Notice(id) => (Kind::Notice, id.to_string()),
        Key::Recovery(id) => (Kind::Recovery, id.to_string()),
        Key::ApiToken(id) => (Kind::ApiToken, id.to_string()),
        Key::Text(kind) => (Kind::Text, kind.clone()),
    }
}

/// The key that a kind's name and an id spell.
///
/// # Errors
/// [`StoreError::Unavailable`] when they spell none: the store was altered.
pub fn key_of(kind: &str, id: &str) -> Result<Key, StoreError> {
    let altered = || {
        StoreError::Unavailable(format!(
            "a record of kind {kind:?} has an id that can't be one; restore a backup"
        ))
    };
    let kind = Kind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
        .ok_or_else(altered)?;
    let digest = || Digest::parse(id).ok_or_else(altered);
    Ok(match kind {
        Kind::Account => Key::Account(Name::from_mapped(id.to_owned()).map_err(|_| altered())?),
        Kind::Challenge => Key::Challenge(digest()?),
        Kind::Session => Key::Session(digest()?),
        Kind::Browser => Key::Browser(digest()?),
        Kind::Ticket => Key::Ticket(digest()?),
        Kind::Founder if id.is_empty() => Key::Founder,
        Kind::Signing if id.is_empty() => Key::Signing,
        Kind::Founder | Kind::Signing => return Err(altered()),
        Kind::Application => Key::Application(Name::from_mapped(id.to_owned()).map_err(|_| altered())?),
        Kind::Bucket => Key::Bucket(id.parse().map_err(|_| altered())?),
        Kind::Approval => Key::Approval(digest()?),
        Kind::NumberRequest => Key::NumberRequest(digest()?),
        Kind::Notice => Key::Notice(digest()?),
        Kind::Recovery => Key::Recovery(digest()?),
        Kind::ApiToken => Key::ApiToken(digest()?),
        Kind::Text if is_word(id) => Key::Text(id.to_owned()),
        Kind::Text => return Err(altered()),
    })
}

/// The body of a record.
pub(super) fn emit(record: &Record) -> String {
    serde_json::to_string(record).expect("records hold nothing that JSON can't spell")
}

/// Reads a body back.
pub(super) fn parse(key: &Key, body: &str) -> Result<Record, StoreError> {
    let record = match key {
        Key::Account(_) => serde_json::from_str(body).map(Record::Account),
        Key::Challenge(_) => serde_json::from_str(body).map(Record::Challenge),
        Key::Session(_) => serde_json::from_str(body).map(Record::Session),
        Key::Browser(_) => serde_json::from_str(body).map(Record::Browser),
        Key::Ticket(_) => serde_json::from_str(body).map(Record::Ticket),
        Key::Founder => serde_json::from_str(body).map(Record::Founder),
        Key::Bucket(_) => serde_json::from_str(body).map(Record::Bucket),
        Key::Signing => serde_json::from_str(body).map(Record::Signing),
        Key::Application(_) => serde_json::from_str(body).map(Record::Application),
        Key::Approval(_) => serde_json::from_str(body).map(Record::Approval),
        Key::NumberRequest(_) => serde_json::from_str(body).map(Record::NumberRequest),
        Key::Notice(_) => serde_json::from_str(body).map(Record::Notice),
        Key::Recovery(_) => serde_json::from_str(body).map(Record::Recovery),
        Key::ApiToken(_) => serde_json::from_str(body).map(Record::ApiToken),
        Key::Text(_) => serde_json::from_str(body).map(Record::Text),
    };
    record.map_err(|error| {
        let (kind, _) = spelt(key);
        let place = format!("line {} column {}", error.line(), error.column());
        StoreError::Unavailable(format!(
            "a record of kind {} can't be read at {place}; restore a backup",
            kind.name()
        ))
    })
}
