//! The clock of the machine is set while the real server runs, and before it starts.
//!
//! Ignored unless asked for: it takes faketime, which stands between the server and its wall clock alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::world::{Folder, Person, Server, countersign};

/// Where Debian keeps the library.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// Time steps in an hour.
const HOUR: i64 = 120;

/// A wall clock that a test sets.
struct Hands(PathBuf);

impl Hands {
    fn new(folder: &Folder) -> Hands {
        let hands = Hands(folder.0.join("clock"));
        hands.set(0);
        hands
    }

    /// So many seconds before or after the machine's.
    fn set(&self, seconds: i64) {
        // It is read at every look, and half a number would be another one.
        let beside = self.0.with_extension("new");
        let written = std::fs::write(&beside, format!("{seconds:+}\n"));
        let replaced = written.and_then(|()| std::fs::rename(&beside, &self.0));
        replaced.expect("the folder can be written");
    }

    fn environment(&self) -> [(&str, &str); 4] {
        [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", self.0.to_str().expect("UTF-8")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    fn start(&self, data: &Path) -> Server {
        Server::start_at("127.0.0.1:0", data, &["--tls", "off"], &self.environment())
    }

    /// What a server says that does not start by this clock.
    fn refused(&self, data: &Path) -> String {
        let serve = ["serve", "--tls", "off", "--listen", "127.0.0.1:0", "--data"];
        let ended = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(serve)
            .arg(data)
            .envs(self.environment())
            .output()
            .expect("the binary starts");
        let said = String::from_utf8(ended.stderr).expect("UTF-8");
        assert_eq!(ended.status.code(), Some(4), "{said}");
        said
    }
}

fn accept(data: &Path) {
    let ended = countersign(&["clock", "accept", "--data", data.to_str().expect("UTF-8")], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

/// Nothing is decided, and whoever asks is told why.
fn assert_doubted(server: &Server, data: &Path, person: &Person, session: &str) {
    assert_eq!(server.get_bare("/readyz"), 503);
    assert_eq!(server.get_bare("/healthz"), 200);
    let login = json!({ "username": person.name, "password": crate::world::PASSWORD });
    let (status, answer) = server.post("/api/auth/login", None, &login);
    assert_eq!((status, &answer["code"]), (503, &json!("clock")), "{answer}");
    let (status, answer) = server.get("/api/dashboard", session);
    assert_eq!((status, &answer["code"]), (503, &json!("clock")), "{answer}");
    let ended = countersign(&["clock", "status", "--data", data.to_str().expect("UTF-8")], "");
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("countersign clock accept"),
        "{}",
        ended.stderr
    );
}

fn verify(server: &Server, person: &Person, code: &str) -> u16 {
    server.verify(&server.login(&person.name), code).0
}

#[test]
#[ignore = "needs faketime"]
fn clock_steps_under_faketime_are_doubted_and_bring_no_used_code_back() {
    let folder = Folder::fresh();
    let (data, hands) = (folder.data(), Hands::new(&folder));
    let person = Person::add(&data, "alice");
    let server = hands.start(&data);
    let used = person.code(0);
    let session = server.sign_in(&person, &used);

    hands.set(20);
    assert_eq!(
        server.get_bare("/readyz"),
        200,
        "a step within the bound is believed"
    );
    assert_eq!(
        verify(&server, &person, &used),
        401,
        "and brings no used code back"
    );
    hands.set(0);
    assert_eq!(server.get_bare("/readyz"), 200);

    hands.set(-3600);
    assert_doubted(&server, &data, &person, &session);
    hands.set(0);
    assert_doubted(&server, &data, &person, &session);
    accept(&data);
    assert_eq!(
        server.get_bare("/readyz"),
        200,
        "an operator's word is what it takes"
    );
    assert_eq!(server.get("/api/dashboard", &session).0, 200);
    assert_eq!(verify(&server, &person, &used), 401, "a code worked twice");

    hands.set(3600);
    assert_doubted(&server, &data, &person, &session);
    accept(&data);
    let later = person.code(HOUR);
    assert_eq!(
        verify(&server, &person, &later),
        200,
        "the server lives an hour ahead"
    );
    server.stop();

    hands.set(0);
    let said = hands.refused(&data);
    assert!(said.contains("countersign clock accept"), "{said}");
    accept(&data);
    let server = hands.start(&data);
    for code in [&used, &later, &person.code(0), &person.code(1)] {
        assert_eq!(
            verify(&server, &person, code),
            401,
            "what lies before the last accepted step is used up"
        );
    }
    let backup = &person.backup_codes[0];
    assert_eq!(
        verify(&server, &person, backup),
        200,
        "a backup code knows no time"
    );
    assert_eq!(verify(&server, &person, backup), 401);
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");

    // Before 2020: the machine has no battery and has asked nobody for the time.
    hands.set(-600_000_000);
    let said = hands.refused(&data);
    assert!(said.contains("the clock is not set"), "{said}");
    println!("4 clock_steps");
}
