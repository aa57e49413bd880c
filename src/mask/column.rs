//! Columns of tables whose header says what they hold: rows wait until they are whole, and are hidden cell by cell.

use std::ops::Range;

use super::Masker;
use super::line::HISTORY;
use super::rule::Rules;
use super::table::{Row, Table};

/// A table under way.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    table: Table,
    /// The first cell of the masker that no row is known of yet.
    next: usize,
    /// Of the line that begins before that and is not whole, so many columns are passed.
    passed: usize,
    /// What to hide of the row before it, and by which rule.
    hidden: Vec<(Range<usize>, usize)>,
}

impl Rows {
    /// So many cells are gone from the beginning.
    pub(super) fn forget(&mut self, cells: usize) {
        self.next = self.next.saturating_sub(cells);
        let gone = |range: &Range<usize>| range.start.saturating_sub(cells)..range.end.saturating_sub(cells);
        self.hidden.iter_mut().for_each(|(range, _)| *range = gone(range));
    }

    /// Whether text from a place on is not looked at yet.
    pub(super) fn is_ahead(&self, at: usize) -> bool {
        self.next <= at
    }
}

/// What is next in a table.
pub(super) enum Next {
    /// So many cells that are like others; all of them where there is no table.
    Plain(usize),
    /// So many to hide, by that rule.
    Hide(usize, usize),
    /// It depends on what comes.
    More,
}

impl Masker {
    /// What is next, as the table says that is under way.
    pub(super) fn next_of_table(&mut self, rules: &Rules, is_end: bool) -> Next {
        let at = self.cursor.at;
        let Some(mut rows) = self.cursor.table.take() else {
            return Next::Plain(usize::MAX);
        };
        if rows.next < at {
            return Next::Plain(usize::MAX);
        }
        if rows.next == at && at < self.cells.len() {
            let Some(lines) = self.lines_at(at, at, is_end) else {
                self.cursor.table = Some(rows);
                return Next::More;
            };
            let read = |line: &Line| {
                let text = self.text.get(line.text.clone()).unwrap_or_default();
                match rows.table.row(rules, text, rows.passed, line.is_whole) {
                    Row::Hide(hidden, passed) => Some((line.next, passed, hidden)),
                    Row::Over => None,
                }
            };
            let Some((next, passed, hidden)) = lines.iter().find_map(read) else {
                return Next::Plain(usize::MAX);
            };
            (rows.next, rows.passed) = (next, passed);
            rows.hidden = hidden.into_iter().map(|(cell, rule)| (at + cell.start..at + cell.end, rule)).collect();
        }
        let next = match rows.hidden.iter().find(|(range, _)| range.end > at) {
            Some((range, rule)) if range.start <= at => Next::Hide(range.end - at, *rule),
            Some((range, _)) => Next::Plain(range.start - at),
            None => Next::Plain(rows.next - at),
        };
        self.cursor.table = Some(rows);
        next
    }

    /// Whether the line of the cursor heads a table, where a word stands that may be one of its titles; none where it is not known
    /// yet.
    pub(super) fn heads_a_table(&mut self, rules: &Rules, is_end: bool) -> Option<bool> {
        let at = self.cursor.at;
        let is_known = self.cursor.table.as_ref().is_some_and(|rows| rows.next > at);
        let Some(begin) = self.line_before(at).filter(|_| !is_known) else {
            return Some(false);
        };
        let (end, is_closed) = self.seen_from(at, is_end);
        let text = |line: &Line| self.text.get(line.text.clone()).unwrap_or_default();
        for header in self.lines_at(begin, at, is_end)? {
            for under in self.lines_at(header.next, at, is_end)? {
                let then = self.text.get(..end).and_then(|seen| seen.get(under.next)).copied();
                if then.is_none() && !is_closed {
                    return None;
                }
                if let Some(table) = Table::of(rules, text(&header), (text(&under), under.is_whole), then) {
                    let rows = Rows { table, next: header.next, passed: 0, hidden: Vec::new() };
                    self.cursor.table = Some(Box::new(rows));
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    /// Where the line begins that a cell stands in, so far as it is surely kept.
    pub(super) fn line_before(&self, at: usize) -> Option<usize> {
        let kept = (self.first_before.is_none_or(|before| before == b'\n')).then_some(0);
        let broken = memchr::memrchr(b'\n', self.text.get(..at)?).map(|last| last + 1);
        let wrapped = self.wraps.iter().rev().find(|wrap| **wrap <= at).copied();
        kept.max(broken).max(wrapped).filter(|begin| at - begin <= HISTORY)
    }

    /// The line from a cell on, in each way in which it may be read: beyond breaks at the margin, and up to the first. None where it
    /// is not there yet. So much is looked at as may be held from another cell on.
    fn lines_at(&self, begin: usize, from: usize, is_end: bool) -> Option<Vec<Line>> {
        let (end, is_closed) = self.seen_from(from, is_end);
        let rest = self.text.get(begin..end).unwrap_or_default();
        let line = match memchr::memchr(b'\n', rest) {
            Some(length) => {
                let text = rest.get(..length).unwrap_or_default();
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                Line { text: begin..begin + text.len(), next: begin + length + 1, is_whole: true }
            }
            None if is_closed => Line { text: begin..end, next: end, is_whole: false },
            None => return None,
        };
        let wrap = self.wraps.iter().find(|wrap| **wrap > begin).filter(|wrap| **wrap < line.next).copied();
        let wrap = wrap.map(|wrap| Line { text: begin..wrap, next: wrap, is_whole: true });
        Some([line].into_iter().chain(wrap).collect())
    }

    /// Up to which cell is looked at from one, and whether no more comes of that.
    fn seen_from(&self, at: usize, is_end: bool) -> (usize, bool) {
        let here = self.cells.get(at..).unwrap_or_default();
        let limit = here.first().map_or(0, |cell| cell.raw + self.hold);
        (at + here.partition_point(|cell| cell.raw < limit), is_end || self.raw.len() >= limit)
    }
}

/// A line, in cells.
struct Line {
    text: Range<usize>,
    /// What is behind its end.
    next: usize,
    is_whole: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::rule::Rules;
    use super::super::{Masker, Width, known};

    fn masker(columns: Option<u16>) -> Masker {
        static RULES: std::sync::LazyLock<Arc<Rules>> =
            std::sync::LazyLock::new(|| Arc::new(Rules::new(known().filter(|rule| rule.default))));
        let mut masker = Masker::new(Arc::clone(&RULES), Width::Same);
        columns.into_iter().for_each(|columns| masker.resize(columns));
        masker
    }

    fn masked(mut masker: Masker, text: &[u8], piece: usize) -> String {
        let mut out = Vec::new();
        text.chunks(piece).for_each(|piece| out.extend(masker.feed(piece).bytes));
        out.extend(masker.finish().bytes);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[track_caller]
    fn check(columns: Option<u16>, text: &str, expected: &str) {
        for piece in [1, 7, 4096] {
            assert_eq!(masked(masker(columns), text.as_bytes(), piece), expected);
        }
    }

    #[test]
    fn what_the_rows_hold_under_a_telling_title_is_hidden() {
        check(
            None,
            "$ psql\n id | password | note\n----+----------+------\n  1 | hunter   | a b\n  2 | NULL     | c\n(2 rows)\npassword\n",
            "$ psql\n id | password | note\n----+----------+------\n  1 | ******   | a b\n  2 | NULL     | c\n(2 rows)\npassword\n",
        );
    }

    #[test]
    fn colours_and_secrets_of_other_kinds_do_not_change_that() {
        let key = concat!("AK", "IAQ3EGZLKWMNOPRSTU");
        check(
            None,
            &format!("\x1b[1mkey\x1b[0m,\x1b[1mpassword\x1b[0m\r\n{key},hun\x1b[31mter\x1b[0m\r\nx,hunter\r\n"),
            &format!(
                "\x1b[1mkey\x1b[0m,\x1b[1mpassword\x1b[0m\r\n{},***\x1b[31m***\x1b[0m\r\nx,******\r\n",
                "*".repeat(20)
            ),
        );
    }

    #[test]
    fn a_table_as_wide_as_the_terminal_and_a_row_that_is_wider_are_read_alike() {
        check(
            Some(16),
            "+---+----------+\r\n| a | password |\r\n+---+----------+\r\n| 1 | hunter   |\r\n+---+----------+\r\n",
            "+---+----------+\r\n| a | password |\r\n+---+----------+\r\n| 1 | ******   |\r\n+---+----------+\r\n",
        );
        check(
            Some(20),
            " id | password | x\r\n----+----------+---\r\n  1 | hunter   | abc\r\ndefgh\r\n  2 | hunter   | y\r\n",
            " id | password | x\r\n----+----------+---\r\n  1 | ******   | abc\r\ndefgh\r\n  2 | ******   | y\r\n",
        );
    }

    #[test]
    fn what_a_cell_began_with_and_was_taken_back_is_shown_whatever_the_pieces() {
        let row = format!("{},password", "x".repeat(20));
        check(Some(40), &format!("apikey,note\n{row}\nx\x08xxx2"), &format!("apikey,note\n{row}\nx\x08****"));
    }

    #[test]
    fn quiet_in_the_middle_of_a_row_lets_out_nothing_of_the_column() {
        let mut masker = masker(None);
        let mut out = masker.feed(b"id,password\n1,hunter\n2,hun").bytes;
        out.extend(masker.release().bytes);
        assert_eq!(masker.held(), 0);
        out.extend(masker.feed(b"terter,x\n3,hunter\n").bytes);
        out.extend(masker.finish().bytes);
        assert!(out.starts_with(b"id,password\n1,******\n2,hun"), "three characters may be anything");
        let mut masker = self::masker(None);
        let mut out = masker.feed(b"id,password\n1,hunter\n2,hunte").bytes;
        out.extend(masker.release().bytes);
        out.extend(masker.feed(b"rter\n3,hunter\n").bytes);
        out.extend(masker.finish().bytes);
        assert_eq!(String::from_utf8(out).unwrap(), "id,password\n1,******\n2,*********\n3,******\n");
    }

    #[test]
    fn a_row_longer_than_what_is_held_is_hidden_in_its_column_all_the_same() {
        let note = "x y ".repeat(1000);
        let text = format!("note|password|b\n{note}|hunter|{note}\nz|hunter|c\n");
        let out = masked(masker(None), text.as_bytes(), 100);
        assert!(!out.contains("|hunter|"), "{}", out.replace("x y ", ""));
    }

    fn tables() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just("hunter2".to_owned()),
            Just("NULL".to_owned()),
            Just("\"a,b1\"".to_owned()),
            Just("a@example.org".to_owned()),
            Just("p%20\\u0041".to_owned()),
            "[a-z é|]{0,20}",
            "[a-z]{0,200}",
        ];
        let title = proptest::sample::select(&["id", "password", "api_key", "mail", "TOKEN", "DB PASSWORD"][..]);
        let odd = proptest::sample::select(&["", "", "", "\x1b[31m", "\x08", "\r", "\n", "\0", "\""][..]);
        let rows = (1_usize..5).prop_flat_map(move |count| {
            let row = proptest::collection::vec(value.clone(), count);
            (proptest::collection::vec(title.clone(), count), proptest::collection::vec(row, 0..5))
        });
        let end = proptest::sample::select(&["\n", "\r\n"][..]);
        (rows, 0_usize..6, end, odd, any::<proptest::sample::Index>()).prop_map(
            |((titles, rows), form, end, odd, at)| {
                let between = [" | ", ",", "\t", "  ", "   ", " │ "][form];
                let wide = |text: &str| if matches!(form, 1 | 2) { text.to_owned() } else { format!("{text:12}") };
                let line = |cells: Vec<&str>| cells.into_iter().map(wide).collect::<Vec<_>>().join(between);
                let mut lines = vec![line(titles.clone())];
                match form {
                    0 | 5 => lines.push("-".repeat(20)),
                    3 => lines.push(line(titles.iter().map(|_| "------------").collect())),
                    _ => {}
                }
                lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
                let mut text = lines.join(end) + end;
                let place = (0..=at.index(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
                text.insert_str(place, odd);
                text
            },
        )
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter_in_tables(parts in proptest::collection::vec(tables(), 1..4), piece in 2_usize..200, columns in proptest::option::of(10_u16..90)) {
            let text = parts.concat();
            let bytewise = masked(masker(columns), text.as_bytes(), 1);
            prop_assert_eq!(masked(masker(columns), text.as_bytes(), piece), bytewise.clone());
            prop_assert_eq!(masked(masker(columns), text.as_bytes(), 1 << 20), bytewise);
        }
    }
}
