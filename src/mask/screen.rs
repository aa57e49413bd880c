//! What of a stream a reader of a terminal sees: escapes are not seen, and columns are counted for the right margin.
//!
//! Knows no secrets. Titles and other strings to the terminal count as text, since they can hold secrets, but take no
//! column.

use std::ops::Range;

use super::lanes::Rows;

/// Where in a line and in an escape sequence the stream stands.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    escape: Escape,
    is_title: bool,
    column: usize,
    columns: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    /// In a control sequence: so many bytes of it read, and its last number.
    Control(usize, usize),
    Charset,
}

/// What a byte does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is text.
    Seen,
    /// It is none.
    Unseen,
    /// The cursor goes so many columns back.
    Back(usize),
}

impl Screen {
    /// At the beginning of a line. Of a terminal the columns are known.
    pub(super) fn new(columns: Option<usize>) -> Self {
        Self { escape: Escape::No, is_title: false, column: 0, columns }
    }

    /// The same terminal at the beginning of a line.
    pub(super) fn again(&self) -> Self {
        Self::new(self.columns)
    }

    pub(super) fn resize(&mut self, columns: usize) {
        self.columns = Some(columns);
    }

    /// Whether the next byte is text or begins a sequence.
    pub(super) fn is_between(&self) -> bool {
        self.escape == Escape::No && !self.is_title
    }

    /// Whether a line break here is, or may be, none of the text but the right margin's.
    pub(super) fn is_at_margin(&self) -> bool {
        self.is_between() && is_margin(self.columns, self.column)
    }

    /// A line break of the right margin came.
    pub(super) fn wrap(&mut self) {
        self.column = 0;
    }

    /// Whether this byte would begin a title, or another string to the terminal.
    pub(super) fn may_begin_title(&self, byte: u8) -> bool {
        self.escape == Escape::Begun && begins_title(byte)
    }

    /// What would begin a title begins none.
    pub(super) fn refuse_title(&mut self) {
        self.escape = Escape::No;
    }

    pub(super) fn read(&mut self, byte: u8) -> Step {
        let (next, step) = match (self.escape, byte) {
            (_, 0x1b) => (Escape::Begun, Step::Unseen),
            (Escape::No, 0x08) => {
                self.column = self.column.saturating_sub(1);
                (Escape::No, Step::Back(1))
            }
            (Escape::No, _) if is_ignored(byte) => {
                self.is_title &= byte != 0x07;
                (Escape::No, Step::Unseen)
            }
            (Escape::No, _) => {
                self.print(byte);
                (Escape::No, Step::Seen)
            }
            (Escape::Begun, b'[') => (Escape::Control(0, 0), Step::Unseen),
            (Escape::Begun, b' '..=b'/') => (Escape::Charset, Step::Unseen),
            (Escape::Begun, b'0'..=b'~') => {
                self.is_title = begins_title(byte);
                (Escape::No, Step::Unseen)
            }
            (Escape::Control(length, number), b' '..=b'?') if length < CONTROL_LIMIT => {
                let digit = usize::from(byte.wrapping_sub(b'0'));
                let number = if digit < 10 { (number * 10 + digit).min(MOST_COLUMNS) } else { 0 };
                (Escape::Control(length + 1, number), Step::Unseen)
            }
            (Escape::Control(_, number), b'@'..=b'~') => (Escape::No, self.jump(byte, number)),
            (Escape::Charset, b'0'..=b'~') => (Escape::No, Step::Unseen),
            (Escape::Begun | Escape::Control(..) | Escape::Charset, _) => {
                self.print(byte);
                (Escape::No, Step::Seen)
            }
        };
        self.escape = next;
        step
    }

    /// Text without escapes went by. Simple text has tabs and ends of lines for control characters.
    pub(super) fn pass(&mut self, text: &[u8], is_simple: bool) {
        // A return whose line's end has not come is none of simple text.
        let is_simple = is_simple && text.last() != Some(&b'\r');
        self.column = match memchr::memrchr(b'\n', text).and_then(|end| text.get(end + 1..)) {
            Some(line) => column_after(0, line, is_simple),
            None => column_after(self.column, text, is_simple),
        };
    }

    /// Text without escapes and control characters did not come yet.
    pub(super) fn unprint(&mut self, text: &[u8]) {
        self.column = self.column.saturating_sub(wide(text, true));
    }

    /// Where the cursor is.
    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// Where in such text breaks at a right margin begin and end.
    pub(super) fn wraps_in(&self, (text, rows): (&[u8], &Rows), is_simple: bool, wraps: &mut Vec<Range<usize>>) {
        let (mut begin, mut column) = (0, self.column);
        for end in rows.places(|row| row.end).take_while(|end| *end < text.len()) {
            let is_return = begin < end && text.get(end - 1) == Some(&b'\r');
            let last = end - usize::from(is_return);
            let again = if is_simple { None } else { rows.last(|row| row.again, begin, last) };
            if let Some(again) = again {
                (begin, column) = (again + 1, 0);
            }
            if is_margin(self.columns, rows.column(begin, last, column)) {
                wraps.push(last..end + 1);
            }
            (begin, column) = (end + 1, 0);
        }
    }

    fn print(&mut self, byte: u8) {
        self.column = match byte {
            _ if self.is_title => self.column,
            b'\n' | b'\r' => 0,
            b'\t' => (self.column / 8 + 1) * 8,
            // Of a character of several bytes the first takes the column.
            0..=0x1f | 0x80..=0xbf => self.column,
            _ => self.column + 1,
        };
    }

    fn jump(&mut self, byte: u8, number: usize) -> Step {
        match byte {
            b'D' => {
                self.column = self.column.saturating_sub(number.max(1));
                return Step::Back(number.max(1));
            }
            b'C' => self.column += number.max(1),
            b'G' | b'H' | b'f' => self.column = number.saturating_sub(1),
            _ => {}
        }
        Step::Unseen
    }
}

/// Behind an escape (ECMA-48 §8.3.27, 8.3.89, 8.3.2, 8.3.94, 8.3.143).
pub(super) fn begins_title(byte: u8) -> bool {
    b"]P_^X".contains(&byte)
}

/// The column behind a piece of a line that holds no escapes.
fn column_after(mut column: usize, mut line: &[u8], is_simple: bool) -> usize {
    let again = if is_simple { None } else { memchr::memrchr(b'\r', line) };
    if let Some(again) = again {
        (column, line) = (0, line.get(again + 1..).unwrap_or_default());
    }
    while let Some((piece, rest)) = memchr::memchr(b'\t', line).and_then(|tab| line.split_at_checked(tab)) {
        column = ((column + wide(piece, is_simple)) / 8 + 1) * 8;
        line = rest.get(1..).unwrap_or_default();
    }
    column + wide(line, is_simple)
}

/// Of a character of several bytes the first takes the column, control characters none.
fn wide(piece: &[u8], is_simple: bool) -> usize {
    if is_simple && piece.is_ascii() {
        return piece.len();
    }
    // So many at a time as a byte can count: then many are told at once.
    let wide = |bytes: &[u8]| bytes.iter().map(|byte| u8::from((*byte & 0xc0 != 0x80) & (*byte >= b' '))).sum::<u8>();
    piece.chunks(usize::from(u8::MAX)).map(|bytes| usize::from(wide(bytes))).sum()
}

/// What a terminal does not show, escapes aside.
pub(super) fn is_ignored(byte: u8) -> bool {
    matches!(byte, 0x00..=0x07 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

/// Where no terminal is known, widths that are usual count.
fn is_margin(columns: Option<usize>, column: usize) -> bool {
    match columns {
        Some(columns) => column > 0 && columns > 0 && column.is_multiple_of(columns),
        None => USUAL.contains(&column),
    }
}

const USUAL: &[usize] = &[80, 100, 120, 132, 160];

/// Numbers in control sequences end here.
const MOST_COLUMNS: usize = 10_000;

/// The longest control sequence that is invisible.
const CONTROL_LIMIT: usize = 64;
