//! The chunks of a backup: sealed as they are written, opened as they are read.
//!
//! Knows: the cipher, and how chunks are numbered and ended. Must never know: which files they hold.

use std::io::{self, BufRead, Read, Write};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{BackupError, belongs};

/// Bytes of clear text in a chunk.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes by which sealing makes a chunk longer.
pub(super) const TAG_BYTES: usize = 16;

/// What sealing and opening share.
struct Chunks {
    cipher: XChaCha20Poly1305,
    header: Vec<u8>,
    number: u64,
}

impl Chunks {
    fn new(header: &str, key: &[u8; 32]) -> Chunks {
        Chunks {
            cipher: XChaCha20Poly1305::new(&Key::from(*key)),
            header: header.as_bytes().to_vec(),
            number: 0,
        }
    }

    /// The nonce of the next chunk: its number and whether it ends the file, so that none can be moved, left
    /// out or cut off.
    fn nonce(&mut self, is_last: bool) -> XNonce {
        let mut nonce = [0; 24];
        nonce[15..23].copy_from_slice(&self.number.to_be_bytes());
        nonce[23] = u8::from(is_last);
        self.number += 1;
        XNonce::from(nonce)
    }

    fn seal(&mut self, clear: &[u8], is_last: bool) -> Vec<u8> {
        let nonce = self.nonce(is_last);
        let payload = Payload {
            msg: clear,
            aad: &self.header,
        };
        self.cipher
            .encrypt(&nonce, payload)
            .expect("XChaCha20-Poly1305 refuses only messages beyond 256 GiB")
    }

    fn open(&mut self, sealed: &[u8], is_last: bool) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        let nonce = self.nonce(is_last);
        let payload = Payload {
            msg: sealed,
            aad: &self.header,
        };
        let opened = self.cipher.decrypt(&nonce, payload);
        opened.map(Zeroizing::new).map_err(|_| BackupError::Altered)
    }
}

/// Seals what is written to it.
pub(super) struct Sealer<W> {
    to: W,
    chunks: Chunks,
    waiting: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    pub(super) fn new(to: W, header: &str, key: &[u8; 32]) -> Sealer<W> {
        Sealer {
            to,
            chunks: Chunks::new(header, key),
            waiting: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)),
        }
    }

    pub(super) fn entry(&mut self, name: &str, length: u64) -> io::Result<()> {
        let name_length = u8::try_from(name.len()).map_err(io::Error::other)?;
        self.write_all(&[name_length])?;
        self.write_all(name.as_bytes())?;
        self.write_all(&length.to_be_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        let sealed = self.chunks.seal(&self.waiting, true);
        self.to.write_all(&sealed)?;
        Ok(self.to)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits until more comes: whether it is the last is not known before.
        if self.waiting.len() == CHUNK_BYTES {
            let sealed = self.chunks.seal(&self.waiting, false);
            self.to.write_all(&sealed)?;
            self.waiting.clear();
        }
        let some = bytes.len().min(CHUNK_BYTES - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Opens what it reads; gives out nothing that was not authenticated.
pub(super) struct Opener<R> {
    from: R,
    chunks: Chunks,
    opened: Zeroizing<Vec<u8>>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Opener<R> {
    pub(super) fn new(from: R, header: &str, key: &[u8; 32]) -> Opener<R> {
        Opener {
            from,
            chunks: Chunks::new(header, key),
            opened: Zeroizing::new(Vec::new()),
            at: 0,
            ended: false,
        }
    }

    /// Name and length of the next file; none at the end.
    pub(super) fn entry(&mut self) -> Result<Option<(String, u64)>, BackupError> {
        if self.left() == 0 && !self.advance()? {
            return Ok(None);
        }
        let length = usize::from(self.exactly(1)?[0]);
        let name = String::from_utf8(self.exactly(length)?).map_err(|_| BackupError::Altered)?;
        let mut length = [0; 8];
        length.copy_from_slice(&self.exactly(8)?);
        if !belongs(&name) {
            return Err(BackupError::NotABackup);
        }
        Ok(Some((name, u64::from_be_bytes(length))))
    }

    /// Some bytes, at least one and at most so many.
    pub(super) fn some(&mut self, most: u64) -> Result<&[u8], BackupError> {
        if self.left() == 0 && !self.advance()? {
            return Err(BackupError::Altered);
        }
        let some = usize::try_from(most).unwrap_or(usize::MAX).min(self.left());
        self.at += some;
        Ok(&self.opened[self.at - some..self.at])
    }

    pub(super) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            bytes.extend_from_slice(self.some((count - bytes.len()) as u64)?);
        }
        Ok(bytes)
    }

    fn left(&self) -> usize {
        self.opened.len() - self.at
    }

    /// Opens the next chunk that holds anything; false at the end.
    fn advance(&mut self) -> Result<bool, BackupError> {
        if self.ended {
            return Ok(false);
        }
        let mut sealed = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        let unreadable = |_| BackupError::Altered;
        let limit = (CHUNK_BYTES + TAG_BYTES) as u64;
        (&mut self.from)
            .take(limit)
            .read_to_end(&mut sealed)
            .map_err(unreadable)?;
        self.ended = self.from.fill_buf().map_err(unreadable)?.is_empty();
        self.opened = self.chunks.open(&sealed, self.ended)?;
        self.at = 0;
        Ok(self.left() > 0)
    }
}
