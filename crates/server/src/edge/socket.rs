//! A listening socket in the file system.
//!
//! Knows: its mode, and whether one that is already there has somebody behind it. Must never know: what is said
//! over it.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Its owner and its group, to which the proxy belongs, may connect.
const MODE: u32 = 0o660;

/// The socket's place in the file system; removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(socket = %self.0.display(), %error, "the socket could not be removed");
        }
    }
}

/// Listens at a path; a socket left behind by a process that was killed is replaced, nothing else is.
///
/// # Errors
/// That of the operating system; [`io::ErrorKind::AddrInUse`] when somebody answers there already,
/// [`io::ErrorKind::AlreadyExists`] when what lies there is no socket.
pub async fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    clear(path).await?;
    let listener = UnixListener::bind(path).map_err(|error| about(path, error))?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))
        .map_err(|error| about(path, error))?;
    Ok((listener, file))
}

/// Makes room, where nobody answers.
async fn clear(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(about(path, error)),
    };
    // A connection to an ordinary file is refused like one to a socket that nobody listens at.
    if !kind.is_socket() {
        let why = "something other than a socket lies there; name another path".to_owned();
        return Err(about(path, io::Error::new(io::ErrorKind::AlreadyExists, why)));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| about(path, error))
        }
        // Whoever has no room for one more connection is there as well.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(about(path, error)),
        _ => {
            let why = "another process answers there; stop it first, or name another path";
            Err(about(path, io::Error::new(io::ErrorKind::AddrInUse, why)))
        }
    }
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder of its own.
    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("countersign-socket-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        path
    }

    #[tokio::test]
    async fn socket_is_for_its_owner_and_group_and_is_gone_at_the_end() {
        let folder = folder("mode");
        let path = folder.join("http");
        let (_listener, file) = bind(&path).await.expect("nothing is in the way");
        let mode = std::fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o660);
        drop(file);
        assert!(!path.exists());
        std::fs::remove_dir(folder).expect("nothing is left");
    }

    #[tokio::test]
    async fn stale_socket_is_replaced_and_one_that_answers_is_not() {
        let folder = folder("stale");
        let path = folder.join("http");
        let (listener, file) = bind(&path).await.expect("nothing is in the way");
        let refused = bind(&path).await.expect_err("somebody answers");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists(), "the other's socket is let be");
        drop(listener);
        let (_second, kept) = bind(&path).await.expect("nobody answers any more");
        std::mem::forget(file);
        drop(kept);
        std::fs::remove_dir(folder).expect("nothing is left");
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_removed() {
        let folder = folder("file");
        let path = folder.join("http");
        std::fs::write(&path, "kept").expect("it can be written");
        let refused = bind(&path).await.expect_err("a file lies there");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "kept");
        std::fs::remove_dir_all(folder).expect("it can be removed");
    }
}
