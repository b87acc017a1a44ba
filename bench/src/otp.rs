//! A wrong code over one time step each way: the cost of a guess, and of every honest verification too.

use std::hint::black_box;

use countersign_core::otp::{AcceptanceWindow, Code, Digits, Presented, SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::timing::{cpu_ns_per, median, peer, rounded};

const SECRET: [u8; 20] = *b"\x31\x32\x9a\x34\x75\x36\x37\xb8\x39\x30\x11\x32\x33\xf4\x35\x36\x3a\x38\x39\x30";
const ROUNDS: usize = 9;
const CALLS: u32 = 50_000;
const NOW: u64 = 1_700_000_000;

/// Medians in nanoseconds of CPU, and how many times faster than each peer.
pub fn run() -> Value {
    let (mut ours, mut totp_rs, mut rekeyed, mut liboath) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        ours.push(by_countersign());
        totp_rs.push(by_totp_rs());
        rekeyed.push(by_rekeying());
        liboath.extend(peer("liboath", "oath"));
    }
    let ours = median(ours);
    let beside = |figures: Vec<f64>| match figures.is_empty() {
        true => (Value::Null, Value::Null),
        false => (
            json!(rounded(median(figures.clone()))),
            json!(rounded(median(figures) / ours)),
        ),
    };
    let (totp_rs, times_totp_rs) = beside(totp_rs);
    let (rekeyed, times_rekeyed) = beside(rekeyed);
    let (liboath, times_liboath) = beside(liboath);
    json!({
        "countersign_ns": rounded(ours),
        "totp_rs_ns": totp_rs,
        "hmac_rekeyed_each_step_ns": rekeyed,
        "liboath_ns": liboath,
        "times_faster_than_totp_rs": times_totp_rs,
        "times_faster_than_rekeying": times_rekeyed,
        "times_faster_than_liboath": times_liboath,
    })
}

fn by_countersign() -> f64 {
    let secret = SharedSecret::from_bytes(&SECRET).expect("20 bytes are a secret");
    let code = Code::parse("000000", Digits::SIX).expect("six digits are a code");
    let totp = Totp::default();
    cpu_ns_per(CALLS, |call| {
        let presented = Presented {
            now: UnixSeconds(NOW + 30 * u64::from(call)),
            window: AcceptanceWindow { past: 1, future: 1 },
            drift: 0,
            last_accepted: None,
        };
        let _ = black_box(totp.verify(black_box(&secret), black_box(&code), presented));
    })
}

fn by_totp_rs() -> f64 {
    let secret = totp_rs::Secret::try_from_base32("GEZJUNDVGY33QOJQCEZDH5BVGY5DQOJQ").expect("Base32");
    let totp = totp_rs::Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret)
        .build_noncompliant();
    cpu_ns_per(CALLS, |call| {
        black_box(totp.check(black_box("000000"), NOW + 30 * u64::from(call)));
    })
}

fn by_rekeying() -> f64 {
    cpu_ns_per(CALLS, |call| {
        let step = (NOW + 30 * u64::from(call)) / 30;
        let matched = (step - 1..=step + 1).any(|step| {
            let mut mac = Hmac::<Sha1>::new_from_slice(black_box(&SECRET)).expect("any length");
            mac.update(&step.to_be_bytes());
            let hash = mac.finalize().into_bytes();
            let at = usize::from(hash[19] & 15);
            let word = [hash[at], hash[at + 1], hash[at + 2], hash[at + 3]];
            (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000 == black_box(0)
        });
        black_box(matched);
    })
}
