//! Secrets out of a stream: what looks like a credential, a key or a card number leaves as stars or as a label.
//!
//! Pure: bytes in, bytes and hits out. A hit says which rule and where, never what. Output does not depend on the
//! pieces the input came in; what is held back is bounded, and so is memory. Colours and cursor moves inside a secret
//! do not break it and are passed on. It stops accidents: whoever wants a value out encodes it.

use std::sync::Arc;

pub mod check;
mod class;
pub mod file;
mod own;
mod pattern;
mod quick;
pub mod rule;
mod shape;
pub mod values;

use class::Class;
pub use own::known;
use rule::{Rules, Shown};
use shape::{Place, Span, Then, Verdict};

/// A text that is there as a whole, with its secrets hidden.
pub fn whole(rules: &Arc<Rules>, width: Width, text: &[u8]) -> Vec<u8> {
    let mut masker = Masker::new(rules.clone(), width);
    let mut out = masker.feed(text).bytes;
    out.extend(masker.finish().bytes);
    out
}

/// What stands where a secret stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A star for each character: columns stay where they were.
    Same,
    /// The rule's id in brackets.
    Label,
}

/// What came out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// To pass on.
    pub bytes: Vec<u8>,
    /// Secrets that ended.
    pub hits: Vec<Hit>,
}

/// A secret was hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// By which rule.
    pub rule: Arc<str>,
    /// Where its mask begins in the output.
    pub offset: u64,
    /// How many bytes of input are hidden.
    pub length: u64,
}

/// Masks one stream.
#[derive(Debug)]
pub struct Masker {
    rules: Arc<Rules>,
    width: Width,
    escape: Escape,
    /// What came and is not decided yet, as it came.
    raw: Vec<u8>,
    /// Of it what a reader sees, each byte with its place in `raw`.
    seen: Vec<(usize, u8)>,
    /// Scratch: the bytes of `seen`.
    text: Vec<u8>,
    /// Scratch: a block of input, folded.
    folded: Vec<u8>,
    /// How many of `raw` are out already: let go while the input was quiet.
    shown: usize,
    cursor: Cursor,
    /// Bytes put out so far.
    put_out: u64,
}

/// How far the input is decided, and what is under way.
#[derive(Clone, Debug)]
struct Cursor {
    /// In `seen`.
    at: usize,
    /// In `raw`.
    raw: usize,
    before: Option<u8>,
    then: Then,
    /// Bytes of a key's body that may still be hidden.
    left: usize,
    open: Option<Hit>,
    /// Which rule hides.
    rule: Arc<str>,
    /// How it is shown.
    shown: Shown,
}

/// Where in an escape sequence the input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    /// In a control sequence, so many bytes of it read.
    Control(usize),
    Charset,
}

impl Masker {
    /// A fresh stream.
    pub fn new(rules: Arc<Rules>, width: Width) -> Self {
        let cursor = Cursor {
            at: 0,
            raw: 0,
            before: None,
            then: Then::Scan,
            left: 0,
            open: None,
            rule: "".into(),
            shown: Shown::Mask,
        };
        let (raw, seen, text, folded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { rules, width, escape: Escape::No, raw, seen, text, folded, shown: 0, cursor, put_out: 0 }
    }

    /// More input. What can still become a secret stays inside.
    pub fn feed(&mut self, bytes: &[u8]) -> Masked {
        let mut out = Masked { bytes: Vec::with_capacity(bytes.len()), hits: Vec::new() };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (plain, after) = rest.split_at_checked(self.plain(rest)).unwrap_or((rest, &[]));
            if let Some(last) = plain.last() {
                self.put(plain, &mut out);
                self.cursor.before = Some(*last);
            }
            // Little at a time, and more while nothing is decided: what is looked at again and again stays short.
            let step = self.raw.len().clamp(STEP, PIECE).min(after.len());
            let (piece, after) = after.split_at_checked(step).unwrap_or((after, &[]));
            rest = after;
            for byte in piece {
                if self.is_seen(*byte) {
                    self.seen.push((self.raw.len(), *byte));
                    self.text.push(*byte);
                }
                self.raw.push(*byte);
            }
            self.walk(false, &mut out);
            self.forget();
        }
        out
    }

    /// How much of the input surely begins nothing, where nothing is under way.
    fn plain(&mut self, bytes: &[u8]) -> usize {
        let is_idle = self.raw.is_empty() && self.escape == Escape::No && self.cursor.then == Then::Scan;
        if !is_idle || self.cursor.open.is_some() || self.rules.quick().is_useless() {
            return 0;
        }
        let mut folded = std::mem::take(&mut self.folded);
        let (mut begin, mut size, mut is_over) = (0, BLOCKS.start, false);
        while !is_over {
            let block = bytes.get(begin..).unwrap_or_default();
            let block = block.get(..size).unwrap_or(block);
            let text = before_escape(block);
            let before = begin.checked_sub(1).and_then(|before| bytes.get(before)).copied().or(self.cursor.before);
            quick::fold_all(before, text, &mut folded);
            let decided = self.clear(bytes, begin, &folded);
            // A block goes on where windows of the one before ended.
            is_over = decided < folded.len().saturating_sub(3) || text.len() < size;
            (begin, size) = (begin + decided, (size * 2).min(BLOCKS.end));
        }
        self.folded = folded;
        begin
    }

    /// How much of a block, which begins there, surely begins nothing.
    fn clear(&self, bytes: &[u8], begin: usize, folded: &[u8]) -> usize {
        let mut at = 0;
        while let Some(next) = folded.get(at..).and_then(|folded| self.rules.quick().first(folded)) {
            at += next;
            let place = begin + at;
            let before = place.checked_sub(1).and_then(|before| bytes.get(before)).copied().or(self.cursor.before);
            let is_nothing = LOOKS.iter().any(|look| {
                let ahead = bytes.get(place..).unwrap_or_default();
                let text = before_escape(ahead.get(..*look).unwrap_or(ahead));
                matches!(Place { before, text, is_closed: text.len() >= HOLD }.verdict(&self.rules), Verdict::Nothing)
            });
            if !is_nothing {
                return at;
            }
            at += 1;
        }
        folded.len().saturating_sub(3)
    }

    /// The input is quiet: what is held goes out, masked if it is a secret as it stands. It still counts as the
    /// beginning of one, so that only what was let go of it has been seen.
    pub fn release(&mut self) -> Masked {
        let mut out = Masked::default();
        let before = self.cursor.clone();
        self.walk(true, &mut out);
        self.close(&mut out);
        self.shown = self.raw.len();
        self.cursor = before;
        // Its beginning is reported.
        self.cursor.open = None;
        out
    }

    /// The input ended: what is held goes out. What is fed from then on is a stream of its own.
    pub fn end(&mut self) -> Masked {
        let next = Self::new(self.rules.clone(), self.width);
        std::mem::replace(self, next).finish()
    }

    /// The input ended.
    pub fn finish(mut self) -> Masked {
        let mut out = Masked::default();
        self.walk(true, &mut out);
        self.close(&mut out);
        out
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.raw.len().saturating_sub(self.shown)
    }

    /// Whether a reader sees the byte. Titles and other strings to the terminal count as text: they can hold secrets.
    fn is_seen(&mut self, byte: u8) -> bool {
        let (next, seen) = match (self.escape, byte) {
            (_, 0x1b) => (Escape::Begun, false),
            (Escape::No, _) => (Escape::No, true),
            (Escape::Begun, b'[') => (Escape::Control(0), false),
            (Escape::Begun, b' '..=b'/') => (Escape::Charset, false),
            (Escape::Begun, b'0'..=b'~') => (Escape::No, false),
            (Escape::Control(length), b' '..=b'?') if length < CONTROL_LIMIT => (Escape::Control(length + 1), false),
            (Escape::Control(_), b'@'..=b'~') | (Escape::Charset, b'0'..=b'~') => (Escape::No, false),
            (Escape::Begun | Escape::Control(_) | Escape::Charset, _) => (Escape::No, true),
        };
        self.escape = next;
        seen
    }

    /// Decides as far as it can be decided.
    fn walk(&mut self, is_end: bool, out: &mut Masked) {
        let rules = Arc::clone(&self.rules);
        let text = std::mem::take(&mut self.text);
        loop {
            let ahead = text.get(self.cursor.at..).unwrap_or_default();
            let goes_on = match self.cursor.then {
                Then::Scan => self.scan(&rules, ahead, is_end, out),
                Then::Onward(class) => self.onward(class, ahead, out),
                Then::Block => self.block(ahead, is_end, out),
            };
            if !goes_on {
                break;
            }
        }
        self.text = text;
    }

    /// One place further. Whether there is more to decide.
    fn scan(&mut self, rules: &Rules, ahead: &[u8], is_end: bool, out: &mut Masked) -> bool {
        // The last byte has no other behind it yet: whoever may begin with it decides.
        let pairs = ahead.iter().zip(ahead.iter().skip(1));
        let plain = pairs.take_while(|(first, second)| !rules.may_begin(**first, **second)).count();
        self.pass(plain, false, out);
        let ahead = ahead.get(plain..).unwrap_or_default();
        if ahead.is_empty() {
            return false;
        }
        let place = self.place(ahead, is_end);
        match place.verdict(rules) {
            Verdict::More => return false,
            Verdict::Nothing => self.pass(1, false, out),
            Verdict::Found(rule, Span { hidden, then }) => {
                (self.cursor.rule, self.cursor.shown) = (rule.id.clone(), rule.shown);
                // Of a short one the last characters would be too much of it.
                let is_open = rule.shown == Shown::LastFour && then == Then::Scan && hidden.len() >= 12;
                let last = if is_open { 4 } else { 0 };
                self.pass(hidden.start, false, out);
                self.pass(hidden.len() - last, true, out);
                (self.cursor.then, self.cursor.left) = (then, BLOCK_LIMIT);
                if then == Then::Scan {
                    self.close(out);
                }
                self.pass(last, false, out);
            }
        }
        true
    }

    /// What may be looked at from here: no more than may be held back.
    fn place<'a>(&self, ahead: &'a [u8], is_end: bool) -> Place<'a> {
        let here = self.seen.get(self.cursor.at..).unwrap_or_default();
        let limit = here.first().map_or(0, |(raw, _)| raw + HOLD);
        let inside = here.partition_point(|(raw, _)| *raw < limit);
        let text = ahead.get(..inside).unwrap_or(ahead);
        Place { before: self.cursor.before, text, is_closed: is_end || self.raw.len() >= limit }
    }

    fn onward(&mut self, class: Class, ahead: &[u8], out: &mut Masked) -> bool {
        let more = ahead.iter().take_while(|byte| class.has(**byte)).count();
        self.pass(more, true, out);
        if more == ahead.len() {
            return false;
        }
        self.cursor.then = Then::Scan;
        self.close(out);
        true
    }

    fn block(&mut self, ahead: &[u8], is_end: bool, out: &mut Masked) -> bool {
        let Some(first) = ahead.first() else {
            self.pass(0, false, out);
            return false;
        };
        let place = self.place(ahead, is_end);
        let begins = BLOCK_END.iter().zip(place.text).all(|(wanted, byte)| wanted == byte);
        if begins && place.text.len() < BLOCK_END.len() && !place.is_closed {
            return false;
        }
        let is_over =
            (begins && place.text.len() >= BLOCK_END.len()) || self.cursor.left == 0 || !may_be_in_key(*first);
        if is_over {
            self.cursor.then = Then::Scan;
            self.close(out);
            return true;
        }
        self.cursor.left -= 1;
        self.pass(1, !matches!(first, b'\r' | b'\n'), out);
        true
    }

    /// So many seen bytes go out with the escapes between them, and those behind them when nothing else waits.
    fn pass(&mut self, count: usize, is_hidden: bool, out: &mut Masked) {
        let until = self.cursor.at + count;
        let end = self.seen.get(until).map_or(self.raw.len(), |(raw, _)| *raw);
        if !is_hidden {
            let from = self.cursor.raw.max(self.shown);
            let passed = self.raw.get(from..end).unwrap_or_default();
            out.bytes.extend_from_slice(passed);
            self.put_out += passed.len() as u64;
            let last = until.checked_sub(1).filter(|_| count > 0).and_then(|last| self.seen.get(last));
            self.cursor.before = last.map_or(self.cursor.before, |(_, byte)| Some(*byte));
            (self.cursor.at, self.cursor.raw) = (until.min(self.seen.len()), end.max(self.cursor.raw));
            return;
        }
        while self.cursor.raw < end {
            let Some(byte) = self.raw.get(self.cursor.raw).copied() else { break };
            let is_seen = self.seen.get(self.cursor.at).is_some_and(|(raw, _)| *raw == self.cursor.raw);
            if is_seen {
                self.cursor.at += 1;
                self.cursor.before = Some(byte);
            }
            if self.cursor.raw >= self.shown {
                // Lines stay lines.
                if is_seen && !matches!(byte, b'\r' | b'\n') {
                    self.cover(byte, out);
                } else {
                    self.put(&[byte], out);
                }
            }
            self.cursor.raw += 1;
        }
    }

    fn cover(&mut self, byte: u8, out: &mut Masked) {
        let is_new = self.cursor.open.is_none();
        let (rule, offset) = (self.cursor.rule.clone(), self.put_out);
        let hit = self.cursor.open.get_or_insert(Hit { rule, offset, length: 0 });
        hit.length += 1;
        let width = if self.cursor.shown == Shown::Label { Width::Label } else { self.width };
        match width {
            // A character of several bytes has one star: its first byte's.
            Width::Same if byte & 0xc0 != 0x80 => self.put(b"*", out),
            Width::Label if is_new => self.put(format!("[{}]", self.cursor.rule).as_bytes(), out),
            Width::Same | Width::Label => {}
        }
    }

    fn put(&mut self, bytes: &[u8], out: &mut Masked) {
        out.bytes.extend_from_slice(bytes);
        self.put_out += bytes.len() as u64;
    }

    fn close(&mut self, out: &mut Masked) {
        out.hits.extend(self.cursor.open.take());
    }

    /// Drops what is decided.
    fn forget(&mut self) {
        let (at, raw) = (self.cursor.at, self.cursor.raw);
        self.seen.drain(..at.min(self.seen.len()));
        self.text.drain(..at.min(self.text.len()));
        self.raw.drain(..raw.min(self.raw.len()));
        self.seen.iter_mut().for_each(|(place, _)| *place = place.saturating_sub(raw));
        self.shown = self.shown.saturating_sub(raw);
        (self.cursor.at, self.cursor.raw) = (0, 0);
    }
}

/// What stands before the first escape.
fn before_escape(text: &[u8]) -> &[u8] {
    // Most text has none, and that is known sooner than the place of one.
    if !text.contains(&0x1b) {
        return text;
    }
    let end = text.iter().position(|byte| *byte == 0x1b);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// What a private key may consist of, with the marks of quotes, listings and diffs that may stand before its lines.
fn may_be_in_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=\r\n \t\\:,-\"'>|#*.<_".contains(&byte)
}

/// The last line of a private key begins so.
const BLOCK_END: &[u8] = b"-----END";

/// The longest body of a private key that is hidden.
const BLOCK_LIMIT: usize = 32 * 1024;

/// The most that is held back, escapes included.
const HOLD: usize = 4096;

/// Text that surely begins nothing is looked for in blocks: a short one first, since something may begin soon again.
const BLOCKS: std::ops::Range<usize> = 256..4096;

/// How far it is looked ahead from where something may begin: seldom far.
const LOOKS: [usize; 3] = [48, 512, HOLD];

/// The least that is taken at a time where something may begin.
const STEP: usize = 64;

/// Input is taken in pieces of this size at most, so that memory is bounded whatever comes at once.
const PIECE: usize = 16 * 1024;

/// The longest control sequence that is invisible.
const CONTROL_LIMIT: usize = 64;

#[cfg(test)]
mod tests;
