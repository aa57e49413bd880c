//! Finds where any of many short texts stands, 64 places at once.
//!
//! As Hyperscan's Teddy does: each text is in one of sixteen groups, and a table for each half of each of its bytes says which
//! groups have one with it. Where all tables agree a text may stand; its bytes say whether one does.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x16, u8x64};

use super::firsts;
use super::lanes::Bits;

#[cfg(test)]
pub(super) mod regroup;

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
        let marks = [WIDTH, WIDTH - 1].map(|width| {
            let same = texts.iter().filter(|text| text.len() == width);
            firsts::bits(same.map(|text| hash(key(text))))
        });
        let mut slots = vec![None; (4 * texts.len()).next_power_of_two().max(2)];
        for (index, text) in texts.iter().enumerate() {
            let key = key(text);
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
        let [a, b, c, _] = head;
        firsts::has(long, hash(head)) | firsts::has(short, hash([a, b, c, 0]))
    }

    fn at(&self, key: [u8; WIDTH]) -> Option<usize> {
        let from = self.slots.get(slot(key, self.slots.len())..).unwrap_or_default();
        let taken = from.iter().chain(&self.slots).map_while(|slot| slot.as_ref());
        taken.into_iter().find(|(known, _)| *known == key).map(|(_, text)| *text)
    }
}

/// The bytes of a text, and nothing behind three.
pub(super) fn key(text: &[u8]) -> [u8; WIDTH] {
    let mut key = [0; WIDTH];
    key.iter_mut().zip(text).for_each(|(to, byte)| *to = *byte);
    key
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
#[derive(Clone, Debug)]
struct Group<'t> {
    texts: Vec<&'t [u8]>,
    /// Of each byte which lower halves they have, and which upper ones.
    halves: [[u16; 2]; WIDTH],
    /// Where in ordinary text such halves stand, that byte of a text behind the first one.
    places: [[Places; 2]; WIDTH],
    /// So many places of ordinary text are asked for them.
    asked: u32,
}

impl<'t> Group<'t> {
    fn new(sample: &Sample) -> Self {
        let places = [(); WIDTH].map(|()| [(); 2].map(|()| vec![0; sample.every.len()]));
        Self { texts: Vec::new(), halves: [[0; 2]; WIDTH], places, asked: 0 }
    }

    /// How many more places are asked for one more text.
    fn more(&self, text: &[u8], sample: &Sample) -> u32 {
        let mut all = sample.every.clone();
        for (known, more) in
            self.places.iter().zip(sample.places(text)).flat_map(|(known, more)| known.iter().zip(more))
        {
            all.iter_mut().zip(known.iter().zip(more)).for_each(|(all, (known, more))| *all &= known | more);
        }
        all.iter().map(|row| row.count_ones()).sum::<u32>() - self.asked
    }

    /// How many more four bytes have all halves then: other text has some of them.
    fn spread(&self, text: &[u8]) -> u64 {
        let count = |halves: &[[u16; 2]; WIDTH]| -> u64 {
            halves.iter().flatten().map(|halves| u64::from(halves.count_ones())).product()
        };
        let mut with = self.halves;
        widen(&mut with, text);
        count(&with) - count(&self.halves)
    }

    fn add(&mut self, text: &'t [u8], sample: &Sample) {
        self.asked += self.more(text, sample);
        self.take(text, sample);
    }

    fn take(&mut self, text: &'t [u8], sample: &Sample) {
        self.texts.push(text);
        for (known, more) in
            self.places.iter_mut().zip(sample.places(text)).flat_map(|(known, more)| known.iter_mut().zip(more))
        {
            known.iter_mut().zip(more).for_each(|(known, more)| *known |= more);
        }
        widen(&mut self.halves, text);
    }

    fn remove(&mut self, text: &[u8], sample: &Sample) {
        let mut others = std::mem::take(&mut self.texts);
        others.retain(|other| *other != text);
        *self = Self::new(sample);
        // What is asked for all of them is counted with the last one.
        let last = others.pop();
        others.into_iter().for_each(|other| self.take(other, sample));
        last.into_iter().for_each(|last| self.add(last, sample));
    }
}

/// Takes up the halves of a text's bytes.
fn widen(halves: &mut [[u16; 2]; WIDTH], text: &[u8]) {
    for ([lowers, uppers], byte) in halves.iter_mut().zip(bytes(text)) {
        // Behind a short text may be anything.
        *lowers |= byte.map_or(u16::MAX, |byte| 1 << (byte & 15));
        *uppers |= byte.map_or(u16::MAX, |byte| 1 << (byte >> 4));
    }
}

/// Texts that are good to look for, and in which group each is: those that are on file, which were chosen for long.
pub(super) fn on_file() -> impl Iterator<Item = (&'static [u8], usize)> {
    static ON_FILE: LazyLock<Vec<(Vec<u8>, usize)>> = LazyLock::new(|| read(include_str!("groups.txt")).collect());
    ON_FILE.iter().map(|(text, group)| (text.as_slice(), *group))
}

/// The texts of such a file: behind a line that says what it is, one line for each group.
pub(super) fn read(file: &str) -> impl Iterator<Item = (Vec<u8>, usize)> {
    let lines = file.lines().skip(1).zip(0..COUNT);
    lines.flat_map(|(line, group)| line.split_whitespace().map(move |text| (unescaped(text), group)))
}

/// `\x20` for a blank, and the like.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let first = parts.next().unwrap_or_default();
    let byte = |part: &str| part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let rest = parts.flat_map(|part| byte(part).into_iter().chain(part.bytes().skip(2)));
    first.bytes().chain(rest).collect()
}

/// Groups, so that few places of ordinary text are asked: that of a text that is on file, and each other text goes to where it
/// adds least, and later to a better place.
fn groups<'t>(texts: &[&'t [u8]]) -> Vec<Group<'t>> {
    let known: HashMap<&[u8], usize> = on_file().collect();
    let (told, texts): (Vec<&[u8]>, Vec<&[u8]>) = texts.iter().partition(|text| known.contains_key(*text));
    // Where nothing is to be chosen none is needed.
    let sample = Sample::new(&if texts.is_empty() { Vec::new() } else { ordinary() });
    let mut groups = vec![Group::new(&sample); COUNT];
    for text in told {
        let group = known.get(text).and_then(|group| groups.get_mut(*group));
        group.into_iter().for_each(|group| group.add(text, &sample));
    }
    let rounds = if texts.len() > MANY { 1 } else { ROUNDS };
    let mut chosen = vec![None; texts.len()];
    for _ in 0..rounds {
        let before = chosen.clone();
        for (text, chosen) in texts.iter().zip(&mut chosen) {
            if let Some(group) = chosen.and_then(|group: usize| groups.get_mut(group)) {
                let asked = group.asked;
                group.remove(text, &sample);
                // It costs nothing where it is.
                if group.asked == asked {
                    group.add(text, &sample);
                    continue;
                }
            }
            let ranked = groups.iter_mut().enumerate();
            let best = ranked.min_by_key(|(_, group)| (group.more(text, &sample), group.spread(text)));
            *chosen = best.map(|(index, group)| {
                group.add(text, &sample);
                index
            });
        }
        if before == chosen {
            break;
        }
    }
    groups
}

/// The bytes of a text, as many as the longest one has.
fn bytes(text: &[u8]) -> impl Iterator<Item = Option<u8>> {
    text.iter().copied().map(Some).chain(std::iter::repeat(None)).take(WIDTH)
}

/// Text without secrets, folded.
pub(super) fn ordinary() -> Vec<u8> {
    include_bytes!("ordinary.txt").iter().map(|byte| byte | 0x20).collect()
}

/// Of a text some of its places, a bit for each.
type Places = Vec<u64>;

/// Of a text at which places each half of a byte stands, so many bytes behind.
struct Sample {
    halves: [[Vec<Places>; 2]; WIDTH],
    every: Places,
}

impl Sample {
    fn new(text: &[u8]) -> Self {
        let rows = text.len().div_ceil(64);
        let places = |far: usize, is: &dyn Fn(u8) -> bool| -> Places {
            let mut places = vec![0; rows];
            for (at, _) in text.iter().skip(far).enumerate().filter(|(_, byte)| is(**byte)) {
                places.get_mut(at / 64).into_iter().for_each(|row| *row |= 1 << (at % 64));
            }
            places
        };
        let mut far = 0..;
        let halves = [(); WIDTH].map(|()| {
            let far = far.next().unwrap_or_default();
            let lower = (0..16).map(|half| places(far, &|byte| byte & 15 == half)).collect();
            [lower, (0..16).map(|half| places(far, &|byte| byte >> 4 == half)).collect()]
        });
        Self { halves, every: vec![u64::MAX; rows] }
    }

    /// Where each half of each byte of a text stands.
    fn places(&self, text: &[u8]) -> impl Iterator<Item = [&Places; 2]> {
        self.halves.iter().zip(bytes(text)).map(|([lowers, uppers], byte)| {
            let [lower, upper] = byte.map_or([None; 2], |byte| [Some(byte & 15), Some(byte >> 4)]);
            [(lowers, lower), (uppers, upper)]
                .map(|(all, half)| half.and_then(|half| all.get(usize::from(half))).unwrap_or(&self.every))
        })
    }
}

/// So many groups: two vectors have a bit for each.
const COUNT: usize = 16;

/// The longest text.
pub(super) const WIDTH: usize = 4;

/// 64 places, and the bytes behind the last one.
const ROW: usize = 64 + WIDTH - 1;

/// So often at most each text's group is chosen; of so many once, since that takes longer and helps less.
const ROUNDS: usize = 8;
const MANY: usize = 400;

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
