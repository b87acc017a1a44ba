//! The proxies, each started from its example with nothing changed but addresses, certificates and where files lie.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign_testkit::workspace_root;

use crate::world::Folder;

/// A running proxy.
pub struct Proxy {
    pub port: u16,
    child: Child,
    _folder: Folder,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // By a signal that it can hear: nginx's workers outlive a master that is killed.
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

impl Proxy {
    fn start(folder: Folder, port: u16, command: &mut Command) -> Proxy {
        let log = std::fs::File::create(folder.0.join("log")).expect("it can be written");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("the proxy is installed");
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(folder.0.join("log")).unwrap_or_default();
            let ended = child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "it ended: {}", log());
            assert!(Instant::now() < deadline, "it does not listen: {}", log());
            std::thread::yield_now();
        }
        Proxy {
            port,
            child,
            _folder: folder,
        }
    }
}

/// A file of an example.
pub fn example(name: &str) -> String {
    let path = workspace_root().join("examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces texts, each of which must be there.
fn with(text: String, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example no longer has {from:?}");
        text.replace(from, to)
    })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it listens").port()
}

fn keep(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.0.join(name);
    std::fs::write(&path, text).expect("it can be written");
    path
}

pub fn nginx(guard: u16, application: u16) -> Proxy {
    let (folder, port) = (Folder::fresh(), free_port());
    let own = folder.0.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {own}/{kind};"));
    let text = with(
        example("nginx/nginx.conf"),
        &[
            ("user www-data;", ""),
            ("worker_processes auto;", "worker_processes 1;"),
            ("/run/nginx.pid", &format!("{own}/pid")),
            ("listen 443 ssl", &format!("listen 127.0.0.1:{port}")),
            ("ssl_certificate     /etc/nginx/tls/fullchain.pem;", ""),
            ("ssl_certificate_key /etc/nginx/tls/key.pem;", ""),
            ("server 127.0.0.1:8080;", &format!("server 127.0.0.1:{guard};")),
            (
                "server 127.0.0.1:3000;",
                &format!("server 127.0.0.1:{application};"),
            ),
            (
                "http {\n",
                &format!("http {{\naccess_log off;\n{}\n", temporary.join("\n")),
            ),
        ],
    );
    let file = keep(&folder, "nginx.conf", &text);
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(&folder.0)
        .arg("-c")
        .arg(file)
        .args(["-e", "stderr", "-g", "daemon off;"]);
    Proxy::start(folder, port, &mut command)
}

pub fn caddy(guard: u16, application: u16) -> Proxy {
    let (folder, port) = (Folder::fresh(), free_port());
    let text = with(
        example("caddy/Caddyfile"),
        &[
            (
                "\napp.example.org {",
                &format!("\nhttp://app.example.org:{port} {{"),
            ),
            (
                "\nid.example.org {",
                &format!("\nhttp://id.example.org:{port} {{"),
            ),
            ("127.0.0.1:8080", &format!("127.0.0.1:{guard}")),
            ("127.0.0.1:3000", &format!("127.0.0.1:{application}")),
        ],
    );
    let file = keep(
        &folder,
        "Caddyfile",
        &format!("{{\nadmin off\ndefault_bind 127.0.0.1\n}}\n{text}"),
    );
    let mut command = Command::new("caddy");
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(file);
    command
        .env("HOME", &folder.0)
        .env("XDG_DATA_HOME", &folder.0)
        .env("XDG_CONFIG_HOME", &folder.0);
    Proxy::start(folder, port, &mut command)
}

pub fn haproxy(guard: u16, application: u16) -> Proxy {
    let (folder, port) = (Folder::fresh(), free_port());
    let lua = with(
        example("haproxy/countersign.lua"),
        &[("http://127.0.0.1:8080", &format!("http://127.0.0.1:{guard}"))],
    );
    let lua = keep(&folder, "countersign.lua", &lua);
    let text = with(
        example("haproxy/haproxy.cfg"),
        &[
            ("/etc/haproxy/countersign.lua", &lua.display().to_string()),
            (
                "bind :443 ssl crt /etc/haproxy/tls/",
                &format!("bind 127.0.0.1:{port}"),
            ),
            (
                "server countersign 127.0.0.1:8080",
                &format!("server countersign 127.0.0.1:{guard}"),
            ),
            (
                "server application 127.0.0.1:3000",
                &format!("server application 127.0.0.1:{application}"),
            ),
        ],
    );
    let file = keep(&folder, "haproxy.cfg", &text);
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Proxy::start(folder, port, &mut command)
}
