//! `countersign bench`: what this machine can do, before anybody depends on it.
//!
//! Knows: the parts that a sign-in's time goes to. Must never know: a real installation; everything is made in
//! a folder of its own and removed.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign_auth::command::operator::Add;
use countersign_auth::event::{Door, Origin};
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::rule::Entropy as _;
use countersign_auth::seal::KeyRing;
use countersign_core::otp::{AcceptanceWindow, Code, Digits, Presented, SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use countersign_server::edge::clock::SystemClock;
use countersign_server::edge::entropy::SystemEntropy;
use countersign_server::service::clock::{Clock as _, ClockGuard};
use countersign_server::service::hashing::{Cost, Hashing, Memory, hash};
use countersign_server::service::keys::{Keys, Unkept};
use countersign_server::service::{Parts, Service};
use countersign_server::wiring::embedded_store;
use serde_json::json;
use zeroize::Zeroizing;

use crate::out::{Failed, data};

const HASHES: usize = 5;
const VERIFICATIONS: u32 = 20_000;
const WRITES: u32 = 100;

/// Measure password hashes, one-time codes and durable writes on this machine.
#[derive(Args)]
pub(crate) struct Bench {
    /// A folder on the disk the data will be on; a folder of its own is made in it and removed
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let folder = self
            .folder
            .join(format!("countersign-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| {
            let place = folder.display();
            Failed::Unavailable(format!(
                "{place}: {error}; name a folder that can be written with --folder"
            ))
        })?;
        let disk = floor(&folder).and_then(|floor| Ok((floor, commits(&folder)?)));
        let _ = std::fs::remove_dir_all(&folder);
        let (floor, commits) = disk?;
        let hash = hash_time();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let verification = verification_time();
        if self.json {
            data(json!({
                "password_hash_ms": hash.as_secs_f64() * 1e3,
                "processors": threads,
                "code_verification_ns": verification.as_nanos() as u64,
                "disk_writes_per_s": per_second(floor),
                "commits_per_s": per_second(commits),
            }));
            return Ok(());
        }
        let per_second_at_most = threads as f64 / hash.as_secs_f64();
        data(format_args!(
            "password hash      {:.0} ms in 48 MiB; at most {per_second_at_most:.0} a second on {threads} processors",
            hash.as_secs_f64() * 1e3
        ));
        data(format_args!(
            "code verification  {} ns, a wrong code over three time steps",
            verification.as_nanos()
        ));
        data(format_args!(
            "disk               {:.0} durable writes a second",
            per_second(floor)
        ));
        data(format_args!(
            "store              {:.0} commits a second, one by one; a sign-in takes two",
            per_second(commits)
        ));
        Ok(())
    }
}

/// Begins to measure time; what it returns tells how much has passed.
fn stopwatch() -> impl Fn() -> Duration {
    let clock = SystemClock;
    let begin = clock.monotonic();
    move || clock.monotonic() - begin
}

fn per_second(each: Duration) -> f64 {
    1.0 / each.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The median of several hashes of a new password.
fn hash_time() -> Duration {
    let mut memory = Memory::default();
    let mut time = || {
        let passed = stopwatch();
        std::hint::black_box(hash(b"a password", [7; 16], Cost::PRODUCTION, &mut memory));
        passed()
    };
    // The first touches memory that nobody touched yet.
    time();
    let mut times: Vec<Duration> = (0..HASHES).map(|_| time()).collect();
    times.sort_unstable();
    times[HASHES / 2]
}

fn verification_time() -> Duration {
    let totp = Totp::default();
    let secret = SharedSecret::from_bytes(&[7; 20]).expect("20 bytes are a secret");
    let code = Code::parse("000000", Digits::SIX).expect("six digits are a code");
    let passed = stopwatch();
    for number in 0..VERIFICATIONS {
        let presented = Presented {
            now: UnixSeconds(1_800_000_000 + 30 * u64::from(number)),
            window: AcceptanceWindow { past: 1, future: 1 },
            drift: 0,
            last_accepted: None,
        };
        let _ = std::hint::black_box(totp.verify(&secret, std::hint::black_box(&code), presented));
    }
    passed() / VERIFICATIONS
}

/// What one small durable write takes.
fn floor(folder: &Path) -> Result<Duration, Failed> {
    let path = folder.join("floor");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(Failed::unavailable)?;
    let passed = stopwatch();
    for _ in 0..WRITES {
        file.write_all(&[7; 4096]).map_err(Failed::unavailable)?;
        file.sync_data().map_err(Failed::unavailable)?;
    }
    Ok(passed() / WRITES)
}

/// What one commit takes: an account is added, with its entry in the audit.
fn commits(folder: &Path) -> Result<Duration, Failed> {
    let key = || {
        let mut key = Zeroizing::new([0u8; 32]);
        SystemEntropy.fill(&mut *key);
        key
    };
    let parts = Parts {
        store: embedded_store(&folder.join("bench.db")).map_err(Failed::unavailable)?,
        hashing: Hashing::start(Cost::PRODUCTION, 1, [7; 16], b"decoy").map_err(Failed::unavailable)?,
        clock: Arc::new(ClockGuard::new(Box::new(SystemClock), UnixSeconds(0))),
        policy: Policy::default(),
        keys: Keys::new(
            KeyRing::new(vec![("bench".into(), key())], key(), key()).expect("there is one key"),
            Box::new(Unkept),
        ),
        entropy: [Box::new(SystemEntropy), Box::new(SystemEntropy)],
        node: "bench".into(),
        notices: Box::new(|_, _| {}),
        outbox: countersign_server::service::post::Outbox::closed(),
    };
    let service = Service::start(parts).map_err(Failed::unavailable)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(Failed::unavailable)?;
    let took = runtime.block_on(async {
        let passed = stopwatch();
        for number in 0..WRITES {
            let add = Add {
                name: Name::from_ascii(&format!("bench{number}")).map_err(|_| ())?,
                groups: Vec::new(),
                hash: None,
                totp: true,
                origin: origin(),
            };
            service.submit(add).await.map_err(|_| ())?.map_err(|_| ())?;
        }
        Ok::<Duration, ()>(passed() / WRITES)
    });
    service.end();
    took.map_err(|()| Failed::Unavailable("the store in the folder could not be written".to_owned()))
}

fn origin() -> Origin {
    Origin {
        door: Door::Operator,
        network: String::new(),
        browser: None,
        remember: true,
        agent: String::new(),
        request: String::new(),
        by: None,
    }
}
