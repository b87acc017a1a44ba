//! The table of checks: each is one entry with its needs and what it does.
//!
//! Knows every check by name. Must never know how checks are counted or reported; that is `runner`.

use crate::Workshop;
use crate::needs::Need;
use crate::process::Task;
use crate::tally::Tally;
use crate::{console, floors, histories, licence, outside, providers};

/// One check.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) action: Action,
    /// Whether it runs tests that the plain run ignores because of what they need.
    pub(crate) runs_ignored: bool,
}

/// What a check does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Cargo with these arguments, one run after another.
    Cargo(&'static [&'static [&'static str]]),
    /// Tests that the plain run ignores, by their name, of the integration tests of these packages.
    Ignored(&'static [&'static str], &'static str),
    /// Something of our own. An error counts as one failure and is shown as it is.
    Own(fn(&Workshop) -> Result<Tally, String>),
}

impl Action {
    /// Does it and counts.
    pub(crate) fn run(&self, workshop: &Workshop) -> Result<Tally, String> {
        match self {
            Self::Cargo(runs) => runs.iter().map(|arguments| cargo(arguments, workshop)).sum(),
            Self::Ignored(packages, name) => packages
                .iter()
                .map(|package| {
                    let test = [
                        "test",
                        "-p",
                        package,
                        "--test",
                        "it",
                        "--",
                        "--ignored",
                        "--nocapture",
                        name,
                    ];
                    cargo(&test, workshop)
                })
                .sum(),
            Self::Own(action) => action(workshop),
        }
    }
}

fn cargo(arguments: &[&str], workshop: &Workshop) -> Result<Tally, String> {
    let ended = Task::cargo(arguments)
        .with("RUSTDOCFLAGS", "-D warnings")
        .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

pub(crate) const OATHTOOL: Need = Need::Program {
    program: "oathtool",
    package: "oathtool",
};
const CURL: Need = Need::Program {
    program: "curl",
    package: "curl",
};
const JQ: Need = Need::Program {
    program: "jq",
    package: "jq",
};
const NGINX: Need = Need::Program {
    program: "nginx",
    package: "nginx-light",
};
const PYTHON: Need = Need::Program {
    program: "python3",
    package: "python3",
};
const PYOTP: Need = Need::Python {
    module: "pyotp",
    package: "pyotp==2.9.0",
};

/// The part of Debian's server packages that stands on the search path; it comes with the server.
pub(crate) const POSTGRESQL: Need = Need::Program {
    program: "pg_createcluster",
    package: "postgresql",
};
pub(crate) const XFS: Need = Need::Program {
    program: "xfs_io",
    package: "xfsprogs",
};
pub(crate) const FAKETIME: Need = Need::Program {
    program: "faketime",
    package: "faketime",
};
const SCHEMATHESIS: Need = Need::Python {
    module: "schemathesis",
    package: "schemathesis==4.32.5",
};
const AIOSMTPD: Need = Need::Python {
    module: "aiosmtpd",
    package: "aiosmtpd==1.4.6",
};
pub(crate) const CHROMIUM: Need = Need::Program {
    program: "chromium",
    package: "chromium",
};
const QEMU_ARM: Need = Need::Program {
    program: "qemu-system-arm",
    package: "qemu-system-arm",
};
const QEMU_RISCV: Need = Need::Program {
    program: "qemu-system-riscv32",
    package: "qemu-system-misc",
};
pub(crate) const ZBAR: Need = Need::Program {
    program: "zbarimg",
    package: "zbar-tools",
};
pub(crate) const NODE: Need = Need::Program {
    program: "npm",
    package: "npm",
};
pub(crate) const WEB: Need = Need::Npm {
    folder: "tests/web",
    module: "playwright-core",
};
const EXPRESS: Need = Need::Npm {
    folder: "examples/express",
    module: "express",
};
const CRYPTOGRAPHY: Need = Need::Python {
    module: "cryptography",
    package: "cryptography==50.0.2",
};
const FASTAPI: Need = Need::Python {
    module: "fastapi",
    package: "fastapi==0.165.0",
};
const UVICORN: Need = Need::Python {
    module: "uvicorn",
    package: "uvicorn==0.54.0",
};
/// What Starlette's own test client speaks through.
const HTTPX: Need = Need::Python {
    module: "httpx2",
    package: "httpx2==2.16.2",
};

const CADDY: Need = Need::Program {
    program: "caddy",
    package: "caddy",
};
const HAPROXY: Need = Need::Program {
    program: "haproxy",
    package: "haproxy",
};

/// Every check, the quick ones first.
pub(crate) const STEPS: &[Step] = &[
    // Each workspace of its own too.
    plain(
        "fmt",
        Action::Cargo(&[
            &["fmt", "--all", "--check"],
            &["fmt", "--all", "--check", "--manifest-path", "bench/Cargo.toml"],
            &["fmt", "--all", "--check", "--manifest-path", "boards/Cargo.toml"],
            &["fmt", "--all", "--check", "--manifest-path", "fuzz/Cargo.toml"],
            &["fmt", "--all", "--check", "--manifest-path", "model/Cargo.toml"],
        ]),
    ),
    plain(
        "clippy",
        // The workspace has every feature of the client; applications have fewer.
        Action::Cargo(&[
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
            &[
                "clippy",
                "-p",
                "countersign-client",
                "--lib",
                "--",
                "-D",
                "warnings",
            ],
            &[
                "clippy",
                "-p",
                "countersign-client",
                "--lib",
                "--features",
                "guard",
                "--",
                "-D",
                "warnings",
            ],
        ]),
    ),
    plain(
        "test",
        Action::Cargo(&[&["test", "--workspace", "--no-fail-fast"]]),
    ),
    // What holds in release builds alone.
    plain(
        "release",
        Action::Cargo(&[&[
            "test",
            "-p",
            "countersign-server",
            "--release",
            "--lib",
            "release_build",
        ]]),
    ),
    plain("doc", Action::Cargo(&[&["doc", "--no-deps", "--workspace"]])),
    plain("licences", Action::Own(licence::check)),
    plain("providers", Action::Own(providers::check)),
    // Alone, so that no other crate's features bring the standard library in; tidy keeps the declaration.
    plain(
        "bare",
        Action::Cargo(&[
            &["build", "-p", "countersign-core", "--no-default-features"],
            &[
                "test",
                "-p",
                "countersign-testkit",
                "--test",
                "tidy",
                "lower_floors",
            ],
        ]),
    ),
    Step {
        name: "floors",
        needs: &[QEMU_ARM, QEMU_RISCV],
        action: Action::Own(floors::check),
        runs_ignored: false,
    },
    Step {
        name: "oathtool",
        needs: &[OATHTOOL, PYTHON, PYOTP],
        action: Action::Cargo(&[
            &[
                "test",
                "-p",
                "countersign-testkit",
                "--release",
                "--test",
                "outside_oathtool",
                "--",
                "--ignored",
            ],
            &[
                "test",
                "-p",
                "countersign",
                "--test",
                "it",
                "--",
                "--ignored",
                "oathtool",
            ],
        ]),
        runs_ignored: true,
    },
    Step {
        name: "zbarimg",
        needs: &[ZBAR],
        action: Action::Ignored(&["countersign"], "zbarimg"),
        runs_ignored: true,
    },
    Step {
        name: "postgresql",
        needs: &[POSTGRESQL],
        action: Action::Ignored(&["countersign-server", "countersign"], "postgresql"),
        runs_ignored: true,
    },
    // The configurations in examples/, by the proxies they are written for.
    Step {
        name: "forward-auth",
        needs: &[NGINX, CADDY, HAPROXY],
        action: Action::Ignored(&["countersign"], "examples::"),
        runs_ignored: true,
    },
    // After the nodes, whose histories it reads.
    plain("model", Action::Own(histories::model)),
    plain("fuzz", Action::Own(outside::fuzz)),
    Step {
        name: "power-cuts",
        needs: &[Need::Mounts, XFS],
        action: Action::Ignored(&["countersign"], "power_cut"),
        runs_ignored: true,
    },
    Step {
        name: "disk-full",
        needs: &[Need::Mounts, POSTGRESQL],
        action: Action::Ignored(&["countersign"], "disk_full"),
        runs_ignored: true,
    },
    Step {
        name: "clock-steps",
        needs: &[FAKETIME],
        action: Action::Ignored(&["countersign"], "clock_steps"),
        runs_ignored: true,
    },
    Step {
        name: "schemathesis",
        needs: &[PYTHON, SCHEMATHESIS],
        action: Action::Ignored(&["countersign"], "schemathesis"),
        runs_ignored: true,
    },
    Step {
        name: "curl",
        needs: &[CURL, JQ],
        action: Action::Ignored(&["countersign"], "with_curl"),
        runs_ignored: true,
    },
    Step {
        name: "mail-server",
        needs: &[PYTHON, AIOSMTPD],
        action: Action::Ignored(&["countersign"], "mail_server"),
        runs_ignored: true,
    },
    Step {
        name: "python-client",
        needs: &[PYTHON, PYOTP],
        action: Action::Own(outside::python_client),
        runs_ignored: false,
    },
    Step {
        name: "javascript-guard",
        needs: &[NODE, EXPRESS],
        action: Action::Own(outside::javascript_guard),
        runs_ignored: false,
    },
    Step {
        name: "python-guard",
        // What no system brings stands first: it makes the environment, where the others are then looked for.
        needs: &[PYTHON, FASTAPI, HTTPX, CRYPTOGRAPHY],
        action: Action::Own(outside::python_guard),
        runs_ignored: false,
    },
    Step {
        name: "examples",
        needs: &[PYTHON, FASTAPI, UVICORN, CRYPTOGRAPHY, PYOTP, NODE, EXPRESS],
        action: Action::Own(outside::examples),
        runs_ignored: false,
    },
    Step {
        name: "browser",
        needs: &[CHROMIUM, ZBAR, NODE, WEB],
        action: Action::Own(outside::browser),
        runs_ignored: false,
    },
    Step {
        name: "proxies",
        needs: &[NGINX],
        action: Action::Ignored(&["countersign"], "nginx_of_the_documentation"),
        runs_ignored: true,
    },
    Step {
        name: "docs",
        needs: &[CURL],
        action: Action::Own(console::check),
        runs_ignored: false,
    },
];

const fn plain(name: &'static str, action: Action) -> Step {
    Step {
        name,
        needs: &[],
        action,
        runs_ignored: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_steps_are_unique() {
        let mut names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
