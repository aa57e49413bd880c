//! The right edge of the tree as C2SP tlog-tiles lays it out: names, full tiles, partial tiles, entry bundles.
//!
//! Pure. Knows hashes and names; refuses to know where they are kept.

use bytes::{BufMut, Bytes, BytesMut};

use crate::domain::Digest;
use crate::merkle::{Frontier, leaf_hash, node_hash};

/// Hashes of a tile, and entries of a bundle: tlog-tiles fixes the height at 8.
pub const WIDTH: u64 = 256;

/// The path of a tile: `level` counts tiles, `index` within the level, `width` under 256 for a partial one.
pub fn tile_name(level: u32, index: u64, width: u64) -> String {
    format!("tile/{level}/{}{}", number(index), partial(width))
}

/// The path of a bundle of entries.
pub fn bundle_name(index: u64, width: u64) -> String {
    format!("tile/entries/{}{}", number(index), partial(width))
}

/// `x001/x234/067`: groups of three digits, all but the last behind an `x`.
pub(super) fn number(index: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

fn partial(width: u64) -> String {
    if width == WIDTH { String::new() } else { format!(".p/{width}") }
}

/// What a tree of some size still lacks to be written out: the unfinished tile of each level and the unfinished bundle.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// Hashes of the unfinished tile of each level; never 256 of them.
    levels: Vec<Vec<Digest>>,
    bundle: Vec<Bytes>,
    size: u64,
    /// Tiles and bundles that were finished and not yet taken.
    finished: Vec<(String, Bytes)>,
}

impl Edge {
    /// The edge of a stored tree, from its partial tiles and bundle: `levels` from level 0 up, empty where the tile is.
    /// `None` if these cannot be the ones of that size, or if the bundle's entries are not those of level 0.
    pub fn of(size: u64, levels: Vec<Vec<Digest>>, bundle: Vec<Bytes>) -> Option<Self> {
        let fits = |(level, hashes): (u32, &Vec<Digest>)| hashes.len() as u64 == nodes(size, level) % WIDTH;
        let leaves = bundle.iter().map(|entry| leaf_hash(entry));
        let whole = (0..).zip(&levels).all(fits) && leaves.eq(levels.first().into_iter().flatten().copied());
        whole.then_some(Self { levels, bundle, size, finished: Vec::new() })
    }

    /// How many levels of tiles a tree of this size has.
    pub fn depth(size: u64) -> u32 {
        let mut levels = 0;
        let mut rest = size;
        while rest > 0 {
            levels += 1;
            rest >>= 8;
        }
        levels
    }

    /// How many entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Index of the first entry of the unfinished bundle.
    pub fn bundle_start(&self) -> u64 {
        self.size - self.size % WIDTH
    }

    /// Entries of the unfinished bundle.
    pub fn bundle(&self) -> &[Bytes] {
        &self.bundle
    }

    /// The compact range of the whole tree.
    pub fn frontier(&self) -> Frontier {
        // The levels fit the size, so the peaks do.
        frontier(self.size, &self.levels).unwrap_or_default()
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Bytes, leaf: Digest) {
        self.bundle.push(entry);
        if self.bundle.len() as u64 == WIDTH {
            let bundle = std::mem::take(&mut self.bundle);
            self.finished.push((bundle_name(self.size / WIDTH, WIDTH), encode_bundle(&bundle)));
        }
        self.size += 1;
        let mut hash = leaf;
        let mut end = self.size;
        for level in 0_u32.. {
            let at = level as usize;
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(at) else { return };
            hashes.push(hash);
            if hashes.len() as u64 != WIDTH {
                return;
            }
            let full = std::mem::take(hashes);
            end /= WIDTH;
            self.finished.push((tile_name(level, end - 1, WIDTH), encode_tile(&full)));
            hash = perfect(&full);
        }
    }

    /// Everything that must be stored for a checkpoint of the present size: what was finished since the last call, and the
    /// partial tiles and bundle as they are.
    pub fn take(&mut self) -> Vec<(String, Bytes)> {
        let mut files = std::mem::take(&mut self.finished);
        if !self.bundle.is_empty() {
            let width = self.bundle.len() as u64;
            files.push((bundle_name(self.size / WIDTH, width), encode_bundle(&self.bundle)));
        }
        let mut index = self.size;
        for (level, hashes) in (0_u32..).zip(&self.levels) {
            index /= WIDTH;
            if !hashes.is_empty() {
                files.push((tile_name(level, index, hashes.len() as u64), encode_tile(hashes)));
            }
        }
        files
    }
}

/// How many nodes a tree has at the bottom of a level of tiles.
pub fn nodes(size: u64, level: u32) -> u64 {
    size.checked_shr(8 * level).unwrap_or(0)
}

/// The compact range of a tree from the unfinished tile of each level, from level 0 up. `None` if they do not fit its size.
pub fn frontier(size: u64, levels: &[Vec<Digest>]) -> Option<Frontier> {
    let mut peaks = Vec::new();
    for hashes in levels.iter().rev() {
        let mut rest = hashes.as_slice();
        while !rest.is_empty() {
            let take = 1 << rest.len().ilog2();
            let (left, right) = rest.split_at(take);
            peaks.push(perfect(left));
            rest = right;
        }
    }
    Frontier::of(size, peaks)
}

/// Folders of the partial tiles and bundles that held the edge of a tree of `old`, where a tree of `size` has them whole.
pub fn outgrown(old: u64, size: u64) -> Vec<String> {
    let mut folders = Vec::new();
    for level in 0..Edge::depth(size) {
        let index = nodes(old, level + 1);
        if nodes(size, level + 1) > index {
            folders.push(format!("{}.p", tile_name(level, index, WIDTH)));
            if level == 0 {
                folders.push(format!("{}.p", bundle_name(index, WIDTH)));
            }
        }
    }
    folders
}

/// The root of a perfect tree over these hashes; a power of two of them.
pub(super) fn perfect(hashes: &[Digest]) -> Digest {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                rest => rest.first().copied().unwrap_or(Digest([0; 32])),
            })
            .collect();
    }
    level.first().copied().unwrap_or(Digest([0; 32]))
}

fn encode_tile(hashes: &[Digest]) -> Bytes {
    hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>().into()
}

/// The hashes of a tile of this width. `None` if it has another length.
pub fn decode_tile(bytes: &[u8], width: u64) -> Option<Vec<Digest>> {
    if bytes.len() as u64 != width * 32 {
        return None;
    }
    bytes.chunks_exact(32).map(|chunk| chunk.try_into().ok().map(Digest)).collect()
}

/// Each entry behind its length in two bytes.
pub(super) fn encode_bundle(entries: &[Bytes]) -> Bytes {
    let mut out = BytesMut::with_capacity(entries.iter().map(|entry| entry.len() + 2).sum());
    for entry in entries {
        // An entry is at most 32 KiB.
        out.put_u16(u16::try_from(entry.len()).unwrap_or(u16::MAX));
        out.extend_from_slice(entry);
    }
    out.freeze()
}

/// The entries of a bundle of this width. `None` if it is not exactly that.
pub fn decode_bundle(bytes: &Bytes, width: u64) -> Option<Vec<Bytes>> {
    let mut entries = Vec::new();
    let mut at = 0_usize;
    while at < bytes.len() {
        let length: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
        let end = at + 2 + usize::from(u16::from_be_bytes(length));
        if end > bytes.len() || entries.len() as u64 == width {
            return None;
        }
        entries.push(bytes.slice(at + 2..end));
        at = end;
    }
    (entries.len() as u64 == width).then_some(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::merkle;

    #[test]
    fn names_are_those_of_the_specification() {
        assert_eq!(tile_name(0, 0, WIDTH), "tile/0/000");
        assert_eq!(tile_name(1, 1_234_067, WIDTH), "tile/1/x001/x234/067");
        assert_eq!(tile_name(0, 273, 112), "tile/0/273.p/112");
        assert_eq!(bundle_name(1_000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn the_edge_read_back_from_its_files_is_the_edge() {
        let mut edge = Edge::default();
        let mut stored = BTreeMap::new();
        let mut leaves = Vec::new();
        for n in 0_u64..70_000 {
            let entry = Bytes::from(n.to_string());
            leaves.push(merkle::leaf_hash(&entry));
            edge.push(entry.clone(), merkle::leaf_hash(&entry));
            if [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000].contains(&(n + 1)) {
                stored.extend(edge.take());
                let size = n + 1;
                let mut levels = Vec::new();
                for level in 0..Edge::depth(size) {
                    let nodes = size >> (8 * level);
                    let width = nodes % WIDTH;
                    let hashes = if width == 0 {
                        Vec::new()
                    } else {
                        decode_tile(&stored[&tile_name(level, nodes / WIDTH, width)], width).unwrap()
                    };
                    levels.push(hashes);
                }
                let width = size % WIDTH;
                let bundle = match width {
                    0 => Vec::new(),
                    _ => decode_bundle(&stored[&bundle_name(size / WIDTH, width)], width).unwrap(),
                };
                let read = Edge::of(size, levels, bundle).unwrap();
                assert_eq!(read.frontier().root(), merkle::root(&leaves), "size {size}");
                assert_eq!(read.frontier(), edge.frontier(), "size {size}");
                assert_eq!(read.bundle(), edge.bundle());
            }
        }
        assert_eq!(decode_tile(&stored[&tile_name(1, 0, WIDTH)], WIDTH).unwrap().len(), 256);
    }

    #[test]
    fn entries_that_are_not_those_of_the_tile_are_no_edge() {
        let mut edge = Edge::default();
        let entry = Bytes::from_static(b"entry");
        edge.push(entry.clone(), leaf_hash(&entry));
        let leaves = vec![vec![leaf_hash(&entry)]];
        assert!(Edge::of(1, leaves.clone(), vec![entry]).is_some());
        assert!(Edge::of(1, leaves.clone(), vec![Bytes::from_static(b"other")]).is_none());
        assert!(Edge::of(1, leaves, Vec::new()).is_none());
    }

    #[test]
    fn what_is_whole_outgrows_its_parts() {
        let none: [&str; 0] = [];
        assert_eq!(outgrown(0, 255), none);
        assert_eq!(outgrown(256, 511), none);
        assert_eq!(outgrown(0, 256), ["tile/0/000.p", "tile/entries/000.p"]);
        // Those between were whole at their first checkpoint.
        assert_eq!(outgrown(256, 1500), ["tile/0/001.p", "tile/entries/001.p"]);
        assert_eq!(outgrown(65_280, 65_536), ["tile/0/255.p", "tile/entries/255.p", "tile/1/000.p"]);
        assert_eq!(outgrown(0, u64::MAX).len(), 8);
    }

    #[test]
    fn a_bundle_of_another_width_or_cut_short_is_refused() {
        let bundle = encode_bundle(&[Bytes::from_static(b"a"), Bytes::from_static(b"bc")]);
        assert_eq!(decode_bundle(&bundle, 2).unwrap().len(), 2);
        for width in [0, 1, 3] {
            assert_eq!(decode_bundle(&bundle, width), None);
        }
        for cut in 1..bundle.len() {
            assert_eq!(decode_bundle(&bundle.slice(..cut), 2), None, "cut {cut}");
        }
    }
}
