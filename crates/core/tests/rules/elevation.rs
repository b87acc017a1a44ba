//! Whether a standing meets a demand: the table that guards in every language have.
//!
//! Knows: docs/protocol/step-up.md, by its vectors. Must never know: tokens, or who asks.

use countersign_core::elevation::{Demand, Elevation, ElevationVerdict, Level, Standing, judge};
use countersign_core::time::UnixSeconds;

use crate::vectors::{Case, cases};

fn level(case: &Case) -> Level {
    Level::parse(case.text("acr")).expect("the level is known")
}

fn seconds(case: &Case, field: &str) -> UnixSeconds {
    UnixSeconds(case.number(field))
}

fn standing(case: &Case) -> Standing {
    let elevation = case.has("elevation").then(|| case.inner("elevation"));
    Standing {
        level: level(case),
        authenticated_at: seconds(case, "auth_time"),
        elevation: elevation.map(|elevation| Elevation {
            level: level(&elevation),
            since: seconds(&elevation, "elevation_time"),
            until: seconds(&elevation, "elevated_until"),
        }),
    }
}

fn demand(case: &Case) -> Demand {
    Demand {
        elevated: case.has("elevated") && case.is("elevated"),
        level: case.has("acr").then(|| level(case)),
        age_s_max: case.has("max_age").then(|| case.number("max_age")),
    }
}

#[test]
fn standing_is_judged_as_guards_in_every_language_judge_it() {
    for case in cases("elevation/judgement.json", 81) {
        let (standing, now) = (standing(&case.inner("standing")), seconds(&case, "now"));
        let verdict = match judge(&standing, &demand(&case.inner("demand")), now) {
            ElevationVerdict::Met => "met",
            ElevationVerdict::Required => "required",
            ElevationVerdict::Expired => "expired",
        };
        assert_eq!(verdict, case.text("verdict"), "{case}");
        assert_eq!(standing.level_at(now), level(&case), "{case}");
    }
}
