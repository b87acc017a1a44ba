//! What the tests of several crates share: a clock that only tests turn, chance that can be replayed, fuzz
//! targets as plain code, and the place of the workspace.
//!
//! Knows the time of core and the file system of the developer. Must never be a dependency of anything that
//! ships. Read `clock` and `chance` next, then `tests/tidy`, which keeps the shape of the tree.

#![forbid(unsafe_code)]

mod chance;
mod clock;
mod corpus;
pub mod mail;
pub mod postgres;
pub mod texts;

pub use chance::SeededChance;
pub use clock::VirtualClock;
pub use corpus::Target;

use std::path::{Path, PathBuf};

/// The folder of the workspace, in which `vectors`, `docs` and `Cargo.toml` stand.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .expect("the testkit stands two folders below the root")
}

#[cfg(test)]
mod tests {
    use super::workspace_root;

    #[test]
    fn workspace_root_holds_the_lock_file() {
        assert!(workspace_root().join("Cargo.lock").is_file());
    }
}
