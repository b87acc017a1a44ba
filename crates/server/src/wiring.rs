//! How an installation is put together from a data folder, and how it is served.
//!
//! Knows: every part, and the order in which they are opened and closed. Must never know: what passes between
//! them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use countersign_auth::event::{Act, Door, Ending, Event, Origin};
use countersign_auth::rule::Entropy;
use countersign_auth::seal::KeyRing;
use countersign_core::time::UnixSeconds;
use tokio::sync::mpsc::Receiver;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How long a shared store may take to be heard at the start: as long as it may hold the name of a node whose machine
/// lost its power.
const HEARD_WITHIN: Duration = Duration::from_secs(15);

mod bound;
mod couriers;
mod moving;
mod plan;
mod rules;
mod trial;

use bound::Bound;
pub use moving::{MoveError, PLACES, Place, move_store};
pub use plan::{Mail, Plan, Shared, Texts, Tls};
pub use rules::read_rules;

use crate::door::http::listen::Entrance;
use crate::door::{control, http};
use crate::edge::certificate::{self, Authority, Served};
use crate::edge::clock::SystemClock;
use crate::edge::entropy::SystemEntropy;
use crate::edge::folder::{Folder, Lock, is_open_to_others, read_optional, write_private};
use crate::edge::host;
use crate::edge::ring::{self, RingFile};
use crate::service::audit::Checkpoint;
use crate::service::clock::{ClockDoubt, ClockGuard};
use crate::service::hashing::Hashing;
use crate::service::keys::Keys;
use crate::service::operator::{Operator, Ticket};
use crate::service::post::{Errand, Outbox, Postman};
use crate::service::rules::Mistake;
use crate::service::tokens::SharedKey;
use crate::service::{Failure, Parts, Service};
use crate::settings::Listen;
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use crate::store::transfer;
use crate::store::{Kind, NOTE_DUMMY, NOTE_HIGH_WATER, NOTE_RING, NOTE_SEALING_KEY, Store, StoreError};

/// Why an installation can't be opened or served.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Something about a file or socket.
    Io(&'static str, io::Error),
    /// Another process holds the data folder.
    Locked,
    /// There is a database, but no key ring to read it with.
    NoRing(PathBuf),
    /// The key ring is damaged.
    Ring(ring::RingError),
    /// The key ring is not the one the database was written with, whose newest key has this id.
    OtherRing(PathBuf, String),
    /// The key ring is a copy from before this sealing key was added.
    OlderRing(PathBuf, String),
    /// The store can't be used.
    Store(StoreError),
    /// The store is a copy that was never finished.
    Unfinished,
    /// Mail or text messages can't be sent as they are set.
    Mail(String),
    /// Codes for trying out were accepted for what is in the store.
    TriedOut,
    /// Codes for trying out are not accepted for accounts that are meant.
    Meant,
    /// The service could not do what a start takes.
    Service(Failure),
    /// The file of rules has mistakes.
    Rules(PathBuf, Vec<Mistake>),
    /// The shared key of elevated tokens can't be used, for this reason.
    TokenKey(PathBuf, &'static str),
    /// Without TLS only loopback and trusted proxies are served.
    PlainOffLoopback(Listen),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(what, error) => write!(f, "{what}: {error}"),
            OpenError::Locked => {
                f.write_str("another countersign process uses this data folder; stop it first")
            }
            OpenError::NoRing(path) => write!(
                f,
                "there is a database but no key ring at {}; restore the ring's backup, or move the database away",
                path.display()
            ),
            OpenError::Ring(error) => error.fmt(f),
            OpenError::OtherRing(path, id) => write!(
                f,
                "the key ring at {} is not the one this database was written with; restore the ring that belongs to \
                 it, which has the key {id}",
                path.display()
            ),
            OpenError::OlderRing(path, id) => write!(
                f,
                "the key ring at {} lacks the key {id}, under which this database's newest secrets are sealed; \
                 restore the newest copy of the ring",
                path.display()
            ),
            OpenError::Store(error) => error.fmt(f),
            OpenError::Unfinished => f.write_str(
                "the store is an unfinished copy of another; run `countersign store copy` once more to finish it",
            ),
            OpenError::TriedOut => f.write_str(
                "codes for trying out were accepted for what is in this store, so production can't trust it; begin \
                 with an empty data folder",
            ),
            OpenError::Meant => f.write_str(
                "this data folder has accounts already, and codes for trying out would open them to everybody; name an \
                 empty folder by `data`, or set `totp_enabled = true`",
            ),
            OpenError::Mail(problem) => f.write_str(problem),
            OpenError::Service(failure) => failure.fmt(f),
            OpenError::Rules(path, mistakes) => f.write_str(&rules::told(path, mistakes)),
            OpenError::TokenKey(path, why) => write!(
                f,
                "token_key_file: {} can't be used: {why}; make one with `countersign secret --bytes 32`, readable by \
                 its owner alone",
                path.display()
            ),
            OpenError::PlainOffLoopback(address) => {
                write!(
                    f,
                    "without TLS only a loopback address is served, and {address} is not one; leave `tls` on, or \
                     name the proxy that speaks TLS in `trusted_proxies`"
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    fn clock(doubt: ClockDoubt) -> OpenError {
        OpenError::Service(Failure::Clock(doubt))
    }

    /// Whether the operator wrote something that can't be.
    pub fn is_written_wrongly(&self) -> bool {
        matches!(self, OpenError::Rules(..))
    }

    /// Whether nothing but the clock stands in the way.
    pub fn is_clock(&self) -> bool {
        matches!(self, OpenError::Service(Failure::Clock(_)))
    }
}

/// An opened installation, held by this process alone.
pub struct Installation {
    /// The service, ready to be asked.
    pub service: Arc<Service>,
    /// What is to be sent; none where no mail is.
    errands: Option<Receiver<Errand>>,
    folder: Folder,
    _lock: Lock,
}

impl Installation {
    /// Opens a data folder, makes what an empty one lacks, and starts the service.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(plan: &Plan) -> Result<Installation, OpenError> {
        let folder = Folder::open(&plan.data).map_err(|error| OpenError::Io("data folder", error))?;
        let lock = folder
            .lock()
            .map_err(|error| OpenError::Io("data folder", error))?
            .ok_or(OpenError::Locked)?;
        let store = open_store(&folder, plan.store.as_ref())?;
        if transfer::is_unfinished(&*store).map_err(OpenError::Store)? {
            return Err(OpenError::Unfinished);
        }
        mark_tried_out(&*store, plan)?;
        let keys = open_ring(&*store, plan.ring())?;
        match belonging(&*store, &keys).map_err(OpenError::Store)? {
            Belonging::Ours => {}
            Belonging::Other(id) => return Err(OpenError::OtherRing(plan.ring(), id)),
            Belonging::Older(id) => return Err(OpenError::OlderRing(plan.ring(), id)),
        }
        let high_water = store.note(NOTE_HIGH_WATER).map_err(OpenError::Store)?;
        let high_water = UnixSeconds(high_water.and_then(|text| text.parse().ok()).unwrap_or(0));
        let clock = Arc::new(ClockGuard::new(Box::new(SystemClock), high_water));
        let mut drawn = [0u8; 48];
        SystemEntropy.fill(&mut drawn);
        let (salt, secret) = drawn.split_at(16);
        let salt = salt.try_into().expect("split at 16");
        let hashing = Hashing::start(plan.cost, plan.hash_threads, salt, secret)
            .map_err(|error| OpenError::Io("threads", error))?;
        let (outbox, errands) = match plan.mail {
            Some(_) => {
                let (outbox, errands) = Outbox::open();
                (outbox, Some(errands))
            }
            None => (Outbox::closed(), None),
        };
        let parts = Parts {
            store,
            hashing,
            clock,
            policy: plan.policy.clone(),
            keys: Keys::new(keys, Box::new(RingFile::at(plan.ring()))),
            entropy: [Box::new(SystemEntropy), Box::new(SystemEntropy)],
            node: plan.node.clone(),
            notices: Box::new(|id, notice| {
                tracing::info!(notice = %id.short(), account = %notice.account, kind = ?notice.kind, "notice");
            }),
            outbox,
        };
        let service = Arc::new(Service::start(parts).map_err(|error| OpenError::Io("threads", error))?);
        service.wait_for_store(HEARD_WITHIN).map_err(OpenError::Service)?;
        Ok(Installation {
            service,
            errands,
            folder,
            _lock: lock,
        })
    }

    /// Answers operators while no server runs.
    pub fn resting_operator(&self, plan: &Plan) -> Operator {
        self.service.issue_as(&plan.public_url(&plan.listen));
        let mail = plan.mail.as_ref();
        let words = couriers::words(mail.and_then(|mail| mail.templates.as_ref()));
        self.service
            .word_with(words.map(Arc::new).map_err(|error| error.to_string()));
        Operator::new(self.service.clone())
    }

    /// Writes down what is only in memory, and the audit's checkpoint.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn close(self) -> Result<(), OpenError> {
        let checkpoint = self.service.wind_up().await.map_err(OpenError::Service)?;
        write_checkpoint(&self.folder, &self.service, &checkpoint).await?;
        if let Some(service) = Arc::into_inner(self.service) {
            service.end();
        }
        Ok(())
    }

    /// Whether there is an installation; none is made by asking.
    pub fn exists(plan: &Plan) -> bool {
        plan.data.is_dir() && plan.ring().exists()
    }

    /// Whether a data folder is held by a running server.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn is_running(data: &Path) -> Result<bool, OpenError> {
        if !data.exists() {
            return Ok(false);
        }
        let folder = Folder::open(data).map_err(|error| OpenError::Io("data folder", error))?;
        Ok(folder
            .lock()
            .map_err(|error| OpenError::Io("data folder", error))?
            .is_none())
    }
}

fn open_store(folder: &Folder, shared: Option<&Shared>) -> Result<Arc<dyn Store>, OpenError> {
    match shared {
        Some(shared) => Ok(Arc::new(open_shared(shared)?)),
        None => Ok(Arc::new(open_embedded(folder)?)),
    }
}

/// Notes that codes for trying out are accepted, and holds production off a store where they ever were.
fn mark_tried_out(store: &dyn Store, plan: &Plan) -> Result<(), OpenError> {
    let was = store.note(NOTE_DUMMY).map_err(OpenError::Store)?.is_some();
    if plan.policy.dummy_codes {
        let has_accounts = || store.list(Kind::Account, None, 1).map(|found| !found.is_empty());
        if !was && has_accounts().map_err(OpenError::Store)? {
            return Err(OpenError::Meant);
        }
        return store.set_note(NOTE_DUMMY, "accepted").map_err(OpenError::Store);
    }
    if was && !plan.development {
        return Err(OpenError::TriedOut);
    }
    Ok(())
}

fn open_embedded(folder: &Folder) -> Result<Sqlite, OpenError> {
    Sqlite::open(&folder.database()).map_err(OpenError::Store)
}

/// An embedded store in a file, for measuring.
///
/// # Errors
/// [`StoreError`].
pub fn embedded_store(file: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Sqlite::open(file)?))
}

fn open_shared(shared: &Shared) -> Result<Postgres, OpenError> {
    let read = |path: &PathBuf, what| {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        text.map_err(|error| OpenError::Io(what, error))
    };
    let password = shared.password_file.as_ref();
    let password = password
        .map(|path| read(path, "store_password_file"))
        .transpose()?;
    let authority = shared.authority.as_ref();
    let authority = authority.map(|path| read(path, "store_ca")).transpose()?;
    let store = Postgres::open(
        &shared.address,
        password.as_ref().map(|text| text.trim_end_matches(['\r', '\n'])),
        authority.as_ref().map(|text| text.as_str()),
    );
    store.map_err(OpenError::Store)
}

/// The shared key of elevated tokens.
fn token_key(path: &Path, ring: &Path) -> Result<SharedKey, OpenError> {
    let failed = |error| OpenError::Io("token_key_file", error);
    let key = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let key = key.trim_ascii_end();
    let is_in_ring = read_optional(ring).map_err(failed)?.is_some_and(|ring| {
        let ring = Zeroizing::new(ring);
        !key.is_empty() && ring.windows(key.len()).any(|window| window == key)
    });
    if is_in_ring {
        return Err(OpenError::TokenKey(
            path.to_owned(),
            "it is a key of the key ring",
        ));
    }
    if is_open_to_others(path).map_err(failed)? {
        return Err(OpenError::TokenKey(path.to_owned(), "it is open to others"));
    }
    SharedKey::new(key)
        .ok_or_else(|| OpenError::TokenKey(path.to_owned(), "it is too short, or one byte repeated"))
}

fn open_ring(store: &dyn Store, path: PathBuf) -> Result<KeyRing, OpenError> {
    let failed = |error| OpenError::Io("key ring", error);
    let text = match read_optional(&path).map_err(failed)? {
        Some(bytes) => {
            if is_open_to_others(&path).map_err(failed)? {
                tracing::warn!(ring = %path.display(), "the key ring is open to others; make it its owner's alone");
            }
            let bytes = Zeroizing::new(bytes);
            Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
        }
        None if store.note(NOTE_RING).map_err(OpenError::Store)?.is_some() => {
            return Err(OpenError::NoRing(path));
        }
        // Of several nodes that start at once on one folder, one draws it.
        None => RingFile::at(path).draw_unless_there().map_err(failed)?,
    };
    ring::parse(&text).map_err(OpenError::Ring)
}

/// How a key ring stands to a store.
enum Belonging {
    Ours,
    /// It lacks the sealing key of this id, as all others.
    Other(String),
    /// It lacks the sealing key of this id.
    Older(String),
}

/// Compares the ring with what the store notes of it, and notes what is not noted yet.
fn belonging(store: &dyn Store, keys: &KeyRing) -> Result<Belonging, StoreError> {
    if store.claim_note(NOTE_RING, &keys.fingerprint())? != keys.fingerprint() {
        let newest = store.note(NOTE_SEALING_KEY)?;
        return Ok(Belonging::Other(newest.unwrap_or_default()));
    }
    match store.note(NOTE_SEALING_KEY)? {
        Some(id) if keys.ids().all(|known| known != id) => return Ok(Belonging::Older(id)),
        Some(id) if id == keys.current() => {}
        _ => store.set_note(NOTE_SEALING_KEY, keys.current())?,
    }
    Ok(Belonging::Ours)
}

/// Writes the newest checkpoint; one that the audit no longer upholds is evidence, and is kept.
async fn write_checkpoint(
    folder: &Folder,
    service: &Service,
    checkpoint: &Checkpoint,
) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io("audit checkpoint", error);
    if let Some(kept) = read_optional(&folder.checkpoint()).map_err(failed)? {
        let upheld = match serde_json::from_slice(&kept) {
            Ok(kept) => service.upholds(kept).await.map_err(OpenError::Service)?,
            Err(_) => false,
        };
        if !upheld {
            tracing::error!(
                "the audit and its last checkpoint disagree, so that one is kept; run `countersign audit verify`"
            );
            return Ok(());
        }
    }
    let text =
        serde_json::to_string_pretty(checkpoint).expect("a checkpoint holds nothing that JSON can't spell");
    write_private(&folder.checkpoint(), text.as_bytes()).map_err(failed)
}

/// What a server says when it is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Scheme, address and port; or `unix:` and the socket's path.
    pub url: String,
    /// SHA-256 of the certificate to trust, in hexadecimal; empty without TLS.
    pub fingerprint: String,
    /// What is left to do before anybody can sign in.
    pub setup: Setup,
}

/// Whether somebody administers this installation yet.
#[derive(Clone, Debug)]
pub enum Setup {
    /// Somebody does.
    Done,
    /// Nobody does, and nobody watches who could be shown a link: none was issued.
    Needed,
    /// Nobody does; this link makes the first administrator.
    Link(Ticket),
}

/// Serves until `stop`, calling `ready` once requests are answered.
///
/// # Errors
/// [`OpenError`].
pub async fn serve(plan: Plan, stop: CancellationToken, ready: impl FnOnce(&Ready)) -> Result<(), OpenError> {
    if plan.serves_proxies_alone() && plan.trusted_proxies.have_no_network() {
        return Err(OpenError::PlainOffLoopback(plan.listen));
    }
    let couriers = plan.mail.as_ref().map(couriers::open).transpose()?;
    let mut installation = Installation::open(&plan)?;
    let service = installation.service.clone();
    let bound = Bound::to(&plan.listen)
        .await
        .map_err(|error| OpenError::Io("listen", error))?;
    // Before anything is dated: certificates of a clock that stands in 1970 would outlive the mistake.
    let now = service.clock().now().map_err(OpenError::clock)?;
    let secured = secure(&plan, &installation.folder, now)?;
    let control = control::bind(&installation.folder.control())
        .map_err(|error| OpenError::Io("control socket", error))?;
    let owner = installation
        .folder
        .owner()
        .map_err(|error| OpenError::Io("data folder", error))?;

    rules::open(&plan, &service)?;
    prove_audit(&service).await?;
    let public_url = plan.public_url(&bound.at);
    service.issue_as(&public_url);
    if let Some(path) = &plan.token_key_file {
        service.sign_tokens_under(token_key(path, &plan.ring())?);
    }
    service.read_signing_keys().await.map_err(OpenError::Service)?;
    if let Some(couriers) = &couriers {
        service.word_with(Ok(couriers.templates()));
    }
    let operator = Arc::new(Operator::new(service.clone()));
    if plan.policy.dummy_codes {
        trial::seed(&operator).await.map_err(OpenError::Service)?;
    }
    let announced = announce(&plan, &bound.at, &secured, &operator).await?;
    let upkeep = tokio::spawn(upkeep(
        plan.clone(),
        installation.folder.clone(),
        service.clone(),
        secured.swap(),
        stop.clone(),
    ));
    let links = public_url;
    let postman = couriers
        .zip(installation.errands.take())
        .map(|(couriers, errands)| {
            let means = couriers.means(links);
            tokio::spawn(Postman::new(service.clone(), errands, means).run(stop.clone()))
        });
    let control = tokio::spawn(control::serve(control, owner, operator, stop.clone()));
    let followed = tokio::spawn(rules::follow(plan.clone(), service.clone(), stop.clone()));
    ready(&announced);
    let entrance = Entrance {
        listener: bound.listener,
        tls: secured.acceptor(),
        places: http::listen::places(host::raise_open_files()),
        proxies: Arc::new(plan.trusted_proxies.clone()),
        proxies_alone: plan.serves_proxies_alone(),
    };
    http::listen::serve(entrance, routes(&plan, service.clone()), stop).await;
    drop(bound.file);
    let _ = tokio::join!(upkeep, control, followed);
    if let Some(postman) = postman {
        let _ = postman.await;
    }
    let noted = service.note(vec![server_event(Act::ServerStop)]).await;
    drop(service);
    let _ = std::fs::remove_file(installation.folder.control());
    let closed = installation.close().await;
    noted.map_err(OpenError::Service).and(closed)
}

/// The routes of the door, as this installation is known.
fn routes(plan: &Plan, service: Arc<Service>) -> Router {
    let mut routes = http::router(service.clone());
    if plan.development {
        routes = http::for_development(routes, service);
    }
    match &plan.public_url {
        Some(url) => http::known_as(routes, url),
        None => routes,
    }
}

fn server_event(act: Act) -> Event {
    let origin = Origin {
        door: Door::Server,
        network: String::new(),
        browser: None,
        remember: false,
        agent: String::new(),
        request: String::new(),
        by: None,
    };
    Event::plain(act, Ending::Success, &origin)
}

/// Writes the start into the audit and sees that it landed: an audit that silently does nothing is worse than
/// none.
async fn prove_audit(service: &Service) -> Result<(), OpenError> {
    let before = service.checkpoint().await.map_err(OpenError::Service)?;
    service
        .note(vec![server_event(Act::ServerStart)])
        .await
        .map_err(OpenError::Service)?;
    let after = service.checkpoint().await.map_err(OpenError::Service)?;
    if before.chains == after.chains {
        let cause = "the audit did not take the start-up entry".to_owned();
        return Err(OpenError::Store(StoreError::Unavailable(cause)));
    }
    Ok(())
}

/// TLS as it is served, if it is.
struct Secured {
    config: Option<(Arc<rustls::ServerConfig>, Arc<Served>)>,
    fingerprint: String,
}

impl Secured {
    fn acceptor(&self) -> Option<TlsAcceptor> {
        self.config
            .as_ref()
            .map(|(config, _)| TlsAcceptor::from(config.clone()))
    }

    fn swap(&self) -> Option<Arc<Served>> {
        self.config.as_ref().map(|(_, served)| served.clone())
    }
}

fn secure(plan: &Plan, folder: &Folder, now: UnixSeconds) -> Result<Secured, OpenError> {
    let failed = |error| OpenError::Io("certificate", error);
    let (key, fingerprint) = match &plan.tls {
        Tls::Off => {
            return Ok(Secured {
                config: None,
                fingerprint: String::new(),
            });
        }
        Tls::Own => {
            let authority =
                Authority::open(&folder.tls(), &plan.names, now, &mut SystemEntropy).map_err(failed)?;
            (
                authority.leaf().map_err(failed)?,
                authority.fingerprint().map_err(failed)?,
            )
        }
        Tls::Files { chain, key } => (
            certificate::load(chain, key).map_err(failed)?,
            certificate::fingerprint(chain).map_err(failed)?,
        ),
    };
    let (config, served) = certificate::server_config(key).map_err(failed)?;
    Ok(Secured {
        config: Some((Arc::new(config), served)),
        fingerprint,
    })
}

async fn announce(
    plan: &Plan,
    bound: &Listen,
    secured: &Secured,
    operator: &Operator,
) -> Result<Ready, OpenError> {
    let scheme = if plan.tls == Tls::Off { "http" } else { "https" };
    let failed = OpenError::Service;
    let setup = if plan.attended {
        let link = operator.first_link().await.map_err(failed)?;
        link.map_or(Setup::Done, Setup::Link)
    } else if operator.is_set_up().await.map_err(failed)? {
        Setup::Done
    } else {
        Setup::Needed
    };
    Ok(Ready {
        url: match bound {
            Listen::Address(address) => format!("{scheme}://{address}"),
            socket => socket.to_string(),
        },
        fingerprint: secured.fingerprint.clone(),
        setup,
    })
}

/// What a server does by itself: activity every half minute, the audit every minute, the certificate every
/// hour.
async fn upkeep(
    plan: Plan,
    folder: Folder,
    service: Arc<Service>,
    served: Option<Arc<Served>>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(30));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let stamps = Mutex::new(modified(&plan));
    for count in 0u64.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(failure) = service.every_half_minute().await {
            tracing::warn!(%failure, "activity could not be written down");
        }
        if count % 2 == 0 {
            match service.every_minute().await {
                Ok(checkpoint) => {
                    if let Err(error) = write_checkpoint(&folder, &service, &checkpoint).await {
                        tracing::error!(%error, "the audit's checkpoint could not be written");
                    }
                }
                Err(failure) => tracing::warn!(%failure, "the minute's upkeep could not be done"),
            }
        }
        let Some(served) = &served else { continue };
        // A clock in doubt dates no certificate; the next hour tries again.
        let due = service.clock().now().ok().filter(|_| count % 120 == 1);
        if let Err(error) = refresh(&plan, &folder, served, &stamps, due) {
            tracing::error!(%error, "the certificate could not be renewed; the old one is still served");
        }
    }
}

/// Swaps the certificate when the operator's files changed, or when our own leaf is due.
fn refresh(
    plan: &Plan,
    folder: &Folder,
    served: &Served,
    stamps: &Mutex<Option<std::time::SystemTime>>,
    due: Option<UnixSeconds>,
) -> io::Result<()> {
    match &plan.tls {
        Tls::Off => {}
        Tls::Own => {
            if let Some(now) = due {
                let authority = Authority::open(&folder.tls(), &plan.names, now, &mut SystemEntropy)?;
                served.swap(authority.leaf()?);
            }
        }
        Tls::Files { chain, key } => {
            let stamp = modified(plan);
            let mut last = stamps.lock().expect("no thread panics while it holds the stamps");
            if *last != stamp {
                served.swap(certificate::load(chain, key)?);
                *last = stamp;
                tracing::info!("the certificate was reloaded");
            }
        }
    }
    Ok(())
}

fn modified(plan: &Plan) -> Option<std::time::SystemTime> {
    match &plan.tls {
        Tls::Files { chain, .. } => std::fs::metadata(chain).and_then(|data| data.modified()).ok(),
        _ => None,
    }
}
