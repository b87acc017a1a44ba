//! Programs of others against the binary: a code from oathtool signs in, a scanner reads every picture of one.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::{Folder, Person, Server, countersign};

/// A code as oathtool shows it; the secret goes to its standard input.
fn oathtool(person: &Person) -> String {
    let mut child = Command::new("oathtool")
        .args(["--totp", "--base32", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("oathtool is installed");
    let mut input = child.stdin.take().expect("standard input is piped");
    writeln!(input, "{}", person.secret.to_base32()).expect("oathtool reads its secret");
    drop(input);
    let output = child.wait_with_output().expect("oathtool ends");
    String::from_utf8(output.stdout)
        .expect("digits")
        .trim()
        .to_owned()
}

#[test]
#[ignore = "needs oathtool"]
fn code_of_oathtool_signs_in_once() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let code = oathtool(&person);
    let session = server.sign_in(&person, &code);
    assert_eq!(server.get("/api/dashboard", &session).0, 200);
    assert_eq!(server.verify(&server.login("alice"), &code).0, 401);
    server.stop();
}

/// What a scanner reads in a picture.
fn scanned(picture: &Path) -> String {
    let output = Command::new("zbarimg")
        .args(["--quiet", "--raw"])
        .arg(picture)
        .output()
        .expect("zbarimg is installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A terminal's half blocks as a picture: what is lit is white, as on a dark screen.
fn redrawn(text: &str) -> Vec<u8> {
    const SCALE: usize = 6;
    let lines: Vec<Vec<char>> = text
        .lines()
        .map(|line| line.chars().collect::<Vec<_>>())
        .filter(|line| line.iter().any(|c| "█▀▄".contains(*c)))
        .collect();
    let (columns, rows) = (lines.iter().map(Vec::len).max().unwrap_or(0), lines.len() * 2);
    let lit = |x: usize, y: usize| match lines[y / 2].get(x) {
        Some('█') => true,
        Some('▀') => y.is_multiple_of(2),
        Some('▄') => !y.is_multiple_of(2),
        _ => false,
    };
    let mut picture = format!("P5 {} {} 255\n", columns * SCALE, rows * SCALE).into_bytes();
    for y in 0..rows * SCALE {
        picture.extend((0..columns * SCALE).map(|x| if lit(x / SCALE, y / SCALE) { 255 } else { 0 }));
    }
    picture
}

#[test]
#[ignore = "needs zbarimg"]
fn every_picture_of_a_factor_is_read_by_zbarimg() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    Person::add(&data, "alice");
    let png = folder.0.join("code.png");
    let enrol = ["enrol", "alice", "--data", text];
    let pictured = countersign(
        &[&enrol[..], &["--uri", "--png", png.to_str().expect("UTF-8")]].concat(),
        "",
    );
    let uri = pictured.stdout.lines().next().expect("the URI").to_owned();
    assert!(uri.starts_with("otpauth://totp/Countersign:alice?"), "{uri}");
    assert_eq!(scanned(&png), uri);

    let shown = countersign(&enrol, "").stdout;
    let terminal = folder.0.join("terminal.pgm");
    std::fs::write(&terminal, redrawn(&shown)).expect("it can be written");
    let read = scanned(&terminal);
    assert!(
        read.starts_with("otpauth://totp/Countersign:alice?"),
        "{read:?} in\n{shown}"
    );
}
