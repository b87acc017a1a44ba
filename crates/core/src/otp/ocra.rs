//! Challenge-response codes (OCRA, RFC 6287).
//!
//! Knows: suites, and how a response follows from a secret and what it covers. Must never know: what a challenge
//! stands for, or whether it was answered before; whoever asks draws a fresh one and takes one answer to it.
//!
//! Not supported: a response without truncation (0 digits), which is no code that anybody types.

use core::fmt;
use core::str::FromStr;

use subtle::{Choice, ConstantTimeEq};

use super::keyed::Keyed;
use super::{AcceptanceWindow, Algorithm, SharedSecret};
use crate::bytes::Text;
use crate::time::{TimeStep, UnixSeconds};

/// Longest suite, in bytes: every part present, at its longest.
const SUITE_BYTES_MAX: usize = 48;
/// Bytes that a question takes in what is hashed (RFC 6287 §5.1).
const QUESTION_BYTES: usize = 128;
/// Longest session information in bytes that a suite can name.
pub const SESSION_BYTES_MAX: usize = 512;
/// Longest message: suite, separator, counter, question, PIN hash, session information, time.
const MESSAGE_BYTES_MAX: usize = SUITE_BYTES_MAX + 1 + 8 + QUESTION_BYTES + 64 + SESSION_BYTES_MAX + 8;
/// Fewest and most characters of a question (RFC 6287 §6.3).
const QUESTION_CHARS: core::ops::RangeInclusive<u8> = 4..=64;

/// What a response covers and how it is computed (RFC 6287 §6), as in `OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Hash function of the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a response, 4 to 10.
    digits: u8,
    /// Whether a counter is covered.
    pub counter: bool,
    /// The alphabet of the question.
    pub question: Question,
    /// Most characters of the question, 4 to 64.
    question_chars: u8,
    /// The hash function of the PIN, when one is covered.
    pub pin: Option<Algorithm>,
    /// Bytes of session information, when some is covered.
    session_bytes: Option<u16>,
    /// The time step, when the time is covered, with its unit.
    time: Option<(u8, Unit)>,
}

/// The alphabet of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// ASCII letters and digits, `QA`.
    Alphanumeric,
    /// Decimal digits, `QN`.
    Numeric,
    /// Hexadecimal digits, `QH`.
    Hexadecimal,
}

/// The unit of a suite's time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
}

/// Why a text is no suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuiteError {
    /// It does not begin with `OCRA-1:`.
    Version,
    /// The part between the colons is not `HOTP-SHA1-6` or its like: SHA1, SHA256 or SHA512, 4 to 10 digits.
    Function,
    /// The last part is not `[C-]Q(A|N|H)04…64[-PSHA…][-S001…512][-T1S…59S|1M…59M|1H…48H]`.
    Input,
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SuiteError::Version => "the suite does not begin with OCRA-1:",
            SuiteError::Function => "the suite's function is not HOTP-SHA1, -SHA256 or -SHA512 with 4 to 10 digits",
            SuiteError::Input => {
                "the suite's input is not [C-]QA, QN or QH with 04 to 64, then [-PSHA1|256|512][-S001..512][-T1M]"
            }
        })
    }
}

impl core::error::Error for SuiteError {}

/// What a response covers.
#[derive(Clone, Copy, Default)]
pub struct Input<'a> {
    /// The counter, where the suite covers one.
    pub counter: Option<u64>,
    /// The question. In mutual challenge-response it is both sides' challenges, one after the other, so it may be
    /// twice as long as the suite says (RFC 6287 §7.2).
    pub question: &'a str,
    /// The hash of the PIN, where the suite covers one.
    pub pin_hash: Option<&'a [u8]>,
    /// Session information, where the suite covers some; shorter is filled with zeros from the left.
    pub session: Option<&'a [u8]>,
    /// The time, where the suite covers it.
    pub now: Option<UnixSeconds>,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("counter", &self.counter)
            .field("question", &self.question)
            .finish_non_exhaustive()
    }
}

/// Why no response follows from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// The suite covers this, and it is not given; or it is given, and the suite does not cover it.
    Uncovered(Part),
    /// The question is empty, more than twice as long as the suite says, or of another alphabet.
    Question,
    /// The PIN's hash is not of the length of its function.
    Pin,
    /// More session information than the suite has room for.
    Session,
}

/// A part of what is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The counter.
    Counter,
    /// The PIN.
    Pin,
    /// Session information.
    Session,
    /// The time.
    Time,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InputError::Uncovered(Part::Counter) => "a counter is given exactly when the suite has a C",
            InputError::Uncovered(Part::Pin) => "a PIN is given exactly when the suite has a P",
            InputError::Uncovered(Part::Session) => {
                "session information is given exactly when the suite has an S"
            }
            InputError::Uncovered(Part::Time) => "a time is given exactly when the suite has a T",
            InputError::Question => "the question does not fit the suite's alphabet and length",
            InputError::Pin => "the PIN's hash is not of the length that the suite's function has",
            InputError::Session => "there is more session information than the suite has room for",
        })
    }
}

impl core::error::Error for InputError {}

/// A response: the code that a person types.
///
/// # Security
/// Debug prints nothing of it; Display prints it, for the prover's screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response {
    value: u64,
    digits: u8,
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value, width = usize::from(self.digits))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} digits)", self.digits)
    }
}

/// Whether a response is the one that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum OcraVerdict {
    /// It is. The challenge is used up, and so is its counter.
    Accepted,
    /// It is not.
    Wrong,
    /// It is not made of as many ASCII digits as the suite says.
    Malformed,
}

impl Suite {
    /// Digits of a response.
    #[must_use]
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// Most characters of a question.
    #[must_use]
    pub fn question_chars(&self) -> u8 {
        self.question_chars
    }

    /// Bytes of session information, when some is covered.
    #[must_use]
    pub fn session_bytes(&self) -> Option<u16> {
        self.session_bytes
    }

    /// The time step, when the time is covered.
    #[must_use]
    pub fn time_step(&self) -> Option<TimeStep> {
        let (count, unit) = self.time?;
        TimeStep::new(u32::from(count) * unit.seconds())
    }

    /// The response to an input.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn respond(&self, secret: &SharedSecret, input: &Input<'_>) -> Result<Response, InputError> {
        let step = self.step(input)?;
        self.respond_at(&Keyed::new(self.algorithm, secret), input, step)
    }

    /// Judges a response, looking a window of time steps around now where the suite covers the time.
    ///
    /// # Security
    /// Every step of the window is computed and compared, in constant time, whatever matches. The caller uses the
    /// challenge up in the same commit in which it grants anything.
    ///
    /// # Errors
    /// [`InputError`]: the verifier's own input does not fit the suite.
    pub fn verify(
        &self,
        secret: &SharedSecret,
        input: &Input<'_>,
        window: AcceptanceWindow,
        response: &str,
    ) -> Result<OcraVerdict, InputError> {
        let step = self.step(input)?;
        let Some(shown) = self.parse(response) else {
            return Ok(OcraVerdict::Malformed);
        };
        let keyed = Keyed::new(self.algorithm, secret);
        let (first, last) = match self.time {
            None => (step, step),
            Some(_) => (
                step.saturating_sub(u64::from(window.past)),
                step.saturating_add(u64::from(window.future)),
            ),
        };
        let mut matches = Choice::from(0);
        for step in first..=last {
            matches |= self.respond_at(&keyed, input, step)?.value.ct_eq(&shown);
        }
        Ok(match bool::from(matches) {
            true => OcraVerdict::Accepted,
            false => OcraVerdict::Wrong,
        })
    }

    /// The number of the current time step; 0 where the suite does not cover the time.
    fn step(&self, input: &Input<'_>) -> Result<u64, InputError> {
        match (self.time_step(), input.now) {
            (Some(step), Some(now)) => Ok(now.0 / u64::from(step.seconds())),
            (None, None) => Ok(0),
            _ => Err(InputError::Uncovered(Part::Time)),
        }
    }

    /// Exactly as many ASCII digits as a response has.
    fn parse(&self, response: &str) -> Option<u64> {
        let is_response =
            response.len() == usize::from(self.digits) && response.bytes().all(|byte| byte.is_ascii_digit());
        is_response.then(|| response.parse().ok()).flatten()
    }

    fn respond_at(&self, keyed: &Keyed, input: &Input<'_>, step: u64) -> Result<Response, InputError> {
        let mut message = Message::default();
        let mut suite = Text::<SUITE_BYTES_MAX>::new();
        // A suite is at most as long as the longest there is.
        let _ = fmt::write(&mut suite, format_args!("{self}"));
        message.push(suite.as_bytes());
        message.push(&[0]);
        match (self.counter, input.counter) {
            (true, Some(counter)) => message.push(&counter.to_be_bytes()),
            (false, None) => {}
            _ => return Err(InputError::Uncovered(Part::Counter)),
        }
        message.push(&self.question(input.question).ok_or(InputError::Question)?);
        match (self.pin, input.pin_hash) {
            (Some(function), Some(hash)) if hash.len() == output_bytes(function) => message.push(hash),
            (Some(_), Some(_)) => return Err(InputError::Pin),
            (None, None) => {}
            _ => return Err(InputError::Uncovered(Part::Pin)),
        }
        match (self.session_bytes, input.session) {
            (Some(bytes), Some(session)) => {
                let missing = usize::from(bytes)
                    .checked_sub(session.len())
                    .ok_or(InputError::Session)?;
                message.push(&[0; SESSION_BYTES_MAX][..missing]);
                message.push(session);
            }
            (None, None) => {}
            _ => return Err(InputError::Uncovered(Part::Session)),
        }
        if self.time.is_some() {
            message.push(&step.to_be_bytes());
        }
        let truncated = keyed.truncated(message.as_bytes());
        Ok(Response {
            value: u64::from(truncated) % 10u64.pow(u32::from(self.digits)),
            digits: self.digits,
        })
    }

    /// The question as it is hashed: filled with zeros from the right (RFC 6287 §5.1).
    fn question(&self, text: &str) -> Option<[u8; QUESTION_BYTES]> {
        let mut bytes = [0; QUESTION_BYTES];
        if text.is_empty() || text.len() > 2 * usize::from(self.question_chars) {
            return None;
        }
        match self.question {
            Question::Alphanumeric => {
                if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return None;
                }
                bytes[..text.len()].copy_from_slice(text.as_bytes());
            }
            Question::Hexadecimal => nibbles(text.chars().map(|c| c.to_digit(16)), &mut bytes)?,
            Question::Numeric => nibbles(hexadecimal(text)?.map(Some), &mut bytes)?,
        }
        Some(bytes)
    }
}

/// Writes nibbles from the left, the high one of each byte first.
fn nibbles(digits: impl Iterator<Item = Option<u32>>, bytes: &mut [u8]) -> Option<()> {
    for (at, digit) in digits.enumerate() {
        let digit = u8::try_from(digit?).ok()?;
        let byte = bytes.get_mut(at / 2)?;
        *byte |= if at.is_multiple_of(2) { digit << 4 } else { digit };
    }
    Some(())
}

/// The hexadecimal digits of a decimal number of up to 128 digits, without leading zeros but for zero itself.
fn hexadecimal(decimal: &str) -> Option<impl Iterator<Item = u32>> {
    // 128 decimal digits are below 2^426.
    const NIBBLES: usize = 107;
    let mut number = [0u32; NIBBLES];
    for digit in decimal.chars() {
        let mut carry = digit.to_digit(10)?;
        for nibble in number.iter_mut().rev() {
            carry += *nibble * 10;
            *nibble = carry % 16;
            carry /= 16;
        }
    }
    let leading = number.iter().take_while(|nibble| **nibble == 0).count();
    Some(number.into_iter().skip(leading.min(NIBBLES - 1)))
}

/// What is hashed, put together in a fixed array and wiped on drop: it may hold a PIN's hash.
struct Message {
    bytes: [u8; MESSAGE_BYTES_MAX],
    len: usize,
}

impl Default for Message {
    fn default() -> Message {
        Message {
            bytes: [0; MESSAGE_BYTES_MAX],
            len: 0,
        }
    }
}

impl Message {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.bytes);
    }
}

fn output_bytes(function: Algorithm) -> usize {
    match function {
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
        Algorithm::Sha512 => 64,
    }
}

impl Unit {
    fn seconds(self) -> u32 {
        match self {
            Unit::Seconds => 1,
            Unit::Minutes => 60,
            Unit::Hours => 3600,
        }
    }
}

impl fmt::Display for Suite {
    /// The one spelling of the suite; it is part of what is hashed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OCRA-1:HOTP-{}-{}:", self.algorithm, self.digits)?;
        if self.counter {
            f.write_str("C-")?;
        }
        let letter = match self.question {
            Question::Alphanumeric => 'A',
            Question::Numeric => 'N',
            Question::Hexadecimal => 'H',
        };
        write!(f, "Q{letter}{:02}", self.question_chars)?;
        if let Some(function) = self.pin {
            write!(f, "-P{function}")?;
        }
        if let Some(bytes) = self.session_bytes {
            write!(f, "-S{bytes:03}")?;
        }
        if let Some((count, unit)) = self.time {
            let letter = match unit {
                Unit::Seconds => 'S',
                Unit::Minutes => 'M',
                Unit::Hours => 'H',
            };
            write!(f, "-T{count}{letter}")?;
        }
        Ok(())
    }
}

impl FromStr for Suite {
    type Err = SuiteError;

    /// Reads a suite in its one spelling: what is hashed is the text itself, so no other will do.
    fn from_str(text: &str) -> Result<Suite, SuiteError> {
        let rest = text.strip_prefix("OCRA-1:").ok_or(SuiteError::Version)?;
        let (function, input) = rest.split_once(':').ok_or(SuiteError::Function)?;
        let (algorithm, digits) = read_function(function).ok_or(SuiteError::Function)?;
        let suite = read_input(algorithm, digits, input).ok_or(SuiteError::Input)?;
        let mut spelt = Text::<SUITE_BYTES_MAX>::new();
        let fits = fmt::write(&mut spelt, format_args!("{suite}")).is_ok();
        if fits && *spelt == *text {
            Ok(suite)
        } else {
            Err(SuiteError::Input)
        }
    }
}

fn named(name: &str) -> Option<Algorithm> {
    [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
        .into_iter()
        .find(|algorithm| algorithm.name() == name)
}

fn read_function(text: &str) -> Option<(Algorithm, u8)> {
    let (name, digits) = text.strip_prefix("HOTP-")?.split_once('-')?;
    let digits = digits.parse().ok().filter(|digits| (4..=10).contains(digits))?;
    Some((named(name)?, digits))
}

fn read_input(algorithm: Algorithm, digits: u8, text: &str) -> Option<Suite> {
    let (counter, rest) = match text.strip_prefix("C-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = rest.split('-').peekable();
    let asked = parts.next()?;
    let question = match asked.get(..2)? {
        "QA" => Question::Alphanumeric,
        "QN" => Question::Numeric,
        "QH" => Question::Hexadecimal,
        _ => return None,
    };
    let question_chars = asked[2..]
        .parse()
        .ok()
        .filter(|chars| QUESTION_CHARS.contains(chars))?;
    let pin = match parts.next_if(|part| part.starts_with('P')) {
        Some(part) => Some(named(&part[1..])?),
        None => None,
    };
    let session_bytes = match parts.next_if(|part| part.starts_with('S')) {
        Some(part) => Some(part[1..].parse().ok().filter(|bytes| (1..=512).contains(bytes))?),
        None => None,
    };
    let time = match parts.next_if(|part| part.starts_with('T')) {
        Some(part) => Some(read_time(&part[1..])?),
        None => None,
    };
    parts.next().is_none().then_some(Suite {
        algorithm,
        digits,
        counter,
        question,
        question_chars,
        pin,
        session_bytes,
        time,
    })
}

fn read_time(text: &str) -> Option<(u8, Unit)> {
    let (unit, most) = match text.bytes().last()? {
        b'S' => (Unit::Seconds, 59),
        b'M' => (Unit::Minutes, 59),
        b'H' => (Unit::Hours, 48),
        _ => return None,
    };
    let count = text[..text.len() - 1]
        .parse()
        .ok()
        .filter(|count| (1..=most).contains(count))?;
    Some((count, unit))
}

/// For fuzzing: a suite that is read is spelt as it was read, and takes or refuses any question without panicking.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let (suite, question) = text.split_once('\n').unwrap_or((text, "0"));
    let Ok(parsed) = suite.parse::<Suite>() else {
        return;
    };
    let mut spelt = Text::<SUITE_BYTES_MAX>::new();
    assert!(fmt::write(&mut spelt, format_args!("{parsed}")).is_ok() && *spelt == *suite);
    let secret = SharedSecret::from_bytes(b"12345678901234567890").expect("20 bytes are a secret");
    let hash = [0; 64];
    let input = Input {
        counter: parsed.counter.then_some(1),
        question,
        pin_hash: parsed.pin.map(|function| &hash[..output_bytes(function)]),
        session: parsed.session_bytes.map(|_| &[1][..]),
        now: parsed.time.map(|_| UnixSeconds(1_700_000_000)),
    };
    if let Ok(response) = parsed.respond(&secret, &input) {
        let mut shown = Text::<16>::new();
        assert!(fmt::write(&mut shown, format_args!("{response}")).is_ok());
        let window = AcceptanceWindow { past: 0, future: 0 };
        let verdict = parsed.verify(&secret, &input, window, &shown);
        assert_eq!(verdict, Ok(OcraVerdict::Accepted));
    }
}
