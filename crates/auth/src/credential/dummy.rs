//! Codes for trying out: six equal digits, accepted where the policy of a development server says so.
//!
//! Knows: the ten codes, which stand here and nowhere else. Must never know: who uses them. They belong to the policy
//! and not to an account, so none is ever stored as a factor, and they alone may be used again and again.

use crate::policy::Policy;

/// Digits of a code for trying out.
const DIGITS: usize = 6;

/// Whether a text is a code for trying out, and such codes are accepted.
///
/// # Security
/// Whoever knows a name and its password is in by these. Settings refuse them outside the development profile, and a
/// store that was ever served with them is refused by production.
pub fn accepts(code: &str, policy: &Policy) -> bool {
    let mut digits = code.bytes();
    let first = digits.next().filter(u8::is_ascii_digit);
    policy.dummy_codes
        && code.len() == DIGITS
        && first.is_some_and(|first| digits.all(|digit| digit == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_equal_digits_are_accepted_where_the_policy_says_so_and_nowhere_else() {
        let production = Policy::default();
        let trying_out = Policy {
            dummy_codes: true,
            ..Policy::default()
        };
        for code in ["000000", "111111", "555555", "999999"] {
            assert!(accepts(code, &trying_out), "{code}");
            assert!(!accepts(code, &production), "{code}");
        }
        for code in [
            "", "00000", "0000000", "000001", "123456", "aaaaaa", "٠٠٠", "000 000",
        ] {
            assert!(!accepts(code, &trying_out), "{code}");
        }
    }
}
