//! What a factor keeps: under which key, by which name in a session, and what is printed of it.

use countersign_auth::command::upkeep::Reseal;
use countersign_auth::credential::backup::BackupCodes;
use countersign_auth::credential::{Accepted, Credential, Holder, Provider};
use countersign_auth::record::{Key, Record};
use countersign_auth::rule::World;
use countersign_auth::seal::KeyRing;
use countersign_core::otp::SharedSecret;
use zeroize::Zeroizing;

use crate::world::{HOME, Installation, Person, name, origin, signed_in};

fn key_ids(installation: &Installation, person: &Person) -> Vec<(bool, Option<String>)> {
    let factors = &installation.account(&person.name).factors;
    let id = |credential: &Credential| credential.provider().key_id().map(str::to_owned);
    factors
        .iter()
        .map(|factor| (factor.is_backup(), id(&factor.credential)))
        .collect()
}

#[test]
fn rotation_seals_each_secret_anew_once_and_its_codes_go_on() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let under = |key: &str| vec![(true, None), (false, Some(key.to_owned()))];
    assert_eq!(key_ids(&installation, &alice), under("k1"));
    let reseal = Reseal {
        name: alice.name.clone(),
    };
    assert_eq!(installation.submit(&reseal), 0, "it is under the current key");

    let key = |fill| Zeroizing::new([fill; 32]);
    let sealing = vec![("k1".into(), key(1)), ("k2".into(), key(4))];
    installation.keys = KeyRing::new(sealing, key(2), key(3)).expect("two keys");
    assert_eq!(
        installation.submit(&reseal),
        1,
        "a backup code is no secret that is sealed"
    );
    assert_eq!(key_ids(&installation, &alice), under("k2"));
    let (again, work) = installation.weigh(&reseal);
    assert_eq!((again, work.puts), (0, 0));

    let sealing = vec![("k2".into(), key(4))];
    installation.keys = KeyRing::new(sealing, key(2), key(3)).expect("one key");
    installation.sign_in(&alice, &origin(HOME));
}

#[test]
fn session_names_the_factors_that_opened_it() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let code = alice.backup_codes[0].clone();
    let opened = signed_in(installation.verify(&challenge, &code, &origin(HOME)));
    match installation.records.get(&Key::Session(opened.session.digest())) {
        Some(Record::Session(session)) => assert_eq!(session.methods, ["pwd", "backup", "mfa"]),
        other => panic!("no session: {other:?}"),
    }
}

/// Bytes of which every bit takes both values.
fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0u8;
    move |buffer| {
        for byte in buffer {
            next = next.wrapping_mul(37).wrapping_add(101);
            *byte = next;
        }
    }
}

#[test]
fn backup_code_is_the_base32_of_120_random_bits_in_fours() {
    let installation = Installation::new();
    let mut drawn = vec![0u8; 150];
    let who = name("alice");
    let holder = Holder {
        account: &who,
        factor: "f",
    };
    counting()(&mut drawn);
    let mut entropy = counting();
    let mut world = World {
        now: installation.now,
        policy: &installation.policy,
        keys: &installation.keys,
        entropy: &mut entropy,
    };
    let (set, codes) = BackupCodes::draw(holder, &mut world);
    assert_eq!((set.codes_left(), codes.len()), (Some(10), 10));
    for (code, bytes) in codes.iter().zip(drawn.chunks(15)) {
        let base32 = SharedSecret::from_bytes(bytes)
            .expect("15 bytes are a secret")
            .to_base32();
        let fours: Vec<String> = base32
            .to_lowercase()
            .as_bytes()
            .chunks(4)
            .map(|four| String::from_utf8_lossy(four).into_owned())
            .collect();
        assert_eq!(**code, fours.join("-"));
    }
}

#[test]
fn backup_code_with_spaces_is_read_up_to_the_bound() {
    let with_length = |length: usize| format!("{:<length$}", "a".repeat(24));
    let is_read = countersign_auth::credential::backup::has_shape;
    assert!(is_read(&with_length(24)));
    assert!(is_read(&with_length(64)));
    assert!(!is_read(&with_length(65)));
    assert!(!is_read(&with_length(66)));
}

#[test]
fn replacement_is_never_printed() {
    let accepted = Accepted {
        replacement: Some(Zeroizing::new("abcd-efgh".into())),
    };
    assert_eq!(format!("{accepted:?}"), "Accepted(…)");
}
