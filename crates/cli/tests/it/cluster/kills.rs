//! Nodes and PostgreSQL are killed under a load of sign-ins and sign-outs: what was acknowledged holds afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::client::{Answer, Client, Code, Session, text};
use super::history::History;
use super::{NODES, Nodes, VICTIMS, scale};
use crate::world::{Person, audit};

/// Clients at once, each with a person of its own.
const CLIENTS: usize = 6;
/// Sign-ins that are acknowledged before a kill, and once more while the victim begins again.
const SIGN_INS_PER_KILL: usize = 8;
/// Kills after which the whole audit is read again.
const KILLS_PER_AUDIT: usize = 25;

/// A person, the backup codes that are left, and what its owner was told since the last kill.
struct Owner {
    person: Person,
    codes: Vec<String>,
    shown: usize,
    used: Option<Code>,
    open: Vec<Session>,
    ended: Vec<Session>,
}

impl Owner {
    fn new(person: Person) -> Owner {
        Owner {
            codes: person.backup_codes.clone(),
            person,
            shown: 0,
            used: None,
            open: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Signs in with one backup code after another at one node after another, and out of every other session.
    fn load(&mut self, client: &Client<'_>, first: usize, acknowledged: &Sender<()>, done: &AtomicBool) {
        let mut node = first;
        // A few codes are kept for what is asked afterwards.
        while !done.load(Ordering::SeqCst) && self.codes.len() > 2 {
            node = (node + 1) % NODES;
            let Ok(challenge) = client.login(node, &self.person.name) else {
                continue;
            };
            let code = self.next_code();
            let Answer::Said(200, body) = client.present(node, &challenge, &code) else {
                continue;
            };
            self.codes.push(text(&body["replacement_backup_code"]));
            // Once enough was acknowledged, nobody listens any more.
            let _ = acknowledged.send(());
            let session = Session::opened(&body, &code);
            self.used = Some(code);
            if self.shown.is_multiple_of(2) {
                self.open.push(session);
            } else if let Answer::Said(200, _) = client.revoke((node + 1) % NODES, &session) {
                self.ended.push(session);
            }
        }
    }

    fn next_code(&mut self) -> Code {
        self.shown += 1;
        Code::backup(&self.person, self.shown, &self.codes.remove(0))
    }

    /// What was acknowledged holds at every node; then everything is signed out of, for the next time.
    fn assert_holds(&mut self, client: &Client<'_>, kill: usize) {
        for (number, session) in self.open.drain(..).enumerate() {
            let used = client.use_session(number % NODES, &session);
            assert!(
                matches!(used, Answer::Said(200, _)),
                "kill {kill}: a session is lost: {used:?}"
            );
            let revoked = client.revoke((number + 1) % NODES, &session);
            assert!(
                matches!(revoked, Answer::Said(200, _)),
                "kill {kill}: {revoked:?}"
            );
            self.ended.push(session);
        }
        for (number, session) in self.ended.drain(..).enumerate() {
            let used = client.use_session(number % NODES, &session);
            assert!(
                matches!(used, Answer::Said(401, _)),
                "kill {kill}: a sign-out is lost: {used:?}"
            );
        }
        if let Some(code) = self.used.take() {
            let challenge = client
                .login(kill % NODES, &self.person.name)
                .expect("every node serves");
            let again = client.present((kill + 1) % NODES, &challenge, &code);
            assert!(
                matches!(again, Answer::Said(401, _)),
                "kill {kill}: a code worked twice: {again:?}"
            );
        }
    }
}

#[test]
#[ignore = "needs postgresql"]
fn nothing_acknowledged_is_lost_when_nodes_and_postgresql_are_killed_under_load() {
    let kills = scale("COUNTERSIGN_KILLS", 3);
    let mut nodes = Nodes::start();
    let history = History::begin("kills");
    let addresses = nodes.addresses.clone();
    let clients: Vec<Client<'_>> = (0..CLIENTS).map(|_| Client::new(&addresses, &history)).collect();
    let mut owners: Vec<Owner> = (0..CLIENTS)
        .map(|number| Owner::new(nodes.add(&format!("p{number}"))))
        .collect();
    let (mut people, mut sign_ins) = (CLIENTS, 0);
    for kill in 0..kills {
        let done = AtomicBool::new(false);
        let (acknowledged, told_so) = channel();
        std::thread::scope(|scope| {
            for (number, (owner, client)) in owners.iter_mut().zip(&clients).enumerate() {
                let (acknowledged, done) = (acknowledged.clone(), &done);
                scope.spawn(move || owner.load(client, number, &acknowledged, done));
            }
            drop(acknowledged);
            sign_ins += told_so.iter().take(SIGN_INS_PER_KILL + kill % 5).count();
            nodes.strike(VICTIMS[kill % VICTIMS.len()], &Client::new(&addresses, &history));
            sign_ins += told_so.iter().take(SIGN_INS_PER_KILL).count();
            done.store(true, Ordering::SeqCst);
            sign_ins += told_so.iter().count();
        });
        for owner in &mut owners {
            owner.assert_holds(&clients[kill % CLIENTS], kill);
            // Each answer that was lost took a code with it.
            if owner.codes.len() <= 5 {
                *owner = Owner::new(nodes.add(&format!("p{people}")));
                people += 1;
            }
        }
        if kill % KILLS_PER_AUDIT == 0 {
            nodes.assert_audit_is_whole();
        }
    }
    nodes.assert_audit_is_whole();
    let entries = audit(&nodes.data(0));
    let is_sign_in = |entry: &&serde_json::Value| entry["act"] == "sign_in" && entry["result"] == "success";
    let held = entries.iter().filter(is_sign_in).count();
    assert!(held >= sign_ins, "{held} entries of {sign_ins} sign-ins");
    assert!(sign_ins >= kills, "the load signed in {sign_ins} times");
    println!("{kills} kills, {sign_ins} sign_ins, {people} people");
    nodes.stop();
}
