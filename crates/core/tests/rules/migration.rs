//! Exports of Google Authenticator: every number it can write, every damage, and the parts of one export.
//!
//! Knows: what is read, what is refused and why. Must never know: who sent it.

use countersign_core::bytes::Text;
use countersign_core::bytes::base64::{self, Base64Error};
use countersign_core::otp::migration::{self, Batch, MigrationError, PartError, Parts, Payload, Unfit};
use countersign_core::otp::otpauth::{ACCOUNT_BYTES_MAX, ISSUER_BYTES_MAX, Parameters, Provisioning};
use countersign_core::otp::{Counter, Hotp, SharedSecret, Totp};
use countersign_core::time::TimeStep;

use crate::encodings::expected_parameters;
use crate::vectors::{Case, cases, printed};

#[test]
fn base64_of_both_alphabets_is_read_and_refused_with_its_cause() {
    for case in cases("bytes/base64.json", 20) {
        let mut bytes = [0; 64];
        let result = base64::parse(case.text("text"), &mut bytes).map(|len| bytes[..len].to_vec());
        let expected = match case.has("error").then(|| case.text("error")) {
            None => Ok(case.bytes("bytes_hex")),
            Some("character") => Err(Base64Error::Character {
                at: case.number("at"),
            }),
            Some("length") => Err(Base64Error::Length),
            Some("trailing_bits") => Err(Base64Error::TrailingBits),
            Some(unknown) => panic!("no refusal is called {unknown}"),
        };
        assert_eq!(result, expected, "{case}");
    }
    assert_eq!(base64::parse("Zm9v", &mut [0; 2]), Err(Base64Error::TooLong));
}

#[test]
fn base64_between_programs_has_one_spelling() {
    let read = |text: &str| {
        let mut bytes = [0; 8];
        base64::parse_url(text, &mut bytes).map(|len| bytes[..len].to_vec())
    };
    assert_eq!(read("--__"), Ok(vec![0xfb, 0xef, 0xff]));
    assert_eq!(read("Zg"), Ok(b"f".to_vec()));
    for (text, at) in [("++__", 0), ("Zg==", 2), ("Zm9v\n", 4), (" Zm9v", 0), ("Zm9é", 3)] {
        assert_eq!(read(text), Err(Base64Error::Character { at }), "{text}");
    }
    assert_eq!(read("Zh"), Err(Base64Error::TrailingBits));
    assert_eq!(read("Z"), Err(Base64Error::Length));
}

#[test]
fn export_is_read_account_by_account_or_refused_with_its_cause() {
    for case in cases("otp/migration.json", 35) {
        let read = Payload::parse(case.text("uri"));
        if case.has("error") {
            let error = read.map(drop).expect_err("it is no export");
            let fault = match error {
                MigrationError::Scheme => "scheme",
                MigrationError::NoData => "no_data",
                MigrationError::Twice => "twice",
                MigrationError::Base64(_) => "base64",
                MigrationError::Broken => "broken",
                MigrationError::Version(_) => "version",
                MigrationError::Batch => "batch",
                _ => "too_long",
            };
            assert_eq!(fault, case.text("error"), "{case}");
            continue;
        }
        let payload = read.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_place(&case, payload.batch());
        let expected = case.list("entries");
        let entries: Vec<_> = payload.entries().collect();
        assert_eq!(entries.len(), expected.len(), "{case}");
        for (entry, expected) in entries.iter().zip(&expected) {
            match entry {
                Ok(entry) => assert_account(entry, expected),
                Err(refusal) => {
                    let told = printed(refusal);
                    assert!(told.contains(expected.text("error")), "{told} for {expected}");
                }
            }
        }
        let all: Result<Vec<Provisioning>, _> = entries.into_iter().collect();
        let Ok(all) = all else { continue };
        let mut parts = migration::emit(&all, payload.batch().id).expect("all that is read can be written");
        let part = printed(parts.next().expect("there is an account"));
        assert!(parts.next().is_none());
        if case.has("canonical") {
            assert_eq!(&*part, case.text("canonical"), "{case}");
        }
        let again = Payload::parse(&part).expect("our own spelling is read");
        for (entry, expected) in again.entries().zip(&expected) {
            assert_account(&entry.expect("our own spelling is read"), expected);
        }
    }
}

fn assert_place(case: &Case, batch: Batch) {
    let expected = case.inner("batch");
    let Batch { size, index, id } = batch;
    assert_eq!(
        (size, index, id),
        (
            expected.number("size"),
            expected.number("index"),
            expected.number("id")
        )
    );
}

fn assert_account(entry: &Provisioning, expected: &Case) {
    assert_eq!(
        (&*entry.issuer, &*entry.account),
        (expected.text("issuer"), expected.text("account"))
    );
    assert_eq!(&*entry.secret.to_base32(), expected.text("secret"), "{expected}");
    assert_eq!(entry.parameters, expected_parameters(expected), "{expected}");
}

fn account(number: usize) -> Provisioning {
    let parameters = Parameters::Totp(Totp::default());
    with_parameters(number, parameters)
}

fn with_parameters(number: usize, parameters: Parameters) -> Provisioning {
    let uri = format!("otpauth://totp/Acme:person{number}?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
    let read = countersign_core::otp::otpauth::parse(&uri).expect("the URI is right");
    Provisioning { parameters, ..read }
}

#[test]
fn accounts_are_spread_over_parts_of_ten_that_come_together_in_any_order() {
    let accounts: Vec<_> = (0..25).map(account).collect();
    let uris: Vec<_> = migration::emit(&accounts, -7)
        .expect("they fit")
        .map(printed)
        .collect();
    assert_eq!(uris.len(), 3);
    let mut parts = Parts::default();
    assert_eq!(parts.missing(), None, "nothing was begun");
    let mut names = Vec::new();
    for at in [2, 0, 1] {
        let payload = Payload::parse(&uris[at]).expect("our own spelling is read");
        parts.add(payload.batch()).expect("it is the next one");
        names.extend(
            payload
                .entries()
                .map(|entry| entry.expect("it is whole").account.to_string()),
        );
        assert_eq!(parts.missing().is_none(), at == 1);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 25);
    let again = Payload::parse(&uris[1]).expect("it was read before").batch();
    assert_eq!(parts.add(again), Err(PartError::Twice { index: 1 }));
    let other = Batch { id: 8, ..again };
    assert_eq!(parts.add(other), Err(PartError::OtherExport));
}

#[test]
fn largest_accounts_are_spread_over_parts_that_fit_into_a_qr_code() {
    // In Base64 these bytes are all `+` and `/`, each of which a URI spells with three characters.
    for byte in [0xff, 0x5a] {
        let largest = |number: usize| Provisioning {
            secret: SharedSecret::from_bytes(&[byte; 128]).expect("128 bytes are a secret"),
            issuer: text('i', ISSUER_BYTES_MAX, 0),
            account: text('a', ACCOUNT_BYTES_MAX, number),
            parameters: Parameters::Hotp(Hotp::default(), Counter(u64::MAX / 2)),
        };
        let accounts: Vec<_> = (0..10).map(largest).collect();
        let uris: Vec<_> = migration::emit(&accounts, -1)
            .expect("they fit")
            .map(printed)
            .collect();
        let mut parts = Parts::default();
        let mut names = Vec::new();
        for uri in &uris {
            assert!(uri.len() <= 2953, "{} bytes are no QR code", uri.len());
            let payload = Payload::parse(uri).expect("our own spelling is read");
            parts.add(payload.batch()).expect("it is the next one");
            for entry in payload.entries() {
                let entry = entry.expect("it is whole");
                assert_eq!(entry.secret.expose(), [byte; 128]);
                names.push(entry.account.to_string());
            }
        }
        assert_eq!(parts.missing(), None);
        let expected: Vec<_> = accounts
            .iter()
            .map(|account| account.account.to_string())
            .collect();
        assert_eq!(names, expected);
    }
}

/// As many characters as there may be, ending in a number.
fn text<const N: usize>(fill: char, len: usize, number: usize) -> Text<N> {
    let mut text = Text::new();
    let digits = number.to_string();
    let all = std::iter::repeat_n(fill, len - digits.len()).chain(digits.chars());
    assert!(all.into_iter().all(|character| text.push(character)));
    text
}

#[test]
fn export_refuses_what_it_has_no_place_for() {
    let unusual = Totp {
        time_step: TimeStep::new(60).expect("it is not 0"),
        ..Totp::default()
    };
    let cases = [
        (Parameters::Totp(unusual), Unfit::TimeStep { at: 1 }),
        (
            Parameters::Hotp(Hotp::default(), Counter(u64::MAX)),
            Unfit::Counter { at: 1 },
        ),
    ];
    for (parameters, expected) in cases {
        let accounts = [account(0), with_parameters(1, parameters)];
        assert_eq!(migration::emit(&accounts, 0).err(), Some(expected));
    }
    let many: Vec<_> = (0..1281).map(account).collect();
    assert_eq!(migration::emit(&many, 0).err(), Some(Unfit::TooMany));
    assert_eq!(migration::emit(&many[1..], 0).expect("they fit").count(), 128);
}

#[test]
fn export_longer_than_its_room_is_refused() {
    let uri = |bytes: usize| format!("otpauth-migration://offline?data={}", "A".repeat(bytes));
    let long = Payload::parse(&uri(migration::URI_BYTES_MAX)).map(drop);
    assert_eq!(long, Err(MigrationError::TooLong));
    assert_eq!(Payload::parse(&uri(4000)).map(drop), Err(MigrationError::Broken));
}

#[test]
fn largest_account_fits_into_one_part() {
    let mut largest = account(0);
    largest.issuer = countersign_core::bytes::Text::new();
    largest.account = countersign_core::bytes::Text::new();
    assert!(largest.issuer.push_str(&"i".repeat(128)) && largest.account.push_str(&"a".repeat(255)));
    largest.secret = SharedSecret::from_bytes(&[0xff; 128]).expect("128 bytes are a secret");
    let accounts = [largest];
    let uri = migration::emit(&accounts, i32::MIN)
        .expect("it fits")
        .map(printed)
        .next();
    let payload = Payload::parse(&uri.expect("one part")).expect("it is read");
    assert_eq!(payload.entries().filter(Result::is_ok).count(), 1);
}

#[test]
fn account_with_a_colon_comes_back_as_it_was() {
    let mut entry = account(0);
    (entry.issuer, entry.account) = (Text::new(), Text::new());
    assert!(entry.issuer.push_str("Acme") && entry.account.push_str("tenant:alice"));
    let entries = [entry];
    let uri = migration::emit(&entries, 1).expect("it fits").map(printed).next();
    let payload = Payload::parse(&uri.expect("one part")).expect("it is read");
    let again = payload.entries().next().expect("one account");
    let again = again.expect("it is whole");
    assert_eq!(again.issuer.to_string(), "Acme");
    assert_eq!(again.account.to_string(), "tenant:alice");
}

#[test]
fn secrets_of_an_export_are_not_printed_for_debugging() {
    let accounts = [account(0)];
    let part = migration::emit(&accounts, 3)
        .expect("it fits")
        .next()
        .expect("one part");
    let payload = Payload::parse(&printed(part)).expect("it is read");
    for text in [
        format!("{part:?}"),
        format!("{payload:?}"),
        format!("{accounts:?}"),
    ] {
        assert!(!text.contains("JBSW") && !text.contains("person"), "{text}");
    }
}
