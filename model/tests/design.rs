//! The design keeps its promise in every order of events within its bounds, and needs each of its guards.

use countersign_model::design::{Design, Guard, PROMISE};
use stateright::{Checker, HasDiscoveries, Model};

/// Explores everything, and answers how many states there are.
fn explore(design: Design) -> usize {
    let checker = design.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn a_code_is_accepted_once_in_every_order_of_events() {
    println!("{} states of a code", explore(Design::of_a_code()));
}

#[test]
fn a_revoked_session_stays_revoked_in_every_order_of_events() {
    println!("{} states of a session", explore(Design::of_a_session()));
}

/// The shortest order of events that breaks the promise, as text.
fn counterexample(design: Design, without: Guard) -> String {
    let checker = design
        .without(without)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let path = checker.assert_any_discovery(PROMISE).into_actions();
    let told = format!("{path:?}");
    println!("without {without:?}: {told}");
    told
}

#[test]
fn without_the_check_of_versions_two_nodes_accept_a_code() {
    let told = counterexample(Design::of_a_code(), Guard::Version);
    assert_eq!(told.matches("Reveal").count(), 2, "{told}");
    assert!(
        !told.contains("Kill") && !told.contains("Lose"),
        "it takes no fault at all: {told}"
    );
}

#[test]
fn without_durability_before_the_answer_a_code_works_twice_and_a_revocation_is_lost() {
    for design in [Design::of_a_code(), Design::of_a_session()] {
        let told = counterexample(design, Guard::DurableBeforeAnswer);
        assert!(told.contains("Reveal"), "{told}");
    }
}

#[test]
fn without_the_look_into_the_store_a_revoked_session_is_used() {
    let told = counterexample(Design::of_a_session(), Guard::LookedUp);
    assert!(
        !told.contains("Kill") && !told.contains("Lose"),
        "it takes no fault at all: {told}"
    );
}

#[test]
fn when_an_unknown_commit_is_decided_again_a_code_is_refused_that_nobody_used() {
    let told = counterexample(Design::of_a_code(), Guard::UnknownIsFinal);
    assert!(told.contains("LoseAnswer"), "{told}");
}
