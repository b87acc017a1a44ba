//! One page of all measurements: docs/measurements/index.html, made of the files beside it and of nothing else.
//!
//! Knows the form of a measurement and of the page. What a measurement is about stands in `goals`.

mod goals;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use goals::{ABOUT, About, Bound, FAILURES, Goal};
use serde_json::Value;

use crate::Workshop;

const FOLDER: &str = "docs/measurements";
const PAGE: &str = "index.html";
const STYLE: &str = include_str!("page.css");

/// Length of a bar's scale, in pixels.
const SCALE: f64 = 300.0;

/// A number of a file, by its place.
struct Figure {
    path: String,
    number: f64,
}

/// A number beside what it has to reach.
struct Judged<'a> {
    says: String,
    number: f64,
    goal: &'a Goal,
}

/// Writes the page; answers its path.
pub(crate) fn write(workshop: &Workshop) -> Result<String, String> {
    let folder = workshop.root.join(FOLDER);
    let path = folder.join(PAGE);
    let page = page(&folder)?;
    fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// The page of the files in this folder, in the order of the table, and then whatever else is there.
fn page(folder: &Path) -> Result<String, String> {
    let mut files = read(folder)?;
    let place = |name: &str| {
        ABOUT
            .iter()
            .position(|about| about.name == name)
            .unwrap_or(usize::MAX)
    };
    files.sort_by_key(|(name, _)| (place(name), name.clone()));
    let mut sections = String::new();
    let (mut met, mut all) = (0, 0);
    for (name, measurement) in &files {
        let figures = figures(measurement);
        let judged = judged(name, &figures);
        met += judged.iter().filter(|one| one.is_met()).count();
        all += judged.len();
        section(&mut sections, name, measurement, &figures, &judged);
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Countersign: measurements</title>\n\
         <style>\n{STYLE}</style>\n<h1>Measurements</h1>\n\
         <p>What the long checks and benchmarks of Countersign reached. Made of the JSON files beside this page by\n\
         <code>cargo xtask soak --report</code>; <code>cargo xtask soak NAME</code> measures anew. \
         {met} of {all} goals are met.</p>\n{sections}</html>\n"
    ))
}

/// Every measurement by its name.
fn read(folder: &Path) -> Result<Vec<(String, Value)>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let measurement =
            serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        files.push((name, measurement));
    }
    Ok(files)
}

/// All numbers of a measurement with their places.
fn figures(measurement: &Value) -> Vec<Figure> {
    fn collect(value: &Value, path: &str, figures: &mut Vec<Figure>) {
        if let Some(number) = value.as_f64() {
            figures.push(Figure {
                path: path.to_owned(),
                number,
            });
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            collect(inner, &path, figures);
        }
    }
    let mut figures = Vec::new();
    collect(&measurement["numbers"], "", &mut figures);
    figures
}

/// The numbers that have a goal, in the goals' order.
fn judged<'a>(name: &str, figures: &[Figure]) -> Vec<Judged<'a>> {
    let goals: &[Goal] = about(name).map_or(&[], |about| about.goals);
    let meant = |goal: &'a Goal| {
        figures.iter().filter_map(move |figure| {
            let says = match goal.path {
                "*" if figure.path != FAILURES.path => format!("{}, {}", figure.path, goal.says),
                path if path == figure.path => goal.says.to_owned(),
                _ => return None,
            };
            Some(Judged {
                says,
                number: figure.number,
                goal,
            })
        })
    };
    goals.iter().chain([&FAILURES]).flat_map(meant).collect()
}

fn about(name: &str) -> Option<&'static About> {
    ABOUT.iter().find(|about| about.name == name)
}

impl Judged<'_> {
    fn is_met(&self) -> bool {
        self.goal.bound.is_met(self.number)
    }
}

fn section(page: &mut String, name: &str, measurement: &Value, figures: &[Figure], judged: &[Judged<'_>]) {
    let text = |member: &str| escaped(measurement[member].as_str().unwrap_or("unknown"));
    let (commit, dirty) = match measurement["commit"]
        .as_str()
        .unwrap_or("unknown")
        .split_once('-')
    {
        Some((commit, _)) => (commit, " with changes"),
        None => (measurement["commit"].as_str().unwrap_or("unknown"), ""),
    };
    let commit: String = commit.chars().take(12).collect();
    put(page, &format!("<section>\n<h2>{}</h2>\n", escaped(name)));
    if let Some(about) = about(name) {
        put(page, &format!("<p>{}</p>\n", escaped(about.says)));
    }
    put(
        page,
        &format!(
            "<p class=\"when\">{} · commit <code>{}</code>{dirty} · {}{}</p>\n",
            text("date"),
            escaped(&commit),
            text("processor"),
            measurement["seed"]
                .as_u64()
                .map_or(String::new(), |seed| format!(" · seed {seed}")),
        ),
    );
    if !judged.is_empty() {
        put(page, "<table>\n<tr><th>goal<th><th>reached<th>asked<th></tr>\n");
        judged.iter().for_each(|one| row(page, one));
        put(page, "</table>\n");
    }
    let shown: BTreeSet<&str> = figures
        .iter()
        .filter(|figure| is_judged(name, &figure.path))
        .map(|figure| figure.path.as_str())
        .collect();
    let mut others = figures
        .iter()
        .filter(|figure| !shown.contains(figure.path.as_str()))
        .peekable();
    if others.peek().is_some() {
        put(page, "<table class=\"plain\">\n<tr><th>also measured<th></tr>\n");
        for figure in others {
            let path = escaped(&figure.path.replace('.', " › ").replace('_', " "));
            put(
                page,
                &format!(
                    "<tr><td>{path}<td class=\"number\">{}</tr>\n",
                    spelt(figure.number)
                ),
            );
        }
        put(page, "</table>\n");
    }
    let lists = measurement["numbers"].as_object().into_iter().flatten();
    for (member, list) in lists.filter_map(|(member, value)| Some((member, value.as_array()?))) {
        if list.is_empty() {
            continue;
        }
        put(
            page,
            &format!(
                "<details><summary>{} {}</summary>\n<ul>\n",
                list.len(),
                escaped(member)
            ),
        );
        for item in list {
            let item = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            put(page, &format!("<li>{}</li>\n", escaped(&item)));
        }
        put(page, "</ul>\n</details>\n");
    }
    put(page, "</section>\n");
}

fn is_judged(name: &str, path: &str) -> bool {
    let goals = about(name).map_or(&[][..], |about| about.goals);
    path == FAILURES.path || goals.iter().any(|goal| goal.path == path || goal.path == "*")
}

fn row(page: &mut String, judged: &Judged<'_>) {
    let (sign, class, word) = match judged.is_met() {
        true => ("✓", "met", "met"),
        false => ("✗", "missed", "not met"),
    };
    let asked = match judged.goal.bound {
        Bound::AtLeast(least) => format!("≥ {}", spelt(least)),
        Bound::AtMost(0.0) => "0".to_owned(),
        Bound::AtMost(most) => format!("≤ {}", spelt(most)),
    };
    put(
        page,
        &format!(
            "<tr><td>{}<td>{}<td class=\"number\">{}<td class=\"number\">{asked}\
             <td class=\"{class}\" title=\"{word}\">{sign}</tr>\n",
            escaped(&judged.says),
            bar(judged, class),
            spelt(judged.number),
        ),
    );
}

/// A bar as long as the number, and a line where the goal is.
fn bar(judged: &Judged<'_>, class: &str) -> String {
    let goal = judged.goal.bound.number();
    if goal == 0.0 {
        return String::new();
    }
    // What is many times its goal must not make the goal invisible.
    let most = judged.number.clamp(goal, goal * 4.0) * 1.04;
    let length = (judged.number.max(0.0) / most).min(1.0) * SCALE;
    let at = goal / most * SCALE;
    format!(
        "<svg width=\"{SCALE}\" height=\"16\" role=\"img\" aria-label=\"{} of {}\">\
         <rect class=\"{class}\" y=\"3\" width=\"{length:.1}\" height=\"10\" rx=\"2\"/>\
         <line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"16\"/></svg>",
        spelt(judged.number),
        spelt(goal),
    )
}

/// A number as people write it: thousands apart, and no more places than it has.
fn spelt(number: f64) -> String {
    let plain = number.to_string();
    let (whole, places) = plain.split_once('.').map_or((plain.as_str(), ""), |parts| parts);
    let mut spelt = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && digit != '-' && (whole.len() - at).is_multiple_of(3) {
            spelt.push('\u{202f}');
        }
        spelt.push(digit);
    }
    if places.is_empty() {
        spelt
    } else {
        format!("{spelt}.{places}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn put(page: &mut String, text: &str) {
    page.write_str(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn committed_page_is_made_of_the_committed_files() {
        let folder = Workshop::open().root.join(FOLDER);
        let made = page(&folder).expect("every file can be read");
        let kept = fs::read_to_string(folder.join(PAGE)).unwrap_or_default();
        assert!(
            made == kept,
            "run `cargo xtask soak --report` and commit {FOLDER}/{PAGE}"
        );
    }

    #[test]
    fn number_below_its_goal_is_marked() {
        let measurement = json!({ "numbers": { "kills": 499, "failures": 1 }, "commit": "a-dirty" });
        let figures = figures(&measurement);
        let judged = judged("kills", &figures);
        assert_eq!(
            judged.iter().map(Judged::is_met).collect::<Vec<_>>(),
            [false, false]
        );
        let mut made = String::new();
        section(&mut made, "kills", &measurement, &figures, &judged);
        assert_eq!(made.matches("✗").count(), 2);
        assert!(made.contains("with changes"));
    }

    #[test]
    fn file_that_nobody_told_of_is_shown_without_a_goal() {
        let measurement = json!({ "numbers": { "flash": { "bytes": 8192 } }, "commit": "<b>" });
        let figures = figures(&measurement);
        let judged = judged("new", &figures);
        assert!(judged.is_empty());
        let mut made = String::new();
        section(&mut made, "new", &measurement, &figures, &judged);
        assert!(
            made.contains("flash › bytes") && made.contains("8\u{202f}192"),
            "{made}"
        );
        assert!(made.contains("&lt;b&gt;"));
    }

    #[test]
    fn numbers_are_spelt_in_thousands() {
        assert_eq!(spelt(100_000_000.0), "100\u{202f}000\u{202f}000");
        assert_eq!(spelt(0.637), "0.637");
        assert_eq!(spelt(1_260.5), "1\u{202f}260.5");
        assert_eq!(spelt(500.0), "500");
    }
}
