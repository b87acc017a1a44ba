//! What a check needs beside Rust, whether it is here, and how it is fetched.
//!
//! Knows Debian's packages, Python's and npm's installers, and what only the machine can give. Must never know which
//! check asks.

use std::cell::OnceCell;

use crate::Workshop;
use crate::process::{Task, virtual_environment};

/// One thing a check cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program on the search path, and the Debian package that brings it.
    Program {
        program: &'static str,
        package: &'static str,
    },
    /// A Python module, and what `pip` calls it.
    Python {
        module: &'static str,
        package: &'static str,
    },
    /// A folder's npm packages, as its lock file names them, and one of them to look for.
    Npm {
        folder: &'static str,
        module: &'static str,
    },
    /// Root, loop devices and the file systems to put on them; a machine has these or not.
    Mounts,
}

const MOUNTS: &str = "[ \"$(id -u)\" = 0 ] && losetup --find && grep -qw xfs /proc/filesystems && \
    unshare --mount mount -t tmpfs none /mnt";

impl Need {
    /// Whether it can be fetched where it is missing.
    pub(crate) fn is_fetched(self) -> bool {
        self != Self::Mounts
    }

    /// The thing's name as the summary shows it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Program { program, package } => format!("{program} (Debian package {package})"),
            Self::Python { module, package } => format!("Python module {module} (pip package {package})"),
            Self::Npm { folder, .. } => format!("npm packages of {folder}"),
            Self::Mounts => "a machine where we are root and may mount files".to_owned(),
        }
    }

    /// Whether the thing is here.
    pub(crate) fn is_met(self, workshop: &Workshop) -> bool {
        let question = match self {
            Self::Npm { folder, module } => {
                return workshop
                    .root
                    .join(folder)
                    .join("node_modules")
                    .join(module)
                    .is_dir();
            }
            Self::Program { program, .. } => Task::new("sh", &["-c", "command -v \"$0\"", program]),
            Self::Python { module, .. } => Task::new("python3", &["-c", &format!("import {module}")]),
            // In a namespace of its own, where nothing stays mounted.
            Self::Mounts => Task::new("sh", &["-c", MOUNTS]),
        };
        question.ask(workshop).is_ok_and(|answer| answer.is_success())
    }
}

/// Fetches what is missing; refreshes Debian's lists at most once.
#[derive(Debug, Default)]
pub(crate) struct Installer {
    lists: OnceCell<Result<(), String>>,
}

impl Installer {
    pub(crate) fn install(&self, need: Need, workshop: &Workshop) -> Result<(), String> {
        match need {
            Need::Program { package, .. } => self.debian(package, workshop),
            Need::Python { package, .. } => self.python(package, workshop),
            Need::Mounts => Err("no package brings it".to_owned()),
            Need::Npm { folder, .. } => {
                Task::new("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .inside(workshop.root.join(folder))
                    .run(workshop)?
                    .success("npm could not install")
            }
        }
    }

    fn debian(&self, package: &str, workshop: &Workshop) -> Result<(), String> {
        self.lists.get_or_init(|| refresh_lists(workshop)).clone()?;
        apt_get(&["install", "-y", "--no-install-recommends", package], workshop)
    }

    fn python(&self, package: &str, workshop: &Workshop) -> Result<(), String> {
        let folder = virtual_environment(workshop);
        if !folder.join("bin/pip").is_file() {
            // Debian splits off the part of Python that makes environments.
            if !Task::new("python3", &["-c", "import ensurepip, venv"])
                .ask(workshop)?
                .is_success()
            {
                self.debian("python3-venv", workshop)?;
            }
            let folder = folder.to_string_lossy();
            Task::new("python3", &["-m", "venv", &folder])
                .run(workshop)?
                .success("no Python environment")?;
        }
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            package,
        ];
        let python = folder.join("bin/python");
        Task::new(&python.to_string_lossy(), &install)
            .run(workshop)?
            .success("pip could not install")
    }
}

/// Fetches Debian's lists of packages.
pub(crate) fn refresh_lists(workshop: &Workshop) -> Result<(), String> {
    apt_get(&["update"], workshop)
}

/// Runs apt-get as root, by `sudo` where we are not root and may become it without a question.
fn apt_get(arguments: &[&str], workshop: &Workshop) -> Result<(), String> {
    let is_root = Task::new("id", &["-u"]).ask(workshop)?.output.trim() == "0";
    let task = if is_root {
        Task::new("apt-get", arguments)
    } else {
        Task::new("sudo", &[&["-n", "apt-get"], arguments].concat())
    };
    task.with("DEBIAN_FRONTEND", "noninteractive")
        .run(workshop)?
        .success("apt-get could not install")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workshop;

    #[test]
    fn program_that_exists_nowhere_is_not_met() {
        let workshop = Workshop::open();
        let program = |program| Need::Program {
            program,
            package: "none",
        };
        assert!(program("sh").is_met(&workshop));
        assert!(!program("no-program-has-this-name").is_met(&workshop));
    }
}
