//! kill -9 under a load of sign-ins: whatever was acknowledged still holds afterwards.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Folder, PASSWORD, Person, Server, audit, countersign};

/// After as many kills a fresh folder is begun: each costs five wrong passwords and a used backup code for each
/// person, all from one network, which may have sixty failures over all names.
pub const KILLS_PER_FOLDER: usize = 5;

/// What one person was told before the server was gone.
#[derive(Default)]
pub struct Told {
    /// Codes that opened a session.
    pub used: Vec<String>,
    /// Sessions that are open.
    open: Vec<String>,
    /// Sessions that were signed out.
    ended: Vec<String>,
}

/// A request that may meet its server's end; none when there was no answer.
pub fn post(url: &str, path: &str, token: Option<&str>, body: &Value) -> Option<(u16, Value)> {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let mut request = agent.post(format!("{url}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut response = request.send_json(body).ok()?;
    let text = response.body_mut().read_to_string().ok()?;
    Some((response.status().as_u16(), serde_json::from_str(&text).ok()?))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Signs in with one backup code after another, signs out of every other session, until there is no answer.
fn load(url: &str, person: &Person, acknowledged: &Sender<()>, over: &AtomicBool) -> Told {
    let mut told = Told::default();
    for (turn, code) in person.backup_codes.iter().enumerate() {
        let first = post(
            url,
            "/api/auth/login",
            None,
            &json!({ "username": person.name, "password": PASSWORD }),
        );
        let Some((200, first)) = first else { break };
        let body = json!({ "challenge_token": first["challenge_token"], "totp_code": code });
        let Some((200, opened)) = post(url, "/api/auth/verify", None, &body) else {
            break;
        };
        if over.load(Ordering::SeqCst) {
            break;
        }
        told.used.push(code.clone());
        // Once enough was acknowledged, nobody listens any more.
        let _ = acknowledged.send(());
        let Some(session) = text(&opened["session_token"]) else {
            break;
        };
        if turn % 2 == 0 {
            told.open.push(session);
        } else if let Some((200, _)) = post(url, "/api/auth/logout", Some(&session), &json!({}))
            && !over.load(Ordering::SeqCst)
        {
            told.ended.push(session);
        }
    }
    told
}

pub fn five_wrong_guesses(url: &str, name: &str) -> bool {
    let guess = json!({ "username": name, "password": "guess" });
    (0..5).all(|_| matches!(post(url, "/api/auth/login", None, &guess), Some((401, _))))
}

/// Ends a server under the hands of people who sign in and out, once so many sign-ins were acknowledged; what each
/// of them was told. What they are told once the end says that it is over does not count.
pub fn end_under_load(
    server: Server,
    people: &[Person],
    wanted: usize,
    end: impl FnOnce(Server, &AtomicBool),
) -> Vec<Told> {
    let (acknowledged, told_so) = channel();
    let (url, over) = (server.url.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let loads: Vec<_> = people
            .iter()
            .map(|person| {
                let (url, acknowledged, over) = (&url, acknowledged.clone(), &over);
                scope.spawn(move || load(url, person, &acknowledged, over))
            })
            .collect();
        drop(acknowledged);
        told_so.iter().take(wanted).for_each(drop);
        end(server, &over);
        loads
            .into_iter()
            .map(|load| load.join().expect("no load panics"))
            .collect()
    })
}

/// The chain is whole and holds at least as many sign-ins as were acknowledged.
pub fn assert_audit_holds(data: &Path, signed_in: usize, round: usize) {
    let ended = countersign(&["audit", "verify", "--data", data.to_str().expect("UTF-8")], "");
    assert_eq!(ended.code, 0, "round {round}: {}", ended.stderr);
    let is_sign_in = |entry: &&Value| entry["act"] == json!("sign_in") && entry["result"] == json!("success");
    let held = audit(data).iter().filter(is_sign_in).count();
    assert!(
        held >= signed_in,
        "round {round}: {held} entries of {signed_in} sign-ins"
    );
}

pub fn assert_holds(server: &Server, person: &Person, told: &Told, round: usize) {
    let dashboard = |session: &String| server.get("/api/dashboard", session).0;
    for session in &told.open {
        assert_eq!(dashboard(session), 200, "round {round}: a session is lost");
    }
    for session in &told.ended {
        assert_eq!(dashboard(session), 401, "round {round}: a sign-out is lost");
    }
    if let Some(code) = told.used.last() {
        let challenge = server.login(&person.name);
        let (status, _) = server.verify(&challenge, code);
        assert_eq!(status, 401, "round {round}: a code worked twice");
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let kills = std::env::var("COUNTERSIGN_KILLS").map_or(3, |text| text.parse().expect("a number of kills"));
    let mut folder = Folder::fresh();
    let (mut signed_in, mut all) = (0, 0);
    for round in 0..kills {
        if round > 0 && round % KILLS_PER_FOLDER == 0 {
            (folder, signed_in) = (Folder::fresh(), 0);
        }
        let data = folder.data();
        let add = |number| Person::add(&data, &format!("p{round}-{number}"));
        let people: Vec<Person> = (0..3).map(add).collect();
        let server = Server::start(&data);
        let ghost = format!("ghost-{round}");
        assert!(five_wrong_guesses(&server.url, &ghost), "round {round}");
        let told = end_under_load(server, &people, 5 + round % 7, |server, _| drop(server.kill()));
        let count = told.iter().map(|told| told.used.len()).sum::<usize>();
        (signed_in, all) = (signed_in + count, all + count);
        assert_audit_holds(&data, signed_in, round);

        let server = Server::start(&data);
        let guess = |name: &str| {
            let body = json!({ "username": name, "password": "guess" });
            server.post("/api/auth/login", None, &body).0
        };
        assert_eq!(guess(&ghost), 429, "round {round}: failures are lost");
        for (person, told) in people.iter().zip(&told) {
            assert_holds(&server, person, told, round);
        }
        server.stop();
    }
    assert!(all >= kills, "the load signed in {all} times");
    println!("{kills} kills, {all} sign_ins");
}
