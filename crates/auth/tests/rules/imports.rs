//! Import: which secrets are taken over, which are the same, and that what was used once stays used.

use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::Remove;
use countersign_auth::command::import::{Import, NotImported, Seed, Taken};
use countersign_auth::command::operator::{Action, Manage};
use countersign_auth::credential::Credential;
use countersign_auth::event::Act;
use countersign_auth::name::Name;
use countersign_auth::record::{Key, NoticeKind, Record};
use countersign_core::otp::otpauth::Parameters;
use countersign_core::otp::{Algorithm, Counter, SecretStrength, SharedSecret, Totp};
use countersign_core::time::{StepNumber, TimeStep};

use crate::tokens::{factor, hotp, import, next, presented, secret, seed, session, shown, totp, with};
use crate::world::{HOME, Installation, Person, asker, code, granted, name, origin, signed_in};

#[test]
fn account_takes_over_everything_or_nothing() {
    let sample = Seed {
        secret: SharedSecret::from_base32("JBSWY3DPEHPK3PXP").expect("Base32"),
        ..totp(0)
    };
    let short = Seed {
        secret: SharedSecret::from_bytes(b"ninebytes").expect("nine bytes"),
        ..totp(0)
    };
    let with_step = |seconds| {
        let time_step = TimeStep::new(seconds).expect("it is not 0");
        seed(
            0,
            Parameters::Totp(Totp {
                time_step,
                ..Totp::default()
            }),
        )
    };
    let far = Seed {
        drift: -121,
        ..totp(0)
    };
    let refusals = [
        (
            sample,
            NotImported::Secret {
                at: 1,
                strength: SecretStrength::Sample,
            },
        ),
        (
            short,
            NotImported::Secret {
                at: 1,
                strength: SecretStrength::Short,
            },
        ),
        (with_step(14), NotImported::TimeStep { at: 1 }),
        (with_step(121), NotImported::TimeStep { at: 1 }),
        (far, NotImported::Drift { at: 1 }),
    ];
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    for (seed, expected) in refusals {
        let before = installation.records.clone();
        let refused = installation.submit(&import("bob", vec![hotp(9, 0), seed]));
        assert_eq!(refused.err(), Some(expected));
        assert_eq!(installation.records, before);
    }
    let many = (0..16).map(|fill| totp(fill + 1)).collect();
    assert_eq!(
        installation.submit(&import("bob", many)).err(),
        Some(NotImported::TooMany)
    );
    let fifteen = (0..15).map(|fill| totp(fill + 1)).collect();
    granted(installation.submit(&import("bob", fifteen)));
    assert_eq!(installation.account(&bob).factors.len(), 16);
    assert_eq!(installation.audited(Act::FactorImport, None), 15);
}

#[test]
fn import_says_what_exists_and_changes_nothing_when_it_is_run_again() {
    let (mut installation, bob, first) = with(vec![totp(0), totp(0)]);
    assert_eq!(
        first.taken,
        [Taken::Added, Taken::Exists],
        "the same secret twice is one factor"
    );
    assert_eq!((first.with_backup_codes, first.backup_codes.len()), (true, 10));
    assert!(installation.notices(&bob).contains(&NoticeKind::FactorAdded));
    let weak = Seed {
        secret: SharedSecret::from_bytes(b"ten bytes!").expect("ten bytes"),
        ..totp(0)
    };
    let before = installation.records.clone();
    let again = granted(installation.submit(&import("bob", vec![totp(0)])));
    assert_eq!(
        (again.taken, again.with_backup_codes),
        (vec![Taken::Exists], false)
    );
    assert_eq!(installation.records, before);
    let more = granted(installation.submit(&import("bob", vec![totp(0), weak])));
    assert_eq!(more.taken, [Taken::Exists, Taken::AddedWeak]);
    assert!(more.backup_codes.is_empty(), "he has some already");
}

#[test]
fn dry_run_tells_what_would_happen_and_changes_nothing() {
    let mut installation = Installation::new();
    installation.newcomer("bob");
    let before = installation.records.clone();
    let dry = |who: &str, add| Import {
        dry_run: true,
        add,
        ..import(who, vec![totp(0), hotp(1, 3)])
    };
    let told = granted(installation.submit(&dry("bob", false)));
    assert_eq!(told.taken, [Taken::Added; 2]);
    assert_eq!((told.account_added, told.with_backup_codes), (false, true));
    assert!(told.backup_codes.is_empty());
    assert_eq!(
        installation.submit(&dry("carol", false)).err(),
        Some(NotImported::NoAccount)
    );
    assert!(granted(installation.submit(&dry("carol", true))).account_added);
    assert_eq!(installation.records, before);
    assert_eq!(installation.audited(Act::FactorImport, None), 0);
}

#[test]
fn account_that_import_added_has_no_password_and_its_first_factor_ends_what_was_open() {
    let mut installation = Installation::new();
    let added = Import {
        add: true,
        ..import("carol", vec![totp(0)])
    };
    assert!(granted(installation.submit(&added)).account_added);
    assert!(installation.account(&name("carol")).password.is_none());
    assert_eq!(installation.audited(Act::AccountAdd, None), 1);
    let bob = installation.newcomer("bob");
    installation.first_session(&bob, &origin(HOME));
    granted(installation.submit(&import("bob", vec![totp(1)])));
    assert!(installation.account(&bob).sessions.is_empty());
    installation.challenge(&bob, &origin(HOME));
}

#[test]
fn code_that_the_other_system_accepted_is_used_here_too() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let step = Totp::default().step_at(installation.now);
    let seeds = vec![Seed {
        last_accepted: Some(step),
        ..totp(0)
    }];
    granted(installation.submit(&import("bob", seeds)));
    let now = code(&secret(0), installation.now, 0);
    assert_eq!(presented(&mut installation, &bob, &now), Verified::Refused);
    let later = code(&secret(0), installation.now, 1);
    signed_in(presented(&mut installation, &bob, &later));
    assert_ne!(step, StepNumber(0));
}

#[test]
fn imported_secrets_are_not_printed_for_debugging() {
    let (_, _, imported) = with(vec![totp(0)]);
    let text = format!("{imported:?} {:?}", import("bob", vec![totp(0)]));
    let person = Person {
        name: name("bob"),
        secret: secret(0),
        backup_codes: imported.backup_codes,
    };
    assert!(!text.contains(person.backup_codes[0].as_str()));
    assert!(!text.contains(&*person.secret.to_base32()));
}

#[test]
fn secret_that_zero_bytes_alone_tell_apart_is_the_same() {
    let padded = |zeroes: usize| {
        let bytes = [secret(0).expose(), &vec![0; zeroes]].concat();
        Seed {
            secret: SharedSecret::from_bytes(&bytes).expect("a secret"),
            ..hotp(0, 0)
        }
    };
    let (mut installation, _, first) = with(vec![padded(1), padded(0), padded(7)]);
    assert_eq!(first.taken, [Taken::Added, Taken::Exists, Taken::Exists]);
    for zeroes in [0, 1, 30] {
        let again = granted(installation.submit(&import("bob", vec![padded(zeroes)])));
        assert_eq!(again.taken, [Taken::Exists], "{zeroes}");
    }
}

#[test]
fn secret_that_hmac_would_hash_first_is_refused() {
    for (algorithm, len, is_taken) in [
        (Algorithm::Sha1, 64, true),
        (Algorithm::Sha1, 65, false),
        (Algorithm::Sha256, 65, false),
        (Algorithm::Sha512, 128, true),
    ] {
        let bytes: Vec<u8> = (1..=len).collect();
        let long = Seed {
            secret: SharedSecret::from_bytes(&bytes).expect("a secret"),
            ..seed(
                0,
                Parameters::Totp(Totp {
                    algorithm,
                    ..Totp::default()
                }),
            )
        };
        let mut installation = Installation::new();
        installation.newcomer("bob");
        let answer = installation.submit(&import("bob", vec![long]));
        assert_eq!(
            answer.is_ok(),
            is_taken,
            "{algorithm} with {len} bytes: {answer:?}"
        );
    }
}

#[test]
fn accepted_step_that_lies_beyond_all_that_can_be_accepted_is_refused() {
    let mut installation = Installation::new();
    installation.newcomer("bob");
    let current = Totp::default().step_at(installation.now).0;
    let with_last = |step| Seed {
        last_accepted: Some(StepNumber(step)),
        ..totp(0)
    };
    for beyond in [current + 121, u64::MAX] {
        let answer = installation.submit(&import("bob", vec![with_last(beyond)]));
        assert_eq!(answer.err(), Some(NotImported::LastAccepted { at: 0 }));
    }
    granted(installation.submit(&import("bob", vec![with_last(current + 120)])));
}

/// How a token leaves an account.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Removed,
    Reset,
}

/// Bob with a token that was used and then left his account.
fn without(leaving: Leaving, token: Seed, used: &str) -> (Installation, Name) {
    let (mut installation, bob, imported) = with(vec![token]);
    let mine = session(&mut installation, &bob, used);
    match leaving {
        Leaving::Removed => {
            let rule = Remove {
                asker: asker(&mine, &imported.backup_codes[0]),
                factor: factor(&installation, &bob),
            };
            granted(installation.submit(&rule).map(|granted| granted.given));
        }
        Leaving::Reset => {
            let rule = Manage {
                name: bob.clone(),
                action: Action::Reset,
                origin: origin("operator"),
            };
            installation.submit(&rule);
        }
    }
    assert!(installation.account(&bob).factors.is_empty());
    (installation, bob)
}

#[test]
fn token_that_left_the_account_does_not_come_back_by_another_import() {
    for leaving in [Leaving::Removed, Leaving::Reset] {
        let now = Installation::new().now;
        for (token, used) in [
            (hotp as fn(u8, u64) -> Seed, shown(0, 3)),
            (|fill, _| totp(fill), code(&secret(0), now, 0)),
        ] {
            let (mut installation, bob) = without(leaving, token(0, 0), &used);
            let before = installation.records.clone();
            let again = granted(installation.submit(&import("bob", vec![token(0, 0)])));
            assert_eq!(again.taken, [Taken::Removed], "{leaving:?}");
            assert_eq!(installation.records, before);
            let padded = Seed {
                secret: SharedSecret::from_bytes(&[secret(0).expose(), &[0; 3]].concat()).expect("a secret"),
                ..token(0, 0)
            };
            let again = granted(installation.submit(&import("bob", vec![padded])));
            assert_eq!(again.taken, [Taken::Removed], "to HMAC it is the same key");
            let other = granted(installation.submit(&import("bob", vec![token(0, 0), hotp(9, 0)])));
            assert_eq!(other.taken, [Taken::Removed, Taken::Added]);
            assert!(installation.account(&bob).has_second_factor());
        }
    }
}

#[test]
fn codes_that_were_used_stay_used_when_a_token_comes_back_as_whatever_kind() {
    let now = Installation::new().now;
    let step = Totp::default().step_at(now).0;
    let again = |seed| Import {
        again: true,
        ..import("bob", vec![seed])
    };
    for leaving in [Leaving::Removed, Leaving::Reset] {
        for token in [hotp(0, 0), hotp(0, 2)] {
            let (mut installation, bob) = without(leaving, hotp(0, 0), &shown(0, 3));
            let told = granted(installation.submit(&again(token)));
            assert_eq!(told.taken, [Taken::Added]);
            assert_eq!(next(&installation, &bob), Counter(4), "{leaving:?}");
            let reset = Manage {
                name: bob.clone(),
                action: Action::Reset,
                origin: origin("operator"),
            };
            installation.submit(&reset);
            assert_eq!(installation.account(&bob).removed.len(), 1, "it is one secret");
        }
        for (token, used) in [
            (totp(0), step),
            (hotp(0, 0), step),
            (
                Seed {
                    last_accepted: Some(StepNumber(step + 5)),
                    ..totp(0)
                },
                step + 5,
            ),
        ] {
            let (mut installation, bob) = without(leaving, totp(0), &code(&secret(0), now, 0));
            granted(installation.submit(&again(token)));
            let kept =
                installation
                    .account(&bob)
                    .factors
                    .iter()
                    .find_map(|factor| match &factor.credential {
                        Credential::Totp(totp) => totp.last_accepted,
                        Credential::Hotp(hotp) => hotp.next.0.checked_sub(1).map(StepNumber),
                        Credential::Backup(_) | Credential::Sms(_) => None,
                    });
            assert_eq!(kept, Some(StepNumber(used)));
        }
    }
}

#[test]
fn account_remembers_the_last_thirty_two_secrets_that_left_it() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    for fill in 0..=32 {
        granted(installation.submit(&import("bob", vec![hotp(fill, 0)])));
        let reset = Manage {
            name: bob.clone(),
            action: Action::Reset,
            origin: origin("operator"),
        };
        installation.submit(&reset);
        assert!(installation.account(&bob).removed.len() <= 32);
    }
    for (fill, taken) in [(1, Taken::Removed), (32, Taken::Removed), (0, Taken::Added)] {
        let told = granted(installation.submit(&import("bob", vec![hotp(fill, 0)])));
        assert_eq!(told.taken, [taken], "{fill}");
    }
}

#[test]
fn factor_whose_key_is_lost_can_be_removed_all_the_same() {
    let (mut installation, bob, _) = with(vec![hotp(0, 0)]);
    let Some(Record::Account(account)) = installation.records.get_mut(&Key::Account(bob.clone())) else {
        panic!("bob has an account");
    };
    for factor in &mut account.factors {
        factor.id.push('x');
    }
    let reset = Manage {
        name: bob.clone(),
        action: Action::Reset,
        origin: origin("operator"),
    };
    installation.submit(&reset);
    assert!(installation.account(&bob).factors.is_empty());
}
