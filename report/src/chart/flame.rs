//! A flame graph: each path as wide as the time in calls on it and on everything below it, and
//! coloured by what these calls do.
//!
//! Frames are nested SVGs with positions in percent: they cut their names, and need no script.

use super::image;
use crate::html::Html;
use crate::units;
use fsreplay_results::tree::{Branch, WorkKind};

/// Rows at most: made-up documents may be deeper than any picture.
const ROWS: usize = 60;
/// Pixels from one row to the next, and those of a frame.
const ROW: usize = 25;
const FRAME: usize = 24;
/// Pixels of the strip below a name that has the full colours.
const STRIP: usize = 5;
/// Narrower frames, in percent, aren't drawn; and those have no room for a name.
const NARROWEST: f64 = 0.2;
const NAMED: f64 = 2.5;
/// A path that has so much of the one above is one with it.
const NEARLY_ALL: f64 = 0.98;

/// A rectangle of the picture.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The last name of its path, or several.
    pub label: String,
    /// The path.
    pub path: String,
    /// What it is made of.
    pub branch: &'a Branch,
    /// Where it begins and how wide it is, in percent.
    x: f64,
    width: f64,
    row: usize,
}

impl Frame<'_> {
    /// Seconds in calls of some kinds.
    pub fn seconds_of(&self, kinds: &[WorkKind]) -> f64 {
        self.branch
            .work
            .iter()
            .filter(|work| kinds.contains(&work.kind))
            .map(|work| positive(work.seconds))
            .sum()
    }

    /// What it says where there is room, and to who can't see it.
    pub fn text(&self) -> String {
        let mut work: Vec<_> = self.branch.work.iter().collect();
        work.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let most: Vec<String> = work
            .iter()
            .take(3)
            .map(|work| format!("{} {}", name(work.kind), units::seconds(work.seconds)))
            .collect();
        let seconds = units::seconds(self.branch.seconds);
        format!("{}: {seconds} ({})", self.path, most.join(", "))
    }
}

/// What a kind of work is called.
pub fn name(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::Missing => "looking for what isn’t there",
        WorkKind::Again => "asking again and again",
        WorkKind::Lookup => "looking up and opening",
        WorkKind::List => "listing directories",
        WorkKind::Read => "reading",
        WorkKind::Write => "writing",
        WorkKind::Change => "changing names",
        WorkKind::Sync => "waiting for the disk",
        WorkKind::Other => "other calls",
    }
}

/// The class that colours a kind of work.
pub fn class(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::Missing => "k-missing",
        WorkKind::Again => "k-again",
        WorkKind::Lookup => "k-lookup",
        WorkKind::List => "k-list",
        WorkKind::Read => "k-read",
        WorkKind::Write => "k-write",
        WorkKind::Change => "k-change",
        WorkKind::Sync => "k-sync",
        WorkKind::Other => "k-other",
    }
}

fn positive(seconds: f64) -> f64 {
    if seconds.is_finite() {
        seconds.max(0.0)
    } else {
        0.0
    }
}

/// Where each path stands: those that took most on the left, what is below a path below it.
pub fn layout(tree: &[Branch]) -> Vec<Frame<'_>> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); tree.len()];
    for (number, branch) in tree.iter().enumerate().skip(1) {
        // What stands before the branch above is no tree.
        let above = branch.above.and_then(|above| usize::try_from(above).ok());
        if let Some(above) = above.filter(|above| *above < number) {
            below[above].push(number);
        }
    }
    for numbers in &mut below {
        numbers.sort_by(|a, b| tree[*b].seconds.total_cmp(&tree[*a].seconds));
    }
    let mut frames = Vec::new();
    if let Some(root) = tree.first().filter(|root| positive(root.seconds) > 0.0) {
        let whole = Frame {
            label: root.name.clone(),
            path: root.name.clone(),
            branch: root,
            x: 0.0,
            width: 100.0,
            row: 0,
        };
        let mut open = vec![(0, whole)];
        while let Some((number, frame)) = open.pop() {
            let (number, frame) = joined(tree, &below, number, frame);
            open.extend(inside(tree, &below[number], &frame));
            frames.push(frame);
        }
    }
    frames
}

/// A path that has one path below with nearly all of its time is one with it.
fn joined<'a>(
    tree: &'a [Branch],
    below: &[Vec<usize>],
    mut number: usize,
    mut frame: Frame<'a>,
) -> (usize, Frame<'a>) {
    while let [first, ..] = below[number][..]
        && tree[first].seconds > NEARLY_ALL * tree[number].seconds
    {
        frame.label = extended(&frame.label, &tree[first].name);
        frame.path = extended(&frame.path, &tree[first].name);
        number = first;
    }
    (number, frame)
}

fn extended(path: &str, name: &str) -> String {
    format!("{}/{name}", path.trim_end_matches('/'))
}

fn inside<'a>(tree: &'a [Branch], below: &[usize], frame: &Frame<'a>) -> Vec<(usize, Frame<'a>)> {
    let mut frames = Vec::new();
    let whole = positive(frame.branch.seconds);
    let (mut x, end) = (frame.x, frame.x + frame.width);
    for number in below {
        let branch = &tree[*number];
        let width = (frame.width * positive(branch.seconds) / whole).min(end - x);
        if !width.is_finite() || width < NARROWEST || frame.row + 1 >= ROWS {
            continue;
        }
        let inner = Frame {
            label: branch.name.clone(),
            path: extended(&frame.path, &branch.name),
            branch,
            x,
            width,
            row: frame.row + 1,
        };
        frames.push((*number, inner));
        x += width;
    }
    frames
}

/// The picture.
pub fn draw(html: &mut Html, frames: &[Frame], description: &str) {
    let rows = frames.iter().map(|frame| frame.row + 1).max().unwrap_or(0);
    let height = (rows * ROW).to_string();
    html.element(
        "div",
        &[("class", "flame"), ("style", &format!("height:{height}px"))],
        |html| {
            image(
                html,
                "flames",
                "Time in calls by path",
                description,
                |html| {
                    for frame in frames {
                        one(html, frame);
                    }
                },
            );
        },
    );
}

fn one(html: &mut Html, frame: &Frame) {
    let (x, y) = (format!("{:.3}%", frame.x), (frame.row * ROW).to_string());
    let (width, height) = (format!("{:.3}%", frame.width), FRAME.to_string());
    let place = [
        ("x", x.as_str()),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    let all = [&[("aria-hidden", "true")][..], &place].concat();
    html.element("svg", &all, |html| {
        // Shown where the pointer rests.
        html.text_element("title", &[], &frame.text());
        colours(html, frame);
        html.empty(
            "rect",
            &[("class", "edge"), ("width", "100%"), ("height", "100%")],
        );
        if frame.width >= NAMED {
            html.text_element("text", &[("x", "5"), ("y", "14")], &frame.label);
        }
    });
}

/// The parts of a frame by kind of work: pale behind the name, and a strip below it.
fn colours(html: &mut Html, frame: &Frame) {
    let whole = frame.seconds_of(&WorkKind::ALL);
    let mut x = 0.0;
    for kind in WorkKind::ALL {
        let width = frame.seconds_of(&[kind]) / whole * 100.0;
        if !width.is_finite() || width < 0.2 {
            continue;
        }
        let (from, width_text) = (super::percent(x), super::percent(width));
        for (pale, y, height) in [("pale ", 0, FRAME), ("", FRAME - STRIP, STRIP)] {
            let class = format!("{pale}{}", class(kind));
            let (y, height) = (y.to_string(), height.to_string());
            let attributes = [
                ("class", class.as_str()),
                ("x", &from),
                ("y", &y),
                ("width", &width_text),
                ("height", &height),
            ];
            html.empty("rect", &attributes);
        }
        x += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_results::tree::Work;

    fn branch(name: &str, above: Option<u64>, seconds: f64) -> Branch {
        Branch {
            name: name.into(),
            above,
            seconds,
            work: vec![Work {
                kind: WorkKind::Read,
                seconds,
            }],
        }
    }

    #[test]
    fn paths_stand_below_those_above_and_beside_each_other() {
        let tree = [
            branch("/", None, 10.0),
            branch("a", Some(0), 2.0),
            branch("b", Some(0), 8.0),
            branch("c", Some(2), 4.0),
        ];
        let frames = layout(&tree);
        let find = |path: &str| frames.iter().find(|frame| frame.path == path).expect(path);
        assert_eq!(
            (find("/b").x, find("/b").width, find("/b").row),
            (0.0, 80.0, 1)
        );
        assert_eq!((find("/a").x, find("/a").width), (80.0, 20.0));
        assert_eq!((find("/b/c").width, find("/b/c").row), (40.0, 2));
    }

    #[test]
    fn a_path_with_all_of_the_time_of_the_one_above_has_no_row_of_its_own() {
        let tree = [
            branch("/", None, 1.0),
            branch("w", Some(0), 1.0),
            branch("app", Some(1), 0.99),
            branch("src", Some(2), 0.5),
        ];
        let frames = layout(&tree);
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].label.as_str(), frames[0].row), ("/w/app", 0));
        assert_eq!((frames[1].path.as_str(), frames[1].row), ("/w/app/src", 1));
    }

    #[test]
    fn what_is_no_tree_makes_no_endless_picture() {
        let mut tree = vec![branch("/", Some(1), 1.0), branch("a", Some(0), f64::MAX)];
        tree.push(branch("b", Some(2), 1.0));
        tree.push(branch("c", Some(77), f64::NAN));
        for number in 1..5000 {
            tree.push(branch("deep", Some(number), 1.0));
        }
        for frame in layout(&tree) {
            let is_inside = frame.x >= 0.0 && frame.x + frame.width <= 100.0 + 1e-6;
            assert!(is_inside && frame.row < ROWS, "{frame:?}");
        }
        assert!(layout(&[]).is_empty());
        assert!(layout(&[branch("/", None, 0.0)]).is_empty());
    }
}
