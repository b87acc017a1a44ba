//! The files in which seeds travel, recognised by their content and sorted by whose they are.

use countersign_core::time::UnixSeconds;
use countersign_server::seeds::pskc::{self, Bound, Key, PskcError};
use countersign_server::seeds::{Contents, Entry, Format, Owners, Unreadable, by_account, owners, read};
use countersign_testkit::{Target, workspace_root};
use serde_json::Value;
use zeroize::Zeroizing;

const NOW: UnixSeconds = UnixSeconds(1_795_219_200);
const URI: &str = "otpauth://totp/Acme:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR&issuer=Acme";
const OTHER: &str = "otpauth://hotp/bob?secret=MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U&counter=5";
const EXPORT: &str = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhh\
                      bXBsZTAC";

fn contents(text: &str) -> Result<Contents, Unreadable> {
    read(text, &Key::None, NOW)
}

fn hex(bytes: &[u8]) -> String {
    countersign_auth::id::hex(bytes)
}

fn key(case: &Value) -> Key {
    match (case["key"].as_str(), case["passphrase"].as_str()) {
        (Some(key), _) => Key::parse(key).expect("the key is one"),
        (None, Some(passphrase)) => Key::Passphrase(Zeroizing::new(passphrase.to_owned())),
        (None, None) => Key::None,
    }
}

#[test]
fn rfc6030_containers_are_read_key_by_key_or_refused_with_their_cause() {
    let path = workspace_root().join("vectors/pskc/rfc6030.json");
    let text = std::fs::read_to_string(path).expect("the file is part of the workspace");
    let file: Value = serde_json::from_str(&text).expect("vectors are JSON");
    let cases = file["cases"].as_array().expect("cases are a list");
    assert_eq!(cases.len(), 49);
    for case in cases {
        let rule = &case["rule"];
        let container = read(case["file"].as_str().expect("a file"), &key(case), NOW);
        if let Some(error) = case["error"].as_str() {
            let told = container.map(drop).expect_err("it can't be read").to_string();
            assert!(told.contains(error), "{rule}: {told}");
            continue;
        }
        let container = container.unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(container.format, Format::Pskc);
        let expected = case["entries"].as_array().expect("entries are a list");
        assert_eq!(container.entries.len(), expected.len(), "{rule}");
        for (entry, expected) in container.entries.iter().zip(expected) {
            assert_entry(rule, entry, expected);
        }
    }
}

fn assert_entry(rule: &Value, entry: &Entry, expected: &Value) {
    let seed = match (&entry.seed, expected["error"].as_str()) {
        (Err(told), Some(error)) => return assert!(told.contains(error), "{rule}: {told}"),
        (Ok(seed), None) => seed,
        (Ok(_), Some(error)) => panic!("{rule}: it was taken, instead of {error}"),
        (Err(told), None) => panic!("{rule}: {told}"),
    };
    assert_eq!(
        Some(hex(seed.secret.expose()).as_str()),
        expected["secret_hex"].as_str(),
        "{rule}"
    );
    assert_eq!(Some(seed.shows().as_str()), expected["shows"].as_str(), "{rule}");
    assert_eq!(Some(seed.label.as_str()), expected["label"].as_str(), "{rule}");
    assert_eq!(entry.serial.as_deref(), expected["serial"].as_str(), "{rule}");
    assert_eq!(entry.account.as_deref(), expected["account"].as_str(), "{rule}");
    assert_eq!(
        i64::from(seed.drift),
        expected["drift"].as_i64().unwrap_or(0),
        "{rule}"
    );
}

#[test]
fn container_opens_under_no_other_key_or_passphrase() {
    let file = std::fs::read_to_string(workspace_root().join("vectors/pskc/rfc6030.json")).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    let figure = |rule: &str| {
        let mut cases = file["cases"].as_array().expect("a list").iter();
        let case = cases.find(|case| case["rule"].as_str().is_some_and(|text| text.starts_with(rule)));
        case.and_then(|case| case["file"].as_str())
            .expect("the case is there")
            .to_owned()
    };
    let wrong = [
        ("figure 6:", Key::Shared(Zeroizing::new(vec![7; 16]))),
        ("figure 7:", Key::Passphrase(Zeroizing::new("Qwerty".to_owned()))),
    ];
    for (rule, key) in wrong {
        let opened = read(&figure(rule), &key, NOW);
        let usable = opened.map_or(0, |opened| {
            opened.entries.iter().filter(|entry| entry.seed.is_ok()).count()
        });
        assert_eq!(usable, 0, "{rule}");
    }
    assert!(Key::parse("1234").is_none() && Key::parse("not a key").is_none());
}

/// A container that would be read, were it not for what stands in it.
fn container(attributes: &str, inside: &str) -> String {
    let namespace = "urn:ietf:params:xml:ns:keyprov:pskc";
    format!("<KeyContainer Version=\"1.0\" xmlns=\"{namespace}\"{attributes}>{inside}</KeyContainer>")
}

fn nested(depth: usize, begin: impl Fn(usize) -> String) -> String {
    let begins: String = (0..depth).map(begin).collect();
    format!("{begins}{}", "</a>".repeat(depth))
}

#[test]
fn deep_and_wide_documents_are_refused_and_break_nothing() {
    let attributes = |count: usize| {
        (0..count)
            .map(|number| format!(" a{number}=''"))
            .collect::<String>()
    };
    let hidden = |count: usize| format!(" x='>'{}", attributes(count));
    let declared = |number: usize| format!("<a xmlns:p{number}='u'>");
    let side_by_side = |count: usize| "<a xmlns:p='u'/>".repeat(count);
    let cases = [
        (container("", &nested(64, |_| "<a>".into())), Bound::Depth),
        (container("", &nested(400_000, |_| "<a>".into())), Bound::Depth),
        (container("", &"<b/>".repeat(1_000_000)), Bound::Nodes),
        (container(&attributes(31), ""), Bound::Attributes),
        (container(&attributes(50_000), ""), Bound::Tag),
        (container("", &format!("<b{}/>", hidden(40_000))), Bound::Tag),
        (container(&format!(" x='{}'", ">".repeat(4096)), ""), Bound::Tag),
        (container("", &nested(32, declared)), Bound::Namespaces),
        (container("", &nested(3_000, declared)), Bound::Namespaces),
        (container("", &side_by_side(65_536)), Bound::Namespaces),
    ];
    for (text, bound) in cases {
        let refused = contents(&text).map(drop);
        assert_eq!(
            refused,
            Err(Unreadable::Pskc(PskcError::Bound(bound))),
            "{}",
            &text[..200]
        );
    }
    let within = [
        container("", &nested(63, |_| "<a>".into())),
        container(&attributes(30), ""),
        container(&format!(" x='{}'", ">".repeat(3_900)), ""),
        container("", &nested(31, declared)),
        container("", &side_by_side(20_000)),
        container(
            "",
            &nested(30, declared).replacen("</a>", &(side_by_side(60_000) + "</a>"), 1),
        ),
        container("", "<!-- <a <b> ' -->\n<![CDATA[<a \"]]><?x <a ' ?>"),
    ];
    for text in within {
        assert_eq!(
            contents(&text).map(|read| read.entries.len()),
            Ok(0),
            "{}",
            &text[..100]
        );
    }
    for text in [
        "<a",
        "<a b='>",
        "<!-- <a>",
        "<!DOCTYPE a><a/>",
        "<a><![CDATA[</a>",
        "<?xml",
    ] {
        assert_eq!(
            contents(text).map(drop),
            Err(Unreadable::Pskc(PskcError::Xml { line: 1 })),
            "{text}"
        );
    }
    let long = "x".repeat(countersign_server::seeds::FILE_BYTES_MAX + 1);
    assert_eq!(contents(&long).map(drop), Err(Unreadable::TooLong));
}

#[test]
fn format_is_recognised_by_content() {
    let secret_file = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR\n\" TOTP_AUTH\n12345678\n";
    let formats = [
        (format!("{URI}\n\n{EXPORT}\r\n{OTHER}\n"), Format::Uris, 3),
        (format!("\u{feff}{URI}"), Format::Uris, 1),
        (EXPORT.replace("otpauth", "OTPAUTH"), Format::Uris, 1),
        (secret_file.to_owned(), Format::GoogleAuthenticator, 1),
    ];
    for (text, format, count) in formats {
        let contents = contents(&text).expect("it is known");
        assert_eq!(
            (contents.format, contents.entries.len()),
            (format, count),
            "{text}"
        );
    }
    let contents = contents(secret_file).expect("it is known");
    let seed = contents.entries[0].seed.as_ref().expect("it can be used");
    assert!(
        seed.notes[0].starts_with("scratch codes left behind: 1"),
        "{:?}",
        seed.notes
    );
    for text in [
        "",
        "hello",
        "alice,GEZDGNBVGY3TQOJQ",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR",
    ] {
        assert_eq!(self::contents(text).map(drop), Err(Unreadable::Unknown), "{text}");
    }
}

#[test]
fn export_that_lacks_a_part_is_refused_whole() {
    let file = std::fs::read_to_string(workspace_root().join("vectors/otp/migration.json")).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    let third = file["cases"][4]["uri"].as_str().expect("a URI").to_owned();
    assert_eq!(
        contents(&third).map(drop),
        Err(Unreadable::MissingPart { part: 1 })
    );
    let twice = format!("{EXPORT}\n{EXPORT}\n");
    assert!(matches!(contents(&twice), Err(Unreadable::Parts { line: 2, .. })));
    let cut = format!("{EXPORT}\n{}\n", &EXPORT[..60]);
    assert!(matches!(contents(&cut), Err(Unreadable::Part { line: 2, .. })));
}

#[test]
fn entries_are_sorted_by_the_name_their_account_is_kept_under() {
    let text = format!(
        "{URI}\n{}\nnonsense\notpauth://totp/x?secret=1\n{OTHER}\n",
        URI.replace("alice", "Alice")
    );
    let sorted = by_account(contents(&text).expect("it is known"), &Owners::AsNamed);
    let counts: Vec<_> = sorted
        .accounts
        .iter()
        .map(|(name, seeds)| (name.as_str(), seeds.len()))
        .collect();
    assert_eq!(counts, [("alice", 2), ("bob", 1)]);
    let places: Vec<_> = sorted.refused.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["line 3", "line 4"]);
    assert!(sorted.refused.iter().all(|(_, why)| !why.contains("GEZD")));
}

#[test]
fn secret_of_two_accounts_is_refused_to_both() {
    let text = format!("{URI}\n{}\n{OTHER}\n", URI.replace("alice", "mallory"));
    let sorted = by_account(contents(&text).expect("it is known"), &Owners::AsNamed);
    assert_eq!(sorted.accounts.keys().collect::<Vec<_>>(), ["bob"]);
    assert_eq!(sorted.refused.len(), 2);
    let one = Owners::One("carol".into());
    let sorted = by_account(contents(&text).expect("it is known"), &one);
    assert_eq!(
        sorted.accounts["carol"].len(),
        3,
        "of one owner they are one secret"
    );
}

#[test]
fn secret_that_zero_bytes_alone_tell_apart_is_refused_to_both() {
    // The second secret is the first one with zero bytes at its end.
    let padded = URI
        .replace("alice", "mallory")
        .replace("GEZDGNBVGY3TQOJR", "GEZDGNBVGY3TQOJRAAAAAAAA");
    let sorted = by_account(
        contents(&format!("{URI}\n{padded}\n")).expect("known"),
        &Owners::AsNamed,
    );
    assert_eq!((sorted.accounts.len(), sorted.refused.len()), (0, 2));
}

#[test]
fn token_without_an_owner_is_left_alone() {
    let listed = owners("987654321, alice\n\n42;bob\n").expect("the list is right");
    let file = std::fs::read_to_string(workspace_root().join("fuzz/corpus/pskc/figure5")).expect("a file");
    let sorted = by_account(contents(&file).expect("it is known"), &listed);
    assert_eq!(sorted.accounts["alice"].len(), 1);
    assert_eq!(
        (sorted.refused.len(), sorted.left_alone),
        (1, 0),
        "its PIN is refused by name"
    );
    let nobody = by_account(contents(&file).expect("it is known"), &Owners::AsNamed);
    assert!(nobody.accounts.is_empty() && nobody.refused[0].1.contains("--account"));
    let others = by_account(
        contents(&file).expect("it is known"),
        &owners("7 eve").expect("right"),
    );
    assert_eq!((others.accounts.len(), others.left_alone), (0, 2));
    assert!(owners("123").is_err() && owners("1 a\n1 b").is_err());
}

#[test]
fn seed_travels_as_a_uri_without_anybody_s_name() {
    let contents = contents(OTHER).expect("it is known");
    let seed = contents.entries[0].seed.as_ref().expect("it can be used");
    let uri = seed.uri();
    assert!(
        uri.starts_with("otpauth://hotp/seed?") && uri.ends_with("&counter=5"),
        "{}",
        &*uri
    );
    assert!(!format!("{contents:?}").contains("MFRGG"));
}

#[test]
fn corpus_and_chance_break_no_container() {
    let target = Target {
        name: "pskc",
        run: pskc::fuzz,
        pieces: &[
            "<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">",
            "</KeyContainer>",
            "<KeyPackage>",
            "</KeyPackage>",
            "<Key Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:totp\">",
            "</Key>",
            "<Data>",
            "</Data>",
            "<Secret>",
            "</Secret>",
            "<PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue>",
            "<EncryptionKey/>",
            "<a xmlns:b='>'>",
            "<!--",
            "<!DOCTYPE a>",
            "&#0;",
            "é",
        ],
    };
    target.run_corpus();
    target.run_chance(2_000);
}
