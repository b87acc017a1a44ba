//! Moving an installation between the embedded store of a data folder and a shared one.
//!
//! Knows: which store stands at which place, and that nobody may use either meanwhile. Must never know: what is copied;
//! see [`transfer`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{OpenError, Shared, open_embedded, open_shared};
use crate::edge::folder::{Folder, Lock, read_optional, write_private};
use crate::edge::ring;
use crate::service::audit::{self, Checkpoint, Damage};
use crate::store::postgres::{Alone, check_address};
use crate::store::transfer::{self, Copied, Trouble};
use crate::store::{NOTE_RING, NOTE_SEALING_KEY, Store, StoreError};

/// Where a store is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this data folder.
    Folder(PathBuf),
    /// Where several nodes share it.
    Shared(Shared),
}

/// How places are spelt.
pub const PLACES: &str = "sqlite:DATA_FOLDER or postgres://USER@HOST:PORT/DATABASE";

impl Place {
    /// The place that a text spells; a shared one is spoken to with this password and authority.
    ///
    /// # Errors
    /// What is wrong with the text, which is not repeated.
    pub fn parse(
        text: &str,
        password_file: Option<PathBuf>,
        authority: Option<PathBuf>,
    ) -> Result<Place, String> {
        if let Some(folder) = text.strip_prefix("sqlite:").filter(|folder| !folder.is_empty()) {
            return Ok(Place::Folder(folder.into()));
        }
        check_address(text).map_err(|problem| format!("{problem}; write {PLACES}"))?;
        Ok(Place::Shared(Shared {
            address: text.to_owned(),
            password_file,
            authority,
        }))
    }
}

/// Why an installation could not be moved.
#[derive(Debug)]
#[non_exhaustive]
pub enum MoveError {
    /// One of the places can't be opened.
    Open(OpenError),
    /// The copy could not be made.
    Copy(Trouble),
    /// The audit's chains are damaged, a sentence each.
    Damaged(Vec<String>),
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MoveError::Open(error) => error.fmt(f),
            MoveError::Copy(trouble) => trouble.fmt(f),
            MoveError::Damaged(damages) => {
                write!(f, "everything is copied, but not served: {}", damages.join("; "))
            }
        }
    }
}

impl std::error::Error for MoveError {}

/// A place that is held, and the store there.
struct Held {
    store: Arc<dyn Store>,
    hold: Hold,
}

/// What keeps others away until it is dropped.
enum Hold {
    Folder { _lock: Lock },
    Shared(Box<Alone>),
}

impl Held {
    fn open(place: &Place) -> Result<Held, OpenError> {
        match place {
            Place::Folder(path) => {
                let failed = |error| OpenError::Io("data folder", error);
                let folder = Folder::open(path).map_err(failed)?;
                let lock = folder.lock().map_err(failed)?.ok_or(OpenError::Locked)?;
                Ok(Held {
                    store: Arc::new(open_embedded(&folder)?),
                    hold: Hold::Folder { _lock: lock },
                })
            }
            Place::Shared(shared) => {
                let store = open_shared(shared)?;
                let hold = store.alone().map_err(OpenError::Store)?;
                Ok(Held {
                    store: Arc::new(store),
                    hold: Hold::Shared(Box::new(hold)),
                })
            }
        }
    }

    /// Whether nobody else can have been at it since it was opened.
    fn is_held(&mut self) -> bool {
        match &mut self.hold {
            Hold::Folder { .. } => true,
            Hold::Shared(alone) => alone.is_held(),
        }
    }
}

/// Copies an installation from one place to another that is empty or holds an unfinished copy of it, and walks the
/// audit's chains there. `ring` is where its key ring is kept; a data folder without one gets a copy.
///
/// # Errors
/// [`MoveError`]. What was copied stays, and the next call goes on with it.
pub fn move_store(
    from: &Place,
    to: &Place,
    ring: &Path,
    step: &mut dyn FnMut(u64, u64),
) -> Result<Copied, MoveError> {
    let text = read_optional(ring).and_then(|bytes| bytes.ok_or_else(|| std::io::ErrorKind::NotFound.into()));
    let text = text.map_err(|error| MoveError::Open(OpenError::Io("key ring", error)))?;
    let text = zeroize::Zeroizing::new(text);
    let keys = ring::parse(&String::from_utf8_lossy(&text))
        .map_err(|error| MoveError::Open(OpenError::Ring(error)))?;
    let unusable = |error: StoreError| MoveError::Copy(error.into());
    let mut source = Held::open(from).map_err(MoveError::Open)?;
    let noted = source.store.note(NOTE_RING).map_err(unusable)?;
    if noted.is_some_and(|noted| noted != keys.fingerprint()) {
        let newest = source.store.note(NOTE_SEALING_KEY).map_err(unusable)?;
        let newest = newest.unwrap_or_default();
        return Err(MoveError::Open(OpenError::OtherRing(ring.to_path_buf(), newest)));
    }
    let checkpoint = checkpoint_of(from)?;
    let mut target = Held::open(to).map_err(MoveError::Open)?;
    let copied = transfer::copy(&*source.store, &*target.store, step).map_err(MoveError::Copy)?;
    let parsed = checkpoint.as_deref().map(serde_json::from_slice::<Checkpoint>);
    let mut damages = Vec::new();
    if let Some(Err(_)) = &parsed {
        damages.push(Damage::Checkpoint);
    }
    let expected = parsed.and_then(Result::ok);
    damages.extend(
        audit::verify(&*target.store, &keys, expected.as_ref())
            .map_err(unusable)?
            .1,
    );
    if !damages.is_empty() {
        return Err(MoveError::Damaged(
            damages.iter().map(ToString::to_string).collect(),
        ));
    }
    if let Place::Folder(path) = to {
        keep(&path.join("keys/ring"), &text)?;
        if let Some(checkpoint) = &checkpoint {
            keep(&path.join("audit/checkpoint.json"), checkpoint)?;
        }
    }
    if !source.is_held() || !target.is_held() {
        return Err(MoveError::Open(OpenError::Store(StoreError::Unavailable(
            "the connection that kept the nodes away was lost; copy once more".into(),
        ))));
    }
    transfer::finish(&*target.store).map_err(unusable)?;
    Ok(copied)
}

/// The checkpoint that a data folder keeps of its audit.
fn checkpoint_of(place: &Place) -> Result<Option<Vec<u8>>, MoveError> {
    let failed = |error| MoveError::Open(OpenError::Io("audit checkpoint", error));
    match place {
        Place::Folder(path) => read_optional(&path.join("audit/checkpoint.json")).map_err(failed),
        Place::Shared(_) => Ok(None),
    }
}

/// Writes a file into a data folder unless there is one.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), MoveError> {
    let failed = |error| MoveError::Open(OpenError::Io("data folder", error));
    match read_optional(path).map_err(failed)? {
        Some(_) => Ok(()),
        None => write_private(path, bytes).map_err(failed),
    }
}
