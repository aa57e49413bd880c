//! Which rules a text may begin with, as its first two bytes tell, and whether any may, as the third does.

use std::collections::HashMap;

use super::class::Class;
use super::heads::first;
use super::rule::{Rule, Start};

/// Rules by the two bytes they begin with.
#[derive(Debug)]
pub(super) struct Pairs {
    /// For each two bytes one of the lists.
    of: Vec<u16>,
    /// For each first byte one, where there is no second.
    of_first: Vec<u16>,
    /// Rules in the order they are asked.
    lists: Vec<Vec<usize>>,
    /// A bit for each two bytes: whether there are others among them than those that every word may begin. It is asked of nearly
    /// every byte that is looked at alone, and stays in the nearest cache.
    more: Vec<u64>,
    /// Of these the ones whose third byte tells nothing.
    open: Vec<u64>,
    /// Which three bytes the others begin with, a bit for each hash.
    thirds: Vec<u64>,
}

/// Some of the rules, a bit for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Chosen(Box<[u64]>);

impl Chosen {
    fn none_of(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(64)].into())
    }

    fn add(&mut self, rule: usize) {
        self.0.get_mut(rule / 64).into_iter().for_each(|row| *row |= 1 << (rule % 64));
    }

    fn list(&self) -> Vec<usize> {
        let rows = (0..).step_by(64).zip(&self.0);
        rows.flat_map(|(from, row)| (0..64).filter(move |bit| row >> bit & 1 == 1).map(move |bit| from + bit)).collect()
    }
}

impl Pairs {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let (mut of, mut of_first) = (Vec::with_capacity(1 << 16), Vec::with_capacity(1 << 8));
        let (mut lists, mut known, mut more) = (Vec::new(), HashMap::new(), vec![0; 1 << 10]);
        let mut id = |some: &Chosen| match known.get(some) {
            Some(id) => *id,
            None => {
                // More lists than two bytes can have there are not.
                let id = u16::try_from(lists.len()).unwrap_or(u16::MAX);
                lists.push(some.list());
                known.insert(some.clone(), id);
                id
            }
        };
        for first in 0..=u8::MAX {
            let seconds = (0..).zip(rules).map(|(index, rule)| (index, rule.seconds(first)));
            let seconds: Vec<(usize, Class)> = seconds.filter(|(_, seconds)| *seconds != Class::default()).collect();
            let mut all = Chosen::none_of(rules.len());
            seconds.iter().for_each(|(index, _)| all.add(*index));
            of_first.push(id(&all));
            // Most bytes are second in no rule that says which ones may be.
            let mut rest = Chosen::none_of(rules.len());
            let (any, told): (Vec<_>, Vec<_>) = seconds.into_iter().partition(|(_, seconds)| *seconds == Class::ALL);
            any.iter().for_each(|(index, _)| rest.add(*index));
            let mut told_of: Vec<Option<Chosen>> = vec![None; 1 << 8];
            for (index, class) in told {
                for some in
                    (0..=u8::MAX).zip(&mut told_of).filter(|(second, _)| class.has(*second)).map(|(_, some)| some)
                {
                    some.get_or_insert_with(|| rest.clone()).add(index);
                }
            }
            let rest = id(&rest);
            of.extend(told_of.iter().map(|some| some.as_ref().map_or(rest, &mut id)));
        }
        let is_more = |list: &Vec<usize>| list.iter().any(|at| rules.get(*at).is_some_and(|rule| !rule.is_word()));
        let is_more: Vec<bool> = lists.iter().map(is_more).collect();
        for (row, ids) in more.iter_mut().zip(of.chunks(64)) {
            let bits = ids.iter().enumerate().filter(|(_, id)| is_more.get(usize::from(**id)).is_none_or(|more| *more));
            *row = bits.fold(0, |row: u64, (bit, _)| row | 1 << bit);
        }
        let (open, thirds) = thirds_of(rules);
        Self { of, of_first, lists, more, open, thirds }
    }

    /// In the order they are asked.
    pub(super) fn beginning(&self, text: &[u8]) -> &[usize] {
        let id = match text {
            [] => None,
            [first] => self.of_first.get(usize::from(*first)),
            [first, second, ..] => self.of.get(usize::from(u16::from_be_bytes([*first, *second]))),
        };
        id.and_then(|id| self.lists.get(usize::from(*id))).map_or(&[], Vec::as_slice)
    }

    /// Whether any may but those that every word may begin.
    pub(super) fn may_begin(&self, pair: [u8; 2], third: Option<u8>) -> bool {
        let index = usize::from(u16::from_be_bytes(pair));
        let may_by = |third: u8| has(&self.open, index) || has(&self.thirds, place(pair, third));
        has(&self.more, index) && third.is_none_or(may_by)
    }
}

/// Pairs of which the third byte tells nothing, and the hashes of those three bytes that do.
fn thirds_of(rules: &[Rule]) -> (Vec<u64>, Vec<u64>) {
    let (mut open, mut thirds) = (vec![0; 1 << 10], vec![0; 1 << 10]);
    let any = |class: Class| (0..=u8::MAX).filter(move |byte| class.has(*byte));
    for rule in rules.iter().filter(|rule| !rule.is_word()) {
        let behind = rule.forms.iter().fold(Class::default(), |all, form| all.or(first(form)));
        let mut word = |word: &[u8], any_case: bool| {
            let cases = |byte: u8| [byte, if any_case { byte.to_ascii_uppercase() } else { byte }];
            let [a, b, rest @ ..] = word else { return };
            for pair in cases(*a).into_iter().flat_map(|a| cases(*b).map(|b| [a, b])) {
                let mut add = |third: u8| set(&mut thirds, place(pair, third));
                match rest.first() {
                    Some(third) => cases(*third).into_iter().for_each(&mut add),
                    None => any(behind).for_each(&mut add),
                }
            }
        };
        match &rule.start {
            Start::Exact(words) => words.iter().for_each(|text| word(text.as_bytes(), false)),
            Start::AnyCase(words) => words.iter().for_each(|text| word(text.as_bytes(), true)),
            Start::Value(forms) => forms.iter().for_each(|form| word(form.as_bytes(), false)),
            Start::Any(_) | Start::Two(_) | Start::Country => {
                let is_country = rule.start == Start::Country;
                for pair in (0..=u8::MAX).flat_map(|a| any(rule.seconds(a)).map(move |b| [a, b])) {
                    match is_country {
                        true => any(Class::DIGIT).for_each(|third| set(&mut thirds, place(pair, third))),
                        false => set(&mut open, usize::from(u16::from_be_bytes(pair))),
                    }
                }
            }
        }
    }
    (open, thirds)
}

fn has(bits: &[u64], place: usize) -> bool {
    bits.get(place / 64).is_none_or(|row| row >> (place % 64) & 1 == 1)
}

fn set(bits: &mut [u64], place: usize) {
    bits.get_mut(place / 64).into_iter().for_each(|row| *row |= 1 << (place % 64));
}

/// Fibonacci hashing.
fn place([first, second]: [u8; 2], third: u8) -> usize {
    (u32::from_le_bytes([first, second, third, 0]).wrapping_mul(0x9e37_79b1) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;

    #[test]
    fn every_rule_is_among_those_that_its_examples_begin_with() {
        let rules: Vec<Rule> = known().collect();
        let pairs = Pairs::of(&rules);
        for (index, rule) in rules.iter().enumerate() {
            for [before, secret, after] in &rule.hide {
                let text = format!("{before}{secret}{after}");
                let is_there = |at: usize| pairs.beginning(text.as_bytes().get(at..).unwrap()).contains(&index);
                assert!((0..=before.len()).any(is_there), "{}: {text}", rule.id);
            }
        }
    }

    #[test]
    fn of_two_bytes_that_nothing_begins_with_none_is_asked() {
        let words: Vec<Rule> = known().filter(|rule| !rule.is_word()).collect();
        assert_eq!(Pairs::of(&words).beginning(b"\n\n"), &[0; 0]);
        assert!(!Pairs::of(&words).may_begin(*b"\n\n", None));
    }

    #[test]
    fn the_third_byte_rules_out_most_of_what_two_leave_and_no_secret() {
        let rules: Vec<Rule> = known().filter(|rule| rule.default && !rule.is_word()).collect();
        let pairs = Pairs::of(&rules);
        let may_begin = |text: &[u8]| matches!(text, [a, b, c, ..] if pairs.may_begin([*a, *b], Some(*c)));
        for rule in &rules {
            for [before, secret, after] in &rule.hide {
                let text = format!("{before}{secret}{after}");
                let mut places = 0..=before.len();
                assert!(places.any(|at| may_begin(text.as_bytes().get(at..).unwrap())), "{}: {text}", rule.id);
            }
        }
        let line = b"static int session_passes(struct context *about, const char *tables, size_t authors) ";
        let count = |is: &dyn Fn(&[u8]) -> bool| (0..line.len() - 3).filter(|at| is(&line[*at..])).count();
        let by_two = count(&|text| pairs.may_begin([text[0], text[1]], None));
        assert!(count(&may_begin) * 2 < by_two, "{} {by_two}", count(&may_begin));
    }
}
