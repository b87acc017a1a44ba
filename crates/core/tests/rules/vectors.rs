//! The files under `vectors`, read field by field; a missing or misspelt field stops the test.
//!
//! Knows: JSON. Must never know: what a field means beyond its type.

use std::str::FromStr;

use countersign_core::bytes::Text;
use countersign_core::otp::{Algorithm, Code, Digits, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};
use countersign_testkit::workspace_root;
use serde_json::Value;

/// One case of a file, which shows itself when an assertion about it fails.
pub(crate) struct Case(Value);

/// All cases of a file, exactly as many as the test was written for, so that none is lost unseen.
pub(crate) fn cases(path: &str, count: usize) -> Vec<Case> {
    let path = workspace_root().join("vectors").join(path);
    let text = std::fs::read_to_string(&path).expect("the file is part of the workspace");
    let file: Value = serde_json::from_str(&text).expect("vectors are JSON");
    for field in ["source", "description"] {
        assert!(
            file[field].as_str().is_some_and(|text| !text.is_empty()),
            "{} has no {field}",
            path.display()
        );
    }
    let cases = file["cases"].as_array().expect("cases are a list");
    assert_eq!(cases.len(), count, "{}", path.display());
    cases.iter().cloned().map(Case).collect()
}

impl Case {
    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn inner(&self, field: &str) -> Case {
        Case(
            self.0
                .get(field)
                .unwrap_or_else(|| panic!("{self} has no {field}"))
                .clone(),
        )
    }

    pub(crate) fn list(&self, field: &str) -> Vec<Case> {
        let list = self.0[field].as_array();
        let list = list.unwrap_or_else(|| panic!("{self} has no list {field}"));
        list.iter().cloned().map(Case).collect()
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field]
            .as_str()
            .unwrap_or_else(|| panic!("{self} has no text {field}"))
    }

    pub(crate) fn texts(&self, field: &str) -> Vec<&str> {
        let list = self.0[field]
            .as_array()
            .unwrap_or_else(|| panic!("{self} has no list {field}"));
        list.iter()
            .map(|value| value.as_str().expect("the list holds texts"))
            .collect()
    }

    pub(crate) fn is(&self, field: &str) -> bool {
        self.0[field]
            .as_bool()
            .unwrap_or_else(|| panic!("{self} has no truth {field}"))
    }

    /// A number, be it written as one or, for the sake of readers with 53 bits, as a string.
    pub(crate) fn number<T: TryFrom<i128>>(&self, field: &str) -> T {
        let value = &self.0[field];
        let number = match value.as_str() {
            Some(text) => i128::from_str(text).ok(),
            None => value
                .as_i64()
                .map(i128::from)
                .or_else(|| value.as_u64().map(i128::from)),
        };
        let fitting = number.and_then(|number| T::try_from(number).ok());
        fitting.unwrap_or_else(|| panic!("{self} has no fitting number {field}"))
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        let pairs = self.text(field).as_bytes().chunks(2);
        let bytes = pairs.map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
            u8::from_str_radix(pair, 16).expect("two hexadecimal digits are a byte")
        });
        bytes.collect()
    }

    pub(crate) fn secret(&self) -> SharedSecret {
        SharedSecret::from_bytes(&self.bytes("secret_hex")).expect("the secret is within bounds")
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.text("algorithm").parse().expect("the algorithm is known")
    }

    pub(crate) fn digits(&self) -> Digits {
        Digits::new(self.number("digits")).expect("the number of digits is allowed")
    }

    pub(crate) fn totp(&self) -> Totp {
        Totp {
            algorithm: self.algorithm(),
            digits: self.digits(),
            time_step: TimeStep::new(self.number("time_step")).expect("the time step is not 0"),
            t0: UnixSeconds(if self.has("t0") { self.number("t0") } else { 0 }),
        }
    }

    pub(crate) fn code(&self, field: &str) -> Code {
        Code::parse_strict(self.text(field), self.digits()).expect("the code is one")
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a value prints, in the core's own string.
pub(crate) fn printed(value: impl std::fmt::Display) -> Text<2048> {
    use std::fmt::Write;
    let mut text = Text::new();
    write!(text, "{value}").expect("the text fits");
    text
}
