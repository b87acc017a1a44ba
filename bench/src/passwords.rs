//! Argon2id at the product's cost: memory reused and wiped, memory allocated each time, and libargon2.

use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, Version};
use countersign_server::service::hashing::{Cost, Memory, hash};
use serde_json::{Value, json};

use crate::timing::{cpu_ns_per, median, peer, rounded};

const ROUNDS: usize = 5;
const CALLS: u32 = 6;
const PASSWORD: &[u8] = b"correct horse battery";

/// Medians in milliseconds of CPU, and ratios to libargon2.
pub fn run() -> Value {
    let mut memory = Memory::default();
    hash(PASSWORD, [1; 16], Cost::PRODUCTION, &mut memory);
    let (mut reused, mut allocated, mut libargon2) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        reused.push(cpu_ns_per(CALLS, |call| {
            black_box(hash(PASSWORD, [call as u8; 16], Cost::PRODUCTION, &mut memory));
            memory.wipe();
        }));
        allocated.push(cpu_ns_per(CALLS, |call| {
            let params = Params::new(49_152, 3, 1, Some(32)).expect("within bounds");
            let mut out = [0u8; 32];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(PASSWORD, &[call as u8; 16], &mut out)
                .expect("parameters are right");
            black_box(out);
        }));
        libargon2.extend(peer("libargon2", "argon2"));
    }
    let (reused, allocated) = (median(reused) / 1e6, median(allocated) / 1e6);
    let beside = (!libargon2.is_empty()).then(|| median(libargon2));
    json!({
        "reused_and_wiped_ms": rounded(reused),
        "allocated_each_time_ms": rounded(allocated),
        "libargon2_ms": beside.map(rounded),
        "reused_to_libargon2": beside.map(|peer| rounded(reused / peer)),
        "allocated_to_libargon2": beside.map(|peer| rounded(allocated / peer)),
    })
}
