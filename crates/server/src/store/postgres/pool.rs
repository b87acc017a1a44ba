//! Connections to a PostgreSQL server: where it is, how it is trusted, and who may speak to it at once.
//!
//! Knows: addresses, TLS, and that a server may not answer. Must never know: what is asked.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::StoreError;

/// Connections of one node at most: a server bears a hundred, and several nodes share it. More callers wait.
const CONNECTIONS_MAX: usize = 16;
/// Time for one answer; a server that is out of reach must not hold whoever decides.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Time for a connection to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// What every connection is set to. Durability is asked for and not left to the server's defaults.
const SESSION: &str = "SET synchronous_commit = on; SET lock_timeout = '2s'; SET statement_timeout = '4s'; \
                       SET idle_in_transaction_session_timeout = '10s'; \
                       SET default_transaction_isolation = 'read committed'";

/// The connections of one node.
pub(super) struct Pool {
    /// Drives the connections; callers wait for it without entering it, whatever thread they are on.
    runtime: Option<Runtime>,
    config: Config,
    tls: MakeRustlsConnect,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

/// A connection, and the statements that the server has prepared for it.
struct Connection {
    client: Client,
    prepared: Mutex<HashMap<&'static str, Statement>>,
}

/// A connection that somebody asks over, and its place among those there may be.
pub(super) struct Lent {
    connection: Connection,
    _place: OwnedSemaphorePermit,
}

impl Deref for Lent {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.connection.client
    }
}

impl Lent {
    /// A statement, prepared once for each connection.
    pub(super) async fn prepared(&self, text: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let kept = self.statements().get(text).cloned();
        if let Some(statement) = kept {
            return Ok(statement);
        }
        let statement = self.prepare(text).await?;
        self.statements().insert(text, statement.clone());
        Ok(statement)
    }

    fn statements(&self) -> MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.connection
            .prepared
            .lock()
            .expect("no thread panics while it holds the statements")
    }
}

impl Pool {
    /// Makes ready to connect; see [`Postgres::open`](super::Postgres::open).
    pub(super) fn new(
        url: &str,
        password: Option<&str>,
        authority: Option<&str>,
    ) -> Result<Pool, StoreError> {
        let mut config: Config = url.parse().map_err(|_| broken_url())?;
        if let Some(password) = password {
            config.password(password);
        }
        config.connect_timeout(CONNECT_TIME_MAX);
        config.application_name("countersign");
        match authority {
            Some(_) => config.ssl_mode(SslMode::Require),
            None if is_here(&config) => config.ssl_mode(SslMode::Disable),
            None => {
                let cause = "a PostgreSQL server on another machine is spoken to over TLS only; set store_ca";
                return Err(StoreError::Unavailable(cause.into()));
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Pool {
            runtime: Some(runtime),
            config,
            tls: MakeRustlsConnect::new(trusting(authority)?),
            idle: Mutex::new(Vec::new()),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        })
    }

    /// Where the server is, and how it is trusted.
    pub(super) fn destination(&self) -> (Config, MakeRustlsConnect) {
        (self.config.clone(), self.tls.clone())
    }

    /// Does something on the store's own threads; nobody waits for it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let runtime = self.runtime.as_ref();
        runtime.expect("the runtime is there until the drop").spawn(work);
    }

    /// Runs a future on the store's own threads and waits for it, but not for ever.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.spawn(async move {
            // Whoever waits is there until the answer comes.
            let _ = answer.send(tokio::time::timeout(ANSWER_TIME_MAX, work).await);
        });
        let broken = |why: &str| StoreError::Unavailable(why.into());
        // Twice as long, in case that the store's own threads are held up.
        answered
            .recv_timeout(2 * ANSWER_TIME_MAX)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => broken("the store's own threads are held up"),
                RecvTimeoutError::Disconnected => broken("a connection's task broke off"),
            })?
            .map_err(|_| broken("the server did not answer in time"))
    }

    /// Lends a connection, kept or new.
    pub(super) fn lend(&self) -> Result<Lent, StoreError> {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let place = self.wait(self.places.clone().acquire_owned())?;
                place.expect("the places are never closed")
            }
        };
        let kept = self.idle().pop();
        if let Some(connection) = kept.filter(|connection| !connection.client.is_closed()) {
            return Ok(Lent {
                connection,
                _place: place,
            });
        }
        let (config, tls) = self.destination();
        let client = self.wait(async move {
            let (client, connection) = config.connect(tls).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the store ended");
                }
            });
            client.batch_execute(SESSION).await?;
            Ok(client)
        })?;
        let client = client.map_err(unavailable)?;
        Ok(Lent {
            connection: Connection {
                client,
                prepared: Mutex::default(),
            },
            _place: place,
        })
    }

    /// Takes a connection back that is still good. One that is not given back is closed, and with it goes whatever its
    /// transaction did.
    pub(super) fn take_back(&self, lent: Lent) {
        if !lent.is_closed() {
            self.idle().push(lent.connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle
            .lock()
            .expect("no thread panics while it holds the pool")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which no async task may do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether a text is an address of a database, without a password: settings are shown to whoever asks.
///
/// # Errors
/// What is wrong with it; the text is not repeated.
pub fn check_address(text: &str) -> Result<(), &'static str> {
    let config: Config = match text.parse() {
        Ok(config) if text.starts_with("postgres://") || text.starts_with("postgresql://") => config,
        _ => return Err("it is no address of a PostgreSQL database"),
    };
    match config.get_password() {
        None => Ok(()),
        Some(_) => Err("it holds a password, which belongs into a file named by `store_password_file`"),
    }
}

/// Whether every host of an address is this machine.
fn is_here(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    };
    let addresses = config.get_hostaddrs().iter();
    config.get_hosts().iter().all(is_here) && addresses.into_iter().all(std::net::IpAddr::is_loopback)
}

fn trusting(authority: Option<&str>) -> Result<ClientConfig, StoreError> {
    let broken = |why: &str| StoreError::Unavailable(format!("store_ca: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.unwrap_or_default().as_bytes()) {
        let certificate = certificate.map_err(|_| broken("a certificate in PEM is damaged"))?;
        roots
            .add(certificate)
            .map_err(|_| broken("a certificate is no authority's"))?;
    }
    if authority.is_some() && roots.is_empty() {
        return Err(broken("it holds no certificate in PEM"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(&error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn broken_url() -> StoreError {
    // What is wrong with it is not repeated: it may hold a password.
    StoreError::Unavailable("the store's address is not postgres://USER@HOST:PORT/DATABASE".into())
}

pub(super) fn unavailable(error: tokio_postgres::Error) -> StoreError {
    let remedy = match error.code() {
        Some(&SqlState::DISK_FULL) => "; free some space",
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "; check user, password and pg_hba.conf"
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => "; the user must own the database",
        Some(&SqlState::UNIQUE_VIOLATION) => "; does another node have this node's name?",
        _ => "",
    };
    // The server's own words for what it refused; never the statement's values.
    let cause = error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned());
    StoreError::Unavailable(format!("{cause}{remedy}"))
}
