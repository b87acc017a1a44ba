//! Writes on the host what an image writes on its board: `vectors`, or `sign_in`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut told = String::new();
    let done = match std::env::args().nth(1).as_deref() {
        Some("vectors") => countersign_checks::tell_vectors(&mut told),
        Some("sign_in") => countersign_checks::tell_sign_ins(&mut told),
        _ => Ok(false),
    };
    print!("{told}");
    match done {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
