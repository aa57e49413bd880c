//! Of 64 bytes at once which are digits, letters and signs: one bit each, so that runs and groups are found by shifts.
//!
//! Knows no rules.

use wide::u8x16;

/// A bit for each of 64 bytes, the first one lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lanes {
    pub(super) digit: u64,
    pub(super) upper: u64,
    pub(super) hex: u64,
    /// Letters, digits, `_`.
    pub(super) word: u64,
    /// Those, `+`, `/`, `-`.
    pub(super) base64: u64,
    /// Those, `.`.
    pub(super) dotted: u64,
    /// Those, `=` and `:`.
    pub(super) token: u64,
    /// A blank, a hyphen or a dot.
    pub(super) between: u64,
    pub(super) plus: u64,
    pub(super) open: u64,
}

impl Lanes {
    /// Of fewer bytes the rest counts as none of them.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if let Some(whole) = bytes.first_chunk() {
            return lanes(whole);
        }
        let mut padded = [0; 64];
        padded.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        lanes(&padded)
    }

    #[inline(always)]
    fn add(&mut self, bytes: u8x16, shift: u32) {
        let folded = bytes | u8x16::splat(0x20);
        let (digit, letter) = (among(bytes, b'0', 10), among(folded, b'a', 26));
        let word = digit | letter | is(bytes, b'_');
        let (plus, hyphen) = (is(bytes, b'+'), is(bytes, b'-'));
        let bits = |lane: u8x16| u64::from(lane.to_bitmask()) << shift;
        self.digit |= bits(digit);
        self.upper |= bits(among(bytes, b'A', 26));
        self.hex |= bits(digit | among(folded, b'a', 6));
        self.word |= bits(word);
        let (base64, dot) = (word | plus | hyphen | is(bytes, b'/'), is(bytes, b'.'));
        self.base64 |= bits(base64);
        self.dotted |= bits(base64 | dot);
        self.token |= bits(base64 | dot | is(bytes, b'=') | is(bytes, b':'));
        self.between |= bits(hyphen | is(bytes, b' ') | dot);
        self.plus |= bits(plus);
        self.open |= bits(is(bytes, b'('));
    }
}

/// Which of up to 64 bytes are control characters, but for ends of lines and tabs, and which end lines.
pub(super) fn controls(bytes: &[u8]) -> (u64, u64) {
    let of = |bytes: &[u8; 64]| {
        let (quarters, _) = bytes.as_chunks::<16>();
        quarters.iter().zip([0, 16, 32, 48]).fold((0, 0), |(controls, ends), (quarter, shift)| {
            let bytes = u8x16::new(*quarter);
            let end = is(bytes, b'\n');
            let control = among(bytes, 0, 32) & !(end | is(bytes, b'\t')) | is(bytes, 0x7f);
            let bits = |lane: u8x16| u64::from(lane.to_bitmask()) << shift;
            (controls | bits(control), ends | bits(end))
        })
    };
    if let Some(whole) = bytes.first_chunk() {
        return of(whole);
    }
    let mut padded = [b' '; 64];
    padded.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
    of(&padded)
}

/// Whether at each of the first 64 places so many bits follow each other, for powers of two.
pub(super) fn row(bits: u128, most: u32) -> u128 {
    let (mut row, mut length) = (bits, 1);
    while length < most {
        row &= row >> length;
        length *= 2;
    }
    row
}

fn lanes(bytes: &[u8; 64]) -> Lanes {
    let mut lanes = Lanes::default();
    let (quarters, _) = bytes.as_chunks::<16>();
    for (quarter, shift) in quarters.iter().zip([0, 16, 32, 48]) {
        lanes.add(u8x16::new(*quarter), shift);
    }
    lanes
}

#[inline(always)]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// Among so many from the first on.
#[inline(always)]
fn among(bytes: u8x16, first: u8, count: u8) -> u8x16 {
    let from = bytes - u8x16::splat(first);
    from.min(u8x16::splat(count - 1)).simd_eq(from)
}

/// The same without vectors.
#[cfg(test)]
fn looked_up(bytes: &[u8; 64]) -> Lanes {
    let bits = |is: fn(&u8) -> bool| {
        bytes.iter().enumerate().fold(0, |bits, (place, byte)| bits | u64::from(is(byte)) << place)
    };
    Lanes {
        digit: bits(u8::is_ascii_digit),
        upper: bits(u8::is_ascii_uppercase),
        hex: bits(u8::is_ascii_hexdigit),
        word: bits(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
        base64: bits(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'-')),
        dotted: bits(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'-' | b'.')),
        token: bits(|byte| byte.is_ascii_alphanumeric() || b"_+/-.=:".contains(byte)),
        between: bits(|byte| matches!(byte, b' ' | b'-' | b'.')),
        plus: bits(|byte| *byte == b'+'),
        open: bits(|byte| *byte == b'('),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_a_look_at_each_byte_say_the_same_of_every_byte() {
        for begin in [0_u8, 64, 128, 192] {
            let bytes: Vec<u8> = (begin..=begin + 63).collect();
            assert_eq!(Lanes::of(&bytes), looked_up(bytes.first_chunk().unwrap()));
        }
    }

    #[test]
    fn control_characters_are_those_below_the_blank_but_two_and_the_last() {
        for begin in [0_u8, 64, 128, 192] {
            let bytes: Vec<u8> = (begin..=begin + 63).collect();
            let is = |byte: &u8| u64::from((*byte < b' ' && !b"\n\t".contains(byte)) || *byte == 0x7f);
            let bits =
                |is: &dyn Fn(&u8) -> u64| (0..).zip(&bytes).fold(0, |bits, (place, byte)| bits | is(byte) << place);
            assert_eq!(controls(&bytes), (bits(&is), bits(&|byte| u64::from(*byte == b'\n'))));
        }
        assert_eq!(controls(b"a\x01\n"), (2, 4));
    }

    #[test]
    fn of_a_short_text_the_rest_is_nothing() {
        assert_eq!(Lanes::of(b"7").digit, 1);
        assert_eq!(Lanes::of(b"7").word, 1);
    }

    #[test]
    fn a_row_is_found_at_each_place_where_it_begins() {
        assert_eq!(row(0b1_1111_0110, 4), 0b0_0011_0000);
    }
}
