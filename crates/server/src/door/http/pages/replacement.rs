//! A backup code that was issued in place of a used one, shown once on the way to somewhere.
//!
//! Knows: how it is shown. Must never know: what it was used for.

use askama::Template;

use super::frame::Frame;

/// The page between the use of a backup code and where it led.
#[derive(Template)]
#[template(path = "replacement.html")]
pub(super) struct ReplacementPage<'a> {
    pub(super) frame: Frame,
    /// What was reached by the code.
    pub(super) title: &'static str,
    pub(super) code: &'a str,
    /// Where it goes on.
    pub(super) to: &'a str,
}
