//! What a password may be (NIST SP 800-63B-4 §3.1.1.2).
//!
//! Knows: length, and the blocklist that is shipped. Must never know: the hash; hashing is the machine's work
//! and is done by the server. No composition rules, no forced change: any text of enough characters that is
//! not a well-known password.

use alloc::string::String;
use core::fmt;

use crate::name::Name;
use crate::policy::Policy;

/// Longest password in bytes; far above the 64 characters that must be allowed.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Well-known passwords of at least eight characters, lower case, sorted, one a line.
const BLOCKLIST: &str = include_str!("blocklist.txt");

/// Why a password can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordProblem {
    /// It has fewer characters than the policy asks for.
    TooShort {
        /// The least number of characters.
        chars_min: usize,
    },
    /// It is longer than [`PASSWORD_BYTES_MAX`] bytes.
    TooLong,
    /// It stands on the list of well-known passwords.
    WellKnown,
    /// It is the account's name, or the name with a few characters added.
    LikeTheName,
}

impl fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordProblem::TooShort { chars_min } => {
                write!(
                    f,
                    "the password has fewer than {chars_min} characters; choose a longer one"
                )
            }
            PasswordProblem::TooLong => {
                f.write_str("the password is longer than 1024 bytes; choose a shorter one")
            }
            PasswordProblem::WellKnown => f.write_str(
                "the password is one of the well-known ones that attackers try first; choose another",
            ),
            PasswordProblem::LikeTheName => {
                f.write_str("the password is much like the account's name; choose another")
            }
        }
    }
}

impl core::error::Error for PasswordProblem {}

/// Judges a password that is about to be set.
///
/// # Errors
/// The [`PasswordProblem`], to be told to whoever chose it.
pub fn acceptable(password: &str, name: &Name, policy: &Policy) -> Result<(), PasswordProblem> {
    let chars_min = policy.password_chars_min();
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordProblem::TooLong);
    }
    if password.chars().count() < chars_min {
        return Err(PasswordProblem::TooShort { chars_min });
    }
    let lower: String = password.to_lowercase();
    if is_well_known(&lower) {
        return Err(PasswordProblem::WellKnown);
    }
    // It is longer than that, so little is left only where the name was taken out.
    if lower.replace(name.as_str(), "").chars().count() < 4 {
        return Err(PasswordProblem::LikeTheName);
    }
    Ok(())
}

fn is_well_known(lower: &str) -> bool {
    let mut rest = BLOCKLIST;
    while !rest.is_empty() {
        let start = rest[..usize::midpoint(0, rest.len())]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let end = rest[start..].find('\n').map_or(rest.len(), |at| start + at);
        match lower.cmp(&rest[start..end]) {
            core::cmp::Ordering::Equal => return true,
            core::cmp::Ordering::Less => rest = &rest[..start],
            core::cmp::Ordering::Greater => rest = rest.get(end + 1..).unwrap_or(""),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_blocklist_is_found_and_its_order_holds() {
        let mut last = "";
        let mut lines = 0;
        for line in BLOCKLIST.lines() {
            assert!(last < line, "out of order: {line}");
            assert!(is_well_known(line), "not found: {line}");
            last = line;
            lines += 1;
        }
        assert!(lines >= 3000, "ASVS 6.2.4 asks for the top 3000; found {lines}");
    }

    #[test]
    fn problem_of_a_password_says_what_to_do() {
        for (problem, said) in [
            (
                PasswordProblem::TooShort { chars_min: 8 },
                "fewer than 8 characters",
            ),
            (PasswordProblem::TooLong, "longer than 1024 bytes"),
            (PasswordProblem::WellKnown, "well-known"),
            (PasswordProblem::LikeTheName, "much like the account's name"),
        ] {
            let told = alloc::string::ToString::to_string(&problem);
            assert!(told.contains(said) && told.contains("choose"), "{told}");
        }
    }

    #[test]
    fn password_is_judged_by_length_blocklist_and_name_alone() {
        let name = Name::from_ascii("alice").expect("a name");
        let policy = Policy::default();
        let judge = |password: &str| acceptable(password, &name, &policy);
        assert_eq!(judge("kZ7!qm2"), Err(PasswordProblem::TooShort { chars_min: 8 }));
        assert_eq!(judge("password1"), Err(PasswordProblem::WellKnown));
        assert_eq!(judge("PassWord1"), Err(PasswordProblem::WellKnown));
        assert_eq!(judge("alice#7k"), Err(PasswordProblem::LikeTheName));
        assert_eq!(judge("Alice#7kQ"), Ok(()));
        assert_eq!(judge("alice and more"), Ok(()));
        assert_eq!(judge(&"x".repeat(1024)), Ok(()));
        assert_eq!(judge(&"x".repeat(1025)), Err(PasswordProblem::TooLong));
        assert_eq!(judge("correct horse battery staple"), Ok(()));
        assert_eq!(judge("пароль-із-слів"), Ok(()));
        assert_eq!(judge(&"long ".repeat(20)), Ok(()));
        let alone = Policy {
            second_factor: crate::policy::SecondFactor::Optional,
            ..Policy::default()
        };
        assert_eq!(
            acceptable("fourteen chars", &name, &alone),
            Err(PasswordProblem::TooShort { chars_min: 15 })
        );
    }
}
