//! Whether a place stands in text or in binary data, by the bytes before it in its line.
//!
//! For shapes that random bytes take now and then. A byte or two that is no text, a NUL or the signs of escapes do not make
//! text binary: whoever puts them before a secret would have it shown.

use std::ops::Range;

use super::Masker;
use super::rule::Rule;

impl Masker {
    /// How many cells pass if what a rule found from a cell on is how random bytes look now and then.
    pub(super) fn by_chance(&self, rule: &Rule, at: usize, hidden: &Range<usize>) -> Option<usize> {
        if rule.is_chance() {
            return Some(hidden.end).filter(|_| !self.is_amid_text(at..at + hidden.end));
        }
        // In what was taken for a value something else may begin.
        let is_binary = self.is_binary(at, at + hidden.start..at + hidden.end);
        is_binary.then_some(hidden.start.max(1))
    }

    /// Whether cells are no text, and they and what stands before the first of them are of no other encoding either.
    fn is_binary(&self, at: usize, value: Range<usize>) -> bool {
        let place = |at: usize| self.cells.get(at).map_or(self.raw.len(), |cell| cell.raw);
        let (begin, last) = (place(value.start), place(value.end.saturating_sub(1)));
        let hidden = self.raw.get(begin..last).unwrap_or_default();
        let is_broken = || std::str::from_utf8(hidden).is_err_and(|error| error.error_len().is_some());
        // A setting among the data of a program ends where its string does.
        let plain = hidden.iter().take_while(|byte| byte.is_ascii_graphic()).count();
        if plain >= HARDLY || !has_control(hidden) && !is_broken() {
            return false;
        }
        // Letters of other encodings are no UTF-8, but nobody writes control characters among them.
        let all = self.raw.get(place(at).saturating_sub(AROUND)..last).unwrap_or_default();
        !is_text(all) && has_control(all)
    }

    /// Whether what stands before cells reads as text, and they are no string of a program: a NUL before, a NUL behind.
    fn is_amid_text(&self, cells: Range<usize>) -> bool {
        let begin = self.cells.get(cells.start).map_or(self.raw.len(), |cell| cell.raw);
        let before = self.raw.get(begin.saturating_sub(AROUND)..begin).unwrap_or_default();
        let last = cells.end.checked_sub(1).and_then(|last| self.cells.get(last));
        let behind = last.and_then(|last| self.raw.get(last.raw + 1));
        is_typed(before) && !(before.last() == Some(&0) && behind == Some(&0))
    }
}

fn has_control(bytes: &[u8]) -> bool {
    let is_used = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x1b | 0x80..);
    !bytes.iter().all(is_used)
}

/// Whether what stands before a place, of its line, reads as text.
pub(super) fn is_text(before: &[u8]) -> bool {
    let line = match memchr::memrchr(b'\n', before) {
        Some(end) => end + 1,
        // A character that began before it.
        None if before.len() >= AROUND => before.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count(),
        None => 0,
    };
    let line = before.get(line..).unwrap_or_default();
    // Of random bytes mostly two next to each other tell: in arrays, all are told at once.
    let (mut bytes, mut nexts) = ([b' '; AROUND], [b' '; AROUND]);
    bytes.iter_mut().zip(line).for_each(|(to, byte)| *to = *byte);
    nexts.iter_mut().zip(line.iter().skip(1)).for_each(|(to, byte)| *to = *byte);
    let strange: u8 = bytes.iter().zip(&nexts).map(|(byte, next)| strange(*byte, *next)).sum();
    if is_too_much(usize::from(strange), line.len()) {
        return false;
    }
    let (mut all, mut other) = (0, 0);
    for chunk in line.utf8_chunks() {
        all += chunk.invalid().len();
        other += chunk.invalid().len();
        for character in chunk.valid().chars().filter(|character| *character != '\0') {
            all += 1;
            other += usize::from(character.is_control() && !"\t\r\x07\x08\x1b".contains(character));
        }
    }
    !is_too_much(other, all)
}

/// The same, but of a line that has hardly begun those before it tell, if they are clear enough.
pub(super) fn is_typed(before: &[u8]) -> bool {
    is_text(before) && !is_noise(before)
}

/// Whether a step back behind so much steps back: where text is typed, and not in a table of names, each of which has a byte for
/// its kind and one for its length.
pub(super) fn is_edited(before: &[u8]) -> bool {
    let is_kind = |byte: &u8| matches!(byte, 0x00..=0x06 | 0x0e..=0x1a | 0x1c..=0x1f);
    let is_name = |pair: &[u8]| matches!(pair, [kind, 0x08] if is_kind(kind));
    is_typed(before) && !(before.last().is_some_and(is_kind) && before.windows(2).any(is_name))
}

/// Whether the last few bytes of a line and what stands before it are of no text at all.
pub(super) fn is_noise(before: &[u8]) -> bool {
    let Some(end) = memchr::memrchr2(b'\n', b'\r', before).filter(|end| before.len() - end <= HARDLY) else {
        return false;
    };
    let lines = before.get(..end).unwrap_or_default();
    let broken: usize = lines.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    has_control(lines) && broken >= HARDLY
}

/// How many of two bytes surely are of no text, the first one or the second one if it cannot stand behind the first.
fn strange(byte: u8, next: u8) -> u8 {
    // Without branches, so that many are told at once.
    let is_more = next & 0xc0 == 0x80;
    let is_used = (byte == 0)
        | (byte == b'\t')
        | (byte == b'\r')
        | (byte == b'\n')
        | (byte == 0x1b)
        | (byte == 0x07)
        | (byte == 0x08);
    let is_control = (byte == 0x7f) | (byte < b' ') & !is_used;
    let is_none = (byte >= 0xf8) | (byte >= 0xc0) & !is_more;
    u8::from(is_control | is_none) + u8::from((byte < 0x80) & is_more)
}

fn is_too_much(other: usize, all: usize) -> bool {
    other >= 2 && other * 5 > all
}

/// So much of a line, or of a value, says little.
const HARDLY: usize = 6;

/// So much is looked at.
pub(super) const AROUND: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_strange_byte_is_text_and_random_bytes_are_not() {
        for text in [
            &b""[..],
            b"To: ",
            b"EMAIL=1\0B=",
            b"\x1b[1;32m",
            b"M\xfcller ",
            "ü é ".as_bytes(),
            b"\xff\xfe\x01\x02\nto ",
        ] {
            assert!(is_text(text), "{text:?}");
        }
        assert!(!is_text(b"\x93\x01\xfe Q\x05\xc1\x88z"));
        assert!(!is_text(b"\x05\x16"));
        assert!(!is_text(b"\n\x9b\x14"));
        assert!(!is_text(b"\x98\x91"));
    }
}
