//! One judge for each file of vectors: what core must answer to a case.
//!
//! Knows the meaning of the fields. Must never know where a case came from. A judge answers `None` where a case is
//! not met, and where it lacks a field.

use core::array::from_fn;
use core::fmt::{Display, Write};

use countersign_core::bytes::Text;
use countersign_core::bytes::base32::{self, Base32Error};
use countersign_core::bytes::base64::{self, Base64Error};
use countersign_core::elevation::{self, Demand, Elevation, ElevationVerdict, Level, Standing};
use countersign_core::otp::google_authenticator;
use countersign_core::otp::migration::{self, Batch, ENTRIES_PER_PART, MigrationError, Payload};
use countersign_core::otp::ocra::{Input, OcraVerdict, Suite};
use countersign_core::otp::otpauth::{self, OtpauthError, Parameters, Provisioning};
use countersign_core::otp::{
    AcceptanceWindow, Code, CodeFormatError, Counter, Hotp, HotpVerdict, Presented, Resynchronised,
    SecretStrength, Totp, Verdict,
};
use countersign_core::time::{StepNumber, TimeStep, UnixSeconds};

use crate::vectors::Case;

/// What judges a case.
type Judge = fn(&Case) -> Option<()>;

/// Files of what guards alone answer, whose tests judge them.
pub(crate) const ELSEWHERE: [&str; 2] = ["elevation/answers", "elevation/claims"];

/// The judge of a file; a file without one is not met, so that none is added unseen.
pub(crate) fn of(file: &str) -> Option<Judge> {
    Some(match file {
        "bytes/base32" => base32,
        "bytes/base64" => base64,
        "elevation/judgement" => judgement,
        "otp/acceptance" => acceptance,
        "otp/code_input" => code_input,
        "otp/generation_edges" => generation,
        "otp/google_authenticator" => google_authenticator,
        "otp/hotp_verification" => hotp_verification,
        "otp/migration" => migration,
        "otp/otpauth" => otpauth,
        "otp/rfc4226_appendix_d" => hotp_generation,
        "otp/rfc6238_appendix_b" => generation,
        "otp/rfc6287_appendix_c" => ocra,
        "otp/secret_strength" => strength,
        "otp/totp_resynchronisation" => resynchronisation,
        _ => return None,
    })
}

fn same<T: PartialEq>(found: T, expected: T) -> Option<()> {
    (found == expected).then_some(())
}

/// Whether a value prints so.
fn prints(value: impl Display, expected: &str) -> Option<()> {
    same(&*printed(value)?, expected)
}

/// Whether a value prints as something in which this stands.
fn tells(value: impl Display, part: &str) -> Option<()> {
    printed(value)?.contains(part).then_some(())
}

fn printed(value: impl Display) -> Option<Text<2048>> {
    let mut text = Text::new();
    write!(text, "{value}").ok()?;
    Some(text)
}

fn base32(case: &Case) -> Option<()> {
    let mut read = [0; 64];
    let result = base32::parse(case.text("text")?, &mut read);
    if let Some(error) = case.text("error") {
        let expected = match error {
            "character" => Base32Error::Character {
                at: case.number("at")?,
            },
            "length" => Base32Error::Length,
            "trailing_bits" => Base32Error::TrailingBits,
            _ => return None,
        };
        return same(result, Err(expected));
    }
    let bytes = case.bytes("bytes_hex")?;
    same(&read[..result.ok()?], &*bytes)?;
    let mut spelt = Text::<128>::new();
    base32::emit(&bytes, &mut spelt).ok()?;
    same(&*spelt, case.text("canonical")?)
}

fn base64(case: &Case) -> Option<()> {
    let mut read = [0; 64];
    let result = base64::parse(case.text("text")?, &mut read);
    if let Some(error) = case.text("error") {
        let expected = match error {
            "character" => Base64Error::Character {
                at: case.number("at")?,
            },
            "length" => Base64Error::Length,
            "trailing_bits" => Base64Error::TrailingBits,
            _ => return None,
        };
        return same(result, Err(expected));
    }
    same(&read[..result.ok()?], &*case.bytes("bytes_hex")?)
}

fn judgement(case: &Case) -> Option<()> {
    let elevation = |level: &str| {
        Some(Elevation {
            level: Level::parse(level)?,
            since: UnixSeconds(case.number("standing.elevation.elevation_time")?),
            until: UnixSeconds(case.number("standing.elevation.elevated_until")?),
        })
    };
    let standing = Standing {
        level: Level::parse(case.text("standing.acr")?)?,
        authenticated_at: UnixSeconds(case.number("standing.auth_time")?),
        elevation: match case.text("standing.elevation.acr") {
            Some(level) => Some(elevation(level)?),
            None => None,
        },
    };
    let demand = Demand {
        elevated: case.text("demand.elevated") == Some("true"),
        level: case.text("demand.acr").and_then(Level::parse),
        age_s_max: case.number("demand.max_age"),
    };
    let now = UnixSeconds(case.number("now")?);
    let verdict = match elevation::judge(&standing, &demand, now) {
        ElevationVerdict::Met => "met",
        ElevationVerdict::Required => "required",
        ElevationVerdict::Expired => "expired",
    };
    same(verdict, case.text("verdict")?)?;
    same(standing.level_at(now).acr(), case.text("acr")?)
}

fn code_input(case: &Case) -> Option<()> {
    let (text, digits) = (case.text("text")?, case.digits("digits")?);
    let (parsed, strictly) = (Code::parse(text, digits), Code::parse_strict(text, digits));
    if let Some(error) = case.text("error") {
        let expected = match error {
            "empty" => CodeFormatError::Empty,
            "character" => CodeFormatError::Character,
            "length" => CodeFormatError::Length {
                found: case.number("found")?,
            },
            "too_long" => CodeFormatError::TooLong,
            _ => return None,
        };
        same(strictly.is_err(), true)?;
        return same(parsed, Err(expected));
    }
    same(strictly.is_ok(), case.number("strict")?)?;
    prints(parsed.ok()?, case.text("code")?)
}

fn hotp_generation(case: &Case) -> Option<()> {
    let hotp = Hotp {
        digits: case.digits("digits")?,
        ..Hotp::default()
    };
    let code = hotp.generate(&case.secret()?, Counter(case.number("counter")?));
    prints(code, case.text("code")?)
}

fn generation(case: &Case) -> Option<()> {
    let (totp, at) = (case.totp()?, UnixSeconds(case.number("at")?));
    same(totp.step_at(at), StepNumber(case.number("step")?))?;
    if case.has("seconds_left") {
        same(totp.seconds_left(at), case.number("seconds_left")?)?;
    }
    prints(totp.generate(&case.secret()?, at), case.text("code")?)
}

fn acceptance(case: &Case) -> Option<()> {
    let presented = Presented {
        now: UnixSeconds(case.number("now")?),
        window: AcceptanceWindow {
            past: case.number("past")?,
            future: case.number("future")?,
        },
        drift: case.number("drift")?,
        last_accepted: case.number("last_accepted").map(StepNumber),
    };
    let step = || case.number("expected.step").map(StepNumber);
    let expected = match case.text("expected.verdict")? {
        "accepted" => Verdict::Accepted {
            step: step()?,
            drift: case.number("expected.drift")?,
        },
        "already_used" => Verdict::AlreadyUsed { step: step()? },
        "wrong" => Verdict::Wrong,
        "clock_not_set" => Verdict::ClockNotSet,
        _ => return None,
    };
    same(
        case.totp()?
            .verify(&case.secret()?, &case.code("code")?, presented),
        expected,
    )
}

fn resynchronisation(case: &Case) -> Option<()> {
    let codes = (&case.code("first")?, &case.code("second")?);
    let now = UnixSeconds(case.number("now")?);
    let found = case
        .totp()?
        .resynchronise(&case.secret()?, codes, now, case.number("steps")?);
    let expected = match case.has("expected") {
        true => Some(Resynchronised {
            step: StepNumber(case.number("expected.step")?),
            drift: case.number("expected.drift")?,
        }),
        false => None,
    };
    same(found, expected)
}

fn hotp_verification(case: &Case) -> Option<()> {
    let hotp = Hotp {
        digits: case.digits("digits")?,
        ..Hotp::default()
    };
    let (secret, next, first) = (
        case.secret()?,
        Counter(case.number("next")?),
        case.code("codes.0")?,
    );
    let verdict = if case.has("codes.1") {
        hotp.resynchronise(
            &secret,
            (&first, &case.code("codes.1")?),
            next,
            case.number("look_ahead")?,
        )
    } else {
        hotp.verify(&secret, &first, next, case.number("look_ahead")?)
    };
    let expected = match case.has("expected") {
        true => HotpVerdict::Accepted {
            counter: Counter(case.number("expected")?),
        },
        false => HotpVerdict::Wrong,
    };
    same(verdict, expected)
}

/// The field of a case that stands below another.
fn below(outer: impl Display, field: &str) -> Option<Text<2048>> {
    printed(format_args!("{outer}.{field}"))
}

/// The parameters of codes that stand below a field.
fn parameters(case: &Case, outer: &str) -> Option<Parameters> {
    let (algorithm, digits) = (
        case.algorithm(&below(outer, "algorithm")?)?,
        case.digits(&below(outer, "digits")?)?,
    );
    Some(match case.text(&below(outer, "kind")?)? {
        "hotp" => Parameters::Hotp(
            Hotp { algorithm, digits },
            Counter(case.number(&below(outer, "counter")?)?),
        ),
        _ => Parameters::Totp(Totp {
            algorithm,
            digits,
            time_step: TimeStep::new(case.number(&below(outer, "period")?)?)?,
            t0: UnixSeconds(0),
        }),
    })
}

/// Whether an account is the one that stands below a field.
fn account(case: &Case, outer: &str, read: &Provisioning) -> Option<()> {
    same(&*read.issuer, case.text(&below(outer, "issuer")?)?)?;
    same(&*read.account, case.text(&below(outer, "account")?)?)?;
    same(&*read.secret.to_base32(), case.text(&below(outer, "secret")?)?)?;
    same(read.parameters, parameters(case, outer)?)
}

fn google_authenticator(case: &Case) -> Option<()> {
    let read = match google_authenticator::parse(case.text("file")?) {
        Ok(read) => read,
        Err(error) => return tells(error, case.text("error")?),
    };
    same(&*read.secret.to_base32(), case.text("expected.secret")?)?;
    same(read.parameters, parameters(case, "expected")?)?;
    same(read.drift, case.number("drift")?)?;
    same(read.scratch_codes, case.number("scratch_codes")?)?;
    same(read.last_accepted, case.number("last_accepted").map(StepNumber))
}

fn migration(case: &Case) -> Option<()> {
    let payload = match Payload::parse(case.text("uri")?) {
        Ok(payload) => payload,
        Err(error) => return migration_refusal(case, error),
    };
    let batch = Batch {
        size: case.number("batch.size")?,
        index: case.number("batch.index")?,
        id: case.number("batch.id")?,
    };
    same(payload.batch(), batch)?;
    let mut all_are_read = true;
    for (at, entry) in payload.entries().enumerate() {
        let outer = below("entries", &printed(at)?)?;
        match entry {
            Ok(entry) => account(case, &outer, &entry)?,
            Err(refusal) => {
                all_are_read = false;
                tells(refusal, case.text(&below(&*outer, "error")?)?)?;
            }
        }
    }
    let count = payload.entries().count();
    same(case.has(&below("entries", &printed(count)?)?), false)?;
    if all_are_read {
        return migration_again(case, &payload, count);
    }
    Some(())
}

/// Whether accounts that were all read are the same once they were written.
fn migration_again(case: &Case, payload: &Payload, count: usize) -> Option<()> {
    let nth = |at| payload.entries().nth(at)?.ok();
    nth(0)?;
    let all: [_; ENTRIES_PER_PART] = from_fn(|at| nth(at % count).expect("each was read before"));
    let mut parts = migration::emit(all.get(..count)?, payload.batch().id).ok()?;
    let part = printed(parts.next()?)?;
    same(parts.next().is_none(), true)?;
    if let Some(canonical) = case.text("canonical") {
        same(&*part, canonical)?;
    }
    let again = Payload::parse(&part).ok()?;
    same(again.entries().count(), count)?;
    for (at, entry) in again.entries().enumerate() {
        account(case, &below("entries", &printed(at)?)?, &entry.ok()?)?;
    }
    Some(())
}

fn migration_refusal(case: &Case, error: MigrationError) -> Option<()> {
    let fault = match error {
        MigrationError::TooLong => "too_long",
        MigrationError::Scheme => "scheme",
        MigrationError::NoData => "no_data",
        MigrationError::Twice => "twice",
        MigrationError::Base64(_) => "base64",
        MigrationError::Broken => "broken",
        MigrationError::Version(_) => "version",
        MigrationError::Batch => "batch",
        _ => return None,
    };
    same(fault, case.text("error")?)
}

fn otpauth(case: &Case) -> Option<()> {
    let read = match otpauth::parse(case.text("uri")?) {
        Ok(read) => read,
        Err(error) => return otpauth_refusal(case, error),
    };
    account(case, "expected", &read)?;
    prints(read.uri(), case.text("canonical")?)
}

fn otpauth_refusal(case: &Case, error: OtpauthError) -> Option<()> {
    let (fault, part) = match error {
        OtpauthError::TooLong => ("too_long", None),
        OtpauthError::Missing(part) => ("missing", Some(part)),
        OtpauthError::Twice(part) => ("twice", Some(part)),
        OtpauthError::Invalid(part) => ("invalid", Some(part)),
        OtpauthError::Secret(_) => ("secret", None),
        _ => return None,
    };
    same(fault, case.text("error")?)?;
    match part {
        Some(part) => prints(part, case.text("part")?),
        None => same(case.has("part"), false),
    }
}

fn ocra(case: &Case) -> Option<()> {
    let (suite, secret) = (case.text("suite")?.parse::<Suite>().ok()?, case.secret()?);
    let pin = case.bytes("pin_hash_hex");
    let input = Input {
        counter: case.number("counter"),
        question: case.text("question")?,
        pin_hash: pin.as_deref(),
        session: None,
        now: case.number("at").map(UnixSeconds),
    };
    prints(suite, case.text("suite")?)?;
    prints(suite.respond(&secret, &input).ok()?, case.text("code")?)?;
    let window = AcceptanceWindow { past: 0, future: 0 };
    let verdict = |code| suite.verify(&secret, &input, window, code);
    same(verdict(case.text("code")?), Ok(OcraVerdict::Accepted))?;
    same(
        verdict(&"0000000000"[..usize::from(suite.digits())]),
        Ok(OcraVerdict::Wrong),
    )
}

fn strength(case: &Case) -> Option<()> {
    let expected = match case.text("strength")? {
        "sample" => SecretStrength::Sample,
        "short" => SecretStrength::Short,
        "weak" => SecretStrength::Weak,
        "acceptable" => SecretStrength::Acceptable,
        "recommended" => SecretStrength::Recommended,
        _ => return None,
    };
    same(case.secret()?.strength(), expected)
}
