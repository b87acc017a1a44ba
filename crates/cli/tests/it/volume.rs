//! File systems of a test's own: one in a file, which a power cut takes away, and one that is small enough to fill.
//!
//! They need root and the machine's loop devices.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::Folder;

/// The smallest size that both kinds are made in, in MiB.
const MIB: u32 = 320;

/// A file system in a file.
pub struct Volume {
    folder: Folder,
}

impl Volume {
    /// Makes one of this kind, `ext4` or `xfs`, and mounts it.
    pub fn fresh(kind: &str) -> Volume {
        let volume = Volume {
            folder: Folder::fresh(),
        };
        let image = volume.image();
        run("truncate", &["--size", &format!("{MIB}M"), text(&image)]);
        run(&format!("mkfs.{kind}"), &["-q", text(&image)]);
        std::fs::create_dir(volume.path()).expect("a folder can be made");
        volume.mount();
        volume
    }

    /// Makes one of so many MiB in memory, with nothing behind it.
    pub fn small(mib: u32) -> Volume {
        let volume = Volume {
            folder: Folder::fresh(),
        };
        std::fs::create_dir(volume.path()).expect("a folder can be made");
        let size = format!("size={mib}m");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "none", text(&volume.path())],
        );
        volume
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.0.join("volume")
    }

    fn image(&self) -> PathBuf {
        self.folder.0.join("image")
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", text(&self.image()), text(&self.path())]);
    }

    /// Takes the power away: nothing more reaches the file system, and its log is not flushed.
    pub fn cut(&self) {
        run("xfs_io", &["-F", "-x", "-c", "shutdown", text(&self.path())]);
    }

    /// The power comes back: the file system is mounted again and replays its log.
    pub fn power_up(&self) {
        run("umount", &[text(&self.path())]);
        self.mount();
    }

    /// Fills every byte that is left.
    pub fn fill(&self) {
        let ballast = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.ballast());
        let mut ballast = ballast.expect("the ballast can be opened");
        let mut piece = vec![0; 64 << 10];
        // Smaller and smaller pieces, until not one byte fits.
        while !piece.is_empty() {
            if ballast.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    /// Makes room again.
    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount")
            .args(["--lazy", text(&self.path())])
            .status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let ended = Command::new(program).args(arguments).output();
    let ended = ended.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program} {arguments:?}: {errors}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders are UTF-8")
}
