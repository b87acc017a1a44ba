//! Three nodes on one PostgreSQL, clients over TLS, and whatever can end: what one node said holds at all of them.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself. Each test says at the end what
//! it did, and leaves the history of its operations in the target folder.

mod client;
mod history;
mod kills;
mod outage;
mod races;
mod revocation;
mod silence;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Scope;

use countersign_testkit::postgres::{Cluster, Crash};
use ureq::tls::Certificate;

use self::client::{Addresses, Answer, Client};
use self::history::History;
use crate::world::{Folder, Person, Server, countersign};

pub const NODES: usize = 3;

/// Three nodes and their store. An address is a node's for good, so that clients find it again.
pub struct Nodes {
    pub store: Cluster,
    pub addresses: Addresses,
    running: [Option<Server>; NODES],
    folders: [Folder; NODES],
    options: [Vec<String>; NODES],
    listen: [String; NODES],
    _turn: Turn,
}

/// Whoever starts nodes waits until nobody else's run: what is measured, and what must be answered in time, would
/// suffer from them.
struct Turn;

static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

impl Turn {
    fn take() -> Turn {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = GIVEN_BACK
            .wait_while(taken, |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GIVEN_BACK.notify_one();
    }
}

/// What is ended.
#[derive(Clone, Copy, Debug)]
pub enum Victim {
    Node(usize),
    Store(Crash),
}

/// Victims in turn.
const VICTIMS: [Victim; NODES + 2] = [
    Victim::Node(0),
    Victim::Store(Crash::Kill),
    Victim::Node(1),
    Victim::Store(Crash::Immediate),
    Victim::Node(2),
];

impl Nodes {
    pub fn start() -> Nodes {
        let turn = Turn::take();
        let store = Cluster::start();
        let database = store.database("cluster");
        let folders: [Folder; NODES] = std::array::from_fn(|_| Folder::fresh());
        let keys = folders[0].0.join("keys").display().to_string();
        // Free now, and nobody else's for the moment that it takes.
        let free: [TcpListener; NODES] =
            std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("there is a free port"));
        let listen = free.map(|free| free.local_addr().expect("it is bound").to_string());
        let options = std::array::from_fn(|node| {
            let node = format!("node{node}");
            let told = [
                "--node",
                &node,
                "--store",
                &database,
                "--keys",
                &keys,
                "--log",
                "warn",
                "--throttle-source",
                "1000",
            ];
            told.map(str::to_owned).to_vec()
        });
        let mut nodes = Nodes {
            store,
            addresses: Addresses {
                urls: std::array::from_fn(|node| format!("https://{}", listen[node])),
                authorities: Arc::new(Vec::new()),
            },
            running: [const { None }; NODES],
            folders,
            options,
            listen,
            _turn: turn,
        };
        let mut authorities = Vec::new();
        for node in 0..NODES {
            nodes.begin(node);
            let authority = std::fs::read(nodes.data(node).join("tls/ca.pem")).expect("the node made it");
            authorities.push(Certificate::from_pem(&authority).expect("a certificate"));
        }
        nodes.addresses.authorities = Arc::new(authorities);
        nodes
    }

    pub fn data(&self, node: usize) -> PathBuf {
        self.folders[node].data()
    }

    pub fn add(&self, name: &str) -> Person {
        Person::add(&self.data(0), name)
    }

    /// Starts a node that does not run.
    pub fn begin(&mut self, node: usize) {
        let options: Vec<&str> = self.options[node].iter().map(String::as_str).collect();
        self.running[node] = Some(Server::start_at(
            &self.listen[node],
            &self.data(node),
            &options,
            &[],
        ));
    }

    /// Ends one node as a power cut would.
    pub fn kill(&mut self, node: usize) {
        self.running[node].take().expect("the node runs").kill();
    }

    /// Ends something and begins it again; returns when every node can serve.
    pub fn strike(&mut self, victim: Victim, client: &Client<'_>) {
        match victim {
            Victim::Node(node) => {
                self.kill(node);
                self.begin(node);
            }
            Victim::Store(how) => {
                self.store.crash(how);
                self.store.start_again();
            }
        }
        self.await_ready(client);
    }

    /// Waits until every node that runs can serve.
    pub fn await_ready(&self, client: &Client<'_>) {
        for node in (0..NODES).filter(|node| self.running[*node].is_some()) {
            let is_ready = |_: &usize| matches!(client.get(node, "/readyz", None), Answer::Said(200, _));
            assert!(
                (0..10_000).any(|turn| is_ready(&turn)),
                "node {node} does not recover by itself"
            );
        }
    }

    /// The chains of all nodes are whole, as one of them sees it.
    pub fn assert_audit_is_whole(&self) {
        let data = self.data(0);
        let verified = countersign(&["audit", "verify", "--data", data.to_str().expect("UTF-8")], "");
        assert_eq!(verified.code, 0, "{}", verified.stderr);
    }

    /// Sees every node that runs end orderly.
    pub fn stop(mut self) {
        for node in &mut self.running {
            if let Some(server) = node.take() {
                server.stop();
            }
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // Those that a test left running because it failed.
        for server in self.running.iter_mut().filter_map(Option::take) {
            server.kill();
        }
    }
}

/// Work for whichever client is free.
pub type Job = Box<dyn FnOnce(&Client<'_>) + Send>;

/// So many clients, each with connections of its own, that do what is handed in, until nobody can hand in any more.
pub fn clients<'scope>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    addresses: &'scope Addresses,
    history: &'scope History,
) -> Sender<Job> {
    let (jobs, waiting): (Sender<Job>, Receiver<Job>) = channel();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..count {
        let waiting = waiting.clone();
        scope.spawn(move || {
            let client = Client::new(addresses, history);
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                match next {
                    Ok(job) => job(&client),
                    Err(_) => break,
                }
            }
        });
    }
    jobs
}

/// A number told by the environment, as by the long checks; otherwise one that suits every change.
pub fn scale(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}
