//! Of 64 bytes at once which are digits, letters and signs: one bit each, so that runs and groups are found by shifts.
//!
//! Knows no rules.

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, mask8x16, mask8x64, u8x16, u8x64};

use super::character;
use super::class::Class;
use super::screen::{Column, tab};

/// A bit for each of 64 bytes, the first one lowest: of one row, or of four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lanes<T = Four> {
    pub(super) digit: T,
    pub(super) hex: T,
    /// Letters, digits, `_`.
    pub(super) word: T,
    /// Those, `+`, `/`, `-`.
    pub(super) base64: T,
    /// Those, `.`.
    pub(super) dotted: T,
    /// Those, `=` and `:`.
    pub(super) token: T,
    /// A blank, a hyphen or a dot.
    pub(super) between: T,
    pub(super) plus: T,
    pub(super) open: T,
    /// Line feeds.
    pub(super) end: T,
    /// Returns.
    pub(super) again: T,
    pub(super) tab: T,
    /// What takes a column: a character's first byte.
    pub(super) column: T,
    /// The first byte of a character of three bytes or four, which may take more or less than one.
    wide: T,
    /// That of a mark of Latin, which takes none.
    mark: T,
    /// Of `SIGNS`.
    sign: T,
}

/// Rows that follow each other: as many as a vector holds.
pub(super) type Four = [u64; FOUR];

pub(super) const FOUR: usize = 4;

impl Lanes {
    /// Of what stands before a text, in the highest bit.
    pub(super) fn before(byte: Option<u8>) -> Self {
        let bit = |class: Class| [0, 0, 0, u64::from(byte.is_some_and(|byte| class.has(byte))) << 63];
        Self {
            digit: bit(Class::DIGIT),
            hex: bit(Class::HEX),
            word: bit(Class::WORD),
            base64: bit(Class::BASE64),
            ..Self::default()
        }
    }

    #[inline(always)]
    fn set(&mut self, place: usize, row: Lanes<u64>) {
        macro_rules! set {
            ($($lane:ident)*) => {
                $(self.$lane.get_mut(place).into_iter().for_each(|to| *to = row.$lane);)*
            };
        }
        set!(digit hex word base64 dotted token between plus open end again tab column wide mark sign);
    }
}

impl Lanes<u64> {
    /// What it finds, and the bytes folded: letters in lower case; some signs fall together.
    #[inline(always)]
    fn of<S: Simd>(simd: S, bytes: &[u8; 64], to: &mut [u8; 64], any: &mut mask8x64<S>) -> Self {
        let bytes = u8x64::from_slice(simd, bytes);
        // Closures would not be compiled for the processor.
        macro_rules! is {
            ($byte:literal) => {
                bytes.simd_eq($byte)
            };
        }
        let folded = bytes | 0x20;
        folded.store_slice(to);
        let (digit, letter) = (among(bytes, b'0', 10), among(folded, b'a', 26));
        let word = digit | letter | is!(b'_');
        let (plus, hyphen, dot) = (is!(b'+'), is!(b'-'), is!(b'.'));
        let base64 = word | plus | hyphen | is!(b'/');
        let dotted = base64 | dot;
        *any |= control_characters(bytes);
        Self {
            digit: digit.to_bitmask(),
            hex: (digit | among(folded, b'a', 6)).to_bitmask(),
            word: word.to_bitmask(),
            base64: base64.to_bitmask(),
            dotted: dotted.to_bitmask(),
            token: (dotted | is!(b'=') | is!(b':')).to_bitmask(),
            between: (hyphen | is!(b' ') | dot).to_bitmask(),
            plus: plus.to_bitmask(),
            open: is!(b'(').to_bitmask(),
            end: is!(b'\n').to_bitmask(),
            again: is!(b'\r').to_bitmask(),
            tab: is!(b'\t').to_bitmask(),
            column: (among(bytes, b' ', 0x80 - b' ') | among(bytes, 0xc0, 0x40)).to_bitmask(),
            wide: bytes.simd_ge(0xe0).to_bitmask(),
            mark: (bytes & 0xfe).simd_eq(0xcc).to_bitmask(),
            sign: (is!(b'%') | is!(b'\\') | is!(b'$') | is!(b'~') | is!(b'@')).to_bitmask(),
        }
    }
}

/// Of each 64 bytes of a text. Kept from text to text.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Four more than the text has: behind it is nothing.
    rows: Vec<Lanes>,
    folded: Vec<u8>,
    /// Where each of the signs stands.
    signs: [Vec<usize>; SIGNS.len()],
    /// Control characters, but for line feeds and tabs.
    pub(super) has_control: bool,
    has_tab: bool,
}

impl Rows {
    pub(super) fn read(&mut self, text: &[u8]) {
        dispatch!(Level::new(), simd => self.read_by(simd, text));
    }

    #[inline(always)]
    fn read_by<S: Simd>(&mut self, simd: S, text: &[u8]) {
        let (whole, rest) = text.as_chunks::<{ 64 * FOUR }>();
        self.rows.resize(whole.len() + 2, Lanes::default());
        self.folded.resize(64 * FOUR * (whole.len() + 1), 0);
        let mut any = mask8x64::splat(simd, false);
        // Into rows that are there already: with a branch for one more, the compiler takes the vectors apart byte by byte.
        for ((lanes, bytes), folded) in
            self.rows.iter_mut().zip(whole).zip(self.folded.as_chunks_mut::<{ 64 * FOUR }>().0)
        {
            let rows = bytes.as_chunks::<64>().0.iter().zip(folded.as_chunks_mut::<64>().0);
            for (place, (bytes, folded)) in rows.enumerate() {
                lanes.set(place, Lanes::of(simd, bytes, folded, &mut any));
            }
        }
        let (mut last, from) = (Lanes::default(), 64 * FOUR * whole.len());
        let folded = self.folded.get_mut(from..).unwrap_or_default().as_chunks_mut::<64>().0;
        for ((place, bytes), folded) in rest.chunks(64).enumerate().zip(folded) {
            // Blanks tell nothing of a text.
            let mut padded = [b' '; 64];
            padded.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
            let mut row = Lanes::of(simd, &padded, folded, &mut any);
            row.between &= u64::MAX >> (64 - bytes.len());
            row.column &= u64::MAX >> (64 - bytes.len());
            last.set(place, row);
        }
        let behind = self.rows.iter_mut().skip(whole.len()).zip([last, Lanes::default()]);
        behind.for_each(|(row, lanes)| *row = lanes);
        self.has_control = any.any_true();
        self.has_tab = self.rows.iter().any(|lanes| lanes.tab != [0; FOUR]);
        self.signs.iter_mut().for_each(Vec::clear);
        for (row, begin) in self.rows.iter().flat_map(|lanes| lanes.sign).zip((0..).step_by(64)) {
            for at in Bits(row).map(|bit| begin + bit) {
                let places = text.get(at).and_then(|sign| self.signs.get_mut(index_of(*sign)));
                places.into_iter().for_each(|places| places.push(at));
            }
        }
    }

    /// So much of the text in lower case.
    pub(super) fn folded(&self, length: usize) -> &[u8] {
        self.folded.get(..length).unwrap_or(&self.folded)
    }

    /// Where such a sign stands, one of `SIGNS`.
    pub(super) fn signs(&self, sign: u8) -> impl Iterator<Item = usize> {
        self.signs.get(index_of(sign)).into_iter().flatten().copied()
    }

    /// Four rows each, with those behind them.
    pub(super) fn pairs(&self) -> impl Iterator<Item = [&Lanes; 2]> {
        self.rows.iter().zip(self.rows.iter().skip(1)).map(|(here, next)| [here, next])
    }

    /// Whether a line surely ends before a column, whatever is in it: no character takes more columns than bytes, but for tabs.
    #[inline(always)]
    pub(super) fn is_short(&self, line: Range<usize>, from: Column, column: usize) -> bool {
        from.counted.max(from.shown) + line.len() < column
            && (!self.has_tab || self.last(|lanes| &lanes.tab, line.start, line.end).is_none())
    }

    /// In which column a line of the text is at its end, from a column on. Where only some are asked for, the least one first,
    /// any other may be told wrongly, but never as one of them.
    pub(super) fn column(&self, text: &[u8], line: Range<usize>, from: Column, asked: Option<&[usize]>) -> Column {
        // Mostly a byte is a column.
        let is_plain = |(index, mask)| self.row(index, |lanes| &lanes.column) & mask == mask;
        if parts(&line).all(is_plain) {
            return from.both(|column| column + line.len());
        }
        // A short line is short, whatever is in it: no character takes more columns than bytes, but for tabs.
        let tabs =
            || parts(&line).map(|(index, mask)| (self.row(index, |lanes| &lanes.tab) & mask).count_ones() as usize);
        let most = line.len() + 7 * tabs().sum::<usize>();
        let least_asked = asked.and_then(|asked| asked.first()).copied().unwrap_or(0);
        if from.counted.max(from.shown) + most < least_asked {
            return from.both(|column| column + most);
        }
        // Bits are counted: that is for the processor.
        dispatch!(Level::new(), _simd => self.exact_column(text, &line, from, asked))
    }

    #[inline(always)]
    fn exact_column(&self, text: &[u8], line: &Range<usize>, from: Column, asked: Option<&[usize]>) -> Column {
        let last = asked.map_or(usize::MAX, |asked| asked.last().copied().unwrap_or(0));
        let mut most = 0;
        let counted = self.column_by(line, from.counted, last, |_, odd| {
            most += odd.count_ones() as usize;
            0
        });
        if from.shown == from.counted {
            if most > 0 {
                // The column behind a tab may differ by one tab more.
                let tabs =
                    |(index, mask): (usize, u64)| (self.row(index, |lanes| &lanes.tab) & mask).count_ones() as usize;
                most += 8 * parts(line).map(tabs).sum::<usize>();
            }
            let among = counted.saturating_sub(most)..=counted + most;
            if most == 0 || asked.is_some_and(|asked| !asked.iter().any(|column| among.contains(column))) {
                return Column { counted, shown: counted };
            }
        }
        let text = text.get(..line.end).unwrap_or(text);
        let wider = |at: usize| text.get(at..).map_or(0, character::wider);
        let shown = self.column_by(line, from.shown, last, |begin, odd| Bits(odd).map(|bit| wider(begin + bit)).sum());
        Column { counted, shown }
    }

    /// The same where it is known by how much the characters of a row that may be odd are wider than one column.
    #[inline(always)]
    fn column_by(
        &self,
        line: &Range<usize>,
        mut column: usize,
        last: usize,
        mut wider: impl FnMut(usize, u64) -> isize,
    ) -> usize {
        // Nothing takes less than no column: behind the last one they stay.
        for (index, mut mask) in parts(line) {
            if column > last {
                break;
            }
            let columns = self.row(index, |lanes| &lanes.column);
            // Of a character of several bytes the next ones take no column; of the last bytes here they stand in another row.
            let next = |count: u32| !columns >> count | !(u64::MAX >> count);
            let odd = (self.row(index, |lanes| &lanes.wide) & next(2) | self.row(index, |lanes| &lanes.mark)) & next(1);
            let mut behind = |column: usize, mask: u64| {
                let counted = column + (columns & mask).count_ones() as usize;
                counted.saturating_add_signed(wider(index * 64, odd & mask))
            };
            for at in Bits(self.row(index, |lanes| &lanes.tab) & mask) {
                let before = mask & !(u64::MAX << at);
                column = tab(behind(column, before));
                mask &= !before;
            }
            column = behind(column, mask);
        }
        column
    }

    /// Where the last such byte stands between two places.
    pub(super) fn last(&self, lane: impl Fn(&Lanes) -> &Four, from: usize, until: usize) -> Option<usize> {
        parts(&(from..until)).rev().find_map(|(index, mask)| {
            let row = self.row(index, &lane) & mask;
            (row != 0).then(|| index * 64 + 63 - row.leading_zeros() as usize)
        })
    }

    /// These of 64 bytes; none behind the text.
    #[inline(always)]
    pub(super) fn row(&self, index: usize, lane: impl Fn(&Lanes) -> &Four) -> u64 {
        self.rows.get(index / FOUR).and_then(|lanes| lane(lanes).get(index % FOUR)).copied().unwrap_or(0)
    }

    /// Where such bytes stand.
    #[inline]
    pub(super) fn places(&self, lane: impl Fn(&Lanes) -> &Four) -> impl Iterator<Item = usize> {
        let (mut rows, mut begin, mut bits) = (self.rows.iter().flat_map(lane), 0, Bits(0));
        std::iter::from_fn(move || {
            loop {
                if let Some(bit) = bits.next() {
                    return Some(begin + bit - 64);
                }
                bits = Bits(*rows.next()?);
                begin += 64;
            }
        })
    }
}

/// Of 64 bytes of a text its control characters, by what they do: one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Controls {
    /// No terminal shows them.
    pub(super) unseen: u64,
    /// What they do depends on what is around them: escapes, steps back, feeds of other kinds, and returns but for those before
    /// line feeds.
    pub(super) special: u64,
    /// No line of text has them.
    pub(super) odd: u64,
    /// Line feeds.
    pub(super) end: u64,
}

/// The control characters of a text, in rows of 64 bytes. Whether it has any but line feeds, tabs, and returns before line feeds.
pub(super) fn controls(text: &[u8], controls: &mut Vec<Controls>) -> bool {
    dispatch!(Level::new(), simd => controls_by(simd, text, controls))
}

#[inline(always)]
fn controls_by<S: Simd>(simd: S, text: &[u8], controls: &mut Vec<Controls>) -> bool {
    let (whole, rest) = text.as_chunks::<64>();
    let mut last = [b' '; 64];
    last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    controls.resize(whole.len() + 1, Controls::default());
    let (mut any, mut open): (u64, Option<&mut Controls>) = (0, None);
    for (to, bytes) in controls.iter_mut().zip(whole.iter().chain([&last])) {
        let mut row = Controls::default();
        let again = row.add(u8x64::from_slice(simd, bytes));
        // The line feed of a return may stand in the next row.
        if let Some(before) = open.take().filter(|_| row.end & 1 == 1) {
            before.special &= u64::MAX >> 1;
        }
        row.special &= !(again & row.end >> 1);
        any |= row.special | row.unseen;
        *to = row;
        open = (again >> 63 == 1).then_some(to);
    }
    any != 0
}

impl Controls {
    /// Of a row. Where its returns are.
    #[inline(always)]
    fn add<S: Simd>(&mut self, bytes: u8x64<S>) -> u64 {
        // Masks are joined as bits: joined as vectors and told twice, the compiler takes them apart.
        macro_rules! bits {
            ($mask:expr) => {
                ($mask).to_bitmask()
            };
        }
        let control = bits!(among(bytes, 0, 32) | bytes.simd_eq(0x7f));
        let back = bits!(bytes.simd_eq(0x08) | bytes.simd_eq(0x0b) | bytes.simd_eq(0x0c));
        let (again, end) = (bits!(bytes.simd_eq(b'\r')), bits!(bytes.simd_eq(b'\n')));
        let (tab, bell, escape) = (bits!(bytes.simd_eq(b'\t')), bits!(bytes.simd_eq(0x07)), bits!(bytes.simd_eq(0x1b)));
        let special = back | again | escape;
        let unseen = control & !(special | end | tab);
        self.special |= special;
        self.unseen |= unseen;
        self.odd |= unseen & !bell | back;
        self.end |= end;
        again
    }
}

/// Of a text the bytes that have a bit, in rows of 64; and how many of them stand before each row. There are no more rows, and
/// no more bits, than the text has.
pub(super) fn pick(text: &[u8], rows: &mut Vec<u64>, before: &mut Vec<usize>, picked: &mut Vec<u8>) {
    rows.truncate(text.len().div_ceil(64));
    dispatch!(Level::new(), simd => pick_by(simd, text, rows, before, picked));
}

#[inline(always)]
fn pick_by<S: Simd>(simd: S, text: &[u8], rows: &mut [u64], before: &mut Vec<usize>, picked: &mut Vec<u8>) {
    // What is not picked is written behind it, and over by what follows.
    picked.resize(text.len() + PACE, 0);
    let mut length = 0;
    for (row, bytes) in rows.iter_mut().zip(text.chunks(64)) {
        *row &= u64::MAX >> (64 - bytes.len());
        before.push(length);
        let (whole, rest) = bytes.as_chunks::<PACE>();
        let mut bits = *row;
        for bytes in whole {
            if let Some(to) = picked.get_mut(length..).and_then(<[u8]>::first_chunk_mut::<PACE>) {
                let mask = mask8x16::from_bitmask(simd, bits & 0xffff);
                u8x16::from_slice(simd, bytes).compress(mask).store_slice(to);
            }
            length += (bits & 0xffff).count_ones() as usize;
            bits >>= PACE;
        }
        for byte in rest {
            picked.get_mut(length).into_iter().for_each(|to| *to = *byte);
            length += usize::from(bits & 1 == 1);
            bits >>= 1;
        }
    }
    picked.truncate(length);
}

/// So much is picked from at a time.
const PACE: usize = 16;

/// Which of the signs it is; the first one for none of them. Without branches: of random bytes none can be guessed.
fn index_of(sign: u8) -> usize {
    (0..).zip(SIGNS).map(|(index, other)| index * usize::from(*other == sign)).sum()
}

/// The rows between two places, and of each the bits between them.
#[inline(always)]
fn parts(&Range { start: from, end: until }: &Range<usize>) -> impl DoubleEndedIterator<Item = (usize, u64)> + use<> {
    (from / 64..until.div_ceil(64)).map(move |index| {
        let begin = u64::MAX << from.saturating_sub(index * 64);
        (index, begin & (u64::MAX >> (64 * (index + 1)).saturating_sub(until)))
    })
}

/// Signs that few texts have, and that something is looked for by.
pub(super) const SIGNS: &[u8; 5] = b"%\\$~@";

/// The places of bits.
#[derive(Clone, Copy)]
pub(super) struct Bits(pub(super) u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let first = (self.0 != 0).then(|| self.0.trailing_zeros() as usize);
        self.0 &= self.0.wrapping_sub(1);
        first
    }
}

/// But for line feeds and tabs.
#[inline(always)]
fn control_characters<S: Simd>(bytes: u8x64<S>) -> mask8x64<S> {
    (among(bytes, 0, 32) ^ (bytes.simd_eq(b'\n') | bytes.simd_eq(b'\t'))) | bytes.simd_eq(0x7f)
}

/// Among so many from the first on.
#[inline(always)]
fn among<S: Simd>(bytes: u8x64<S>, first: u8, count: u8) -> mask8x64<S> {
    let from = bytes - first;
    from.simd_le(count - 1)
}

/// The same without vectors.
#[cfg(test)]
fn looked_up(bytes: &[u8; 64]) -> Lanes<u64> {
    let bits = |is: fn(&u8) -> bool| {
        bytes.iter().enumerate().fold(0, |bits, (place, byte)| bits | u64::from(is(byte)) << place)
    };
    Lanes {
        digit: bits(u8::is_ascii_digit),
        hex: bits(u8::is_ascii_hexdigit),
        word: bits(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
        base64: bits(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'-')),
        dotted: bits(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'-' | b'.')),
        token: bits(|byte| byte.is_ascii_alphanumeric() || b"_+/-.=:".contains(byte)),
        between: bits(|byte| matches!(byte, b' ' | b'-' | b'.')),
        plus: bits(|byte| *byte == b'+'),
        open: bits(|byte| *byte == b'('),
        end: bits(|byte| *byte == b'\n'),
        again: bits(|byte| *byte == b'\r'),
        tab: bits(|byte| *byte == b'\t'),
        column: bits(|byte| *byte >= b' ' && byte & 0xc0 != 0x80),
        wide: bits(|byte| *byte >= 0xe0),
        mark: bits(|byte| matches!(byte, 0xcc | 0xcd)),
        sign: bits(|byte| SIGNS.contains(byte)),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthChar;

    use super::*;

    fn of(text: &[u8]) -> Rows {
        let mut rows = Rows::default();
        rows.read(text);
        rows
    }

    #[test]
    fn vectors_and_a_look_at_each_byte_say_the_same_of_every_byte() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let rows = of(&bytes);
        let mut all = Lanes::default();
        bytes.as_chunks().0.iter().enumerate().for_each(|(place, bytes)| all.set(place, looked_up(bytes)));
        assert_eq!(rows.rows, [all, Lanes::default(), Lanes::default()]);
        let mut narrow = Rows::default();
        let level = Level::baseline();
        dispatch!(level, simd => narrow.read_by(simd, &bytes));
        assert_eq!((narrow.rows, &narrow.folded), (rows.rows, &rows.folded));
        assert!(rows.folded.iter().zip(&bytes).all(|(folded, byte)| *folded == byte | 0x20));
    }

    #[test]
    fn of_a_short_text_the_rest_is_nothing() {
        let mut seven = Lanes::default();
        seven
            .set(0, Lanes { digit: 1, hex: 1, word: 1, base64: 1, dotted: 1, token: 1, column: 1, ..Lanes::default() });
        assert_eq!(of(b"7").rows, [seven, Lanes::default()]);
        assert!(!of(b"7").has_control);
    }

    #[test]
    fn a_text_tells_whether_it_has_control_characters_and_where_its_signs_are() {
        let of_text = |text: &[u8]| of(&[&[b'x'; 70], text, &[b'x'; 70]].concat());
        assert!(!of_text(b"\n\t\x80\xff ").has_control);
        for control in (0..32).chain([0x7f]).filter(|byte| !b"\n\t".contains(byte)) {
            assert!(of_text(&[control]).has_control);
        }
        let rows = of_text(b"%$~\\@%");
        let places = |sign: u8| rows.signs(sign).collect::<Vec<_>>();
        assert_eq!([b'%', b'$', b'~', b'\\', b'@'].map(places), [vec![70, 75], vec![71], vec![72], vec![73], vec![74]]);
    }

    #[test]
    fn a_return_before_a_line_feed_is_no_control_character() {
        let text = [&[b'x'; 63][..], b"\r\n\r\x07\n\tab\x7f\0\r\n\r"].concat();
        let mut controls = Vec::new();
        assert!(super::controls(&text, &mut controls));
        let second =
            Controls { unseen: 0b1_1000_0100, special: 0b1000_0000_0010, odd: 0b1_1000_0000, end: 0b100_0000_1001 };
        assert_eq!(controls, [Controls::default(), second]);
        let mut narrow = Vec::new();
        dispatch!(Level::baseline(), simd => controls_by(simd, &text, &mut narrow));
        assert_eq!(narrow, controls);
    }

    #[test]
    fn every_control_character_is_of_its_kind() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let mut controls = Vec::new();
        super::controls(&bytes, &mut controls);
        let row = |is: fn(u8) -> bool| (0..64).fold(0, |row, byte| row | u64::from(is(byte)) << byte);
        let first = Controls {
            unseen: row(|byte| matches!(byte, 0x00..=0x07 | 0x0e..=0x1a | 0x1c..=0x1f)),
            special: row(|byte| matches!(byte, 0x08 | 0x0b..=0x0d | 0x1b)),
            odd: row(|byte| byte < b' ' && !b"\t\n\r\x07\x1b".contains(&byte)),
            end: row(|byte| byte == b'\n'),
        };
        let second = Controls { unseen: 1 << 63, odd: 1 << 63, ..Controls::default() };
        assert_eq!(controls.get(..4), Some(&[first, second, Controls::default(), Controls::default()][..]));
    }

    #[test]
    fn what_has_a_bit_is_picked_in_its_order() {
        let text: Vec<u8> = (0..150).collect();
        for wanted in [&[0, 1, 2, 3, 70, 71, 149][..], &[], &[63], &[64, 148]] {
            let row = |row: u8| wanted.iter().filter(|at| **at / 64 == row).fold(0, |bits, at| bits | 1 << (at % 64));
            let (mut rows, mut before, mut picked) = (vec![row(0), row(1), row(2), 7], Vec::new(), vec![9]);
            pick(&text, &mut rows, &mut before, &mut picked);
            assert_eq!(picked, wanted);
            let until = |end: u8| wanted.iter().filter(|at| **at < end).count();
            assert_eq!(before, [until(0), until(64), until(128)]);
        }
        let (mut rows, mut picked) = (vec![u64::MAX; 3], Vec::new());
        pick(&text, &mut rows, &mut Vec::new(), &mut picked);
        assert_eq!((picked, rows), (text, vec![u64::MAX, u64::MAX, u64::MAX >> 42]));
    }

    #[test]
    fn places_tell_where_such_bytes_stand() {
        let text = [&[b'a'; 63][..], b"\n", &[b'b'; 70], b"\t\n"].concat();
        assert_eq!(of(&text).places(|lanes| &lanes.end).collect::<Vec<_>>(), [63, 135]);
        let rows = of(&text);
        assert_eq!(
            [rows.last(|lanes| &lanes.end, 0, 136), rows.last(|lanes| &lanes.end, 63, 135)],
            [Some(135), Some(63)]
        );
    }

    #[test]
    fn a_column_is_counted_from_any_place_over_tabs_and_characters_of_several_bytes() {
        let line = "é".repeat(40) + "\ta\tä密" + &"x".repeat(70) + "🔑\u{301}y";
        let rows = of(line.as_bytes());
        let after = |column: usize, c: char, wide: usize| if c == '\t' { (column / 8 + 1) * 8 } else { column + wide };
        for (from, _) in line.char_indices() {
            for until in (from..line.len()).filter(|until| line.is_char_boundary(*until)) {
                let text = &line[from..until];
                let counted = text.chars().fold(3, |column, c| after(column, c, 1));
                let shown = text.chars().fold(4, |column, c| after(column, c, c.width().unwrap_or(0)));
                let column = rows.column(line.as_bytes(), from..until, Column { counted: 3, shown: 4 }, None);
                assert_eq!(column, Column { counted, shown }, "{from}..{until}");
            }
        }
    }
}
