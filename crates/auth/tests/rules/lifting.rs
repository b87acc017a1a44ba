//! What is counted is seen as it closes, and lifted.

use countersign_auth::command::operator::LiftSource;
use countersign_auth::command::password::Finished;
use countersign_auth::event::Act;
use countersign_auth::name::Name;
use countersign_auth::record::{Key, Record};
use countersign_auth::throttle::{BUCKETS, Class, State, Table, Tally, WAYS};

use crate::world::{Installation, name, origin};

const LOCKED: Finished = Finished::Throttled { retry_after_s: 300 };

fn table(installation: &Installation) -> Table {
    let mut table = Table::default();
    for (key, record) in &installation.records {
        if let (Key::Bucket(number), Record::Bucket(bucket)) = (key, record) {
            table.insert(*number, bucket.clone());
        }
    }
    table
}

fn passwords(installation: &Installation, who: &Name) -> Tally {
    let budgets = &installation.policy.budgets;
    let tallies = table(installation).of_account(who, budgets, installation.now, &installation.keys);
    assert_eq!(tallies.map(|tally| tally.class), Class::ALL);
    for other in &tallies[1..] {
        assert_eq!((other.state, other.since_sign_in), (State::Open, 0), "{other:?}");
    }
    tallies[0]
}

/// Wrong passwords, five from a network.
fn guess(installation: &mut Installation, who: &Name, networks: std::ops::Range<usize>) {
    for number in networks {
        for _ in 0..5 {
            let finished = installation.password(who, false, &origin(&format!("198.51.100.{number}")));
            assert_eq!(finished, Finished::Refused);
        }
    }
}

#[test]
fn account_is_seen_to_close_step_by_step() {
    let mut installation = Installation::new();
    let (alice, bob) = (installation.person("alice").name, installation.person("bob").name);
    let budgets = installation.policy.budgets.clone();
    assert_eq!(passwords(&installation, &alice).state, State::Open);
    guess(&mut installation, &alice, 0..1);
    assert_eq!(passwords(&installation, &alice).state, State::Open);
    guess(&mut installation, &alice, 1..2);
    let half = passwords(&installation, &alice);
    assert_eq!(
        (half.strangers, half.strangers_max, half.state),
        (10, 20, State::NearlyClosed)
    );
    guess(&mut installation, &alice, 2..4);
    let until = installation.now.plus(300);
    assert_eq!(passwords(&installation, &alice).state, State::Locked(until));
    assert_eq!(
        passwords(&installation, &bob).state,
        State::Open,
        "others are others"
    );

    installation.pass(300);
    let served = passwords(&installation, &alice);
    assert_eq!(
        (served.strangers, served.since_sign_in, served.state),
        (0, 20, State::Open)
    );
    guess(&mut installation, &alice, 4..5);
    installation.pass(300);
    assert_eq!(
        passwords(&installation, &alice).state,
        State::NearlyClosed,
        "half of what a life bears"
    );
    guess(&mut installation, &alice, 5..9);
    installation.pass(300);
    guess(&mut installation, &alice, 9..10);
    let closed = passwords(&installation, &alice);
    assert_eq!(
        (closed.since_sign_in_strangers, closed.state),
        (50, State::ClosedToStrangers)
    );
    let all = countersign_auth::policy::Budgets {
        lifetime_all: 50,
        ..budgets
    };
    let tallies = table(&installation).of_account(&alice, &all, installation.now, &installation.keys);
    assert_eq!(tallies[0].state, State::Closed);
}

#[test]
fn source_is_lifted_alone_and_what_it_did_to_an_account_stays() {
    let mut installation = Installation::new();
    let alice = installation.person("alice").name;
    let lift = |network: &str| LiftSource {
        network: network.into(),
        origin: origin("operator"),
    };
    assert!(
        !installation.submit(&lift("203.0.113.7")),
        "nothing is held against it"
    );
    let (office, elsewhere) = (origin("203.0.113.7"), origin("203.0.113.8"));
    for number in 0..60 {
        let nobody = name(&format!("nobody{number}"));
        for from in [&office, &elsewhere] {
            assert_eq!(installation.password(&nobody, false, from), Finished::Refused);
        }
    }
    assert_eq!(installation.password(&alice, true, &office), LOCKED);
    assert!(installation.submit(&lift("203.0.113.7")));
    installation.challenge(&alice, &office);
    assert_eq!(
        installation.password(&alice, true, &elsewhere),
        LOCKED,
        "another one is another"
    );
    assert_eq!(installation.audited(Act::ThrottleLift, None), 1);
    assert!(!installation.submit(&lift("203.0.113.7")), "it is gone");
}

#[test]
fn table_tells_how_full_it_is() {
    let mut installation = Installation::new();
    let alice = installation.person("alice").name;
    let room = usize::from(BUCKETS) * WAYS;
    let fullness = table(&installation).fullness(installation.now);
    assert_eq!(
        (fullness.entries, fullness.entries_max, fullness.buckets_full),
        (0, room, 0)
    );
    guess(&mut installation, &alice, 0..1);
    let fullness = table(&installation).fullness(installation.now);
    assert_eq!(fullness.entries, 4, "pair, strangers, source and lifetime");
    let mut full = table(&installation);
    let entry = full_entry(&installation);
    full.insert(
        7,
        countersign_auth::record::Bucket {
            entries: vec![entry; WAYS],
        },
    );
    assert_eq!(full.fullness(installation.now).buckets_full, 1);
    assert_eq!(
        full.fullness(installation.now.plus(300)).buckets_full,
        0,
        "locks end"
    );
}

/// What is locked for five minutes.
fn full_entry(installation: &Installation) -> countersign_auth::throttle::Entry {
    countersign_auth::throttle::Entry {
        tag: 1,
        touched: installation.now,
        count: countersign_auth::throttle::Count::Recent {
            locked_until: installation.now.plus(300),
            failures: vec![installation.now; 5],
        },
    }
}
