//! The parameters that prover and verifier agree on.
//!
//! Knows: which values are allowed. Must never know: secrets.

use core::fmt;
use core::str::FromStr;

/// The hash function of the HMAC (RFC 6238 §1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Algorithm {
    /// HMAC-SHA-1, the one every authenticator knows.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "SHA1"))]
    Sha1,
    /// HMAC-SHA-256.
    #[cfg_attr(feature = "serde", serde(rename = "SHA256"))]
    Sha256,
    /// HMAC-SHA-512.
    #[cfg_attr(feature = "serde", serde(rename = "SHA512"))]
    Sha512,
}

impl Algorithm {
    /// Its name in otpauth URIs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        }
    }

    /// Bytes of the hash function's block (FIPS 180-4 §1): a longer key is hashed first by HMAC (RFC 2104 §2).
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Algorithm::Sha1 | Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is that of no known algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmError;

impl fmt::Display for AlgorithmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown algorithm; use SHA1, SHA256 or SHA512")
    }
}

impl core::error::Error for AlgorithmError {}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Takes `SHA1`, `sha-1`, `HmacSHA1` and the like.
    fn from_str(text: &str) -> Result<Algorithm, AlgorithmError> {
        let bare = text
            .get(..4)
            .filter(|head| head.eq_ignore_ascii_case("hmac"))
            .map_or(text, |_| &text[4..]);
        [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| {
                let name = algorithm.name().bytes();
                bare.bytes()
                    .filter(|byte| *byte != b'-')
                    .map(|byte| byte.to_ascii_uppercase())
                    .eq(name)
            })
            .ok_or(AlgorithmError)
    }
}

/// The number of digits of a code: 6, 7 or 8 (RFC 4226 §5.3 asks for at least 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "u8", into = "u8")
)]
pub struct Digits(u8);

impl Digits {
    /// Six digits, the default.
    pub const SIX: Digits = Digits(6);
    /// Seven digits.
    pub const SEVEN: Digits = Digits(7);
    /// Eight digits, the default of devices.
    pub const EIGHT: Digits = Digits(8);

    /// So many digits; none outside 6 to 8.
    #[must_use]
    pub const fn new(digits: u8) -> Option<Digits> {
        match digits {
            6..=8 => Some(Digits(digits)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.0
    }

    /// The number of different codes: ten to the power of the digits.
    pub(super) const fn modulus(self) -> u32 {
        10u32.pow(self.0 as u32)
    }
}

impl Default for Digits {
    fn default() -> Digits {
        Digits::SIX
    }
}

impl TryFrom<u8> for Digits {
    type Error = &'static str;

    fn try_from(digits: u8) -> Result<Digits, &'static str> {
        Digits::new(digits).ok_or("a code has 6, 7 or 8 digits")
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> u8 {
        digits.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_is_read_in_the_spellings_of_other_programs() {
        let spellings = [
            (
                Algorithm::Sha1,
                ["SHA1", "sha1", "Sha-1", "HmacSHA1", "HMAC-SHA-1"],
            ),
            (
                Algorithm::Sha256,
                ["SHA256", "sha256", "SHA-256", "HmacSHA256", "hmac-sha256"],
            ),
            (
                Algorithm::Sha512,
                ["SHA512", "sha512", "SHA-512", "HmacSHA512", "hmac-sha512"],
            ),
        ];
        for (algorithm, names) in spellings {
            for name in names {
                assert_eq!(name.parse(), Ok(algorithm), "{name}");
            }
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn unknown_algorithm_is_refused_whatever_its_characters() {
        for name in [
            "",
            "SHA",
            "MD5",
            "SHA224",
            "SHA3-256",
            "SHA1 ",
            "hmac",
            "SHA１",
            "é",
            "hméc",
            "日本語",
            "\0SHA1",
        ] {
            assert_eq!(name.parse::<Algorithm>(), Err(AlgorithmError), "{name}");
        }
    }

    #[test]
    fn code_has_6_to_8_digits() {
        let allowed = (0..=u8::MAX).filter(|count| Digits::new(*count).is_some());
        assert!(allowed.eq(6..=8));
        assert_eq!(Digits::try_from(7), Ok(Digits::SEVEN));
        assert!(Digits::try_from(5).is_err());
        let moduli = [Digits::SIX, Digits::SEVEN, Digits::EIGHT].map(Digits::modulus);
        assert_eq!(moduli, [1_000_000, 10_000_000, 100_000_000]);
    }
}
