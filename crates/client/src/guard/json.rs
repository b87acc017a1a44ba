//! JSON that says one thing: an object whose members are named once, at every depth.
//!
//! Knows: that two programs may read a member that stands twice differently. Must never know: what members mean.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The object that a text is; nothing where it is none, or a member is named twice.
pub(crate) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    // Looked at apart, so that a number is read by serde_json alone, whichever of its features an application has on.
    let Unambiguous = serde_json::from_slice(text).ok()?;
    serde_json::from_slice(text).ok()
}

/// Any JSON without a member that is named twice.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unambiguous, D::Error> {
        deserializer.deserialize_any(Unambiguous)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Unambiguous;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON whose members are named once")
    }

    fn visit_unit<E>(self) -> Result<Unambiguous, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unambiguous, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unambiguous, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unambiguous, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unambiguous, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unambiguous, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Unambiguous, A::Error> {
        while let Some(Unambiguous) = elements.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unambiguous, A::Error> {
        let mut named = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let Unambiguous = members.next_value()?;
            if !named.insert(name) {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn member_that_is_named_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"b":[{"c":{"a":1,"a":2}}]}"#,
        ] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
        assert!(object(br#"{"a":{"a":[{"a":1},{"a":1.5}]},"b":null,"c":-1,"d":true,"e":"x"}"#).is_some());
    }

    #[test]
    fn only_one_whole_object_is_read() {
        let deep = "[".repeat(10_000);
        for text in [
            "",
            "[]",
            "1",
            "null",
            "{}{}",
            "{} x",
            r#"{"a":1e999}"#,
            "{\"a\":\"\u{1}\"}",
            &deep,
        ] {
            assert_eq!(object(text.as_bytes()), None, "{text:.20}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None);
    }
}
