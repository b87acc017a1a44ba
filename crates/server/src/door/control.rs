//! The control socket: the operator's commands for a running server, in the data folder, for its owner alone.
//!
//! Knows: one JSON line in, one JSON line out, and the uid of whoever asks. Must never know: what a command
//! does.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::service::operator::{Ask, Operator, Refusal, Reply};

/// Longest request line in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Time for the request line to arrive.
const LINE_TIME_MAX: Duration = Duration::from_secs(10);

/// Opens the socket; one left behind by a server that was killed is replaced. The caller holds the folder's
/// lock.
///
/// # Errors
/// That of the operating system.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until told to stop; only the uid the server runs as, and root, are heard.
pub async fn serve(listener: UnixListener, own_uid: u32, operator: Arc<Operator>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a control connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let uid = stream.peer_cred().map(|peer| peer.uid());
        match uid {
            Ok(uid) if uid == own_uid || uid == 0 => {
                let operator = operator.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, uid, &operator).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                });
            }
            _ => tracing::warn!("somebody else's process was refused at the control socket"),
        }
    }
}

async fn answer(stream: UnixStream, uid: u32, operator: &Operator) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = Zeroizing::new(String::new());
    let mut reader = BufReader::new(reading.take(LINE_BYTES_MAX));
    tokio::time::timeout(LINE_TIME_MAX, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => operator.answer(ask, &format!("uid {uid}")).await,
        Err(error) => {
            let place = error.column();
            Reply::Refused {
                what: Refusal::Malformed,
                why: format!("the request can't be read at column {place}; use the same version's command"),
            }
        }
    };
    let mut text = Zeroizing::new(serde_json::to_string(&reply)?);
    text.push('\n');
    writing.write_all(text.as_bytes()).await
}
