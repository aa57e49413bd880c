//! How an answer looks: aligned columns and fields for people, JSON for programs.
//!
//! Pure. Text from outside gets into an answer only as a [`Cell`] or through [`json`], and both escape.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::domain::{Timestamp, printable};

/// Whether a person's terminal shows the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// No colour, no cuts: a pipe or a file, or a client without a terminal.
    Plain,
    /// So many columns wide.
    Terminal(u16),
}

/// What a cell means, where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Strong,
    Good,
    Bad,
    Dim,
}

/// A text on its way to a terminal: made harmless when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Whatever the text is, what is shown is printable ASCII. Empty text is `-`: columns stay columns.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        let text = printable(text.as_ref(), CELL_LIMIT);
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone: Tone::Plain }
    }

    /// Green where there is colour.
    pub(super) fn good(self) -> Self {
        Self { tone: Tone::Good, ..self }
    }

    /// Red where there is colour.
    pub(super) fn bad(self) -> Self {
        Self { tone: Tone::Bad, ..self }
    }

    /// Grey where there is colour.
    pub(super) fn dim(self) -> Self {
        Self { tone: Tone::Dim, ..self }
    }

    fn strong(text: &str) -> Self {
        Self { tone: Tone::Strong, ..Self::new(text) }
    }

    /// Pads to `width` and cuts there; the last cell of a line has nothing to be padded for.
    fn write(&self, look: Look, width: usize, last: bool, out: &mut String) {
        let text = match self.text.get(..width.saturating_sub(2)) {
            Some(begin) if self.text.len() > width => format!("{begin}.."),
            _ => self.text.clone(),
        };
        let pad = if last { 0 } else { width.saturating_sub(text.len()) };
        let code = match (look, self.tone) {
            (Look::Plain, _) | (_, Tone::Plain) => None,
            (Look::Terminal(_), Tone::Strong) => Some(1),
            (Look::Terminal(_), Tone::Good) => Some(32),
            (Look::Terminal(_), Tone::Bad) => Some(31),
            (Look::Terminal(_), Tone::Dim) => Some(2),
        };
        // Writing to a String cannot fail.
        let _ = match code {
            Some(code) => write!(out, "\x1b[{code}m{text}\x1b[0m{:pad$}", ""),
            None => write!(out, "{text}{:pad$}", ""),
        };
    }
}

/// The longest text of one cell. An SSH public key fits.
const CELL_LIMIT: usize = 2048;
/// Between columns.
const GAP: usize = 2;
/// A column that gives way keeps this.
const LEAST: usize = 8;

/// Rows under a head.
#[derive(Clone, Debug)]
pub(super) struct Table {
    head: Vec<Cell>,
    /// Columns that give way on a narrow terminal.
    yielding: &'static [usize],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// No rows yet. The columns in `yielding` are cut where the terminal is too narrow, the widest first.
    pub(super) fn new(head: &[&str], yielding: &'static [usize]) -> Self {
        Self { head: head.iter().map(|name| Cell::strong(name)).collect(), yielding, rows: Vec::new() }
    }

    /// One more row.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The lines.
    pub(super) fn render(&self, look: Look) -> String {
        let mut widths = vec![0; self.head.len()];
        for row in self.lines() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.text.len().max(*width);
            }
        }
        if let Look::Terminal(cols) = look {
            self.fit(&mut widths, usize::from(cols));
        }
        let mut out = String::new();
        for row in self.lines() {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let last = at + 1 == row.len();
                cell.write(look, *width, last, &mut out);
                if !last {
                    out.push_str("  ");
                }
            }
            out.push('\n');
        }
        out
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<Cell>> {
        std::iter::once(&self.head).chain(&self.rows)
    }

    fn fit(&self, widths: &mut [usize], cols: usize) {
        let gaps = GAP * widths.len().saturating_sub(1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(cols);
        while over > 0 {
            let yielding = self.yielding.iter().copied();
            let widest = yielding.max_by_key(|at| widths.get(*at).copied().unwrap_or(0));
            match widest.and_then(|at| widths.get_mut(at)) {
                Some(width) if *width > LEAST => *width -= 1,
                // A terminal folds what is left; ids and ssh lines are never cut.
                _ => return,
            }
            over -= 1;
        }
    }
}

/// Names and values, one a line.
pub(super) fn fields(rows: &[(&str, Cell)], look: Look) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, cell) in rows {
        Cell { tone: Tone::Dim, ..Cell::new(name) }.write(look, width, false, &mut out);
        out.push_str("  ");
        cell.write(look, usize::MAX, true, &mut out);
        out.push('\n');
    }
    out
}

/// One line of JSON in ASCII: whatever could steer a terminal or turn text round is `\u....`.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            ' '..='~' => out.push(c),
            // Only inside strings can JSON have anything else.
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(out, "\\u{unit:04x}");
            }),
        }
    }
    out.push('\n');
    out
}

/// A moment for people: `in 14 min (21:19 UTC)`, `3 h ago (2026-01-31 21:19 UTC)`.
pub(super) fn moment(time: Timestamp, now: Timestamp) -> String {
    let shown = time.to_string();
    let same_day = shown.get(..10) == now.to_string().get(..10);
    let clock = shown.get(if same_day { 11..16 } else { 0..16 }).unwrap_or(&shown).replace('T', " ");
    if time >= now {
        format!("in {} ({clock} UTC)", span(time.since(now)))
    } else {
        format!("{} ago ({clock} UTC)", span(now.since(time)))
    }
}

/// A moment in a column: to the second.
pub(super) fn stamp(time: Timestamp) -> String {
    let shown = time.to_string();
    shown.get(..19).map_or(shown.clone(), |second| format!("{}Z", second.replace('T', " ")))
}

/// A span for people: its two largest units.
pub(super) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{}.{} s", secs, span.subsec_millis() / 100),
        10..60 => format!("{secs} s"),
        60..3600 => two(secs / 60, "min", secs % 60, "s"),
        3600..86_400 => two(secs / 3600, "h", secs / 60 % 60, "min"),
        _ => two(secs / 86_400, "d", secs / 3600 % 24, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, below: &str) -> String {
    match small {
        0 => format!("{large} {unit}"),
        // What is many minutes away is not planned to the second.
        _ if unit == "min" && large >= 10 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {below}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["ID", "WHO", "END"], &[1]);
        table.push(vec![Cell::new("1"), Cell::new("alice@example.com"), Cell::new("exit 0").good()]);
        table.push(vec![Cell::new("22"), Cell::new("bob\x1b[2J"), Cell::new("")]);
        table
    }

    #[test]
    fn columns_are_aligned_and_none_is_empty() {
        let plain = table().render(Look::Plain);
        assert_eq!(
            plain,
            "ID  WHO                END\n\
             1   alice@example.com  exit 0\n\
             22  bob\\u{1b}[2J       -\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_only_what_gives_way() {
        let narrow = table().render(Look::Terminal(20));
        let text = narrow.replace("\x1b[1m", "").replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert_eq!(text, "ID  WHO       END\n1   alice@..  exit 0\n22  bob\\u{..  -\n");
        assert!(narrow.contains("\x1b[32mexit 0\x1b[0m"));
        assert!(!table().render(Look::Plain).contains('\x1b'));
    }

    #[test]
    fn fields_are_aligned() {
        let shown = fields(&[("name", Cell::new("a\u{202e}b")), ("until", Cell::new("x"))], Look::Plain);
        assert_eq!(shown, "name   a\\u{202e}b\nuntil  x\n");
    }

    #[test]
    fn json_is_ascii_and_reads_back_the_same() {
        let value = json!({ "name": "Zo\u{eb} \u{202e}\u{7f}\u{9b}\n\u{1f600}", "n": 1 });
        let shown = json(&value);
        assert!(shown.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn moments_say_both_how_far_and_when() {
        let now = Timestamp::parse("2026-11-23T21:05:00Z").unwrap();
        let check = |time: &str, expect: &str| assert_eq!(moment(Timestamp::parse(time).unwrap(), now), expect);
        check("2026-11-23T21:19:00Z", "in 14 min (21:19 UTC)");
        check("2026-11-23T21:04:55Z", "5.0 s ago (21:04 UTC)");
        check("2026-11-24T05:00:00Z", "in 7 h 55 min (2026-11-24 05:00 UTC)");
        check("2026-11-20T21:05:00Z", "3 d ago (2026-11-20 21:05 UTC)");
        assert_eq!(stamp(now), "2026-11-23 21:05:00Z");
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let check = |millis, expect: &str| assert_eq!(span(Duration::from_millis(millis)), expect);
        check(0, "0 ms");
        check(320, "320 ms");
        check(1_950, "1.9 s");
        check(59_999, "59 s");
        check(61_000, "1 min 1 s");
        check(840_500, "14 min");
        check(28_080_000, "7 h 48 min");
        check(172_800_000, "2 d");
    }
}
