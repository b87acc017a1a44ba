//! A moment as a person gives one: a time of the calendar, seconds since 1970, or how long ago.
//!
//! Knows: the spellings. Must never know: what is asked about that moment.

use countersign_core::time::UnixSeconds;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How the spellings are told to whoever gave another.
pub(super) const SPELLINGS: &str =
    "give how long ago (90s, 30m, 2h, 7d), a time like 2026-11-21T08:00:00Z, a day, or seconds since 1970";

/// The moment that a text stands for; none where it is none.
///
/// A day begins at midnight, and a time without an offset is one of UTC: that is how a browser's own field spells it.
pub(super) fn parse(text: &str, now: UnixSeconds) -> Option<UnixSeconds> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(UnixSeconds(seconds));
    }
    ago(text)
        .map(|seconds| UnixSeconds(now.0.saturating_sub(seconds)))
        .or_else(|| calendar(text))
}

/// A moment in a log or a list: of the calendar, in UTC.
pub fn spelt(at: u64) -> String {
    let moment = i64::try_from(at)
        .ok()
        .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    // A moment that no calendar holds was never a time; it is shown as the number it is.
    moment
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.to_string())
}

fn ago(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    count.checked_mul(seconds)
}

fn calendar(text: &str) -> Option<UnixSeconds> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    let moment = OffsetDateTime::parse(&whole, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp()).ok().map(UnixSeconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_read_in_every_spelling() {
        let now = UnixSeconds(1_800_000_000);
        for (text, expected) in [
            ("1799999999", 1_799_999_999),
            ("90s", 1_799_999_910),
            ("30m", 1_799_998_200),
            (" 2h ", 1_799_992_800),
            ("7d", 1_799_395_200),
            ("1w", 1_799_395_200),
            ("99999999999999d", 0),
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("2027-01-15T09:00:00+01:00", 1_800_000_000),
            ("2027-01-15T08:00", 1_800_000_000),
            ("2027-01-15", 1_799_971_200),
        ] {
            assert_eq!(parse(text, now), Some(UnixSeconds(expected)), "{text}");
        }
        for text in [
            "",
            "h",
            "2 h",
            "-1h",
            "yesterday",
            "1.5h",
            "2027-13-01",
            "1969-01-01",
            "2é",
            "99999999999999999999d",
        ] {
            assert_eq!(parse(text, now), None, "{text:?}");
        }
    }
}
