//! The tools around codes, secrets, clocks and certificates, and the exit codes that scripts lean on.

use std::os::unix::fs::PermissionsExt;

use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::world::{Folder, Person, Server, countersign};

const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const NOW: u64 = 1_800_000_000;

fn code_at(seconds: u64) -> String {
    let secret = SharedSecret::from_base32(SECRET).expect("the secret is Base32");
    Totp::default()
        .generate(&secret, UnixSeconds(seconds))
        .to_string()
}

fn json_of(arguments: &[&str], stdin: &str) -> Value {
    let ended = countersign(arguments, stdin);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("the output is JSON")
}

#[test]
fn verify_tells_right_from_wrong_by_its_exit_code() {
    let now = NOW.to_string();
    let verify = |code: &str, options: &[&str]| {
        let arguments = [&["verify", "--time", &now], options].concat();
        countersign(&arguments, &format!("{SECRET}\n{code}\n")).code
    };
    assert_eq!(verify(&code_at(NOW), &[]), 0);
    assert_eq!(verify(&code_at(NOW - 30), &[]), 0);
    assert_eq!(verify(&code_at(NOW - 60), &[]), 1);
    assert_eq!(verify(&code_at(NOW - 60), &["--window", "2"]), 0);
    assert_eq!(
        verify(&code_at(NOW), &["--window", "0", "--algorithm", "sha256"]),
        1
    );
    assert_eq!(verify("12345", &[]), 2);
    let unset = countersign(&["verify", "--time", "59"], &format!("{SECRET}\n123456\n"));
    assert_eq!(unset.code, 4, "{}", unset.stderr);
}

#[test]
fn doctor_finds_the_time_step_of_a_code_and_the_strength_of_a_secret() {
    let now = NOW.to_string();
    let options = [
        "doctor",
        "--secret-file",
        "-",
        "--code-file",
        "-",
        "--time",
        &now,
        "--json",
    ];
    for steps in [-20i64, -3, 0, 20] {
        let code = code_at(NOW.saturating_add_signed(30 * steps));
        let found = json_of(&options, &format!("{SECRET}\n{code}\n"));
        assert_eq!(
            (&found["steps"], &found["bytes"]),
            (&json!(steps), &json!(20)),
            "{found}"
        );
        assert!(!found.to_string().contains(SECRET) && !found.to_string().contains(&code));
    }
    let beyond = countersign(&options, &format!("{SECRET}\n{}\n", code_at(NOW + 630)));
    assert_eq!(beyond.code, 1);
    let sample = json_of(
        &["doctor", "--secret-file", "-", "--json"],
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    );
    assert!(
        sample["strength"]
            .as_str()
            .is_some_and(|text| text.starts_with("a sample")),
        "{sample}"
    );
}

#[test]
fn doctor_and_clock_refuse_a_clock_behind_the_store_until_it_is_accepted() {
    let folder = Folder::fresh();
    Person::add(&folder.data(), "alice");
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    let sound = json_of(&["doctor", "--json", "--data", text], "");
    assert_eq!((&sound["trouble"], &sound["accounts"]), (&Value::Null, &json!(1)));
    Connection::open(data.join("countersign.db"))
        .and_then(|store| {
            store.execute(
                "UPDATE note SET value = value + 900 WHERE name = 'high_water'",
                [],
            )
        })
        .expect("the note can be set");
    for command in [["doctor", "--json"], ["clock", "status"]] {
        let ended = countersign(&[&command[..], &["--data", text]].concat(), "");
        assert_eq!(ended.code, 4, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("countersign clock accept"),
            "{}",
            ended.stderr
        );
    }
    let serve = countersign(&["serve", "--listen", "127.0.0.1:0", "--data", text], "");
    assert_eq!((serve.code, serve.stdout.as_str()), (4, ""), "{}", serve.stderr);
    assert!(
        !data.join("tls").exists(),
        "a clock in doubt dates no certificate"
    );
    assert_eq!(countersign(&["clock", "accept", "--data", text], "").code, 0);
    for _ in 0..2 {
        assert_eq!(
            json_of(&["clock", "status", "--json", "--data", text], "")["ready"],
            json!(true)
        );
    }
}

/// A time server whose clock is ahead of this machine's; answers once and says where it listens.
fn time_server(ahead_s: u64) -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    let address = socket.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let mut packet = [0u8; 48];
        let (_, asker) = socket.recv_from(&mut packet).expect("the command asks");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let since_1900 = now.expect("the clock is set").as_secs() + 2_208_988_800 + ahead_s;
        let seconds = u32::try_from(since_1900 & 0xffff_ffff).expect("masked");
        (packet[0], packet[1]) = (0x24, 1);
        packet.copy_within(40..48, 24);
        for at in [32, 40] {
            packet[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
            packet[at + 4..at + 8].fill(0);
        }
        socket.send_to(&packet, asker).expect("the command listens");
    });
    address
}

#[test]
fn doctor_compares_the_clock_with_a_time_server() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    for (ahead_s, code) in [(0, 0), (90, 4)] {
        let server = time_server(ahead_s);
        let ended = countersign(&["doctor", "--json", "--ntp", &server, "--data", text], "");
        assert_eq!(ended.code, code, "{}", ended.stderr);
        let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let behind_s = told["clock"]["behind_s"].as_f64().expect("a number");
        #[expect(clippy::cast_precision_loss, reason = "90 is a number of either kind")]
        let off_s = behind_s - ahead_s as f64;
        assert!(off_s.abs() < 2.0, "{told}");
    }
}

#[test]
fn code_is_told_with_its_step_as_json() {
    let told = json_of(
        &["code", "--json", "--time", "59"],
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    );
    assert_eq!(told, json!({ "code": "287082", "step": 1, "seconds_left": 1 }));
    let hotp = ["code", "--json", "--hotp", "--counter", "1"];
    let told = json_of(&hotp, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_eq!(told, json!({ "code": "287082", "counter": 1 }));
}

#[test]
fn code_answers_a_challenge_of_any_suite() {
    let folder = Folder::fresh();
    let pin = folder.0.join("pin");
    std::fs::write(&pin, "1234\n").expect("it can be written");
    let pin = pin.to_str().expect("UTF-8");
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA====";
    let ask = |suite: &str, more: &[&str]| countersign(&[&["code", "--ocra", suite], more].concat(), secret);
    for (suite, more, expected) in [
        (
            "OCRA-1:HOTP-SHA256-8:QA08",
            &["--question", "SIG10000"][..],
            "53095496\n",
        ),
        (
            "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1",
            &["--question", "12345678", "--counter", "9", "--pin-file", pin],
            "08522129\n",
        ),
    ] {
        let ended = ask(suite, more);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, expected),
            "{}",
            ended.stderr
        );
    }
    for (suite, more, why) in [
        (
            "OCRA-1:HOTP-SHA256-8:QX08",
            &["--question", "1"][..],
            "QA, QN or QH",
        ),
        (
            "OCRA-1:HOTP-SHA256-8:QN08",
            &["--question", "abc"],
            "alphabet and length",
        ),
        (
            "OCRA-1:HOTP-SHA256-8:QN08",
            &["--question", "1", "--counter", "1"],
            "a counter is given exactly",
        ),
        (
            "OCRA-1:HOTP-SHA256-8:QN08",
            &["--question", "1", "--pin-file", pin],
            "a PIN is given exactly",
        ),
        (
            "OCRA-1:HOTP-SHA256-8:QN08",
            &["--question", "1", "--time", "5"],
            "a time is given exactly",
        ),
        ("OCRA-1:HOTP-SHA256-8:QN08", &[], "--question"),
        (
            "OCRA-1:HOTP-SHA256-8:QN08",
            &["--question", "1", "--digits", "8"],
            "--digits",
        ),
    ] {
        let ended = ask(suite, more);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{suite}");
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    }
    assert_eq!(countersign(&["code", "--counter", "1"], secret).code, 2);
}

#[test]
fn vouched_factor_is_pictured_privately_and_signs_in() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    let (png, svg) = (folder.0.join("code.png"), folder.0.join("code.svg"));
    let (png_text, svg_text) = (png.to_str().expect("UTF-8"), svg.to_str().expect("UTF-8"));
    let server = Server::start(&data);
    let enrol = [
        "enrol", "alice", "--label", "spare", "--png", png_text, "--svg", svg_text, "--json", "--data", text,
    ];
    let made = json_of(&enrol, "");
    assert_eq!(countersign(&enrol, "").code, 2, "no file is written over");
    for (file, begin) in [(&png, &b"\x89PNG\r\n\x1a\n"[..]), (&svg, b"<svg")] {
        let mode = std::fs::metadata(file)
            .expect("the file is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(std::fs::read(file).expect("it can be read").starts_with(begin));
    }
    let secret = SharedSecret::from_base32(made["totp_secret"].as_str().expect("a secret")).expect("Base32");
    let spare = Person { secret, ..person };
    server.sign_in(&spare, &spare.code(0));
    let uri = countersign(&["enrol", "alice", "--uri", "--data", text], "").stdout;
    assert!(uri.starts_with("otpauth://totp/Countersign:alice?"), "{uri}");
    assert_eq!(countersign(&["enrol", "nobody", "--data", text], "").code, 1);
    server.stop();
}

#[test]
fn trust_shows_the_authority_from_the_folder_and_from_the_wire() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    assert_eq!(
        countersign(&["trust", "--data", text], "").code,
        3,
        "nothing is made yet"
    );
    let server = Server::start_with(&data, &[]);
    let own = json_of(&["trust", "--json", "--data", text], "");
    let fetched = json_of(
        &[
            "trust",
            &server.url,
            "--json",
            "--fingerprint",
            &server.fingerprint,
        ],
        "",
    );
    assert_eq!(own["fingerprint"], json!(server.fingerprint));
    assert_eq!(fetched["fingerprint"], own["fingerprint"]);
    let other = "0".repeat(64);
    assert_eq!(
        countersign(&["trust", &server.url, "--fingerprint", &other], "").code,
        1
    );
    let url = server.url.clone();
    server.stop();
    assert_eq!(
        countersign(&["trust", &url], "").code,
        3,
        "nobody answers any more"
    );
}

#[test]
fn drawn_secrets_are_strong_and_never_the_same() {
    let draw = |bytes: &str| countersign(&["secret", "--bytes", bytes], "").stdout;
    let (first, second) = (draw("20"), draw("20"));
    assert_eq!((first.trim().len(), first == second), (32, false));
    assert_eq!(countersign(&["secret", "--bytes", "19"], "").code, 2);
    assert_eq!(json_of(&["secret", "--json"], "")["bytes"], json!(20));
}

#[test]
fn command_line_describes_itself_to_shells_and_readers() {
    let folder = Folder::fresh();
    for shell in ["bash", "zsh", "fish"] {
        let ended = countersign(&["completions", shell], "");
        assert!(ended.code == 0 && ended.stdout.contains("setup-link"), "{shell}");
    }
    let out = folder.0.join("man");
    let ended = countersign(&["man", "--out", out.to_str().expect("UTF-8")], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for page in ["countersign.1", "countersign-user-add.1"] {
        assert!(out.join(page).exists(), "{page}");
    }
}

#[test]
fn bench_measures_in_a_folder_of_its_own_and_removes_it() {
    let folder = Folder::fresh();
    let place = folder.0.to_str().expect("UTF-8");
    let figures = json_of(&["bench", "--json", "--folder", place], "");
    for figure in [
        "password_hash_ms",
        "processors",
        "code_verification_ns",
        "disk_writes_per_s",
        "commits_per_s",
    ] {
        assert!(
            figures[figure].as_f64().is_some_and(|number| number > 0.0),
            "{figures}"
        );
    }
    let left = std::fs::read_dir(&folder.0).expect("the folder is there").count();
    assert_eq!(left, 0);
    let ended = countersign(&["bench", "--folder", "/nowhere"], "");
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("/nowhere") && ended.stderr.contains("--folder"));
}
