//! A block of input as a reader sees it, without what no terminal shows: colours and control characters.
//!
//! Knows no secrets. It stops before whatever moves the cursor or changes what stands there: that is for `line`, byte by byte.

use super::amid;
use super::lanes::{self, Rows};
use super::line::OF_LINE;
use super::screen::{Screen, Step};

/// Kept from block to block.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    /// What is seen.
    pub(super) text: Vec<u8>,
    /// Of it.
    pub(super) rows: Rows,
    controls: Vec<(u64, u64)>,
    /// The last block that was read had any.
    had_controls: bool,
    /// Where pieces of it begin: there, and in the block.
    runs: Vec<(usize, usize)>,
    /// Of bytes that show since the escape before them is none: where in the text, and where in the block the escape begins.
    led: Vec<(usize, usize)>,
    /// How much of the block was read.
    pub(super) read: usize,
    /// Whether a line's bytes are its columns, but for tabs and characters of several bytes.
    pub(super) is_simple: bool,
}

impl Shadow {
    /// Reads a block, with what stands before and behind it, where nothing is under way.
    pub(super) fn read(&mut self, screen: &Screen, behind: &[u8], block: &[u8], after: Option<u8>) {
        self.text.clear();
        self.runs.clear();
        self.led.clear();
        (self.read, self.is_simple) = (0, true);
        let (mut rows, mut controls) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.controls));
        // What the last block was like this one mostly is, too: rows are read once.
        if !self.had_controls {
            rows.read(block);
            self.had_controls = rows.has.control;
        }
        if self.had_controls {
            self.had_controls = lanes::controls(block, &mut controls);
            self.read_by(&controls, screen, behind, block, after);
            rows.read(&self.text);
        } else {
            self.see(block);
        }
        (self.rows, self.controls) = (rows, controls);
    }

    fn read_by(&mut self, controls: &[(u64, u64)], screen: &Screen, behind: &[u8], block: &[u8], after: Option<u8>) {
        // Where the line begins as far as it is known, and behind a character of it the last that no line of text has.
        let (mut line, mut odd) = (0, None);
        while let Some((first, more)) = block.get(self.read..).and_then(<[u8]>::split_first) {
            let plain = plain_from(controls, self.read).min(block.len()) - self.read;
            if plain > 0 {
                let run = block.get(self.read..self.read + plain).unwrap_or_default();
                if let Some(end) = last_end(controls, self.read, self.read + plain) {
                    (line, odd) = (self.text.len() + end + 1, None);
                }
                self.see(run);
                continue;
            }
            let next = more.first().copied().or(after);
            match first {
                0x1b => match escape(screen, more) {
                    Some((length, is_seen)) => {
                        let begin = self.read;
                        self.read += length;
                        let seen = block.get(self.read).copied().filter(|_| is_seen);
                        if let Some(byte) = seen {
                            self.led.push((self.text.len(), begin));
                            self.see(&[byte]);
                        }
                        match seen {
                            Some(b'\n' | b'\r') => (line, odd) = (self.text.len(), None),
                            Some(byte) if is_odd_byte(byte) => odd = Some(self.text.len()),
                            _ => {}
                        }
                        self.is_simple &= !seen.is_some_and(|byte| byte.is_ascii_control());
                    }
                    None => return,
                },
                0x08 if self.is_text(behind, block) => return,
                b'\r' | 0x0b | 0x0c => {
                    if *first == b'\r' && next != Some(b'\n') {
                        // The line is written anew, which means nothing where it is no text. It may be a wrap behind a blank.
                        let is_odd = odd.is_some_and(|odd| self.text.len() - odd < OF_LINE);
                        if !(is_odd || self.is_no_text(block, line))
                            || next.is_none()
                            || self.text.last() == Some(&b' ')
                        {
                            return;
                        }
                        (line, odd) = (self.text.len() + 1, None);
                    }
                    if *first != b'\r' {
                        odd = Some(self.text.len());
                    }
                    self.is_simple &= next == Some(b'\n') && *first == b'\r';
                    self.see(&[*first]);
                }
                _ => {
                    let unseen = 1 + more.iter().take_while(|byte| is_nothing(**byte)).count();
                    let all = block.get(self.read..self.read + unseen).unwrap_or_default();
                    if self.text.len() > line && all.iter().any(|byte| is_odd_byte(*byte)) {
                        odd = Some(self.text.len());
                    }
                    self.read += unseen;
                }
            }
        }
    }

    fn see(&mut self, run: &[u8]) {
        self.runs.push((self.text.len(), self.read));
        self.text.extend_from_slice(run);
        self.read += run.len();
    }

    /// Whether what was read last of a line is in no form that text has.
    fn is_no_text(&self, block: &[u8], line: usize) -> bool {
        let begin = line.max(self.text.len().saturating_sub(OF_LINE));
        let last = block.get(self.raw(begin)..self.read).unwrap_or_default();
        // A character that began before it.
        let cut = last.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
        last.get(cut..).is_some_and(|last| std::str::from_utf8(last).is_err())
    }

    /// Whether what was read last is text.
    fn is_text(&self, behind: &[u8], block: &[u8]) -> bool {
        if let Some(begin) = self.read.checked_sub(amid::AROUND) {
            return amid::is_text(block.get(begin..self.read).unwrap_or_default());
        }
        let begin = behind.len().saturating_sub(amid::AROUND - self.read);
        let here = block.get(..self.read).unwrap_or_default();
        amid::is_text(&[behind.get(begin..).unwrap_or_default(), here].concat())
    }

    /// Where in the block a place of the text is; the end of what was read for its end.
    pub(super) fn raw(&self, place: usize) -> usize {
        if place >= self.text.len() {
            return self.read;
        }
        let run = self.runs.partition_point(|(begin, _)| *begin <= place);
        let run = run.checked_sub(1).and_then(|run| self.runs.get(run));
        run.map_or(place, |(begin, raw)| raw + (place - begin))
    }

    /// Where in the block it can be cut before a place of the text: with such a byte goes its escape.
    pub(super) fn cut(&self, place: usize) -> usize {
        let led = self.led.binary_search_by_key(&place, |(led, _)| *led).ok().and_then(|led| self.led.get(led));
        led.map_or_else(|| self.raw(place), |(_, begin)| *begin)
    }

    /// Where in the block each byte of the text is, from a place on up to another.
    pub(super) fn raws(&self, from: usize, until: usize) -> impl Iterator<Item = usize> {
        let first = self.runs.partition_point(|(begin, _)| *begin <= from).saturating_sub(1);
        let runs = self.runs.get(first..).unwrap_or_default().iter();
        let ends = runs.clone().skip(1).map(|(begin, _)| *begin).chain(std::iter::once(usize::MAX));
        runs.zip(ends).flat_map(move |((begin, raw), end)| {
            let places = from.max(*begin)..until.min(end).max(from.max(*begin));
            places.map(move |place| raw + (place - begin))
        })
    }
}

/// Where the next control character is from a place on.
fn plain_from(controls: &[(u64, u64)], at: usize) -> usize {
    let (mut index, mut mask) = (at / 64, u64::MAX << (at % 64));
    while let Some((row, _)) = controls.get(index) {
        if row & mask != 0 {
            return index * 64 + (row & mask).trailing_zeros() as usize;
        }
        (index, mask) = (index + 1, u64::MAX);
    }
    usize::MAX
}

/// How far from a place on the last line feed before another is.
fn last_end(controls: &[(u64, u64)], from: usize, until: usize) -> Option<usize> {
    let mut index = until.checked_sub(1)? / 64;
    let mut mask = u64::MAX >> (63 - (until - 1) % 64);
    loop {
        let (_, ends) = controls.get(index)?;
        if ends & mask != 0 {
            return (index * 64 + 63 - (ends & mask).leading_zeros() as usize).checked_sub(from);
        }
        if index <= from / 64 {
            return None;
        }
        (index, mask) = (index - 1, u64::MAX);
    }
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

/// What no terminal shows.
fn is_nothing(byte: u8) -> bool {
    matches!(byte, 0x00..=0x07 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

/// What stands in no line of text.
fn is_odd_byte(byte: u8) -> bool {
    byte == 0x7f || byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x07 | 0x1b)
}

/// A cursor that is moved may stand where it stood.
fn is_jump(sequence: &[u8]) -> bool {
    matches!(sequence, [b'[', .., b'C' | b'D' | b'G' | b'H' | b'f'])
}

/// A longer one is for others.
const LONGEST: usize = 40;
