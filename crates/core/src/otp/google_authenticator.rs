//! The file `~/.google_authenticator`, by which pam_google_authenticator knows one person's secret.
//!
//! Knows: its lines. The first is the secret in Base32, those that begin with a quote and a space are options,
//! and eight digits are a scratch code. Must never know: whose home it lay in; the file does not say.

use core::fmt;
use core::str::FromStr;

use super::otpauth::Parameters;
use super::{Counter, Hotp, SecretError, SharedSecret, Totp};
use crate::time::{StepNumber, TimeStep};

/// Longest file that is read, in bytes; the module itself reads no more.
pub const FILE_BYTES_MAX: usize = 64 * 1024;

/// What such a file says.
#[derive(Debug)]
pub struct SecretFile {
    /// The shared secret.
    pub secret: SharedSecret,
    /// Which codes: SHA-1 and six digits, the module knows no others.
    pub parameters: Parameters,
    /// Time steps by which the module found the prover's clock to be ahead (`TIME_SKEW`).
    pub drift: i32,
    /// The highest time step whose code it accepted, where it kept them (`DISALLOW_REUSE`).
    pub last_accepted: Option<StepNumber>,
    /// How many scratch codes there are. Their eight digits are not read: a look-up secret of 27 bits would need a
    /// password hash and a throttle of its own, so new backup codes take their place.
    pub scratch_codes: usize,
}

/// An option, for errors to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `HOTP_COUNTER`.
    HotpCounter,
    /// `STEP_SIZE`.
    StepSize,
    /// `TIME_SKEW`.
    TimeSkew,
    /// `DISALLOW_REUSE`.
    DisallowReuse,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::HotpCounter => "HOTP_COUNTER",
            Field::StepSize => "STEP_SIZE",
            Field::TimeSkew => "TIME_SKEW",
            Field::DisallowReuse => "DISALLOW_REUSE",
        }
    }

    fn allowed(self) -> &'static str {
        match self {
            Field::HotpCounter => "a number from 1 on",
            Field::StepSize => "a number of seconds, at least 1",
            Field::TimeSkew => "a number of time steps",
            Field::DisallowReuse => "numbers of time steps, or nothing",
        }
    }
}

/// Why a text is no such file, or none that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretFileError {
    /// More than [`FILE_BYTES_MAX`] bytes.
    TooLong,
    /// The first line is not a secret.
    Secret(SecretError),
    /// A line is neither an option nor a scratch code.
    Line {
        /// Which one, from 1 on.
        number: usize,
    },
    /// An option has a value that it can't have.
    Invalid {
        /// In which line, from 1 on.
        number: usize,
        /// Which one.
        field: Field,
    },
    /// It says neither `TOTP_AUTH` nor `HOTP_COUNTER`.
    NoKind,
    /// It says both.
    BothKinds,
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFileError::TooLong => write!(f, "the file is longer than {FILE_BYTES_MAX} bytes"),
            SecretFileError::Secret(error) => write!(f, "the first line is no secret: {error}"),
            SecretFileError::Line { number } => write!(
                f,
                "line {number} is neither an option nor a scratch code of eight digits"
            ),
            SecretFileError::Invalid { number, field } => {
                write!(
                    f,
                    "line {number}: {} can't be used; it must be {}",
                    field.name(),
                    field.allowed()
                )
            }
            SecretFileError::NoKind => {
                f.write_str("the file has neither TOTP_AUTH nor HOTP_COUNTER; make it again")
            }
            SecretFileError::BothKinds => {
                f.write_str("the file has both TOTP_AUTH and HOTP_COUNTER; keep the right one")
            }
        }
    }
}

impl core::error::Error for SecretFileError {}

/// Reads a file. Options that bound guesses there (`RATE_LIMIT`, `WINDOW_SIZE`) are passed over, as are unknown
/// ones: the policy of whoever reads it counts.
///
/// # Errors
/// [`SecretFileError`].
pub fn parse(text: &str) -> Result<SecretFile, SecretFileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(SecretFileError::TooLong);
    }
    let mut lines = (1..).zip(text.lines());
    let first = lines.next().map_or("", |(_, line)| line);
    let secret = SharedSecret::from_base32(first).map_err(SecretFileError::Secret)?;
    let mut options = Options::default();
    let mut scratch_codes = 0;
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        if let Some(option) = line.strip_prefix("\" ") {
            options
                .read(option)
                .map_err(|field| SecretFileError::Invalid { number, field })?;
        } else if line.trim().len() == 8 && line.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            scratch_codes += 1;
        } else {
            return Err(SecretFileError::Line { number });
        }
    }
    Ok(SecretFile {
        secret,
        parameters: options.parameters()?,
        drift: options.drift,
        last_accepted: options.last_accepted,
        scratch_codes,
    })
}

/// What the lines with a quote say.
#[derive(Default)]
struct Options {
    is_totp: bool,
    counter: Option<u64>,
    time_step: TimeStep,
    drift: i32,
    last_accepted: Option<StepNumber>,
}

impl Options {
    /// Refuses an option for its value.
    fn read(&mut self, option: &str) -> Result<(), Field> {
        let (name, value) = option.split_once(' ').unwrap_or((option, ""));
        let value = value.trim();
        match name.trim() {
            "TOTP_AUTH" => self.is_totp = true,
            "HOTP_COUNTER" => {
                let counter: u64 = number(Field::HotpCounter, value)?;
                self.counter = Some(counter).filter(|counter| *counter > 0);
                self.counter.ok_or(Field::HotpCounter)?;
            }
            "STEP_SIZE" => {
                let step = TimeStep::new(number(Field::StepSize, value)?);
                self.time_step = step.ok_or(Field::StepSize)?;
            }
            "TIME_SKEW" => self.drift = number(Field::TimeSkew, value)?,
            "DISALLOW_REUSE" => {
                for step in value.split_ascii_whitespace() {
                    let step = StepNumber(number(Field::DisallowReuse, step)?);
                    self.last_accepted = self.last_accepted.max(Some(step));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn parameters(&self) -> Result<Parameters, SecretFileError> {
        match (self.is_totp, self.counter) {
            (true, None) => Ok(Parameters::Totp(Totp {
                time_step: self.time_step,
                ..Totp::default()
            })),
            (false, Some(counter)) => Ok(Parameters::Hotp(Hotp::default(), Counter(counter))),
            (false, None) => Err(SecretFileError::NoKind),
            (true, Some(_)) => Err(SecretFileError::BothKinds),
        }
    }
}

/// Digits after at most a minus sign.
fn number<T: FromStr>(field: Field, text: &str) -> Result<T, Field> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = Some(text).filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    plain.and_then(|text| text.parse().ok()).ok_or(field)
}

/// For fuzzing: whatever is accepted has a secret, and counts no more scratch codes than lines.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let Ok(read) = parse(text) else { return };
    assert!(!read.secret.expose().is_empty());
    assert!(read.scratch_codes < text.lines().count());
    assert!(!matches!(read.parameters, Parameters::Hotp(_, Counter(0))));
}
