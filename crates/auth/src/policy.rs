//! The numbers the rules go by, with the defaults of the product.
//!
//! Knows: limits, lifetimes and budgets. Must never know: where they were configured; the settings of the
//! server are checked against the bounds given here before they become a policy.

use alloc::vec::Vec;
use core::net::IpAddr;

use countersign_core::limit::Budget;
use countersign_core::otp::{AcceptanceWindow, Totp};
use countersign_core::time::TimeStep;
use ipnet::IpNet;

/// Everything a rule may be told by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether and when a second factor is asked for.
    pub second_factor: SecondFactor,
    /// The time steps accepted around now at people's doors (RFC 6238 §5.2 recommends at most one for network
    /// delay).
    pub window: AcceptanceWindow,
    /// What of the window counts, and what is learned of a prover's clock.
    pub acceptance: Acceptance,
    /// Counters beyond the next expected one whose codes are accepted (RFC 4226 §7.4 asks for as few as can be).
    pub look_ahead: u8,
    /// The parameters of a time-based factor that is made now; one that was made keeps its own.
    pub parameters: Totp,
    /// The budgets of counted failures.
    pub budgets: Budgets,
    /// Lifetime of a sign-in challenge in seconds.
    pub challenge_s: u32,
    /// Wrong codes after which a challenge dies.
    pub challenge_wrong_codes_max: u8,
    /// Absolute lifetime of a session in seconds.
    pub session_s: u32,
    /// Seconds without activity after which a session ends.
    pub session_idle_s: u32,
    /// How long an elevation lasts, in seconds.
    pub elevation_s: u32,
    /// Whether an application may let a one-time code, which covers no action, approve one.
    pub totp_fallback: bool,
    /// Whether a session may be stepped up by a number that is typed in another of the same person.
    pub approve_by_number: bool,
    /// How long a session's token lives on after it was replaced, for requests in flight, in seconds.
    pub overlap_s: u32,
    /// How long a ticket lives by which a session is entered at a protected host, in seconds.
    pub host_ticket_s: u32,
    /// How long a pending enrolment waits for its confirming code, in seconds.
    pub enrolment_s: u32,
    /// Time steps of clock drift that an enrolment, and where it is wished an acceptance, may learn each way (RFC 6238
    /// §6).
    pub enrolment_drift_steps: u8,
    /// Seconds each way of now within which two consecutive codes are looked for (RFC 6238 §6). A code of the future
    /// that was used up keeps the time until then from being used, so this bounds that as well.
    pub resynchronisation_s: u16,
    /// Counters beyond the next expected one among which two consecutive codes are looked for (RFC 4226 §7.4).
    pub resynchronisation_counters: u16,
    /// Lifetime of a set-up, invitation or recovery ticket in seconds.
    pub ticket_s: u32,
    /// Seconds for which a browser that completed a sign-in counts as a known source.
    pub browser_s: u32,
    /// How an account is recovered.
    pub recovery: Recovering,
    /// Whether codes by text message are a second factor.
    pub sms_codes: bool,
    /// Whether codes for trying out are accepted; see [`crate::credential::dummy`].
    pub dummy_codes: bool,
    /// Whether guards take every session for an elevated one, for trying out; each time is one line of the audit.
    pub skip_elevation: bool,
}

/// The numbers of recovery by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovering {
    /// Seconds a mailed code lives (NIST SP 800-63B-4 §4.2.1.2: at most a day).
    pub code_s: u32,
    /// Seconds between the proofs and what they allow, in which the owner may call it off.
    pub delay_s: u32,
    /// Requests for one name over all strange sources, and of one known browser.
    pub name: Budget,
    /// Requests from one strange source over all names.
    pub source: Budget,
}

/// Whether and when a second factor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// At every sign-in; an account without one may do nothing but enrol it.
    Required,
    /// At every sign-in of an account that has one.
    Optional,
    /// At a step-up alone: the password is enough to sign in.
    AtStepUp,
}

/// Which time steps are accepted around the drift that was learned of a prover's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The whole window. Drift is learned at enrolment and by two codes.
    Window,
    /// The whole window, and drift is learned at every acceptance as well.
    Learned,
    /// The step of the learned drift alone, so that a code lives no longer than its step; where the prover's clock
    /// was found to be off, also the neighbouring step towards now. A sign-in teaches nothing, and a code that confirms
    /// an enrolment nothing when it is one step off: as much lies between any two clocks.
    Strict,
}

/// The throttle's budgets; each must have room before an attempt is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// One subject from one source.
    pub pair: Budget,
    /// Passwords of one subject over all strange sources.
    pub strangers_password: Budget,
    /// Codes of one subject over all strange sources.
    pub strangers_code: Budget,
    /// One strange source over all names.
    pub source: Budget,
    /// Failures that each source in some networks may have instead, as where many people share an address.
    pub source_in: Vec<(IpNet, u16)>,
    /// Failures from strangers since the last complete sign-in, after which strangers are no longer
    /// evaluated.
    pub lifetime_strangers: u32,
    /// Failures in all since the last complete sign-in, after which the credential is disabled
    /// (NIST SP 800-63B-4 §3.2.2: at most 100).
    pub lifetime_all: u32,
}

impl Budgets {
    /// The budget of a strange source over all names: that of the narrowest network it lies in.
    ///
    /// A source that is no network address has the budget of all others.
    pub fn source(&self, source: &str) -> Budget {
        let address = source
            .split('/')
            .next()
            .and_then(|text| text.parse::<IpAddr>().ok());
        let networks = self.source_in.iter();
        let around =
            networks.filter(|(network, _)| address.is_some_and(|address| network.contains(&address)));
        let narrowest = around.max_by_key(|(network, _)| network.prefix_len());
        Budget {
            failures_max: narrowest.map_or(self.source.failures_max, |(_, failures)| *failures),
            ..self.source
        }
    }
}

/// Largest number of open challenges of one account; the oldest goes.
pub const CHALLENGES_MAX: usize = 128;
/// Longest time in seconds that a session lives without a word about what more costs: a day
/// (NIST SP 800-63B-4 §2.2.3).
pub const SESSION_S_PLAIN_MAX: u32 = 86_400;
/// Longest time in seconds that a session lives at all: 30 days (NIST SP 800-63B-4 §2.1.3).
pub const SESSION_S_MAX: u32 = 2_592_000;
/// Largest number of sessions of one account; the oldest goes.
pub const SESSIONS_MAX: usize = 64;
/// Largest number of keys to one session: one for each protected host it was used at; the oldest goes.
pub const HOSTS_MAX: usize = 64;
/// Most tickets of one session at once by which it is entered at a protected host; the oldest goes.
pub const HOST_TICKETS_MAX: usize = 8;
/// Most approvals that wait for an account's owner, or for whoever asked, at once; one more is refused.
pub const APPROVALS_MAX: usize = 8;
/// Most of them that one application asked for.
pub const APPROVALS_OF_ONE_MAX: usize = 4;
/// Shortest and longest time in seconds in which an approval may be answered.
pub const APPROVAL_S: core::ops::RangeInclusive<u32> = 30..=300;
/// Seconds in which whoever asked may still hear of it after the last moment of an answer.
pub const REDEEM_S: u64 = 60;
/// Seconds in which a number must be typed.
pub const NUMBER_S: u64 = 90;
/// Wrong numbers after which a wish to be stepped up is denied.
pub const WRONG_NUMBERS_MAX: u8 = 3;
/// Oldest proof in seconds of a session in which a number is typed; what it lends ends with it.
pub const LENDER_S: u32 = 3_600;
/// Longest purpose of an elevation, in characters.
pub const PURPOSE_CHARS_MAX: usize = 64;
/// Largest number of tokens for programs of one account; one more is refused.
pub const API_TOKENS_MAX: usize = 20;
/// Most hosts that one of them is limited to.
pub const API_TOKEN_HOSTS_MAX: usize = 16;
/// Most days that one of them lives.
pub const API_TOKEN_DAYS_MAX: u32 = 366;
/// Largest number of known browsers of one account; the one unused for longest goes.
pub const BROWSERS_MAX: usize = 16;
/// Largest number of second factors of one account.
pub const FACTORS_MAX: usize = 16;
/// Most secrets that an account remembers after they left it; the oldest is forgotten.
pub const REMOVED_MAX: usize = 32;
/// Largest number of recoveries of one account that are under way; the oldest goes.
pub const RECOVERIES_MAX: usize = 4;
/// Proofs after which a recovery, or a code that confirms an address, is dead.
pub const RECOVERY_REFUSED_MAX: u8 = 5;
/// Seconds in which what was proven must be carried out, after a delay.
pub const RECOVERY_READY_S: u64 = 86_400;
/// Number of backup codes made at once.
pub const BACKUP_CODES: usize = 10;
/// Longest label of a factor or session, in characters.
pub const LABEL_CHARS_MAX: usize = 64;
/// Most groups an account can be in, and the longest group name in characters.
pub const GROUPS_MAX: usize = 32;

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            second_factor: SecondFactor::Required,
            window: AcceptanceWindow { past: 1, future: 1 },
            acceptance: Acceptance::Window,
            look_ahead: 10,
            parameters: Totp::default(),
            budgets: Budgets::default(),
            challenge_s: 300,
            challenge_wrong_codes_max: 5,
            session_s: 3600,
            session_idle_s: 1800,
            elevation_s: 900,
            totp_fallback: true,
            approve_by_number: true,
            overlap_s: 10,
            host_ticket_s: 60,
            enrolment_s: 900,
            enrolment_drift_steps: 10,
            resynchronisation_s: 3600,
            resynchronisation_counters: 1000,
            ticket_s: 900,
            browser_s: 180 * 86_400,
            recovery: Recovering::default(),
            sms_codes: false,
            dummy_codes: false,
            skip_elevation: false,
        }
    }
}

impl Default for Recovering {
    fn default() -> Recovering {
        let hourly = |failures_max| Budget {
            failures_max,
            window_s: 3600,
            lockout_s: 3600,
        };
        Recovering {
            code_s: 600,
            delay_s: 0,
            name: hourly(3),
            source: hourly(20),
        }
    }
}

impl Default for Budgets {
    fn default() -> Budgets {
        let five_minutes = |failures_max| Budget {
            failures_max,
            window_s: 300,
            lockout_s: 300,
        };
        Budgets {
            pair: five_minutes(5),
            strangers_password: five_minutes(20),
            strangers_code: five_minutes(5),
            source: five_minutes(60),
            source_in: Vec::new(),
            lifetime_strangers: 50,
            lifetime_all: 100,
        }
    }
}

impl Policy {
    /// The time steps of some length each way of now among which two consecutive codes are looked for.
    pub fn resynchronisation_steps(&self, time_step: TimeStep) -> u16 {
        let steps = u32::from(self.resynchronisation_s) / time_step.seconds();
        u16::try_from(steps).unwrap_or(u16::MAX)
    }

    /// The shortest password in characters: 8 beside a second factor, 15 alone (NIST SP 800-63B-4 §3.1.1.2).
    pub fn password_chars_min(&self) -> usize {
        match self.second_factor {
            SecondFactor::Required => 8,
            SecondFactor::Optional | SecondFactor::AtStepUp => 15,
        }
    }
}
