//! The power goes under a load of sign-ins: whatever was acknowledged still holds afterwards.
//!
//! Ignored unless asked for: it takes root, loop devices and the programs of both file systems.

use std::sync::atomic::Ordering;

use countersign_testkit::SeededChance;

use crate::kills::{KILLS_PER_FOLDER, assert_audit_holds, assert_holds, end_under_load, five_wrong_guesses};
use crate::volume::Volume;
use crate::world::{Person, Server};

const KINDS: [&str; 2] = ["ext4", "xfs"];

/// Power cuts of a plain run; `COUNTERSIGN_POWER_CUTS` asks for another number.
const CUTS: usize = 3;

/// A file system, and how often somebody signed in on it.
struct Place {
    volume: Volume,
    rounds: usize,
    signed_in: usize,
}

impl Place {
    fn fresh(kind: &str) -> Place {
        Place {
            volume: Volume::fresh(kind),
            rounds: 0,
            signed_in: 0,
        }
    }

    /// Takes the power away while people sign in, and compares what they were told with what is there afterwards.
    fn cut_under_load(&mut self, round: usize, wanted: usize) -> usize {
        let data = self.volume.path().join("data");
        let add = |number| Person::add(&data, &format!("p{round}-{number}"));
        let people: Vec<Person> = (0..3).map(add).collect();
        let server = Server::start(&data);
        let ghost = format!("ghost-{round}");
        assert!(five_wrong_guesses(&server.url, &ghost), "round {round}");
        let told = end_under_load(server, &people, wanted, |server, over| {
            // A machine without power says nothing more. A file system that is shut down does: of a commit under way
            // ext4 may still say that it is durable.
            over.store(true, Ordering::SeqCst);
            self.volume.cut();
            drop(server.kill());
        });
        self.volume.power_up();
        let count = told.iter().map(|told| told.used.len()).sum::<usize>();
        self.signed_in += count;
        self.rounds += 1;
        assert_audit_holds(&data, self.signed_in, round);

        let server = Server::start(&data);
        let guess = serde_json::json!({ "username": ghost, "password": "guess" });
        let (status, _) = server.post("/api/auth/login", None, &guess);
        assert_eq!(status, 429, "round {round}: failures are lost");
        for (person, told) in people.iter().zip(&told) {
            assert_holds(&server, person, told, round);
        }
        server.stop();
        count
    }
}

#[test]
#[ignore = "needs root, loop devices and xfsprogs"]
fn power_cut_under_load_loses_nothing_that_was_acknowledged() {
    let cuts =
        std::env::var("COUNTERSIGN_POWER_CUTS").map_or(CUTS, |text| text.parse().expect("a number of cuts"));
    let mut chance = SeededChance::from_environment_or(7);
    let mut places = KINDS.map(Place::fresh);
    let mut all = 0;
    for round in 0..cuts {
        let kind = round % KINDS.len();
        if places[kind].rounds == KILLS_PER_FOLDER {
            places[kind] = Place::fresh(KINDS[kind]);
        }
        let wanted = usize::try_from(1 + chance.below(12)).expect("a small number");
        all += places[kind].cut_under_load(round, wanted);
    }
    assert!(all >= cuts, "the load signed in {all} times");
    println!("{cuts} cuts, {all} sign_ins, seed {}", chance.seed());
}
