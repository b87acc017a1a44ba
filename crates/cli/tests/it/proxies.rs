//! The server behind proxies: whom it believes, whom it turns away, and its socket in the file system.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::world::{Folder, Person, Server, audit, countersign};

const PUBLIC: &str = "https://id.example.org";

/// Sends one request and reads until the server hangs up; what it answered, if it did.
fn ask(mut stream: impl Read + Write, method: &str, path: &str, headers: &[&str], body: &str) -> Option<u16> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: id.example.org\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    // Whoever is turned away may find the connection closed at any of these points.
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    Some(status.parse().expect("a status is a number"))
}

/// Tries a wrong password for somebody, with these chains of addresses.
fn guess(stream: impl Read + Write, name: &str, chains: &[&str]) -> Option<u16> {
    let body = json!({ "username": name, "password": "not the password" }).to_string();
    let lines: Vec<String> = chains
        .iter()
        .map(|chain| format!("x-forwarded-for: {chain}"))
        .chain(["content-type: application/json".to_owned()])
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    ask(stream, "POST", "/api/auth/login", &lines, &body)
}

fn connect(server: &Server) -> TcpStream {
    let (_, port) = server.url.rsplit_once(':').expect("an address has a port");
    let port = port.parse().expect("a port is a number");
    TcpStream::connect(("127.0.0.1", port)).expect("the server listens")
}

/// The sources that the audit has for what was tried at the HTTP door.
fn sources(data: &Path) -> BTreeSet<String> {
    let entries = audit(data);
    let checks = entries
        .iter()
        .filter(|entry| entry["act"] == json!("password_check"));
    let source = |entry: &Value| entry["source"].as_str().expect("a source").to_owned();
    checks.map(source).collect()
}

fn set_of(sources: &[&str]) -> BTreeSet<String> {
    sources.iter().map(|source| (*source).to_owned()).collect()
}

#[test]
fn sources_behind_a_trusted_proxy_are_throttled_and_audited_apart() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let options = ["--tls", "off", "--trusted-proxies", "127.0.0.1,10.0.0.0/8"];
    let server = Server::start_with(&folder.data(), &options);
    for _ in 0..5 {
        // What stands before the first address that is no proxy's is the client's own invention.
        let chains = ["192.0.2.1, 203.0.113.7", "10.1.2.3"];
        assert_eq!(guess(connect(&server), &person.name, &chains), Some(401));
    }
    assert_eq!(
        guess(connect(&server), &person.name, &["203.0.113.7:4711"]),
        Some(429)
    );
    assert_eq!(
        guess(connect(&server), &person.name, &["::ffff:203.0.113.7"]),
        Some(429)
    );
    assert_eq!(guess(connect(&server), &person.name, &["203.0.113.8"]), Some(401));
    assert_eq!(
        guess(connect(&server), &person.name, &["2001:db8:1:2::3"]),
        Some(401)
    );
    for wrong in ["unknown", "", &"1".repeat(1025)] {
        assert_eq!(
            guess(connect(&server), &person.name, &[wrong]),
            Some(400),
            "{wrong:?}"
        );
    }
    assert_eq!(
        guess(connect(&server), &person.name, &[]),
        Some(401),
        "the proxy itself"
    );
    server.stop();
    let expected = ["203.0.113.7", "203.0.113.8", "2001:db8:1:2::/64", "127.0.0.1"];
    assert_eq!(sources(&folder.data()), set_of(&expected));
}

#[test]
fn what_a_stranger_says_of_its_address_is_ignored() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let options = ["--tls", "off", "--trusted-proxies", "192.0.2.1,unix"];
    let server = Server::start_with(&folder.data(), &options);
    for turn in 0..5 {
        let chain = format!("203.0.113.{turn}");
        assert_eq!(guess(connect(&server), &person.name, &[&chain]), Some(401));
    }
    for chain in ["203.0.113.99", "192.0.2.1", "unknown"] {
        let answered = guess(connect(&server), &person.name, &[chain]);
        assert_eq!(answered, Some(429), "{chain}: one source all the same");
    }
    server.stop();
    assert_eq!(sources(&folder.data()), set_of(&["127.0.0.1"]));
}

#[test]
fn socket_serves_its_group_and_goes_with_the_server() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let path = folder.0.join("http");
    let listen = format!("unix:{}", path.display());
    let options = ["--public-url", PUBLIC, "--trusted-proxies", "unix"];
    let start = |data: &Path| Server::start_at(&listen, data, &options, &[]);
    let connect = || UnixStream::connect(&path).expect("the server listens");

    let server = start(&folder.data());
    assert_eq!(
        (server.url.as_str(), server.fingerprint.as_str()),
        (listen.as_str(), "")
    );
    let mode = std::fs::metadata(&path)
        .expect("the socket is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(ask(connect(), "GET", "/readyz", &[], ""), Some(200));
    assert_eq!(guess(connect(), &person.name, &["203.0.113.7"]), Some(401));
    assert_eq!(guess(connect(), &person.name, &[]), Some(401));
    let posted = |origin: &str| {
        ask(
            connect(),
            "POST",
            "/sign-out",
            &[&format!("origin: {origin}")],
            "",
        )
    };
    assert_eq!(posted(PUBLIC), Some(303));
    assert_eq!(posted("https://elsewhere.example"), Some(403));
    let data = folder.data();
    let link = countersign(
        &["user", "invite", "alice", "--data", data.to_str().expect("UTF-8")],
        "",
    );
    assert!(
        link.stdout.contains(&format!("{PUBLIC}/setup#")),
        "{}",
        link.stderr
    );

    let other = Folder::fresh();
    let text = other.data();
    let text = text.to_str().expect("UTF-8");
    let refused = countersign(
        &[&["serve", "--data", text, "--listen", &listen][..], &options[..]].concat(),
        "",
    );
    assert_eq!(refused.code, 3);
    assert!(
        refused.stderr.contains("another process answers there"),
        "{}",
        refused.stderr
    );

    server.kill();
    assert!(path.exists(), "nobody could remove it");
    let server = start(&folder.data());
    assert_eq!(
        ask(connect(), "GET", "/healthz", &[], ""),
        Some(200),
        "a stale one is replaced"
    );
    server.stop();
    assert!(!path.exists());
    assert_eq!(sources(&folder.data()), set_of(&["203.0.113.7", "unix"]));
}

#[test]
fn plain_http_beyond_this_machine_is_for_trusted_proxies_alone() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    let everywhere = ["serve", "--data", text, "--listen", "0.0.0.0:0", "--tls", "off"];
    let refused = countersign(&everywhere, "");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("`trusted_proxies`"), "{}", refused.stderr);
    let refused = countersign(
        &[&everywhere[..], &["--trusted-proxies", "192.0.2.1"]].concat(),
        "",
    );
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("public_url: nobody types"),
        "{}",
        refused.stderr
    );
    assert!(!data.exists(), "nothing was made");

    for (proxies, expected) in [("192.0.2.1", None), ("127.0.0.0/8", Some(200))] {
        let options = [
            "--tls",
            "off",
            "--public-url",
            PUBLIC,
            "--trusted-proxies",
            proxies,
        ];
        let server = Server::start_at("0.0.0.0:0", &data, &options, &[]);
        for _ in 0..2 {
            assert_eq!(
                ask(connect(&server), "GET", "/healthz", &[], ""),
                expected,
                "{proxies}"
            );
        }
        let log = server.stop();
        let warned = log
            .matches("without TLS only `trusted_proxies` are served")
            .count();
        assert_eq!(warned, usize::from(expected.is_none()), "it is said once");
    }
}

/// The nginx configurations of the page about proxies.
const DOCUMENTED: &str = include_str!("../../../../docs/operate/behind-a-proxy.md");

/// An nginx with one server, ended when it is dropped.
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    /// Starts one as documented, but over plain HTTP on a free port, and with other places where it is told so.
    fn start(folder: &Path, documented: &str, places: &[(&str, &str)]) -> Nginx {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("there is a free port").port();
        let mut server: String = documented
            .lines()
            .filter(|line| !line.trim().starts_with("ssl_"))
            .map(|line| format!("{line}\n"))
            .collect();
        let listen = format!("listen 127.0.0.1:{port};");
        for (from, to) in [("listen 443 ssl;", listen.as_str())].iter().chain(places) {
            assert!(server.contains(from), "{from} is not in\n{server}");
            server = server.replace(from, to);
        }
        let folder = folder.to_str().expect("UTF-8");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .collect();
        // Where nobody may choose a user, nginx keeps the one it has: either way the socket's own.
        let http = format!("http {{\naccess_log off;\n{temporary}{server}}}\n");
        let process = format!("user root; daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\n");
        let file = format!("{folder}/nginx.conf");
        std::fs::write(&file, process + &http).expect("it can be written");
        let mut child = Command::new("nginx")
            .args(["-e", "stderr", "-p", folder, "-c", &file])
            .stderr(Stdio::piped())
            .spawn()
            .expect("nginx is installed");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "nginx ended: {:?}", child.wait_with_output());
        }
        Nginx { child, port }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).expect("nginx listens")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only if it is asked, and not if it is killed.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs nginx"]
fn nginx_of_the_documentation_is_believed_and_its_clients_are_not() {
    let mut fences = DOCUMENTED.split("```nginx\n").skip(1);
    let mut documented = || {
        let fence = fences.next().expect("there are two configurations");
        fence.split("```").next().expect("it is closed")
    };
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let try_through = |nginx: &Nginx| {
        assert_eq!(ask(nginx.connect(), "GET", "/readyz", &[], ""), Some(200));
        // nginx replaces what its client wrote, as it could not be read anyway.
        assert_eq!(guess(nginx.connect(), &person.name, &["unknown"]), Some(401));
        let posted = |origin: &str| {
            ask(
                nginx.connect(),
                "POST",
                "/sign-out",
                &[&format!("origin: {origin}")],
                "",
            )
        };
        assert_eq!(
            (posted(PUBLIC), posted("https://elsewhere.example")),
            (Some(303), Some(403))
        );
    };

    let path = folder.0.join("http");
    let listen = format!("unix:{}", path.display());
    let options = ["--public-url", PUBLIC, "--trusted-proxies", "unix"];
    let server = Server::start_at(&listen, &folder.data(), &options, &[]);
    let places = [("/run/countersign/http", path.to_str().expect("UTF-8"))];
    try_through(&Nginx::start(&folder.0, documented(), &places));
    server.stop();
    assert_eq!(
        sources(&folder.data()),
        set_of(&["127.0.0.1"]),
        "nginx says so, and not `unix`"
    );

    let options = ["--public-url", PUBLIC, "--trusted-proxies", "127.0.0.1"];
    let server = Server::start_with(&folder.data(), &options);
    let authority = folder.0.join("authority.pem");
    let data = folder.data();
    let trust = countersign(&["trust", "--data", data.to_str().expect("UTF-8")], "");
    std::fs::write(&authority, trust.stdout).expect("it can be written");
    let places = [
        ("https://127.0.0.1:8443", server.url.as_str()),
        (
            "/etc/nginx/countersign-authority.pem",
            authority.to_str().expect("UTF-8"),
        ),
    ];
    try_through(&Nginx::start(&folder.0, documented(), &places));
    server.stop();
    assert_eq!(fences.next(), None, "a third configuration would go untested");
}
