//! Argon2id on a bounded pool of threads, each with one block of memory that it reuses and wipes.
//!
//! Knows: passwords for as long as one is hashed, and how many may wait. Must never know: whose they are. The
//! async runtime never computes a hash: a flood of guesses fills this pool's queue and nothing else.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use countersign_auth::record::PasswordHash;
use tokio::sync::oneshot;
use zeroize::{Zeroize, Zeroizing};

use super::committer::Failure;

/// The cost of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
}

impl Cost {
    /// What every password is hashed with in production: 48 MiB, 3 passes, 1 lane.
    pub const PRODUCTION: Cost = Cost {
        memory_kib: 49_152,
        passes: 3,
    };
    /// What development and tests may use; a release build hashes every password at the cost of production.
    pub const DEVELOPMENT: Cost = Cost {
        memory_kib: 4096,
        passes: 1,
    };

    fn params(self) -> Params {
        Params::new(self.memory_kib, self.passes, 1, Some(32)).expect("both costs are within Argon2's bounds")
    }
}

/// What stands before the salt of a digest taken over from an older system, and the hash of that digest.
const SALTED_SHA256: &str = "sha256$";
/// Highest memory cost in KiB that a stored hash may ask for; more is taken for damage, not for strength.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Highest number of passes that a stored hash may ask for.
const PASSES_MAX: u32 = 16;
/// Computations that strangers may have waiting, per thread.
const WAITING_PER_THREAD_MAX: usize = 16;
/// Computations for known sources after which a stranger's is due: nobody who is known can shut the others out.
const KNOWN_IN_A_ROW_MAX: u32 = 3;
/// Computations that known sources may have waiting besides.
const KNOWN_WAITING_MAX: usize = 16;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Whether the password matches the hash.
    pub matched: bool,
    /// The password under today's cost, when it matched a hash of another cost.
    pub rehash: Option<PasswordHash>,
}

/// The pool.
#[derive(Clone)]
pub struct Hashing {
    shared: Arc<Shared>,
}

struct Shared {
    cost: Cost,
    decoy: PasswordHash,
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    threads: usize,
    computations: AtomicU64,
}

#[derive(Default)]
struct Lanes {
    known: VecDeque<Task>,
    strangers: VecDeque<Task>,
    /// Tasks of the known lane since the last of a stranger's.
    known_in_a_row: u32,
    closed: bool,
}

impl Lanes {
    /// The next task: a known source's, but after three of these in a row a stranger's.
    fn pop(&mut self) -> Option<Task> {
        let is_strangers_turn = self.known_in_a_row >= KNOWN_IN_A_ROW_MAX && !self.strangers.is_empty();
        if !is_strangers_turn && let Some(task) = self.known.pop_front() {
            self.known_in_a_row += 1;
            return Some(task);
        }
        self.known_in_a_row = 0;
        self.strangers.pop_front()
    }
}

enum Task {
    Hash {
        password: Zeroizing<String>,
        salt: [u8; 16],
        answer: oneshot::Sender<PasswordHash>,
    },
    Check {
        password: Zeroizing<String>,
        hash: Option<PasswordHash>,
        salt: [u8; 16],
        answer: oneshot::Sender<Matched>,
    },
}

impl Hashing {
    /// Starts the pool: as many threads as may hold a block of memory at once.
    ///
    /// # Errors
    /// That of the operating system when it gives no thread.
    pub fn start(cost: Cost, threads: usize, salt: [u8; 16], secret: &[u8]) -> std::io::Result<Hashing> {
        let hashing = Hashing::idle(cost, threads.max(1), salt, secret);
        for number in 0..hashing.shared.threads {
            let pool = hashing.clone();
            std::thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || pool.work())?;
        }
        Ok(hashing)
    }

    /// The queue of so many threads, before any of them runs.
    fn idle(cost: Cost, threads: usize, salt: [u8; 16], secret: &[u8]) -> Hashing {
        let decoy = hash(secret, salt, cost, &mut Memory::default());
        Hashing {
            shared: Arc::new(Shared {
                cost,
                decoy,
                lanes: Mutex::new(Lanes::default()),
                arrived: Condvar::new(),
                threads,
                computations: AtomicU64::new(0),
            }),
        }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too many wait.
    pub async fn hash(&self, password: &Zeroizing<String>, salt: [u8; 16]) -> Result<PasswordHash, Failure> {
        let (answer, hash) = oneshot::channel();
        self.enqueue(
            Task::Hash {
                password: password.clone(),
                salt,
                answer,
            },
            true,
        )?;
        hash.await.map_err(|_| Failure::Stopping)
    }

    /// Checks a password; against a decoy of the same cost where there is no hash.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too many wait.
    pub async fn check(
        &self,
        password: &Zeroizing<String>,
        hash: Option<PasswordHash>,
        salt: [u8; 16],
        known: bool,
    ) -> Result<Matched, Failure> {
        let (answer, matched) = oneshot::channel();
        self.enqueue(
            Task::Check {
                password: password.clone(),
                hash,
                salt,
                answer,
            },
            known,
        )?;
        matched.await.map_err(|_| Failure::Stopping)
    }

    /// Takes over a hash that another system made: an Argon2id hash in PHC form, or `sha256$SALT$DIGEST` where
    /// the digest is hexadecimal and that of salt and password one after the other.
    ///
    /// A plain digest is not stored: it is hashed once more, so that a stolen database is worth no more for it.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too many wait; [`Malformed`] when the text is neither.
    pub async fn take_over(
        &self,
        text: &str,
        salt: [u8; 16],
    ) -> Result<Result<PasswordHash, Malformed>, Failure> {
        let Some(older) = text.strip_prefix(SALTED_SHA256) else {
            return Ok(parse(text).map(|_| PasswordHash(text.to_owned())));
        };
        let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some((prefix, digest)) = older.split_once('$').filter(|(_, digest)| is_digest(digest)) else {
            return Ok(Err(Malformed));
        };
        let digest = Zeroizing::new(digest.to_ascii_lowercase());
        let hash = self.hash(&digest, salt).await?;
        Ok(Ok(PasswordHash(format!("{SALTED_SHA256}{prefix}${}", hash.0))))
    }

    /// Lets the threads end once the queue is empty.
    pub fn close(&self) {
        self.lanes().closed = true;
        self.shared.arrived.notify_all();
    }

    /// Computations done so far, whoever's password they were about.
    pub fn computations(&self) -> u64 {
        self.shared.computations.load(Ordering::SeqCst)
    }

    fn count(&self, memory: &mut Memory) {
        let done = std::mem::take(&mut memory.computations);
        self.shared.computations.fetch_add(done, Ordering::SeqCst);
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.shared
            .lanes
            .lock()
            .expect("no thread panics while it holds the lanes")
    }

    fn enqueue(&self, task: Task, known: bool) -> Result<(), Failure> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(Failure::Stopping);
        }
        let (lane, bound) = if known {
            (&mut lanes.known, KNOWN_WAITING_MAX)
        } else {
            (&mut lanes.strangers, self.shared.threads * WAITING_PER_THREAD_MAX)
        };
        if lane.len() >= bound {
            return Err(Failure::Busy);
        }
        lane.push_back(task);
        drop(lanes);
        self.shared.arrived.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut memory = Memory::default();
        while let Some(task) = self.next() {
            match task {
                // An asker who hung up is no reason to keep the others waiting.
                Task::Hash { answer, .. } if answer.is_closed() => {}
                Task::Check { answer, .. } if answer.is_closed() => {}
                Task::Hash {
                    password,
                    salt,
                    answer,
                } => {
                    let hash = hash(password.as_bytes(), salt, self.shared.cost, &mut memory);
                    self.count(&mut memory);
                    let _ = answer.send(hash);
                }
                Task::Check {
                    password,
                    hash,
                    salt,
                    answer,
                } => {
                    let matched = self.compare(&password, hash, salt, &mut memory);
                    self.count(&mut memory);
                    let _ = answer.send(matched);
                }
            }
            memory.wipe();
        }
    }

    fn next(&self) -> Option<Task> {
        let mut lanes = self.lanes();
        loop {
            let task = lanes.pop();
            if task.is_some() || lanes.closed {
                return task;
            }
            lanes = self
                .shared
                .arrived
                .wait(lanes)
                .expect("no thread panics while it holds the lanes");
        }
    }

    fn compare(
        &self,
        password: &str,
        hash: Option<PasswordHash>,
        salt: [u8; 16],
        memory: &mut Memory,
    ) -> Matched {
        let stored = hash.as_ref().unwrap_or(&self.shared.decoy);
        match verify(password.as_bytes(), stored, memory) {
            Ok(matched) => {
                let matched = matched && hash.is_some();
                let stale = matched && !is_of_cost(stored, self.shared.cost);
                let rehash = stale.then(|| self::hash(password.as_bytes(), salt, self.shared.cost, memory));
                Matched { matched, rehash }
            }
            Err(malformed) => {
                tracing::error!(%malformed, "a stored password hash can't be used; reset the account");
                // The same work as for every other refusal.
                let _ = verify(password.as_bytes(), &self.shared.decoy, memory);
                Matched {
                    matched: false,
                    rehash: None,
                }
            }
        }
    }
}

/// A stored hash is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an Argon2id hash in PHC form within the bounds of memory and passes, nor `sha256$SALT$DIGEST`")
    }
}

/// Memory for one computation at a time.
#[derive(Default)]
pub struct Memory {
    blocks: Vec<Block>,
    computations: u64,
}

impl Memory {
    fn blocks(&mut self, params: &Params) -> &mut [Block] {
        let count = params.block_count();
        if self.blocks.len() < count {
            self.blocks.resize(count, Block::default());
        }
        self.computations += 1;
        &mut self.blocks[..count]
    }

    /// Wipes what the last computation left.
    pub fn wipe(&mut self) {
        self.blocks.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// Hashes a password with a salt.
pub fn hash(password: &[u8], salt: [u8; 16], cost: Cost, memory: &mut Memory) -> PasswordHash {
    let params = cost.params();
    let mut out = Zeroizing::new([0u8; 32]);
    compute(password, &salt, &params, &mut *out, memory);
    let phc = Phc {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).expect("ours are few"),
        salt: Some(Salt::new(&salt).expect("16 bytes are a salt")),
        hash: Some(Output::new(&*out).expect("32 bytes are an output")),
    };
    PasswordHash(phc.to_string())
}

/// Checks a password against a stored hash, with the cost the hash names.
///
/// # Errors
/// [`Malformed`].
pub fn verify(password: &[u8], stored: &PasswordHash, memory: &mut Memory) -> Result<bool, Malformed> {
    let Some(older) = stored.0.strip_prefix(SALTED_SHA256) else {
        return matches(password, &stored.0, memory);
    };
    let (salt, phc) = older.split_once('$').ok_or(Malformed)?;
    matches(salted_sha256(salt, password).as_bytes(), phc, memory)
}

fn matches(password: &[u8], phc: &str, memory: &mut Memory) -> Result<bool, Malformed> {
    let (params, salt, expected) = parse(phc)?;
    let mut out = Zeroizing::new([0u8; 64]);
    let out = out.get_mut(..expected.len()).ok_or(Malformed)?;
    compute(password, salt.as_ref(), &params, out, memory);
    Ok(constant_time_eq(out, expected.as_bytes()))
}

fn parse(phc: &str) -> Result<(Params, Salt, Output), Malformed> {
    let phc = Phc::new(phc).map_err(|_| Malformed)?;
    let params = Params::try_from(&phc).map_err(|_| Malformed)?;
    let bounded = params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX;
    if phc.algorithm != Algorithm::Argon2id.ident() || phc.version != Some(Version::V0x13.into()) || !bounded
    {
        return Err(Malformed);
    }
    Ok((params, phc.salt.ok_or(Malformed)?, phc.hash.ok_or(Malformed)?))
}

/// The digest that an older system kept, in hexadecimal.
fn salted_sha256(salt: &str, password: &[u8]) -> Zeroizing<String> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(salt.as_bytes());
    context.update(password);
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in context.finish().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn compute(password: &[u8], salt: &[u8], params: &Params, out: &mut [u8], memory: &mut Memory) {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2
        .hash_password_into_with_memory(password, salt, out, memory.blocks(params))
        .expect("parameters, salt and lengths were checked");
}

fn is_of_cost(stored: &PasswordHash, cost: Cost) -> bool {
    let params = Phc::new(&stored.0)
        .ok()
        .and_then(|phc| Params::try_from(&phc).ok());
    params.is_some_and(|params| {
        params.m_cost() == cost.memory_kib && params.t_cost() == cost.passes && params.p_cost() == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(byte: u8) -> Task {
        Task::Hash {
            password: Zeroizing::default(),
            salt: [byte; 16],
            answer: oneshot::channel().0,
        }
    }

    /// What asking comes to at once, without waiting for any thread.
    async fn at_once(pool: &Hashing, known: bool) -> Option<Result<Matched, Failure>> {
        let password = Zeroizing::new("guess".to_owned());
        tokio::select! {
            biased;
            matched = pool.check(&password, None, [0; 16], known) => Some(matched),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn hash_is_never_computed_by_the_runtime_and_no_more_than_sixteen_a_thread_wait() {
        let pool = Hashing::idle(Cost::DEVELOPMENT, 2, [1; 16], b"decoy");
        for waiting in 0..2 * WAITING_PER_THREAD_MAX {
            assert_eq!(at_once(&pool, false).await, None, "{waiting} wait before it");
        }
        assert_eq!(at_once(&pool, false).await, Some(Err(Failure::Busy)));
        assert_eq!(
            at_once(&pool, true).await,
            None,
            "known sources have a lane of their own"
        );
        assert_eq!(pool.computations(), 0, "no thread ran, so nothing was computed");
    }

    #[test]
    fn known_sources_go_first_and_every_fourth_computation_is_a_strangers() {
        let mut lanes = Lanes::default();
        lanes.known.extend((0..8).map(|_| task(1)));
        lanes.strangers.extend((0..2).map(|_| task(2)));
        let order: Vec<u8> = std::iter::from_fn(|| lanes.pop())
            .map(|task| match task {
                Task::Hash { salt, .. } | Task::Check { salt, .. } => salt[0],
            })
            .collect();
        assert_eq!(order, [1, 1, 1, 2, 1, 1, 1, 2, 1, 1]);
    }
}
