//! The users table of a Kinglet application: who has an account, and the TOTP secrets in both ciphers it was ever
//! written in.
//!
//! Knows: the columns, and that the key of both ciphers is the SHA-256 digest of the configured text. Must never know:
//! what else the table holds; other columns are not looked at.
//!
//! # Security
//! The newer cipher is AES-256-GCM, which tells a secret that was altered, but not one that was moved to another row.
//! The older one is the secret XORed with the digest again and again: whoever could write the table chose the secret,
//! and two rows tell much of the key. It is read only where the caller says so.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use countersign_core::bytes::base64;
use countersign_core::otp::otpauth::OtpauthUri;
use countersign_core::otp::{SharedSecret, Totp};
use zeroize::{Zeroize, Zeroizing};

use super::table::{self, Cells, Format, Row, Unreadable};
use super::{Field, Found, apart};
use crate::service::operator::{Person, Seed};

/// Longest sealed secret that is read, in bytes.
const SEALED_BYTES_MAX: usize = 1024;

const SECRET: &str = "totp_secret";
const ENABLED: &str = "totp_enabled";
const VERIFIED: &str = "totp_verified";

/// What the digest of a configured text opens.
///
/// # Security
/// It has no Debug.
pub struct Key([u8; 32]);

impl Key {
    /// The key of the text in `TOTP_ENCRYPTION_KEY`, or where that was never set, in `JWT_SECRET`.
    pub fn of(configured: &str) -> Key {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, configured.as_bytes()).as_ref());
        Key(key)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How a table is read.
pub struct Reading<'a> {
    /// What opens the secrets; without one, rows that have a secret are refused.
    pub key: Option<&'a Key>,
    /// The column that holds the accounts' names.
    pub name_column: &'a str,
    /// The column that holds hashes of passwords; without one they are left behind.
    pub password_hash_column: Option<&'a str>,
    /// Whether to take what the newer cipher does not open for a secret in the older one.
    pub unauthenticated_cipher: bool,
}

/// Reads the table's rows, in CSV or JSON.
///
/// # Errors
/// [`Unreadable`] when nothing of it can be used; a row that can't be is among what was found.
pub fn read(text: &str, format: Option<Format>, reading: &Reading<'_>) -> Result<Vec<Found>, Unreadable> {
    let table = table::read(text, format)?;
    let wanted = [Some(reading.name_column), reading.password_hash_column];
    let has = |column: &str| table.columns.iter().any(|held| held == column);
    let missing = wanted.into_iter().flatten().find(|column| !has(column));
    if let (false, Some(column)) = (table.rows.is_empty(), missing) {
        return Err(Unreadable::Missing {
            column: column.to_owned(),
        });
    }
    let found = table.rows.into_iter().map(|row| {
        let Row { place, cells } = row;
        let mut notes = Vec::new();
        let person = cells.and_then(|cells| person(cells, reading, &mut notes));
        Found { place, person, notes }
    });
    Ok(apart(found.collect()))
}

fn person(mut cells: Cells, reading: &Reading<'_>, notes: &mut Vec<String>) -> Result<Person, String> {
    let mut take = |column: &str| {
        let cell = cells.remove(column);
        move |shown: &'static str| Field { column: shown, cell }
    };
    let name = take(reading.name_column)("name").text()?;
    let hash = match reading.password_hash_column {
        Some(column) => take(column)("password_hash").text()?,
        None => None,
    };
    let secret = take(SECRET)(SECRET).text()?;
    // A table from before these columns says nothing against a secret that it has.
    let enabled = take(ENABLED)(ENABLED).flag()?;
    let verified = take(VERIFIED)(VERIFIED).flag()?;
    let seed = match secret {
        None if enabled == Some(true) => {
            notes.push("second factor enabled without a secret: left behind".to_owned());
            None
        }
        None => None,
        Some(_) if enabled == Some(false) => {
            notes.push("second factor not enabled: left behind".to_owned());
            None
        }
        Some(_) if verified == Some(false) => {
            notes.push("second factor never verified: left behind".to_owned());
            None
        }
        Some(sealed) => Some(seed(&sealed, reading, notes)?),
    };
    Ok(Person {
        name: name.map(|name| name.to_string()).unwrap_or_default(),
        password_hash: hash,
        seed,
        ..Person::default()
    })
}

fn seed(sealed: &str, reading: &Reading<'_>, notes: &mut Vec<String>) -> Result<Seed, String> {
    let refused = |why: &str| format!("{SECRET}: {why}");
    let key = reading
        .key
        .ok_or_else(|| refused("it is encrypted; give its key by --key-file"))?;
    let mut bytes = Zeroizing::new(vec![0; SEALED_BYTES_MAX]);
    let len = base64::parse(sealed, &mut bytes).map_err(|why| refused(&why.to_string()))?;
    let text = match open(&bytes[..len], key) {
        Some(text) => text,
        None if reading.unauthenticated_cipher => {
            notes.push("its secret was read by the older cipher, which nothing vouches for".to_owned());
            unmask(&bytes[..len], key)
        }
        None => {
            return Err(refused(
                "the key does not open it: it is of another key, was altered, or is of the older cipher, for which see \
                 --unauthenticated-cipher",
            ));
        }
    };
    let text = std::str::from_utf8(&text).ok();
    let secret = text.and_then(|text| SharedSecret::from_base32(text).ok());
    let secret =
        secret.ok_or_else(|| refused("what the key opens is no Base32; give the key that was configured"))?;
    let uri = OtpauthUri::totp("", "seed", &secret, &Totp::default());
    Ok(Seed {
        uri: Zeroizing::new(uri.to_string()),
        place: SECRET.to_owned(),
        label: "Kinglet".to_owned(),
        drift: 0,
        last_accepted: None,
    })
}

/// Opens the newer cipher: nonce, ciphertext and tag one after the other, without additional data.
fn open(sealed: &[u8], key: &Key) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key.0).ok()?);
    let mut opened = Zeroizing::new(rest.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let len = key.open_in_place(nonce, Aad::empty(), &mut opened).ok()?.len();
    opened.truncate(len);
    Some(opened)
}

/// Opens the older cipher, whatever it is given.
fn unmask(sealed: &[u8], key: &Key) -> Zeroizing<Vec<u8>> {
    let mask = key.0.iter().cycle();
    Zeroizing::new(sealed.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::otp::otpauth;

    // Made by Python's `cryptography` 48 and `hashlib`, as the application makes them, under this configured text.
    const CONFIGURED: &str = "an-environments-own-key";
    const PLAIN: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR";
    const NEWER: &str = "AAECAwQFBgcICQoLi/wfrWHa49wERnNxAvHsuQUIV6mUkk27YUqYancjn/Y6hYb5grC4T+YSzGKUX3NF";
    const OLDER: &str = "bIUUz4z//vY2euS4T3cGLeOM4DlsZjoNt+1zmLWDx8g=";
    // A secret longer than the digest, so that the mask begins anew.
    const LONG_PLAIN: &str = "MRSWMZ3INFVGW3DNNZXXA4LSON2HK5TXPB4XU634PV7H7AEBQKBYJBMGQ6EITCUL";
    const LONG_OLDER: &str =
        "ZpId3Ibrj+k/ZYGrSQsIMuqT4iVqHDQIv/pyhK/52cJ7gnrTnoePlCF14KQpeQk+9YL4JGFqNRyhggWFsI/Y1g==";

    fn reading(key: &Key, unauthenticated_cipher: bool) -> Reading<'_> {
        Reading {
            key: Some(key),
            name_column: "username",
            password_hash_column: None,
            unauthenticated_cipher,
        }
    }

    fn table(rows: &[&str]) -> String {
        format!(
            "id,username,totp_secret,totp_enabled,totp_verified\n{}\n",
            rows.join("\n")
        )
    }

    fn one(row: &str, configured: &str, unauthenticated: bool) -> Found {
        let key = Key::of(configured);
        let mut found = read(&table(&[row]), None, &reading(&key, unauthenticated)).expect("a table");
        found.swap_remove(0)
    }

    fn secret(found: &Found) -> Result<String, &str> {
        let person = found.person.as_ref().map_err(String::as_str)?;
        let seed = person.seed.as_ref().ok_or("no seed")?;
        let read = otpauth::parse(&seed.uri).map_err(|_| "no URI")?;
        Ok(read.secret.to_base32().as_str().to_owned())
    }

    #[test]
    fn secret_of_the_newer_cipher_is_opened_by_its_key_alone() {
        let row = format!("1,alice,{NEWER},1,1");
        assert_eq!(secret(&one(&row, CONFIGURED, false)).as_deref(), Ok(PLAIN));
        let refused = one(&row, "another key", false);
        assert!(secret(&refused).is_err_and(|why| why.starts_with("totp_secret: the key does not open it")));
        let altered = row.replace("AAECAw", "AAECBA");
        assert!(secret(&one(&altered, CONFIGURED, false)).is_err());
        for cut in ["AAECAwQFBgcICQoL", "AAEC", "!"] {
            let found = one(&format!("1,alice,{cut},1,1"), CONFIGURED, false);
            assert!(secret(&found).is_err(), "{cut}");
        }
    }

    #[test]
    fn secret_of_the_older_cipher_is_opened_only_when_asked_for_and_then_noted() {
        for (sealed, plain) in [(OLDER, PLAIN), (LONG_OLDER, LONG_PLAIN)] {
            let row = format!("1,alice,{sealed},1,1");
            let refused = one(&row, CONFIGURED, false);
            assert!(secret(&refused).is_err_and(|why| why.contains("--unauthenticated-cipher")));
            let opened = one(&row, CONFIGURED, true);
            assert_eq!(secret(&opened).as_deref(), Ok(plain));
            assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
            let garbled = one(&row, "another key", true);
            assert!(secret(&garbled).is_err_and(|why| why.contains("no Base32")));
        }
        let newer = one(&format!("1,alice,{NEWER},1,1"), CONFIGURED, true);
        assert_eq!(secret(&newer).as_deref(), Ok(PLAIN));
        assert!(newer.notes.is_empty(), "what is authenticated needs no note");
        let altered = one(
            &format!("1,alice,{},1,1", NEWER.replace("AAECAw", "AAECBA")),
            CONFIGURED,
            true,
        );
        assert!(
            secret(&altered).is_err(),
            "what the newer cipher refuses is no Base32 in the older one"
        );
    }

    #[test]
    fn factor_that_was_never_in_use_is_left_behind_and_its_owner_is_not() {
        for (row, note) in [
            (format!("1,alice,{NEWER},0,1"), Some("not enabled")),
            (format!("1,alice,{NEWER},false,"), Some("not enabled")),
            (format!("1,alice,{NEWER},1,0"), Some("never verified")),
            ("1,alice,,1,1".to_owned(), Some("without a secret")),
            ("1,alice,,0,0".to_owned(), None),
            ("1,alice,,,".to_owned(), None),
        ] {
            let found = one(&row, CONFIGURED, false);
            let person = found.person.expect("the account is taken");
            assert_eq!(
                (person.name.as_str(), person.seed.is_some()),
                ("alice", false),
                "{row}"
            );
            assert_eq!(found.notes.len(), usize::from(note.is_some()), "{row}");
            assert!(
                note.is_none_or(|note| found.notes[0].contains(note)),
                "{:?}",
                found.notes
            );
        }
        let found = one(&format!("1,alice,{NEWER},,"), CONFIGURED, false);
        assert_eq!(
            secret(&found).as_deref(),
            Ok(PLAIN),
            "a table without the word says nothing against it"
        );
    }

    #[test]
    fn rows_come_as_csv_or_json_and_columns_have_the_names_they_have() {
        let json = format!(
            r#"[{{"id":1,"email":"Alice@example.com","pass":"$argon2id$x","totp_secret":"{NEWER}","totp_enabled":1}},
                {{"id":2,"email":"bob@example.com","pass":null,"totp_secret":null,"totp_enabled":0}}]"#
        );
        let key = Key::of(CONFIGURED);
        let named = Reading {
            name_column: "email",
            password_hash_column: Some("pass"),
            ..reading(&key, false)
        };
        let found = read(&json, None, &named).expect("a list");
        assert_eq!(secret(&found[0]).as_deref(), Ok(PLAIN));
        let person = found[0].person.as_ref().expect("it is whole");
        assert_eq!(
            person.password_hash.as_ref().map(|hash| hash.as_str()),
            Some("$argon2id$x")
        );
        let bob = found[1].person.as_ref().expect("it is whole");
        assert!(bob.seed.is_none() && bob.password_hash.is_none());
        let refused = read(&json, None, &reading(&key, false)).map(|found| found.len());
        let column = "username".to_owned();
        assert_eq!(refused, Err(Unreadable::Missing { column }));
        let without = Reading { key: None, ..named };
        let found = read(&json, None, &without).expect("a list");
        assert!(secret(&found[0]).is_err_and(|why| why.contains("--key-file")));
        assert!(found[1].person.is_ok(), "whoever has no secret needs no key");
    }

    #[test]
    fn secret_moved_to_a_second_row_is_refused_to_both() {
        let key = Key::of(CONFIGURED);
        let rows = [
            format!("1,alice,{NEWER},1,1"),
            format!("2,mallory,{NEWER},1,1"),
            "3,bob,,,".to_owned(),
        ];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let found = read(&table(&rows), None, &reading(&key, false)).expect("a table");
        let refused: Vec<bool> = found.iter().map(|found| found.person.is_err()).collect();
        assert_eq!(refused, [true, true, false]);
    }
}
