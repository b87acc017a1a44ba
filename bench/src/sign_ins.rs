//! Whole sign-ins but for the password's hash: two durable commits each, one by one and 32 waiting, on the embedded
//! store, beside the disk's floor, and on PostgreSQL where that is installed, in the same run.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_server::service::Service;
use countersign_server::service::clock::Clock;
use countersign_server::store::Store;
use countersign_server::store::faulty::Faulty;
use countersign_server::store::postgres::Postgres;
use countersign_server::store::sqlite::Sqlite;
use countersign_testkit::postgres::Cluster;
use serde_json::{Value, json};

use crate::installation::{Person, add, sign_in, start};
use crate::timing::{median, process_cpu, rounded, wall_s};

const ACCOUNTS: usize = 256;
const WAITING: usize = 32;
const ROUNDS: u64 = 5;

/// A clock that moves only when the benchmark moves it, a step at a time.
#[derive(Clone)]
struct Steps(Arc<AtomicU64>);

impl Clock for Steps {
    fn since_1970(&self) -> Duration {
        Duration::from_secs(1_800_000_000 + self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// Sign-ins per second, the floor of the disk, and CPU per sign-in.
pub fn run() -> Value {
    let folder = std::env::current_dir()
        .expect("there is a current folder")
        .join("target/bench-store");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let clock = Steps(Arc::new(AtomicU64::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime");
    let embedded = Sqlite::open(&folder.join("bench.db")).expect("the store opens");
    let cluster = is_installed().then(Cluster::start);
    let shared = cluster.as_ref().map(|cluster| {
        let store = Postgres::open(&cluster.database("bench"), None, None);
        store.unwrap_or_else(|error| panic!("{error}"))
    });
    let figures = runtime.block_on(async {
        let mut embedded = Measured::on(Arc::new(embedded), &clock).await;
        let mut shared = match shared {
            Some(store) => Some(Measured::on(Arc::new(store), &clock).await),
            None => None,
        };
        let mut floors = vec![];
        for _ in 0..ROUNDS {
            floors.push(floor(&folder));
            embedded.round().await;
            if let Some(shared) = &mut shared {
                shared.round().await;
            }
        }
        let (single, group, cpu) = embedded.medians();
        let floor = median(floors);
        let mut figures = json!({
            "fdatasync_per_s": rounded(floor),
            "commits_one_by_one_per_s": rounded(2.0 * single),
            "commits_one_by_one_to_floor": rounded(2.0 * single / floor),
            "sign_ins_one_by_one_per_s": rounded(single),
            "sign_ins_32_waiting_per_s": rounded(group),
            "grouped_to_one_by_one": rounded(group / single),
            "cpu_of_a_sign_in_beside_argon2id_us": rounded(cpu),
        });
        if let Some(shared) = shared {
            let (shared_single, shared_group, shared_cpu) = shared.medians();
            figures["postgresql_sign_ins_one_by_one_per_s"] = rounded(shared_single).into();
            figures["postgresql_sign_ins_32_waiting_per_s"] = rounded(shared_group).into();
            figures["postgresql_grouped_to_one_by_one"] = rounded(shared_group / shared_single).into();
            figures["postgresql_to_embedded_one_by_one"] = rounded(shared_single / single).into();
            figures["postgresql_to_embedded_32_waiting"] = rounded(shared_group / group).into();
            figures["postgresql_cpu_of_a_sign_in_in_the_node_us"] = rounded(shared_cpu).into();
        }
        figures
    });
    drop(cluster);
    let _ = std::fs::remove_dir_all(&folder);
    figures
}

fn is_installed() -> bool {
    let found = std::process::Command::new("sh")
        .args(["-c", "command -v pg_createcluster"])
        .output();
    found.is_ok_and(|found| found.status.success())
}

/// A store with people on it, and what was measured of it.
struct Measured {
    service: Arc<Service>,
    people: Arc<Vec<Person>>,
    clock: Steps,
    singles: Vec<f64>,
    groups: Vec<f64>,
    cpu: Vec<f64>,
}

impl Measured {
    async fn on(store: Arc<dyn Store>, clock: &Steps) -> Measured {
        // The benchmark has its own clock, of which a shared store need not think anything.
        let service = Arc::new(start(Arc::new(Faulty::new(store)), clock.clone()));
        let people = Arc::new(enrol(&service).await);
        Measured {
            service,
            people,
            clock: clock.clone(),
            singles: Vec::new(),
            groups: Vec::new(),
            cpu: Vec::new(),
        }
    }

    async fn round(&mut self) {
        let (service, people, clock) = (&self.service, &self.people, &self.clock);
        clock.0.fetch_add(30, Ordering::Relaxed);
        let before = process_cpu();
        self.singles.push(rate(service, people, clock, 1).await);
        let cpu = process_cpu() - before;
        self.cpu.push(cpu.as_secs_f64() * 1e6 / ACCOUNTS as f64);
        clock.0.fetch_add(30, Ordering::Relaxed);
        self.groups.push(rate(service, people, clock, WAITING).await);
    }

    /// Sign-ins per second one by one and 32 waiting, and microseconds of CPU for one.
    fn medians(self) -> (f64, f64, f64) {
        (median(self.singles), median(self.groups), median(self.cpu))
    }
}

/// Small durable writes per second that the disk can do at all.
fn floor(folder: &Path) -> f64 {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(folder.join("floor"))
        .expect("a file");
    let count = 300;
    let seconds = wall_s(|| {
        for at in 0..count {
            file.write_all_at(&[at as u8; 4096], at * 4096)
                .expect("the disk takes it");
            file.sync_data().expect("the disk keeps it");
        }
    });
    count as f64 / seconds
}

async fn enrol(service: &Service) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..ACCOUNTS {
        people.push(add(service, &format!("person{number}")).await);
    }
    people
}

/// Sign-ins per second with so many waiting at once.
async fn rate(service: &Arc<Service>, people: &Arc<Vec<Person>>, clock: &Steps, waiting: usize) -> f64 {
    let now = clock.wall();
    let start = std::time::Instant::now();
    let lanes = (0..waiting).map(|lane| {
        let (service, people) = (service.clone(), people.clone());
        tokio::spawn(async move {
            for person in people.iter().skip(lane).step_by(waiting) {
                sign_in(&service, person, now).await;
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.expect("no lane panics");
    }
    ACCOUNTS as f64 / start.elapsed().as_secs_f64()
}
