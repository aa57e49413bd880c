//! Faults of policy files: where they are, what is wrong, what to do.
//!
//! Shown like a compiler's errors. Characters beyond ASCII are spelled out, so that a look-alike
//! letter cannot hide.

use std::fmt::{self, Write as _};

use thiserror::Error;

/// One fault of one policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
    excerpt: String,
    width: usize,
}

impl Fault {
    /// A fault at `span` (offset and length in bytes) of `text`.
    pub(super) fn at(file: &str, text: &str, span: (usize, usize), what: String, mend: String) -> Self {
        let offset = floor_char(text, span.0);
        let end = floor_char(text, span.0.saturating_add(span.1));
        let before = text.get(..offset).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let marked = text.get(offset..end).unwrap_or_default().lines().next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: text.get(start..offset).unwrap_or_default().chars().count() + 1,
            what,
            mend,
            excerpt: line.to_owned(),
            width: marked.chars().count().max(1),
        }
    }
}

/// Every fault of a set of policy files, in the order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = " ".repeat(self.line.to_string().len());
        let mut shown = String::new();
        let (mut indent, mut carets) = (0, 0);
        for (at, ch) in self.excerpt.chars().enumerate() {
            let from = shown.len();
            match ch {
                '\t' => shown.push(' '),
                ' '..='~' => shown.push(ch),
                other => write!(shown, "{}", other.escape_unicode())?,
            }
            // What was pushed is ASCII, so bytes are columns.
            match at + 1 {
                column if column < self.column => indent = shown.len(),
                column if column < self.column + self.width => carets += shown.len() - from,
                _ => {}
            }
        }
        writeln!(f, "error: {}", ascii(&self.what))?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{} | {shown}", self.line)?;
        writeln!(f, "{gutter} | {}{}", " ".repeat(indent), "^".repeat(carets.max(1)))?;
        write!(f, "{gutter} = mend: {}", ascii(&self.mend))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// Control characters and what lies beyond ASCII spelled out.
fn ascii(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            ' '..='~' => shown.push(ch),
            other => shown.extend(other.escape_default()),
        }
    }
    shown
}

/// The known word nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let distances = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    distances.filter(|(far, _)| *far <= limit).min().map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions from `a` to `b`, by one row of the usual table.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (to, (diagonal, above)) in b.iter().zip(row.iter().zip(row.iter().skip(1))) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(from != *to)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_slip_away() {
        assert_eq!(nearest("srre", ["sre", "security"]), Some("sre"));
        assert_eq!(nearest("prodution", ["production", "staging"]), Some("production"));
        assert_eq!(nearest("sre", ["security"]), None);
    }

    #[test]
    fn a_fault_is_shown_under_its_line_and_look_alikes_are_spelled_out() {
        let text = "permit (\n\tprincipal in G::\"sr\u{435}\"\n);";
        let at = text.find('"').unwrap();
        let fault = Fault::at("a.cedar", text, (at, 6), "group \"sr\u{435}\" is not known".into(), "use sre".into());
        let shown = fault.to_string();
        assert!(shown.contains("--> a.cedar:2:18"), "{shown}");
        assert!(shown.contains("2 |  principal in G::\"sr\\u{435}\""), "{shown}");
        assert!(shown.contains("\n  |                  ^^^^^^^^^^^\n"), "{shown}");
        assert!(shown.is_ascii(), "{shown}");
    }
}
