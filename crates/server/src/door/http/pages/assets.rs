//! What a page brings along: one style sheet, one script, the mark.
//!
//! Knows: their bytes and the names they are served under. Must never know: pages. A name carries a hash of
//! the content, so a browser may keep what it has for a year and never sees an old one.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use countersign_auth::id::Digest;

use crate::door::http::answer;

/// Something a page brings along.
struct Asset {
    name: String,
    media: &'static str,
    text: &'static str,
}

/// The style sheet.
static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = concat!(
        include_str!("../../../../pages/assets/style.css"),
        include_str!("../../../../pages/assets/plot.css")
    );
    Asset::new("style", "css", "text/css; charset=utf-8", text)
});
/// The script. Every page works without it.
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../../../pages/assets/script.js");
    Asset::new("script", "js", "text/javascript; charset=utf-8", text)
});
/// The mark.
static MARK: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../../../pages/assets/mark.svg");
    Asset::new("mark", "svg", "image/svg+xml", text)
});

impl Asset {
    fn new(stem: &str, ending: &str, media: &'static str, text: &'static str) -> Asset {
        let name = format!("{stem}-{}.{ending}", Digest::of(text).short());
        Asset { name, media, text }
    }
}

/// What applications load for a step-up; docs/step-up-in-the-browser.md is its description.
static STEP_UP: LazyLock<String> =
    LazyLock::new(|| bare(include_str!("../../../../../../clients/browser/step-up.js")));

/// A script without its comments on lines of their own, and without indentation.
fn bare(script: &str) -> String {
    let lines = script.lines().map(str::trim);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Name of the style sheet.
pub(super) fn style() -> &'static str {
    &STYLE.name
}

/// Name of the script.
pub(super) fn script() -> &'static str {
    &SCRIPT.name
}

/// Name of the mark.
pub(super) fn mark() -> &'static str {
    &MARK.name
}

/// `GET /assets/{name}`.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let all: [&Asset; 3] = [&STYLE, &SCRIPT, &MARK];
    let Some(asset) = all.into_iter().find(|asset| asset.name == name) else {
        return answer::not_found().await;
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.text).into_response()
}

/// `GET /.countersign/step-up.js`: the one name that stays the same, because other people's pages hold it.
pub(super) async fn step_up() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, STEP_UP.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_stays_small() {
        assert!(SCRIPT.text.len() <= 3 * 1024, "{} bytes", SCRIPT.text.len());
    }

    #[test]
    fn script_for_applications_stays_small_and_needs_nothing_that_a_policy_forbids() {
        assert!(STEP_UP.len() <= 3 * 1024, "{} bytes", STEP_UP.len());
        for forbidden in [
            "eval",
            "Function(",
            "innerHTML",
            ".style",
            "cookie",
            "Storage",
            "import",
        ] {
            assert!(!STEP_UP.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn name_changes_with_the_content() {
        let named = |text| Asset::new("style", "css", "text/css", text).name;
        assert_ne!(named("a"), named("b"));
        assert_eq!(named("a"), named("a"));
    }
}
