//! A server process and a client of it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery staple";

/// A data folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn fresh() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "countersign-it-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder(path)
    }

    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a command printed and how it ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command of the binary with text on its standard input.
pub fn countersign(arguments: &[&str], stdin: &str) -> Ended {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = child.stdin.take().expect("standard input is piped");
    // A command that fails early does not read its input; that is not what is tested.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("the binary ends");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(arguments)
        .env("COUNTERSIGN_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A person with a password and an authenticator.
pub struct Person {
    pub name: String,
    pub secret: SharedSecret,
    pub backup_codes: Vec<String>,
    pub otpauth_uri: String,
}

impl Person {
    /// Adds the account through the command line, by the running server if there is one.
    pub fn add(data: &Path, name: &str) -> Person {
        let data = data.to_str().expect("the path is UTF-8");
        let ended = countersign(
            &[
                "user",
                "add",
                name,
                "--password-file",
                "-",
                "--totp",
                "--json",
                "--data",
                data,
            ],
            &format!("{PASSWORD}\n"),
        );
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let added: Value = serde_json::from_str(&ended.stdout).expect("the output is JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Person {
            name: text(&added["name"]),
            secret: SharedSecret::from_base32(&text(&added["totp_secret"])).expect("the secret is Base32"),
            backup_codes: added["backup_codes"]
                .as_array()
                .expect("a list")
                .iter()
                .map(text)
                .collect(),
            otpauth_uri: text(&added["otpauth_uri"]),
        }
    }

    /// The code of now, or of so many steps away; near a step's end the next one is what a careful person
    /// takes.
    pub fn code(&self, steps: i64) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("the clock is set")
            .as_secs();
        let at = now.saturating_add_signed(30 * steps);
        Totp::default()
            .generate(&self.secret, UnixSeconds(at))
            .to_string()
    }
}

/// A process that ends with whoever started it, also where a test fails in the middle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that was waited for already is neither killed nor waited for again.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server.
pub struct Server {
    child: Running,
    pub url: String,
    pub fingerprint: String,
    log: std::thread::JoinHandle<String>,
}

impl Server {
    /// Starts over plain HTTP on a free port of loopback.
    pub fn start(data: &Path) -> Server {
        Server::start_with(data, &["--tls", "off"])
    }

    pub fn start_with(data: &Path, options: &[&str]) -> Server {
        Server::start_at("127.0.0.1:0", data, options, &[])
    }

    /// The same at an address of one's choice, and with more in its environment.
    pub fn start_at(address: &str, data: &Path, options: &[&str], environment: &[(&str, &str)]) -> Server {
        let data = data.to_str().expect("the path is UTF-8");
        let arguments = [&["serve", "--data", data, "--listen", address], options].concat();
        let child = command(&arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut child = Running(child);
        let mut stderr = child.0.stderr.take().expect("standard error is piped");
        let log = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap_or_default());
        let mut line = String::new();
        let stdout = child.0.stdout.take().expect("standard output is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server prints a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(["listening", url]) = words.get(..2) else {
            drop(child);
            panic!("the server did not start: {}", log.join().unwrap_or_default());
        };
        let fingerprint = words
            .get(2)
            .and_then(|word| word.strip_prefix("sha256:"))
            .unwrap_or("")
            .to_owned();
        Server {
            child,
            url: (*url).to_owned(),
            fingerprint,
            log,
        }
    }

    /// Asks it to read its rules anew.
    pub fn hang_up(&self) {
        let pid = self.child.0.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it as a power cut would: no signal handler runs.
    pub fn kill(mut self) -> String {
        self.child.0.kill().expect("the server runs");
        self.child.0.wait().expect("the server ends");
        self.log.join().unwrap_or_default()
    }

    /// Asks it to stop, and sees that it does so orderly.
    pub fn stop(mut self) -> String {
        let pid = self.child.0.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        let status = self.child.0.wait().expect("the server ends");
        let log = self.log.join().unwrap_or_default();
        assert!(status.success(), "the server ended with {status}: {log}");
        log
    }

    /// A request with a JSON body; the answer's status and JSON body.
    pub fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = agent().post(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.send_json(body))
    }

    /// The same to any server, without a session.
    pub fn post_to(url: &str, path: &str, body: &Value) -> (u16, Value) {
        answer(agent().post(format!("{url}{path}")).send_json(body))
    }

    /// A request with a JSON body, and all of the answer but its request's number: status, headers, text.
    pub fn whole_answer(&self, path: &str, body: &Value) -> (u16, Vec<(String, String)>, String) {
        let answered = agent().post(format!("{}{path}", self.url)).send_json(body);
        let mut response = answered.expect("the server answers");
        let headers = response.headers().iter();
        let mut headers: Vec<_> = headers
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
            .collect();
        headers.sort();
        let text = response.body_mut().read_to_string().expect("the body is text");
        (response.status().as_u16(), headers, text)
    }

    pub fn get(&self, path: &str, token: &str) -> (u16, Value) {
        answer(
            agent()
                .get(format!("{}{path}", self.url))
                .header("authorization", format!("Bearer {token}"))
                .call(),
        )
    }

    /// A request that shows nothing; the answer's status.
    pub fn get_bare(&self, path: &str) -> u16 {
        answer(agent().get(format!("{}{path}", self.url)).call()).0
    }

    pub fn delete(&self, path: &str, token: &str) -> (u16, Value) {
        answer(
            agent()
                .delete(format!("{}{path}", self.url))
                .header("authorization", format!("Bearer {token}"))
                .call(),
        )
    }

    /// Changes what stands at a path.
    pub fn change(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let request = match method {
            "PUT" => agent().put(format!("{}{path}", self.url)),
            _ => agent().patch(format!("{}{path}", self.url)),
        };
        answer(
            request
                .header("authorization", format!("Bearer {token}"))
                .send_json(body),
        )
    }

    /// First factor: the challenge.
    pub fn login(&self, name: &str) -> String {
        let (status, body) = self.post(
            "/api/auth/login",
            None,
            &json!({ "username": name, "password": PASSWORD }),
        );
        assert_eq!((status, &body["status"]), (200, &json!("2fa_required")), "{body}");
        body["challenge_token"].as_str().expect("a token").to_owned()
    }

    pub fn verify(&self, challenge: &str, code: &str) -> (u16, Value) {
        self.post(
            "/api/auth/verify",
            None,
            &json!({ "challenge_token": challenge, "totp_code": code }),
        )
    }

    /// Both factors: the session's token.
    pub fn sign_in(&self, person: &Person, code: &str) -> String {
        let (status, body) = self.verify(&self.login(&person.name), code);
        assert_eq!(status, 200, "{body}");
        body["session_token"].as_str().expect("a token").to_owned()
    }

    /// Both factors, and a code once more: the token of a session that is elevated.
    pub fn elevated(&self, person: &Person) -> String {
        let session = self.sign_in(person, &person.code(0));
        let proof = json!({ "code": person.code(1) });
        let (status, body) = self.post("/auth/totp/step-up", Some(&session), &proof);
        assert_eq!(status, 200, "{body}");
        body["session_token"].as_str().expect("a token").to_owned()
    }
}

/// Makes somebody an administrator.
pub fn administrator(folder: &Folder, name: &str) {
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    let given = countersign(&["user", "role", name, "administrator", "--data", data], "");
    assert_eq!(given.code, 0, "{}", given.stderr);
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into()
}

fn answer(answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut response = answered.expect("the server answers");
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().expect("the body is text");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The audit as its export prints it.
pub fn audit(data: &Path) -> Vec<Value> {
    let ended = countersign(
        &[
            "audit",
            "export",
            "--data",
            data.to_str().expect("the path is UTF-8"),
        ],
        "",
    );
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}
