//! The machine's own names and limits.
//!
//! Knows: the host name, the open files of a process. Must never know: what is done with them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The names this machine is reached by: localhost, loopback, its host name and that name on the local link.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().to_ascii_lowercase();
    let is_label = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    if !host.is_empty() && host.len() <= 63 && is_label(&host) && host != "localhost" {
        names.push(format!("{host}.local"));
        names.push(host);
    }
    names
}

/// Asks for as many open files as the machine allows this process: each connection is one. Says how many it is.
pub fn raise_open_files() -> Option<u64> {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    }
}
