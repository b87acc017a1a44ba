//! A gateway of text messages that keeps what it is posted, for tests of whatever sends messages.
//!
//! Knows: as much of HTTP/1.1 as one sender needs. Must never know: who sends, or what a message says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a test waits for a message before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request as it was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The lines of its head.
    pub head: Vec<String>,
    /// Its body.
    pub body: String,
}

impl Posted {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.iter().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }

    /// The digits with which the message begins.
    #[must_use]
    pub fn code(&self) -> String {
        let text = self.body.split_once("\"text\":\"").map_or("", |(_, text)| text);
        text.chars().take_while(char::is_ascii_digit).collect()
    }
}

/// A listening gateway.
pub struct Gateway {
    address: SocketAddr,
    posted: Receiver<Posted>,
}

impl Gateway {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// When the machine gives no port.
    #[must_use]
    pub fn listen() -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (sender, posted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A sender that hangs up in the middle has sent nothing.
                if take(stream, &sender).is_err() {
                    continue;
                }
            }
        });
        Gateway { address, posted }
    }

    /// What a sender is told: the address of this gateway.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/messages", self.address)
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes.
    pub fn next(&self) -> Posted {
        self.posted.recv_timeout(PATIENCE).expect("a message comes")
    }

    /// A message that came already.
    pub fn already(&self) -> Option<Posted> {
        self.posted.try_recv().ok()
    }
}

/// Takes one request and ends the connection.
fn take(mut stream: TcpStream, posted: &Sender<Posted>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut posting = Posted {
        head,
        body: String::new(),
    };
    let length = posting.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_string(&mut posting.body)?;
    // A test that ended does not look any more.
    let _ = posted.send(posting);
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
}
