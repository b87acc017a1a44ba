//! A PostgreSQL server of a test's own, in a folder that is removed at the end.
//!
//! Knows: where Debian keeps the programs, and that they refuse to be root. Must never know: what is stored.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian keeps the newest server's programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let mut versions: Vec<_> = versions.map(|entry| entry.expect("a folder").path()).collect();
    versions.sort();
    versions.pop().expect("one version").join("bin")
}

/// A running server, reached over a socket in its folder.
pub struct Cluster {
    folder: PathBuf,
    /// What it was started with.
    options: String,
}

/// A way in which a server ends without a word; each leaves what it must recover from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It is asked to abort at once, as by an operator in a hurry.
    Immediate,
    /// All of its processes are killed, as by the system.
    Kill,
}

impl Cluster {
    /// Makes and starts one; durable, as where it matters.
    pub fn start() -> Cluster {
        Cluster::start_with(None)
    }

    /// The same, reached over TLS with this chain and key at a port of localhost as well.
    pub fn start_secured(chain: &str, key: &str) -> (Cluster, u16) {
        // Free now, and nobody else's for the moment that it takes.
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("there is a free port").port();
        (Cluster::start_with(Some((chain, key, port))), port)
    }

    fn start_with(secured: Option<(&str, &str, u16)>) -> Cluster {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("countersign-pg-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let mut cluster = Cluster {
            folder,
            options: String::new(),
        };
        let root = &cluster.folder;
        if is_root() {
            let given = Command::new("chown").arg("postgres").arg(root).status();
            assert!(given.expect("chown runs").success());
        }
        let data = root.join("data");
        let (data, socket) = (text(&data), text(root));
        cluster.run(
            "initdb",
            &["-D", data, "-U", "countersign", "-A", "trust", "--no-sync"],
        );
        let mut options = format!("-c unix_socket_directories='{socket}' -c max_connections=100");
        match secured {
            None => options.push_str(" -c listen_addresses=''"),
            Some((chain, key, port)) => {
                cluster.keep("server.pem", chain);
                cluster.keep("server.key", key);
                let files =
                    format!("-c ssl_cert_file='{socket}/server.pem' -c ssl_key_file='{socket}/server.key'");
                options.push_str(&format!(
                    " -c listen_addresses=127.0.0.1 -c port={port} -c ssl=on {files}"
                ));
            }
        }
        cluster.options = options;
        cluster.start_again();
        cluster
    }

    /// Starts it after a crash, and waits until it has recovered.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        let (data, log) = (self.folder.join("data"), self.folder.join("log"));
        let start = [
            "-D",
            text(&data),
            "-w",
            "-l",
            text(&log),
            "-o",
            &self.options,
            "start",
        ];
        self.run("pg_ctl", &start);
    }

    /// Ends it without a word, and returns when it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub fn crash(&self, how: Crash) {
        let data = self.folder.join("data");
        match how {
            Crash::Immediate => self.run("pg_ctl", &["-D", text(&data), "-m", "immediate", "stop"]),
            Crash::Kill => {
                let processes = self.processes();
                signal("-KILL", &processes);
                // Whoever is killed holds its memory for a moment longer, and another server is not let in before.
                while processes.iter().any(|id| lives(id)) {
                    std::thread::yield_now();
                }
                // Where nobody buries the dead, its number in these files would be taken for one that lives.
                let entries = std::fs::read_dir(&self.folder).expect("the folder is there");
                let paths = entries.map(|entry| entry.expect("a file").path());
                let locks = paths.filter(|path| path.extension().is_some_and(|end| end == "lock"));
                for left in locks.chain([data.join("postmaster.pid")]) {
                    std::fs::remove_file(left).expect("whoever is killed leaves its files");
                }
            }
        }
    }

    /// Stops every process of it where it stands, as a machine that hangs; it answers nothing and closes nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        signal("-STOP", &self.processes());
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        signal("-CONT", &self.processes());
    }

    /// The first process and those that it made.
    fn processes(&self) -> Vec<String> {
        let file = self.folder.join("data/postmaster.pid");
        let file = std::fs::read_to_string(file).expect("it runs");
        let first = file
            .lines()
            .next()
            .expect("its first line is a process")
            .to_owned();
        let entries = std::fs::read_dir("/proc").expect("Linux");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let made = names.filter(|id| state(id).is_some_and(|(_, parent)| parent == first));
        std::iter::once(first.clone()).chain(made).collect()
    }

    /// The address of an empty database of this name.
    pub fn database(&self, name: &str) -> String {
        let socket = text(&self.folder);
        self.run("createdb", &["-h", socket, "-U", "countersign", name]);
        self.address(name)
    }

    /// The same, kept in a folder of its own: on another file system, say.
    pub fn database_in(&self, name: &str, folder: &Path) -> String {
        if is_root() {
            let given = Command::new("chown").arg("postgres").arg(folder).status();
            assert!(given.expect("chown runs").success());
        }
        let socket = text(&self.folder);
        let make = format!("CREATE TABLESPACE {name} LOCATION '{}'", text(folder));
        self.run(
            "psql",
            &["-q", "-h", socket, "-U", "countersign", "-c", &make, "postgres"],
        );
        self.run("createdb", &["-h", socket, "-U", "countersign", "-D", name, name]);
        self.address(name)
    }

    fn address(&self, name: &str) -> String {
        format!(
            "postgresql:///{name}?host={}&user=countersign",
            text(&self.folder)
        )
    }

    /// What a statement answers, as one text.
    ///
    /// # Panics
    /// When it is refused.
    pub fn ask(&self, database: &str, statement: &str) -> String {
        let asked = Command::new(programs().join("psql"))
            .args(["-X", "-A", "-t", "-U", "countersign", "-h", text(&self.folder)])
            .args(["-d", database, "-c", statement])
            .output()
            .expect("psql starts");
        assert!(asked.status.success(), "{statement}");
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    }

    /// Writes a file that the server alone may read.
    fn keep(&self, name: &str, content: &str) {
        let path = self.folder.join(name);
        let written = std::fs::write(&path, content);
        written.expect("the folder can be written");
        let private = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600));
        private.expect("it is ours");
        if is_root() {
            let given = Command::new("chown").arg("postgres").arg(&path).status();
            assert!(given.expect("chown runs").success());
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.ran(program, arguments), "{program} {arguments:?}");
    }

    fn ran(&self, program: &str, arguments: &[&str]) -> bool {
        let path = programs().join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(path);
            command
        } else {
            Command::new(path)
        };
        let command = command.args(arguments).current_dir(&self.folder);
        // A server that goes on would hold a pipe open.
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        ended.expect("it starts").success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        // A test that failed may have left it ended or standing.
        if data.join("postmaster.pid").exists() {
            self.thaw();
            let _ = self.ran("pg_ctl", &["-D", text(&data), "-m", "immediate", "stop"]);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn signal(which: &str, processes: &[String]) {
    let sent = Command::new("kill")
        .arg(which)
        .args(processes)
        .stderr(Stdio::null())
        .status();
    // Of a server's processes one may end by itself meanwhile; the first does not.
    sent.expect("kill runs");
}

/// State and parent of a process.
fn state(id: &str) -> Option<(char, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // A name may hold anything, also brackets.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.to_owned()))
}

fn lives(id: &str) -> bool {
    state(id).is_some_and(|(state, _)| state != 'Z')
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders are UTF-8")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
