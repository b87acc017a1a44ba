//! A mail server that keeps what it is handed, for tests of whatever sends mail.
//!
//! Knows: as much of RFC 5321 as one sender needs, and how to refuse on demand. Must never know: who sends.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a test waits for mail before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// One mail as it was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What `MAIL FROM` named.
    pub from: String,
    /// What each `RCPT TO` named.
    pub to: Vec<String>,
    /// Head and body, dots unstuffed, lines ending in `\n`.
    pub data: String,
}

impl Mail {
    /// The value of a header on one line.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let head = self.data.split("\n\n").next().unwrap_or("");
        let found = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The text, soft line breaks of quoted-printable undone.
    #[must_use]
    pub fn text(&self) -> String {
        let body = self.data.split_once("\n\n").map_or("", |(_, body)| body);
        body.replace("=\n", "").replace("=3D", "=")
    }

    /// The line of the text that is a mailed code.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        let is_code = |line: &&str| line.len() == 11 && line.as_bytes()[5] == b'-';
        self.text()
            .lines()
            .map(str::trim)
            .find(is_code)
            .map(str::to_owned)
    }
}

/// A listening mail server.
pub struct Mailbox {
    address: SocketAddr,
    mails: Receiver<Mail>,
    refusals: Arc<AtomicU32>,
}

impl Mailbox {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// When the machine gives no port.
    #[must_use]
    pub fn listen() -> Mailbox {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let refusals = Arc::new(AtomicU32::new(0));
        let (sender, mails) = channel();
        let refuse = refusals.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A sender that hangs up in the middle has sent nothing.
                if talk(stream, &sender, &refuse).is_err() {
                    continue;
                }
            }
        });
        Mailbox {
            address,
            mails,
            refusals,
        }
    }

    /// What a sender is told: the address of this server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Refuses so many mails from now on, for the moment.
    pub fn refuse(&self, count: u32) {
        self.refusals.store(count, Ordering::SeqCst);
    }

    /// The next mail.
    ///
    /// # Panics
    /// When none comes.
    pub fn next(&self) -> Mail {
        self.mails.recv_timeout(PATIENCE).expect("a mail comes")
    }

    /// A mail that came already.
    pub fn already(&self) -> Option<Mail> {
        self.mails.try_recv().ok()
    }
}

fn talk(stream: TcpStream, mails: &Sender<Mail>, refusals: &AtomicU32) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut stream = stream;
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes());
    let (mut from, mut to) = (String::new(), Vec::new());
    say("220 testkit")?;
    while let Some(line) = lines.next().transpose()? {
        let (verb, rest) = line.split_at(line.len().min(4));
        match verb.to_ascii_uppercase().as_str() {
            "MAIL" => {
                from = between(rest);
                let counted = |left: u32| left.checked_sub(1);
                let refused = refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted);
                say(if refused.is_ok() { "451 not now" } else { "250 ok" })?;
            }
            "RCPT" => {
                to.push(between(rest));
                say("250 ok")?;
            }
            "DATA" => {
                say("354 go on")?;
                let mut data = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    data.push('\n');
                }
                let mail = Mail {
                    from: std::mem::take(&mut from),
                    to: std::mem::take(&mut to),
                    data,
                };
                // A test that ended does not look any more.
                let _ = mails.send(mail);
                say("250 kept")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
    Ok(())
}

fn between(text: &str) -> String {
    let inside = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or("", |(inside, _)| inside).to_owned()
}
