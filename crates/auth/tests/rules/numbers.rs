//! Which of an operator's numbers belong together, and that every class of guesses is counted for itself.

use countersign_auth::policy::{Budgets, Policy};
use countersign_auth::record::{Key, Record};
use countersign_auth::throttle::{Count, are_consistent};
use countersign_core::limit::Budget;

use crate::world::{HOME, Installation, name, origin};

fn with(change: impl FnOnce(&mut Budgets)) -> bool {
    let mut policy = Policy::default();
    change(&mut policy.budgets);
    are_consistent(&policy)
}

#[test]
fn budget_that_could_not_close_or_is_forgotten_too_soon_is_refused() {
    assert!(with(|_| {}));
    let each: [fn(&mut Budgets) -> &mut Budget; 4] = [
        |budgets| &mut budgets.pair,
        |budgets| &mut budgets.strangers_password,
        |budgets| &mut budgets.strangers_code,
        |budgets| &mut budgets.source,
    ];
    for budget in each {
        let with_budget = |failures_max, window_s, lockout_s| {
            with(|budgets| {
                *budget(budgets) = Budget {
                    failures_max,
                    window_s,
                    lockout_s,
                }
            })
        };
        assert!(with_budget(1, 1, 1));
        assert!(with_budget(1, 1, 2));
        assert!(!with_budget(0, 1, 1), "it closes before anybody has failed");
        assert!(!with_budget(1, 0, 1), "it forgets at once");
        assert!(!with_budget(1, 0, 0), "it does not close");
        assert!(!with_budget(1, 2, 1), "it opens before it has forgotten");
    }
}

#[test]
fn lifetime_total_is_at_most_a_hundred_and_that_of_strangers_at_most_the_total() {
    let totals = |strangers, all| {
        with(|budgets| (budgets.lifetime_strangers, budgets.lifetime_all) = (strangers, all))
    };
    assert!(totals(100, 100));
    assert!(totals(10, 10));
    assert!(totals(9, 10));
    assert!(!totals(11, 10));
    assert!(!totals(50, 101));
}

/// Lifetime counts that are kept for accounts, in all of the table.
fn enrolled_counts(installation: &Installation) -> Vec<bool> {
    let buckets = installation
        .records
        .iter()
        .filter_map(|(key, record)| match (key, record) {
            (Key::Bucket(_), Record::Bucket(bucket)) => Some(bucket),
            _ => None,
        });
    let kept = |count: &Count| match count {
        Count::Lifetime { enrolled, .. } => Some(*enrolled),
        Count::Recent { .. } => None,
    };
    buckets
        .flat_map(|bucket| bucket.entries.iter().filter_map(|entry| kept(&entry.count)))
        .collect()
}

#[test]
fn count_of_a_mere_name_is_kept_for_good_once_an_account_has_it() {
    let mut installation = Installation::new();
    let from = origin(HOME);
    let fail = |installation: &mut Installation| installation.password(&name("alice"), false, &from);
    drop(fail(&mut installation));
    assert_eq!(enrolled_counts(&installation), [false]);
    installation.person("alice");
    drop(fail(&mut installation));
    assert_eq!(enrolled_counts(&installation), [true]);
}
