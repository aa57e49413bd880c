//! How much of the input passes at once, since it is plain text in which nothing begins.
//!
//! It is asked where nothing is under way, and knows nothing of what was before. What no reader sees is left out for the
//! look; whatever moves the cursor ends it. Breaks that may be the right margin's do not: there the text is read joined, too.

use std::ops::Range;

use super::anew::SLIP;
use super::escape::{Form, Undone};
use super::lanes::Rows;
use super::look::{Begins, Look};
use super::rule::Rules;
use super::shadow::Shadow;
use super::shape::{Place, Verdict};
use super::sieve::{self, REACH, Sieve};
use super::view::Spot;
use super::{HOLD, Masked, Masker};

/// Kept from block to block.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    looks: Looks,
    shadow: Shadow,
    joined: (Vec<u8>, Rows),
    wraps: Vec<Range<usize>>,
    /// So much behind what passed stands a byte that is for others, and all before it is, too.
    pub(super) stop: usize,
    /// How much is looked at first, as what passed before the last secrets says; none: as much as a block has.
    first: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Looks {
    folded: Vec<u8>,
    whole: Vec<u8>,
    undone: Undone,
    rows: Rows,
}

/// Whether a short text surely holds nothing, if it is all there is: without control characters, line ends and escapes, whatever
/// begins in it begins in it as it stands.
pub(super) fn is_clear(rules: &Rules, text: &[u8]) -> bool {
    let is_odd = |byte: &u8| *byte < b' ' || matches!(byte, 0x7f | b'%' | b'\\');
    if text.len() > SHORT || rules.sieve().is_useless() || text.iter().any(is_odd) {
        return false;
    }
    // Behind it is nothing, which ends whatever an end of a line does.
    let mut padded = [b'\n'; SHORT + sieve::SEEN];
    let Some(all) = padded.get_mut(..text.len() + sieve::SEEN) else {
        return false;
    };
    all.iter_mut().zip(text).for_each(|(to, byte)| *to = *byte);
    let (mut rows, look) = (Rows::default(), Look::new(rules, all, None));
    rows.read(all);
    rules.sieve().clear(&look, &rows, text.len(), &mut Vec::new()) == (text.len(), Begins::No)
}

impl Masker {
    /// Puts out so much of the input as surely begins nothing, where nothing is under way. How much.
    pub(super) fn plain(&mut self, bytes: &[u8], out: &mut Masked) -> usize {
        self.scratch.stop = 0;
        if self.rules.sieve().is_useless() {
            return 0;
        }
        let Some(mut first) = self.take_back(bytes.len()) else {
            return 0;
        };
        let mut passed = 0;
        if !first.is_empty() {
            let waited = first.len();
            let more = self.scratch.first.unwrap_or(BLOCKS.start).saturating_sub(waited);
            first.extend_from_slice(bytes.get(..more).unwrap_or(bytes));
            let clear = self.pass_plain(&first, bytes.get(more).copied(), out);
            first.iter().take(waited).skip(clear).for_each(|byte| self.take(*byte, out));
            passed = clear.saturating_sub(waited);
            if passed == 0 {
                return 0;
            }
        }
        passed += self.pass_plain(bytes.get(passed..).unwrap_or_default(), None, out);
        self.credit.earn(passed);
        passed
    }

    /// The same of a text with what follows it.
    fn pass_plain(&mut self, bytes: &[u8], follows: Option<u8>, out: &mut Masked) -> usize {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut shadow = std::mem::take(&mut scratch.shadow);
        let (mut begin, mut size, mut is_over) = (0, scratch.first.unwrap_or(BLOCKS.start), false);
        while !is_over {
            let block = bytes.get(begin..).unwrap_or_default();
            let after = block.get(size).copied().or(follows);
            let block = block.get(..size).unwrap_or(block);
            if block.len() <= REACH {
                break;
            }
            shadow.read(&self.screen, &self.raw, block, after);
            let is_whole = shadow.read == block.len();
            // A blank and a return may be a wrap, and the return may not have come.
            let is_open = !is_whole || matches!(after, None | Some(b'\r'));
            let text = shadow.text.strip_suffix(b" ").filter(|_| is_open).unwrap_or(&shadow.text);
            let (mut clear, is_begun) = self.clear((text, &shadow.rows), shadow.is_simple, &mut scratch);
            if !is_whole || after.is_none() {
                clear = clear.min(self.clear_of_slips(&shadow.text, clear, shadow.is_simple, &mut scratch));
            }
            let raw = shadow.cut(clear);
            if let Some(passed) = block.get(..raw).filter(|passed| !passed.is_empty()) {
                self.put(passed, out);
                self.absorb(passed, &shadow, clear);
            }
            is_over = is_begun || raw == 0 || !is_whole || block.len() < size;
            begin += raw;
            scratch.stop = if is_whole || is_begun { 0 } else { shadow.read + 1 - raw };
            // What is looked at in vain behind a secret is less than what passed before it.
            size = (begin / 2).clamp(BLOCKS.start, BLOCKS.end);
            if is_begun {
                scratch.first = Some((2 * begin).clamp(SHORTEST, BLOCKS.start));
            }
        }
        scratch.shadow = shadow;
        self.scratch = scratch;
        begin
    }

    /// How much of a text surely begins nothing, and whether something may begin behind it.
    fn clear(&self, (text, rows): (&[u8], &Rows), is_simple: bool, scratch: &mut Scratch) -> (usize, bool) {
        let Scratch { looks, joined, wraps, .. } = scratch;
        let begin = self.text.len().saturating_sub(Form::LONGEST);
        let behind = self.text.get(begin..).unwrap_or_default();
        let befores = [self.before(begin), self.cursor.before];
        let first = Reading { rules: &self.rules, text, rows, behind, befores };
        let (mut clear, mut is_begun) = first.clear(usize::MAX, looks);
        wraps.clear();
        let ahead = text.get(..clear + AHEAD).unwrap_or(text);
        self.screen.wraps_in((ahead, rows), is_simple, wraps);
        for (index, wrap) in wraps.iter().enumerate() {
            let above = text.get(..wrap.start).unwrap_or_default();
            let begin = memchr::memrchr(b'\n', above).map_or(0, |end| end + 1);
            if begin >= clear {
                break;
            }
            let (joined, rows) = &mut *joined;
            join(text, begin, wraps.get(index..).unwrap_or_default(), joined);
            rows.read(joined);
            let first = Reading { text: joined, rows, ..first };
            let line = wrap.start - begin;
            let look = match begin.checked_sub(1).and_then(|before| text.get(before)).copied() {
                Some(end) => Reading { behind: &[], befores: [Some(end); 2], ..first },
                None => first,
            };
            let (place, _) = look.clear(line, looks);
            if begin + place < clear.min(wrap.start) {
                (clear, is_begun) = (begin + place, true);
            } else if wrap.end < clear && look.may_begin_anew(line) {
                // Behind a break anything may begin, whatever stands before it.
                (clear, is_begun) = (wrap.end, true);
            }
            // What begins in a break, or right behind it, goes on with the line before it.
            if wrap.start < clear && clear <= wrap.end {
                clear = wrap.start;
            }
        }
        (clear, is_begun)
    }

    /// How much begins nothing even if the last character of a text is a slip of the keys, and is taken back. So much is clear
    /// without that.
    fn clear_of_slips(&self, text: &[u8], clear: usize, is_simple: bool, scratch: &mut Scratch) -> usize {
        let Some((_, text)) = text.split_last().filter(|(last, _)| last.is_ascii_graphic()) else {
            return clear;
        };
        let begin = text.len().saturating_sub(SLIP);
        if clear <= begin {
            return clear;
        }
        let mut rows = std::mem::take(&mut scratch.joined.1);
        let (before, last) = text.split_at_checked(begin).unwrap_or_default();
        let (before_all, behind) = before.split_at_checked(begin.saturating_sub(Form::LONGEST)).unwrap_or_default();
        let is_unbroken = scratch.wraps.last().is_none_or(|wrap| wrap.end <= before_all.len());
        let of_slips = if is_unbroken && !before_all.is_empty() {
            rows.read(last);
            let befores = [before_all.last().copied(), before.last().copied()];
            let look = Reading { rules: &self.rules, text: last, rows: &rows, behind, befores };
            begin + look.clear(usize::MAX, &mut scratch.looks).0
        } else {
            rows.read(text);
            self.clear((text, &rows), is_simple, scratch).0
        };
        scratch.joined.1 = rows;
        of_slips
    }
}

/// A text, as it is and with its escapes undone.
#[derive(Clone, Copy)]
struct Reading<'a> {
    rules: &'a Rules,
    text: &'a [u8],
    rows: &'a Rows,
    /// What stands before it, as much as an escape may have there.
    behind: &'a [u8],
    /// What stands before that, and before the text itself.
    befores: [Option<u8>; 2],
}

impl Reading<'_> {
    /// How much of it, up to an end, surely begins nothing, and whether something may begin behind it.
    fn clear(&self, end: usize, looks: &mut Looks) -> (usize, bool) {
        let Looks { folded, whole, undone, rows } = looks;
        let [before_all, before] = self.befores;
        let look = Look::new(self.rules, self.text, before);
        let (mut clear, begins) = self.rules.sieve().clear(&look, self.rows, end, folded);
        let far = look.far.into_inner();
        // What is not known for lack of text may be known with more, unless nothing was gained.
        let mut is_begun = begins == Begins::Yes || begins == Begins::More && clear == 0;
        for form in Form::ALL {
            let is_one = |text: &[u8]| form.undo(text).is_some();
            let is_any = self.rows.signs(form.mark()).any(|at| self.text.get(at..).is_some_and(is_one));
            if clear == 0 || !is_any && !self.behind.contains(&form.mark()) {
                continue;
            }
            whole.clear();
            whole.extend_from_slice(self.behind);
            whole.extend_from_slice(self.text);
            let marks = self.rows.signs(form.mark()).map(|at| self.behind.len() + at);
            undone.read(form, whole, memchr::memchr_iter(form.mark(), self.behind).chain(marks));
            let (behind, mut until) = (self.behind.len(), self.behind.len() + clear);
            let look = Look::undone(self.rules, &undone.text, before_all);
            let far = far.iter().map(|place| undone.place(behind + place));
            let (place, begins) = undone_clear(&look, undone, (far, undone.place(until)), rows, folded);
            let place = undone.raw(place);
            if place < until {
                until = place;
                (clear, is_begun) = (until.saturating_sub(behind), begins == Begins::Yes || until <= behind);
            }
            let odd = undone.odd.iter().skip_while(|place| **place < behind).take_while(|place| **place < until);
            if let Some((place, is_known)) = odd.copied().find_map(|place| self.odd(place, form, whole)) {
                (clear, is_begun) = (place - behind, is_known || place == behind);
            }
        }
        (clear, is_begun)
    }

    /// Whether something begins at a place inside an escape or right behind one, and whether that is known.
    fn odd(&self, place: usize, form: Form, whole: &[u8]) -> Option<(usize, bool)> {
        let (before, ahead) = whole.split_at_checked(place)?;
        let mut behind = [0; 3];
        behind.iter_mut().rev().zip(before.iter().rev()).for_each(|(to, byte)| *to = *byte);
        let text = ahead.get(..HOLD).unwrap_or(ahead);
        let place_of = Place { before: before.last().copied(), so_far: &[], text, is_closed: false };
        match (Spot { place: place_of, behind, wrap: None }).undone(form, self.rules) {
            Verdict::Nothing => None,
            Verdict::More => Some((place, text.len() == HOLD)),
            Verdict::Found(..) => Some((place, true)),
        }
    }

    /// Whether something may begin at a place if nothing is before it.
    fn may_begin_anew(&self, place: usize) -> bool {
        let text = self.text.get(place..).unwrap_or_default();
        let spot =
            Spot { place: Place { before: None, so_far: &[], text, is_closed: false }, behind: [0; 3], wrap: None };
        Sieve::may_begin(self.rules, text)
            || Form::ALL.iter().any(|form| !matches!(spot.undone(*form, self.rules), Verdict::Nothing))
    }
}

/// How much of a text with its escapes undone surely begins nothing, up to an end, where the text as it came begins nothing: only
/// what an escape changes is looked at, and what was known from afar.
fn undone_clear(
    look: &Look<'_>,
    undone: &Undone,
    (far, end): (impl Iterator<Item = usize>, usize),
    rows: &mut Rows,
    folded: &mut Vec<u8>,
) -> (usize, Begins) {
    let mut first = (end, Begins::No);
    let around = |place: &usize| (place.saturating_sub(sieve::BEFORE), place + sieve::BEHIND);
    let mut changed = undone.changed.iter().map(around).peekable();
    while let Some((from, mut until)) = changed.next().filter(|(from, _)| *from < end) {
        while let Some((_, next)) = changed.next_if(|(from, _)| *from <= until) {
            until = next;
        }
        let (part, length) = (look.from(from), until.min(end) - from);
        rows.read(part.text.get(..length + sieve::SEEN).unwrap_or(part.text));
        let (clear, begins) = look.rules.sieve().clear(&part, rows, length, folded);
        if clear < length {
            first = (from + clear, begins);
            break;
        }
    }
    for place in far {
        let begins = if place < first.0 { look.at(place) } else { Begins::No };
        first = if begins == Begins::No { first } else { (place, begins) };
    }
    first
}

/// The text from a place on without these breaks, so far as it is needed.
fn join(text: &[u8], begin: usize, wraps: &[Range<usize>], joined: &mut Vec<u8>) {
    joined.clear();
    let mut from = begin;
    let most = wraps.first().map_or(0, |wrap| wrap.start.saturating_sub(begin)) + AHEAD;
    for wrap in wraps {
        joined.extend_from_slice(text.get(from..wrap.start).unwrap_or_default());
        from = wrap.end;
        if joined.len() > most {
            return;
        }
    }
    joined.extend_from_slice(text.get(from..(from + AHEAD).min(text.len())).unwrap_or_default());
}

/// Text is looked at in blocks: a short one first, since something may begin soon again.
const BLOCKS: Range<usize> = 3072..8192;

/// So much is looked at at least.
const SHORTEST: usize = 256;

/// So much behind a break is read joined to what stands before it.
const AHEAD: usize = 512;

/// A longer text is looked at like any other.
const SHORT: usize = 256;
