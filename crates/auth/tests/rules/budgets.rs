//! Guesses are finite: every budget at its limit, for strangers and for sources that are known.

use countersign_auth::command::code::Verified;
use countersign_auth::command::operator::{Action, Manage, Managed};
use countersign_auth::command::password::Finished;
use countersign_auth::event::{Act, Origin};
use countersign_auth::id::Token;
use countersign_auth::name::Name;
use countersign_auth::record::NoticeKind;

use crate::world::{HOME, Installation, Person, from_browser, name, origin, wrong_code};

const LOCKED: Finished = Finished::Throttled { retry_after_s: 300 };

/// A network of its own for each number.
fn network(number: usize) -> Origin {
    origin(&format!("198.51.100.{number}"))
}

/// Alice, and a browser of hers.
fn with_browser() -> (Installation, Person, Token) {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let browser = installation.sign_in(&alice, &origin(HOME)).browser;
    (installation, alice, browser.expect("the browser was unknown"))
}

/// Wrong passwords, each of which must have been evaluated.
fn guess(installation: &mut Installation, who: &Name, times: usize, from: &Origin) {
    for time in 1..=times {
        let finished = installation.password(who, false, from);
        assert_eq!(finished, Finished::Refused, "guess {time} at {who} from {from:?}");
    }
}

/// Five wrong codes on one challenge, each of which must have been evaluated.
fn guess_codes(installation: &mut Installation, person: &Person, from: &Origin) {
    let challenge = installation.challenge(&person.name, from);
    let wrong = wrong_code(&person.secret, installation.now);
    for time in 1..=5 {
        let verified = installation.verify(&challenge, &wrong, from);
        assert_eq!(verified, Verified::Refused, "guess {time} from {from:?}");
    }
}

fn lift(installation: &mut Installation, who: &Name) {
    let manage = Manage {
        name: who.clone(),
        action: Action::Lift,
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&manage), Managed::Done);
}

#[test]
fn five_failures_of_one_source_leave_other_sources_free() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    guess(&mut installation, &alice.name, 5, &network(1));
    assert_eq!(installation.password(&alice.name, true, &network(1)), LOCKED);
    installation.challenge(&alice.name, &network(2));
}

#[test]
fn twenty_wrong_passwords_from_many_strangers_close_it_to_strangers_alone() {
    let (mut installation, alice, browser) = with_browser();
    let unknown = name("nobody");
    for number in 0..4 {
        guess(&mut installation, &alice.name, 5, &network(number));
        guess(&mut installation, &unknown, 5, &network(100 + number));
    }
    assert_eq!(installation.password(&alice.name, true, &network(4)), LOCKED);
    assert_eq!(
        installation.password(&unknown, true, &network(104)),
        LOCKED,
        "as if it existed"
    );
    let known = from_browser(HOME, &browser);
    guess(&mut installation, &alice.name, 5, &known);
    assert_eq!(
        installation.password(&alice.name, true, &known),
        LOCKED,
        "a known source has five of its own"
    );
    installation.pass(300);
    installation.challenge(&alice.name, &network(4));
    installation.challenge(&alice.name, &known);
}

#[test]
fn five_wrong_codes_from_many_strangers_close_it_to_strangers_alone() {
    let (mut installation, alice, browser) = with_browser();
    let challenges: Vec<_> = (0..6)
        .map(|number| installation.challenge(&alice.name, &network(number)))
        .collect();
    let wrong = wrong_code(&alice.secret, installation.now);
    for (number, challenge) in challenges[..5].iter().enumerate() {
        assert_eq!(
            installation.verify(challenge, &wrong, &network(number)),
            Verified::Refused
        );
    }
    installation.pass(30);
    let right = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenges[5], &right, &network(5)),
        Verified::Throttled { retry_after_s: 270 }
    );
    let known = from_browser(HOME, &browser);
    let challenge = installation.challenge(&alice.name, &known);
    let verified = installation.verify(&challenge, &right, &known);
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
}

#[test]
fn one_source_fails_sixty_times_over_all_names_and_no_sign_in_of_its_own_clears_that() {
    let (mut installation, alice, browser) = with_browser();
    let attacker = installation.person("mallory");
    for number in 0..59 {
        guess(
            &mut installation,
            &name(&format!("name{number}")),
            1,
            &origin(HOME),
        );
    }
    installation.sign_in(&attacker, &origin(HOME));
    guess(&mut installation, &name("another"), 1, &origin(HOME));
    assert_eq!(installation.password(&alice.name, true, &origin(HOME)), LOCKED);
    installation.challenge(&alice.name, &network(1));
    installation.challenge(&alice.name, &from_browser(HOME, &browser));
    installation.pass(300);
    installation.challenge(&alice.name, &origin(HOME));
}

#[test]
fn source_has_the_budget_of_the_narrowest_network_it_lies_in() {
    let mut installation = Installation::new();
    let networks = [
        ("198.51.100.0/24", 3),
        ("198.51.100.8/29", 6),
        ("2001:db8::/32", 1),
    ];
    let networks = networks.map(|(network, failures)| (network.parse().expect("a network"), failures));
    installation.policy.budgets.source_in = networks.to_vec();
    for (source, failures) in [
        ("198.51.100.1", 3),
        ("198.51.100.9", 6),
        ("2001:db8:1:2::/64", 1),
        ("a radio port", 60),
    ] {
        for number in 0..failures {
            let stranger = name(&format!("name{number}"));
            guess(&mut installation, &stranger, 1, &origin(source));
        }
        let closed = installation.password(&name("another"), true, &origin(source));
        assert_eq!(closed, LOCKED, "{source} after {failures}");
        installation.pass(300);
    }
}

#[test]
fn right_password_alone_clears_nothing_and_a_complete_sign_in_clears_the_account() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    guess(&mut installation, &alice.name, 4, &origin(HOME));
    installation.challenge(&alice.name, &origin(HOME));
    guess(&mut installation, &alice.name, 1, &origin(HOME));
    assert_eq!(installation.password(&alice.name, true, &origin(HOME)), LOCKED);
    installation.pass(300);
    guess(&mut installation, &alice.name, 4, &origin(HOME));
    installation.sign_in(&alice, &origin(HOME));
    guess(&mut installation, &alice.name, 5, &origin(HOME));
}

#[test]
fn fifty_failures_of_strangers_close_a_password_to_them_until_its_owner_signs_in() {
    let (mut installation, alice, browser) = with_browser();
    let unknown = name("nobody");
    for round in 0..10 {
        assert!(
            !installation
                .notices(&alice.name)
                .contains(&NoticeKind::CredentialClosed),
            "too early, in round {round}"
        );
        guess(&mut installation, &alice.name, 5, &network(1));
        guess(&mut installation, &unknown, 5, &network(2));
        installation.pass(300);
    }
    assert_eq!(installation.audited(Act::CredentialClose, None), 1);
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::CredentialClosed)
    );
    installation.pass(100_000);
    for who in [&alice.name, &unknown] {
        assert_eq!(installation.password(who, true, &network(3)), LOCKED, "{who}");
    }
    let known = from_browser(HOME, &browser);
    guess(&mut installation, &alice.name, 1, &known);
    installation.sign_in(&alice, &known);
    installation.challenge(&alice.name, &network(3));
}

#[test]
fn hundred_failures_close_a_password_to_everybody_until_the_operator_lifts_it() {
    let (mut installation, alice, browser) = with_browser();
    let known = from_browser(HOME, &browser);
    for _ in 0..10 {
        guess(&mut installation, &alice.name, 5, &network(1));
        guess(&mut installation, &alice.name, 5, &known);
        installation.pass(300);
    }
    installation.pass(100_000);
    assert_eq!(installation.password(&alice.name, true, &known), LOCKED);
    assert_eq!(installation.password(&alice.name, true, &network(2)), LOCKED);
    assert_eq!(
        installation.audited(Act::CredentialClose, None),
        2,
        "once to strangers, once altogether"
    );
    lift(&mut installation, &alice.name);
    installation.challenge(&alice.name, &network(2));
    assert_eq!(
        installation.account(&alice.name).failures,
        100,
        "the lift forgives, and its owner still sees what happened"
    );
}

#[test]
fn hundred_wrong_codes_close_the_authenticator_and_a_backup_code_reopens_it() {
    let (mut installation, alice, browser) = with_browser();
    let known = from_browser(HOME, &browser);
    for _ in 0..20 {
        guess_codes(&mut installation, &alice, &known);
        installation.pass(300);
    }
    let challenge = installation.challenge(&alice.name, &known);
    let right = alice.code(installation.now, 0);
    assert_eq!(
        installation.verify(&challenge, &right, &known),
        Verified::Throttled { retry_after_s: 300 }
    );
    let verified = installation.verify(&challenge, &alice.backup_codes[0], &known);
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
    installation.sign_in(&alice, &known);
}

#[test]
fn guesses_at_backup_codes_are_finite_like_those_at_any_other() {
    let (mut installation, alice, browser) = with_browser();
    let guess = "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa";
    for number in 0..5 {
        let from = network(number);
        let challenge = installation.challenge(&alice.name, &from);
        assert_eq!(installation.verify(&challenge, guess, &from), Verified::Refused);
    }
    let stranger = network(9);
    let challenge = installation.challenge(&alice.name, &stranger);
    assert_eq!(
        installation.verify(&challenge, &alice.backup_codes[0], &stranger),
        Verified::Throttled { retry_after_s: 300 },
        "a right one is not looked at either"
    );
    let known = from_browser(HOME, &browser);
    let challenge = installation.challenge(&alice.name, &known);
    let verified = installation.verify(&challenge, &alice.backup_codes[0], &known);
    assert!(
        matches!(verified, Verified::SignedIn(_)),
        "its owner is not locked out: {verified:?}"
    );
}
