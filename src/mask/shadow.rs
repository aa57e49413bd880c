//! A block of input as a reader sees it, without what no terminal shows: colours and control characters.
//!
//! Knows no secrets. It stops before whatever moves the cursor or changes what stands there: that is for `line`, byte by byte.

use super::amid;
use super::lanes::{self, Bits, Controls, Rows};
use super::line::OF_LINE;
use super::screen::{Screen, Step, begins_title};

/// Kept from block to block.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    /// What is seen.
    pub(super) text: Vec<u8>,
    /// Of it.
    pub(super) rows: Rows,
    /// Of the block.
    controls: Vec<Controls>,
    /// The last block that was read had any.
    had_controls: bool,
    /// Which bytes of the block are seen, a bit for each, and how many before each row of bits. None where all are.
    seen: Vec<u64>,
    before: Vec<usize>,
    /// Bytes that show since the escape before them is none: where in the block, and where the escape begins.
    led: Vec<(usize, usize)>,
    /// How much of the block was read.
    pub(super) read: usize,
    /// Whether a line's bytes are its columns, but for tabs and characters of several bytes.
    pub(super) is_simple: bool,
}

impl Shadow {
    /// Reads a block, with what stands before and behind it, where nothing is under way.
    pub(super) fn read(&mut self, screen: &Screen, behind: &[u8], block: &[u8], after: Option<u8>) {
        self.seen.clear();
        self.before.clear();
        self.led.clear();
        (self.read, self.is_simple) = (block.len(), true);
        // What the last block was like this one mostly is, too: rows are read once.
        let is_new = self.had_controls;
        if !is_new {
            self.rows.read(block);
            self.had_controls = self.rows.has_control;
        }
        if self.had_controls {
            self.had_controls = lanes::controls(block, &mut self.controls);
        }
        if self.had_controls {
            self.seen.extend(self.controls.iter().map(|row| !row.unseen));
            self.read = self.look(screen, behind, block, after);
            let block = block.get(..self.read).unwrap_or(block);
            lanes::pick(block, &mut self.seen, &mut self.before, &mut self.text);
            self.rows.read(&self.text);
        } else {
            self.text.clear();
            self.text.extend_from_slice(block);
            if is_new {
                self.rows.read(block);
            }
        }
    }

    /// Decides what depends on what is around it. How much of the block can be read.
    fn look(&mut self, screen: &Screen, behind: &[u8], block: &[u8], after: Option<u8>) -> usize {
        // Where the line begins, as far as returns say.
        let (mut from, mut line) = (0, 0);
        while let Some((at, first, more)) = self.special(block, from) {
            let next = more.first().copied().or(after);
            from = at + 1;
            match first {
                // A title, but not in binary data.
                0x1b if more.first().is_some_and(|byte| begins_title(*byte))
                    && !before(behind, block, at, amid::is_text) =>
                {
                    from = at + 2;
                    self.hide(at, from);
                }
                0x1b => {
                    let Some((length, is_seen)) = escape(screen, more) else {
                        return at;
                    };
                    from = at + length;
                    self.hide(at, from);
                    if let Some(byte) = block.get(from).copied().filter(|_| is_seen) {
                        self.show(from);
                        self.led.push((from, at));
                        self.is_simple &= !byte.is_ascii_control();
                        from += 1;
                        line = if byte == b'\r' { from } else { line };
                    }
                }
                0x08 if before(behind, block, at, amid::is_edited) => return at,
                0x08 => self.hide(at, from),
                // The line is written anew, which means nothing where it is no text. It may be a wrap behind a blank.
                b'\r' if next != Some(b'\n') => {
                    let is_noise = || before(behind, block, at, amid::is_noise);
                    if next.is_none() || !self.is_of_no_text(block, line, at) && !is_noise() {
                        return at;
                    }
                    (line, self.is_simple) = (from, false);
                }
                b'\r' => {}
                _ => self.is_simple = false,
            }
        }
        block.len()
    }

    /// The next control character of those that do something, where it is, and what follows it.
    fn special<'a>(&self, block: &'a [u8], from: usize) -> Option<(usize, u8, &'a [u8])> {
        let rows = self.controls.get(from / 64..)?.iter().zip(from / 64..);
        let mask = |index: usize| if index == from / 64 { u64::MAX << (from % 64) } else { u64::MAX };
        let mut rows = rows.map(|(row, index)| (row.special & mask(index), index));
        let (row, index) = rows.find(|(row, _)| *row != 0)?;
        let at = index * 64 + row.trailing_zeros() as usize;
        let (first, more) = block.get(at..)?.split_first()?;
        Some((at, *first, more))
    }

    fn hide(&mut self, from: usize, until: usize) {
        for at in from..until {
            if let Some(row) = self.seen.get_mut(at / 64) {
                *row &= !(1 << (at % 64));
            }
        }
    }

    fn show(&mut self, at: usize) {
        if let Some(row) = self.seen.get_mut(at / 64) {
            *row |= 1 << (at % 64);
        }
    }

    /// Whether what stands before a return, of its line, has no form that text has, nor a blank at its end.
    fn is_of_no_text(&self, block: &[u8], line: usize, at: usize) -> bool {
        let line = self.last(line, at, |row| row.end).map_or(line, |end| end + 1);
        let Some(begin) = self.back(line, at) else {
            return false;
        };
        let last = block.get(begin..at).unwrap_or_default();
        if (begin..at).zip(last).rev().find(|(at, _)| self.is_seen(*at)).is_some_and(|(_, byte)| *byte == b' ') {
            return false;
        }
        // A character that began before it.
        let cut = last.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
        last.get(cut..).is_some_and(|last| std::str::from_utf8(last).is_err())
            || self.last(begin, at, |row| row.odd).is_some()
    }

    /// Where so much of a line before a place begins as is looked at; none where nothing is seen of it.
    fn back(&self, line: usize, at: usize) -> Option<usize> {
        let (mut left, mut begin) = (OF_LINE, None);
        for (row, index) in self.rows_back(line, at) {
            let mut bits = self.seen.get(index).map_or(0, |seen| seen & row);
            let seen = bits.count_ones() as usize;
            for _ in left..seen {
                bits &= bits - 1;
            }
            begin = if bits == 0 { begin } else { Some(index * 64 + bits.trailing_zeros() as usize) };
            left = left.saturating_sub(seen);
            if left == 0 {
                break;
            }
        }
        begin
    }

    /// Where the last such byte is between two places.
    fn last(&self, from: usize, until: usize, lane: impl Fn(&Controls) -> u64) -> Option<usize> {
        self.rows_back(from, until).find_map(|(mask, index)| {
            let row = self.controls.get(index).map_or(0, |row| lane(row) & mask);
            (row != 0).then(|| index * 64 + 63 - row.leading_zeros() as usize)
        })
    }

    /// The rows between two places, the last one first, and which bits of each stand between them.
    fn rows_back(&self, from: usize, until: usize) -> impl Iterator<Item = (u64, usize)> {
        (from / 64..=until / 64).rev().map(move |index| {
            let above = if index == from / 64 { u64::MAX << (from % 64) } else { u64::MAX };
            let below = if index == until / 64 { (1 << (until % 64)) - 1 } else { u64::MAX };
            (above & below, index)
        })
    }

    fn is_seen(&self, at: usize) -> bool {
        self.seen.get(at / 64).is_none_or(|row| row >> (at % 64) & 1 == 1)
    }

    /// Where in the block a place of the text is; the end of what was read for its end.
    pub(super) fn raw(&self, place: usize) -> usize {
        if place >= self.text.len() {
            return self.read;
        }
        let index = self.before.partition_point(|before| *before <= place).checked_sub(1);
        let row = index.and_then(|index| Some((index, self.before.get(index)?, self.seen.get(index)?)));
        row.and_then(|(index, before, seen)| Some(index * 64 + Bits(*seen).nth(place - before)?)).unwrap_or(place)
    }

    /// Where in the block it can be cut before a place of the text: with such a byte goes its escape.
    pub(super) fn cut(&self, place: usize) -> usize {
        let raw = self.raw(place);
        let led = self.led.binary_search_by_key(&raw, |(led, _)| *led).ok().and_then(|led| self.led.get(led));
        led.map_or(raw, |(_, begin)| *begin)
    }

    /// Where in the block each byte of the text is, from a place on up to another.
    pub(super) fn raws(&self, from: usize, until: usize) -> impl Iterator<Item = usize> {
        let first = self.raw(from);
        let whole = if self.seen.is_empty() { from..until } else { 0..0 };
        let rows = self.seen.iter().enumerate().skip(first / 64).flat_map(move |(index, row)| {
            let mask = if index == first / 64 { u64::MAX << (first % 64) } else { u64::MAX };
            Bits(row & mask).map(move |bit| index * 64 + bit)
        });
        whole.chain(rows.take(until - from))
    }
}

/// What is said of as much before a place of the block as is looked at.
fn before(behind: &[u8], block: &[u8], at: usize, is: impl Fn(&[u8]) -> bool) -> bool {
    if let Some(begin) = at.checked_sub(amid::AROUND) {
        return is(block.get(begin..at).unwrap_or_default());
    }
    let begin = behind.len().saturating_sub(amid::AROUND - at);
    let here = block.get(..at).unwrap_or_default();
    is(&[behind.get(begin..).unwrap_or_default(), here].concat())
}

/// Of a sequence that shows nothing and moves nothing, behind its first byte: its length with that byte, and whether a byte
/// follows that ends it and is seen.
fn escape(screen: &Screen, more: &[u8]) -> Option<(usize, bool)> {
    let mut screen = screen.clone();
    screen.read(0x1b);
    let column = screen.column();
    for (at, byte) in more.iter().enumerate().take(LONGEST) {
        match screen.read(*byte) {
            // The sequence is none, and the byte is text; inside a title it takes no column.
            Step::Seen if screen.is_between() => return Some((at + 1, true)),
            Step::Seen => return None,
            Step::Back(_) => return None,
            Step::Unseen if screen.is_between() => {
                return (screen.column() == column && !is_jump(more.get(..=at)?)).then_some((at + 2, false));
            }
            Step::Unseen => {}
        }
    }
    None
}

/// A cursor that is moved may stand where it stood.
fn is_jump(sequence: &[u8]) -> bool {
    matches!(sequence, [b'[', .., b'C' | b'D' | b'G' | b'H' | b'f'])
}

/// A longer one is for others.
const LONGEST: usize = 40;
