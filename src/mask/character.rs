//! How many columns a character takes (Unicode Standard Annex 11): those of East Asia two, combining marks none.
//!
//! Knows no rules. Whose width is looked up is told by a first byte, so that most text is asked nothing.

use unicode_width::UnicodeWidthChar;

/// The bytes of a character that have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Character {
    bytes: [u8; MOST],
    length: usize,
}

impl Character {
    /// Whether a byte may belong to what has come.
    pub(super) fn is_begun(&self) -> bool {
        self.length > 0
    }

    /// One byte more. By how much the character that it ends is wider than one column.
    pub(super) fn add(&mut self, byte: u8) -> isize {
        if !goes_on(byte) {
            *self = Self::default();
        }
        if self.length == 0 && !may_be_wide(byte) {
            return 0;
        }
        if let Some(to) = self.bytes.get_mut(self.length) {
            *to = byte;
            self.length += 1;
        }
        let [first, ..] = self.bytes;
        if self.length < length(first) {
            return 0;
        }
        wider(&std::mem::take(self).bytes)
    }
}

/// By how much the character that such bytes begin with is wider than one column.
#[inline]
pub(super) fn wider(text: &[u8]) -> isize {
    let Some((first, more)) = text.split_first() else {
        return 0;
    };
    let length = length(*first);
    let more = more.get(..length - 1).filter(|more| more.iter().all(|byte| goes_on(*byte)));
    // Not asked whether it is written as short as it can be: a terminal may show it or not.
    let number = more.map(|more| {
        more.iter().fold(u32::from(first & (0x7f >> length)), |number, byte| number << 6 | u32::from(byte & 0x3f))
    });
    let width = number.and_then(char::from_u32).and_then(UnicodeWidthChar::width);
    width.and_then(|width| isize::try_from(width).ok()).map_or(0, |width| width - 1)
}

/// Whether it is not the first byte of its character.
pub(super) fn goes_on(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Whether a character that begins so may take other than one column: the marks of Latin, and all from U+0800 on.
fn may_be_wide(first: u8) -> bool {
    matches!(first, 0xcc | 0xcd | 0xe0..)
}

/// How many bytes a character has (RFC 3629 §3).
fn length(first: u8) -> usize {
    match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0.. => 4,
        _ => 1,
    }
}

/// The most bytes of a character.
pub(super) const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_has_its_width_however_its_bytes_come() {
        for (text, expected) in [("a", 0), ("é", 0), ("語", 1), ("🔑", 1), ("\u{301}", -1), ("—", 0), ("я", 0)] {
            let mut character = Character::default();
            let each: Vec<isize> = text.bytes().map(|byte| character.add(byte)).collect();
            assert_eq!(each.iter().sum::<isize>(), expected, "{text}");
            assert_eq!(each.last(), Some(&expected), "{text}: at its last byte");
            assert_eq!((wider(text.as_bytes()), character.is_begun()), (expected, false), "{text}");
        }
    }

    #[test]
    fn what_is_no_character_has_no_width_of_its_own() {
        for bytes in
            [&b"\xe8\xaa"[..], b"\xe8a", b"\xff\xff", b"\xf8\x80\x80\x80", b"\xe0\x80\x80", b"\xaa\x9e", b"\xcc"]
        {
            let mut character = Character::default();
            assert_eq!(bytes.iter().map(|byte| character.add(*byte)).sum::<isize>(), 0, "{bytes:x?}");
            assert_eq!(wider(bytes), 0, "{bytes:x?}");
        }
        // What was begun and does not go on is forgotten.
        let mut character = Character::default();
        assert_eq!(b"\xe8\xaaa\x9e".iter().map(|byte| character.add(*byte)).sum::<isize>(), 0);
    }
}
