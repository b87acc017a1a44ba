//! The walk-through with pictures in docs/walkthrough: made anew by a browser, and checked against the pages' routes.
//!
//! Knows where pages declare their routes and where pictures are. Must never know how a page is reached; that stands in
//! tests/web/scenes.js.

use std::path::PathBuf;

use crate::Workshop;
use crate::needs::Need;
use crate::outside::built;
use crate::process::Task;
use crate::steps::{CHROMIUM, NODE, WEB, ZBAR};

/// What the pictures need.
const NEEDS: [Need; 4] = [CHROMIUM, ZBAR, NODE, WEB];

/// Makes the pictures and their page; says where.
pub(crate) fn write(workshop: &Workshop) -> Result<PathBuf, String> {
    if let Some(missing) = NEEDS.into_iter().find(|need| !need.is_met(workshop)) {
        let name = missing.name();
        return Err(format!(
            "the walk-through needs {name}; `cargo xtask test --install --only browser` fetches it"
        ));
    }
    let folder = workshop.root.join("docs/walkthrough");
    let binary = built("countersign", workshop)?;
    let chromium = Task::new("sh", &["-c", "command -v chromium"]).ask(workshop)?;
    Task::new("node", &["walkthrough.js", &folder.to_string_lossy()])
        .inside(workshop.root.join("tests/web"))
        .with("COUNTERSIGN_BIN", &binary)
        .with("CHROMIUM", chromium.output.trim())
        .run(workshop)?
        .success("the walk-through was not finished")?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Most bytes of all pictures together.
    const BYTES_MAX: u64 = 4 * 1024 * 1024;
    /// What each page is pictured as.
    const ENDINGS: [&str; 3] = ["", "-dark", "-narrow"];
    /// Routes that show nothing of their own: two that lead on, and what pages bring along.
    const UNSEEN: [&str; 4] = ["/", "/admin", "/assets/{name}", "/.countersign/step-up.js"];

    /// The routes of pages that a text declares.
    fn routes(text: &str) -> BTreeSet<String> {
        let declared = text.split(".route(").skip(1);
        let shown = declared.filter_map(|rest| {
            let (path, handlers) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
            let handlers = handlers.trim_start_matches(',').trim_start();
            handlers.starts_with("get(").then(|| path.to_owned())
        });
        shown.filter(|path| !UNSEEN.contains(&path.as_str())).collect()
    }

    /// The files of a folder itself.
    fn files(folder: PathBuf) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(folder).expect("the pages have a folder");
        let paths = entries.map(|entry| entry.expect("the folder stays readable").path());
        paths.filter(|path| path.is_file())
    }

    fn walkthrough() -> (PathBuf, String) {
        let folder = Workshop::open().root.join("docs/walkthrough");
        let index = fs::read_to_string(folder.join("index.md")).expect("the walk-through has its page");
        (folder, index)
    }

    fn pictures(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("the walk-through has a folder");
        let names = entries.map(|entry| entry.expect("the folder stays readable").file_name());
        let names = names.map(|name| name.into_string().expect("names are UTF-8"));
        names.filter(|name| name.ends_with(".png")).collect()
    }

    #[test]
    fn every_page_has_its_pictures() {
        let folder = Workshop::open().root.join("crates/server/src/door/http/pages");
        let files = [folder.join("administration"), folder]
            .into_iter()
            .flat_map(files);
        let texts = files.map(|file| fs::read_to_string(file).expect("a source is UTF-8"));
        let routes: BTreeSet<String> = texts.flat_map(|text| routes(&text)).collect();
        assert!(routes.len() >= 11, "{routes:?}");
        let (_, index) = walkthrough();
        let missing = routes
            .iter()
            .filter(|path| !index.contains(&format!("Route `{path}`.")));
        let missing: Vec<_> = missing.collect();
        assert!(
            missing.is_empty(),
            "without a picture: {missing:?}; add a scene to tests/web/scenes.js and run `cargo xtask walkthrough`"
        );
    }

    #[test]
    fn every_picture_is_shown_in_all_its_forms_and_together_they_are_small() {
        let (folder, index) = walkthrough();
        let shown: BTreeSet<String> = index
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(shown, pictures(&folder));
        let light = shown
            .iter()
            .filter_map(|name| name.strip_suffix(".png"))
            .filter(|name| !ENDINGS[1..].iter().any(|ending| name.ends_with(ending)));
        let forms: BTreeSet<String> = light
            .flat_map(|name| ENDINGS.map(|ending| format!("{name}{ending}.png")))
            .collect();
        assert_eq!(forms, shown);
        let bytes: u64 = shown
            .iter()
            .map(|name| fs::metadata(folder.join(name)).map_or(0, |data| data.len()))
            .sum();
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn pages_are_found_by_their_routes() {
        let text = r#".route("/", get(a)).route("/sign-out", post(b)).route(
            "/x/{id}",
            get(c).post(d),
        ).route("/y", get(e))"#;
        let expected = ["/x/{id}", "/y"].map(str::to_owned);
        assert_eq!(routes(text), BTreeSet::from(expected));
    }
}
