//! otpauth URIs, as authenticators read them from a QR code (the Key URI Format).
//!
//! Knows: which spellings authenticators produce and which one all of them understand. Must never know: who
//! may see the secret that such a URI spells out, or how it is drawn as a picture.

use core::fmt;
use core::str::FromStr;

use super::{Algorithm, Counter, Digits, Hotp, SecretError, SharedSecret, Totp};
use crate::bytes::{Text, percent};
use crate::time::{TimeStep, UnixSeconds};

/// Longest URI that is read, in bytes.
pub const URI_BYTES_MAX: usize = 2048;

/// Longest issuer that is read, in bytes. With [`ACCOUNT_BYTES_MAX`], all that is read can be written within
/// [`URI_BYTES_MAX`] again, even if every byte needs an escape.
pub const ISSUER_BYTES_MAX: usize = 128;

/// Longest account name that is read, in bytes.
pub const ACCOUNT_BYTES_MAX: usize = 255;

/// A URI to be written: [`fmt::Display`] spells it out.
///
/// # Security
/// Display prints the secret; Debug does not.
#[derive(Clone, Copy, Debug)]
pub struct OtpauthUri<'a> {
    issuer: &'a str,
    account: &'a str,
    secret: &'a SharedSecret,
    parameters: Parameters,
}

/// Which codes the prover is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// Time-based ones. A URI has no place for T0, which is 0 for every authenticator.
    Totp(Totp),
    /// Counter-based ones, beginning with this counter.
    Hotp(Hotp, Counter),
}

impl<'a> OtpauthUri<'a> {
    /// For time-based codes. The issuer may be empty; the account then holds no colon, for readers would take
    /// what stands before it for the issuer.
    #[must_use]
    pub fn totp(issuer: &'a str, account: &'a str, secret: &'a SharedSecret, totp: &Totp) -> OtpauthUri<'a> {
        OtpauthUri {
            issuer,
            account,
            secret,
            parameters: Parameters::Totp(*totp),
        }
    }

    /// For counter-based codes; names as for [`OtpauthUri::totp`].
    #[must_use]
    pub fn hotp(
        issuer: &'a str,
        account: &'a str,
        secret: &'a SharedSecret,
        hotp: &Hotp,
        counter: Counter,
    ) -> OtpauthUri<'a> {
        OtpauthUri {
            issuer,
            account,
            secret,
            parameters: Parameters::Hotp(*hotp, counter),
        }
    }
}

impl fmt::Display for OtpauthUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, algorithm, digits) = match self.parameters {
            Parameters::Totp(totp) => ("totp", totp.algorithm, totp.digits),
            Parameters::Hotp(hotp, _) => ("hotp", hotp.algorithm, hotp.digits),
        };
        write!(f, "otpauth://{kind}/")?;
        if !self.issuer.is_empty() {
            percent::emit(self.issuer, f)?;
            f.write_str(":")?;
        }
        percent::emit(self.account, f)?;
        write!(f, "?secret={}", self.secret.to_base32())?;
        if !self.issuer.is_empty() {
            f.write_str("&issuer=")?;
            percent::emit(self.issuer, f)?;
        }
        write!(f, "&algorithm={algorithm}&digits={}", digits.count())?;
        match self.parameters {
            Parameters::Totp(totp) => write!(f, "&period={}", totp.time_step.seconds()),
            Parameters::Hotp(_, counter) => write!(f, "&counter={}", counter.0),
        }
    }
}

/// What a URI says.
#[derive(Debug)]
pub struct Provisioning {
    /// Who issued it; empty when the URI does not say.
    pub issuer: Text<ISSUER_BYTES_MAX>,
    /// For which account.
    pub account: Text<ACCOUNT_BYTES_MAX>,
    /// The shared secret.
    pub secret: SharedSecret,
    /// Which codes.
    pub parameters: Parameters,
}

impl Provisioning {
    /// The same as a URI in the spelling that all authenticators understand.
    #[must_use]
    pub fn uri(&self) -> OtpauthUri<'_> {
        OtpauthUri {
            issuer: &self.issuer,
            account: &self.account,
            secret: &self.secret,
            parameters: self.parameters,
        }
    }
}

/// A part of a URI, for errors to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// `otpauth://`.
    Scheme,
    /// `totp` or `hotp`.
    Kind,
    /// Issuer and account before the question mark.
    Label,
    /// The parameter `secret`.
    Secret,
    /// The parameter `issuer`.
    Issuer,
    /// The parameter `algorithm`.
    Algorithm,
    /// The parameter `digits`.
    Digits,
    /// The parameter `period`.
    Period,
    /// The parameter `counter`.
    Counter,
}

impl Part {
    /// Those that stand in the query.
    const PARAMETERS: [Part; 6] = [
        Part::Secret,
        Part::Issuer,
        Part::Algorithm,
        Part::Digits,
        Part::Period,
        Part::Counter,
    ];

    fn name(self) -> &'static str {
        match self {
            Part::Scheme => "scheme",
            Part::Kind => "type",
            Part::Label => "label",
            Part::Secret => "secret",
            Part::Issuer => "issuer",
            Part::Algorithm => "algorithm",
            Part::Digits => "digits",
            Part::Period => "period",
            Part::Counter => "counter",
        }
    }

    /// What may stand there, for the operator who repairs it.
    fn allowed(self) -> &'static str {
        match self {
            Part::Scheme => "otpauth://",
            Part::Kind => "totp or hotp, followed by a slash",
            Part::Label => "ISSUER:ACCOUNT, with at most 128 and 255 bytes and no control characters",
            Part::Secret => "Base32",
            Part::Issuer => "at most 128 bytes without control characters",
            Part::Algorithm => "SHA1, SHA256 or SHA512",
            Part::Digits => "6, 7 or 8",
            Part::Period => "a number of seconds, at least 1",
            Part::Counter => "a number of at most 64 bits, without a sign",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not an otpauth URI that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtpauthError {
    /// More than [`URI_BYTES_MAX`] bytes.
    TooLong,
    /// A part that can't be done without is missing or empty.
    Missing(Part),
    /// A parameter stands twice, so nobody can say which one is meant.
    Twice(Part),
    /// A part holds what it can't hold.
    Invalid(Part),
    /// The secret is not one.
    Secret(SecretError),
}

impl fmt::Display for OtpauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OtpauthError::TooLong => write!(
                f,
                "the URI is longer than {URI_BYTES_MAX} bytes; leave out what is not needed"
            ),
            OtpauthError::Missing(part) => write!(f, "the URI has no {part}; copy it whole"),
            OtpauthError::Twice(part) => write!(f, "the URI gives its {part} twice; keep the right one"),
            OtpauthError::Invalid(part) => {
                write!(
                    f,
                    "the {part} of the URI can't be used; it must be {}",
                    part.allowed()
                )
            }
            OtpauthError::Secret(error) => write!(f, "the secret of the URI: {error}"),
        }
    }
}

impl core::error::Error for OtpauthError {}

/// Reads a URI.
///
/// Parameters may stand in any order and unknown ones are ignored. Issuer and account may be parted by `:` or
/// `%3A`; where label and parameter name different issuers, the parameter counts.
///
/// # Errors
/// [`OtpauthError`], which names the part.
pub fn parse(uri: &str) -> Result<Provisioning, OtpauthError> {
    const SCHEME: &str = "otpauth://";
    if uri.len() > URI_BYTES_MAX {
        return Err(OtpauthError::TooLong);
    }
    let (uri, _fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let scheme = uri
        .get(..SCHEME.len())
        .filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    let rest = scheme
        .map(|scheme| &uri[scheme.len()..])
        .ok_or(OtpauthError::Invalid(Part::Scheme))?;
    let (kind, rest) = rest.split_once('/').ok_or(OtpauthError::Invalid(Part::Kind))?;
    let (label, query) = rest.split_once('?').unwrap_or((rest, ""));
    let query = Query::parse(query)?;
    let (prefix, account) = parse_label(label)?;
    let named = query
        .text(Part::Issuer)?
        .filter(|issuer: &Text<_>| !issuer.is_empty());
    let issuer = named.unwrap_or(prefix);
    if is_unfit_to_show(&issuer) {
        return Err(OtpauthError::Invalid(Part::Issuer));
    }
    if issuer.is_empty() && account.contains(':') {
        return Err(OtpauthError::Invalid(Part::Label));
    }
    Ok(Provisioning {
        issuer,
        account,
        secret: query.secret()?,
        parameters: query.parameters(kind)?,
    })
}

/// Issuer (empty when there is none) and account.
fn parse_label(label: &str) -> Result<(Text<ISSUER_BYTES_MAX>, Text<ACCOUNT_BYTES_MAX>), OtpauthError> {
    const INVALID: OtpauthError = OtpauthError::Invalid(Part::Label);
    let mut issuer = Text::new();
    let mut account = Text::new();
    let fits = if let Some((before, after)) = label.split_once(':') {
        issuer = percent::parse_path(before).ok_or(INVALID)?;
        let decoded: Text<URI_BYTES_MAX> = percent::parse_path(after).ok_or(INVALID)?;
        account.push_str(decoded.trim_start_matches(' '))
    } else {
        let decoded: Text<URI_BYTES_MAX> = percent::parse_path(label).ok_or(INVALID)?;
        let (before, after) = decoded.split_once(':').unwrap_or(("", &decoded));
        issuer.push_str(before) && account.push_str(after.trim_start_matches(' '))
    };
    match fits {
        false => Err(INVALID),
        true if is_unfit_to_show(&account) => Err(INVALID),
        true if account.is_empty() => Err(OtpauthError::Missing(Part::Label)),
        true => Ok((issuer, account)),
    }
}

/// Names reach terminals and pages; none of them may steer one.
pub(super) fn is_unfit_to_show(name: &str) -> bool {
    name.chars().any(char::is_control)
}

/// The known parameters as they stand in the URI, in the order of [`Part::PARAMETERS`].
struct Query<'a> {
    values: [Option<&'a str>; Part::PARAMETERS.len()],
}

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Result<Query<'a>, OtpauthError> {
        let mut values = [None; Part::PARAMETERS.len()];
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            for (part, slot) in Part::PARAMETERS.into_iter().zip(&mut values) {
                if name.eq_ignore_ascii_case(part.name()) && slot.replace(value).is_some() {
                    return Err(OtpauthError::Twice(part));
                }
            }
        }
        Ok(Query { values })
    }

    fn text<const N: usize>(&self, wanted: Part) -> Result<Option<Text<N>>, OtpauthError> {
        let mut pairs = Part::PARAMETERS.into_iter().zip(self.values);
        let Some(value) = pairs.find_map(|(part, value)| value.filter(|_| part == wanted)) else {
            return Ok(None);
        };
        percent::parse_query(value)
            .map(Some)
            .ok_or(OtpauthError::Invalid(wanted))
    }

    /// A decimal number without sign.
    fn number<T: FromStr>(&self, part: Part) -> Result<Option<T>, OtpauthError> {
        let Some(text) = self.text::<20>(part)? else {
            return Ok(None);
        };
        let digits = Some(&*text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            .and_then(|digits| digits.parse().ok())
            .map(Some)
            .ok_or(OtpauthError::Invalid(part))
    }

    fn secret(&self) -> Result<SharedSecret, OtpauthError> {
        let text = self.text::<512>(Part::Secret)?.filter(|text| !text.is_empty());
        let text = text.ok_or(OtpauthError::Missing(Part::Secret))?;
        SharedSecret::from_base32(&text).map_err(OtpauthError::Secret)
    }

    fn parameters(&self, kind: &str) -> Result<Parameters, OtpauthError> {
        let algorithm = match self.text::<16>(Part::Algorithm)? {
            None => Algorithm::default(),
            Some(name) => Algorithm::from_str(&name).map_err(|_| OtpauthError::Invalid(Part::Algorithm))?,
        };
        let digits = match self.number(Part::Digits)? {
            None => Digits::default(),
            Some(count) => Digits::new(count).ok_or(OtpauthError::Invalid(Part::Digits))?,
        };
        if kind.eq_ignore_ascii_case("totp") {
            let time_step = match self.number(Part::Period)? {
                None => TimeStep::DEFAULT,
                Some(seconds) => TimeStep::new(seconds).ok_or(OtpauthError::Invalid(Part::Period))?,
            };
            Ok(Parameters::Totp(Totp {
                algorithm,
                digits,
                time_step,
                t0: UnixSeconds(0),
            }))
        } else if kind.eq_ignore_ascii_case("hotp") {
            let counter = self
                .number(Part::Counter)?
                .ok_or(OtpauthError::Missing(Part::Counter))?;
            Ok(Parameters::Hotp(Hotp { algorithm, digits }, Counter(counter)))
        } else {
            Err(OtpauthError::Invalid(Part::Kind))
        }
    }
}

/// For fuzzing: whatever is accepted comes back from its own spelling.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    use core::fmt::Write;
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let Ok(read) = parse(text) else { return };
    let mut spelt = Text::<URI_BYTES_MAX>::new();
    write!(spelt, "{}", read.uri()).expect("all that is read can be written within the same bound");
    let again = parse(&spelt).expect("our own spelling is read");
    assert_eq!((&read.issuer, &read.account), (&again.issuer, &again.account));
    assert_eq!(read.parameters, again.parameters);
    assert_eq!(read.secret.expose(), again.secret.expose());
}
