//! What each measurement is about, and what it has to reach.
//!
//! Knows the names in the files of docs/measurements. A file that is not in the table is shown without a goal.

/// What a page says about a file of docs/measurements.
#[derive(Debug)]
pub(super) struct About {
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    pub(super) goals: &'static [Goal],
}

/// A number and what it has to reach.
#[derive(Debug)]
pub(super) struct Goal {
    /// Its place in the file, the parts of which are joined by dots; `*` is every number at the top.
    pub(super) path: &'static str,
    pub(super) says: &'static str,
    pub(super) bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(super) fn number(self) -> f64 {
        match self {
            Self::AtLeast(number) | Self::AtMost(number) => number,
        }
    }

    pub(super) fn is_met(self, number: f64) -> bool {
        match self {
            Self::AtLeast(least) => number >= least,
            Self::AtMost(most) => number <= most,
        }
    }
}

/// Every check that counts them must have none.
pub(super) const FAILURES: Goal = at_most("failures", "failures", 0.0);

pub(super) const ABOUT: &[About] = &[
    About {
        name: "oathtool",
        says: "Random one-time passwords, compared with those of oathtool.",
        goals: &[at_least("cases", "cases compared", 100_000.0)],
    },
    About {
        name: "fuzz",
        says: "Inputs that each parser met, guided by coverage. None made one panic or come back changed.",
        goals: &[at_least("*", "executions", 100_000_000.0)],
    },
    About {
        name: "fuzz-imports",
        says: "The same for the parsers of what an operator imports.",
        goals: &[at_least("*", "executions", 100_000_000.0)],
    },
    About {
        name: "mutation",
        says: "Hundredths of the changes to the code, made one at a time, that a test of its own crate noticed.",
        goals: &[
            at_least("core.percent", "core", 90.0),
            at_least("auth.percent", "auth", 90.0),
            at_most("core.untested", "core, changes not tried yet", 0.0),
            at_most("auth.untested", "auth, changes not tried yet", 0.0),
            at_least("compare.percent", "comparing codes", 100.0),
            at_least("accept.percent", "accepting codes", 100.0),
            at_least("throttle.percent", "throttling", 100.0),
            at_least("revoke.percent", "revoking sessions", 100.0),
        ],
    },
    About {
        name: "kills",
        says: "The server is killed under a load of sign-ins; whatever it had acknowledged holds afterwards.",
        goals: &[at_least("kills", "kills", 500.0)],
    },
    About {
        name: "power-cuts",
        says: "The file system (ext4 and XFS by turns) is shut down under a load of sign-ins, without flushing its \
               log, and mounted again; whatever was acknowledged holds.",
        goals: &[at_least("cuts", "power cuts", 200.0)],
    },
    About {
        name: "disk-full",
        says: "The disk is full under SQLite and under PostgreSQL: 503 for whatever can't be kept, nothing lost, no \
               code twice, well again by itself once there is room.",
        goals: &[at_least("stores", "stores", 2.0)],
    },
    About {
        name: "clock-steps",
        says: "The wall clock is set backwards, forwards and before the start; nothing is decided until an operator \
               accepts it, and no used code works again.",
        goals: &[at_least("clock_steps", "steps", 4.0)],
    },
    About {
        name: "kills-postgresql",
        says: "Three nodes and their PostgreSQL are killed under load, one after another; what was acknowledged \
               holds.",
        goals: &[at_least("kills", "kills", 500.0)],
    },
    About {
        name: "races-nodes",
        says: "Codes in many hands at three nodes, under kills; each is accepted at most once.",
        goals: &[at_least("presentations", "presentations", 1_000_000.0)],
    },
    About {
        name: "nodes",
        says: "How soon three nodes know of what one of them revoked, and how many requests the loss of one costs.",
        goals: &[
            at_most("revocation_p99_us", "revocation, 99 of 100, µs", 250_000.0),
            at_most("revocation_max_us", "revocation, longest, µs", 1_000_000.0),
            at_most("failed_ppm", "requests failed, in a million", 10_000.0),
            at_most("failing_max_ms", "failing for, at most, ms", 2_000.0),
        ],
    },
    About {
        name: "races",
        says: "64 hands present one code at once, over and over, on every store; one is accepted.",
        goals: &[],
    },
    About {
        name: "bad-inputs",
        says: "Nonsense for every route of the HTTP door; no panic and no answer of 500.",
        goals: &[at_least("requests", "requests", 20_000.0)],
    },
    About {
        name: "tamperings",
        says: "Changes to the audit behind the server's back; each is named.",
        goals: &[at_least("tamperings", "tamperings", 1_000.0)],
    },
    About {
        name: "timing",
        says: "How long a sign-in takes for known and unknown names, for eight people at once, and what it leaves to \
               others. Microseconds.",
        goals: &[],
    },
    About {
        name: "bench",
        says: "Beside the peers, medians of several runs, each ratio within one run.",
        goals: &[
            at_least(
                "otp_verify_wrong_code.times_faster_than_totp_rs",
                "wrong code, times as fast as totp-rs (portable)",
                1.7,
            ),
            at_most(
                "argon2id_48_mib_3_passes.reused_to_libargon2",
                "Argon2id, time as a share of libargon2's",
                0.62,
            ),
            at_most(
                "forward_auth.to_nginx",
                "a proxy's question, CPU as times nginx answering 204",
                1.2,
            ),
            at_least(
                "durable_sign_ins.commits_one_by_one_to_floor",
                "commits one by one, as a share of fdatasync",
                0.7,
            ),
            at_least(
                "durable_sign_ins.grouped_to_one_by_one",
                "32 waiting, times one by one",
                5.0,
            ),
            at_most(
                "durable_sign_ins.cpu_of_a_sign_in_beside_argon2id_us",
                "processor beside Argon2id, µs a sign-in",
                500.0,
            ),
        ],
    },
];

const fn at_least(path: &'static str, says: &'static str, least: f64) -> Goal {
    Goal {
        path,
        says,
        bound: Bound::AtLeast(least),
    }
}

const fn at_most(path: &'static str, says: &'static str, most: f64) -> Goal {
    Goal {
        path,
        says,
        bound: Bound::AtMost(most),
    }
}
