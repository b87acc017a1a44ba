//! Published keys (RFC 7517, RFC 8037), as the server's set has them.
//!
//! Knows: how a set is read, how long it may be believed, and how often it may be asked for. Must never know: what the
//! keys verify.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::bytes::base64;

use super::clock::Moment;
use super::json;

/// Most keys of a set.
const KEYS_MAX: usize = 32;
/// How long a set is believed: as long as the server says that it may be kept.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Between two questions for the set, whatever keys tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// A public key of Ed25519.
pub(crate) type VerifyingKey = [u8; 32];

/// Every spelling of every point of small order, without the sign: under such a key anybody can sign.
const SMALL_ORDER: [VerifyingKey; 7] = [
    spelt(0x00, 0x00, 0x00),
    spelt(0x01, 0x00, 0x00),
    spelt(0xec, 0xff, 0x7f),
    spelt(0xed, 0xff, 0x7f),
    spelt(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn spelt(first: u8, between: u8, last: u8) -> VerifyingKey {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// The keys, and when they were asked for.
#[derive(Default)]
pub(crate) struct Keys {
    state: Mutex<State>,
    /// Held by the one who asks; the others wait for the same answer.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    set: HashMap<String, VerifyingKey>,
    /// When the set was read.
    read_at: Option<Moment>,
    asked_at: Option<Moment>,
}

/// What is known about a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is published.
    Published(VerifyingKey),
    /// It is not, as far as may be said without asking too often.
    Unknown,
    /// The set has to be asked for.
    Ask,
    /// The set is too old, and asking for it failed a moment ago.
    Undecided,
}

impl Keys {
    /// Looks a key up.
    pub(crate) fn find(&self, key_id: &str, now: Moment) -> Known {
        let state = self.state();
        let is_near =
            |moment: Option<Moment>, longest| moment.is_some_and(|then| now.is_within(then, longest));
        let is_believed = is_near(state.read_at, AGE_MAX);
        match state.set.get(key_id).filter(|_| is_believed) {
            Some(key) => Known::Published(*key),
            None if !is_near(state.asked_at, PAUSE) => Known::Ask,
            None if is_believed => Known::Unknown,
            None => Known::Undecided,
        }
    }

    /// Notes that the set is asked for.
    pub(crate) fn asked(&self, now: Moment) {
        self.state().asked_at = Some(now);
    }

    /// Takes a set that was read.
    pub(crate) fn take(&self, set: HashMap<String, VerifyingKey>, now: Moment) {
        let mut state = self.state();
        state.set = set;
        state.read_at = Some(now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so a thread that panicked left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a set. Keys of other kinds are passed over (RFC 7517 §5), and keys under which anybody can sign; one of
/// ours that is malformed, or an identifier that stands twice, spoils the set.
pub(crate) fn parse(text: &[u8]) -> Option<HashMap<String, VerifyingKey>> {
    let set = json::object(text)?;
    let keys = set.get("keys")?.as_array()?;
    if keys.len() > KEYS_MAX {
        return None;
    }
    let mut found = HashMap::new();
    for key in keys {
        let member = |name: &str| key.get(name).and_then(|value| value.as_str());
        let is_ours = member("kty") == Some("OKP")
            && member("crv") == Some("Ed25519")
            && member("use").is_none_or(|usage| usage == "sig")
            && member("alg").is_none_or(|algorithm| algorithm == "EdDSA");
        if !is_ours {
            continue;
        }
        let mut bytes = [0; 32];
        let length = base64::parse_url(member("x")?, &mut bytes).ok()?;
        let key_id = member("kid")?.to_owned();
        if length != bytes.len() || found.contains_key(&key_id) {
            return None;
        }
        if !is_of_small_order(&bytes) {
            found.insert(key_id, bytes);
        }
    }
    Some(found)
}

fn is_of_small_order(key: &VerifyingKey) -> bool {
    let mut unsigned = *key;
    unsigned[31] &= 0x7f;
    SMALL_ORDER.contains(&unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment {
            unix: Duration::from_secs(1_700_000_000 + seconds),
            steady: Duration::from_secs(seconds),
        }
    }

    fn one_key() -> HashMap<String, VerifyingKey> {
        HashMap::from([("one".to_owned(), [1; 32])])
    }

    #[test]
    fn unknown_key_is_asked_for_once_in_ten_seconds() {
        let keys = Keys::default();
        assert_eq!(keys.find("one", at(0)), Known::Ask);
        keys.asked(at(0));
        assert_eq!(keys.find("one", at(10)), Known::Undecided, "no answer came");
        keys.take(one_key(), at(0));
        assert_eq!(keys.find("one", at(10)), Known::Published([1; 32]));
        assert_eq!(keys.find("two", at(10)), Known::Unknown);
        assert_eq!(keys.find("two", at(11)), Known::Ask);
    }

    #[test]
    fn key_is_believed_for_300_seconds_after_its_set_was_read() {
        let keys = Keys::default();
        keys.asked(at(0));
        keys.take(one_key(), at(0));
        assert_eq!(keys.find("one", at(300)), Known::Published([1; 32]));
        assert_eq!(keys.find("one", at(301)), Known::Ask);
        keys.asked(at(301));
        assert_eq!(keys.find("one", at(302)), Known::Undecided);
        keys.take(HashMap::new(), at(302));
        assert_eq!(keys.find("one", at(303)), Known::Unknown, "it was withdrawn");
    }

    #[test]
    fn set_is_read_strictly_and_keys_of_other_kinds_are_passed_over() {
        let x = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        let ours =
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"one","use":"sig","alg":"EdDSA"}}"#);
        let set = |keys: &str| parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes());
        assert_eq!(set(&ours), Some(one_key()));
        let other = r#"{"kty":"RSA","n":"x","e":"AQAB","kid":"one"}"#;
        assert_eq!(set(&format!("{other},{ours}")), Some(one_key()));
        for other_use in [
            ours.replace(r#""use":"sig""#, r#""use":"enc""#),
            ours.replace("EdDSA", "ES256"),
            ours.replace("Ed25519", "X25519"),
        ] {
            assert_eq!(set(&other_use), Some(HashMap::new()), "{other_use}");
        }
        for spoilt in [
            format!("{ours},{ours}"),
            ours.replace(x, &x[1..]),
            ours.replace(x, &format!("{x}=")),
            ours.replace(r#""kid":"one","#, ""),
        ] {
            assert_eq!(set(&spoilt), None, "{spoilt}");
        }
        let full = vec![other; KEYS_MAX].join(",");
        assert_eq!(set(&full), Some(HashMap::new()));
        assert_eq!(set(&format!("{full},{other}")), None);
    }
}
