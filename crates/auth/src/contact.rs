//! Where a person can be reached besides Countersign: an address for mail, a number for text messages.
//!
//! Knows: how both are spelt, so narrowly that no header and no command of a mail server can be smuggled into one.
//! Must never know: how anything is sent. What is told to a stranger about either is [`MailAddress::masked`].

use alloc::format;
use alloc::string::String;
use core::fmt;

use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest address in bytes (RFC 5321 §4.5.3.1.3, without the angle brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// Longest local part in bytes (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest label of a domain in bytes (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Fewest and most digits of a telephone number (ITU-T E.164 §6.2 has the most).
const DIGITS: core::ops::RangeInclusive<usize> = 7..=15;

/// A mail address of plain ASCII: a dot-atom, `@`, and a domain name (RFC 5321 §4.1.2 without quoted strings, comments
/// and address literals).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MailAddress(String);

/// A telephone number as ITU-T E.164 spells it: `+` and digits.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// Why a text is no address or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactError {
    /// It is no mail address.
    Address,
    /// It is no telephone number.
    Number,
}

impl fmt::Display for ContactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContactError::Address => "that is no mail address; write it as in alice@example.org, in ASCII",
            ContactError::Number => {
                "that is no telephone number; write + and the country's code, as in +41791234567"
            }
        })
    }
}

impl core::error::Error for ContactError {}

impl MailAddress {
    /// Reads an address; the domain is lower-cased, the local part is left as its owner writes it.
    ///
    /// # Errors
    /// [`ContactError::Address`].
    pub fn parse(text: &str) -> Result<MailAddress, ContactError> {
        let text = text.trim_matches(' ');
        let (local, domain) = text.rsplit_once('@').ok_or(ContactError::Address)?;
        let fits = text.len() <= ADDRESS_BYTES_MAX && local.len() <= LOCAL_BYTES_MAX;
        if fits && is_local(local) && is_domain(domain) {
            Ok(MailAddress(format!("{local}@{}", domain.to_ascii_lowercase())))
        } else {
            Err(ContactError::Address)
        }
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough for its owner to recognise it: the first letter and the domain.
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or(("", &self.0));
        let first: String = local.chars().take(1).collect();
        format!("{first}…@{domain}")
    }
}

fn is_local(local: &str) -> bool {
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.split('.').all(is_label)
}

impl PhoneNumber {
    /// Reads a number; spaces and hyphens between digits are dropped.
    ///
    /// # Errors
    /// [`ContactError::Number`].
    pub fn parse(text: &str) -> Result<PhoneNumber, ContactError> {
        let digits = text
            .trim_matches(' ')
            .strip_prefix('+')
            .ok_or(ContactError::Number)?;
        let digits: String = digits.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let is_number = DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if is_number {
            Ok(PhoneNumber(format!("+{digits}")))
        } else {
            Err(ContactError::Number)
        }
    }

    /// The whole number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough for its owner to recognise it: the last two digits.
    pub fn masked(&self) -> String {
        let last = self.0.len().saturating_sub(2);
        format!("…{}", self.0.get(last..).unwrap_or(""))
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for MailAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<MailAddress, D::Error> {
        MailAddress::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PhoneNumber, D::Error> {
        PhoneNumber::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// The mail address of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The address.
    pub address: MailAddress,
    /// When it was shown to be its owner's: an operator vouched for it, or a code sent there came back.
    pub verified_at: UnixSeconds,
}

/// An address that its owner wants to have, and that still owes the code sent there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailPending {
    /// The address.
    pub address: MailAddress,
    /// Keyed hash of the code, in hexadecimal.
    pub code: String,
    /// When the code is over.
    pub expires_at: UnixSeconds,
    /// Wrong codes so far.
    pub wrong_codes: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn address_is_taken_in_one_spelling_of_its_domain() {
        let address = MailAddress::parse(" Alice.O'Hara+x@Mail.Example.ORG ").expect("an address");
        assert_eq!(address.as_str(), "Alice.O'Hara+x@mail.example.org");
        assert_eq!(address.masked(), "A…@mail.example.org");
        assert!(MailAddress::parse("root@localhost").is_ok());
    }

    #[test]
    fn address_that_could_smuggle_a_header_or_a_command_is_refused() {
        let long = alloc::format!("{}@example.org", "a".repeat(65));
        for wrong in [
            "",
            "alice",
            "@example.org",
            "alice@",
            "a b@example.org",
            "alice@example.org\r\nBcc: eve@example.net",
            "alice@example.org\nRCPT TO:<eve@example.net>",
            "alice@exam\u{0}ple.org",
            "<alice@example.org>",
            "\"a@b\"@example.org",
            "alice@example..org",
            "alice@-example.org",
            ".alice@example.org",
            "alice@[192.0.2.1]",
            "alice,eve@example.org",
            "älice@example.org",
            long.as_str(),
        ] {
            assert_eq!(MailAddress::parse(wrong), Err(ContactError::Address), "{wrong:?}");
        }
    }

    #[test]
    fn number_is_taken_with_its_country_and_shown_by_two_digits() {
        let number = PhoneNumber::parse("+41 79-123 45 67").expect("a number");
        assert_eq!(number.as_str(), "+41791234567");
        assert_eq!(number.masked(), "…67");
        for wrong in [
            "",
            "0791234567",
            "+",
            "+0791234567",
            "+41x",
            "+1234567890123456",
            "+41\n79 1234567",
        ] {
            assert_eq!(PhoneNumber::parse(wrong), Err(ContactError::Number), "{wrong:?}");
        }
    }

    #[test]
    fn address_and_number_are_not_shown_whole_by_debug() {
        let shown = alloc::format!("{:?}", MailAddress::parse("alice@example.org"));
        assert!(!shown.contains("alice"), "{shown}");
        assert!(ContactError::Number.to_string().contains("country"));
    }
}
