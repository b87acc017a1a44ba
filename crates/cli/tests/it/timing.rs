//! What a clock could tell a stranger, and what a flood of guesses costs everybody else.
//!
//! These measure the machine as well: only a release build has them, and only `cargo xtask soak timing` runs them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{Folder, PASSWORD, Person, Server, countersign};

/// Guesses at known and unknown names, in turn.
const PAIRS: usize = 250;
/// How far the medians may lie apart.
const APART_MAX: f64 = 0.05;
/// Sign-ins under way at once.
const HANDS: usize = 8;
/// How many times as long as one sign-in eight at once may take on two processors: four rounds of two, and what two
/// cost each other that share one memory.
const EIGHT_MAX: f64 = 5.5;
/// What a request that needs no password may take beside them.
const BESIDE_MAX: Duration = Duration::from_millis(50);

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn guess(server: &Server, name: &str) -> Duration {
    let body = json!({ "username": name, "password": "not the password" });
    let begin = Instant::now();
    let (status, _) = server.post("/api/auth/login", None, &body);
    let taken = begin.elapsed();
    assert_eq!(status, 401, "{name} is not throttled");
    taken
}

#[test]
#[ignore = "measures time"]
fn unknown_name_takes_as_long_as_a_wrong_password() {
    let folder = Folder::fresh();
    let options = ["--tls", "off", "--throttle-source", "1000"];
    let server = Server::start_with(&folder.data(), &options);
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    for number in 0..PAIRS {
        let name = format!("known{number:03}");
        let add = ["user", "add", &name, "--password-file", "-", "--data", data];
        assert_eq!(countersign(&add, PASSWORD).code, 0);
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..PAIRS {
        // Whoever comes second may find something warm: the order takes turns.
        let names = [format!("known{number:03}"), format!("ghost{number:03}")];
        let mut times = [Duration::ZERO; 2];
        for turn in 0..2 {
            let which = (turn + number) % 2;
            times[which] = guess(&server, &names[which]);
        }
        known.push(times[0]);
        unknown.push(times[1]);
    }
    let (known, unknown) = (median(&mut known), median(&mut unknown));
    let apart = known.as_secs_f64() / unknown.as_secs_f64() - 1.0;
    println!(
        "{PAIRS} pairs, {} known_us, {} unknown_us",
        known.as_micros(),
        unknown.as_micros()
    );
    assert!(apart.abs() <= APART_MAX, "{known:?} against {unknown:?}");
    server.stop();
}

/// How long these people's passwords take when they arrive at once; the median of several rounds.
fn together(server: &Server, people: &[Person]) -> Duration {
    let mut rounds: Vec<_> = (0..9)
        .map(|_| {
            let begin = Instant::now();
            std::thread::scope(|scope| {
                for person in people {
                    scope.spawn(|| server.login(&person.name));
                }
            });
            begin.elapsed()
        })
        .collect();
    median(&mut rounds)
}

#[test]
#[ignore = "measures time"]
fn flood_of_sign_ins_leaves_room_for_other_requests() {
    let folder = Folder::fresh();
    let options = ["--tls", "off", "--throttle-source", "1000"];
    let server = Server::start_with(&folder.data(), &options);
    let people: Vec<Person> = (0..HANDS)
        .map(|number| Person::add(&folder.data(), &format!("person{number}")))
        .collect();
    let alone = together(&server, &people[..1]);
    let eight = together(&server, &people);
    let done = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut times = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let begin = Instant::now();
                assert_eq!(server.get("/healthz", "").0, 200);
                times.push(begin.elapsed());
            }
            times.sort_unstable();
            times
        });
        together(&server, &people);
        done.store(true, Ordering::SeqCst);
        watch.join().expect("the watch does not panic")
    });
    let at = |share: usize| beside[(beside.len() - 1) * share / 100];
    println!(
        "{} beside_requests, {} beside_p99_us, {} beside_max_us, {} alone_us, {} eight_us",
        beside.len(),
        at(99).as_micros(),
        at(100).as_micros(),
        alone.as_micros(),
        eight.as_micros()
    );
    assert!(at(100) <= BESIDE_MAX, "{:?}", at(100));
    let times = eight.as_secs_f64() / alone.as_secs_f64();
    assert!(times <= EIGHT_MAX, "eight took {times:.1} times as long as one");
    server.stop();
}
