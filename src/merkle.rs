//! RFC 6962 Merkle trees: hashes, roots, inclusion and consistency proofs.
//!
//! Pure arithmetic over digests. Knows no storage: a proof names the complete subtrees it needs
//! ([`Node`]), whoever holds them looks them up, and [`fold`] puts them together. Refuses to
//! believe a proof that has one hash too many or too few.

use aws_lc_rs::digest::{Context, SHA256};

use crate::domain::Digest;

/// The hash of a leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    sha256(&[&[0], leaf])
}

/// The hash of two neighbours.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], &left.0, &right.0])
}

/// The root of the tree without a leaf: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    sha256(&[])
}

/// The root over leaf hashes.
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The roots of the complete subtrees that make up a tree: all that is needed to add leaves and to
/// know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    // One for each bit of `size` that is set, largest subtree first.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The tree without a leaf.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves with these complete subtrees, largest first. `None` if their number
    /// does not fit the size.
    pub fn of(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Adds one leaf hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// The root of the tree.
    pub fn root(&self) -> Digest {
        fold(&self.peaks)
    }
}

/// A run of neighbouring leaves, from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First leaf.
    pub start: u64,
    /// One past the last leaf.
    pub end: u64,
}

impl Span {
    /// All leaves of a tree of `size`.
    pub fn whole(size: u64) -> Self {
        Self { start: 0, end: size }
    }

    /// The complete subtrees that make up this span, left to right. For the spans of a tree and of
    /// its proofs these shrink from left to right, so [`fold`] over them is the span's hash.
    pub fn nodes(self) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let aligned = if start == 0 { 63 } else { start.trailing_zeros() };
            let level = aligned.min((self.end - start).ilog2());
            nodes.push(Node { level, index: start >> level });
            start += 1 << level;
        }
        nodes
    }
}

/// A complete subtree: 2^`level` leaves, beginning with leaf `index` * 2^`level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u32,
    /// Counted from the left, within the level.
    pub index: u64,
}

/// The root over neighbouring complete subtrees, largest first.
pub fn fold(peaks: &[Digest]) -> Digest {
    let mut from_the_right = peaks.iter().rev();
    let Some(last) = from_the_right.next() else { return empty_root() };
    from_the_right.fold(*last, |right, left| node_hash(left, &right))
}

/// The spans whose hashes prove that leaf `index` is in a tree of `size`, in the proof's order.
/// `None` if it is not.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Span>> {
    if index >= size {
        return None;
    }
    // From the root down to the leaf, keeping what is beside the way.
    let mut way = Vec::new();
    let mut here = Span::whole(size);
    while here.end - here.start > 1 {
        let (left, right) = halves(here);
        let (next, beside) = if index < left.end { (left, right) } else { (right, left) };
        way.push(beside);
        here = next;
    }
    way.reverse();
    Some(way)
}

/// The spans whose hashes prove that a tree of `size` continues one of `old`, in the proof's order.
/// `None` if `old` is larger. Nothing needs proof if one is empty or both are equal.
pub fn consistency(old: u64, size: u64) -> Option<Vec<Span>> {
    if old > size {
        return None;
    }
    if old == 0 || old == size {
        return Some(Vec::new());
    }
    // RFC 6962 section 2.1.2: down to the subtree that ends where the old tree ended.
    let mut way = Vec::new();
    let mut here = Span::whole(size);
    while here.end != old {
        let (left, right) = halves(here);
        let (next, beside) = if old <= left.end { (left, right) } else { (right, left) };
        way.push(beside);
        here = next;
    }
    // The old root itself needs no proof: the verifier has it.
    if here.start != 0 {
        way.push(here);
    }
    way.reverse();
    Some(way)
}

/// The two halves of a span of more than one leaf: the left is the largest power of two that is
/// smaller than the whole.
fn halves(span: Span) -> (Span, Span) {
    let middle = span.start + (1 << (span.end - span.start - 1).ilog2());
    (Span { start: span.start, end: middle }, Span { start: middle, end: span.end })
}

/// Whether `proof` shows that `leaf` is number `index` of the tree with this size and root.
/// RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree with the second size and root continues the first.
/// RFC 9162 section 2.1.4.2.
pub fn verify_consistency(old: u64, old_root: &Digest, size: u64, root: &Digest, proof: &[Digest]) -> bool {
    if old > size {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    // The old root starts the way itself when the old tree is one complete subtree.
    let own = old.is_power_of_two().then_some(old_root);
    let mut steps = own.into_iter().chain(proof);
    let Some(first) = steps.next() else { return false };
    let (mut node, mut last) = (old - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(step, &old_hash);
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && hash == *root
}

fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The recursive definition of RFC 6962 section 2.1, word for word.
    fn by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let k = 1 << (many.len() - 1).ilog2();
                node_hash(&by_definition(&many[..k]), &by_definition(&many[k..]))
            }
        }
    }

    fn hash_of(span: Span, leaves: &[Digest]) -> Digest {
        let of = |node: Node| {
            let start = (node.index << node.level) as usize;
            by_definition(&leaves[start..start + (1 << node.level)])
        };
        fold(&span.nodes().into_iter().map(of).collect::<Vec<_>>())
    }

    fn proof(spans: Option<Vec<Span>>, leaves: &[Digest]) -> Vec<Digest> {
        spans.unwrap().into_iter().map(|span| hash_of(span, leaves)).collect()
    }

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// The eight leaves that the Certificate Transparency project tests with.
    const KNOWN: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    #[test]
    fn the_roots_are_those_of_certificate_transparency() {
        let known: Vec<_> = KNOWN.iter().map(|leaf| leaf_hash(leaf)).collect();
        let expected = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (size, expected) in expected.iter().enumerate() {
            assert_eq!(root(&known[..size]).to_string(), *expected, "size {size}");
        }
    }

    #[test]
    fn a_frontier_has_the_root_of_the_definition() {
        let all = leaves(300);
        for size in 0..all.len() {
            assert_eq!(root(&all[..size]), by_definition(&all[..size]), "size {size}");
        }
    }

    #[test]
    fn a_frontier_can_be_put_together_again() {
        let all = leaves(77);
        let mut frontier = Frontier::new();
        all.iter().for_each(|leaf| frontier.push(*leaf));
        let peaks = Span::whole(77)
            .nodes()
            .iter()
            .map(|n| hash_of(Span { start: n.index << n.level, end: (n.index + 1) << n.level }, &all))
            .collect();
        assert_eq!(Frontier::of(77, peaks), Some(frontier));
        assert_eq!(Frontier::of(77, Vec::new()), None);
    }

    #[test]
    fn every_inclusion_proof_of_small_trees_holds_and_no_other_place_does() {
        for size in 1..=33 {
            let all = leaves(size);
            let root = root(&all);
            for index in 0..size {
                let proof = proof(inclusion(index, size), &all);
                let leaf = &all[index as usize];
                assert!(verify_inclusion(leaf, index, size, &proof, &root), "{index} of {size}");
                for other in (0..=size).filter(|other| *other != index) {
                    assert!(!verify_inclusion(leaf, other, size, &proof, &root), "{index} as {other} of {size}");
                }
            }
        }
        assert_eq!(inclusion(5, 5), None);
    }

    #[test]
    fn every_consistency_proof_of_small_trees_holds() {
        for size in 0..=33 {
            let all = leaves(size);
            for old in 0..=size {
                let proof = proof(consistency(old, size), &all);
                let (before, after) = (root(&all[..old as usize]), root(&all));
                assert!(verify_consistency(old, &before, size, &after, &proof), "{old} of {size}");
                if old != size {
                    assert!(!verify_consistency(old, &after, size, &after, &proof), "{old} of {size}, wrong old root");
                }
                assert!(
                    !verify_consistency(old, &before, size, &leaf_hash(b"x"), &proof) || old == 0,
                    "{old} of {size}"
                );
            }
        }
        assert_eq!(consistency(6, 5), None);
    }

    #[test]
    fn a_proof_with_a_hash_too_many_or_too_few_is_refused() {
        let all = leaves(21);
        let (root, before) = (root(&all), root(&all[..13]));
        let mut longer = proof(inclusion(9, 21), &all);
        assert!(!verify_inclusion(&all[9], 9, 21, &longer[1..], &root));
        assert!(!verify_inclusion(&all[9], 9, 21, &longer[..longer.len() - 1], &root));
        longer.push(root);
        assert!(!verify_inclusion(&all[9], 9, 21, &longer, &root));

        let mut longer = proof(consistency(13, 21), &all);
        assert!(!verify_consistency(13, &before, 21, &root, &longer[1..]));
        assert!(!verify_consistency(13, &before, 21, &root, &longer[..longer.len() - 1]));
        longer.push(root);
        assert!(!verify_consistency(13, &before, 21, &root, &longer));
    }

    #[test]
    fn a_consistency_proof_of_a_vast_tree_has_at_most_64_hashes() {
        let size = u64::MAX / 2;
        for old in [1, 2, size - 1, size / 2 + 1, size / 3] {
            assert!(consistency(old, size).unwrap().len() <= 64);
            assert!(inclusion(old, size).unwrap().len() <= 63);
        }
    }

    proptest! {
        #[test]
        fn proofs_of_any_tree_hold_and_a_changed_one_does_not(size in 2_u64..2000, at in any::<u64>(), bit in any::<u16>()) {
            let all = leaves(size);
            let root = root(&all);
            let index = at % size;
            let mut path = proof(inclusion(index, size), &all);
            prop_assert!(verify_inclusion(&all[index as usize], index, size, &path, &root));
            let old = 1 + at % (size - 1);
            let before = by_definition(&all[..old as usize]);
            let mut way = proof(consistency(old, size), &all);
            prop_assert!(verify_consistency(old, &before, size, &root, &way));

            let flip = |proof: &mut Vec<Digest>| {
                let step = bit as usize % proof.len();
                proof[step].0[bit as usize % 32] ^= 1 << (bit % 8);
            };
            flip(&mut path);
            prop_assert!(!verify_inclusion(&all[index as usize], index, size, &path, &root));
            flip(&mut way);
            prop_assert!(!verify_consistency(old, &before, size, &root, &way));
        }
    }
}
