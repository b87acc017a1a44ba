//! How somebody comes to administer: with a link, without a browser, and again after losing everything.

use serde_json::{Value, json};

use crate::world::{Folder, PASSWORD, Server, audit, countersign};

fn json_of(arguments: &[&str], stdin: &str) -> Value {
    let ended = countersign(arguments, stdin);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("the output is JSON")
}

#[test]
fn start_without_a_terminal_names_the_command_and_issues_no_ticket() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    let server = Server::start(&folder.data());
    let link = json_of(&["setup-link", "--json", "--data", data], "");
    let base = server.url.replace("127.0.0.1", "localhost");
    let ticket = link["ticket"].as_str().expect("a ticket").to_owned();
    assert_eq!(link["link"], json!(format!("{base}/setup#{ticket}")));
    assert_eq!(link["expires_in"], json!(900));
    let log = server.stop();
    assert!(log.contains("countersign setup-link --data"), "{log}");
    assert!(!log.contains("/setup#"), "a link without a terminal: {log}");
    let issued = |entry: &&Value| entry["act"] == json!("ticket_issue");
    let tickets = audit(&folder.data()).iter().filter(issued).count();
    assert_eq!(tickets, 1, "only the one that was asked for");
}

#[test]
fn set_up_link_ends_with_the_first_administrator_and_recovery_begins() {
    let folder = Folder::fresh();
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    let made = json_of(
        &[
            "init",
            "--admin",
            "Root",
            "--password-file",
            "-",
            "--totp",
            "--json",
            "--data",
            data,
        ],
        PASSWORD,
    );
    assert_eq!(
        (&made["name"], made["backup_codes"].as_array().map(Vec::len)),
        (&json!("root"), Some(10))
    );
    assert!(
        made["otpauth_uri"]
            .as_str()
            .is_some_and(|uri| uri.starts_with("otpauth://totp/"))
    );
    let refused = |arguments: &[&str], why: &str| {
        let ended = countersign(&[arguments, &["--data", data]].concat(), PASSWORD);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    };
    refused(&["init", "--admin", "other"], "--group admin");
    refused(&["setup-link"], "countersign admin recover");
    refused(&["admin", "recover", "nobody"], "no account named nobody");
    assert_eq!(countersign(&["user", "add", "bob", "--data", data], "").code, 0);
    refused(&["admin", "recover", "bob"], "countersign user reset bob");

    let server = Server::start(&folder.data());
    let login = json!({ "username": "root", "password": PASSWORD });
    assert_eq!(server.post("/api/auth/login", None, &login).0, 200);
    let link = json_of(&["admin", "recover", "root", "--json", "--data", data], "");
    assert!(
        link["link"]
            .as_str()
            .is_some_and(|link| link.starts_with("http://localhost:")),
        "{link}"
    );
    assert_eq!(link["expires_in"], json!(900));
    assert_eq!(
        server.post("/api/auth/login", None, &login).0,
        401,
        "the lost password is void"
    );
    server.stop();
}
