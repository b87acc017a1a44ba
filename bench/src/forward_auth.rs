//! What a proxy's question costs: `/forward-auth` for somebody signed in, beside nginx answering 204 and beside the
//! least that an axum handler does, by the same requests over connections that stay open.
//!
//! CPU time of the whole serving process, user and kernel, a request; rounds in turn, medians. Most of it is the
//! kernel's part in a request and an answer, which is why the peers are other servers and no function call.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::served::HOST;
use crate::timing::{cpu_of_tree, median, rounded};

const ROUNDS: usize = 7;
const CONNECTIONS: usize = 32;
/// Requests of each connection in a round.
const REQUESTS: usize = 2_000;
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// Microseconds of CPU a request, and Countersign's to each peer's.
pub fn run() -> Value {
    let folder = std::env::current_dir()
        .expect("there is a current folder")
        .join("target/bench-forward-auth");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let Some(nginx) = nginx(&folder) else {
        return json!({ "skipped": "nginx is not installed" });
    };
    let (countersign, cookie) = peer("countersign", &folder);
    let (axum, _) = peer("axum", &folder);
    let mut peers = [(countersign, vec![]), (nginx, vec![]), (axum, vec![])];
    for (peer, _) in &peers {
        ask(peer, &cookie, REQUESTS / 10);
    }
    for _ in 0..ROUNDS {
        for (peer, figures) in &mut peers {
            let before = cpu_of_tree(peer.process.id());
            ask(peer, &cookie, REQUESTS);
            let spent = cpu_of_tree(peer.process.id()) - before;
            figures.push(spent.as_secs_f64() * 1e6 / (CONNECTIONS * REQUESTS) as f64);
        }
    }
    let [countersign, nginx, axum] = peers.map(|(_, figures)| median(figures));
    let _ = std::fs::remove_dir_all(&folder);
    json!({
        "countersign_us": rounded(countersign),
        "nginx_204_us": rounded(nginx),
        "axum_us": rounded(axum),
        "to_nginx": rounded(countersign / nginx),
        "to_axum": rounded(countersign / axum),
    })
}

/// A server under load.
struct Peer {
    process: Child,
    port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx's workers end with their master when it is asked to end, and not when it is killed.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        if !asked.is_ok_and(|asked| asked.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// This very program as one of the servers, and what it said besides its port.
fn peer(name: &str, folder: &Path) -> (Peer, String) {
    let program = std::env::current_exe().expect("this program has a path");
    let mut process = Command::new(program)
        .args(["serve", name])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut line = || lines.next().and_then(Result::ok).unwrap_or_default();
    let port = line().parse().expect("a port is told first");
    let told = if name == "countersign" {
        line()
    } else {
        String::new()
    };
    (Peer { process, port }, told)
}

/// nginx as packaged, with as many workers as there are processors; none where it is not installed.
fn nginx(folder: &Path) -> Option<Peer> {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    let configuration: PathBuf = folder.join("nginx.conf");
    let folder = folder.display();
    let text = format!(
        "daemon off;\nworker_processes auto;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  server_tokens off;\n  keepalive_requests 100000000;\n\
           server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}\n}}\n"
    );
    std::fs::write(&configuration, text).expect("it can be written");
    let process = Command::new("nginx")
        .arg("-c")
        .arg(&configuration)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < START_TIME_MAX, "nginx does not listen");
        std::thread::yield_now();
    }
    Some(Peer { process, port })
}

/// The question as nginx hands it on from a browser.
fn question(cookie: &str) -> String {
    format!(
        "GET /forward-auth HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: {HOST}\r\nX-Forwarded-Uri: /reports/2026?page=2\r\nX-Forwarded-For: 192.0.2.7\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en\r\n\
         Accept-Encoding: gzip, deflate, br\r\nCookie: theme=dark; __Host-cs_session={cookie}\r\n\r\n"
    )
}

/// Asks so many times over each connection, one question after the other's answer; one thread has all connections, so
/// that a server is not charged with waking a client for every answer.
fn ask(peer: &Peer, cookie: &str, times: usize) {
    let question: Arc<str> = question(cookie).into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(async {
        let mut asking = JoinSet::new();
        for _ in 0..CONNECTIONS {
            asking.spawn(ask_over_one(peer.port, question.clone(), times));
        }
        asking.join_all().await;
    });
}

async fn ask_over_one(port: u16, question: Arc<str>, times: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let mut answer = [0; 4096];
    for _ in 0..times {
        stream.write_all(question.as_bytes()).await.expect("it reads");
        let mut length = 0;
        while !answer[..length].ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut answer[length..]).await.expect("it answers");
            assert!(read > 0, "it hung up, or says more than fits");
            length += read;
        }
        let is_passed = answer.starts_with(b"HTTP/1.1 204 ");
        assert!(is_passed, "{}", String::from_utf8_lossy(&answer[..length]));
    }
}
