//! The store that several nodes share: PostgreSQL 15 or newer.
//!
//! Knows: SQL, locks, and that a commit whose answer was lost may stand. Must never know: rules.
//!
//! A batch locks the rows it touches in the order of their keys, so that two batches with crossing keys wait
//! for each other in one order and never in a circle. A row that a batch makes is guarded by the table's key: of two
//! that would make it one does, and the other is decided again. A decision upon the absence of a row that it does not
//! make is not guarded; no rule grants anything on such an absence.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use countersign_auth::record::{Key, Record};
use countersign_auth::rule::Change;
use countersign_auth::snapshot::{Stored, Version};
use countersign_core::time::UnixSeconds;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::codec::{self, Kind};
use super::sqlite::Sqlite;
use super::transfer::{self, Trouble};
use super::{
    AuditRow, Batch, Chain, Fate, Listener, NOTE_HIGH_WATER, NOTE_SEALING_KEY, Place, Store, StoreError,
};

mod follow;
mod pool;

pub use pool::check_address;
use pool::{Lent, Pool, unavailable};

const MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/postgres/0001_records.sql"),
    include_str!("../../migrations/postgres/0002_tokens.sql"),
    include_str!("../../migrations/postgres/0003_sessions.sql"),
    include_str!("../../migrations/postgres/0004_recoveries.sql"),
    include_str!("../../migrations/postgres/0005_text_messages.sql"),
    include_str!("../../migrations/postgres/0006_audit_time.sql"),
];
/// The note that says how many migrations were made.
const NOTE_SCHEMA: &str = "schema";
/// Held while migrations are made, so that of several nodes that start at once one makes them.
const MIGRATION_LOCK: i64 = 0x636f_756e_7465_7273;
/// Held in shared mode by every node that serves, and alone by whoever copies the whole database.
const USED: i64 = 0x636f_756e_7465_7274;
/// Shared by every commit under way, and held alone by whoever sets a note: the newest sealing key is one.
const SEALING: i64 = 0x636f_756e_7465_7275;
/// The first half of the lock that a node holds on its name.
const NAMED: i32 = 0x636f_756e;
/// The channel of hints.
const FOLLOWED: &str = "countersign";
/// How often a batch is begun anew because another node made a row that it would make.
const TRIES_MAX: usize = 4;
/// Seconds by which the highest time may run ahead of its note: so often, and not at every commit, do all nodes write
/// the one row.
const HIGH_WATER_STEP_S: u64 = 5;

/// A database on a server.
pub struct Postgres {
    pool: Arc<Pool>,
    /// The connection whose transaction sees the database as it was at one moment, where that is asked for.
    moment: Option<Mutex<Option<Lent>>>,
}

type Fallible<T> = Result<T, tokio_postgres::Error>;

impl Postgres {
    /// Connects, and brings the database to this version's shape.
    ///
    /// `authority` is the PEM text of the certificates that the server's is checked against. Without it only a server
    /// on this machine is spoken to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also when a newer version of Countersign has written to it.
    pub fn open(url: &str, password: Option<&str>, authority: Option<&str>) -> Result<Postgres, StoreError> {
        let store = Postgres {
            pool: Arc::new(Pool::new(url, password, authority)?),
            moment: None,
        };
        let client = store.pool.lend()?;
        let work = async move { (migrate(&client).await, client) };
        let (migrated, client) = store.pool.wait(work)?;
        migrated?;
        store.pool.take_back(client);
        Ok(store)
    }

    /// The database as it is now, whatever is written to it meanwhile; for reading only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn as_of_now(&self) -> Result<Postgres, StoreError> {
        let client = self.pool.lend()?;
        let (begun, client) = self.pool.wait(async move {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            (client.batch_execute(begin).await, client)
        })?;
        begun.map_err(unavailable)?;
        Ok(Postgres {
            pool: self.pool.clone(),
            moment: Some(Mutex::new(Some(client))),
        })
    }

    /// Keeps every node from this database until it is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when a node uses it.
    pub fn alone(&self) -> Result<Alone, StoreError> {
        let client = self.pool.lend()?;
        let (taken, client) = self.pool.wait(async move {
            let take = "SELECT pg_try_advisory_lock($1)";
            (rows(&client, take, vec![value(USED)]).await, client)
        })?;
        if taken.map_err(unavailable)?.iter().any(|row| row.get(0)) {
            Ok(Alone {
                pool: self.pool.clone(),
                holder: Some(client),
            })
        } else {
            Err(StoreError::Unavailable(
                "a node uses it; stop every node first".into(),
            ))
        }
    }

    /// Asks over a connection of the pool, which takes it back when it is still good.
    fn with<T, F>(&self, ask: impl FnOnce(Lent) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = (T, Lent)> + Send + 'static,
    {
        let Some(moment) = &self.moment else {
            let (answer, client) = self.pool.wait(ask(self.pool.lend()?))?;
            self.pool.take_back(client);
            return Ok(answer);
        };
        let mut moment = moment
            .lock()
            .expect("no thread panics while it holds the moment's connection");
        let lost = || StoreError::Unavailable("the connection was lost; begin again".into());
        let (answer, client) = self.pool.wait(ask(moment.take().ok_or_else(lost)?))?;
        *moment = Some(client);
        Ok(answer)
    }

    /// Rows of a query.
    fn query(&self, text: &'static str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.with(move |client| async move { (rows(&client, text, values).await, client) })?
            .map_err(unavailable)
    }
}

/// Keeps every node from a database until it is dropped.
pub struct Alone {
    pool: Arc<Pool>,
    holder: Option<Lent>,
}

impl Alone {
    /// Whether it did so all the time: the connection that keeps the nodes away is still there.
    pub fn is_held(&mut self) -> bool {
        let Some(holder) = self.holder.take() else {
            return false;
        };
        let work = async move { (rows(&holder, "SELECT 1", vec![]).await, holder) };
        let Ok((Ok(_), holder)) = self.pool.wait(work) else {
            return false;
        };
        self.holder = Some(holder);
        true
    }
}

/// A parameter of a statement.
type Value = Box<dyn ToSql + Sync + Send>;

fn value(value: impl ToSql + Sync + Send + 'static) -> Value {
    Box::new(value)
}

/// A statement that the server knows already, with its values: sent as soon as it is polled, so that several go out
/// together and in order.
struct Asked<'a> {
    client: &'a Lent,
    statement: Statement,
    values: Vec<Value>,
}

impl<'a> Asked<'a> {
    async fn new(client: &'a Lent, text: &'static str, values: Vec<Value>) -> Fallible<Asked<'a>> {
        let statement = client.prepared(text).await?;
        Ok(Asked {
            client,
            statement,
            values,
        })
    }

    async fn rows(&self) -> Fallible<Vec<Row>> {
        let values: Vec<&(dyn ToSql + Sync)> = self.values.iter().map(|value| &**value as _).collect();
        self.client.query(&self.statement, &values).await
    }
}

async fn rows(client: &Lent, text: &'static str, values: Vec<Value>) -> Fallible<Vec<Row>> {
    Asked::new(client, text, values).await?.rows().await
}

/// Nothing, or what a statement answers.
async fn done(asked: &Option<Asked<'_>>) -> Fallible<()> {
    match asked {
        Some(asked) => asked.rows().await.map(drop),
        None => Ok(()),
    }
}

/// Makes what migrations are missing. A connection on which one broke off is of no more use; with it goes the lock.
async fn migrate(client: &Lent) -> Result<(), StoreError> {
    let lock = format!("SELECT pg_advisory_lock({MIGRATION_LOCK})");
    client.batch_execute(&lock).await.map_err(unavailable)?;
    migrate_locked(client).await?;
    let unlock = format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})");
    client.batch_execute(&unlock).await.map_err(unavailable)
}

async fn migrate_locked(client: &Lent) -> Result<(), StoreError> {
    let exists = "SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('note')";
    let mut found = 0;
    if !rows(client, exists, vec![])
        .await
        .map_err(unavailable)?
        .is_empty()
    {
        let schema = rows(client, NOTE, vec![value(NOTE_SCHEMA)]).await;
        let schema = schema.map_err(unavailable)?;
        found = schema
            .first()
            .and_then(|row| row.get::<_, String>(0).parse().ok())
            .unwrap_or(0usize);
    }
    if found > MIGRATIONS.len() {
        return Err(StoreError::Unavailable(format!(
            "the database has version {found}, this Countersign knows up to {}; run the newer one, or restore the \
             backup made before the upgrade",
            MIGRATIONS.len()
        )));
    }
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        let made = format!(
            "BEGIN; {migration}; INSERT INTO note (name, value) VALUES ('{NOTE_SCHEMA}', '{}') \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value; COMMIT",
            number + 1
        );
        client.batch_execute(&made).await.map_err(unavailable)?;
    }
    Ok(())
}

/// Kinds and ids of keys, as two columns.
fn columns<'a>(keys: impl IntoIterator<Item = &'a Key>) -> (Vec<&'static str>, Vec<String>) {
    keys.into_iter()
        .map(|key| {
            let (kind, id) = codec::spelt(key);
            (kind.name(), id)
        })
        .unzip()
}

/// What the decisions that stand leave behind, each key once: the last one counts.
fn settled<'a>(changes: impl Iterator<Item = &'a Change>) -> BTreeMap<&'a Key, Option<&'a Record>> {
    let mut settled = BTreeMap::new();
    for change in changes {
        match change {
            Change::Put(key, record) => settled.insert(key, Some(record)),
            Change::Delete(key) => settled.insert(key, None),
            Change::Audit(_) => continue,
        };
    }
    settled
}

/// Hints of the sessions and tokens that a commit ends.
fn ended<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<String> {
    let hint = |change: &Change| match change {
        Change::Delete(key @ (Key::Session(_) | Key::ApiToken(_))) => Some(follow::spelt(key)),
        _ => None,
    };
    changes.filter_map(hint).collect()
}

/// Records to be written, as columns.
#[derive(Default)]
struct Records {
    kinds: Vec<&'static str>,
    ids: Vec<String>,
    expiries: Vec<Option<i64>>,
    bodies: Vec<String>,
}

impl Records {
    fn push(&mut self, key: &Key, record: &Record) {
        let (kind, id) = codec::spelt(key);
        self.kinds.push(kind.name());
        self.ids.push(id);
        self.expiries
            .push(record.expires_at().map(|at| at.0.cast_signed()));
        self.bodies.push(codec::emit(record));
    }

    fn values(self) -> Vec<Value> {
        vec![
            value(self.kinds),
            value(self.ids),
            value(self.expiries),
            value(self.bodies),
        ]
    }
}

/// Why a step of a commit did not go through.
enum Hindrance {
    /// Another node made a row that this batch would make; begin anew.
    Taken,
    /// The locks could not be had in time; nothing was done.
    Waited,
    /// Nothing was done.
    Failed(tokio_postgres::Error),
    /// The commit was sent and its answer lost.
    Lost(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Hindrance {
    fn from(error: tokio_postgres::Error) -> Hindrance {
        match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED) => Hindrance::Waited,
            _ => Hindrance::Failed(error),
        }
    }
}

impl Hindrance {
    /// What an error means once the commit was sent as well: where a statement was refused, nothing was committed. A
    /// server that goes down says so too, and may have committed.
    fn sent(error: tokio_postgres::Error) -> Hindrance {
        match error.as_db_error().and_then(DbError::parsed_severity) {
            Some(Severity::Error) => Hindrance::from(error),
            _ => Hindrance::Lost(error),
        }
    }
}

/// What a batch writes, once it is known what of it stands.
struct Writing {
    made: Records,
    changed: Records,
    gone: (Vec<&'static str>, Vec<String>),
    entries: Vec<AuditRow>,
    ended: Vec<String>,
    now: UnixSeconds,
}

impl Writing {
    fn new(
        stored: &BTreeMap<&Key, Version>,
        batch: &Batch,
        fates: &[Fate],
        entries: Vec<AuditRow>,
    ) -> Writing {
        let (mut made, mut changed, mut gone) = (Records::default(), Records::default(), Vec::new());
        for (key, record) in settled(batch.winning(fates)) {
            let is_there = stored.get(key).is_some_and(|version| *version > 0);
            match record {
                Some(record) if is_there => changed.push(key, record),
                Some(record) => made.push(key, record),
                None => gone.push(key),
            }
        }
        Writing {
            made,
            changed,
            gone: columns(gone),
            entries,
            ended: ended(batch.winning(fates)),
            now: batch.now,
        }
    }

    /// Writes and commits in one go: statements that follow one that failed do nothing, and the commit then takes all
    /// back.
    async fn run(self, client: &Lent) -> Result<(), Hindrance> {
        let made = (!self.made.kinds.is_empty()).then(|| self.made.values());
        let changed = (!self.changed.kinds.is_empty()).then(|| self.changed.values());
        let (gone_kinds, gone_ids) = self.gone;
        let gone = (!gone_kinds.is_empty()).then(|| vec![value(gone_kinds), value(gone_ids)]);
        let entries = (!self.entries.is_empty()).then(|| audit_columns(self.entries));
        let ended = (!self.ended.is_empty()).then(|| vec![value(FOLLOWED), value(self.ended)]);
        // What writes nothing else shows whether the store takes changes, so it writes this.
        let is_empty = made.is_none() && changed.is_none() && gone.is_none() && entries.is_none();
        let step_s = if is_empty { 0 } else { HIGH_WATER_STEP_S };
        let high_water = vec![
            value(NOTE_HIGH_WATER),
            value(self.now.to_string()),
            value(step_s.cast_signed()),
        ];
        let (make, change, delete) = (
            asked(client, MAKE, made).await?,
            asked(client, CHANGE, changed).await?,
            asked(client, DELETE, gone).await?,
        );
        let (append, hint, raise) = (
            asked(client, APPEND, entries).await?,
            asked(client, HINT, ended).await?,
            asked(client, RAISE, Some(high_water)).await?,
        );
        let (made, changed, deleted, appended, hinted, raised, committed) = tokio::join!(
            biased;
            done(&make),
            done(&change),
            done(&delete),
            done(&append),
            done(&hint),
            done(&raise),
            client.batch_execute("COMMIT"),
        );
        made.map_err(|error| match error.code() {
            Some(&SqlState::UNIQUE_VIOLATION) => Hindrance::Taken,
            _ => Hindrance::sent(error),
        })?;
        for answer in [changed, deleted, appended, hinted, raised, committed] {
            answer.map_err(Hindrance::sent)?;
        }
        Ok(())
    }
}

async fn asked<'a>(
    client: &'a Lent,
    text: &'static str,
    values: Option<Vec<Value>>,
) -> Result<Option<Asked<'a>>, Hindrance> {
    match values {
        Some(values) => Ok(Some(Asked::new(client, text, values).await?)),
        None => Ok(None),
    }
}

const HOLD_KEY: &str = "SELECT pg_advisory_xact_lock_shared($1)";
const NOTE: &str = "SELECT value FROM note WHERE name = $1";
const LOCK: &str = "SELECT r.kind, r.id, r.version FROM record r \
                    JOIN unnest($1::text[], $2::text[]) AS k (kind, id) ON r.kind = k.kind AND r.id = k.id \
                    ORDER BY r.kind, r.id FOR UPDATE OF r";
const MAKE: &str = "INSERT INTO record (kind, id, version, expires_at, body) \
                    SELECT kind, id, nextval('record_version'), expires_at, body \
                    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) \
                    AS m (kind, id, expires_at, body) ORDER BY kind COLLATE \"C\", id COLLATE \"C\"";
const CHANGE: &str = "UPDATE record AS r \
                      SET version = nextval('record_version'), expires_at = c.expires_at, body = c.body \
                      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) \
                      AS c (kind, id, expires_at, body) WHERE r.kind = c.kind AND r.id = c.id";
const DELETE: &str = "DELETE FROM record AS r USING unnest($1::text[], $2::text[]) AS g (kind, id) \
                      WHERE r.kind = g.kind AND r.id = g.id";
const APPEND: &str = "INSERT INTO audit (node, number, at, body, mac) \
                      SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[])";
const HINT: &str = "SELECT pg_notify($1, hint) FROM unnest($2::text[]) AS hint";
/// Looks first: a conflict would lock the one row for every node, also where nothing is to be written.
const RAISE: &str = "INSERT INTO note (name, value) SELECT $1::text, $2::text WHERE NOT EXISTS \
                     (SELECT 1 FROM note WHERE name = $1 AND value::bigint >= $2::text::bigint - $3::bigint) \
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value \
                     WHERE note.value::bigint < excluded.value::bigint";

impl Postgres {
    /// Begins a transaction, keeps the newest sealing key from being replaced before its end, and locks what the batch
    /// was decided upon and what it changes; answers that key and the versions as they stand.
    fn lock(
        &self,
        client: Lent,
        keys: &BTreeSet<&Key>,
    ) -> Result<(Result<Locked, Hindrance>, Lent), StoreError> {
        let (kinds, ids) = columns(keys.iter().copied());
        self.pool.wait(async move {
            let locked = async {
                let hold = Asked::new(&client, HOLD_KEY, vec![value(SEALING)]).await?;
                let newest = Asked::new(&client, NOTE, vec![value(NOTE_SEALING_KEY)]).await?;
                let lock = Asked::new(&client, LOCK, vec![value(kinds), value(ids)]).await?;
                let (begun, held, newest, locked) = tokio::join!(
                    biased;
                    client.batch_execute("BEGIN"),
                    hold.rows(),
                    newest.rows(),
                    lock.rows(),
                );
                begun?;
                held?;
                let newest = newest?.first().map(|row| row.get(0));
                Ok((newest, locked?))
            }
            .await;
            (locked, client)
        })
    }
}

/// The newest sealing key, and kind, id and version of each row that is there.
type Locked = (Option<String>, Vec<Row>);

fn audit_columns(entries: Vec<AuditRow>) -> Vec<Value> {
    let (mut nodes, mut numbers, mut times, mut bodies, mut macs) = (vec![], vec![], vec![], vec![], vec![]);
    for entry in entries {
        nodes.push(entry.node);
        numbers.push(entry.number.cast_signed());
        times.push(entry.at.0.cast_signed());
        bodies.push(entry.body);
        macs.push(entry.mac.to_vec());
    }
    vec![
        value(nodes),
        value(numbers),
        value(times),
        value(bodies),
        value(macs),
    ]
}

/// An entry of the audit; a MAC of another length was written by nobody of ours and never verifies.
fn audit_row(row: &Row) -> AuditRow {
    let mac: Vec<u8> = row.get(4);
    AuditRow {
        node: row.get(0),
        number: row.get::<_, i64>(1).cast_unsigned(),
        at: UnixSeconds(row.get::<_, i64>(2).cast_unsigned()),
        body: row.get(3),
        mac: mac.try_into().unwrap_or_default(),
    }
}

impl Store for Postgres {
    fn load(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        let (kinds, ids) = columns(keys);
        let load = "SELECT r.version, r.body FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (kind, id, at) \
                    LEFT JOIN record r ON r.kind = k.kind AND r.id = k.id ORDER BY k.at";
        let rows = self.query(load, vec![value(kinds), value(ids)])?;
        let stored = |(key, row): (&Key, &Row)| match row.get::<_, Option<i64>>(0) {
            None => Ok(Stored::ABSENT),
            Some(version) => Ok(Stored {
                version: version.cast_unsigned(),
                record: Some(codec::parse(key, row.get(1))?),
            }),
        };
        keys.iter().zip(&rows).map(stored).collect()
    }

    fn commit(&self, batch: &Batch, chain: &mut Chain<'_>) -> Result<Vec<Fate>, StoreError> {
        let all_lost = || Ok(vec![Fate::Lost; batch.parts.len()]);
        let keys = batch.touched();
        for _ in 0..TRIES_MAX {
            // A connection that is not given back is closed, and with it goes whatever its transaction did.
            let (locked, client) = self.lock(self.pool.lend()?, &keys)?;
            let (newest, locked) = match locked {
                Ok(found) => found,
                Err(Hindrance::Failed(error) | Hindrance::Lost(error)) => return Err(unavailable(error)),
                Err(Hindrance::Taken | Hindrance::Waited) => return all_lost(),
            };
            if batch.is_sealed_under_an_older_key(newest.as_deref()) {
                return all_lost();
            }
            let versions: BTreeMap<(String, String), Version> = locked
                .iter()
                .map(|row| ((row.get(0), row.get(1)), row.get::<_, i64>(2).cast_unsigned()))
                .collect();
            let version = |key: &Key| {
                let (kind, id) = codec::spelt(key);
                versions.get(&(kind.name().to_owned(), id)).copied().unwrap_or(0)
            };
            let stored: BTreeMap<&Key, Version> = keys.iter().map(|key| (*key, version(key))).collect();
            let fates = batch.fates(&stored);
            let writing = Writing::new(&stored, batch, &fates, chain(&fates));
            let (written, client) = self
                .pool
                .wait(async move { (writing.run(&client).await, client) })
                // It may have been sent, and may stand.
                .map_err(|error| StoreError::Unknown(error.to_string()))?;
            match written {
                Ok(()) => {
                    self.pool.take_back(client);
                    return Ok(fates);
                }
                Err(Hindrance::Taken) => {}
                Err(Hindrance::Waited) => return all_lost(),
                Err(Hindrance::Failed(error)) => return Err(unavailable(error)),
                Err(Hindrance::Lost(error)) => return Err(StoreError::Unknown(error.to_string())),
            }
        }
        all_lost()
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<(Key, Record)>, StoreError> {
        let list = "SELECT id, body FROM record WHERE kind = $1 AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3";
        let rows = self.query(
            list,
            vec![
                value(kind.name()),
                value(after.map(ToOwned::to_owned)),
                value(limit as i64),
            ],
        )?;
        let entry = |row: &Row| {
            let key = codec::key_of(kind.name(), row.get(0))?;
            let record = codec::parse(&key, row.get(1))?;
            Ok((key, record))
        };
        rows.iter().map(entry).collect()
    }

    fn expired(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Key>, StoreError> {
        let expired = "SELECT kind, id FROM record WHERE expires_at <= $1 LIMIT $2";
        let rows = self.query(expired, vec![value(now.0.cast_signed()), value(limit as i64)])?;
        rows.iter()
            .map(|row| codec::key_of(row.get(0), row.get(1)))
            .collect()
    }

    fn audit(&self, node: &str, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let audit = "SELECT node, number, at, body, mac FROM audit WHERE node = $1 AND number > $2 \
                     ORDER BY number LIMIT $3";
        let values = vec![
            value(node.to_owned()),
            value(after.cast_signed()),
            value(limit as i64),
        ];
        Ok(self.query(audit, values)?.iter().map(audit_row).collect())
    }

    fn audit_before(
        &self,
        node: &str,
        since: UnixSeconds,
        before: Place,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let audit = "SELECT node, number, at, body, mac FROM audit \
                     WHERE node = $1 AND at >= $2 AND (at, number) < ($3, $4) \
                     ORDER BY at DESC, number DESC LIMIT $5";
        // What is beyond every time and number there can be bounds nothing.
        let bounded = |bound: u64| value(i64::try_from(bound).unwrap_or(i64::MAX));
        let values = vec![
            value(node.to_owned()),
            bounded(since.0),
            bounded(before.at.0),
            bounded(before.number),
            value(limit as i64),
        ];
        Ok(self.query(audit, values)?.iter().map(audit_row).collect())
    }

    fn audit_heads(&self) -> Result<Vec<AuditRow>, StoreError> {
        // From node to node, and to the end of each, by the index: the table is long.
        let heads = "WITH RECURSIVE nodes (node) AS ( \
                       (SELECT node FROM audit ORDER BY node LIMIT 1) UNION ALL \
                       SELECT (SELECT a.node FROM audit a WHERE a.node > n.node ORDER BY a.node LIMIT 1) \
                       FROM nodes n WHERE n.node IS NOT NULL) \
                     SELECT h.node, h.number, h.at, h.body, h.mac FROM nodes n CROSS JOIN LATERAL ( \
                       SELECT node, number, at, body, mac FROM audit a \
                       WHERE a.node = n.node ORDER BY number DESC LIMIT 1) h \
                     ORDER BY h.node";
        Ok(self.query(heads, Vec::new())?.iter().map(audit_row).collect())
    }

    fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        let rows = self.query(NOTE, vec![value(name.to_owned())])?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    fn set_note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        // Every commit under way ends before, since the newest key is one of the notes.
        let set = "WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock($3)) \
                   INSERT INTO note (name, value) SELECT $1::text, $2::text FROM alone \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let values = vec![value(name.to_owned()), value(text.to_owned()), value(SEALING)];
        self.query(set, values).map(drop)
    }

    fn claim_note(&self, name: &str, text: &str) -> Result<String, StoreError> {
        let claim = "INSERT INTO note (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.query(claim, vec![value(name.to_owned()), value(text.to_owned())])?;
        Ok(self.note(name)?.unwrap_or_default())
    }

    fn follow(&self, node: &str, listener: Arc<dyn Listener>) -> bool {
        let (config, tls) = self.pool.destination();
        self.pool
            .spawn(follow::follow(config, tls, node.to_owned(), listener));
        true
    }

    fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let copy = Sqlite::open(file)?;
        match transfer::copy(&self.as_of_now()?, &copy, &mut |_, _| {}) {
            Ok(_) => transfer::finish(&copy),
            Err(Trouble::Store(error)) => Err(error),
            Err(trouble) => Err(StoreError::Unavailable(trouble.to_string())),
        }
    }
}
