//! Secrets out of a stream: what looks like a credential, a key or a card number leaves as stars or as a label.
//!
//! Pure: bytes in, bytes and hits out. A hit says which rule and where, never what. Output does not depend on the
//! pieces the input came in; what is held back is bounded, and so is memory. Colours, the right margin, and steps back
//! inside a secret do not break it and are passed on; of encodings it sees through one. It stops accidents: whoever
//! wants a value out encodes it twice.

use std::sync::Arc;

mod amid;
mod anchor;
mod anew;
mod character;
mod check;
mod class;
mod column;
mod encoded;
mod escape;
pub mod file;
pub mod fingerprint;
mod firsts;
mod grams;
mod heads;
mod lanes;
mod line;
mod look;
mod numbers;
mod own;
mod pattern;
mod plain;
pub mod profile;
mod quick;
pub mod rule;
mod runs;
mod screen;
mod shadow;
mod shape;
mod sieve;
mod table;
pub mod values;
mod view;
mod walk;
mod word;

use encoded::Encoded;
use fingerprint::{Fingerprinter, Passing};
pub use own::known;
use rule::{Rules, Shown};
use screen::Screen;
use shape::Then;
use walk::Until;

/// A text that is there as a whole, with its secrets hidden.
pub fn whole(rules: &Arc<Rules>, width: Width, text: &[u8]) -> Vec<u8> {
    // Most of what is recorded is a name, a path or a short command.
    if plain::is_clear(rules, text) {
        return text.to_vec();
    }
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
    /// The first cell of the line, wherever it was wrapped.
    start: usize,
    /// The last byte of `raw` is this; what follows says what it means: a wrap, a line's end, or a line written anew.
    margin: Option<u8>,
    /// Columns that were stepped back over and not written over yet.
    behind: usize,
    /// Of a character of two columns that was stepped back into, and went as a whole, the column that is still to be stepped over.
    owed: usize,
    /// Blanks that were written over such cells: where in `raw`.
    blanks: Vec<usize>,
    /// Lines that are written over and may say more then.
    anew: anew::Anew,
    /// What steps back may still cost.
    credit: Credit,
    /// How many of `raw` are marked as hidden whatever comes.
    doomed: usize,
    /// By which rule.
    doomed_by: Arc<str>,
    scratch: plain::Scratch,
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
    /// A table whose rows are hidden in part.
    table: Option<Box<column::Rows>>,
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
            table: None,
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
            start: 0,
            margin: None,
            behind: 0,
            owed: 0,
            blanks: Vec::new(),
            anew: anew::Anew::default(),
            credit: Credit::default(),
            doomed: 0,
            doomed_by: "".into(),
            scratch: plain::Scratch::default(),
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
            let plain = self.plain(rest, &mut out);
            let after = rest.get(plain..).unwrap_or_default();
            // Little at a time, and more while nothing is decided: what is looked at again and again stays short.
            let undecided = self.raw.len() - self.cursor.raw;
            let step = undecided.clamp(STEP, PIECE).max(self.scratch.stop).min(after.len());
            let (piece, after) = after.split_at_checked(step).unwrap_or((after, &[]));
            rest = after;
            let mut piece = piece;
            while let [byte, after @ ..] = piece {
                let word = self.take_word(piece);
                self.credit.earn(word.max(1));
                if word == 0 {
                    self.take(*byte, &mut out);
                }
                piece = piece.get(word..).filter(|_| word > 0).unwrap_or(after);
            }
            self.walk(if rest.is_empty() { Until::Known } else { Until::Hit }, &mut out);
            self.forget();
        }
        out
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

    /// Whether nothing is held but a word that may still become an address, a token that says later what it is, or a name that a
    /// secret may follow.
    pub fn holds_a_word(&self) -> bool {
        let Some(rules) = self.rules.without_words() else {
            return false;
        };
        let is_word = |at: usize| {
            let spot = self.spot_at(at, false);
            let is_plain = spot.place.text.iter().all(|byte| !matches!(byte, b'%' | b'\\' | b'\r' | b'\n'));
            (matches!(spot.verdict(rules), shape::Verdict::Nothing) || is_plain && spot.place.is_in_a_name(rules))
                && !matches!(encoded::begins(spot.before(), spot.place.text, false), encoded::Begins::Yes(_))
        };
        let held = self.cells.len() - self.cursor.at;
        held > 0
            && held <= LONGEST_WORD
            && self.cursor.then == Then::Scan
            && self.cursor.encoded.is_none()
            && self.margin.is_none()
            && (self.cursor.at..self.cells.len()).all(is_word)
    }

    fn flush_into(&mut self, out: &mut Masked) {
        self.walk(Until::End, out);
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

/// Bounds what steps back cost: each has places looked at again. Who types never spends it; a flood of them does.
#[derive(Clone, Debug)]
struct Credit(usize);

impl Default for Credit {
    fn default() -> Self {
        Self(Self::MOST)
    }
}

impl Credit {
    /// The most places that are looked at again without new input.
    const MOST: usize = 64 * 1024;
    /// So many more for each byte.
    const A_BYTE: usize = 2;

    fn earn(&mut self, bytes: usize) {
        self.0 = (self.0 + bytes * Self::A_BYTE).min(Self::MOST);
    }

    /// Whether there is enough for so many.
    fn spend(&mut self, places: usize) -> bool {
        let left = self.0.checked_sub(places);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// The most that is held back, escapes included.
const HOLD: usize = 4096;

/// A longer one may be encoded text, and waits like anything else.
const LONGEST_WORD: usize = 16;

/// The least that is taken at a time where something may begin.
const STEP: usize = 32;

/// Input is taken in pieces of this size at most, so that memory is bounded whatever comes at once.
const PIECE: usize = 16 * 1024;

#[cfg(test)]
mod tests;
