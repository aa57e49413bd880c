//! The line under way as a reader sees it: bytes come, wraps are taken out, and steps back take bytes away again.
//!
//! What was seen before a step back counts too: if it was a secret as it stood, it is hidden whatever comes.

use std::sync::Arc;

use unicode_width::UnicodeWidthChar;

use super::amid::{self, AROUND};
use super::character;
use super::check::Check;
use super::rule::Rules;
use super::screen::{self, Step};
use super::shadow::Shadow;
use super::shape::{Then, Verdict};
use super::walk::Until;
use super::{Cell, HOLD, Kind, Masked, Masker};

impl Masker {
    /// What is not decided, where it is a little plain text in which nothing is under way, as if it had not come yet: it is looked
    /// at again with so much that follows.
    pub(super) fn take_back(&mut self, follows: usize) -> Option<Vec<u8>> {
        let cursor = &self.cursor;
        let (cells, raw) = (self.cells.len() - cursor.at, self.raw.get(cursor.raw..).unwrap_or_default());
        let is_plain = |byte: &u8| *byte >= b' ' && *byte != 0x7f;
        let is_idle = self.margin.is_none()
            && self.blanks.is_empty()
            && self.behind == 0
            && self.owed == 0
            && self.screen.is_between()
            && cursor.then == Then::Scan
            && cursor.encoded.is_none()
            && cursor.table.is_none()
            && cursor.open.is_none()
            && self.wraps.last().is_none_or(|wrap| *wrap < cursor.at)
            && self.shown <= cursor.raw
            && self.anew.is_empty()
            && (raw.is_empty() || raw.len() < LITTLE && follows > LITTLE)
            && cells == raw.len()
            && self.start.max(self.line) <= cursor.at
            && !raw.first().is_some_and(|byte| character::goes_on(*byte))
            && raw.iter().all(is_plain)
            && self.kinds.iter().skip(cursor.raw).all(|kind| *kind == Kind::Seen);
        if !is_idle {
            return None;
        }
        let taken = self.raw.split_off(cursor.raw);
        self.screen.unprint(&taken);
        self.kinds.truncate(cursor.raw);
        self.cells.truncate(cursor.at);
        self.text.truncate(cursor.at);
        Some(taken)
    }

    /// So many bytes of the input as are plain and of one word: nothing that they can change but the text.
    pub(super) fn take_word(&mut self, bytes: &[u8]) -> usize {
        let is_plain = self.margin.is_none()
            && self.behind == 0
            && self.owed == 0
            && self.blanks.is_empty()
            && self.screen.is_between();
        let word = bytes.iter().take_while(|byte| is_plain && byte.is_ascii_graphic()).count();
        let word = bytes.get(..word).unwrap_or_default();
        if word.is_empty() {
            return 0;
        }
        self.screen.pass_word(word);
        self.cells.extend((self.raw.len()..).take(word.len()).map(|raw| Cell { raw, then: Then::Scan }));
        self.raw.extend_from_slice(word);
        self.kinds.resize(self.raw.len(), Kind::Seen);
        self.text.extend_from_slice(word);
        word.len()
    }

    /// One byte of the input.
    pub(super) fn take(&mut self, byte: u8, out: &mut Masked) {
        if let Some(first) = self.margin.take() {
            let is_margin = self.screen.is_at_margin();
            if matches!((first, byte), (b' ', b'\r') | (b'\r', b'\n')) && is_margin {
                self.unseen(byte, Kind::Unseen);
                self.wrap();
                return;
            }
            // Where a terminal's line ends are made twice; nothing is written over.
            if (first, byte) == (b'\r', b'\r') {
                self.unseen(byte, Kind::Unseen);
                self.margin = Some(byte);
                return;
            }
            if first == b'\r' && byte != b'\n' {
                self.write_anew(out);
            }
            self.screen.read(first);
            self.seen(first, self.raw.len() - 1);
        }
        // In binary data they are bytes like any other.
        if byte == 0x08 && self.screen.is_between() && !amid::is_edited(self.last_bytes(0)) {
            self.unseen(byte, Kind::Unseen);
            return;
        }
        if self.screen.may_begin_title(byte) && !amid::is_text(self.last_bytes(1)) {
            self.screen.refuse_title();
            self.unseen(byte, Kind::Unseen);
            return;
        }
        let is_margin = self.screen.is_at_margin();
        if (byte == b' ' && is_margin) || (byte == b'\r' && self.screen.is_between()) {
            self.unseen(byte, Kind::Unseen);
            self.margin = Some(byte);
            return;
        }
        if byte == b'\n' && is_margin {
            self.unseen(byte, Kind::Unseen);
            self.wrap();
            return;
        }
        match self.screen.read(byte) {
            Step::Seen => {
                self.unseen(byte, Kind::Unseen);
                self.seen(byte, self.raw.len() - 1);
            }
            Step::Unseen => self.unseen(byte, Kind::Unseen),
            Step::Back(columns) => {
                self.back(columns, out);
                self.unseen(byte, Kind::Unseen);
            }
        }
    }

    /// What came before the last so many bytes, as much as is looked at.
    fn last_bytes(&self, last: usize) -> &[u8] {
        let end = self.raw.len().saturating_sub(last);
        self.raw.get(end.saturating_sub(AROUND)..end).unwrap_or_default()
    }

    fn unseen(&mut self, byte: u8, kind: Kind) {
        self.raw.push(byte);
        self.kinds.push(kind);
    }

    /// A byte shows; a blank may take away what was stepped back over.
    fn seen(&mut self, byte: u8, raw: usize) {
        if byte == b' ' && self.behind > 0 {
            self.behind -= 1;
            self.blanks.push(raw);
        } else {
            self.append(byte, raw);
        }
    }

    fn append(&mut self, byte: u8, raw: usize) {
        if let Some(kind) = self.kinds.get_mut(raw) {
            *kind = Kind::Seen;
        }
        self.behind = self.behind.saturating_sub(usize::from(byte & 0xc0 != 0x80));
        self.owed = 0;
        if !matches!(byte, b'\n' | b'\r') {
            // They stay after all.
            for raw in std::mem::take(&mut self.blanks) {
                self.cells.push(Cell { raw, then: Then::Scan });
                self.text.push(b' ');
            }
        }
        self.cells.push(Cell { raw, then: Then::Scan });
        self.text.push(byte);
        if matches!(byte, b'\n' | b'\r') {
            self.line = self.cells.len();
            self.start = self.line;
            self.behind = 0;
            self.blanks.clear();
        }
    }

    /// A break at the right margin is none of the text.
    fn wrap(&mut self) {
        self.screen.wrap();
        self.wraps.push(self.cells.len());
        self.line = self.cells.len();
        self.behind = 0;
        self.blanks.clear();
    }

    /// The line is written anew from its beginning: a secret that had begun, and is not whole, is hidden as it stands.
    fn write_anew(&mut self, out: &mut Masked) {
        self.walk(Until::Known, out);
        let open = self.cursor.at;
        if self.cursor.encoded.is_some() || self.cursor.then != Then::Scan {
            return;
        }
        let rules = Arc::clone(&self.rules);
        if !self.anew.is_empty() {
            return self.wait_for_more(&rules);
        }
        if self.cells.len() == open || !self.is_typed(open) {
            return;
        }
        if self.cells.len() < open + BEGUN {
            return self.wait_for_more(&rules);
        }
        let before = self.doomed;
        self.doom();
        if self.doomed > before {
            return;
        }
        // Any word may become an address: of words only those count that look chosen at random.
        let is_random = Check::Entropy(30).passes(self.text.get(open..).unwrap_or_default(), None);
        let known = rules.without_words().filter(|_| !is_random).unwrap_or(&rules);
        if let Verdict::More = self.spot_at(open, false).verdict(known) {
            self.doomed_by = "unfinished".into();
            self.mark(open, self.cells.len());
        } else {
            self.wait_for_more(&rules);
        }
    }

    /// Whether the line that `open` stands in is text. In binary output a return is a byte like any other, and a dozen printable
    /// bytes before one come up by chance once in some 100 MB; a whole line of them does not.
    fn is_typed(&self, open: usize) -> bool {
        let (before, since) = self.text.split_at_checked(open).unwrap_or_default();
        let line = before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
        // What passed at once was not asked whether its breaks were the margin's: either ends what is looked at.
        let line = self.wraps.iter().rev().find(|wrap| **wrap <= open).map_or(line, |wrap| line.max(*wrap));
        let begin = line.max(open.saturating_sub(OF_LINE));
        // As it came: what a terminal does not show is no text either, but for the bytes of escapes and breaks at the margin.
        let first = self.cells.get(begin).map(|cell| match cell.raw.checked_sub(1) {
            // Nor is what the line begins with and no terminal shows.
            Some(before) if self.raw.get(before).is_some_and(|byte| screen::is_ignored(*byte)) => before,
            _ => cell.raw,
        });
        let raw = first.and_then(|first| self.raw.get(first..)).unwrap_or_default();
        // A character that began before it.
        let cut = raw.iter().take(3).take_while(|byte| begin > line && matches!(byte, 0x80..=0xbf)).count();
        let raw = raw.get(cut..).unwrap_or_default();
        let line = std::str::from_utf8(raw.strip_suffix(b"\r").unwrap_or(raw));
        !amid::is_noise(self.last_bytes(1))
            && line.is_ok_and(|line| !line.chars().any(|c| c.is_control() && !"\t\r\n\x07\x1b".contains(c)))
            && since.iter().all(|byte| (b' '..=b'~').contains(byte))
    }

    pub(super) fn mark(&mut self, from: usize, until: usize) {
        for cell in self.cells.get(from..until).unwrap_or_default() {
            if let Some(kind) = self.kinds.get_mut(cell.raw).filter(|kind| !matches!(kind, Kind::Doomed)) {
                *kind = Kind::Doomed;
                self.doomed += 1;
            }
        }
    }

    /// The cursor steps back: what stands there will be written over.
    fn back(&mut self, columns: usize, out: &mut Masked) {
        self.walk(Until::Known, out);
        if self.cursor.encoded.is_some() {
            self.walk(Until::End, out);
            self.line = self.cells.len();
        }
        let owed = columns.min(self.owed);
        self.owed -= owed;
        let blank = (columns - owed).min(self.blanks.len());
        self.blanks.truncate(self.blanks.len() - blank);
        self.behind += blank;
        let length = self.cells.len();
        let (left, gone) = self.stepped_over(columns - owed - blank);
        if left == length {
            return;
        }
        self.owed = gone.saturating_sub(columns - owed - blank);
        // What stands before was decided in sight of what is gone.
        let at = self.cursor.at.min(left);
        let again = self.line.max(self.cursor.at.saturating_sub(HISTORY)).min(at);
        let is_afforded = self.credit.spend(length - again);
        if is_afforded {
            self.doom();
        } else if length >= self.cursor.at + BEGUN {
            // Steps back in such numbers are no editing: what may be a secret is taken for one, and nothing is looked at again.
            self.doomed_by = "unfinished".into();
            self.mark(self.cursor.at, length);
        }
        for cell in self.cells.drain(left..) {
            if let Some(kind) = self.kinds.get_mut(cell.raw).filter(|kind| **kind == Kind::Seen) {
                *kind = Kind::Erased;
            }
        }
        self.text.truncate(left);
        self.behind += gone;
        self.go_back_to(if is_afforded { again } else { at });
    }

    /// How many cells are left where so many columns of the line are stepped over, and how many columns those had that are not: a
    /// character of two columns goes as a whole.
    fn stepped_over(&self, columns: usize) -> (usize, usize) {
        let (mut left, mut gone) = (self.cells.len(), 0);
        while gone < columns && left > self.line {
            let line = self.text.get(self.line..left).unwrap_or_default();
            let more = line.iter().rev().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
            let last = line.len().saturating_sub(more + 1);
            let character = line.get(last..).and_then(|last| std::str::from_utf8(last).ok());
            let character = character.and_then(|character| character.chars().next());
            left -= character.map_or(1, char::len_utf8);
            gone += character.and_then(UnicodeWidthChar::width).unwrap_or(1);
        }
        (left, gone)
    }

    /// What was decided of the line is looked at again, since it goes on otherwise. It is out all the same.
    fn go_back_to(&mut self, at: usize) {
        let cell = self.cells.get(at);
        self.shown = self.shown.max(self.cursor.raw);
        self.cursor.at = at;
        self.cursor.table = self.cursor.table.take().filter(|rows| rows.is_ahead(at));
        self.cursor.raw = cell.map_or(self.cursor.raw, |cell| cell.raw.min(self.cursor.raw));
        self.cursor.then = cell.map_or(Then::Scan, |cell| cell.then);
        let before = at.checked_sub(1).map(|before| self.text.get(before).copied());
        self.cursor.before = before.unwrap_or(self.first_before);
    }

    /// What is a secret as it stands will be hidden.
    fn doom(&mut self) {
        let rules = Arc::clone(&self.rules);
        let (mut at, mut then) = (self.cursor.at, self.cursor.then);
        while let Some(byte) = self.text.get(at).copied() {
            let hidden = match then {
                Then::Scan => match self.spot_at(at, true).verdict(&rules) {
                    Verdict::Found(rule, span) => {
                        if let Some(count) = self.by_chance(rule, at, &span.hidden) {
                            at += count;
                            continue;
                        }
                        self.doomed_by = rule.id.clone();
                        then = span.then;
                        at += span.hidden.start;
                        span.hidden.len()
                    }
                    Verdict::Nothing | Verdict::More => {
                        at += 1 + self.dull(&rules, at + 1);
                        continue;
                    }
                },
                Then::Onward(class) if class.has(byte) => 1,
                Then::Block(class) if class.has(byte) => 1,
                Then::Onward(_) | Then::Block(_) => {
                    then = Then::Scan;
                    continue;
                }
            };
            self.mark(at, at + hidden);
            // A secret of no length would hold it here for ever.
            at += hidden.max(usize::from(then == Then::Scan));
        }
    }

    /// How many cells from there on begin nothing by their look.
    fn dull(&self, rules: &Rules, at: usize) -> usize {
        let is_dull = |at: &usize| {
            let ahead = self.text.get(*at..).unwrap_or_default();
            let is_escape = ahead.iter().take(2).any(|byte| matches!(byte, b'%' | b'\\'));
            !is_escape && !self.is_behind_escape(*at) && !rules.may_begin(self.before(*at), ahead)
        };
        (at..self.text.len().saturating_sub(1)).take_while(is_dull).count()
    }

    /// Text went out that begins nothing, and so much is seen of it: of its last line something is kept, in case it is
    /// stepped back over.
    pub(super) fn absorb(&mut self, passed: &[u8], shadow: &Shadow, seen: usize) {
        let text = shadow.text.get(..seen).unwrap_or_default();
        self.screen.pass(text, &shadow.rows);
        let end = memchr::memrchr(b'\n', text).map(|end| end + 1);
        let begin = end.unwrap_or(0).max(text.len().saturating_sub(HISTORY));
        let mut raw_begin = 0;
        if let Some(last) = begin.checked_sub(1) {
            self.first_before = text.get(last).copied();
            self.cells.clear();
            self.text.clear();
            self.wraps.clear();
            (self.line, self.start, self.doomed) = (0, 0, 0);
            raw_begin = shadow.raw(last) + 1;
            // As much as is looked at before a place.
            let gone = passed.get(..raw_begin).unwrap_or_default();
            self.raw.drain(..self.raw.len().saturating_sub(AROUND.saturating_sub(gone.len())));
            self.raw.extend_from_slice(gone.last_chunk::<AROUND>().map_or(gone, |last| last));
            self.kinds.clear();
            self.kinds.resize(self.raw.len(), Kind::Unseen);
        }
        let (from, tail) = (self.raw.len(), text.get(begin..).unwrap_or_default());
        self.raw.extend_from_slice(passed.get(raw_begin..).unwrap_or_default());
        let cell = |raw: usize| Cell { raw, then: Then::Scan };
        // Mostly every byte is seen.
        if self.raw.len() - from == tail.len() {
            self.cells.extend((from..self.raw.len()).map(cell));
            self.kinds.resize(self.raw.len(), Kind::Seen);
        } else {
            self.kinds.resize(self.raw.len(), Kind::Unseen);
            self.cells.reserve(tail.len());
            shadow.raws(begin, text.len()).for_each(|raw| {
                let raw = from + raw - raw_begin;
                self.cells.push(cell(raw));
                self.kinds.get_mut(raw).into_iter().for_each(|kind| *kind = Kind::Seen);
            });
        }
        if let Some(last) = memchr::memrchr(b'\r', tail) {
            self.line = self.text.len() + last + 1;
            self.start = self.line;
        }
        self.text.extend_from_slice(tail);
        (self.cursor.at, self.cursor.raw) = (self.cells.len(), self.raw.len());
        self.shown = self.raw.len();
        self.cursor.before = text.last().copied().or(self.cursor.before);
    }

    /// Drops what is decided and cannot be stepped back to.
    pub(super) fn forget(&mut self) {
        let at = self.cursor.at;
        if at < SLACK && self.cursor.raw < HOLD {
            return;
        }
        let keep = match self.cursor.then {
            // Whether the line that ends here was full is still asked.
            Then::Onward(_) => at.saturating_sub(HISTORY),
            // The line under way, or that of the cursor, which may head a table.
            Then::Scan | Then::Block(_) => {
                let line = self.start.min(self.line_before(at).unwrap_or(0));
                line.min(at.saturating_sub(AROUND)).max(at.saturating_sub(HISTORY))
            }
        };
        if keep < SLACK && self.cursor.raw < HOLD {
            return;
        }
        let all = self.cursor.raw.saturating_sub(AROUND);
        // The byte before the first one is still asked for.
        let raw = self.cells.get(keep).map_or(all, |cell| cell.raw.saturating_sub(1).min(self.cursor.raw));
        self.first_before = keep.checked_sub(1).map_or(self.first_before, |last| self.text.get(last).copied());
        let gone = self.kinds.drain(..raw.min(self.kinds.len()));
        self.doomed -= gone.filter(|kind| matches!(kind, Kind::Doomed)).count().min(self.doomed);
        self.raw.drain(..raw.min(self.raw.len()));
        self.cells.drain(..keep.min(self.cells.len()));
        self.text.drain(..keep.min(self.text.len()));
        self.cells.iter_mut().for_each(|cell| cell.raw = cell.raw.saturating_sub(raw));
        self.wraps.retain(|wrap| *wrap >= keep);
        self.wraps.iter_mut().for_each(|wrap| *wrap -= keep);
        self.line = self.line.saturating_sub(keep);
        self.start = self.start.saturating_sub(keep);
        self.shown = self.shown.saturating_sub(raw);
        self.blanks.iter_mut().for_each(|blank| *blank = blank.saturating_sub(raw));
        self.anew.forget(keep);
        self.cursor.table.iter_mut().for_each(|rows| rows.forget(keep));
        self.cursor.at -= keep;
        self.cursor.raw -= raw;
    }
}

/// So much is looked at again at most.
const LITTLE: usize = 128;

/// So much of a line is kept in case it is stepped back over.
pub(super) const HISTORY: usize = 256;

/// So much of a line before what may be a secret says whether it is text.
pub(super) const OF_LINE: usize = 200;

/// So much of what may be a secret must have come before it is hidden unfinished.
const BEGUN: usize = 12;

/// So much of what is not needed any more may stand before it is dropped.
const SLACK: usize = 512;
