//! The words that rules begin with, found in text all at once by a few bytes inside each.
//!
//! Says where a word may stand, in any case; whoever asks compares the word. Words of fewer than three bytes are not for it.

use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, Range};

use memchr::memmem;

use super::class::Class;
use super::grams::{self, Grams, WIDTH, key, ordinary};
use super::heads::Behind;

/// A word that is looked for: which of the rules, which of its words, how it reads, and what may follow it.
pub(super) type Wanted<'a> = ((usize, usize), &'a str, Behind);

/// Which of the rules, which of its words, and what may follow it there.
type Beginning = ((usize, usize), Behind);

/// A word that rules begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    rules: Vec<Beginning>,
    /// How far in the word its anchor begins.
    offset: usize,
    /// Folded.
    text: Box<[u8]>,
    /// What may follow it in any of them.
    behind: Behind,
}

impl Word {
    /// Each once, for all the rules that begin with it.
    fn all(words: &[Wanted<'_>]) -> Vec<Self> {
        let mut all: BTreeMap<Vec<u8>, Vec<Beginning>> = BTreeMap::new();
        for (at, word, behind) in words {
            all.entry(folded(word)).or_default().push((*at, *behind));
        }
        let word = |(text, rules): (Vec<u8>, Vec<Beginning>)| {
            let behind = rules.iter().map(|(_, behind)| *behind).reduce(Behind::or)?;
            Some(Self { rules, offset: 0, text: text.into(), behind })
        };
        all.into_iter().filter_map(word).collect()
    }

    /// Of words those that have an anchor.
    fn take(words: &mut Vec<Self>, anchor: &[u8]) -> Vec<Self> {
        let has = |word: &mut Self| {
            let offset = memmem::find(word.text.get(..FARTHEST + anchor.len() - 1).unwrap_or(&word.text), anchor);
            word.offset = offset.unwrap_or_default();
            offset.is_some()
        };
        words.extract_if(.., has).collect()
    }

    /// Whether a text behind the anchor, which has so many bytes, is the rest of the word, or the text ends before.
    fn goes_on(&self, width: usize, folded: &[u8]) -> bool {
        let rest = self.text.get(self.offset + width..).unwrap_or_default();
        let is_same = rest.iter().zip(folded).all(|(wanted, byte)| wanted == byte);
        is_same && folded.get(rest.len()..).is_none_or(|behind| self.behind.has(behind))
    }

    /// The rules that may begin with it, if this stands behind the anchor.
    fn begins(&self, width: usize, folded: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let behind = folded.get(self.text.len() - self.offset - width..);
        let may = move |(_, of): &&Beginning| behind.is_none_or(|behind| of.has(behind));
        self.rules.iter().filter(may).map(|(rule, _)| *rule)
    }

    /// What may stand right behind the anchor.
    fn follows(&self, width: usize) -> Class {
        self.text.get(self.offset + width).map_or(self.behind.first(), |next| Class::of(&[*next]))
    }

    /// What stands before the anchor, from its last byte on.
    fn before(&self) -> impl Iterator<Item = u8> {
        self.text.iter().take(self.offset).rev().copied()
    }
}

/// Words with an anchor, as a tree by what stands before it, from the last byte on.
#[derive(Debug)]
struct Tree {
    /// The root first, the nodes under one side by side.
    nodes: Box<[Node]>,
    /// The byte of each node.
    bytes: Box<[u8]>,
    /// Those that begin at a node side by side.
    words: Box<[Word]>,
    /// How many bytes the anchor has, and what may stand behind it.
    width: usize,
    follows: Class,
}

#[derive(Clone, Debug, Default)]
struct Node {
    words: Range<u32>,
    under: Range<u32>,
}

impl Tree {
    fn of(words: &[Word], width: usize) -> Self {
        let mut sorted = words.to_vec();
        sorted.sort_by(|a, b| a.before().cmp(b.before()));
        let (mut nodes, mut bytes) = (vec![Node::default()], vec![0]);
        // Of each node which words stand at it or under it, and how deep it is.
        let mut spans = vec![(0..sorted.len(), 0)];
        let mut next = 0;
        while let Some((span, deep)) = spans.get(next).cloned() {
            let all = sorted.get(span.clone()).unwrap_or_default();
            let here = span.start + all.iter().take_while(|word| word.offset == deep).count();
            let under = nodes.len();
            let mut from = here;
            for same in all
                .get(here - span.start..)
                .unwrap_or_default()
                .chunk_by(|a, b| a.before().nth(deep) == b.before().nth(deep))
            {
                nodes.push(Node::default());
                bytes.push(same.first().and_then(|word| word.before().nth(deep)).unwrap_or_default());
                spans.push((from..from + same.len(), deep + 1));
                from += same.len();
            }
            let node = Node { words: range(span.start..here), under: range(under..nodes.len()) };
            if let Some(place) = nodes.get_mut(next) {
                *place = node;
            }
            next += 1;
        }
        let follows = sorted.iter().fold(Class::default(), |all, word| all.or(word.follows(width)));
        Self { nodes: nodes.into(), bytes: bytes.into(), words: sorted.into(), width, follows }
    }

    fn root(&self) -> Option<&Node> {
        self.nodes.first()
    }

    /// The rules that may begin with words at a node, if this stands behind the anchor.
    fn begins(&self, node: &Node, behind: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let words = self.words.get(wide(&node.words)).unwrap_or_default();
        let words = words.iter().filter(|word| word.goes_on(self.width, behind));
        words.flat_map(|word| word.begins(self.width, behind))
    }

    /// What is known where this stands before.
    fn before(&self, node: &Node, byte: u8) -> Option<&Node> {
        let under = wide(&node.under);
        let index = under.start + memchr::memchr(byte, self.bytes.get(under)?)?;
        self.nodes.get(index)
    }
}

fn range(wide: Range<usize>) -> Range<u32> {
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    narrow(wide.start)..narrow(wide.end)
}

fn wide(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Finds anchors.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    grams: Option<Grams>,
    trees: Vec<Tree>,
}

impl Anchors {
    pub(super) fn new(words: &[Wanted<'_>]) -> Self {
        let mut left = Word::all(words);
        let on_file = grams::on_file().map(|(anchor, _)| (anchor.to_vec(), Word::take(&mut left, anchor)));
        let mut anchors: Vec<Anchor> = on_file.filter(|(_, words)| !words.is_empty()).collect();
        if !left.is_empty() {
            anchors.extend(chosen(left, &ordinary()));
        }
        let texts: Vec<&[u8]> = anchors.iter().map(|(anchor, _)| anchor.as_slice()).collect();
        let grams = (!texts.is_empty()).then(|| Grams::new(&texts));
        Self { grams, trees: anchors.iter().map(|(anchor, words)| Tree::of(words, anchor.len())).collect() }
    }

    #[cfg(test)]
    pub(super) fn asked(&self, folded: &[u8]) -> u32 {
        self.grams.as_ref().map_or(0, |grams| grams.asked(folded))
    }

    /// The first place, before the end, where a word stands that is accepted. Text is folded already.
    pub(super) fn first(
        &self,
        folded: &[u8],
        mut end: usize,
        is: impl Fn(usize, (usize, usize)) -> bool,
    ) -> Option<usize> {
        let mut first = None;
        self.grams.as_ref()?.each(folded, |anchor, tree| {
            // No word begins before the end any more.
            if anchor >= end + FARTHEST {
                return ControlFlow::Break(());
            }
            let Some(tree) = self.trees.get(tree) else { return ControlFlow::Continue(()) };
            let behind = folded.get(anchor + tree.width..).unwrap_or_default();
            let may_follow = behind.first().is_none_or(|next| tree.follows.has(*next));
            let (mut node, mut place) = (tree.root().filter(|_| may_follow), anchor);
            while let Some(here) = node {
                if place < end && tree.begins(here, behind).any(|rule| is(place, rule)) {
                    (first, end) = (Some(place), place);
                }
                let before = place.checked_sub(1).and_then(|before| folded.get(before));
                node = before.and_then(|byte| tree.before(here, *byte));
                place = place.saturating_sub(1);
            }
            ControlFlow::Continue(())
        });
        first
    }
}

/// Letters in lower case; some signs fall together.
fn folded(word: &str) -> Vec<u8> {
    word.bytes().map(|byte| byte | 0x20).collect()
}

/// An anchor, and the words that have it.
type Anchor = (Vec<u8>, Vec<Word>);

/// Anchors of words: few, and rare in a text.
fn chosen(mut words: Vec<Word>, text: &[u8]) -> Vec<Anchor> {
    // The short ones have no choice.
    let mut short: Vec<Vec<u8>> =
        words.iter().filter(|word| word.text.len() < WIDTH).map(|word| word.text.to_vec()).collect();
    let (mut parts, mut anchors) = (Parts::of(&words, text), Vec::new());
    while let Some(anchor) = short.pop().or_else(|| parts.best()) {
        let found = Word::take(&mut words, &anchor);
        if !found.is_empty() {
            parts.take(&found);
            anchors.push((anchor, found));
        }
    }
    anchors
}

/// What stands in words: in how many, and how often in a text.
struct Parts {
    counts: HashMap<Part, (usize, usize)>,
    /// So often anything else is asked for one anchor more.
    each: usize,
}

/// Three bytes and nothing behind them, or four.
type Part = [u8; WIDTH];

impl Parts {
    fn of(words: &[Word], text: &[u8]) -> Self {
        let mut elsewhere: HashMap<Part, usize> = HashMap::new();
        for part in parts_within(text, SHORTEST).chain(parts_within(text, WIDTH)) {
            *elsewhere.entry(part).or_default() += 1;
        }
        let mut parts = Self { counts: HashMap::new(), each: text.len() / 5000 + 1 };
        for part in words.iter().flat_map(parts_of) {
            let elsewhere = || elsewhere.get(&part).copied().unwrap_or_default();
            parts.counts.entry(part).or_insert_with(|| (0, elsewhere())).0 += 1;
        }
        parts
    }

    fn take(&mut self, words: &[Word]) {
        for part in words.iter().flat_map(parts_of) {
            self.counts.get_mut(&part).into_iter().for_each(|(count, _)| *count -= 1);
        }
        self.counts.retain(|_, (count, _)| *count > 0);
    }

    /// What stands in many of the words and is rare elsewhere: for four bytes less else is asked than for three.
    fn best(&self) -> Option<Vec<u8>> {
        let worth = |part: &Part, (count, elsewhere): &(usize, usize)| {
            count * 1000 / (elsewhere + self.each * if part.ends_with(&[0]) { 3 } else { 1 })
        };
        let best = self.counts.iter().max_by_key(|(part, counts)| (worth(part, counts), !part.ends_with(&[0]), **part));
        best.map(|(part, _)| part.strip_suffix(&[0]).unwrap_or(part).to_vec())
    }
}

/// Once each.
fn parts_of(word: &Word) -> Vec<Part> {
    let of_width = |width: usize| parts_within(word.text.get(..FARTHEST + width - 1).unwrap_or(&word.text), width);
    let mut parts: Vec<Part> = of_width(SHORTEST).chain(of_width(WIDTH)).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

fn parts_within(text: &[u8], width: usize) -> impl Iterator<Item = Part> {
    text.windows(width).map(key)
}

/// The least of a word that is found.
pub(super) const SHORTEST: usize = 3;

/// So far inside a word an anchor begins at most.
pub(super) const FARTHEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::rule::Rules;

    #[track_caller]
    fn check(words: &[&str], text: &str, expected: Option<usize>) {
        let words: Vec<Wanted<'_>> = (0..).zip(words).map(|(rule, word)| ((rule, 0), *word, Behind::any())).collect();
        let folded = folded(text);
        let begins = |place: usize, (rule, _): (usize, usize)| {
            text[place..].to_lowercase().starts_with(&words[rule].1.to_lowercase())
        };
        assert_eq!(Anchors::new(&words).first(&folded, text.len(), begins), expected);
    }

    #[test]
    fn a_word_is_found_where_it_begins_in_any_case() {
        check(&["password", "passwd"], "the PassWord is in the text, and more of it", Some(4));
        check(&["://"], "https://example.org, a text that is long enough", Some(5));
    }

    #[test]
    fn words_that_overlap_are_all_found() {
        check(&["ecretkey", "my_secret", "retk"], "x my_secretkey, and a text behind it that is long", Some(2));
        check(&["secret", "ret"], "pret a porter, a text that is long enough for it", Some(1));
    }

    #[test]
    fn more_words_than_one_pass_takes_are_found() {
        let words: Vec<String> = (0..200).map(|n| format!("w{n:03}x{n:03}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        check(&words, "it is w199x199 that stands in this text, and w000x000", Some(6));
    }

    #[test]
    fn words_with_rows_of_dashes_are_not_looked_for_by_them() {
        let words = ["-----begin private key-----", "-----begin rsa private key-----"];
        let words = Word::all(&words.map(|word| ((0, 0), word, Behind::any())));
        let best = Parts::of(&words, &ordinary()).best().unwrap();
        assert!(!best.windows(2).any(|pair| pair == b"--"), "{}", best.escape_ascii());
    }

    fn standard() -> Vec<Word> {
        Rules::standard().sieve().anchors.trees.iter().flat_map(|tree| tree.words.to_vec()).collect()
    }

    #[test]
    fn every_word_of_the_standard_rules_has_an_anchor_on_file() {
        let mut words = standard();
        for (anchor, _) in grams::on_file() {
            Word::take(&mut words, anchor);
        }
        let words: Vec<_> = words.iter().map(|word| word.text.escape_ascii().to_string()).collect();
        assert!(words.is_empty(), "{words:?} lack one: decision 0026 says how they are made anew");
    }

    /// Where `target/sample.txt` has text without secrets, writes `groups.txt` anew, which takes a minute or two.
    #[test]
    fn groups_are_made_anew_of_a_sample() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let sample = std::fs::read(root.join("target/sample.txt")).ok();
        let text = sample.as_ref().map_or_else(ordinary, |text| text.iter().map(|byte| byte | 0x20).collect());
        let mut texts: Vec<Vec<u8>> = chosen(standard(), &text).into_iter().map(|(anchor, _)| anchor).collect();
        let made = grams::regroup::made(&texts, &text, if sample.is_some() { 1000 } else { 5 });
        if sample.is_some() {
            std::fs::write(root.join("src/mask/groups.txt"), &made).unwrap();
        }
        let mut on_it: Vec<Vec<u8>> = grams::read(&made).map(|(text, _)| text).collect();
        texts.sort();
        on_it.sort();
        assert_eq!(on_it, texts);
    }
}
