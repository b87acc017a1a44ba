//! One code in many hands at three nodes: it opens one session, also while nodes and store end and begin again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use super::client::{Answer, Client, Code, PERIOD_S, now_s};
use super::history::History;
use super::{Job, NODES, Nodes, VICTIMS, clients, scale};
use crate::world::Person;

/// Hands with one code at once, and the challenges that they answer.
const HANDS: usize = 1_000;
const CHALLENGES: usize = 100;

/// Presentations of one code in a round under kills, and the challenges that they answer.
const ROUND_PRESENTATIONS: usize = 1_000;
const ROUND_CHALLENGES: usize = 20;
/// Clients, and rounds that share them.
const CLIENTS: usize = 48;
const TABLES: usize = 3;
/// Rounds between two kills.
const ROUNDS_PER_KILL: usize = 10;

/// People who are in no round, each with the newest time step that was shown; whoever played longest ago comes first.
#[derive(Default)]
struct People {
    idle: VecDeque<(Person, u64)>,
    count: usize,
}

impl People {
    /// Somebody with a code that was not shown yet; whoever is new joins when all codes were.
    fn take(&mut self, add: impl FnOnce(&str) -> Person) -> (Person, u64) {
        let step = now_s() / PERIOD_S;
        // The next step's code is accepted as well, and for longer.
        for step in [step, step + 1] {
            if let Some(at) = self.idle.iter().position(|(_, newest)| *newest < step)
                && let Some((person, _)) = self.idle.remove(at)
            {
                return (person, step);
            }
        }
        self.count += 1;
        (add(&format!("person{}", self.count)), step)
    }
}

#[test]
#[ignore = "needs postgresql"]
fn a_thousand_hands_with_one_code_at_three_nodes_of_postgresql_open_one_session() {
    let nodes = Nodes::start();
    let history = History::begin("thousand-hands");
    let person = nodes.add("alice");
    let client = Client::new(&nodes.addresses, &history);
    let challenges: Vec<_> = (0..CHALLENGES)
        .map(|number| client.login(number % NODES, "alice").expect("a challenge"))
        .collect();
    let code = Code::timed(&person, now_s() / PERIOD_S);
    let ready = Barrier::new(HANDS);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let (challenge, node) = (&challenges[hand % CHALLENGES], hand / CHALLENGES % NODES);
                let (addresses, history, ready, code) = (&nodes.addresses, &history, &ready, &code);
                scope.spawn(move || {
                    let client = Client::new(addresses, history);
                    // Connected before the race begins.
                    client.get(node, "/healthz", None);
                    ready.wait();
                    client.present(node, challenge, code)
                })
            })
            .collect();
        let hands = hands.into_iter();
        hands.map(|hand| hand.join().expect("no hand panics")).collect()
    });
    let mut counts = BTreeMap::<String, usize>::new();
    for answer in &answers {
        let said = match answer {
            Answer::Said(status @ (200 | 401), _) => status.to_string(),
            other => format!("{other:?}"),
        };
        *counts.entry(said).or_default() += 1;
    }
    let expected = BTreeMap::from([("200".to_owned(), 1), ("401".to_owned(), HANDS - 1)]);
    assert_eq!(counts, expected, "one acceptance, and clear refusals");
    println!("{HANDS} hands");
    nodes.assert_audit_is_whole();
    nodes.stop();
}

/// What a round of duplicates came to.
#[derive(Debug, Default)]
struct Round {
    accepted: usize,
    refused: usize,
    unknown: usize,
}

/// One code, shown over many challenges at all nodes by whichever clients are free.
fn round(name: &str, code: &Code, jobs: &Sender<Job>) -> Round {
    let (logged_in, challenges) = channel();
    for number in 0..ROUND_CHALLENGES {
        let (name, logged_in) = (name.to_owned(), logged_in.clone());
        let login: Job = Box::new(move |client| {
            let challenge = client.login_somewhere(number % NODES, &name);
            logged_in.send(challenge).expect("the round waits");
        });
        jobs.send(login).expect("clients wait for jobs");
    }
    drop(logged_in);
    let challenges: Vec<String> = challenges.iter().collect();
    assert_eq!(challenges.len(), ROUND_CHALLENGES, "a client panicked");

    let (presented, answers) = channel();
    for number in 0..ROUND_PRESENTATIONS {
        let challenge = challenges[number % ROUND_CHALLENGES].clone();
        let (presented, code) = (presented.clone(), code.clone());
        let present: Job = Box::new(move |client| {
            let node = number / ROUND_CHALLENGES % NODES;
            let answer = client.present(node, &challenge, &code);
            presented.send(answer).expect("the round waits");
        });
        jobs.send(present).expect("clients wait for jobs");
    }
    drop(presented);
    let mut round = Round::default();
    for answer in answers {
        match answer {
            Answer::Said(200, _) => round.accepted += 1,
            Answer::Said(401, _) => round.refused += 1,
            answer if answer.is_failure() => round.unknown += 1,
            answer => panic!("a code of a race is no guess: {answer:?}"),
        }
    }
    round
}

#[test]
#[ignore = "needs postgresql"]
fn a_code_is_accepted_once_while_nodes_and_postgresql_are_killed() {
    let rounds = scale("COUNTERSIGN_NODE_RACE_ROUNDS", 20);
    let nodes = Nodes::start();
    let history = History::begin("races");
    let addresses = nodes.addresses.clone();
    // Whoever adds people asks a node that nobody ends meanwhile.
    let nodes = Mutex::new(nodes);
    let began = Instant::now();
    let people = Mutex::new(People::default());
    let (mut kills, mut all) = (0, Round::default());
    std::thread::scope(|scope| {
        let jobs = clients(scope, CLIENTS, &addresses, &history);
        let (played, results) = channel();
        let (more, asked) = channel();
        let asked = std::sync::Arc::new(Mutex::new(asked));
        for _ in 0..TABLES {
            let (jobs, played, asked) = (jobs.clone(), played.clone(), asked.clone());
            let (nodes, people) = (&nodes, &people);
            scope.spawn(move || {
                while asked
                    .lock()
                    .expect("no table panics while it waits")
                    .recv()
                    .is_ok()
                {
                    let add = |name: &str| nodes.lock().expect("the kills went well").add(name);
                    let (person, step) = people.lock().expect("whoever is added is there").take(add);
                    let code = Code::timed(&person, step);
                    let came_to = round(&person.name, &code, &jobs);
                    assert!(came_to.accepted <= 1, "{}: {came_to:?}", code.object);
                    let must_be_accepted = came_to.unknown == 0 && now_s() < code.until_s;
                    assert!(
                        !must_be_accepted || came_to.accepted == 1,
                        "{}: {came_to:?}",
                        code.object
                    );
                    let mut people = people.lock().expect("whoever is added is there");
                    people.idle.push_back((person, step));
                    if played.send(came_to).is_err() {
                        break;
                    }
                }
            });
        }
        drop((jobs, played));
        (0..rounds).for_each(|_| more.send(()).expect("tables wait"));
        drop(more);
        let client = Client::new(&addresses, &history);
        for (number, came_to) in results.iter().enumerate() {
            all.accepted += came_to.accepted;
            all.refused += came_to.refused;
            all.unknown += came_to.unknown;
            let is_due = number % ROUNDS_PER_KILL == ROUNDS_PER_KILL / 2;
            if is_due {
                let mut nodes = nodes.lock().expect("whoever is added is there");
                nodes.strike(VICTIMS[kills % VICTIMS.len()], &client);
                kills += 1;
            }
        }
    });
    let presentations = all.accepted + all.refused + all.unknown;
    assert_eq!(presentations, rounds * ROUND_PRESENTATIONS, "a table broke off");
    println!(
        "{presentations} presentations, {rounds} codes, {} accepted, {} refused, {} unanswered, {kills} kills, \
         {} seconds",
        all.accepted,
        all.refused,
        all.unknown,
        began.elapsed().as_secs()
    );
    let nodes = nodes.into_inner().expect("the kills went well");
    nodes.assert_audit_is_whole();
    nodes.stop();
}
