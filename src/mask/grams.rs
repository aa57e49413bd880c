//! Finds where any of many short texts stands, 64 places at once.
//!
//! As Hyperscan's Teddy does: each text is in one of sixteen groups, and a table for each half of each of its bytes says which
//! groups have one with it. Where all tables agree a text may stand; its bytes say whether one does.

use std::ops::ControlFlow;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x16, u8x64};

use super::lanes::Bits;

/// The texts, of three bytes or four, by their place among all.
#[derive(Debug)]
pub(super) struct Grams {
    /// For eight groups, and for the eight others.
    tables: [Tables; 2],
    /// A bit for the hash of each long text, and of each short one.
    marks: [Vec<u64>; 2],
    /// By hash: the bytes of a text, the last one nothing where it has three, and which it is.
    slots: Vec<Option<([u8; WIDTH], usize)>>,
}

/// For each of the bytes of a text, by its lower half and by its upper one, a bit for each group.
type Tables = [[[u8; 16]; 2]; WIDTH];

impl Grams {
    pub(super) fn new(texts: &[&[u8]]) -> Self {
        let mut tables = [[[[0; 16]; 2]; WIDTH]; 2];
        for (tables, groups) in tables.iter_mut().zip(groups(texts).chunks(8)) {
            for (bit, group) in groups.iter().enumerate() {
                for (table, halves) in tables.iter_mut().zip(group.halves) {
                    for (table, half) in table.iter_mut().zip(halves) {
                        let with = table.iter_mut().zip(0..).filter(|(_, value)| half >> value & 1 == 1);
                        with.for_each(|(groups, _)| *groups |= 1 << bit);
                    }
                }
            }
        }
        let mut marks = [vec![0; 1 << 10], vec![0; 1 << 10]];
        let mut slots = vec![None; (4 * texts.len()).next_power_of_two().max(2)];
        for (index, text) in texts.iter().enumerate() {
            let mut key = [0; WIDTH];
            key.iter_mut().zip(*text).for_each(|(to, byte)| *to = *byte);
            let [long, short] = &mut marks;
            let marks = if text.len() < WIDTH { short } else { long };
            marks.get_mut(hash(key) >> 6).into_iter().for_each(|row| *row |= 1 << (hash(key) & 63));
            let from = slot(key, slots.len());
            let (first, last) = slots.split_at_mut(from);
            let free = last.iter_mut().chain(first).find(|slot| slot.is_none());
            free.into_iter().for_each(|slot| *slot = Some((key, index)));
        }
        Self { tables, marks, slots }
    }

    /// Says of each place, in order, which text stands there: of a long and a short one first the long one.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, usize) -> ControlFlow<()>) {
        for (begin, block) in (0..).step_by(BLOCK).zip(text.chunks(BLOCK)) {
            let mut rows = [0; BLOCK / 64];
            dispatch!(Level::new(), simd => self.places(simd, text, begin, &mut rows));
            for (row, bits) in (begin..begin + block.len()).step_by(64).zip(rows) {
                for place in Bits(bits).map(|bit| row + bit) {
                    let ahead = text.get(place..).unwrap_or_default();
                    if ahead.first_chunk().is_some_and(|head| !self.may_be(*head)) {
                        continue;
                    }
                    let three = ahead.first_chunk().map(|[a, b, c]| [*a, *b, *c, 0]);
                    for text in ahead.first_chunk().copied().into_iter().chain(three).filter_map(|key| self.at(key)) {
                        if found(place, text).is_break() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// At how many places of a text its bytes are asked.
    #[cfg(test)]
    pub(super) fn asked(&self, text: &[u8]) -> u32 {
        let mut rows = vec![0; text.len().div_ceil(64)];
        dispatch!(Level::new(), simd => self.places(simd, text, 0, &mut rows));
        rows.iter().map(|row| row.count_ones()).sum()
    }

    /// A bit for each place of a block where a text may stand.
    #[inline(always)]
    fn places<S: Simd>(&self, simd: S, text: &[u8], begin: usize, rows: &mut [u64]) {
        for (begin, row) in (begin..text.len()).step_by(64).zip(rows) {
            let rest = text.get(begin..).unwrap_or_default();
            if let Some(bytes) = rest.first_chunk() {
                *row = self.row(simd, bytes);
            } else {
                let mut last = [0; ROW];
                last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
                *row = self.row(simd, &last);
            }
        }
    }

    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, bytes: &[u8; ROW]) -> u64 {
        let [first, second] = &self.tables;
        let mut groups = [u8x64::splat(simd, u8::MAX); 2];
        for (bytes, (first, second)) in bytes.windows(64).zip(first.iter().zip(second)) {
            let Some(bytes) = bytes.first_chunk::<64>() else { continue };
            let bytes = u8x64::load_array_ref(simd, bytes);
            let (lower, upper) = (bytes & 0x0f, bytes >> 4);
            for (group, [lowers, uppers]) in groups.iter_mut().zip([first, second]) {
                let lowers = u8x64::block_splat(u8x16::load_array_ref(simd, lowers));
                let uppers = u8x64::block_splat(u8x16::load_array_ref(simd, uppers));
                *group &= lowers.swizzle_dyn_within_blocks(lower) & uppers.swizzle_dyn_within_blocks(upper);
            }
        }
        let [first, second] = groups;
        !(first | second).simd_eq(0).to_bitmask()
    }

    /// Whether a text may begin with these, nearly surely.
    fn may_be(&self, head: [u8; WIDTH]) -> bool {
        let [long, short] = &self.marks;
        let has = |marks: &[u64], hash: usize| marks.get(hash >> 6).is_none_or(|row| row >> (hash & 63) & 1 == 1);
        let [a, b, c, _] = head;
        has(long, hash(head)) | has(short, hash([a, b, c, 0]))
    }

    fn at(&self, key: [u8; WIDTH]) -> Option<usize> {
        let from = self.slots.get(slot(key, self.slots.len())..).unwrap_or_default();
        let taken = from.iter().chain(&self.slots).map_while(|slot| slot.as_ref());
        taken.into_iter().find(|(known, _)| *known == key).map(|(_, text)| *text)
    }
}

/// Fibonacci hashing.
fn hash(key: [u8; WIDTH]) -> usize {
    (u32::from_le_bytes(key).wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Of so many, a power of two.
fn slot(key: [u8; WIDTH], slots: usize) -> usize {
    hash(key) & (slots - 1)
}

/// Texts that are looked for together.
#[derive(Clone, Default)]
struct Group<'t> {
    texts: Vec<&'t [u8]>,
    /// Of each byte which lower halves they have, and which upper ones.
    halves: [[u16; 2]; WIDTH],
}

impl<'t> Group<'t> {
    fn of(texts: Vec<&'t [u8]>) -> Self {
        let mut halves = [[0; 2]; WIDTH];
        for text in &texts {
            let bytes = text.iter().map(|byte| [1 << (byte & 15), 1 << (byte >> 4)]);
            // Behind a short text may be anything.
            let bytes = bytes.chain(std::iter::repeat([u16::MAX; 2]));
            for ([lowers, uppers], [lower, upper]) in halves.iter_mut().zip(bytes) {
                (*lowers, *uppers) = (*lowers | lower, *uppers | upper);
            }
        }
        Self { texts, halves }
    }

    fn with(&self, text: &'t [u8]) -> Self {
        Self::of([self.texts.as_slice(), &[text]].concat())
    }

    fn without(&self, text: &[u8]) -> Self {
        Self::of(self.texts.iter().copied().filter(|other| *other != text).collect())
    }

    /// How often all halves are there together, roughly.
    fn chance(&self, shares: &[[f64; 16]; 16]) -> f64 {
        let of_byte = |[lowers, uppers]: [u16; 2]| -> f64 {
            let rows = Bits(uppers.into()).filter_map(|upper| shares.get(upper));
            rows.flat_map(|row| Bits(lowers.into()).filter_map(|lower| row.get(lower))).sum()
        };
        self.halves.map(of_byte).iter().product()
    }
}

/// Sixteen groups, so that their chances are small: each text goes to where it adds least, and later to a better place.
fn groups<'t>(texts: &[&'t [u8]]) -> Vec<Group<'t>> {
    let mut shares = [[0.0; 16]; 16];
    shares.iter_mut().flatten().zip(0..=u8::MAX).for_each(|(to, byte)| *to = share(byte));
    let mut groups = vec![(Group::default(), 0.0); 16];
    for text in texts.iter().cycle().take(ROUNDS * texts.len()) {
        for (group, chance) in groups.iter_mut().filter(|(group, _)| group.texts.contains(text)) {
            *group = group.without(text);
            *chance = group.chance(&shares);
        }
        let more = groups.iter_mut().map(|(group, chance)| {
            let with = group.with(text);
            let more = with.chance(&shares);
            (more - *chance, (group, chance), (with, more))
        });
        if let Some((_, (group, chance), (with, more))) = more.min_by(|(a, ..), (b, ..)| a.total_cmp(b)) {
            (*group, *chance) = (with, more);
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

/// How often a byte is in folded logs and source text, roughly.
fn share(byte: u8) -> f64 {
    let shares: [(&[u8], f64); 9] = [
        (b" ", 0.138),
        (b"e", 0.066),
        (b"taronsi", 0.038),
        (b"dcl.10*", 0.024),
        (b"2upmfh:-", 0.016),
        (b"34567895bg/\"", 0.012),
        (b",xv|()ykw", 0.007),
        (b"={}_\x7f", 0.004),
        (b"&qj`;z", 0.002),
    ];
    shares.iter().find(|(bytes, _)| bytes.contains(&byte)).map_or(0.0003, |(_, share)| *share)
}

/// The longest text.
pub(super) const WIDTH: usize = 4;

/// 64 places, and the bytes behind the last one.
const ROW: usize = 64 + WIDTH - 1;

/// So often each text's group is chosen.
const ROUNDS: usize = 3;

/// So much is looked at before it is told.
const BLOCK: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &[&str], text: &str) -> Vec<(usize, usize)> {
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let mut all = Vec::new();
        Grams::new(&texts).each(text.as_bytes(), |place, text| {
            all.push((place, text));
            ControlFlow::Continue(())
        });
        all
    }

    #[test]
    fn every_text_is_found_wherever_it_stands() {
        let texts = ["pass", "ecre", "key", "://"];
        for begin in (0..130).chain(1020..1030) {
            for (index, text) in texts.iter().enumerate() {
                let whole = format!("{}{text}", ".".repeat(begin));
                assert_eq!(all(&texts, &whole), [(begin, index)]);
                assert_eq!(all(&texts, &(whole + &"x".repeat(200))), [(begin, index)]);
            }
        }
        assert_eq!(all(&texts, "pas"), []);
    }

    #[test]
    fn texts_that_begin_alike_or_overlap_are_all_found() {
        assert_eq!(all(&["pass", "pas", "assw", "as"], "a password"), [(2, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn as_many_texts_as_are_wanted_are_found_and_nothing_else() {
        let texts: Vec<String> = (0..600).map(|n| format!("{n:04}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(all(&texts, "x0599 0600 6000"), [(1, 599)]);
    }

    #[test]
    fn it_ends_when_it_is_told() {
        let mut count = 0;
        Grams::new(&[b"abcd"]).each("abcd".repeat(9).as_bytes(), |_, _| {
            count += 1;
            if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(count, 3);
    }

    #[test]
    fn vectors_of_every_width_say_the_same() {
        let grams = Grams::new(&[b"pass", b"key"]);
        let mut bytes = [b'.'; ROW];
        bytes.iter_mut().skip(5).zip(b"pass key").for_each(|(to, byte)| *to = *byte);
        let row = 1 << 5 | 1 << 10;
        assert_eq!(dispatch!(Level::new(), simd => grams.row(simd, &bytes)) & row, row);
        assert_eq!(
            dispatch!(Level::baseline(), simd => grams.row(simd, &bytes)),
            dispatch!(Level::new(), simd => grams.row(simd, &bytes))
        );
    }
}
