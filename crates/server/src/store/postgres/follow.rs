//! Following the server: several times a second whether it answers, what its clock shows and which key is the newest;
//! and at once what other nodes end.
//!
//! Knows: a connection of its own, and the channel of hints. Must never know: what silence or a hint means; that is the
//! listener's.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use countersign_auth::record::Key;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::pool::unavailable;
use super::{FOLLOWED, NAMED, NOTE_SEALING_KEY, USED};
use crate::store::codec;
use crate::store::{Beat, Listener, StoreError};

/// Time between two beats.
const BEAT_EVERY: Duration = Duration::from_millis(200);
/// Time for one answer. A later one says nothing that could be relied on.
const BEAT_TIME_MAX: Duration = Duration::from_secs(1);

/// The text of a hint.
pub(super) fn spelt(key: &Key) -> String {
    let (kind, id) = codec::spelt(key);
    format!("{} {id}", kind.name())
}

fn heeded(text: &str) -> Option<Key> {
    let (kind, id) = text.split_once(' ')?;
    codec::key_of(kind, id).ok()
}

/// Follows for as long as the runtime lives.
pub(super) async fn follow(
    config: Config,
    tls: MakeRustlsConnect,
    node: String,
    listener: Arc<dyn Listener>,
) {
    let mut tries = interval(BEAT_EVERY);
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_heard = true;
    loop {
        tries.tick().await;
        let (heard, error) = follow_once(&config, tls.clone(), &node, &listener).await;
        listener.silent(&error);
        if is_heard || heard {
            tracing::warn!(%error, "the store is not heard any more; this node refuses until it is");
        }
        is_heard = false;
    }
}

/// Follows over one connection until it ends; whether anything was heard, and why it ended.
async fn follow_once(
    config: &Config,
    tls: MakeRustlsConnect,
    node: &str,
    listener: &Arc<dyn Listener>,
) -> (bool, StoreError) {
    let client = match timeout(BEAT_TIME_MAX, connect(config, tls, node, listener.clone())).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return (false, error),
        Err(_) => return (false, silent()),
    };
    let mut heard = false;
    let mut beats = interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let asked = listener.asking();
        match timeout(BEAT_TIME_MAX, beat(&client)).await {
            Ok(Ok(beat)) => {
                let listener = listener.clone();
                // It may read a file, for which no connection waits.
                let told = tokio::task::spawn_blocking(move || listener.heard(asked, beat));
                if told.await.is_err() {
                    return (heard, StoreError::Unavailable("whoever listens broke off".into()));
                }
            }
            Ok(Err(error)) => return (heard, error),
            Err(_) => return (heard, silent()),
        }
        heard = true;
    }
}

fn silent() -> StoreError {
    StoreError::Unavailable("it does not answer in time".into())
}

async fn connect<T>(
    config: &Config,
    tls: T,
    node: &str,
    listener: Arc<dyn Listener>,
) -> Result<Client, StoreError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = config.connect(tls).await.map_err(unavailable)?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(hint) = message
                && let Some(key) = heeded(hint.payload())
            {
                listener.ended(&key);
            }
        }
    });
    // A machine that lost its power must not hold its name for hours.
    let begin = format!(
        "SET statement_timeout = '1s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; \
         SET tcp_keepalives_count = 3; LISTEN {FOLLOWED}"
    );
    client.batch_execute(&begin).await.map_err(unavailable)?;
    let take = "SELECT pg_try_advisory_lock_shared($1), pg_try_advisory_lock($2, hashtext($3))";
    let taken = client.query_one(take, &[&USED, &NAMED, &node]).await;
    let taken = taken.map_err(unavailable)?;
    let refused = |why: String| Err(StoreError::Unavailable(why));
    match (taken.get(0), taken.get(1)) {
        (true, true) => Ok(client),
        (false, _) => refused("it is being copied; start again when that is done".into()),
        (_, false) => refused(format!(
            "another node is called {node}; set `node` to a name that none has"
        )),
    }
}

async fn beat(client: &Client) -> Result<Beat, StoreError> {
    let ask = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
               (SELECT value FROM note WHERE name = $1)";
    let row = client
        .query_one(ask, &[&NOTE_SEALING_KEY])
        .await
        .map_err(unavailable)?;
    let milliseconds = row.get::<_, i64>(0);
    Ok(Beat {
        now: Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)),
        sealing_key: row.get(1),
    })
}
