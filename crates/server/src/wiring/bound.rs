//! What the server listens with, opened as the settings say.
//!
//! Knows: addresses and sockets. Must never know: who connects.

use std::io;

use tokio::net::TcpListener;

use crate::door::http::listen::Listener;
use crate::edge::socket::{self, SocketFile};
use crate::settings::Listen;

/// What is listened with.
pub(super) struct Bound {
    pub(super) listener: Listener,
    /// Where that is: the port is the one that was picked.
    pub(super) at: Listen,
    /// Removes the socket from the file system at the end.
    pub(super) file: Option<SocketFile>,
}

impl Bound {
    /// Listens.
    ///
    /// # Errors
    /// That of the operating system.
    pub(super) async fn to(listen: &Listen) -> io::Result<Bound> {
        Ok(match listen {
            Listen::Address(address) => {
                let listener = TcpListener::bind(address).await?;
                Bound {
                    at: Listen::Address(listener.local_addr()?),
                    listener: Listener::Address(listener),
                    file: None,
                }
            }
            Listen::Socket(path) => {
                let (listener, file) = socket::bind(path).await?;
                Bound {
                    at: listen.clone(),
                    listener: Listener::Socket(listener),
                    file: Some(file),
                }
            }
        })
    }
}
