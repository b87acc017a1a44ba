//! Authenticators of other systems, from their file to a sign-in; and a token found again by two codes.

use countersign_core::otp::{Counter, Hotp, SharedSecret};
use serde_json::{Value, json};

use crate::world::{Ended, Folder, PASSWORD, Person, Server, audit, countersign};

const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR";
const HOTP: &str = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U";

fn uris() -> String {
    format!(
        "otpauth://totp/Acme:alice?secret={TOTP}&issuer=Acme\n\
         otpauth://hotp/Acme:bob?secret={HOTP}&issuer=Acme&counter=5\n\
         otpauth://totp/Acme:nobody?secret=KRUGKIDROVUWG2ZAMJZG653OEBTG66BA\n"
    )
}

fn newcomer(name: &str, data: &str) {
    let added = countersign(
        &["user", "add", name, "--password-file", "-", "--data", data],
        PASSWORD,
    );
    assert_eq!(added.code, 0, "{}", added.stderr);
}

fn import(text: &str, data: &str, options: &[&str]) -> Ended {
    let arguments = [&["import", "-", "--data", data], options].concat();
    countersign(&arguments, text)
}

fn users(data: &str) -> Value {
    let listed = countersign(&["user", "list", "--json", "--data", data], "");
    serde_json::from_str(&listed.stdout).expect("the output is JSON")
}

fn pressed(counter: u64) -> String {
    let secret = SharedSecret::from_base32(HOTP).expect("Base32");
    Hotp::default().generate(&secret, Counter(counter)).to_string()
}

#[test]
fn each_account_is_one_decision_and_a_dry_run_tells_it_without_taking_it() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    newcomer("alice", data);
    newcomer("bob", data);
    let before = users(data);
    let dry = import(&uris(), data, &["--dry-run"]);
    assert_eq!(dry.code, 1, "{}", dry.stderr);
    assert!(
        dry.stdout
            .contains("alice  Acme  totp SHA1 6 digits 30 s  would be added"),
        "{}",
        dry.stdout
    );
    assert!(
        dry.stdout
            .contains("nobody  refused: there is no account named nobody"),
        "{}",
        dry.stdout
    );
    assert_eq!(users(data), before);
    let real = import(&uris(), data, &["--json"]);
    assert_eq!(real.code, 1, "{}", real.stderr);
    let told: Value = serde_json::from_str(&real.stdout).expect("JSON");
    let accounts = told["accounts"].as_array().expect("a list");
    let outcome = |at: usize| (&accounts[at]["account"], &accounts[at]["factors"][0]["outcome"]);
    assert_eq!(outcome(0), (&json!("alice"), &json!("added")));
    assert_eq!(outcome(1), (&json!("bob"), &json!("added")));
    assert!(accounts[2]["refused"].is_string());
    assert_eq!(accounts[0]["backup_codes"].as_array().map(Vec::len), Some(10));
    let again: Value = serde_json::from_str(&import(&uris(), data, &["--json"]).stdout).expect("JSON");
    assert_eq!(again["accounts"][0]["factors"][0]["outcome"], json!("exists"));
    assert_eq!(again["accounts"][0]["backup_codes"], json!([]));
    let counts: Vec<_> = users(data)
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| user["second_factors"].clone())
        .collect();
    assert_eq!(counts, [json!(1), json!(1)]);
    for ended in [&dry, &real] {
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains(TOTP) && !all.contains(HOTP), "{all}");
    }
}

#[test]
fn imported_token_signs_in_once_a_code_and_is_found_again_by_two_codes() {
    let folder = Folder::fresh();
    let data = folder.data();
    let path = data.to_str().expect("UTF-8").to_owned();
    newcomer("bob", &path);
    let server = Server::start(&data);
    let told = import(&uris(), &path, &["--json", "--add"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let (status, body) = server.verify(&server.login("bob"), &pressed(7));
    assert_eq!(status, 200, "{body}");
    let session = body["session_token"].as_str().expect("a token").to_owned();
    assert_eq!(server.verify(&server.login("bob"), &pressed(7)).0, 401);
    assert_eq!(server.verify(&server.login("bob"), &pressed(300)).0, 401);
    let (_, factors) = server.get("/api/factors", &session);
    let mut factors = factors.as_array().expect("a list").iter();
    let token = factors
        .find(|factor| factor["kind"] == json!("hotp"))
        .expect("it was imported");
    let id = token["id"].as_str().expect("an id");
    let resynchronise = |id: &str, first: &str, second: &str| {
        let body = json!({ "first_code": first, "second_code": second });
        let path = format!("/api/factors/{id}/resynchronise");
        server.post(&path, Some(&session), &body)
    };
    assert_eq!(resynchronise(id, "12345", "123456").0, 400);
    assert_eq!(resynchronise("00000000", &pressed(300), &pressed(301)).0, 404);
    assert_eq!(resynchronise(id, &pressed(300), &pressed(302)).0, 401);
    assert_eq!(
        resynchronise(id, &pressed(300), &pressed(301)).1["status"],
        json!("success")
    );
    assert_eq!(server.verify(&server.login("bob"), &pressed(301)).0, 401);
    assert_eq!(server.verify(&server.login("bob"), &pressed(302)).0, 200);
    let log = server.stop();
    let entries = audit(&data);
    let acts = |act: &str| entries.iter().filter(|entry| entry["act"] == json!(act)).count();
    assert_eq!((acts("factor_import"), acts("factor_resynchronise")), (3, 3));
    let all = format!("{log}{entries:?}");
    assert!(
        !all.contains(HOTP) && !all.contains(&pressed(302)),
        "a secret or a code was written down"
    );
}

#[test]
fn token_that_left_an_account_comes_back_only_when_asked_for() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    newcomer("bob", data);
    let file = format!("otpauth://hotp/Acme:bob?secret={HOTP}&issuer=Acme&counter=5\n");
    assert_eq!(import(&file, data, &[]).code, 0);
    assert_eq!(countersign(&["user", "reset", "bob", "--data", data], "").code, 0);
    let refused = import(&file, data, &[]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stdout.contains("--again"), "{}", refused.stdout);
    assert_eq!(users(data)[0]["second_factors"], json!(0));
    assert_eq!(import(&file, data, &["--again"]).code, 0);
    assert_eq!(users(data)[0]["second_factors"], json!(1));
}

#[test]
fn file_of_pam_google_authenticator_becomes_the_factor_of_the_named_account() {
    let folder = Folder::fresh();
    let data = folder.data();
    let path = data.to_str().expect("UTF-8").to_owned();
    newcomer("carol", &path);
    let file = format!("{TOTP}\n\" RATE_LIMIT 3 30\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n12345678\n87654321\n");
    let nobody = import(&file, &path, &[]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.stdout.contains("--account NAME"), "{}", nobody.stdout);
    let dry = import(&file, &path, &["--account", "carol", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(
        dry.stdout.contains("scratch codes left behind: 2"),
        "{}",
        dry.stdout
    );
    assert!(
        dry.stdout.contains("backup codes would be made"),
        "{}",
        dry.stdout
    );
    assert_eq!(import(&file, &path, &["--account", "carol"]).code, 0);
    let server = Server::start(&data);
    let carol = Person {
        name: "carol".into(),
        secret: SharedSecret::from_base32(TOTP).expect("Base32"),
        backup_codes: Vec::new(),
        otpauth_uri: String::new(),
    };
    server.sign_in(&carol, &carol.code(0));
    assert_eq!(server.verify(&server.login("carol"), "12345678").0, 401);
    server.stop();
}

#[test]
fn wrong_calls_of_import_change_nothing() {
    let folder = Folder::fresh();
    let data = folder.data();
    let path = data.to_str().expect("UTF-8").to_owned();
    for (text, options) in [
        ("nothing of the kind", &[][..]),
        ("<!DOCTYPE a><a/>", &[]),
        (TOTP, &["--key-file", "-"]),
    ] {
        let ended = import(text, &path, options);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        assert!(!ended.stderr.contains(TOTP));
    }
    assert!(!data.exists(), "a file that can't be read opens no installation");
    let mistyped = import(&uris(), &path, &["--dry-run"]);
    assert_eq!(mistyped.code, 2, "{}", mistyped.stdout);
    assert!(mistyped.stderr.contains(&path), "{}", mistyped.stderr);
    assert!(!data.exists(), "a dry run makes no installation");
}

#[test]
fn refusals_of_import_name_the_file_the_line_and_the_entry() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    newcomer("alice", data);
    let sample = "\notpauth://totp/alice?secret=JBSWY3DPEHPK3PXP\n";
    let refused = import(sample, data, &["--json"]);
    let told: Value = serde_json::from_str(&refused.stdout).expect("JSON");
    let why = told["accounts"][0]["refused"].as_str().expect("it is refused");
    assert!(why.starts_with("line 2: its secret"), "{why}");
    let labelled = sample.replace("totp/", "totp/Acme:");
    let refused = import(&labelled, data, &[]);
    assert!(
        refused
            .stdout
            .contains("alice  refused: line 2 (Acme): its secret"),
        "{}",
        refused.stdout
    );
    let file = folder.0.join("other");
    let path = file.to_str().expect("UTF-8");
    for (text, option, said) in [
        ("1 a\n1 b\n", "--owners", "line 2"),
        ("no key", "--key-file", "16 or 32 bytes"),
    ] {
        std::fs::write(&file, text).expect("it can be written");
        let ended = import(&uris(), data, &[option, path]);
        assert_eq!(ended.code, 2);
        assert!(
            ended.stderr.contains(path) && ended.stderr.contains(said),
            "{}",
            ended.stderr
        );
    }
}
