//! The line under way as a reader sees it: bytes come, wraps are taken out, and steps back take bytes away again.
//!
//! What was seen before a step back counts too: if it was a secret as it stood, it is hidden whatever comes.

use super::amid::AROUND;
use super::check::Check;
use super::rule::Rules;
use super::screen::Step;
use super::shape::{Then, Verdict};
use super::walk::may_be_in_key;
use super::{Cell, HOLD, Kind, Masked, Masker};

impl Masker {
    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let cursor = &self.cursor;
        cursor.at == self.cells.len()
            && cursor.raw == self.raw.len()
            && self.margin.is_none()
            && self.blanks.is_empty()
            && self.behind == 0
            && self.screen.is_between()
            && cursor.then == Then::Scan
            && cursor.encoded.is_none()
            && cursor.open.is_none()
            && self.wraps.last() != Some(&self.cells.len())
            && !self.text.iter().rev().take(5).any(|byte| matches!(byte, b'%' | b'\\'))
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
            if first == b'\r' && byte != b'\n' {
                self.write_anew(out);
            }
            self.screen.read(first);
            self.append(first, self.raw.len() - 1);
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
            Step::Seen if byte == b' ' && self.behind > 0 => {
                self.behind -= 1;
                self.blanks.push(self.raw.len());
                self.unseen(byte, Kind::Unseen);
            }
            Step::Seen => {
                let raw = self.raw.len();
                self.unseen(byte, Kind::Seen);
                self.append(byte, raw);
            }
            Step::Unseen => self.unseen(byte, Kind::Unseen),
            Step::Back(cells) => {
                self.back(cells, out);
                self.unseen(byte, Kind::Unseen);
            }
        }
    }

    fn unseen(&mut self, byte: u8, kind: Kind) {
        self.raw.push(byte);
        self.kinds.push(kind);
    }

    fn append(&mut self, byte: u8, raw: usize) {
        if let Some(kind) = self.kinds.get_mut(raw) {
            *kind = Kind::Seen;
        }
        self.behind = self.behind.saturating_sub(1);
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
        self.walk(false, out);
        let open = self.cursor.at;
        if self.cells.len() < open + BEGUN || self.cursor.encoded.is_some() || !self.is_typed(open) {
            return;
        }
        let before = self.doomed;
        self.doom();
        if self.doomed > before {
            return;
        }
        // Any word may become an address: of words only those count that look chosen at random.
        let is_random = Check::Entropy(30).passes(self.text.get(open..).unwrap_or_default());
        let rules = self.rules.without_words().filter(|_| !is_random).unwrap_or(&self.rules);
        if let Verdict::More = self.spot_at(open, false).verdict(rules) {
            self.doomed_by = "unfinished".into();
            self.mark(open, self.cells.len());
        }
    }

    /// Whether the line that `open` stands in is text. In binary output a return is a byte like any other, and a dozen printable
    /// bytes before one come up by chance once in some 100 MB; a whole line of them does not.
    fn is_typed(&self, open: usize) -> bool {
        let (before, since) = self.text.split_at_checked(open).unwrap_or_default();
        let begin = before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
        // As it came: what a terminal does not show is no text either, but for the bytes of escapes.
        let from = begin.checked_sub(1).and_then(|end| self.cells.get(end)).map_or(0, |end| end.raw + 1);
        let raw = self.raw.get(from..).unwrap_or_default();
        let line = std::str::from_utf8(raw.strip_suffix(b"\r").unwrap_or(raw));
        line.is_ok_and(|line| !line.chars().any(|c| c.is_control() && !"\t\x07\x1b".contains(c)))
            && since.iter().all(|byte| (b' '..=b'~').contains(byte))
    }

    fn mark(&mut self, from: usize, until: usize) {
        for cell in self.cells.get(from..until).unwrap_or_default() {
            if let Some(kind) = self.kinds.get_mut(cell.raw).filter(|kind| !matches!(kind, Kind::Doomed)) {
                *kind = Kind::Doomed;
                self.doomed += 1;
            }
        }
    }

    /// The cursor steps back: what stands there will be written over.
    fn back(&mut self, cells: usize, out: &mut Masked) {
        self.walk(false, out);
        if self.cursor.encoded.is_some() {
            self.walk(true, out);
            self.line = self.cells.len();
        }
        let length = self.cells.len();
        let blank = cells.min(self.blanks.len());
        self.blanks.truncate(self.blanks.len() - blank);
        self.behind += blank;
        let cells = cells - blank;
        let left = length.saturating_sub(cells).max(self.line.min(length));
        if left == length {
            return;
        }
        self.doom();
        for cell in self.cells.drain(left..) {
            if let Some(kind) = self.kinds.get_mut(cell.raw).filter(|kind| **kind == Kind::Seen) {
                *kind = Kind::Erased;
            }
        }
        self.text.truncate(left);
        self.behind += length - left;
        // What stands before was decided in sight of what is gone.
        let at = self.cursor.at.min(left);
        self.go_back_to(self.line.max(self.cursor.at.saturating_sub(HISTORY)).min(at));
    }

    /// What was decided of the line is looked at again, since it goes on otherwise. It is out all the same.
    fn go_back_to(&mut self, at: usize) {
        let cell = self.cells.get(at);
        self.shown = self.shown.max(self.cursor.raw);
        self.cursor.at = at;
        self.cursor.raw = cell.map_or(self.cursor.raw, |cell| cell.raw.min(self.cursor.raw));
        self.cursor.then = cell.map_or(Then::Scan, |cell| cell.then);
        let before = at.checked_sub(1).map(|before| self.text.get(before).copied());
        self.cursor.before = before.unwrap_or(self.first_before);
    }

    /// What is a secret as it stands will be hidden.
    fn doom(&mut self) {
        let rules = std::sync::Arc::clone(&self.rules);
        let (mut at, mut then) = (self.cursor.at, self.cursor.then);
        while let Some(byte) = self.text.get(at).copied() {
            let hidden = match then {
                Then::Scan => match self.spot_at(at, true).verdict(&rules) {
                    Verdict::Found(rule, span) if !rule.is_chance() || self.is_amid_text(at..at + span.hidden.end) => {
                        self.doomed_by = rule.id.clone();
                        then = span.then;
                        at += span.hidden.start;
                        span.hidden.len()
                    }
                    Verdict::Found(_, span) => {
                        at += span.hidden.end;
                        continue;
                    }
                    Verdict::Nothing | Verdict::More => {
                        at += 1 + self.dull(&rules, at + 1);
                        continue;
                    }
                },
                Then::Onward(class) if class.has(byte) => 1,
                Then::Block if may_be_in_key(byte) => 1,
                Then::Onward(_) | Then::Block => {
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
        let rest = self.text.get(at..).unwrap_or_default();
        let firsts = rest.iter().take(rest.len().saturating_sub(1)).enumerate();
        let mut before = at.checked_sub(1).and_then(|before| self.text.get(before)).copied();
        let is_dull = |(at, first): &(usize, &u8)| {
            let ahead = rest.get(*at..).unwrap_or_default();
            let may = rules.may_begin(before, ahead) || matches!(first, b'%' | b'\\');
            before = Some(**first);
            !may
        };
        firsts.take_while(is_dull).count()
    }

    /// Text went out that begins nothing: of its last line something is kept, in case it is stepped back over.
    pub(super) fn absorb(&mut self, plain: &[u8]) {
        self.screen.pass(plain);
        let end = plain.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
        let begin = end.unwrap_or(0).max(plain.len().saturating_sub(HISTORY));
        let tail = plain.get(begin..).unwrap_or_default();
        if end.is_some() || begin > 0 {
            self.first_before = plain.get(..begin).and_then(<[u8]>::last).copied();
            self.raw.clear();
            self.kinds.clear();
            self.cells.clear();
            self.text.clear();
            self.wraps.clear();
            (self.line, self.doomed) = (0, 0);
        }
        for byte in tail {
            let raw = self.raw.len();
            self.unseen(*byte, Kind::Seen);
            self.append(*byte, raw);
        }
        (self.cursor.at, self.cursor.raw) = (self.cells.len(), self.raw.len());
        self.shown = self.raw.len();
        self.cursor.before = plain.last().copied();
    }

    /// Drops what is decided and cannot be stepped back to.
    pub(super) fn forget(&mut self) {
        let at = self.cursor.at;
        let keep = match self.cursor.then {
            // Whether the line that ends here was full is still asked.
            Then::Onward(_) => at.saturating_sub(HISTORY),
            Then::Scan | Then::Block if self.line >= at => at.saturating_sub(AROUND),
            Then::Scan | Then::Block => self.line.min(at.saturating_sub(AROUND)).max(at.saturating_sub(HISTORY)),
        };
        let is_all = keep == self.cells.len() && self.cursor.raw == self.raw.len();
        if keep < SLACK && self.cursor.raw < HOLD && !is_all {
            return;
        }
        let raw = self.cells.get(keep).map_or(self.cursor.raw, |cell| cell.raw.min(self.cursor.raw));
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
        self.shown = self.shown.saturating_sub(raw);
        self.blanks.iter_mut().for_each(|blank| *blank = blank.saturating_sub(raw));
        self.cursor.at -= keep;
        self.cursor.raw -= raw;
    }
}

/// What of a block stands before anything that is no plain text, or may be an escape of a URL or of JSON.
pub(super) fn before_special(block: &[u8], after: Option<u8>) -> &[u8] {
    let mut at = 0;
    for piece in block.chunks(64) {
        // No branches: the compiler takes many bytes at once.
        if piece.iter().fold(0, |any, byte| any | special(*byte)) != 0 {
            break;
        }
        at += piece.len();
    }
    let rest = block.get(at..).unwrap_or_default();
    at += rest.iter().position(|byte| special(*byte) != 0).unwrap_or(rest.len());
    let text = block.get(..at).unwrap_or(block);
    // A return that ends no line writes the line anew.
    let is_lone = |place: &usize| match text.get(place + 1).copied().or(after.filter(|_| at == block.len())) {
        Some(byte) => byte != b'\n',
        None => true,
    };
    let lone = memchr::memchr_iter(b'\r', text).find(is_lone);
    lone.and_then(|lone| text.get(..lone)).unwrap_or(text)
}

fn special(byte: u8) -> u8 {
    u8::from(byte < b' ') & u8::from(byte != b'\n') & u8::from(byte != b'\t') & u8::from(byte != b'\r')
        | u8::from(byte == 0x7f)
        | u8::from(byte == b'%')
        | u8::from(byte == b'\\')
}

/// So much of a line is kept in case it is stepped back over.
const HISTORY: usize = 256;

/// So much of what may be a secret must have come before it is hidden unfinished.
const BEGUN: usize = 12;

/// So much of what is not needed any more may stand before it is dropped.
const SLACK: usize = 512;
