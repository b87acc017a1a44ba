//! Stored passwords: what is kept of them, what they are compared with, and how an older hash gives way.

use std::sync::Arc;

use countersign_auth::command::password::Finished;
use countersign_auth::command::{Onward, operator};
use countersign_auth::name::Name;
use countersign_auth::record::{Key, PasswordHash, Record};
use countersign_server::service::hashing::{Cost, Memory, hash, verify};
use countersign_server::store::Store;
use countersign_server::store::memory::Memory as Records;

use crate::world::{Hands, hashing, origin, service_with};

const PASSWORD: &str = "correct horse battery staple";
/// SHA-256 of `a pinch` and the password, one after the other.
const OLDER: &str = "sha256$a pinch$5eb8378093bf2617e269d5c84e6c583846598b445c7058a5721a56555c90f5e7";

fn hashed(password: &str, salt: u8) -> PasswordHash {
    hash(
        password.as_bytes(),
        [salt; 16],
        Cost::DEVELOPMENT,
        &mut Memory::default(),
    )
}

fn matches(password: &str, stored: &PasswordHash) -> bool {
    verify(password.as_bytes(), stored, &mut Memory::default()).expect("the hash is whole")
}

#[test]
fn new_hash_is_argon2id_of_48_mib_and_3_passes_with_a_16_byte_salt() {
    let mut memory = Memory::default();
    let stored = hash(PASSWORD.as_bytes(), [7; 16], Cost::PRODUCTION, &mut memory);
    // 16 and 32 bytes in Base64 without padding.
    let parts: Vec<&str> = stored.0.split('$').collect();
    assert_eq!(parts[1..4], ["argon2id", "v=19", "m=49152,t=3,p=1"]);
    assert_eq!((parts[4].len(), parts[5].len(), parts.len()), (22, 43, 6));
    assert_eq!(verify(PASSWORD.as_bytes(), &stored, &mut memory), Ok(true));
    assert_eq!(verify(b"another", &stored, &mut memory), Ok(false));
}

#[test]
fn hash_of_the_reference_implementation_is_verified() {
    // phc-winner-argon2, src/test.c: version 0x13, t=2, m=65536 KiB, p=1.
    let reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(matches("password", &PasswordHash(reference.into())));
    assert!(!matches("differentpassword", &PasswordHash(reference.into())));
}

#[test]
fn salt_makes_two_hashes_of_one_password_differ() {
    assert_ne!(hashed(PASSWORD, 1), hashed(PASSWORD, 2));
}

#[test]
fn password_of_any_length_and_script_matches_itself_alone() {
    let long = "x".repeat(1000);
    let passwords = ["", " ", "pässwörd", "密码密码", "🦀🔑", "a\0b", &long];
    for password in passwords {
        let stored = hashed(password, 1);
        for other in passwords {
            assert_eq!(
                matches(other, &stored),
                password == other,
                "{password:?} {other:?}"
            );
        }
    }
    assert!(!matches(&"x".repeat(999), &hashed(&long, 1)), "no end is cut off");
}

#[test]
fn hash_that_is_damaged_or_asks_for_too_much_is_an_error_and_no_refusal() {
    let whole = hashed(PASSWORD, 1).0;
    let damaged = [
        String::new(),
        "plain".into(),
        whole.replace("argon2id", "argon2i"),
        whole.replace("v=19", "v=16"),
        whole.replace("m=4096", "m=4194304"),
        whole.replace("t=1", "t=1000"),
        whole.replace("p=1", "p=0"),
        whole[..whole.rfind('$').expect("a hash")].to_owned(),
        format!("{whole}$"),
        "sha256$salt".into(),
        format!("sha256$salt{whole}"),
    ];
    for text in damaged {
        let verdict = verify(
            PASSWORD.as_bytes(),
            &PasswordHash(text.clone()),
            &mut Memory::default(),
        );
        assert!(verdict.is_err(), "{text}");
    }
}

/// Signs in with a stored hash; what is stored afterwards.
async fn after_a_sign_in(stored: PasswordHash) -> PasswordHash {
    let (records, pool) = (Arc::new(Records::default()), hashing());
    let service = service_with(records.clone(), &Hands::new(), pool);
    let name = Name::from_ascii("alice").expect("a name");
    let rule = operator::Add {
        name: name.clone(),
        groups: Vec::new(),
        hash: Some(stored),
        totp: true,
        origin: origin("operator"),
    };
    let added = service.submit(rule).await.expect("the store works");
    assert!(added.is_ok());
    for _ in 0..2 {
        let finished = service.sign_in("alice", PASSWORD, &origin("192.0.2.1")).await;
        let finished = finished.expect("the store works").expect("the name can be one");
        assert!(
            matches!(finished, Finished::Onward(Onward::CodeDue { .. })),
            "{finished:?}"
        );
    }
    let account = records.load(&[Key::Account(name)]).expect("the store works");
    match account.into_iter().next().and_then(|stored| stored.record) {
        Some(Record::Account(account)) => account.password.expect("a password").hash,
        other => panic!("no account: {other:?}"),
    }
}

#[tokio::test]
async fn hash_of_another_cost_is_replaced_at_the_first_sign_in() {
    let cheap = Cost {
        memory_kib: 1024,
        passes: 2,
    };
    let stored = hash(PASSWORD.as_bytes(), [7; 16], cheap, &mut Memory::default());
    let replaced = after_a_sign_in(stored).await;
    assert!(replaced.0.starts_with("$argon2id$v=19$m=4096,t=1,p=1$"));
    assert!(matches(PASSWORD, &replaced));
    let kept = after_a_sign_in(replaced.clone()).await;
    assert_eq!(kept.0, replaced.0, "one of today's cost stays");
}

#[tokio::test]
async fn digest_of_an_older_system_is_hashed_again_and_replaced_at_the_first_sign_in() {
    let taken = hashing().take_over(OLDER, [7; 16]).await.expect("nobody waits");
    let taken = taken.expect("the form is right");
    assert!(matches(PASSWORD, &taken) && !matches("a guess", &taken));
    let digest = OLDER.rsplit('$').next().expect("a digest");
    assert!(!taken.0.contains(digest), "the plain digest is not kept");
    let replaced = after_a_sign_in(taken).await;
    assert!(replaced.0.starts_with("$argon2id$"), "the older form is gone");
    for wrong in ["sha256$salt", "sha256$salt$00", "sha1$salt$00", PASSWORD] {
        let taken = hashing().take_over(wrong, [7; 16]).await.expect("nobody waits");
        assert!(taken.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn argon2_hash_of_another_system_is_taken_over_as_it_is() {
    let theirs = hashed(PASSWORD, 9);
    let taken = hashing()
        .take_over(&theirs.0, [7; 16])
        .await
        .expect("nobody waits");
    assert_eq!(taken, Ok(theirs));
}
