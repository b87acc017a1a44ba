//! How strongly and how lately somebody proved who they are, and whether that is enough: the one judgement that
//! every guard asks.
//!
//! Knows: levels, the end of an elevation and the age of a proof. Must never know: tokens, claims or routes; a guard
//! reads the standing from a session or a verified token, and asks [`judge`].

use crate::time::UnixSeconds;

/// How strongly something was proven, as told to applications in `acr`. Each level meets the demand for any below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Level {
    /// Proven over a line without a protected channel. Nothing ever promotes it.
    #[cfg_attr(feature = "serde", serde(rename = "cs:clear"))]
    Clear,
    /// One factor: a password alone.
    #[cfg_attr(feature = "serde", serde(rename = "cs:1"))]
    One,
    /// Two factors, replay-resistant.
    #[cfg_attr(feature = "serde", serde(rename = "cs:2"))]
    Two,
    /// Two factors, phishing-resistant. Typed codes never reach it.
    #[cfg_attr(feature = "serde", serde(rename = "cs:2p"))]
    TwoPhishingResistant,
}

impl Level {
    /// All levels, the weakest first.
    pub const ALL: [Level; 4] = [Level::Clear, Level::One, Level::Two, Level::TwoPhishingResistant];

    /// The strongest level that can be reached today: codes that people type are not phishing-resistant.
    pub const REACHABLE: Level = Level::Two;

    /// The value of `acr`.
    pub const fn acr(self) -> &'static str {
        match self {
            Level::Clear => "cs:clear",
            Level::One => "cs:1",
            Level::Two => "cs:2",
            Level::TwoPhishingResistant => "cs:2p",
        }
    }

    /// The level that an `acr` value names.
    pub fn parse(acr: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.acr() == acr)
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.acr())
    }
}

/// A proof given again, more strongly, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Elevation {
    /// The level while it lasts.
    pub level: Level,
    /// When it was proven.
    pub since: UnixSeconds,
    /// When it is over, by itself.
    pub until: UnixSeconds,
}

impl Elevation {
    /// Whether it lasts at a moment. One that is dated after now was given by a clock that was ahead, and is none.
    pub fn is_on(&self, now: UnixSeconds) -> bool {
        !self.since.is_ahead_of(now) && now < self.until
    }
}

/// What somebody has proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Standing {
    /// The level of the session.
    pub level: Level,
    /// When a factor was proven last (`auth_time`).
    pub authenticated_at: UnixSeconds,
    /// The newest elevation, on or over.
    pub elevation: Option<Elevation>,
}

impl Standing {
    /// The level at a moment: an elevation drops back by itself.
    pub fn level_at(&self, now: UnixSeconds) -> Level {
        match self.elevation {
            Some(elevation) if elevation.is_on(now) => self.level.max(elevation.level),
            _ => self.level,
        }
    }
}

/// What an operation demands. The default demands nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// An elevation that is on.
    pub elevated: bool,
    /// The least level.
    pub level: Option<Level>,
    /// Most seconds since the last proof. With [`Level::Two`] that is a code, even while an elevation is on.
    pub age_s_max: Option<u32>,
}

impl Demand {
    /// Nothing but an elevation.
    pub const ELEVATED: Demand = Demand {
        elevated: true,
        level: None,
        age_s_max: None,
    };

    /// A code no older than this, even while an elevation is on.
    #[must_use]
    pub const fn fresh(age_s_max: u32) -> Demand {
        Demand {
            elevated: false,
            level: Some(Level::Two),
            age_s_max: Some(age_s_max),
        }
    }

    /// Everything that either demands.
    #[must_use]
    pub fn and(self, other: Demand) -> Demand {
        let stricter = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Demand {
            elevated: self.elevated || other.elevated,
            level: self.level.max(other.level),
            age_s_max: stricter(self.age_s_max, other.age_s_max),
        }
    }
}

/// Whether a demand is met, and if not, what was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ElevationVerdict {
    /// It is.
    Met,
    /// It must be proven more strongly, or again, than it ever was in this session.
    Required,
    /// What once was enough is too old now.
    Expired,
}

/// Judges a standing against a demand at a moment.
///
/// *Bounds*: an elevation until T is on at T − 1 and over at T, without leeway; a proof may be exactly as old as the
/// demand says. *Source*: RFC 9470 §3 (`acr_values`, `max_age`).
pub fn judge(standing: &Standing, demand: &Demand, now: UnixSeconds) -> ElevationVerdict {
    let is_on = standing.elevation.is_some_and(|elevation| elevation.is_on(now));
    let level_met = demand.level.is_none_or(|least| standing.level_at(now) >= least);
    let is_young = demand.age_s_max.is_none_or(|most| {
        let at = standing.authenticated_at;
        !at.is_ahead_of(now) && now.since(at) <= u64::from(most)
    });
    if (is_on || !demand.elevated) && level_met && is_young {
        return ElevationVerdict::Met;
    }
    let was_enough = |elevation: Elevation| {
        let best = standing.level.max(elevation.level);
        demand.level.is_none_or(|least| best >= least)
    };
    if standing.elevation.is_some_and(was_enough) {
        ElevationVerdict::Expired
    } else {
        ElevationVerdict::Required
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    fn session(level: Level) -> Standing {
        Standing {
            level,
            authenticated_at: NOW,
            elevation: None,
        }
    }

    fn elevated(level: Level) -> Standing {
        let elevation = Elevation {
            level: Level::Two,
            since: NOW,
            until: NOW.plus(900),
        };
        Standing {
            elevation: Some(elevation),
            ..session(level)
        }
    }

    fn level(least: Level) -> Demand {
        Demand {
            level: Some(least),
            ..Demand::default()
        }
    }

    #[test]
    fn elevation_is_on_for_899_seconds_and_over_at_900() {
        let standing = elevated(Level::One);
        for (demand, name) in [(Demand::ELEVATED, "elevated"), (level(Level::Two), "level")] {
            assert_eq!(
                judge(&standing, &demand, NOW.plus(899)),
                ElevationVerdict::Met,
                "{name}"
            );
            assert_eq!(
                judge(&standing, &demand, NOW.plus(900)),
                ElevationVerdict::Expired,
                "{name}"
            );
        }
        assert_eq!(standing.level_at(NOW.plus(899)), Level::Two);
        assert_eq!(standing.level_at(NOW.plus(900)), Level::One);
    }

    #[test]
    fn session_of_two_factors_is_not_elevated_by_that() {
        let standing = session(Level::Two);
        assert_eq!(judge(&standing, &level(Level::Two), NOW), ElevationVerdict::Met);
        assert_eq!(
            judge(&standing, &Demand::ELEVATED, NOW),
            ElevationVerdict::Required
        );
    }

    #[test]
    fn fresh_operation_asks_a_young_code_even_while_elevated() {
        let standing = elevated(Level::One);
        assert_eq!(
            judge(&standing, &Demand::fresh(60), NOW.plus(60)),
            ElevationVerdict::Met
        );
        assert_eq!(
            judge(&standing, &Demand::fresh(60), NOW.plus(61)),
            ElevationVerdict::Expired
        );
        let password_alone = session(Level::One);
        assert_eq!(
            judge(&password_alone, &Demand::fresh(60), NOW),
            ElevationVerdict::Required
        );
    }

    #[test]
    fn elevation_of_a_clock_that_was_ahead_is_none() {
        let hour_ago = UnixSeconds(NOW.0 - 3600);
        let standing = elevated(Level::One);
        assert_eq!(
            judge(&standing, &Demand::ELEVATED, hour_ago),
            ElevationVerdict::Expired
        );
        assert_eq!(
            judge(&standing, &Demand::fresh(60), hour_ago),
            ElevationVerdict::Expired
        );
        let second_ago = UnixSeconds(NOW.0 - 1);
        assert_eq!(
            judge(&standing, &Demand::ELEVATED, second_ago),
            ElevationVerdict::Met
        );
    }

    #[test]
    fn codes_never_reach_the_phishing_resistant_level_and_clear_lines_never_any_other() {
        let phishing_resistant = level(Level::TwoPhishingResistant);
        assert_eq!(
            judge(&elevated(Level::Two), &phishing_resistant, NOW),
            ElevationVerdict::Required
        );
        assert_eq!(
            judge(&session(Level::Clear), &level(Level::One), NOW),
            ElevationVerdict::Required
        );
        assert!(Level::REACHABLE < Level::TwoPhishingResistant);
    }

    #[test]
    fn both_demands_are_met_only_by_what_meets_each() {
        let both = Demand::fresh(300).and(Demand::fresh(60)).and(Demand::ELEVATED);
        assert_eq!(both.age_s_max, Some(60));
        assert!(both.elevated);
        assert_eq!(both.and(level(Level::One)).level, Some(Level::Two));
    }

    #[test]
    fn levels_are_read_back_from_their_names() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.acr()), Some(level));
        }
        assert_eq!(Level::parse("cs:3"), None);
    }
}
