//! What happened and who is held off, as the command line finds it: from a running server and from a resting folder.

use std::path::Path;

use serde_json::{Value, json};

use crate::world::{Ended, Folder, Person, Server, countersign};

fn run(data: &Path, arguments: &[&str]) -> Ended {
    let data = data.to_str().expect("the path is UTF-8");
    countersign(&[arguments, &["--data", data]].concat(), "")
}

/// Lines of JSON that a command printed.
fn lines(data: &Path, arguments: &[&str]) -> Vec<Value> {
    let ended = run(data, &[arguments, &["--json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let parsed = ended.stdout.lines().map(serde_json::from_str);
    parsed.collect::<Result<_, _>>().expect("every line is JSON")
}

/// Wrong passwords for a name.
fn guess(server: &Server, name: &str, times: usize) {
    for _ in 0..times {
        let body = json!({ "username": name, "password": "guess" });
        assert_eq!(server.post("/api/auth/login", None, &body).0, 401);
    }
}

#[test]
fn search_and_timeline_tell_of_a_sign_in_and_of_a_used_code() {
    let folder = Folder::fresh();
    let data = folder.data();
    let person = Person::add(&data, "alice");
    let server = Server::start(&data);
    let code = person.code(0);
    server.sign_in(&person, &code);
    assert_eq!(server.verify(&server.login("alice"), &code).0, 401);
    guess(&server, "nobody", 1);

    let search = |more: &[&str]| lines(&data, &[&["audit", "search"], more].concat());
    let acts = |found: &[Value]| {
        let acts = found
            .iter()
            .map(|entry| entry["act"].as_str().expect("an act").to_owned());
        acts.collect::<Vec<_>>()
    };
    let of_alice = search(&["--subject", "Alice", "--since", "1h"]);
    let expected = ["code_check", "password_check", "sign_in", "password_check"];
    assert_eq!(acts(&of_alice)[..4], expected, "the latest first");
    let used = search(&["--reason", "code_already_used"]);
    assert_eq!((used.len(), &used[0]["subject"]), (1, &json!("alice")));
    let unknown = search(&[
        "--subject",
        "nobody",
        "--source",
        "127.0.0.1",
        "--result",
        "refused",
    ]);
    assert_eq!(
        (unknown.len(), &unknown[0]["reason"]),
        (1, &json!("unknown_name"))
    );
    assert_eq!(search(&["--until", "1h"]), Vec::<Value>::new());
    let wrong = run(&data, &["audit", "search", "--act", "signin"]);
    assert_eq!(wrong.code, 1);
    assert!(
        wrong
            .stderr
            .contains("act: there is none of that name; there are password_check,"),
        "{}",
        wrong.stderr
    );

    let all = search(&["--limit", "1000"]);
    let first = run(&data, &["audit", "search", "--limit", "2", "--json"]);
    let (_, cursor) = first
        .stderr
        .trim()
        .rsplit_once("--cursor ")
        .expect("there are older ones");
    let rest = search(&["--limit", "1000", "--cursor", cursor]);
    assert_eq!(rest, all[2..], "a cursor goes on where it stopped");

    server.stop();
    let timeline = lines(&data, &["audit", "timeline", "--since", "1h"]).remove(0);
    let sum = |what: &str| {
        let buckets = timeline["buckets"].as_array().expect("a list").iter();
        buckets
            .map(|bucket| bucket[what].as_u64().expect("a number"))
            .sum::<u64>()
    };
    let sums = ["sign_ins", "replays", "refusals", "step_ups", "throttled"].map(sum);
    assert_eq!(sums, [1, 1, 1, 0, 0], "{timeline}");
    let drawn = run(&data, &["audit", "timeline"]);
    assert_eq!(drawn.stdout.lines().count(), 6, "{}", drawn.stdout);
    let picture = folder.0.join("timeline.svg");
    let drawn = run(
        &data,
        &["audit", "timeline", "--svg", picture.to_str().expect("UTF-8")],
    );
    assert_eq!(drawn.code, 0, "{}", drawn.stderr);
    let svg = std::fs::read_to_string(picture).expect("it was written");
    assert!(svg.starts_with("<svg") && svg.contains("Used codes: 1"), "{svg}");
}

#[test]
fn who_is_held_off_is_seen_and_let_in_again() {
    let folder = Folder::fresh();
    let data = folder.data();
    Person::add(&data, "alice");
    Person::add(&data, "bob");
    Person::add(&data, "carol");
    let server = Server::start(&data);
    let list = || lines(&data, &["throttle", "list"]);
    assert_eq!(list(), Vec::<Value>::new());
    // Five failures of one source are that source's; the account closes to strangers at twenty.
    guess(&server, "alice", 5);
    assert_eq!(list(), Vec::<Value>::new());
    let wrong_code = |name: &str| {
        let challenge = server.login(name);
        assert_eq!(server.verify(&challenge, "00000000").0, 401);
    };
    (0..3).for_each(|_| wrong_code("bob"));
    let [bob] = &list()[..] else {
        panic!("one account is nearly closed");
    };
    let code = &bob["credentials"][0];
    assert_eq!(
        (
            &bob["name"],
            &code["credential"],
            &code["state"],
            &code["strangers"]
        ),
        (&json!("bob"), &json!("code"), &json!("nearly_closed"), &json!(3))
    );
    (0..2).for_each(|_| wrong_code("bob"));
    assert_eq!(list()[0]["credentials"][0]["state"], "locked");
    let told = run(&data, &["throttle", "list"]);
    assert!(
        told.stdout.starts_with(
            "bob  code  strangers are locked out for a while: 5 of 5 failures of strangers, until 20"
        ),
        "{}",
        told.stdout
    );
    assert!(told.stderr.contains(" of 65536 entries"), "{}", told.stderr);
    assert_eq!(run(&data, &["throttle", "lift", "bob"]).code, 0);
    assert_eq!(list(), Vec::<Value>::new());

    // Ten failures so far; sixty over all names close the source.
    for name in 0..10 {
        guess(&server, &format!("nobody{name}"), 5);
    }
    let right = json!({ "username": "carol", "password": crate::world::PASSWORD });
    assert_eq!(server.post("/api/auth/login", None, &right).0, 429);
    let lift = |source: &str| run(&data, &["throttle", "lift", "--source", source]);
    assert_eq!(lift("127.0.0.1").code, 0);
    assert_eq!(server.post("/api/auth/login", None, &right).0, 200);
    let nothing = lift("203.0.113.7");
    assert_eq!(
        (nothing.code, nothing.stderr.trim()),
        (1, "countersign: nothing is held against 203.0.113.7")
    );
    assert_eq!(lift("everybody").code, 1);
    assert_eq!(run(&data, &["throttle", "lift"]).code, 2);
    let lifted = lines(&data, &["audit", "search", "--act", "throttle_lift"]);
    assert_eq!((lifted.len(), &lifted[0]["object"]), (2, &json!("127.0.0.1")));
    server.stop();
}
