//! The first start as a person makes it: no arguments, on a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::world::{Folder, PASSWORD, Server};

/// A terminal: the end that a person sees, and the end that a program writes to.
fn terminal() -> (File, File) {
    let seen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the machine has terminals");
    grantpt(&seen).expect("it is ours");
    unlockpt(&seen).expect("it is ours");
    let name = ptsname(&seen, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("ASCII").to_owned();
    let written = OpenOptions::new().read(true).write(true).open(name);
    (File::from(seen), written.expect("it can be opened"))
}

/// How long a server may take to say the next thing.
const TIME_MAX: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// A server that is killed at the end, however the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads on until what was seen will do.
fn read_until(seen: &mut File, text: &mut String, will_do: impl Fn(&str) -> bool) {
    let mut bytes = [0; 4096];
    let mut held = Vec::new();
    while !will_do(text) {
        let ready = poll(&mut [PollFd::new(seen, PollFlags::IN)], Some(&TIME_MAX));
        let ready = ready.expect("a terminal can be waited for");
        assert!(ready > 0, "the server says no more than:\n{text}");
        let count = seen.read(&mut bytes).unwrap_or(0);
        assert!(count > 0, "the server ended, having said:\n{text}");
        held.extend(&bytes[..count]);
        *text = String::from_utf8_lossy(&held).into_owned();
    }
}

#[test]
fn start_without_arguments_fills_a_folder_and_shows_the_first_administrator_in() {
    let folder = Folder::fresh();
    let (mut seen, written) = terminal();
    let end = || Stdio::from(written.try_clone().expect("it can be shared"));
    let child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .current_dir(&folder.0)
        // A person sets neither; here the port may be taken, and what is looked at is said before any TLS.
        .env("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .env("COUNTERSIGN_TLS", "off")
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .expect("the binary starts");
    let _server = Ended(child);
    drop(written);
    let mut text = String::new();
    // Two rows of blocks alone are the quiet zone above the code; the next is where it ends.
    let quiet_rows = |text: &str| {
        let is_quiet = |line: &&str| line.chars().count() > 20 && line.chars().all(|c| c == '█');
        text.lines().map(str::trim_end).filter(is_quiet).count()
    };
    read_until(&mut seen, &mut text, |text| quiet_rows(text) >= 3);
    let line = |begin: &str| {
        let found = text.lines().map(str::trim).find(|line| line.starts_with(begin));
        found
            .unwrap_or_else(|| panic!("no line begins with {begin}:\n{text}"))
            .to_owned()
    };
    let url = line("listening ").split(' ').nth(1).expect("a URL").to_owned();
    let link = line("http://localhost:");
    let (_, ticket) = link
        .split_once("/setup#")
        .expect("the ticket stands behind the hash sign");
    for made in ["countersign.db", "keys/ring"] {
        assert!(folder.data().join(made).exists(), "{made}");
    }
    let body = json!({ "ticket": ticket, "username": "root", "password": PASSWORD });
    let (status, opened) = Server::post_to(&url, "/api/setup", &body);
    assert_eq!((status, &opened["acr"]), (200, &json!("cs:1")), "{opened}");
}
