//! The one spelling of a name: trimmed, then mapped by RFC 8265 UsernameCaseMapped (§3.3).
//!
//! Knows: the mapping. Must never know: whether the name exists.

use countersign_auth::name::{NAME_BYTES_MAX, Name, NameError};
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use precis_profiles::{OpaqueString, UsernameCaseMapped};
use zeroize::Zeroizing;

/// Maps what was typed into the name it stands for.
///
/// # Errors
/// [`NameError`] when it can't be a name.
pub fn parse(typed: &str) -> Result<Name, NameError> {
    let trimmed = typed.trim();
    if trimmed.is_empty() {
        return Err(NameError::Empty);
    }
    if trimmed.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    let mapped = UsernameCaseMapped::enforce(trimmed).map_err(|_| NameError::Character)?;
    Name::from_mapped(mapped.into_owned())
}

/// Prepares a password as RFC 8265 OpaqueString (§4.2) does, so that one password typed on two systems is one
/// password; what the profile can't hold is taken byte for byte.
pub fn password(typed: &str) -> Zeroizing<String> {
    Zeroizing::new(OpaqueString::enforce(typed).map_or_else(|_| typed.to_owned(), |text| text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_name_is_one_name() {
        for spelling in ["alice", "Alice", " ALICE\n", "ａｌｉｃｅ"] {
            assert_eq!(
                parse(spelling).map(|name| name.to_string()),
                Ok("alice".to_owned()),
                "{spelling:?}"
            );
        }
        assert_eq!(parse("Jose\u{301}"), parse("JOSÉ"));
    }

    #[test]
    fn what_can_not_be_a_name_is_refused() {
        assert_eq!(parse(" \t"), Err(NameError::Empty));
        assert_eq!(parse(&"a".repeat(200)), Err(NameError::TooLong));
        for text in ["two words", "a\u{200b}b", "bell\u{7}", "ctrl\u{0}"] {
            assert_eq!(parse(text), Err(NameError::Character), "{text:?}");
        }
    }

    #[test]
    fn password_is_composed_and_otherwise_left_alone() {
        assert_eq!(*password("Cafe\u{301} 1"), "Café 1");
        assert_eq!(*password(""), "");
    }
}
