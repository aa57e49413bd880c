//! Which rules a text may begin with, as its first three bytes tell.

use std::collections::HashMap;

use super::class::Class;
use super::heads::first;
use super::rule::{Before, Rule, Start};
use super::shape::countries;

/// Rules by the bytes they begin with.
#[derive(Debug)]
pub(super) struct Firsts {
    /// Rules in the order they are asked.
    lists: Vec<Vec<usize>>,
    /// For each first byte one of the lists, where there is no second.
    of_one: Vec<u16>,
    /// For each two bytes one, where there is no third.
    of_two: Vec<u16>,
    /// The same, of the rules that say nothing of the third.
    of_any: Vec<u16>,
    /// For each three bytes that others begin with the list with those.
    of_three: HashMap<[u8; 3], u16>,
    /// Behind what is no character of a word, and behind one.
    marks: [Marks; 2],
}

/// What is asked of nearly every byte that is looked at alone, and stays in the nearest cache: a bit for each two bytes that
/// others begin with than those that every word may begin, for each of these whose third byte tells nothing, and for the hash of
/// each three bytes.
#[derive(Debug)]
struct Marks {
    two: Vec<u64>,
    open: Vec<u64>,
    three: Vec<u64>,
}

/// What the first three bytes of a rule may be, and which one it is.
type Head = ([Class; 3], usize);

impl Firsts {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let heads: Vec<Head> =
            (0..).zip(rules).flat_map(|(index, rule)| heads(rule).map(move |head| (head, index))).collect();
        let (any, told): (Vec<Head>, Vec<Head>) = heads.iter().partition(|([_, _, third], _)| *third == Class::ALL);
        let mut lists = Lists { lists: vec![(0..rules.len()).collect()], known: HashMap::new() };
        let of_one = all().map(|first| lists.id(heads.iter().filter(|([of, ..], _)| of.has(first)), None)).collect();
        let of_two = lists.by_two(&heads);
        let of_any = lists.by_two(&any);
        let mut threes: Vec<([u8; 3], &Head)> =
            told.iter().flat_map(|head| members(head).map(move |three| (three, head))).collect();
        threes.sort_unstable_by_key(|(three, _)| *three);
        let by_three = threes.chunk_by(|(a, _), (b, _)| a == b).filter_map(|same| {
            let [a, b, c] = same.first()?.0;
            let any = of_any.get(pair([a, b])).copied();
            Some(([a, b, c], lists.id(same.iter().map(|(_, head)| *head), any)))
        });
        let of_three: HashMap<[u8; 3], u16> = by_three.collect();
        let lists = lists.lists;
        let marks = [false, true].map(|is_in_word| {
            let counts = |rule: &Rule| {
                let is_apart = matches!(rule.before, Before::NoWord | Before::NoNumber);
                !(rule.is_word() || is_in_word && is_apart)
            };
            let counts = |list: &Vec<usize>| list.iter().any(|at| rules.get(*at).is_none_or(counts));
            let counts: Vec<bool> = lists.iter().map(counts).collect();
            let counts = |id: &u16| counts.get(usize::from(*id)).is_none_or(|counts| *counts);
            let of_pairs = |ids: &[u16]| bits((0..).zip(ids).filter(|(_, id)| counts(id)).map(|(pair, _)| pair));
            let three = of_three.iter().filter(|(_, id)| counts(id)).map(|(three, _)| place(*three));
            Marks { two: of_pairs(&of_two), open: of_pairs(&of_any), three: bits(three) }
        });
        Self { lists, of_one, of_two, of_any, of_three, marks }
    }

    /// In the order they are asked.
    pub(super) fn beginning(&self, text: &[u8]) -> &[usize] {
        let id = match *text {
            [] => None,
            [first] => self.of_one.get(usize::from(first)),
            [a, b] => self.of_two.get(pair([a, b])),
            [a, b, c, ..] if self.may_begin(None, [a, b], Some(c)) => {
                self.of_three.get(&[a, b, c]).or(self.of_any.get(pair([a, b])))
            }
            [a, b, ..] => self.of_any.get(pair([a, b])),
        };
        id.and_then(|id| self.lists.get(usize::from(*id))).map_or(&[], Vec::as_slice)
    }

    /// Whether any may but those that every word may begin.
    pub(super) fn may_begin(&self, before: Option<u8>, two: [u8; 2], third: Option<u8>) -> bool {
        let [outside, inside] = &self.marks;
        let marks = if before.is_some_and(|before| Class::WORD.has(before)) { inside } else { outside };
        let [a, b] = two;
        let may_by = |third: u8| has(&marks.open, pair(two)) || has(&marks.three, place([a, b, third]));
        has(&marks.two, pair(two)) && third.is_none_or(may_by)
    }
}

/// Lists of rules, each once.
struct Lists {
    /// The first one has all rules.
    lists: Vec<Vec<usize>>,
    known: HashMap<Vec<usize>, u16>,
}

impl Lists {
    /// That of the rules with these heads, and of those in another list.
    fn id<'h>(&mut self, heads: impl Iterator<Item = &'h Head>, more: Option<u16>) -> u16 {
        let more = more.and_then(|id| self.lists.get(usize::from(id))).into_iter().flatten();
        let mut list: Vec<usize> = heads.map(|(_, rule)| *rule).chain(more.copied()).collect();
        list.sort_unstable();
        list.dedup();
        if let Some(id) = self.known.get(&list) {
            return *id;
        }
        // Of too many lists all rules are asked.
        let Ok(id) = u16::try_from(self.lists.len()) else { return 0 };
        self.lists.push(list.clone());
        self.known.insert(list, id);
        id
    }

    /// For each two bytes one.
    fn by_two(&mut self, heads: &[Head]) -> Vec<u16> {
        let mut ids = Vec::with_capacity(1 << 16);
        for first in all() {
            let here = heads.iter().filter(|([of, ..], _)| of.has(first));
            // Most bytes are second in no rule that says which ones may be.
            let (any, told): (Vec<&Head>, Vec<&Head>) = here.partition(|([_, second, _], _)| *second == Class::ALL);
            let rest = self.id(any.into_iter(), None);
            let told_of = |second: u8| told.iter().copied().filter(move |([_, of, _], _)| of.has(second));
            ids.extend(all().map(|second| {
                if told_of(second).next().is_none() { rest } else { self.id(told_of(second), Some(rest)) }
            }));
        }
        ids
    }
}

/// What the first three bytes of a rule may be, in each way in which it may begin.
fn heads(rule: &Rule) -> Box<dyn Iterator<Item = [Class; 3]> + '_> {
    let word = |word: &str, case: fn(Class) -> Class| {
        let behind = || rule.forms.iter().fold(Class::default(), |all, form| all.or(first(form)));
        let one = |byte: u8| case(Class::of(&[byte]));
        match *word.as_bytes() {
            [] => [Class::ALL; 3],
            [a] => [one(a), Class::ALL, Class::ALL],
            [a, b] => [one(a), one(b), behind()],
            [a, b, c, ..] => [one(a), one(b), one(c)],
        }
    };
    match &rule.start {
        Start::Exact(words) => Box::new(words.iter().map(move |text| word(text, |class| class))),
        Start::AnyCase(words) => Box::new(words.iter().map(move |text| word(text, Class::any_case))),
        Start::Value(forms) => Box::new(forms.iter().map(move |text| word(text, |class| class))),
        Start::Any(class) => Box::new(std::iter::once([*class, Class::ALL, Class::ALL])),
        Start::Two(class) => Box::new(std::iter::once([*class, *class, Class::ALL])),
        Start::Country => Box::new(
            all().filter(u8::is_ascii_alphabetic).map(|letter| [Class::of(&[letter]), countries(letter), Class::DIGIT]),
        ),
    }
}

/// Every three bytes of a head.
fn members((head, _): &Head) -> impl Iterator<Item = [u8; 3]> {
    let [a, b, c] = head.map(Class::bytes);
    a.flat_map(move |a| b.clone().map(move |b| [a, b])).flat_map(move |[a, b]| c.clone().map(move |c| [a, b, c]))
}

fn all() -> impl Iterator<Item = u8> + Clone {
    0..=u8::MAX
}

fn pair(two: [u8; 2]) -> usize {
    usize::from(u16::from_be_bytes(two))
}

/// Whether a place has its bit.
pub(super) fn has(bits: &[u64], place: usize) -> bool {
    bits.get(place / 64).is_none_or(|row| row >> (place % 64) & 1 == 1)
}

/// A bit for each of these places.
pub(super) fn bits(places: impl Iterator<Item = usize>) -> Vec<u64> {
    // For every two bytes, and for every hash.
    let mut bits = vec![0; 1 << 10];
    for place in places {
        bits.get_mut(place / 64).into_iter().for_each(|row| *row |= 1 << (place % 64));
    }
    bits
}

/// Fibonacci hashing.
fn place([a, b, c]: [u8; 3]) -> usize {
    (u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9e37_79b1) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;

    #[test]
    fn every_rule_is_among_those_that_its_examples_begin_with() {
        let rules: Vec<Rule> = known().collect();
        let firsts = Firsts::of(&rules);
        for (index, rule) in rules.iter().enumerate() {
            for [before, secret, after] in &rule.hide {
                let text = format!("{before}{secret}{after}");
                let is_there = |at: usize| firsts.beginning(text.as_bytes().get(at..).unwrap()).contains(&index);
                assert!((0..=before.len()).any(is_there), "{}: {text}", rule.id);
            }
        }
    }

    #[test]
    fn of_two_bytes_that_nothing_begins_with_none_is_asked() {
        let words: Vec<Rule> = known().filter(|rule| !rule.is_word()).collect();
        assert_eq!(Firsts::of(&words).beginning(b"\n\n"), &[0; 0]);
        assert!(!Firsts::of(&words).may_begin(None, *b"\n\n", None));
    }

    #[test]
    fn the_third_byte_rules_out_most_of_what_two_leave_and_no_secret() {
        let rules: Vec<Rule> = known().filter(|rule| rule.default && !rule.is_word()).collect();
        let firsts = Firsts::of(&rules);
        let may_begin = |text: &[u8]| matches!(text, [a, b, c, ..] if firsts.may_begin(None, [*a, *b], Some(*c)));
        for rule in &rules {
            for [before, secret, after] in &rule.hide {
                let text = format!("{before}{secret}{after}");
                let mut places = 0..=before.len();
                assert!(places.any(|at| may_begin(text.as_bytes().get(at..).unwrap())), "{}: {text}", rule.id);
            }
        }
        let line = b"static int session_passes(struct context *about, const char *tables, size_t authors) ";
        let count = |is: &dyn Fn(&[u8]) -> bool| (0..line.len() - 3).filter(|at| is(&line[*at..])).count();
        let by_two = count(&|text| firsts.may_begin(None, [text[0], text[1]], None));
        assert!(count(&may_begin) * 2 < by_two, "{} {by_two}", count(&may_begin));
    }
}
