//! The verifications that are weighed, each alone in an image.
//!
//! Knows core's public interface. Must never know sizes; whoever links an image reads them.

use core::hint::black_box;

use countersign_core::otp::ocra::{Input, OcraVerdict, Suite};
use countersign_core::otp::{
    AcceptanceWindow, Algorithm, Code, Counter, Digits, Hotp, HotpVerdict, Presented, SharedSecret, Totp,
    Verdict,
};
use countersign_core::time::UnixSeconds;

/// RFC 4226's secret, and codes of it that other programs computed.
const SECRET: [u8; 20] = *b"12345678901234567890";
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fn secret() -> Option<SharedSecret> {
    SharedSecret::from_bytes(&black_box(SECRET)).ok()
}

fn code(text: &str) -> Option<Code> {
    Code::parse_strict(black_box(text), Digits::SIX).ok()
}

/// A time-based code of one algorithm, within one step around now.
#[inline(always)]
pub fn totp(algorithm: Algorithm, shown: &str) -> bool {
    let (Some(secret), Some(code)) = (secret(), code(shown)) else {
        return false;
    };
    let totp = Totp {
        algorithm,
        ..Totp::default()
    };
    let presented = Presented {
        now: black_box(NOW),
        window: AcceptanceWindow { past: 1, future: 1 },
        drift: 0,
        last_accepted: None,
    };
    matches!(totp.verify(&secret, &code, presented), Verdict::Accepted { .. })
}

/// A counter-based code, among the next ten.
#[inline(always)]
pub fn hotp(shown: &str) -> bool {
    let (Some(secret), Some(code)) = (secret(), code(shown)) else {
        return false;
    };
    let verdict = Hotp::default().verify(&secret, &code, black_box(Counter(0)), 9);
    matches!(verdict, HotpVerdict::Accepted { .. })
}

/// A response to a numeric challenge.
#[inline(always)]
pub fn ocra(suite: &str, response: &str) -> bool {
    let input = Input {
        question: black_box("11111111"),
        ..Input::default()
    };
    let window = AcceptanceWindow { past: 0, future: 0 };
    let (Ok(suite), Some(secret)) = (black_box(suite).parse::<Suite>(), secret()) else {
        return false;
    };
    suite.verify(&secret, &input, window, black_box(response)) == Ok(OcraVerdict::Accepted)
}
