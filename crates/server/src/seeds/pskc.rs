//! Portable Symmetric Key Containers (RFC 6030), in which makers of tokens hand over seeds.
//!
//! Knows: which elements matter, and which of them it can't honour. Must never know: where a pre-shared key or
//! passphrase came from. Signatures are not checked: whoever imports a file vouches for it.
//!
//! Read next: `bounds` for what is looked at before parsing, `locks` for encryption and MAC.

use std::fmt;

use countersign_auth::command::bounded;
use countersign_core::bytes::base64;
use countersign_core::otp::otpauth::Parameters;
use countersign_core::otp::{
    Algorithm, Counter, Digits, Hotp, SECRET_BYTES_MAX, SecretError, SharedSecret, Totp,
};
use countersign_core::time::{TimeStep, UnixSeconds};
use roxmltree::{Document, Node, ParsingOptions};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::{Entry, Seed};

mod bounds;
mod locks;

pub use bounds::Bound;
pub use locks::Key;
use locks::{Bytes, Locks};

const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
/// Namespaces of the elements that are read; others are extensions.
const NAMESPACES: [&str; 5] = [
    PSKC,
    "http://www.w3.org/2001/04/xmlenc#",
    "http://www.w3.org/2009/xmlenc11#",
    "http://www.w3.org/2000/09/xmldsig#",
    "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#",
];

/// Why a container, or one key of it, can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PskcError {
    /// It is not XML, or XML with a document type, which could hold anything.
    Xml {
        /// In which line it ends to be.
        line: u32,
    },
    /// More of something than any container has.
    Bound(Bound),
    /// It is another document.
    NotPskc,
    /// An element or attribute that is needed is missing.
    Missing(&'static str),
    /// An element stands twice.
    Twice(&'static str),
    /// An element or attribute holds what it can't hold.
    Invalid(&'static str),
    /// Something that this product does not know or can't keep.
    Unsupported(&'static str, String),
    /// What is encrypted needs a pre-shared key.
    KeyNeeded,
    /// What is encrypted needs a passphrase.
    PassphraseNeeded,
    /// The MAC is another one: the key is wrong, or the file was altered.
    WrongKey,
    /// The secret is too long or empty.
    Secret(SecretError),
    /// It may be used only from a later date on.
    NotYet,
    /// It may be used only until a date.
    Expiry(String),
}

impl fmt::Display for PskcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PskcError::Xml { line } => {
                write!(
                    f,
                    "line {line} is not XML, or it has a document type; export the container again"
                )
            }
            PskcError::Bound(bound) => {
                write!(f, "the document has {}, so it is no container", bound.text())
            }
            PskcError::NotPskc => f.write_str("the document is no PSKC container of version 1 (RFC 6030)"),
            PskcError::Missing(what) => write!(f, "{what} is missing; export the container again"),
            PskcError::Twice(what) => write!(f, "{what} stands twice; keep the right one"),
            PskcError::Invalid(what) => write!(f, "{what} can't be read; export the container again"),
            PskcError::Unsupported(what, found) => write!(f, "{what} {found:?} is not supported"),
            PskcError::KeyNeeded => f.write_str("it is encrypted; give its pre-shared key by --key-file"),
            PskcError::PassphraseNeeded => {
                f.write_str("it is encrypted; give its passphrase by --passphrase-file")
            }
            PskcError::WrongKey => f.write_str("the key or passphrase is wrong, or the file was altered"),
            PskcError::Secret(error) => error.fmt(f),
            PskcError::NotYet => {
                f.write_str("its policy lets nobody use it yet; import it after its StartDate")
            }
            PskcError::Expiry(date) => write!(
                f,
                "its policy ends it on {date}, which is not kept here; take ExpiryDate out if it may be used for longer"
            ),
        }
    }
}

impl std::error::Error for PskcError {}

/// Reads a container.
///
/// # Errors
/// [`PskcError`] when it is none or its encryption can't be opened; a key that can't be used is among the entries.
pub fn read(text: &str, key: &Key, now: UnixSeconds) -> Result<Vec<Entry>, PskcError> {
    bounds::hold(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: bounds::NODES_MAX,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options);
    let document = document.map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => PskcError::Bound(Bound::Nodes),
        error => PskcError::Xml {
            line: error.pos().row,
        },
    })?;
    let container = document.root_element();
    let is_container = container.has_tag_name((PSKC, "KeyContainer"))
        && container
            .attribute("Version")
            .is_some_and(|version| version.starts_with("1."));
    if !is_container {
        return Err(PskcError::NotPskc);
    }
    let locks = Locks::of(container, key)?;
    let packages = container
        .children()
        .filter(|node| node.has_tag_name((PSKC, "KeyPackage")));
    let entries = packages.enumerate().map(|(at, package)| {
        let text = |path| {
            descend(package, path)
                .ok()
                .flatten()
                .map(|node| shown(content(node)))
        };
        let serial = text(&["DeviceInfo", "SerialNo"]);
        let place = serial
            .as_ref()
            .map_or_else(|| format!("key {}", at + 1), |serial| format!("token {serial}"));
        let user = text(&["Key", "UserId"]).or_else(|| text(&["DeviceInfo", "UserId"]));
        Entry {
            place,
            account: user.map(|user| name_in(&user).to_owned()),
            seed: seed(package, serial.as_deref(), &locks, now).map_err(|why| why.to_string()),
            serial,
        }
    });
    Ok(entries.collect())
}

fn seed(
    package: Node<'_, '_>,
    serial: Option<&str>,
    locks: &Locks,
    now: UnixSeconds,
) -> Result<Seed, PskcError> {
    let key = child(package, "Key")?.ok_or(PskcError::Missing("Key"))?;
    if let Some(policy) = child(key, "Policy")? {
        honour(policy, now)?;
    }
    let kind = key
        .attribute("Algorithm")
        .ok_or(PskcError::Missing("Algorithm"))?;
    let kind = match kind.rsplit([':', '#']).next() {
        Some(known @ ("hotp" | "totp")) => known,
        _ => return Err(PskcError::Unsupported("the algorithm", shown(kind))),
    };
    let (algorithm, digits) = format(child(key, "AlgorithmParameters")?)?;
    let data = child(key, "Data")?.ok_or(PskcError::Missing("Data"))?;
    let number = |name| number(data, name, locks);
    let parameters = if kind == "hotp" {
        let counter = number("Counter")?.unwrap_or(0);
        let counter = u64::try_from(counter).map_err(|_| PskcError::Invalid("Counter"))?;
        Parameters::Hotp(Hotp { algorithm, digits }, Counter(counter))
    } else {
        // `Time` is how many time steps had passed when the file was made (RFC 6030 §4.1), and says of none that it was
        // accepted; the beginning they are counted from has no element.
        let seconds = number("TimeInterval")?.unwrap_or(30);
        let step = u32::try_from(seconds).ok().and_then(TimeStep::new);
        Parameters::Totp(Totp {
            algorithm,
            digits,
            time_step: step.ok_or(PskcError::Invalid("TimeInterval"))?,
            t0: UnixSeconds(0),
        })
    };
    let drift = number("TimeDrift")?.unwrap_or(0);
    let secret = child(data, "Secret")?.ok_or(PskcError::Missing("Secret"))?;
    let bytes = value(secret, locks, |text| bytes(text, "Secret"))?;
    let issuer = child(key, "Issuer")?.map(|issuer| shown(content(issuer)));
    let words = [issuer.as_deref(), serial].into_iter().flatten();
    Ok(Seed {
        place: String::new(),
        label: words.collect::<Vec<_>>().join(" "),
        secret: SharedSecret::from_bytes(&bytes).map_err(PskcError::Secret)?,
        parameters,
        drift: i32::try_from(drift).map_err(|_| PskcError::Invalid("TimeDrift"))?,
        last_accepted: None,
        notes: Vec::new(),
    })
}

/// Hash function and digits. A suite names the hash of an algorithm that has several.
fn format(parameters: Option<Node<'_, '_>>) -> Result<(Algorithm, Digits), PskcError> {
    let Some(parameters) = parameters else {
        return Ok((Algorithm::default(), Digits::default()));
    };
    let algorithm = match child(parameters, "Suite")?.map(content) {
        None | Some("") => Algorithm::default(),
        Some(suite) => suite
            .parse()
            .map_err(|_| PskcError::Unsupported("the suite", shown(suite)))?,
    };
    let Some(response) = child(parameters, "ResponseFormat")? else {
        return Ok((algorithm, Digits::default()));
    };
    let encoding = response.attribute("Encoding").unwrap_or("DECIMAL");
    if encoding != "DECIMAL" {
        return Err(PskcError::Unsupported("the encoding", shown(encoding)));
    }
    // RFC 6030 §4.3.4 spells it one way, and the schema of §11 the other.
    let check_digits = ["CheckDigit", "CheckDigits"].map(|name| response.attribute(name));
    let is_without = |value: &Option<&str>| matches!(value, None | Some("false" | "0"));
    if !check_digits.iter().all(is_without) {
        return Err(PskcError::Unsupported("a check digit", "true".to_owned()));
    }
    let length = response.attribute("Length").ok_or(PskcError::Missing("Length"))?;
    let digits = length.trim().parse().ok().and_then(Digits::new);
    let digits = digits.ok_or_else(|| PskcError::Unsupported("the number of digits", shown(length)))?;
    Ok((algorithm, digits))
}

/// What a policy asks that can't be kept here keeps its key from being used (RFC 6030 §5).
fn honour(policy: Node<'_, '_>, now: UnixSeconds) -> Result<(), PskcError> {
    let moment = |node: Node<'_, '_>, what| {
        let moment = OffsetDateTime::parse(content(node), &Rfc3339).map_err(|_| PskcError::Invalid(what))?;
        Ok(u64::try_from(moment.unix_timestamp()).unwrap_or(0))
    };
    let mut usages = Vec::new();
    for element in policy.children().filter(Node::is_element) {
        match element.tag_name().name() {
            "StartDate" if moment(element, "StartDate")? > now.0 => return Err(PskcError::NotYet),
            "StartDate" => {}
            "ExpiryDate" => return Err(PskcError::Expiry(shown(content(element)))),
            "KeyUsage" => usages.push(content(element)),
            // The token itself asks for a local PIN; every other use of one is ours to check.
            "PINPolicy" => match element.attribute("PINUsageMode") {
                None | Some("Local") => {}
                Some(other) => return Err(PskcError::Unsupported("the use of a PIN", shown(other))),
            },
            other => return Err(PskcError::Unsupported("the policy", shown(other))),
        }
    }
    if !usages.is_empty() && !usages.contains(&"OTP") {
        return Err(PskcError::Unsupported("the key usage", shown(&usages.join(" "))));
    }
    Ok(())
}

/// A number of the key's data (RFC 6030 §4.1): plain, or encrypted as bytes, whose order no section lays down; they are
/// read in network order.
fn number(data: Node<'_, '_>, name: &'static str, locks: &Locks) -> Result<Option<i64>, PskcError> {
    let Some(node) = child(data, name)? else {
        return Ok(None);
    };
    if let Some(plain) = child(node, "PlainValue")? {
        let number = content(plain).parse().map_err(|_| PskcError::Invalid(name))?;
        return Ok(Some(number));
    }
    let bytes = value(node, locks, |_| Err(PskcError::Invalid(name)))?;
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(PskcError::Invalid(name));
    }
    let number = bytes
        .iter()
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    i64::try_from(number)
        .map(Some)
        .map_err(|_| PskcError::Invalid(name))
}

/// A value of the key's data, plain or opened.
fn value(
    node: Node<'_, '_>,
    locks: &Locks,
    plain: impl FnOnce(&str) -> Result<Bytes, PskcError>,
) -> Result<Bytes, PskcError> {
    match (child(node, "PlainValue")?, child(node, "EncryptedValue")?) {
        (Some(value), None) => plain(content(value)),
        (None, Some(encrypted)) => locks.open(encrypted, child(node, "ValueMAC")?),
        (Some(_), Some(_)) => Err(PskcError::Twice("the value")),
        (None, None) => Err(PskcError::Missing("the value")),
    }
}

/// The only child element of a name; none when there is none.
fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Option<Node<'a, 'i>>, PskcError> {
    let is_wanted = |child: &Node<'a, 'i>| {
        let namespace = child.tag_name().namespace();
        child.is_element()
            && child.tag_name().name() == name
            // RFC 6030 §6.2 writes the parameters of PBKDF2 without any.
            && namespace.is_none_or(|namespace| NAMESPACES.contains(&namespace))
    };
    let mut found = node.children().filter(is_wanted);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(PskcError::Twice(name)),
    }
}

/// The element at the end of a path; none when a step is missing.
fn descend<'a, 'i>(node: Node<'a, 'i>, path: &[&'static str]) -> Result<Option<Node<'a, 'i>>, PskcError> {
    let mut at = Some(node);
    for name in path {
        at = match at {
            Some(node) => child(node, name)?,
            None => None,
        };
    }
    Ok(at)
}

fn content<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or("").trim()
}

/// Base64 of at most as many bytes as anything encrypted or plain has.
fn bytes(text: &str, what: &'static str) -> Result<Bytes, PskcError> {
    let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES_MAX + 64]);
    let len = base64::parse(text, &mut bytes).map_err(|_| PskcError::Invalid(what))?;
    bytes.truncate(len);
    Ok(bytes)
}

/// A text of the file as it may be shown.
fn shown(text: &str) -> String {
    bounded(text, 80)
}

/// The name in a distinguished name (RFC 4514), or the text itself.
fn name_in(user: &str) -> &str {
    let mut pairs = user.split(',').filter_map(|pair| pair.split_once('='));
    let named = pairs.find(|(key, _)| {
        ["uid", "cn"]
            .iter()
            .any(|known| key.trim().eq_ignore_ascii_case(known))
    });
    named.map_or(user, |(_, value)| value.trim())
}

/// For fuzzing: whatever container is read, each usable key of it can be written as a URI that is read again.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let key = Key::Shared(Zeroizing::new(vec![0x12; 16]));
    let Ok(entries) = read(text, &key, UnixSeconds(1_800_000_000)) else {
        return;
    };
    for seed in entries.into_iter().filter_map(|entry| entry.seed.ok()) {
        let again = countersign_core::otp::otpauth::parse(&seed.uri()).expect("our own spelling is read");
        assert_eq!(again.secret.expose(), seed.secret.expose());
        assert_eq!(again.parameters, seed.parameters);
    }
}
