//! Licence expressions in the form of SPDX, and the older `MIT/Apache-2.0`.
//!
//! Knows the grammar. Must never know which licences are welcome; that is `licence`.

/// Whether an expression can be satisfied with welcome licences alone.
///
/// `WITH` binds an exception to its licence: the exception only permits more, so the licence decides.
///
/// # Errors
/// Names what is wrong with an expression that cannot be read.
pub(crate) fn is_satisfied(expression: &str, welcome: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        welcome,
    };
    let verdict = reader.alternatives()?;
    if reader.words.is_empty() {
        Ok(verdict)
    } else {
        Err(format!("`{expression}` has something behind its end"))
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    welcome: &'a dyn Fn(&str) -> bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, wanted: &str) -> bool {
        let found = self.words.first().is_some_and(|word| *word == wanted);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Result<&'a str, String> {
        let (first, rest) = self
            .words
            .split_first()
            .ok_or("the expression ends where a licence is due")?;
        self.words = rest;
        Ok(first)
    }

    fn alternatives(&mut self) -> Result<bool, String> {
        let mut verdict = self.demands()?;
        while self.take("OR") {
            verdict |= self.demands()?;
        }
        Ok(verdict)
    }

    fn demands(&mut self) -> Result<bool, String> {
        let mut verdict = self.licence()?;
        while self.take("AND") {
            verdict &= self.licence()?;
        }
        Ok(verdict)
    }

    fn licence(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let verdict = self.alternatives()?;
            return if self.take(")") {
                Ok(verdict)
            } else {
                Err("a bracket is not closed".to_owned())
            };
        }
        let name = self.next()?;
        if matches!(name, ")" | "AND" | "OR" | "WITH") {
            return Err(format!("`{name}` stands where a licence is due"));
        }
        if self.take("WITH") {
            self.next()?;
        }
        Ok((self.welcome)(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_mit_and_isc(expression: &str) -> Result<bool, String> {
        is_satisfied(expression, &|name| matches!(name, "MIT" | "ISC"))
    }

    #[test]
    fn one_welcome_alternative_is_enough() {
        assert_eq!(with_mit_and_isc("GPL-3.0 OR MIT"), Ok(true));
        assert_eq!(with_mit_and_isc("MIT/Apache-2.0"), Ok(true));
        assert_eq!(with_mit_and_isc("GPL-3.0 OR Apache-2.0"), Ok(false));
    }

    #[test]
    fn every_demand_must_be_welcome() {
        assert_eq!(with_mit_and_isc("MIT AND ISC"), Ok(true));
        assert_eq!(with_mit_and_isc("MIT AND OpenSSL"), Ok(false));
    }

    #[test]
    fn and_binds_tighter_than_or_and_brackets_bind_tightest() {
        assert_eq!(with_mit_and_isc("MIT OR ISC AND OpenSSL"), Ok(true));
        assert_eq!(with_mit_and_isc("(MIT OR ISC) AND OpenSSL"), Ok(false));
        assert_eq!(with_mit_and_isc("ISC AND (OpenSSL OR MIT)"), Ok(true));
    }

    #[test]
    fn exception_goes_with_its_licence() {
        assert_eq!(with_mit_and_isc("MIT WITH LLVM-exception AND ISC"), Ok(true));
        assert_eq!(with_mit_and_isc("Apache-2.0 WITH LLVM-exception"), Ok(false));
    }

    #[test]
    fn broken_expressions_are_refused() {
        for broken in ["", "MIT OR", "(MIT", "MIT ISC", "AND", "MIT WITH", "MIT)"] {
            assert!(with_mit_and_isc(broken).is_err(), "{broken}");
        }
    }
}
