//! Countersign beside its peers: one-time passwords, password hashes, durable sign-ins, questions of proxies.
//!
//! Each figure is CPU time where work is compared, wall time where a disk is; medians of several rounds in
//! turn, so that a machine that changes its speed changes it for all. `cargo xtask bench` runs it and keeps
//! docs/measurements/bench.json, with when, where and from which code.

mod forward_auth;
mod installation;
mod otp;
mod passwords;
mod served;
mod sign_ins;
mod timing;

use serde_json::{Map, Value, json};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", peer, folder] => return served::run(peer, folder.as_ref()),
        // While one figure is worked on.
        ["forward-auth"] => return println!("{:#}", forward_auth::run()),
        _ => {}
    }
    let mut figures = Map::new();
    figures.insert("otp_verify_wrong_code".into(), otp::run());
    figures.insert("argon2id_48_mib_3_passes".into(), passwords::run());
    figures.insert("forward_auth".into(), forward_auth::run());
    figures.insert("durable_sign_ins".into(), sign_ins::run());
    let all = Value::Object(figures);
    for (name, figure) in all.as_object().into_iter().flatten() {
        println!("{name}");
        for (key, value) in figure.as_object().into_iter().flatten() {
            println!("  {key:<44} {value}");
        }
    }
    if let Some(path) = words.first() {
        let text = serde_json::to_string_pretty(&json!(all)).expect("figures are JSON");
        std::fs::write(path, text + "\n").expect("the results can be written");
    }
}
