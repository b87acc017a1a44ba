//! The embedded store: SQLite in one file, nothing to install.
//!
//! Knows: SQL, and that a commit is durable when it returns (WAL, synchronous=FULL). Must never know: rules.
//! One connection writes, several read beside it.

use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use countersign_auth::record::{Key, Record};
use countersign_auth::rule::Change;
use countersign_auth::snapshot::{Stored, Version};
use countersign_core::time::UnixSeconds;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};

use super::codec::{self, Kind};
use super::{AuditRow, Batch, Chain, Fate, NOTE_HIGH_WATER, NOTE_SEALING_KEY, Place, Store, StoreError};

const MIGRATIONS: [&str; 7] = [
    include_str!("../../migrations/sqlite/0001_records.sql"),
    include_str!("../../migrations/sqlite/0002_founder.sql"),
    include_str!("../../migrations/sqlite/0003_tokens.sql"),
    include_str!("../../migrations/sqlite/0004_sessions.sql"),
    include_str!("../../migrations/sqlite/0005_recoveries.sql"),
    include_str!("../../migrations/sqlite/0006_text_messages.sql"),
    include_str!("../../migrations/sqlite/0007_audit_time.sql"),
];
/// Readers kept open; more callers open their own for the moment.
const READERS_KEPT: usize = 4;
/// How much of the file is read as memory, in bytes.
const MAPPED_BYTES: i64 = 256 << 20;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const NOTE_VERSION: &str = "version";

/// A database in one file.
pub struct Sqlite {
    path: std::path::PathBuf,
    /// Closed before the writer, so that the writer is the last and leaves one whole file.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the file, makes it when it is missing, and brings it to this version's shape.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also when a newer version of Countersign has written to it.
    pub fn open(path: &Path) -> Result<Sqlite, StoreError> {
        make_private(path)?;
        let mut writer = Connection::open(path).map_err(unavailable)?;
        prepare(&writer)?;
        writer
            .pragma_update(None, "journal_mode", "wal")
            .map_err(unavailable)?;
        migrate(&mut writer)?;
        Ok(Sqlite {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
        })
    }

    /// Reads through the writer where it is idle, since its cache is the warm one, and through a reader where
    /// not.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        if let Ok(writer) = self.writer.try_lock() {
            return read(&writer).map_err(unavailable);
        }
        let kept = self
            .readers
            .lock()
            .expect("no thread panics while it holds the readers")
            .pop();
        let reader = match kept {
            Some(reader) => reader,
            None => self.reader()?,
        };
        let answer = read(&reader).map_err(unavailable);
        let mut readers = self
            .readers
            .lock()
            .expect("no thread panics while it holds the readers");
        if readers.len() < READERS_KEPT {
            readers.push(reader);
        }
        answer
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags).map_err(unavailable)?;
        prepare(&reader)?;
        Ok(reader)
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.writer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Makes the file readable by its owner alone; the log and index beside it take its mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)));
    made.map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    let set_up = || {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "mmap_size", MAPPED_BYTES)
    };
    connection.set_prepared_statement_cache_capacity(32);
    set_up().map_err(unavailable)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Exclusive)
        .map_err(unavailable)?;
    let found: usize = transaction
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map_err(unavailable)
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Unavailable(format!(
            "the database has version {found}, this Countersign knows up to {}; run the newer one, or restore the \
             backup made before the upgrade",
            MIGRATIONS.len()
        )));
    }
    for migration in &MIGRATIONS[found..] {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    transaction
        .pragma_update(None, "user_version", MIGRATIONS.len() as i64)
        .map_err(unavailable)?;
    transaction.commit().map_err(unavailable)
}

fn unavailable(error: rusqlite::Error) -> StoreError {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free some space",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "; check owner and mode of the data folder"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "; restore a backup",
        _ => "",
    };
    StoreError::Unavailable(format!("{error}{remedy}"))
}

fn load_one(connection: &Connection, key: &Key) -> Result<Stored, StoreError> {
    let (kind, id) = codec::spelt(key);
    let mut statement = connection
        .prepare_cached("SELECT version, body FROM record WHERE kind = ?1 AND id = ?2")
        .map_err(unavailable)?;
    let found = statement
        .query_row(params![kind.name(), id], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()
        .map_err(unavailable)?;
    match found {
        None => Ok(Stored::ABSENT),
        Some((version, body)) => Ok(Stored {
            version: version.cast_unsigned(),
            record: Some(codec::parse(key, &body)?),
        }),
    }
}

fn version_of(connection: &Connection, key: &Key) -> rusqlite::Result<Version> {
    let (kind, id) = codec::spelt(key);
    let mut statement =
        connection.prepare_cached("SELECT version FROM record WHERE kind = ?1 AND id = ?2")?;
    let version: Option<i64> = statement
        .query_row(params![kind.name(), id], |row| row.get(0))
        .optional()?;
    Ok(version.unwrap_or(0).cast_unsigned())
}

fn write(connection: &Connection, change: &Change, version: Version) -> rusqlite::Result<()> {
    match change {
        Change::Put(key, record) => {
            let (kind, id) = codec::spelt(key);
            let expires_at = record.expires_at().map(|at| at.0.cast_signed());
            connection
                .prepare_cached(
                    "INSERT INTO record (kind, id, version, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (kind, id) DO UPDATE SET version = ?3, expires_at = ?4, body = ?5",
                )?
                .execute(params![
                    kind.name(),
                    id,
                    version.cast_signed(),
                    expires_at,
                    codec::emit(record)
                ])?;
        }
        Change::Delete(key) => {
            let (kind, id) = codec::spelt(key);
            connection
                .prepare_cached("DELETE FROM record WHERE kind = ?1 AND id = ?2")?
                .execute(params![kind.name(), id])?;
        }
        Change::Audit(_) => {}
    }
    Ok(())
}

fn append(connection: &Connection, row: &AuditRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO audit (node, number, at, body, mac) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            row.node,
            row.number.cast_signed(),
            row.at.0.cast_signed(),
            row.body,
            row.mac
        ])?;
    Ok(())
}

fn note(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM note WHERE name = ?1")?
        .query_row(params![name], |row| row.get(0))
        .optional()
}

fn set_note(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO note (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        )?
        .execute(params![name, value])?;
    Ok(())
}

/// A note that only rises, by at least `step`.
fn raise_note(connection: &Connection, name: &str, at_least: u64, step: u64) -> rusqlite::Result<u64> {
    let stored = note(connection, name)?
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0);
    let raised = at_least.max(stored + step);
    if raised != stored {
        set_note(connection, name, &raised.to_string())?;
    }
    Ok(raised)
}

/// A bound that somebody chose; what is beyond every time and number there can be bounds nothing.
fn bounded(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

/// Reads an entry of the audit. A body that is no text, or a MAC of another length, was written by nobody of
/// ours: it becomes one that never verifies, so that the entry is named instead of the whole audit refused.
fn audit_row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        node: row.get(0)?,
        number: row.get::<_, i64>(1)?.cast_unsigned(),
        at: UnixSeconds(row.get::<_, i64>(2)?.cast_unsigned()),
        body: row.get_ref(3)?.as_str().unwrap_or_default().to_owned(),
        mac: row.get(4).unwrap_or_default(),
    })
}

impl Store for Sqlite {
    fn load(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        self.read(|reader| {
            let together = reader.unchecked_transaction()?;
            let stored = keys.iter().map(|key| load_one(&together, key)).collect();
            together.commit()?;
            Ok(stored)
        })?
    }

    fn commit(&self, batch: &Batch, chain: &mut Chain<'_>) -> Result<Vec<Fate>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(unavailable)?;
        let newest = note(&transaction, NOTE_SEALING_KEY).map_err(unavailable)?;
        if batch.is_sealed_under_an_older_key(newest.as_deref()) {
            return Ok(vec![Fate::Lost; batch.parts.len()]);
        }
        let mut versions = BTreeMap::new();
        for key in batch.keys() {
            versions.insert(key, version_of(&transaction, key).map_err(unavailable)?);
        }
        let fates = batch.fates(&versions);
        let version = raise_note(&transaction, NOTE_VERSION, 1, 1).map_err(unavailable)?;
        for change in batch.winning(&fates) {
            write(&transaction, change, version).map_err(unavailable)?;
        }
        for row in chain(&fates) {
            append(&transaction, &row).map_err(unavailable)?;
        }
        raise_note(&transaction, NOTE_HIGH_WATER, batch.now.0, 0).map_err(unavailable)?;
        transaction
            .commit()
            .map_err(|error| StoreError::Unknown(error.to_string()))?;
        Ok(fates)
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<(Key, Record)>, StoreError> {
        let rows = self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT id, body FROM record WHERE kind = ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3",
                )?
                .query_map(params![kind.name(), after, limit as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<Vec<(String, String)>>>()
        })?;
        let entry = |(id, body): (String, String)| {
            let key = codec::key_of(kind.name(), &id)?;
            let record = codec::parse(&key, &body)?;
            Ok((key, record))
        };
        rows.into_iter().map(entry).collect()
    }

    fn expired(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Key>, StoreError> {
        let rows = self.read(|reader| {
            reader
                .prepare_cached("SELECT kind, id FROM record WHERE expires_at <= ?1 LIMIT ?2")?
                .query_map(params![now.0.cast_signed(), limit as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<Vec<(String, String)>>>()
        })?;
        rows.iter().map(|(kind, id)| codec::key_of(kind, id)).collect()
    }

    fn audit(&self, node: &str, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT node, number, at, body, mac FROM audit
                     WHERE node = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
                )?
                .query_map(params![node, after.cast_signed(), limit as i64], audit_row)?
                .collect()
        })
    }

    fn audit_before(
        &self,
        node: &str,
        since: UnixSeconds,
        before: Place,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT node, number, at, body, mac FROM audit
                     WHERE node = ?1 AND at >= ?2 AND (at, number) < (?3, ?4)
                     ORDER BY at DESC, number DESC LIMIT ?5",
                )?
                .query_map(
                    params![
                        node,
                        bounded(since.0),
                        bounded(before.at.0),
                        bounded(before.number),
                        limit as i64
                    ],
                    audit_row,
                )?
                .collect()
        })
    }

    fn audit_heads(&self) -> Result<Vec<AuditRow>, StoreError> {
        // From node to node, and to the end of each, by the index: the table is long.
        self.read(|reader| {
            reader
                .prepare_cached(
                    "WITH RECURSIVE nodes (node) AS (
                       SELECT min(node) FROM audit UNION ALL
                       SELECT (SELECT min(a.node) FROM audit AS a WHERE a.node > n.node)
                       FROM nodes AS n WHERE n.node IS NOT NULL)
                     SELECT a.node, a.number, a.at, a.body, a.mac FROM nodes AS n JOIN audit AS a
                     ON a.node = n.node AND a.number = (SELECT max(number) FROM audit WHERE node = n.node)
                     ORDER BY a.node",
                )?
                .query_map([], audit_row)?
                .collect()
        })
    }

    fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|reader| note(reader, name))
    }

    fn set_note(&self, name: &str, value: &str) -> Result<(), StoreError> {
        set_note(&self.writer(), name, value).map_err(unavailable)
    }

    fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let text = file
            .to_str()
            .ok_or_else(|| StoreError::Unavailable("the copy's path is not UTF-8".into()))?;
        // On a connection of its own: it takes long, and nobody may wait for it.
        let copier = self.reader()?;
        copier
            .execute("VACUUM INTO ?1", params![text])
            .map(drop)
            .map_err(unavailable)
    }
}
