//! Where in a text runs of characters and groups of digits begin that a rule may begin with: of four rows at once.

use std::ops::{BitAnd, BitOr, Not};

use fearless_simd::prelude::*;
use fearless_simd::u64x4;

use super::lanes::{FOUR, Four, Lanes};
use super::numbers::Numbers;

/// Where something may begin, a bit for each of 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beginnings {
    /// Long runs of base64 or of hexadecimal digits.
    pub(super) encoded: u64,
    /// Tokens, and words that may be mended.
    pub(super) head: u64,
    pub(super) number: u64,
    /// Two letters and two digits, and as much behind them as an account has.
    pub(super) country: u64,
    /// Plus signs before a digit.
    pub(super) plus: u64,
    /// Brackets before three digits.
    pub(super) bracket: u64,
}

impl Beginnings {
    /// Of four rows, between those before them and those behind; none where nothing may begin.
    #[inline(always)]
    pub(super) fn of<S: Simd>(
        simd: S,
        [before, here, next]: [&Lanes; 3],
        numbers: &Numbers,
    ) -> Option<[Beginnings; FOUR]> {
        // Closures would not be compiled for the processor.
        macro_rules! strip {
            ($lane:ident) => {
                Strip::new(simd, &here.$lane, &next.$lane)
            };
        }
        macro_rules! behind {
            ($lane:ident) => {
                behind(simd, &before.$lane, &here.$lane)
            };
        }
        let nothing = u64x4::splat(simd, 0);
        let (digit, word) = (strip!(digit), strip!(word));
        let no_word = !behind!(word);
        let (mut encoded, mut head) = (nothing, nothing);
        let long = strip!(dotted).sixteen();
        if is_any(long) {
            let base64 = strip!(base64).sixteen() & !behind!(base64);
            let hex = strip!(hex).sixteen() & !behind!(hex);
            (encoded, head) = (base64 | hex, long & no_word);
        }
        // Whatever is a number begins with three digits.
        let (second, third) = (digit.ahead(1), digit.ahead(2));
        let two = second.here & third.here;
        let three = digit.here & two & !behind!(digit) & no_word;
        let mut number = nothing;
        if is_any(three) {
            number = three & numbers.places(simd, here, next);
        }
        let letter = word & !digit;
        let two_of_each = letter.here & letter.ahead(1).here & third.here & digit.ahead(3).here & no_word;
        let mut country = nothing;
        if is_any(two_of_each) {
            country = two_of_each & (word | strip!(between)).sixteen();
        }
        let plus = u64x4::from_slice(simd, &here.plus) & second.here;
        let bracket = u64x4::from_slice(simd, &here.open) & two & digit.ahead(3).here;
        if !is_any(encoded | head | number | country | plus | bracket) {
            return None;
        }
        let mut rows = [Self::default(); FOUR];
        macro_rules! set {
            ($($lane:ident)*) => {
                $(rows.iter_mut().zip($lane.to_array()).for_each(|(row, bits)| row.$lane = bits);)*
            };
        }
        set!(encoded head number country plus bracket);
        Some(rows)
    }
}

/// Four characters of a token behind which a line ends, while something goes on that may be mended: the first of them.
#[inline(always)]
pub(super) fn before_breaks<S: Simd>(simd: S, here: &Lanes, next: &Lanes) -> Four {
    let (token, end) = (Strip::new(simd, &here.token, &next.token), Strip::new(simd, &here.end, &next.end));
    let again = Strip::new(simd, &here.again, &next.again);
    let two = token & token.ahead(1);
    let line = end & (token | again).ahead(1);
    let broken = two & two.ahead(2) & (line | again & line.ahead(1)).ahead(BROKEN as u32);
    broken.here.to_array()
}

/// So much of a token stands before a break at least.
pub(super) const BROKEN: usize = 4;

/// A bit for each byte of four rows, and of those behind them.
#[derive(Clone, Copy)]
pub(super) struct Strip<S: Simd> {
    pub(super) here: u64x4<S>,
    /// Of each row, the one behind it.
    next: u64x4<S>,
}

impl<S: Simd> Strip<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, here: &Four, next: &Four) -> Self {
        let ([_, second, third, fourth], [behind, ..]) = (here, next);
        let next = [*second, *third, *fourth, *behind];
        Self { here: u64x4::from_slice(simd, here), next: u64x4::from_slice(simd, &next) }
    }

    /// What stands so many bytes ahead; more than 64 ahead is nothing.
    #[inline(always)]
    pub(super) fn ahead(self, far: u32) -> Self {
        Self { here: self.here >> far | self.next << (64 - far), next: self.next >> far }
    }

    /// Where so many follow each other.
    #[inline(always)]
    fn sixteen(self) -> u64x4<S> {
        let two = self & self.ahead(1);
        let four = two & two.ahead(2);
        let eight = four & four.ahead(4);
        (eight & eight.ahead(8)).here
    }
}

impl<S: Simd> BitAnd for Strip<S> {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self { here: self.here & other.here, next: self.next & other.next }
    }
}

impl<S: Simd> BitOr for Strip<S> {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self { here: self.here | other.here, next: self.next | other.next }
    }
}

impl<S: Simd> Not for Strip<S> {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self { here: !self.here, next: !self.next }
    }
}

/// What stands one byte before.
#[inline(always)]
fn behind<S: Simd>(simd: S, before: &Four, here: &Four) -> u64x4<S> {
    let ([.., last], [first, second, third, _]) = (before, here);
    u64x4::from_slice(simd, here) << 1 | u64x4::from_slice(simd, &[*last, *first, *second, *third]) >> 63
}

#[inline(always)]
fn is_any<S: Simd>(bits: u64x4<S>) -> bool {
    !bits.simd_eq(0).all_true()
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[test]
    fn what_stands_ahead_and_behind_is_seen_over_the_rows() {
        let (before, here, next) = ([0, 0, 0, 1 << 63], [1 << 63, 0b11, 1 << 63, 0], [0b101, 1, 0, 0]);
        for level in [Level::new(), Level::baseline()] {
            dispatch!(level, simd => {
                let strip = Strip::new(simd, &here, &next);
                assert_eq!(strip.ahead(1).here.to_array(), [1 << 62 | 1 << 63, 1, 1 << 62, 1 << 63]);
                assert_eq!(strip.ahead(3).here.to_array(), [1 << 60 | 0b11 << 61, 0, 1 << 60, 1 << 61 | 1 << 63]);
                assert_eq!(behind(simd, &before, &here).to_array(), [1, 0b111, 0, 1]);
            });
        }
    }

    #[test]
    fn sixteen_in_a_row_are_found_where_they_begin() {
        for level in [Level::new(), Level::baseline()] {
            dispatch!(level, simd => {
                let strip = Strip::new(simd, &[u64::MAX << 60, 0xfff, 0xffff << 3, 0xffff << 49], &[0; FOUR]);
                assert_eq!(strip.sixteen().to_array(), [1 << 60, 0, 1 << 3, 0]);
            });
        }
    }
}
