//! What is checked on a board and on the host alike: every vector that core has to meet, and whole sign-ins by the
//! rules of auth, written out so that two machines can be compared byte for byte.
//!
//! Knows core, auth and the vectors. Must never know on which machine it runs. Read `vectors` first, then `judge`,
//! then `sign_in`.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "sign_in")]
extern crate alloc;

mod judge;
#[cfg(feature = "sign_in")]
mod sign_in;
mod vectors;

#[cfg(feature = "sign_in")]
pub use sign_in::tell as tell_sign_ins;

use core::fmt::{self, Write};

use vectors::FILES;

/// Judges every case of every file and writes a line for each file, and one for each case that is not met; answers
/// whether all were.
///
/// # Errors
/// That of the writer.
pub fn tell_vectors(out: &mut dyn Write) -> Result<bool, fmt::Error> {
    let mut all = true;
    for file in FILES.iter().filter(|file| !judge::ELSEWHERE.contains(&file.name)) {
        let judge = judge::of(file.name);
        let mut met = 0;
        for (number, case) in file.cases.iter().enumerate() {
            if judge.is_some_and(|judge| judge(case).is_some()) {
                met += 1;
            } else {
                writeln!(out, "not met: {} case {number}: {case}", file.name)?;
            }
        }
        all &= met == file.cases.len() && met > 0;
        writeln!(out, "{}: {met} of {} cases", file.name, file.cases.len())?;
    }
    Ok(all && !FILES.is_empty())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn every_vector_is_met() {
        let mut told = std::string::String::new();
        let met = tell_vectors(&mut told);
        assert_eq!(met, Ok(true), "{told}");
    }
}
