//! Whatever is sent to the HTTP door is answered by what is wrong with it: never by a fault, a hang or an end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use countersign_testkit::SeededChance;
use serde_json::{Value, json};

use crate::nonsense::{Nonsense, Route, Shown, request};
use crate::world::{Folder, Person, Server, administrator};

/// Requests of a plain run; `COUNTERSIGN_BAD_INPUTS` asks for another number.
const REQUESTS: u32 = 2_000;
/// Longer than any bound the server sets itself: whoever waits this long would wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests up to this many bytes are always read whole. What is refused before its body was read loses the
/// answer in the reset that closing a connection with unread bytes is on TCP.
const SURELY_ANSWERED: usize = 4_096;

/// Routes that stand beside the described ones: older names, pages, and what proxies ask. They are read from the door's
/// own text, so that none can be forgotten here.
fn undescribed() -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    let door = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/door/http");
    let mut folders = vec![door];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the door can be read") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                routes.extend(declared(&text));
            }
        }
    }
    routes
}

/// The methods and paths of `.route("PATH", get(…).post(…))`.
fn declared(text: &str) -> Vec<(String, String)> {
    let mut routes = Vec::new();
    for declaration in text.split(".route(").skip(1) {
        let mut parts = declaration.splitn(3, '"');
        let (Some(""), Some(path), Some(rest)) = (parts.next().map(str::trim), parts.next(), parts.next())
        else {
            continue;
        };
        let rest = rest.split(".layer(").next().unwrap_or(rest);
        for (method, handler) in [("GET", "get("), ("POST", "post(")] {
            if rest.contains(handler) {
                routes.push((method.to_owned(), path.to_owned()));
            }
        }
    }
    routes
}

/// The statuses the served description gives each route.
type Described = BTreeMap<(String, String), BTreeSet<u16>>;

fn described(server: &Server) -> Described {
    let (status, document) = server.get("/openapi.json", "");
    assert_eq!(status, 200);
    let paths = document["paths"].as_object().expect("paths");
    let mut described = Described::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let answers = operation["responses"].as_object().expect("answers");
            let statuses = answers.keys().map(|status| status.parse().expect("a status"));
            described.insert((method.to_uppercase(), path.clone()), statuses.collect());
        }
    }
    described
}

/// Sends bytes as they are; the answer's status, and whether the routes (and not the framing) gave it. None
/// when the connection was closed without an answer.
fn send(server: &Server, nonsense: &Nonsense) -> Option<(u16, bool)> {
    let address = server.url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the server accepts connections");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    // The server may answer and close before everything is read; that is its right.
    let _ = stream.write_all(&nonsense.bytes);
    if !nonsense.whole {
        // What was announced and is not coming would be waited for. A client that leaves is not answered.
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!(
                "the server hangs ({error}) on {}",
                String::from_utf8_lossy(&nonsense.bytes)
            ),
        }
    }
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    let status = head.strip_prefix("http/1.")?.get(2..5)?.parse().ok()?;
    Some((status, head.contains("x-request-id: ")))
}

#[test]
fn nonsense_is_answered_by_a_described_refusal_and_never_by_a_fault() {
    let asked = std::env::var("COUNTERSIGN_BAD_INPUTS").map_or(REQUESTS, |text| {
        text.parse().expect("COUNTERSIGN_BAD_INPUTS is a number")
    });
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    administrator(&folder, "alice");
    let server = Server::start(&folder.data());
    let session = server.elevated(&person);
    let challenge = server.login("alice");
    let shown = Shown {
        session: &session,
        challenge: &challenge,
    };
    let described = described(&server);
    let undescribed = undescribed();
    assert!(undescribed.len() > 50, "{undescribed:?}");
    let routes: Vec<Route> = described
        .keys()
        .cloned()
        .chain(undescribed)
        .map(|(method, path)| Route { method, path })
        .collect();

    let mut chance = SeededChance::from_environment_or(20_261_121);
    let mut seen = BTreeMap::<u16, u32>::new();
    for _ in 0..asked {
        let at = usize::try_from(chance.below(routes.len() as u64)).expect("an index");
        let route = &routes[at];
        let nonsense = request(&mut chance, route, &shown);
        let text =
            || String::from_utf8_lossy(&nonsense.bytes[..nonsense.bytes.len().min(2_000)]).into_owned();
        let Some((status, by_route)) = send(&server, &nonsense) else {
            let answer_is_due = nonsense.whole && nonsense.bytes.len() <= SURELY_ANSWERED;
            assert!(!answer_is_due, "no answer to {}", text());
            *seen.entry(0).or_default() += 1;
            continue;
        };
        assert!(status < 500, "{status} to {}", text());
        if let (true, Some(statuses)) = (
            nonsense.whole && by_route,
            described.get(&(route.method.clone(), route.path.clone())),
        ) {
            assert!(
                statuses.contains(&status),
                "{status} is not described: {}",
                text()
            );
        }
        *seen.entry(status).or_default() += 1;
    }
    println!("{asked} requests, 0 failures; answers by status (0: closed): {seen:?}");
    assert_eq!(server.get("/healthz", "").0, 200);
    assert_eq!(server.get("/api/sessions", &session).0, 200, "the session lives");
    let log = server.stop();
    assert!(!log.contains("panicked"), "a thread panicked");
}

#[test]
fn code_that_is_no_ascii_code_is_malformed_and_not_counted() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let challenge = server.login("alice");
    let full_width: String = person
        .code(0)
        .chars()
        .map(|digit| char::from_u32(u32::from(digit) + 0xfee0).expect("a full-width digit"))
        .collect();
    let codes = [
        json!(full_width),
        json!("١٢٣٤٥٦"),
        json!("1".repeat(10_000)),
        json!("123456abc"),
        json!("+123456"),
        json!("12\u{200b}3456"),
        json!("123456\0"),
        json!(""),
        Value::Null,
        json!(123_456),
        json!(["123456"]),
    ];
    for code in codes {
        let (status, body) = server.post(
            "/api/auth/verify",
            None,
            &json!({ "challenge_token": challenge, "totp_code": code }),
        );
        assert_eq!(status, 400, "{body}");
        assert!(
            !body.to_string().contains("123456"),
            "input is not repeated: {body}"
        );
    }
    let (status, body) = server.verify(&challenge, &person.code(0));
    assert_eq!(status, 200, "eleven malformed codes count for nothing: {body}");
    server.stop();
}
