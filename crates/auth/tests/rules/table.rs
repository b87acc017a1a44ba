//! The throttle's table has a fixed size, and filling it frees nobody.

use countersign_auth::command::password::Finished;
use countersign_auth::name::Name;
use countersign_auth::record::{Bucket, Key, Record};
use countersign_auth::throttle::{BUCKETS, Count, Entry, LOCKOUT_S_MAX, RETRY_AFTER_S, Source, WAYS, reads};
use countersign_core::time::UnixSeconds;
use countersign_testkit::SeededChance;

use crate::world::{HOME, Installation, START, from_browser, name, origin};

fn recent(tag: u64, touched: UnixSeconds, locked_until: UnixSeconds) -> Entry {
    Entry {
        tag,
        touched,
        count: Count::Recent {
            locked_until,
            failures: vec![touched],
        },
    }
}

fn lifetime(tag: u64, touched: UnixSeconds, enrolled: bool) -> Entry {
    Entry {
        tag,
        touched,
        count: Count::Lifetime {
            strangers: 7,
            all: 7,
            enrolled,
        },
    }
}

/// The bucket that counts a name over all sources.
fn bucket_of(installation: &Installation, who: &Name) -> Key {
    let touched = reads(who, Source::Stranger(HOME), &installation.keys);
    touched.into_iter().next().expect("an attempt touches buckets")
}

fn fill(installation: &mut Installation, who: &Name, entries: Vec<Entry>) -> Key {
    let key = bucket_of(installation, who);
    let bucket = Record::Bucket(Bucket { entries });
    installation.records.insert(key.clone(), bucket);
    key
}

fn tags(installation: &Installation, key: &Key) -> Vec<u64> {
    match installation.records.get(key) {
        Some(Record::Bucket(bucket)) => bucket.entries.iter().map(|entry| entry.tag).collect(),
        other => panic!("no bucket: {other:?}"),
    }
}

fn ways() -> impl Iterator<Item = u64> {
    0..WAYS as u64
}

#[test]
fn bucket_full_of_locks_refuses_newcomers_and_evicts_none() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let browser = installation
        .sign_in(&alice, &origin(HOME))
        .browser
        .expect("it was unknown");
    let now = installation.now;
    for who in [&alice.name, &name("nobody")] {
        let locked = ways().map(|tag| recent(tag, now, now.plus(1))).collect();
        let key = fill(&mut installation, who, locked);
        let refused = installation.password(who, false, &origin(HOME));
        let retry_after_s = RETRY_AFTER_S;
        assert_eq!(refused, Finished::Throttled { retry_after_s }, "{who}");
        assert_eq!(tags(&installation, &key), ways().collect::<Vec<_>>());
    }
    let known = from_browser(HOME, &browser);
    assert_eq!(
        installation.password(&alice.name, false, &known),
        Finished::Refused,
        "a known source has its place"
    );
    let key = bucket_of(&installation, &alice.name);
    assert_eq!(tags(&installation, &key)[..WAYS], ways().collect::<Vec<_>>());
    installation.pass(1);
    let served = installation.password(&name("nobody"), false, &origin(HOME));
    assert_eq!(served, Finished::Refused, "a lock that was served can go");
}

#[test]
fn lock_that_ends_later_than_any_can_was_dated_by_a_clock_ahead_and_can_go() {
    for (ends_in_s, can_go) in [(LOCKOUT_S_MAX, false), (LOCKOUT_S_MAX + 1, true)] {
        let mut installation = Installation::new();
        let who = name("nobody");
        let locked = ways().map(|tag| recent(tag, START, START.plus(ends_in_s)));
        fill(&mut installation, &who, locked.collect());
        let refused = installation.password(&who, false, &origin(HOME));
        assert_eq!(refused == Finished::Refused, can_go, "{ends_in_s}: {refused:?}");
    }
}

#[test]
fn newcomer_evicts_what_was_untouched_for_longest() {
    let mut installation = Installation::new();
    let who = name("nobody");
    let entries = ways().map(|tag| recent(tag, UnixSeconds(START.0 - 100 + tag * 7 % 16), UnixSeconds(0)));
    let key = fill(&mut installation, &who, entries.collect());
    assert_eq!(
        installation.password(&who, false, &origin(HOME)),
        Finished::Refused
    );
    let left = tags(&installation, &key);
    assert_eq!(left.len(), WAYS);
    let gone: Vec<u64> = ways().filter(|tag| !left.contains(tag)).collect();
    assert_eq!(gone, [0, 7], "7·7 mod 16 = 1 is the second oldest");
}

#[test]
fn lifetime_count_of_an_account_is_never_evicted_and_that_of_a_mere_name_is() {
    for (enrolled, kept) in [(true, true), (false, false)] {
        let mut installation = Installation::new();
        let who = name("nobody");
        let mut entries = vec![lifetime(99, UnixSeconds(1), enrolled)];
        entries.extend(ways().skip(1).map(|tag| recent(tag, START, UnixSeconds(0))));
        let key = fill(&mut installation, &who, entries);
        assert_eq!(
            installation.password(&who, false, &origin(HOME)),
            Finished::Refused
        );
        assert_eq!(tags(&installation, &key).contains(&99), kept, "{enrolled}");
    }
}

#[test]
fn table_stays_within_its_size_under_a_flood_of_names_and_sources() {
    let mut installation = Installation::new();
    let mut chance = SeededChance::from_environment_or(20);
    for attempt in 0..100_000_u64 {
        let who = name(&format!("n{}", chance.number()));
        let from = origin(&format!("10.{}", chance.below(1 << 24)));
        let finish = installation.finish(&who, None, false, &from);
        let finished = installation.submit(&finish);
        let expected = matches!(finished, Finished::Refused | Finished::Throttled { .. });
        assert!(expected, "attempt {attempt}: {finished:?}");
        installation.audit.clear();
        installation.now = START.plus(attempt / 1000);
    }
    assert_eq!(
        installation.records.len(),
        usize::from(BUCKETS),
        "all buckets are in use"
    );
    for (key, record) in &installation.records {
        let Record::Bucket(bucket) = record else {
            panic!("only buckets are written for names without an account: {key:?}")
        };
        assert!(
            bucket.entries.len() <= WAYS,
            "{key:?} has {}",
            bucket.entries.len()
        );
    }
}
