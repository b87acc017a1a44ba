//! Countersign beside its peers: one-time passwords, password hashes, durable sign-ins.
//!
//! Each figure is CPU time where work is compared, wall time where a disk is; medians of several rounds in
//! turn, so that a machine that changes its speed changes it for all. `cargo xtask bench` runs it and keeps
//! docs/measurements/bench.json, with when, where and from which code.

mod otp;
mod passwords;
mod sign_ins;
mod timing;

use serde_json::{Map, Value, json};

fn main() {
    let mut figures = Map::new();
    figures.insert("otp_verify_wrong_code".into(), otp::run());
    figures.insert("argon2id_48_mib_3_passes".into(), passwords::run());
    figures.insert("durable_sign_ins".into(), sign_ins::run());
    let all = Value::Object(figures);
    for (name, figure) in all.as_object().into_iter().flatten() {
        println!("{name}");
        for (key, value) in figure.as_object().into_iter().flatten() {
            println!("  {key:<44} {value}");
        }
    }
    if let Some(path) = std::env::args().nth(1) {
        let text = serde_json::to_string_pretty(&json!(all)).expect("figures are JSON");
        std::fs::write(&path, text + "\n").expect("the results can be written");
    }
}
