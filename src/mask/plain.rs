//! How much of the input passes at once, since it is plain text in which nothing begins.
//!
//! It is asked where nothing is under way, and knows nothing of what was before. What no reader sees is left out for the
//! look; whatever moves the cursor ends it. Breaks that may be the right margin's do not: there the text is read joined, too.

use std::ops::Range;

use super::shadow::Shadow;
use super::sieve::{self, Sieve};
use super::{Masked, Masker};

/// Kept from block to block.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    sieve: sieve::Scratch,
    shadow: Shadow,
    joined: Vec<u8>,
    wraps: Vec<Range<usize>>,
}

impl Masker {
    /// Puts out so much of the input as surely begins nothing, where nothing is under way. How much.
    pub(super) fn plain(&mut self, bytes: &[u8], out: &mut Masked) -> usize {
        if !self.is_idle() || self.rules.sieve().is_useless() {
            return 0;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut shadow = std::mem::take(&mut scratch.shadow);
        let (mut begin, mut size, mut is_over) = (0, BLOCKS.start, false);
        while !is_over {
            let block = bytes.get(begin..).unwrap_or_default();
            let after = block.get(size).copied();
            let block = block.get(..size).unwrap_or(block);
            shadow.read(&self.screen, &self.raw, block, after);
            let is_whole = shadow.read == block.len();
            // A blank and a return may be a wrap, and the return may not have come.
            let is_open = !is_whole || matches!(after, None | Some(b'\r'));
            let text = shadow.text.strip_suffix(b" ").filter(|_| is_open).unwrap_or(&shadow.text);
            let (clear, is_begun) = self.clear((text, shadow.is_simple), &mut scratch);
            let raw = shadow.raw(clear);
            if let Some(passed) = block.get(..raw).filter(|passed| !passed.is_empty()) {
                self.put(passed, out);
                self.absorb(passed, &shadow, clear);
            }
            is_over = is_begun || raw == 0 || !is_whole || block.len() < size;
            (begin, size) = (begin + raw, (size * 2).min(BLOCKS.end));
        }
        scratch.shadow = shadow;
        self.scratch = scratch;
        begin
    }

    /// How much of a text surely begins nothing, and whether something may begin behind it.
    fn clear(&self, (text, is_simple): (&[u8], bool), scratch: &mut Scratch) -> (usize, bool) {
        let Scratch { sieve: kept, joined, wraps, .. } = scratch;
        let (sieve, before) = (self.rules.sieve(), self.cursor.before);
        let escape = escape(text).map(|escape| escape.saturating_sub(NEAR));
        let (mut clear, mut is_begun) = sieve.clear(&self.rules, (text, before), escape.unwrap_or(usize::MAX), kept);
        is_begun |= Some(clear) == escape;
        wraps.clear();
        self.screen.wraps_in(text, is_simple, wraps);
        for (index, wrap) in wraps.iter().enumerate() {
            let above = text.get(..wrap.start).unwrap_or_default();
            let begin = memchr::memrchr(b'\n', above).map_or(0, |end| end + 1);
            if begin >= clear {
                break;
            }
            join(text, begin, wraps.get(index..).unwrap_or_default(), joined);
            let before = begin.checked_sub(1).and_then(|before| text.get(before)).copied().or(before);
            let line = wrap.start - begin;
            let (place, _) = sieve.clear(&self.rules, (joined, before), line, kept);
            if begin + place < clear.min(wrap.start) {
                (clear, is_begun) = (begin + place, true);
            } else if wrap.end < clear && Sieve::may_begin(&self.rules, joined.get(line..).unwrap_or_default()) {
                // Behind a break anything may begin, whatever stands before it.
                (clear, is_begun) = (wrap.end, true);
            }
            // What begins in a break begins before it.
            if wrap.contains(&clear) {
                clear = wrap.start;
            }
        }
        (clear, is_begun)
    }
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

/// Where the text has the first escape of a URL or of JSON, or what may become one.
fn escape(text: &[u8]) -> Option<usize> {
    memchr::memchr2_iter(b'%', b'\\', text).find(|at| match text.get(*at..).unwrap_or_default() {
        [b'%', first, rest @ ..] => {
            let second = rest.first().is_none_or(u8::is_ascii_hexdigit);
            first.is_ascii_hexdigit() && second
        }
        [b'\\', kind, ..] => b"nrt\"\\/u".contains(kind),
        _ => true,
    })
}

/// So near an escape must be to a place for what begins there to be read without it, and a little.
const NEAR: usize = 72;

/// Text is looked at in blocks: a short one first, since something may begin soon again.
const BLOCKS: Range<usize> = 256..4096;

/// So much behind a break is read joined to what stands before it.
const AHEAD: usize = 512;
