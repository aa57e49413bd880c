//! Which rules a text may begin with, as its first two bytes tell.

use std::collections::HashMap;

use super::class::Class;
use super::rule::Rule;

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
        Self { of, of_first, lists, more }
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
    pub(super) fn may_begin(&self, first: u8, second: u8) -> bool {
        let pair = usize::from(u16::from_be_bytes([first, second]));
        self.more.get(pair / 64).is_none_or(|row| row >> (pair % 64) & 1 == 1)
    }
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
        assert!(!Pairs::of(&words).may_begin(b'\n', b'\n'));
    }
}
