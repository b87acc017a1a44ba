//! Backup and restore: made while people sign in, restored whole or not at all.

use std::path::Path;

use serde_json::json;

use crate::world::{Ended, Folder, Person, Server, countersign};

const PASSPHRASE: &str = "a passphrase that is long enough";

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn restore(file: &Path, into: &Path, options: &[&str], stdin: &str) -> Ended {
    let arguments = ["restore", text(file), "--data", text(into)];
    countersign(&[&arguments, options].concat(), stdin)
}

#[test]
fn backup_of_a_running_server_is_restored_with_sessions_keys_and_certificate() {
    let folder = Folder::fresh();
    let data = folder.data();
    let alice = Person::add(&data, "alice");
    let server = Server::start_with(&data, &[]);
    let fingerprint = server.fingerprint.clone();
    let rules = "[[host]]\nname = 'app.example.org'\n";
    std::fs::write(data.join("rules.toml"), rules).expect("it can be written");
    let (ringed, phrased) = (folder.0.join("ringed"), folder.0.join("phrased"));
    let made = countersign(&["backup", text(&ringed), "--data", text(&data)], "");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let options = [
        "backup",
        text(&phrased),
        "--passphrase-file",
        "-",
        "--json",
        "--data",
        text(&data),
    ];
    let made = countersign(&options, PASSPHRASE);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let again = countersign(&options, PASSPHRASE);
    assert_eq!(again.code, 3, "an existing file is never written over");
    server.stop();
    let left = std::fs::read_dir(&data).expect("the folder is there");
    let copies = left.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().starts_with("copy-")
    });
    assert_eq!(copies.count(), 0, "no copy in clear is left behind");

    let (first, second) = (folder.0.join("first"), folder.0.join("second"));
    let ring = data.join("keys/ring");
    let restored = restore(&ringed, &first, &["--keys-file", text(&ring)], "");
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let restored = restore(&phrased, &second, &["--passphrase-file", "-"], PASSPHRASE);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    for copy in [&first, &second] {
        let kept = std::fs::read_to_string(copy.join("rules.toml"));
        assert_eq!(kept.expect("rules are restored"), rules);
        let verified = countersign(&["audit", "verify", "--data", text(copy)], "");
        assert_eq!(verified.code, 0, "{}", verified.stderr);
        let server = Server::start_with(copy, &[]);
        assert_eq!(server.fingerprint, fingerprint, "what was pinned stays pinned");
        server.stop();
        let server = Server::start(copy);
        server.sign_in(&alice, &alice.code(0));
        server.stop();
        let again = restore(&phrased, copy, &["--passphrase-file", "-"], PASSPHRASE);
        assert_eq!(again.code, 1, "a folder that holds something is left alone");
    }
}

#[test]
fn altered_cut_or_foreign_backup_leaves_no_folder() {
    let folder = Folder::fresh();
    let data = folder.data();
    Person::add(&data, "alice");
    let file = folder.0.join("backup");
    let options = [
        "backup",
        text(&file),
        "--passphrase-file",
        "-",
        "--data",
        text(&data),
    ];
    assert_eq!(countersign(&options, "short").code, 2);
    assert_eq!(countersign(&options, PASSPHRASE).code, 0);
    let whole = std::fs::read(&file).expect("the backup is there");
    for secret in ["otpauth", "alice", "countersign.db", "seal k"] {
        let found = whole
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} stands in the backup in clear");
    }
    let (into, broken) = (folder.0.join("into"), folder.0.join("broken"));
    let refused = |bytes: &[u8], stdin: &str| {
        std::fs::write(&broken, bytes).expect("it can be written");
        let ended = restore(&broken, &into, &["--passphrase-file", "-"], stdin);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(!into.exists() && !folder.0.join("into.restoring").exists());
        assert!(!ended.stderr.contains(PASSPHRASE));
    };
    for at in [0, 30, 100, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        refused(&flipped, PASSPHRASE);
    }
    refused(&whole[..whole.len() - 20], PASSPHRASE);
    refused(&whole, "another passphrase, long enough");
    refused(json!({}).to_string().as_bytes(), PASSPHRASE);
    let ring = data.join("keys/ring");
    let ended = restore(&file, &into, &["--keys-file", text(&ring)], "");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("--passphrase-file"), "{}", ended.stderr);
}
