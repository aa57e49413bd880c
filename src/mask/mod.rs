//! Secrets out of a stream: what looks like a credential, a key or a card number leaves as stars or as a label.
//!
//! Pure: bytes in, bytes and hits out. A hit says which rule and where, never what. Output does not depend on the
//! pieces the input came in; what is held back is bounded, and so is memory. Colours, the right margin, and steps back
//! inside a secret do not break it and are passed on; of encodings it sees through one. It stops accidents: whoever
//! wants a value out encodes it twice.

use std::sync::Arc;

pub mod check;
mod class;
mod encoded;
pub mod file;
pub mod fingerprint;
mod line;
mod own;
mod pattern;
mod quick;
pub mod rule;
mod screen;
mod shape;
pub mod values;
mod view;
mod walk;

use encoded::Encoded;
use fingerprint::{Fingerprinter, Passing};
pub use own::known;
use rule::{Rules, Shown};
use screen::Screen;
use shape::{Place, Then, Verdict};
use view::Spot;

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
    /// Fingerprints of those that have one, with their rules.
    pub prints: Vec<(Arc<str>, [u8; 32])>,
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
#[derive(Clone, Debug)]
pub struct Masker {
    rules: Arc<Rules>,
    width: Width,
    screen: Screen,
    /// What came and is not decided yet, as it came, and before it the line so far: who steps back changes it.
    raw: Vec<u8>,
    kinds: Vec<Kind>,
    /// Of it what a reader sees.
    cells: Vec<Cell>,
    /// The bytes of `cells`.
    text: Vec<u8>,
    /// The cells that stand behind a wrap at the right margin.
    wraps: Vec<usize>,
    /// What stood before the first cell.
    first_before: Option<u8>,
    /// The first cell that can be stepped back to.
    line: usize,
    /// The last byte of `raw` is this; what follows says what it means: a wrap, a line's end, or a line written anew.
    margin: Option<u8>,
    /// Cells that were stepped back over and not written over yet.
    behind: usize,
    /// Blanks that were written over such cells: where in `raw`.
    blanks: Vec<usize>,
    /// How many of `raw` are marked as hidden whatever comes.
    doomed: usize,
    /// By which rule.
    doomed_by: Arc<str>,
    /// Scratch: a block of input, folded.
    folded: Vec<u8>,
    /// How many of `raw` are out already.
    shown: usize,
    cursor: Cursor,
    passing: Passing,
    /// Bytes put out so far.
    put_out: u64,
    /// Inside encoded text: for each byte which rule hides it, instead of output.
    marks: Option<Vec<Option<Arc<str>>>>,
    hold: usize,
}

/// A byte that is seen, and where it came.
#[derive(Clone, Copy, Debug)]
struct Cell {
    raw: usize,
    /// What was under way before it when it was decided.
    then: Then,
}

/// What a byte of the input is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Seen,
    Unseen,
    /// It was seen until somebody stepped back over it.
    Erased,
    /// It was part of a secret that somebody stepped back over then.
    Doomed,
}

/// How far the input is decided, and what is under way.
#[derive(Clone, Debug)]
struct Cursor {
    /// In `cells`.
    at: usize,
    /// In `raw`.
    raw: usize,
    before: Option<u8>,
    then: Then,
    encoded: Option<Box<Encoded>>,
    /// Bytes of a key's body that may still be hidden.
    left: usize,
    open: Option<Hit>,
    /// Which rule hides.
    rule: Arc<str>,
    /// How it is shown.
    shown: Shown,
}

impl Masker {
    /// A fresh stream.
    pub fn new(rules: Arc<Rules>, width: Width) -> Self {
        let cursor = Cursor {
            at: 0,
            raw: 0,
            before: None,
            then: Then::Scan,
            encoded: None,
            left: 0,
            open: None,
            rule: "".into(),
            shown: Shown::Mask,
        };
        Self {
            rules,
            width,
            screen: Screen::new(None),
            raw: Vec::new(),
            kinds: Vec::new(),
            cells: Vec::new(),
            text: Vec::new(),
            wraps: Vec::new(),
            first_before: None,
            line: 0,
            margin: None,
            behind: 0,
            blanks: Vec::new(),
            doomed: 0,
            doomed_by: "".into(),
            folded: Vec::new(),
            shown: 0,
            cursor,
            passing: Passing::default(),
            put_out: 0,
            marks: None,
            hold: HOLD,
        }
    }

    /// Inside encoded text: it says of each byte which rule hides it.
    fn inner(rules: Arc<Rules>, width: Width) -> Self {
        Self { marks: Some(Vec::new()), hold: HOLD / 4, ..Self::new(rules, width) }
    }

    /// Secrets have fingerprints from here on, by this.
    pub fn print_by(&mut self, by: Fingerprinter) {
        self.passing.by(by);
    }

    /// The stream is a terminal's, and so wide from here on.
    pub fn resize(&mut self, columns: u16) {
        self.screen.resize(usize::from(columns));
    }

    /// More input. What can still become a secret stays inside.
    pub fn feed(&mut self, bytes: &[u8]) -> Masked {
        let mut out = Masked { bytes: Vec::with_capacity(bytes.len()), ..Masked::default() };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (plain, after) = rest.split_at_checked(self.plain(rest)).unwrap_or((rest, &[]));
            if !plain.is_empty() {
                self.put(plain, &mut out);
                self.absorb(plain);
            }
            // Little at a time, and more while nothing is decided: what is looked at again and again stays short.
            let step = (self.raw.len() - self.cursor.raw).clamp(STEP, PIECE).min(after.len());
            let (piece, after) = after.split_at_checked(step).unwrap_or((after, &[]));
            rest = after;
            for byte in piece {
                self.take(*byte, &mut out);
            }
            self.walk(false, &mut out);
            self.forget();
        }
        out
    }

    /// How much of the input surely begins nothing, where nothing is under way.
    fn plain(&mut self, bytes: &[u8]) -> usize {
        if !self.is_idle() || self.rules.quick().is_useless() {
            return 0;
        }
        let mut folded = std::mem::take(&mut self.folded);
        let mut screen = self.screen.clone();
        let (mut begin, mut size, mut is_over) = (0, BLOCKS.start, false);
        while !is_over {
            let block = bytes.get(begin..).unwrap_or_default();
            let after = block.get(size).copied();
            let block = block.get(..size).unwrap_or(block);
            let text = self.ordinary(&screen, block, after);
            let before = begin.checked_sub(1).and_then(|before| bytes.get(before)).copied().or(self.cursor.before);
            quick::fold_all(before, text, &mut folded);
            // A block goes on where windows of the one before ended.
            let (decided, ended) = self.clear(before, text, &folded, text.len() < size);
            screen.pass(text.get(..decided).unwrap_or_default());
            is_over = ended || decided == 0;
            (begin, size) = (begin + decided, (size * 2).min(BLOCKS.end));
        }
        self.folded = folded;
        begin
    }

    /// What of a block holds nothing but text, and no break that may be the right margin's.
    fn ordinary<'a>(&self, screen: &Screen, block: &'a [u8], after: Option<u8>) -> &'a [u8] {
        let text = line::before_special(block, after);
        // A blank and a return may be a wrap, and the return may not have come.
        let text = text.strip_suffix(b" ").unwrap_or(text);
        screen.wrap_in(text).and_then(|wrap| text.get(..wrap)).unwrap_or(text)
    }

    /// How much of a text surely begins nothing, and whether something may begin behind it.
    fn clear(&self, before: Option<u8>, text: &[u8], folded: &[u8], is_cut: bool) -> (usize, bool) {
        let (mut end, mut is_over) = (folded.len().saturating_sub(3), is_cut);
        if let Some((place, is_sure)) = encoded::first(before, text) {
            is_over |= place < end && (is_sure || place == 0);
            end = end.min(place);
        }
        let mut at = 0;
        while let Some(next) = folded.get(at..end + 3).and_then(|folded| self.rules.quick().first(folded)) {
            at += next;
            let before = at.checked_sub(1).and_then(|before| text.get(before)).copied().or(before);
            let pair = text.get(at..).and_then(<[u8]>::first_chunk::<2>);
            let is_begun = pair.is_none_or(|[first, second]| self.rules.may_begin(*first, *second));
            let is_nothing = !is_begun
                || at >= 3
                    && LOOKS.iter().any(|look| {
                        let ahead = text.get(at..).unwrap_or_default();
                        let place = Place { before, text: ahead.get(..*look).unwrap_or(ahead), is_closed: false };
                        let spot = Spot { place, behind: [0; 3], wrap: None };
                        matches!(spot.plain_verdict(&self.rules), Verdict::Nothing)
                    });
            if !is_nothing {
                return (at, true);
            }
            at += 1;
        }
        (end, is_over)
    }

    /// The input is quiet: what is held goes out, masked if it is a secret as it stands. It still counts as the
    /// beginning of one, so that only what was let go of it has been seen.
    pub fn release(&mut self) -> Masked {
        let mut out = Masked::default();
        let before = self.cursor.clone();
        self.passing.is_quiet = true;
        self.flush_into(&mut out);
        self.passing.is_quiet = false;
        self.shown = self.raw.len();
        self.cursor = before;
        // Its beginning is reported.
        self.cursor.open = None;
        out
    }

    /// The input ended: what is held goes out. What is fed from then on is a stream of its own.
    pub fn end(&mut self) -> Masked {
        let mut next = Self::new(self.rules.clone(), self.width);
        (next.screen, next.passing) = (self.screen.again(), self.passing.again());
        std::mem::replace(self, next).finish()
    }

    /// The input ended.
    pub fn finish(mut self) -> Masked {
        let mut out = Masked::default();
        self.flush_into(&mut out);
        out
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.raw.len().saturating_sub(self.shown.max(self.cursor.raw))
    }

    fn flush_into(&mut self, out: &mut Masked) {
        self.walk(true, out);
        self.rest(out);
        self.close(out);
    }

    /// Of encoded text: there is no more.
    fn flush(&mut self) {
        self.flush_into(&mut Masked::default());
    }

    /// Of encoded text: of each byte decided since the last call, which rule hides it.
    fn marks(&mut self) -> Vec<Option<Arc<str>>> {
        self.marks.replace(Vec::new()).unwrap_or_default()
    }
}

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

#[cfg(test)]
mod tests;
