//! How much of the input passes at once, since it is plain text in which nothing begins.
//!
//! It is asked where nothing is under way, and knows nothing of what was before. Escapes end it; breaks that may be the
//! right margin's do not: there the text is read joined, too.

use std::ops::Range;

use super::screen::Screen;
use super::sieve::{self, Sieve};
use super::{Masker, line};

/// Kept from block to block.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    sieve: sieve::Scratch,
    joined: Vec<u8>,
    wraps: Vec<Range<usize>>,
}

impl Masker {
    /// How much of the input surely begins nothing, where nothing is under way.
    pub(super) fn plain(&mut self, bytes: &[u8]) -> usize {
        if !self.is_idle() || self.rules.sieve().is_useless() {
            return 0;
        }
        let (mut screen, mut scratch) = (self.screen.clone(), std::mem::take(&mut self.scratch));
        let (mut begin, mut size, mut is_over) = (0, BLOCKS.start, false);
        while !is_over {
            let block = bytes.get(begin..).unwrap_or_default();
            let after = block.get(size).copied();
            let block = block.get(..size).unwrap_or(block);
            let text = line::before_special(block, after);
            // A blank and a return may be a wrap, and the return may not have come.
            let is_open = text.len() < block.len() || matches!(after, None | Some(b'\r'));
            let text = text.strip_suffix(b" ").filter(|_| is_open).unwrap_or(text);
            let before = begin.checked_sub(1).and_then(|before| bytes.get(before)).copied().or(self.cursor.before);
            let (clear, is_begun) = self.clear(&screen, text, before, &mut scratch);
            screen.pass(text.get(..clear).unwrap_or_default());
            is_over = is_begun || clear == 0 || text.len() < size;
            (begin, size) = (begin + clear, (size * 2).min(BLOCKS.end));
        }
        self.scratch = scratch;
        begin
    }

    /// How much of a text surely begins nothing, and whether something may begin behind it.
    fn clear(&self, screen: &Screen, text: &[u8], before: Option<u8>, scratch: &mut Scratch) -> (usize, bool) {
        let Scratch { sieve: kept, joined, wraps } = scratch;
        let sieve = self.rules.sieve();
        let (mut clear, mut is_begun) = sieve.clear(&self.rules, (text, before), usize::MAX, kept);
        wraps.clear();
        screen.wraps_in(text, wraps);
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

/// Text is looked at in blocks: a short one first, since something may begin soon again.
const BLOCKS: Range<usize> = 256..4096;

/// So much behind a break is read joined to what stands before it.
const AHEAD: usize = 512;
