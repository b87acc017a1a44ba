//! Requests that no well-behaved client sends, drawn from a seed.

use countersign_testkit::SeededChance;

/// What a request may be aimed at: a method and a path template.
pub struct Route {
    pub method: String,
    pub path: String,
}

/// A request as bytes, and what is still known of it.
pub struct Nonsense {
    pub bytes: Vec<u8>,
    /// The route, when request line and framing were left whole.
    pub whole: bool,
}

/// Things that a client would have to be given to show.
pub struct Shown<'a> {
    pub session: &'a str,
    pub challenge: &'a str,
}

const MEMBERS: [&str; 22] = [
    "username",
    "password",
    "challenge_token",
    "totp_code",
    "label",
    "code",
    "current_password",
    "new_password",
    "ticket",
    "action",
    "deny",
    "number",
    "request_token",
    "name",
    "groups",
    "role",
    "claims",
    "people",
    "value",
    "after",
    "__proto__",
    "",
];

/// Values of the wrong type, in other scripts, too large or of no meaning; each is JSON or nearly so.
const VALUES: [&str; 27] = [
    "null",
    "true",
    "0",
    "-0",
    "123456",
    "1e400",
    "-1.5E-7",
    "01",
    "NaN",
    "[]",
    "{}",
    "[\"123456\"]",
    "{\"code\":\"123456\"}",
    "\"\"",
    "\"123456\"",
    "\"123456abc\"",
    "\"+12345\"",
    "\"１２３４５６\"",
    "\"١٢٣٤٥٦\"",
    "\"12\u{200b}3456\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\u{202e}alice\"",
    "\"' OR '1'='1\"",
    "\"../../../../etc/passwd\"",
    "\"\\x41\"",
    "'123456'",
];

/// Parameters that routes know, beside one that none does.
const PARAMETERS: [&str; 14] = [
    "since", "until", "buckets", "cursor", "subject", "act", "source", "after", "matching", "to", "acr",
    "max_age", "host", "none",
];

/// Values at the ends of what a parameter may be, and beyond.
const ENDS: [&str; 10] = [
    "0",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "1h",
    "999999999999999999d",
    "2026-11-21T08:00:00Z",
    "1.2.node",
    "//elsewhere.example",
    "%00",
];

const CONTENT_TYPES: [&str; 9] = [
    "application/json",
    "application/json",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=",
    "text/plain",
    "application/jsonp",
    "\u{fffd}",
];

const PATHS: [&str; 8] = [
    "%FF",
    "%00",
    "..%2f..%2fetc%2fpasswd",
    "%",
    "１２３",
    "00000000",
    "-1",
    "a/b//c",
];

/// Draws one request at a route.
pub fn request(chance: &mut SeededChance, route: &Route, shown: &Shown<'_>) -> Nonsense {
    let method = match chance.below(8) {
        0 => pick(
            chance,
            &["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW"],
        )
        .to_owned(),
        _ => route.method.clone(),
    };
    let (path, whole_path) = path(chance, &route.path);
    let body = body(chance, shown);
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").into_bytes();
    let content_type = pick(chance, &CONTENT_TYPES);
    head.extend(format!("content-type: {content_type}\r\n").bytes());
    credentials(chance, route, shown, &mut head);
    let framed = frame(chance, &mut head, &body);
    let mut whole = whole_path && method == route.method && framed;
    if chance.below(8) == 0 {
        damage(chance, &mut head);
        whole = false;
    }
    Nonsense { bytes: head, whole }
}

fn pick<'a>(chance: &mut SeededChance, from: &[&'a str]) -> &'a str {
    let at = chance.below(from.len() as u64);
    from[usize::try_from(at).expect("an index")]
}

fn length(chance: &mut SeededChance, below: u64) -> usize {
    usize::try_from(chance.below(below)).expect("a short length")
}

/// A path of the route, and whether it still is one.
fn path(chance: &mut SeededChance, template: &str) -> (String, bool) {
    let id = pick(chance, &PATHS);
    let long = "a".repeat(length(chance, 5_000));
    let filled = match chance.below(4) {
        0 => fill(template, &long),
        _ => fill(template, id),
    };
    if chance.below(3) == 0 {
        let pairs =
            (0..=chance.below(3)).map(|_| format!("{}={}", pick(chance, &PARAMETERS), pick(chance, &ENDS)));
        let query: Vec<String> = pairs.collect();
        let whole = !template.contains('{') && id.is_ascii();
        return (format!("{filled}?{}", query.join("&")), whole);
    }
    match chance.below(12) {
        0 => (format!("{filled}/{id}"), false),
        1 => (format!("{filled}?{id}={long}&&&=%"), false),
        2 => (format!("/{}", "x/".repeat(length(chance, 20_000))), false),
        3 => (format!("http://{id}{filled}"), false),
        _ => (filled, !template.contains('{') && id.is_ascii()),
    }
}

/// The path of a template, with a text at each of its places.
fn fill(template: &str, text: &str) -> String {
    let mut parts = template.split('{');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        path.push_str(text);
        path.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    path
}

fn body(chance: &mut SeededChance, shown: &Shown<'_>) -> Vec<u8> {
    let mut body = match chance.below(10) {
        0 => Vec::new(),
        1 => garbage(chance, 300),
        2 => "[".repeat(length(chance, 16_000)).into_bytes(),
        3 => "{\"a\":".repeat(length(chance, 3_000)).into_bytes(),
        4 => format!("{{\"totp_code\":\"{}\"}}", "1".repeat(length(chance, 40_000))).into_bytes(),
        _ => object(chance, shown).into_bytes(),
    };
    match chance.below(8) {
        0 => body.truncate(length(chance, body.len() as u64 + 1)),
        1 => body.extend(b"}{"),
        2 => drop(body.splice(0..0, [0xef, 0xbb, 0xbf])),
        _ => {}
    }
    body
}

/// An object whose members may be missing, unknown, twice or of another type.
fn object(chance: &mut SeededChance, shown: &Shown<'_>) -> String {
    let members: Vec<String> = (0..chance.below(5))
        .map(|_| {
            let name = pick(chance, &MEMBERS);
            let value = match (name, chance.below(3)) {
                ("challenge_token", 0 | 1) => format!("\"{}\"", shown.challenge),
                ("username", 0) => "\"alice\"".to_owned(),
                _ => pick(chance, &VALUES).to_owned(),
            };
            format!("\"{name}\":{value}")
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

fn credentials(chance: &mut SeededChance, route: &Route, shown: &Shown<'_>, head: &mut Vec<u8>) {
    // The session must outlive the run, and its elevation too, so it is not shown where either would be ended.
    let ends = ["logout", "sign-out", "step-down"]
        .iter()
        .any(|end| route.path.ends_with(end));
    let session = if ends { shown.challenge } else { shown.session };
    match chance.below(9) {
        0..4 => head.extend(format!("authorization: Bearer {session}\r\n").bytes()),
        4 => head.extend(format!("cookie: __Host-cs_session={session}\r\n").bytes()),
        5 => head.extend(b"authorization: Bearer\r\nauthorization: Basic \xff\xfe\r\n"),
        6 => head.extend(format!("authorization: Bearer {}\r\n", "z".repeat(8_000)).bytes()),
        7 => head.extend(b"cookie: __Host-cs_browser=;;;=;\xe2\x80\xae=1; __Host-cs_session\r\n"),
        _ => {}
    }
}

/// Announces a body and appends it, truthfully or not; says which.
fn frame(chance: &mut SeededChance, head: &mut Vec<u8>, body: &[u8]) -> bool {
    let announced = match chance.below(16) {
        0 => format!(
            "content-length: {}\r\n\r\n",
            body.len() + 1 + length(chance, 1_000)
        ),
        1 => "content-length: -1\r\n\r\n".to_owned(),
        2 => "content-length: 99999999999999999999\r\n\r\n".to_owned(),
        3 => format!("content-length: {}\r\ncontent-length: 1\r\n\r\n", body.len()),
        4 => "transfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        5 => "transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n".to_owned(),
        6 => format!(
            "transfer-encoding: gzip, chunked\r\ncontent-length: 3\r\n\r\n{:x}\r\n",
            body.len()
        ),
        _ => {
            head.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            head.extend(body);
            return true;
        }
    };
    head.extend(announced.bytes());
    head.extend(body);
    false
}

/// Breaks the bytes somewhere.
fn damage(chance: &mut SeededChance, bytes: &mut Vec<u8>) {
    let at = length(chance, bytes.len() as u64);
    match chance.below(6) {
        0 => bytes.truncate(at),
        1 => drop(bytes.splice(at..at, garbage(chance, 40))),
        2 => bytes[at] = 0,
        3 => drop(bytes.splice(0..0, *b"\r\n\r\n\0")),
        4 => {
            let many = "x-a: b\r\n".repeat(200).into_bytes();
            insert_header(bytes, many);
        }
        _ => {
            let long = format!("x-long: {}\r\n folded\r\n: no name\r\n", "y".repeat(20_000));
            insert_header(bytes, long.into_bytes());
        }
    }
}

fn insert_header(bytes: &mut Vec<u8>, header: Vec<u8>) {
    let line_end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    drop(bytes.splice(line_end..line_end, header));
}

fn garbage(chance: &mut SeededChance, below: u64) -> Vec<u8> {
    let mut bytes = vec![0; length(chance, below)];
    chance.fill(&mut bytes);
    bytes
}
