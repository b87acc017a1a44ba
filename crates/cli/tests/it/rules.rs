//! Rules of protected applications as an operator meets them: checked, explained, read anew.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Folder, Person, Server, audit, countersign};

const RULES: &str = "[[host]]\nname = 'app.example.org'\n\n\
    [[host.rule]]\npath = '/admin/*'\ngroups = ['admins']\nacr = 'cs:2'\n\n\
    [[host.rule]]\npath = '/health'\nallow = 'public'\n\n\
    [[host.rule]]\npath = '/*'\nmethods = ['GET']\n";

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

#[test]
fn mistake_in_rules_is_named_by_line_and_field_and_ends_with_2() {
    let folder = Folder::fresh();
    let file = folder.0.join("rules.toml");
    std::fs::write(&file, RULES).expect("it can be written");
    let ended = countersign(&["rules", "check", text(&file)], "");
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, &*format!("{}: right, 1 hosts\n", text(&file)))
    );
    std::fs::write(&file, RULES.replace("cs:2", "cs:9")).expect("it can be written");
    let ended = countersign(&["rules", "check", text(&file)], "");
    let expected = format!(
        "countersign: {}: line 7: host.rule.acr: \"cs:9\" is no level; write cs:1 or cs:2\n",
        text(&file)
    );
    assert_eq!((ended.code, ended.stderr), (2, expected));
    let data = folder.data();
    let served = countersign(
        &[
            "serve",
            "--data",
            text(&data),
            "--listen",
            "127.0.0.1:0",
            "--rules",
            text(&file),
        ],
        "",
    );
    assert_eq!(served.code, 2, "{}", served.stderr);
    assert!(
        served.stderr.contains("line 7: host.rule.acr"),
        "{}",
        served.stderr
    );
    let missing = folder.0.join("nowhere.toml");
    let served = countersign(
        &[
            "serve",
            "--data",
            text(&data),
            "--listen",
            "127.0.0.1:0",
            "--rules",
            text(&missing),
        ],
        "",
    );
    assert_eq!(
        served.code, 3,
        "a file that was named must be there: {}",
        served.stderr
    );
    assert!(served.stderr.contains("nowhere.toml"), "{}", served.stderr);
}

#[test]
fn rule_that_counts_is_explained_with_what_a_person_lacks() {
    let folder = Folder::fresh();
    let data = folder.data();
    Person::add(&data, "alice");
    std::fs::write(data.join("rules.toml"), RULES).expect("it can be written");
    let explain = |url: &str, options: &[&str]| {
        let given = ["rules", "explain", url, "--json", "--data", text(&data)];
        let ended = countersign(&[&given[..], options].concat(), "");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        serde_json::from_str::<Value>(&ended.stdout).expect("JSON")
    };
    assert_eq!(
        explain("https://app.example.org/admin/x?y", &["--user", "alice"]),
        json!({
            "host": "app.example.org", "line": 4, "allow": "signed_in", "groups": ["admins"], "acr": "cs:2",
            "session_s": 86_400,
            "user": "does not pass: in none of the groups",
        })
    );
    assert_eq!(
        explain("https://app.example.org", &["--user", "alice"])["user"],
        "passes with one factor"
    );
    assert_eq!(explain("https://app.example.org/health", &[])["allow"], "public");
    assert_eq!(
        explain("https://app.example.org/", &["--method", "POST"])["allow"],
        "deny"
    );
    assert_eq!(
        explain("https://app.example.org//admin", &[])["why"],
        "the path: it has an empty segment"
    );
    assert_eq!(
        explain("https://other.example.org/", &[])["why"],
        "no rule names the host"
    );
}

/// Waits until the audit has so many entries about rules, and says how each ended.
fn reloads(data: &Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let entries = audit(data);
        let about = entries.iter().filter(|entry| entry["act"] == "rules_reload");
        let found: Vec<String> = about
            .map(|entry| entry["result"].as_str().expect("a text").to_owned())
            .collect();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "the server did not hear: {found:?}");
    }
}

#[test]
fn rules_are_read_anew_on_sighup_and_broken_ones_leave_the_old_ones() {
    let folder = Folder::fresh();
    let data = folder.data();
    let server = Server::start(&data);
    let file = data.join("rules.toml");
    std::fs::write(&file, RULES).expect("it can be written");
    server.hang_up();
    assert_eq!(reloads(&data, 1), ["success"]);
    std::fs::write(&file, "[[host]]\nnome = 'a'\n").expect("it can be written");
    server.hang_up();
    assert_eq!(reloads(&data, 2), ["success", "refused"]);
    std::fs::remove_file(&file).expect("it is there");
    server.hang_up();
    assert_eq!(reloads(&data, 3), ["success", "refused", "success"]);
    let log = server.stop();
    assert!(log.contains("line 2: unknown field `nome`"), "{log}");
}
