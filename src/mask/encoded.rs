//! Text in base64 or hexadecimal, one level deep: where it begins, and what in it is to hide.
//!
//! It counts as such only if what it decodes to reads as text from its beginning: digests and pictures do not.

use std::collections::VecDeque;
use std::sync::Arc;

use super::class::Class;
use super::rule::Rules;
use super::{Masker, Width};

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Base64,
    Hex,
}

/// Whether such text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    No,
    More,
    Yes(Kind),
}

/// Which kind; made here only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(Codec);

/// Such text under way.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    codec: Codec,
    inner: Masker,
    /// Bits that make no byte yet, and how many.
    bits: (u32, u32),
    /// Characters that came.
    characters: usize,
    /// Characters whose fate is not known yet; none: a line break.
    waiting: VecDeque<Option<usize>>,
    /// For each byte from `first` on which rule hides it.
    marks: VecDeque<Option<Arc<str>>>,
    first: usize,
    /// Of the last bytes that it decodes to, a block of [`LOOK`], how many there are and how many are no text.
    strange: (usize, usize),
    is_over: bool,
}

/// Whether encoded text begins there.
pub(super) fn begins(before: Option<u8>, text: &[u8], is_closed: bool) -> Begins {
    // Digits alone behind an escape are a number.
    if before == Some(b'%') && text.get(2..LEAST).is_some_and(|text| text.iter().all(u8::is_ascii_digit)) {
        return Begins::No;
    }
    let answers = [Codec::Base64, Codec::Hex].map(|codec| codec.begins(before, text, is_closed));
    let [base64, hex] = answers;
    match (base64, hex) {
        (Begins::No, answer) | (answer @ (Begins::Yes(_) | Begins::More), _) => answer,
    }
}

/// Whether it may, as far as two bytes tell.
pub(super) fn may_begin(before: Option<u8>, first: u8, second: u8) -> bool {
    let begins = |codec: Codec| {
        before.is_none_or(|before| codec.value(before).is_none())
            && matches!((codec.value(first), codec.value(second)), (Some(first), Some(second)) if is_text(codec.byte(first, second)))
    };
    begins(Codec::Base64) || begins(Codec::Hex)
}

/// Whether the text ends with a line of base64 that a program broke there.
pub(super) fn is_full_line(text: &[u8]) -> bool {
    let length = text.iter().rev().take_while(|byte| Class::BASE64.has(**byte)).count();
    let before = text.len().checked_sub(length + 1).and_then(|before| text.get(before));
    (LEAST_LINE..=LONGEST_LINE).contains(&length) && before.is_none_or(|before| *before == b'\n')
}

/// Whether behind such a line's break base64 goes on, and after how many bytes; nothing where it cannot be known yet.
pub(super) fn goes_on(text: &[u8], is_closed: bool) -> Option<Option<usize>> {
    match text.first() {
        Some(b'\r' | b'\n') => Codec::Base64.goes_on(text, is_closed),
        _ => Some(None),
    }
}

/// Whether its beginning can be base64 that is no part of a URL, and no word.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let begin = text.get(..LEAST).unwrap_or_default();
    begin.len() == LEAST
        && begin.iter().all(|byte| Class::PLAIN_BASE64.has(*byte))
        && begin.iter().any(u8::is_ascii_uppercase)
        && begin.iter().any(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

impl Codec {
    fn value(self, byte: u8) -> Option<u32> {
        let values = match self {
            Self::Base64 => &BASE64,
            Self::Hex => &HEX,
        };
        values.get(usize::from(byte)).filter(|value| **value != NO_VALUE).map(|value| u32::from(*value))
    }

    fn width(self) -> u32 {
        match self {
            Self::Base64 => 6,
            Self::Hex => 4,
        }
    }

    /// The first byte of two characters.
    fn byte(self, first: u32, second: u32) -> u8 {
        let bits = first << self.width() | second;
        u8::try_from(bits >> (2 * self.width() - 8) & 0xff).unwrap_or(0)
    }

    fn begins(self, before: Option<u8>, text: &[u8], is_closed: bool) -> Begins {
        if before.is_some_and(|before| self.value(before).is_some()) {
            return Begins::No;
        }
        // Four characters at once: that many stand for whole bytes, in both.
        for four in text.get(..LEAST).unwrap_or(text).chunks(4) {
            let (mut bits, mut count) = (0, 0);
            for byte in four {
                let Some(value) = self.value(*byte) else {
                    return Begins::No;
                };
                (bits, count) = (bits << self.width() | value, count + self.width());
            }
            while count >= 8 {
                count -= 8;
                if !is_text(bits.wrapping_shr(count) as u8) {
                    return Begins::No;
                }
            }
        }
        match (text.len() >= LEAST, is_closed) {
            (true, _) => Begins::Yes(Kind(self)),
            (false, false) => Begins::More,
            (false, true) => Begins::No,
        }
    }

    /// Whether behind a line break a line of the same text follows, and after how many bytes.
    fn goes_on(self, text: &[u8], is_closed: bool) -> Option<Option<usize>> {
        let skip = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).take(2).count();
        let line = text.get(skip..).unwrap_or_default();
        let length = line.iter().take_while(|byte| self.value(**byte).is_some()).count();
        let padding = line.iter().skip(length).take_while(|byte| **byte == b'=').take(2).count();
        match line.get(length + padding) {
            _ if length > LONGEST_LINE => Some(None),
            None if !is_closed => None,
            None | Some(b'\r' | b'\n') if length > 0 => Some(Some(skip)),
            _ => Some(None),
        }
    }
}

impl Encoded {
    pub(super) fn new(Kind(codec): Kind, rules: &Arc<Rules>) -> Box<Self> {
        let inner = Masker::inner(rules.clone(), Width::Same);
        let (waiting, marks) = (VecDeque::new(), VecDeque::new());
        Box::new(Self {
            codec,
            inner,
            bits: (0, 0),
            characters: 0,
            waiting,
            marks,
            first: 0,
            strange: (0, 0),
            is_over: false,
        })
    }

    /// Takes what belongs to it from text that it has seen so much of already, and says of how many more bytes the fate
    /// is known, each with the rule that hides it.
    pub(super) fn read(&mut self, text: &[u8], is_closed: bool) -> Vec<Option<Arc<str>>> {
        let mut bytes = Vec::new();
        while !self.is_over {
            let rest = text.get(self.waiting.len()..).unwrap_or_default();
            let Some(byte) = rest.first() else {
                self.is_over = is_closed;
                break;
            };
            if let Some(value) = self.codec.value(*byte) {
                self.take(value, &mut bytes);
            } else if matches!(byte, b'\r' | b'\n') && self.characters >= LEAST_LINE {
                match self.codec.goes_on(rest, is_closed) {
                    Some(Some(skip)) => self.waiting.extend(std::iter::repeat_n(None, skip)),
                    Some(None) => self.is_over = true,
                    None => break,
                }
            } else {
                self.is_over = true;
            }
        }
        self.inner.feed(&bytes);
        if self.is_over {
            self.inner.flush();
        }
        self.marks.extend(self.inner.marks());
        self.decided()
    }

    fn take(&mut self, value: u32, bytes: &mut Vec<u8>) {
        let width = self.codec.width();
        let (bits, count) = (self.bits.0 << width | value, self.bits.1 + width);
        self.waiting.push_back(Some(self.characters));
        self.characters += 1;
        self.bits = (bits & 0xfff, count);
        if count >= 8 {
            self.bits.1 -= 8;
            let byte = u8::try_from(bits >> (count - 8) & 0xff).unwrap_or(0);
            bytes.push(byte);
            self.look_at(byte);
        }
    }

    /// What reads as text by chance, or goes on as a program or a picture, is not followed to its end: that text comes
    /// again shows at the beginning of a line. What fills up a block of an archive is as good as text.
    fn look_at(&mut self, byte: u8) {
        let (seen, strange) = self.strange;
        self.strange = (seen + 1, strange + usize::from(!is_text(byte) && byte != 0));
        if self.strange.0 == LOOK {
            self.is_over |= self.strange.1 > LOOK / 4;
            self.strange = (0, 0);
        }
    }

    fn decided(&mut self) -> Vec<Option<Arc<str>>> {
        let width = self.codec.width() as usize;
        let mut fates = Vec::new();
        while let Some(character) = self.waiting.front() {
            let Some(character) = character else {
                fates.push(None);
                self.waiting.pop_front();
                continue;
            };
            let (begin, end) = (character * width / 8, (character * width + width - 1) / 8);
            let known = self.first + self.marks.len();
            if end >= known && !self.is_over {
                break;
            }
            let mark = |byte: usize| byte.checked_sub(self.first).and_then(|byte| self.marks.get(byte)).cloned();
            fates.push((begin..=end).find_map(|byte| mark(byte).flatten()));
            self.waiting.pop_front();
            let done = begin.saturating_sub(self.first).min(self.marks.len());
            self.marks.drain(..done);
            self.first += done;
        }
        fates
    }

    /// Whether it has ended, and nothing waits.
    pub(super) fn is_done(&self) -> bool {
        self.is_over && self.waiting.is_empty()
    }
}

/// What each byte stands for in base64, also of the form for URLs.
const BASE64: [u8; 256] = values(&[
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 0),
    (b"abcdefghijklmnopqrstuvwxyz", 26),
    (b"0123456789", 52),
    (b"+/", 62),
    (b"-_", 62),
]);

/// The same in hexadecimal.
const HEX: [u8; 256] = values(&[(b"0123456789", 0), (b"abcdef", 10), (b"ABCDEF", 10)]);

/// What stands for nothing.
const NO_VALUE: u8 = u8::MAX;

const fn values(digits: &[(&[u8], u8)]) -> [u8; 256] {
    let mut values = [NO_VALUE; 256];
    let mut rest = digits;
    while let [(bytes, first), after @ ..] = rest {
        let (mut bytes, mut value) = (*bytes, *first);
        while let [byte, others @ ..] = bytes {
            if let Some((_, from)) = values.split_at_mut_checked(*byte as usize)
                && let [of, ..] = from
            {
                *of = value;
            }
            (bytes, value) = (others, value + 1);
        }
        rest = after;
    }
    values
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')
}

/// So many characters must decode to text.
const LEAST: usize = 16;

/// So many decoded bytes are looked at together: more than a quarter that are no text end it.
const LOOK: usize = 1024;

/// Programs break encoded text into lines of 60 to 76 characters; the first is full.
const LEAST_LINE: usize = 48;

/// No program writes longer ones.
const LONGEST_LINE: usize = 160;
