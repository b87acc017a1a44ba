//! Both neighbours of a proxy and its client, byte by byte: a client library would tidy up what is tested here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server behind the proxy that keeps what it was asked, names of headers in lower case.
pub struct Neighbour {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Neighbour {
    fn start(answer: fn(&str, &mut TcpStream)) -> Neighbour {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (asked, stopped) = (asked.clone(), stopped.clone());
            move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut stream = stream.expect("a connection");
                    let asked = asked.clone();
                    std::thread::spawn(move || {
                        stream
                            .set_read_timeout(Some(PATIENCE))
                            .expect("it can be bounded");
                        if let Some(message) = read_message(&mut stream) {
                            let message = lowered(&message);
                            asked.lock().expect("no panic").push(message.clone());
                            answer(&message, &mut stream);
                        }
                    });
                }
            }
        });
        Neighbour {
            port,
            asked,
            stopped,
            thread,
        }
    }

    /// What it was asked since the last look.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no panic"))
    }

    /// The same, where it was asked once.
    pub fn take_one(&self) -> String {
        let mut taken = self.take();
        assert_eq!(taken.len(), 1, "{taken:#?}");
        taken.remove(0)
    }

    /// Ends it; its port is closed then.
    pub fn end(self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.join().expect("it ends");
    }
}

/// An application that says yes to everything, and repeats what it hears over a socket.
pub fn application() -> Neighbour {
    Neighbour::start(|asked, stream| {
        if !asked.contains("\r\nupgrade: websocket\r\n") {
            return say(stream, "200 OK", "", "the application");
        }
        // The key of the request and its answer are the example of RFC 6455 §1.3.
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let mut heard = [0; 64];
        let _ = stream.write_all(head.as_bytes());
        while let Ok(count @ 1..) = stream.read(&mut heard) {
            let _ = stream.write_all(&heard[..count]);
        }
    })
}

/// Answers as docs/protocol/forward-auth.md has it; the cookie says what.
pub fn guard() -> Neighbour {
    Neighbour::start(|asked, stream| {
        if asked.starts_with("GET /.countersign/") {
            return say(stream, "200 OK", "", "our own");
        }
        let answer = asked
            .split_once("answer=")
            .map_or("", |(_, rest)| rest.lines().next().unwrap_or(""));
        let is_browser = asked.contains("\r\nx-forwarded-method: GET\r\n") && asked.contains("text/html");
        let may_redirect = asked.starts_with("GET /forward-auth/redirect ") && is_browser;
        let location = "https://app.example.org/.countersign/begin?to=%2Fx";
        let identity = "Remote-User: alice\r\nRemote-Groups: staff,admins\r\nRemote-Acr: cs:2\r\n";
        let step_up = format!(
            "WWW-Authenticate: Bearer error=\"insufficient_user_authentication\", acr_values=\"cs:2\"\r\n\
             X-Countersign-Location: {location}\r\nContent-Type: application/json\r\n"
        );
        let sign_in = format!("WWW-Authenticate: Bearer\r\nX-Countersign-Location: {location}\r\n");
        match answer {
            "pass" => say(stream, "204 No Content", identity, ""),
            "public" => say(stream, "204 No Content", "", ""),
            "sign-in" | "step-up" if may_redirect => {
                say(stream, "302 Found", &format!("Location: {location}\r\n"), "")
            }
            "sign-in" => say(stream, "401 Unauthorized", &sign_in, "{}"),
            "step-up" => say(
                stream,
                "403 Forbidden",
                &step_up,
                "{\"code\":\"ELEVATION_REQUIRED\"}",
            ),
            "deny" => say(stream, "403 Forbidden", "", "{}"),
            "broken" => say(stream, "400 Bad Request", "", "{}"),
            _ => say(stream, "503 Service Unavailable", "Retry-After: 1\r\n", "{}"),
        }
    })
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = match status.starts_with("204") {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    let text = format!("HTTP/1.1 {status}\r\n{headers}{length}Connection: close\r\n\r\n{body}");
    // Whoever went away meanwhile is no concern of the test.
    let _ = stream.write_all(text.as_bytes());
}

/// What a client got.
pub struct Answer {
    pub status: u16,
    /// The whole of it, names of headers in lower case.
    pub text: String,
}

/// Sends bytes as they are; what comes back, a status of 0 where that is nothing.
pub fn ask(port: u16, request: &str) -> Answer {
    let mut stream = connect(port);
    stream.write_all(request.as_bytes()).expect("the proxy reads");
    let text = lowered(&read_message(&mut stream).unwrap_or_default());
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Answer { status, text }
}

/// Asks for an upgrade, sends bytes over it, and returns what comes back.
pub fn upgraded(port: u16, request: &str, sent: &[u8]) -> Vec<u8> {
    let mut stream = connect(port);
    stream.write_all(request.as_bytes()).expect("the proxy reads");
    let head = read_message(&mut stream).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(sent).expect("the socket is open");
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).expect("the application answers");
    back
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it can be bounded");
    stream
}

/// Reads a head and as much of a body as it announces, and no byte more; none when there is no whole head.
fn read_message(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    bytes.extend(body);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same with names of headers in lower case; values and body stay as they are.
fn lowered(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let lines = head
        .split("\r\n")
        .enumerate()
        .map(|(index, line)| match line.split_once(':') {
            Some((name, value)) if index > 0 => format!("{}: {}", name.to_ascii_lowercase(), value.trim()),
            _ => line.to_owned(),
        });
    format!("{}\r\n\r\n{body}", lines.collect::<Vec<_>>().join("\r\n"))
}

/// Every header that an application could take for one of ours, however it is spelled, in order.
pub fn identity(head: &str) -> Vec<(String, String)> {
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let plain = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let pairs = pairs.map(|(name, value)| (plain(name), value.to_owned()));
    let mut found: Vec<_> = pairs.filter(|(name, _)| name.starts_with("remote")).collect();
    found.sort();
    found
}
