//! What clients asked and were told, with when, as lines of JSON that the checker in `model/` reads.
//!
//! Knows: operations and outcomes. Must never know: codes and tokens; an object is named by its number.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::json;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PresentCode,
    UseSession,
    RevokeSession,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Refused,
    /// No answer, or one that says neither: it may have been done, may yet be, or never.
    Unknown,
}

/// A file to which every client writes; nanoseconds since its beginning, by one clock that only goes forward.
pub struct History {
    began: Instant,
    lines: Mutex<BufWriter<File>>,
}

/// An operation that was begun.
pub struct Begun(u128);

impl History {
    /// The history of this name, in the place of an older one.
    pub fn begin(name: &str) -> History {
        let folder = folder();
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let file = File::create(folder.join(format!("{name}.jsonl"))).expect("the folder can be written");
        History {
            began: Instant::now(),
            lines: Mutex::new(BufWriter::new(file)),
        }
    }

    pub fn invoke(&self) -> Begun {
        Begun(self.began.elapsed().as_nanos())
    }

    pub fn returned(&self, begun: &Begun, node: usize, kind: Kind, object: &str, outcome: Outcome) {
        let line = json!({
            "node": node,
            "kind": match kind {
                Kind::PresentCode => "present_code",
                Kind::UseSession => "use_session",
                Kind::RevokeSession => "revoke_session",
            },
            "object": object,
            "invoked": u64::try_from(begun.0).expect("a test does not last for centuries"),
            "returned": u64::try_from(self.began.elapsed().as_nanos()).expect("nor does this"),
            "outcome": match outcome {
                Outcome::Accepted => "accepted",
                Outcome::Refused => "refused",
                Outcome::Unknown => "unknown",
            },
        });
        let mut lines = self.lines.lock().expect("no client panics while it writes");
        writeln!(lines, "{line}").expect("the disk has room");
    }
}

/// `histories` in the target folder, in which the binary stands two folders below.
fn folder() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_countersign"));
    let target = binary.ancestors().nth(2).expect("target/PROFILE/countersign");
    target.join("histories")
}
