//! One code in many hands at once, over real connections to the real binary: it opens one session.

use std::sync::Barrier;

use crate::world::{Folder, Person, Server};

/// Rounds, each with a person of its own, since a code can't be had twice in a time step.
const ROUNDS: usize = 5;
/// Sign-ins of one person that wait for their code.
const CHALLENGES: usize = 4;
/// Connections that present the code at once.
const HANDS: usize = 64;

#[test]
fn one_code_presented_on_many_connections_at_once_opens_one_session() {
    let folder = Folder::fresh();
    let server = Server::start(&folder.data());
    for round in 0..ROUNDS {
        let person = Person::add(&folder.data(), &format!("person{round}"));
        let challenges: Vec<_> = (0..CHALLENGES).map(|_| server.login(&person.name)).collect();
        let code = person.code(0);
        let ready = Barrier::new(HANDS);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS)
                .map(|hand| {
                    let (server, challenge) = (&server, &challenges[hand % CHALLENGES]);
                    let (ready, code) = (&ready, &code);
                    scope.spawn(move || {
                        ready.wait();
                        server.verify(challenge, code)
                    })
                })
                .collect();
            hands
                .into_iter()
                .map(|hand| hand.join().expect("no hand panics"))
                .collect()
        });
        let (opened, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(status, _)| *status == 200);
        assert_eq!(opened.len(), 1, "round {round}: {answers:?}");
        assert!(
            refused.iter().all(|(status, _)| *status == 401),
            "round {round}: a race is neither a fault of ours nor a guess: {answers:?}"
        );
        let session = opened[0].1["session_token"].as_str().expect("a token");
        assert_eq!(server.get("/api/dashboard", session).0, 200);
    }
    server.stop();
}
