//! PostgreSQL hangs: it answers nothing and closes nothing. A node that can't hear it serves nobody, and goes on by
//! itself.

use std::time::{Duration, Instant};

use super::client::{Answer, Client, Code, Session};
use super::history::History;
use super::{NODES, Nodes};

/// A second without a word, and what a loaded machine adds.
const NOTICED_MAX: Duration = Duration::from_secs(3);

#[test]
#[ignore = "needs postgresql"]
fn a_node_that_does_not_hear_its_postgresql_refuses_and_recovers_by_itself() {
    let nodes = Nodes::start();
    let history = History::begin("silence");
    let person = nodes.add("alice");
    let client = Client::new(&nodes.addresses, &history);
    let code = Code::backup(&person, 0, &person.backup_codes[0]);
    let challenge = client.login(0, "alice").expect("a challenge");
    let Answer::Said(200, body) = client.present(1, &challenge, &code) else {
        panic!("a fresh code is refused");
    };
    let session = Session::opened(&body, &code);

    nodes.store.freeze();
    let began = Instant::now();
    for node in 0..NODES {
        while matches!(client.get(node, "/readyz", None), Answer::Said(200, _)) {
            assert!(
                began.elapsed() < NOTICED_MAX,
                "node {node} still says that it can serve"
            );
        }
        let said = client.get(node, "/readyz", None);
        assert!(
            matches!(&said, Answer::Said(503, body) if body["code"] == "store"),
            "node {node}: {said:?}"
        );
        let asked = Instant::now();
        let refused = client.use_session(node, &session);
        assert!(
            matches!(refused, Answer::Said(503, _)),
            "node {node}: {refused:?}"
        );
        assert!(asked.elapsed() < NOTICED_MAX, "node {node} lets its clients wait");
    }
    nodes.store.thaw();
    nodes.await_ready(&client);
    for node in 0..NODES {
        let used = client.use_session(node, &session);
        assert!(matches!(used, Answer::Said(200, _)), "node {node}: {used:?}");
    }
    nodes.stop();
}
