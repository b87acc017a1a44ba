//! An action that a person is asked to approve, in the one form in which it is shown and hashed.
//!
//! Knows: docs/protocol/approvals.md. Must never know: who asks, or what the action does. Texts come in prepared by RFC
//! 8265's OpaqueString, which needs Unicode's tables: the server sees to that, as it does for names.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Digest;

/// The suite of the responses that approve an action (RFC 6287): eight digits to type in, eight to type back.
pub const SUITE: &str = "OCRA-1:HOTP-SHA256-8:QN08";
/// Digits of a question of [`SUITE`].
const QUESTION_DIGITS: usize = 8;
/// Longest kind, and longest name of a field, in bytes.
pub const NAME_BYTES_MAX: usize = 32;
/// Most fields of an action.
pub const FIELDS_MAX: usize = 16;
/// Longest value of a field, in characters.
pub const VALUE_CHARS_MAX: usize = 200;
/// What keeps the digest of an action apart from that of anything else.
const ACTION_LABEL: &str = "countersign action v1";
/// What keeps the question of an approval apart from that of anything else.
const QUESTION_LABEL: &str = "countersign question v1";

/// An action: a kind, and fields in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    kind: String,
    fields: Vec<Field>,
}

/// One thing that is said of an action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Field {
    /// What it says, as `amount`.
    pub name: String,
    /// What it is, as `250.00 EUR`.
    pub value: String,
}

/// Why something is no action that can be shown and hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionError {
    /// The kind, or the name of a field, is not one.
    Name,
    /// There is no field, or there are too many.
    Fields,
    /// Two fields have one name.
    Twice(String),
    /// A value is empty, too long, or has a space too many.
    Length(String),
    /// A value holds what nobody sees, or what has another spelling.
    Character(String),
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActionError::Name => f.write_str(
                "kind, and each field's name, begins with one of a to z, then has up to 31 of a to z, 0 to 9 and _",
            ),
            ActionError::Fields => f.write_str("an action has 1 to 16 fields"),
            ActionError::Twice(name) => write!(f, "the field {name} is there twice"),
            ActionError::Length(name) => write!(
                f,
                "the field {name} has 1 to 200 characters, no space at its ends and no two in a row"
            ),
            ActionError::Character(name) => write!(
                f,
                "the field {name} holds an invisible character, or is not as RFC 8265's OpaqueString leaves it"
            ),
        }
    }
}

impl core::error::Error for ActionError {}

impl Action {
    /// Takes a kind and fields whose values were prepared by RFC 8265's OpaqueString, and puts the fields in order.
    ///
    /// # Errors
    /// [`ActionError`].
    pub fn new(kind: String, mut fields: Vec<Field>) -> Result<Action, ActionError> {
        if !is_name(&kind) || !fields.iter().all(|field| is_name(&field.name)) {
            return Err(ActionError::Name);
        }
        if !(1..=FIELDS_MAX).contains(&fields.len()) {
            return Err(ActionError::Fields);
        }
        fields.sort();
        if let Some(pair) = fields.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(ActionError::Twice(pair[0].name.clone()));
        }
        for Field { name, value } in &fields {
            let length = value.chars().take(VALUE_CHARS_MAX + 1).count();
            let is_spaced = value.trim() != value || value.contains("  ");
            if !(1..=VALUE_CHARS_MAX).contains(&length) || is_spaced {
                return Err(ActionError::Length(name.clone()));
            }
            if value.chars().any(char::is_control) {
                return Err(ActionError::Character(name.clone()));
            }
        }
        Ok(Action { kind, fields })
    }

    /// What kind of action it is.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What is said of it, in the order of names.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The text that is hashed: RFC 8785's form of `{"fields":{…},"kind":…}`.
    pub fn canonical(&self) -> String {
        let mut text = String::from(r#"{"fields":{"#);
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            quote(&mut text, &field.name);
            text.push(':');
            quote(&mut text, &field.value);
        }
        text.push_str(r#"},"kind":"#);
        quote(&mut text, &self.kind);
        text.push('}');
        text
    }

    /// The SHA-256 of a label, a zero byte and the canonical text: another action has another digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&format!("{ACTION_LABEL}\0{}", self.canonical()))
    }

    /// The question that a token answers for this action in the approval of an identifier.
    ///
    /// # Security
    /// The identifier is drawn after the action is known, so nobody can look for two actions of one question.
    pub fn question(&self, approval: Digest) -> String {
        let digest = Digest::of(&format!("{QUESTION_LABEL}\0{}{approval}", self.digest()));
        let text = digest.to_string();
        let number = u64::from_str_radix(&text[..16], 16).expect("a digest is hexadecimal digits");
        format!("{:0QUESTION_DIGITS$}", number % 100_000_000)
    }
}

/// As JSON spells a text in which nothing but the quotation mark and the backslash needs another spelling.
fn quote(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

fn is_name(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(is_known)
}
