//! Numbers over time as a picture: rows of bars above one axis, as SVG that needs neither script nor inline style.
//!
//! Knows: shapes, and where a label has room. Must never know: what was counted. Lengths across are shares of the
//! width and letters keep their size, so one picture fits a telephone and a wall; each row has a scale of its own,
//! since a flood in one would flatten the others. Colours are classes, which `pages/assets/plot.css` names for light
//! and dark.

use std::fmt::Write;

use time::OffsetDateTime;

/// Height of one row, its heading included, in pixels.
const ROW: u32 = 58;
/// How far its bars begin beneath its top.
const BARS_TOP: u32 = 20;
/// Height of its tallest bar.
const BARS: u32 = 30;
/// Height of the axis.
const AXIS: u32 = 22;
/// Height of the smallest bar that is one at all.
const BAR_MIN: f64 = 2.0;
/// Share of a stretch that its bar takes.
const BAR_SHARE: f64 = 0.82;
/// Most labels along the axis that do not touch one another on a telephone.
const TICKS_MAX: u64 = 5;
/// Distances between labels, in seconds.
const STEPS_S: [u64; 16] = [
    1, 15, 60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 7_776_000,
    31_536_000,
];
const DAY_S: u64 = 86_400;
const STYLE: &str = include_str!("../pages/assets/plot.css");

/// Rows of numbers over one stretch of time.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows, in a few words.
    pub title: &'static str,
    /// What can be read from it, in a sentence, for whoever can't see it.
    pub description: String,
    /// When the first number's stretch begins, in seconds since 1970.
    pub since: u64,
    /// When the last one's is over.
    pub until: u64,
    /// How long each is.
    pub step_s: u64,
    /// From when on the numbers are whole; what lies before is shown as not counted.
    pub whole_since: u64,
    /// The rows, from the top.
    pub rows: Vec<Row>,
}

/// One row of numbers.
#[derive(Clone, Debug)]
pub struct Row {
    /// What they count.
    pub name: &'static str,
    /// The class that gives them their colour: `good`, `strong`, `bad`, `worse` or `wait`.
    pub class: &'static str,
    /// The numbers, the earliest first.
    pub values: Vec<u64>,
}

impl Plot {
    /// As an element of a page that has the plot's style sheet.
    pub fn element(&self) -> String {
        self.drawn("")
    }

    /// As a file of its own.
    pub fn document(&self) -> String {
        let style = format!("<style>\n:root {{ color-scheme: light dark; }}\n{STYLE}</style>\n");
        self.drawn(&style)
    }

    fn drawn(&self, style: &str) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" width=\"100%\" height=\"{}\" \
             aria-labelledby=\"plot-title plot-text\">\n\
             <title id=\"plot-title\">{}</title>\n<desc id=\"plot-text\">{}</desc>\n{style}\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
            self.height(),
            escaped(self.title),
            escaped(&self.description),
        );
        self.axis(&mut svg);
        for (row, top) in self.rows.iter().zip((0..).step_by(ROW as usize)) {
            self.row(row, top, &mut svg);
        }
        self.numbers(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    /// Height of the whole, in pixels.
    fn height(&self) -> u32 {
        self.floor() + AXIS
    }

    /// Where the lowest row stands.
    fn floor(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(0) * ROW
    }

    /// Lines and labels of the time, and what was not counted.
    fn axis(&self, svg: &mut String) {
        let (floor, label) = (self.floor(), self.height() - 6);
        if self.whole_since > self.since {
            let width = self.across(self.whole_since.min(self.until));
            put(
                svg,
                format_args!("<rect class=\"uncounted\" width=\"{width}%\" height=\"{floor}\"/>\n"),
            );
        }
        for tick in ticks(self.since, self.until) {
            let x = self.across(tick);
            put(
                svg,
                format_args!(
                    "<line class=\"grid\" x1=\"{x}%\" x2=\"{x}%\" y1=\"0\" y2=\"{floor}\"/>\n\
                     <text class=\"tick\" x=\"{x}%\" y=\"{label}\" text-anchor=\"{}\">{}</text>\n",
                    anchor(x),
                    spelt(tick, ticks_apart(self.since, self.until)),
                ),
            );
        }
    }

    fn row(&self, row: &Row, top: u32, svg: &mut String) {
        let most = row.values.iter().copied().max().unwrap_or(0);
        let sum: u64 = row.values.iter().sum();
        let (heading, base) = (top + 14, top + BARS_TOP + BARS);
        let told = match sum {
            0 => "none".to_owned(),
            sum => format!("{}, at most {} a bar", grouped(sum), grouped(most)),
        };
        put(
            svg,
            format_args!(
                "<text class=\"name\" x=\"0\" y=\"{heading}\">{}</text>\n\
                 <text class=\"sum\" x=\"100%\" y=\"{heading}\" text-anchor=\"end\">{told}</text>\n\
                 <line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"{base}\" y2=\"{base}\"/>\n",
                escaped(row.name),
            ),
        );
        let bars = row.values.iter().zip(0u64..).filter(|(value, _)| **value > 0);
        for (value, index) in bars {
            let (x, width) = self.stretch(index);
            let height = (share(*value, most) * f64::from(BARS)).max(BAR_MIN);
            put(
                svg,
                format_args!(
                    "<rect class=\"{}\" x=\"{}%\" y=\"{:.1}\" width=\"{}%\" height=\"{height:.1}\"/>\n",
                    row.class,
                    hundredth(x + width * (1.0 - BAR_SHARE) / 2.0),
                    f64::from(base) - height,
                    hundredth(width * BAR_SHARE),
                ),
            );
        }
    }

    /// What a reader's pointer is told of each stretch in which anything was counted.
    fn numbers(&self, svg: &mut String) {
        let longest = self.rows.iter().map(|row| row.values.len()).max().unwrap_or(0);
        for index in 0..longest {
            let counted = self.rows.iter().filter_map(|row| {
                let value = row.values.get(index).filter(|value| **value > 0)?;
                Some(format!("{}: {value}", escaped(row.name)))
            });
            let counted: Vec<String> = counted.collect();
            if counted.is_empty() {
                continue;
            }
            let index = index as u64;
            let (x, width) = self.stretch(index);
            put(
                svg,
                format_args!(
                    "<rect class=\"hit\" x=\"{}%\" width=\"{}%\" height=\"{}\"><title>{}, {}</title></rect>\n",
                    hundredth(x),
                    hundredth(width),
                    self.floor(),
                    spelt(self.since + index * self.step_s, 0),
                    counted.join(", "),
                ),
            );
        }
    }

    /// Where a stretch begins and how broad it is, in hundredths of the width.
    fn stretch(&self, index: u64) -> (f64, f64) {
        let begin = index * self.step_s;
        let end = (begin + self.step_s).min(self.span());
        let x = 100.0 * share(begin, self.span());
        (x, 100.0 * share(end, self.span()) - x)
    }

    /// How far across a time lies, in hundredths of the width.
    fn across(&self, at: u64) -> f64 {
        hundredth(100.0 * share(at.saturating_sub(self.since), self.span()))
    }

    fn span(&self) -> u64 {
        self.until.saturating_sub(self.since).max(1)
    }
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a text in memory takes every text");
}

/// Exact enough for a picture.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn hundredth(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A label at the edge stands inside.
fn anchor(x: f64) -> &'static str {
    match x {
        x if x < 6.0 => "start",
        x if x > 94.0 => "end",
        _ => "middle",
    }
}

/// Seconds between two labels.
fn ticks_apart(since: u64, until: u64) -> u64 {
    let least = until.saturating_sub(since).div_ceil(TICKS_MAX);
    let step = STEPS_S.into_iter().find(|step| *step >= least);
    // Beyond years the labels are few enough by whatever is left.
    step.unwrap_or(least)
}

/// The times that are labelled: whole multiples of their distance, in UTC.
fn ticks(since: u64, until: u64) -> impl Iterator<Item = u64> {
    let apart = ticks_apart(since, until).max(1);
    let first = since.div_ceil(apart).checked_mul(apart);
    std::iter::successors(first, move |at| at.checked_add(apart)).take_while(move |at| *at <= until)
}

/// A time, as exact as the distance between two of them asks for.
fn spelt(at: u64, apart_s: u64) -> String {
    let moment = i64::try_from(at)
        .ok()
        .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    // A moment that no calendar holds was never a time.
    let Some(moment) = moment else {
        return at.to_string();
    };
    let month = moment.month().to_string();
    let day = format!("{} {}", moment.day(), &month[..3]);
    let clock = format!("{:02}:{:02}", moment.hour(), moment.minute());
    match apart_s {
        0 => format!("{day} {}, {clock} UTC", moment.year()),
        1..60 => format!("{clock}:{:02}", moment.second()),
        apart if apart < DAY_S && !at.is_multiple_of(DAY_S) => clock,
        _ => day,
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_whatever_the_span() {
        for (since, until) in [
            (0, u64::MAX),
            (u64::MAX - 1, u64::MAX),
            (u64::MAX, u64::MAX),
            (5, 5),
            (0, 1),
            (1_800_000_000, 1_800_086_400),
        ] {
            let many = ticks(since, until).count() as u64;
            assert!(
                many <= TICKS_MAX + 1 && (many > 0 || since >= u64::MAX - 1),
                "{many} between {since} and {until}"
            );
        }
    }

    fn plot(values: Vec<u64>) -> Plot {
        Plot {
            title: "Sign-ins & more",
            description: "Many <things> happened.".to_owned(),
            since: 1_800_000_000,
            until: 1_800_000_000 + 86_400,
            step_s: 86_400_u64.div_ceil(values.len() as u64),
            whole_since: 0,
            rows: vec![Row {
                name: "Sign-ins",
                class: "good",
                values,
            }],
        }
    }

    /// What stands in an attribute of every element that has the class, as numbers.
    fn attributes(svg: &str, class: &str, attribute: &str) -> Vec<f64> {
        let document = roxmltree::Document::parse(svg).expect("it is XML");
        let of_class = document
            .descendants()
            .filter(|node| node.attribute("class") == Some(class));
        let value = |node: roxmltree::Node<'_, '_>| {
            let text = node.attribute(attribute).expect("it is there");
            text.trim_end_matches('%').parse().expect("a number")
        };
        of_class.map(value).collect()
    }

    #[test]
    fn bars_are_as_high_as_their_numbers_and_stand_where_they_happened() {
        let svg = plot(vec![0, 10, 5, 0]).element();
        assert_eq!(attributes(&svg, "good", "height"), [30.0, 15.0]);
        assert_eq!(attributes(&svg, "good", "x"), [27.25, 52.25]);
        assert_eq!(attributes(&svg, "good", "width"), [20.5, 20.5]);
        let crowded = plot(vec![100_000, 1]).element();
        assert_eq!(
            attributes(&crowded, "good", "height"),
            [30.0, 2.0],
            "one is not none"
        );
    }

    #[test]
    fn picture_names_itself_and_needs_no_style_of_its_own_in_a_page() {
        let svg = plot(vec![1; 200]).element();
        let document = roxmltree::Document::parse(&svg).expect("it is XML");
        let named = |name| {
            document
                .descendants()
                .find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name)))
        };
        let text = |name| {
            named(name)
                .and_then(|node| node.text())
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(text("title"), "Sign-ins & more");
        assert_eq!(text("desc"), "Many <things> happened.");
        assert!(named("style").is_none() && !svg.contains("style=") && named("script").is_none());
        assert!(svg.len() < 64 * 1024, "{} bytes", svg.len());
        let file = plot(vec![1]).document();
        assert!(file.contains("prefers-color-scheme: dark"));
        roxmltree::Document::parse(&file).expect("it is XML");
    }

    #[test]
    fn numbers_are_told_with_their_thousands_apart() {
        let told = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(told, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert!(plot(vec![0, 0]).element().contains(">none</text>"));
    }

    #[test]
    fn what_was_not_counted_is_marked() {
        let mut plot = plot(vec![1, 1]);
        assert!(!plot.element().contains("uncounted"));
        plot.whole_since = plot.since + 21_600;
        assert_eq!(attributes(&plot.element(), "uncounted", "width"), [25.0]);
    }

    #[test]
    fn labels_are_few_and_stand_at_whole_times() {
        for (span, expected) in [
            (86_400, vec!["12:00", "18:00", "16 Jan", "06:00"]),
            (3_600, vec!["08:00", "08:15", "08:30", "08:45", "09:00"]),
            (8 * 3_600, vec!["08:00", "10:00", "12:00", "14:00", "16:00"]),
            (40, vec!["08:00:00", "08:00:15", "08:00:30"]),
            (30 * 86_400, vec!["21 Jan", "28 Jan", "4 Feb", "11 Feb"]),
        ] {
            let since = 1_800_000_000;
            let apart = ticks_apart(since, since + span);
            let labels: Vec<String> = ticks(since, since + span).map(|at| spelt(at, apart)).collect();
            assert_eq!(labels, expected, "over {span} s");
        }
        let years = ticks(0, 4_000_000_000).count();
        assert!((1..=6).contains(&years), "{years} over more than a century");
    }
}
