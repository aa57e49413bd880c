//! What of a stream a reader of a terminal sees: escapes are not seen, and columns are counted for the right margin.
//!
//! Knows no secrets. Titles and other strings to the terminal count as text, since they can hold secrets, but take no
//! column.

use std::ops::Range;

use super::character::{self, Character};
use super::lanes::Rows;

/// Where in a line and in an escape sequence the stream stands.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    escape: Escape,
    is_title: bool,
    column: Column,
    character: Character,
    columns: Option<usize>,
}

/// Where in a line the cursor is. Programs that break lines count either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// If each character takes one column.
    pub(super) counted: usize,
    /// As a terminal shows it.
    pub(super) shown: usize,
}

impl Column {
    pub(super) fn both(self, by: impl Fn(usize) -> usize) -> Self {
        Self { counted: by(self.counted), shown: by(self.shown) }
    }
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
        Self {
            escape: Escape::No,
            is_title: false,
            column: Column::default(),
            character: Character::default(),
            columns,
        }
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
        self.column = Column::default();
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
                self.column = self.column.both(|column| column.saturating_sub(1));
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

    /// A word of ASCII went by.
    pub(super) fn pass_word(&mut self, word: &[u8]) {
        self.column = self.column.both(|column| column + word.len());
        self.character = Character::default();
    }

    /// Text without escapes went by.
    pub(super) fn pass(&mut self, text: &[u8], rows: &Rows) {
        let (begin, column) = match memchr::memrchr2(b'\n', b'\r', text) {
            Some(end) => (end + 1, Column::default()),
            None => self.end_character(text),
        };
        self.column = rows.column(text, begin..text.len(), column, None);
        let last = text.last_chunk::<{ character::MOST - 1 }>();
        if last.is_some() {
            self.character = Character::default();
        }
        for byte in last.map_or(text, |last| last) {
            self.character.add(*byte);
        }
    }

    /// Text without escapes and control characters, from a character's first byte on, did not come yet.
    pub(super) fn unprint(&mut self, text: &[u8]) {
        let mut taken = Self::new(None);
        text.iter().for_each(|byte| taken.print(*byte));
        self.column.counted = self.column.counted.saturating_sub(taken.column.counted);
        self.column.shown = self.column.shown.saturating_sub(taken.column.shown);
    }

    /// Where the cursor is.
    pub(super) fn column(&self) -> Column {
        self.column
    }

    /// Where in such text breaks at a right margin begin and end.
    pub(super) fn wraps_in(&self, (text, rows): (&[u8], &Rows), is_simple: bool, wraps: &mut Vec<Range<usize>>) {
        let (mut begin, mut column) = self.end_character(text);
        let asked = if self.columns.is_none() { Some(USUAL) } else { None };
        let least = self.columns.or(USUAL.first().copied()).unwrap_or(0);
        for end in rows.places(|lanes| &lanes.end).take_while(|end| *end < text.len()) {
            if rows.is_short(begin..end, column, least) {
                (begin, column) = (end + 1, Column::default());
                continue;
            }
            let is_return = begin < end && text.get(end - 1) == Some(&b'\r');
            let last = end - usize::from(is_return);
            let again = if is_simple { None } else { rows.last(|lanes| &lanes.again, begin, last) };
            if let Some(again) = again {
                (begin, column) = (again + 1, Column::default());
            }
            if is_margin(self.columns, rows.column(text, begin..last, column, asked)) {
                wraps.push(last..end + 1);
            }
            (begin, column) = (end + 1, Column::default());
        }
    }

    /// How much of a text still belongs to the character before it, and the column behind that.
    fn end_character(&self, text: &[u8]) -> (usize, Column) {
        if !self.character.is_begun() {
            return (0, self.column);
        }
        let mut screen = self.clone();
        let more = text.iter().take_while(|byte| character::goes_on(**byte)).map(|byte| screen.print(*byte)).count();
        (more, screen.column)
    }

    fn print(&mut self, byte: u8) {
        if self.is_title {
            return;
        }
        let wider = self.character.add(byte);
        self.column = match byte {
            b'\n' | b'\r' => Column::default(),
            b'\t' => self.column.both(tab),
            // Of a character of several bytes the first takes the column.
            0..=0x1f | 0x80..=0xbf => self.column,
            _ => self.column.both(|column| column + 1),
        };
        self.column.shown = self.column.shown.saturating_add_signed(wider);
    }

    fn jump(&mut self, byte: u8, number: usize) -> Step {
        match byte {
            b'D' => {
                self.column = self.column.both(|column| column.saturating_sub(number.max(1)));
                return Step::Back(number.max(1));
            }
            b'C' => self.column = self.column.both(|column| column + number.max(1)),
            b'G' | b'H' | b'f' => self.column = self.column.both(|_| number.saturating_sub(1)),
            _ => {}
        }
        Step::Unseen
    }
}

/// Behind an escape (ECMA-48 §8.3.27, 8.3.89, 8.3.2, 8.3.94, 8.3.143).
pub(super) fn begins_title(byte: u8) -> bool {
    b"]P_^X".contains(&byte)
}

/// The column behind a tab.
pub(super) fn tab(column: usize) -> usize {
    (column / 8 + 1) * 8
}

/// What a terminal does not show, escapes aside.
pub(super) fn is_ignored(byte: u8) -> bool {
    matches!(byte, 0x00..=0x07 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

/// Where no terminal is known, widths that are usual count.
fn is_margin(columns: Option<usize>, column: Column) -> bool {
    let is_one = |column: usize| match columns {
        Some(columns) => column > 0 && columns > 0 && column.is_multiple_of(columns),
        None => USUAL.contains(&column),
    };
    is_one(column.counted) || is_one(column.shown)
}

const USUAL: &[usize] = &[80, 100, 120, 132, 160];

/// Numbers in control sequences end here.
const MOST_COLUMNS: usize = 10_000;

/// The longest control sequence that is invisible.
const CONTROL_LIMIT: usize = 64;
