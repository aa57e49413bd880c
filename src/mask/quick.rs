//! Says of most text, quickly, that no secret begins there.
//!
//! Of each rule it knows which four bytes, folded, may stand where it begins; all of them share one small bitmap. It may
//! be wrong in one direction only: where it says no, no rule begins.

use super::class::Class;
use super::rule::{Part, Rule, Start};
use super::shape::IBANS;

/// Which four folded bytes some rule may begin with.
#[derive(Debug)]
pub(super) struct Quick {
    bits: Box<[u64; WORDS]>,
    /// Some rule may begin with nearly anything.
    is_useless: bool,
    /// Some rule may begin with a number of four to seven digits that stands alone.
    has_short_numbers: bool,
}

impl Quick {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut quick = Self { bits: Box::new([0; WORDS]), is_useless: false, has_short_numbers: false };
        rules.iter().for_each(|rule| quick.add(rule));
        quick
    }

    pub(super) fn is_useless(&self) -> bool {
        self.is_useless
    }

    /// The first place of the folded text where a rule may begin. The last three bytes are no place.
    pub(super) fn first(&self, folded: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = folded.get(at..)?;
            at +=
                rest.windows(WINDOW).position(|window| window.first_chunk().is_none_or(|window| self.has(*window)))?;
            if self.has_short_numbers || !is_short_number(folded.get(at..).unwrap_or_default()) {
                return Some(at);
            }
            at += 1;
        }
    }

    fn has(&self, window: [u8; WINDOW]) -> bool {
        let place = place(window);
        self.bits.get(usize::from(place >> 6)).is_none_or(|word| word >> (place & 63) & 1 == 1)
    }

    fn add(&mut self, rule: &Rule) {
        match &rule.start {
            Start::Exact(words) | Start::AnyCase(words) => {
                for word in words {
                    rule.forms.iter().for_each(|form| self.form(&letters(word), form));
                }
            }
            Start::Value(forms) => forms.iter().for_each(|form| self.form(&letters(form), &[])),
            Start::Any(_) | Start::Two(_) => {
                for form in &rule.forms {
                    let first = form.iter().find(|part| !matches!(part, Part::Hide));
                    self.has_short_numbers |=
                        matches!(first, Some(Part::Run(class, 4..=7, _)) if *class == Class::DIGIT);
                    self.form(&[], form);
                }
            }
        }
    }

    /// Every way in which the first four bytes of a form may be taken up.
    fn form(&mut self, begun: &[Vec<u8>], rest: &[Part]) {
        let Some((part, after)) = rest.split_first().filter(|_| begun.len() < WINDOW) else {
            return self.put(begun);
        };
        let mut follow = |sets: &[Vec<u8>]| self.form(&[begun, sets].concat(), after);
        match part {
            Part::Hide | Part::Show | Part::Not(_) | Part::Onward(_) | Part::Block => follow(&[]),
            Part::Text(text) => follow(&letters(text)),
            Part::Run(class, least, most) => {
                for count in *least..=(*most).min(WINDOW.max(*least)) {
                    let run = vec![members(*class); count.min(WINDOW)];
                    follow(&if *class == Class::DIGIT && begun.is_empty() { number(count) } else { run });
                }
            }
            // What is skipped may be anything.
            Part::Until(..) => self.put(begun),
            Part::Phone => follow(&vec![b"01 -.()".to_vec(); 2]),
            Part::Card => follow(&number(WINDOW)),
            Part::Iban => {
                for (country, _) in IBANS {
                    follow(&[letters(country), number(2)].concat());
                }
            }
        }
    }

    fn put(&mut self, sets: &[Vec<u8>]) {
        let anything = everything();
        let set = |at: usize| sets.get(at).unwrap_or(&anything);
        let [a, b, c, d] = [set(0), set(1), set(2), set(3)];
        if a.len() * b.len() * c.len() * d.len() > TOO_MANY {
            self.is_useless = true;
            return;
        }
        for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
            for (c, d) in c.iter().flat_map(|c| d.iter().map(move |d| (c, d))) {
                let place = place([*a, *b, *c, *d]);
                if let Some(word) = self.bits.get_mut(usize::from(place >> 6)) {
                    *word |= 1 << (place & 63);
                }
            }
        }
    }
}

/// Letters in lower case, the first digit of a number a zero and every other one a one. Others may fall together.
pub(super) fn fold(before: u8, byte: u8) -> u8 {
    // No branches: the compiler takes many bytes at once.
    let (is_digit, follows) = (u8::from(byte.wrapping_sub(b'0') < 10), u8::from(before.wrapping_sub(b'0') < 10));
    let mask = 0_u8.wrapping_sub(is_digit);
    mask & (b'0' | follows) | !mask & (byte | 0x20)
}

/// All of a text, with what stands before it.
pub(super) fn fold_all(before: Option<u8>, text: &[u8], folded: &mut Vec<u8>) {
    folded.resize(text.len(), 0);
    let befores = std::iter::once(before.unwrap_or(b' '));
    let first = folded.iter_mut().zip(text).zip(befores);
    first.for_each(|((folded, byte), before)| *folded = fold(before, *byte));
    let after = text.get(1..).unwrap_or_default();
    let rest = folded.get_mut(1..).unwrap_or_default().iter_mut().zip(text).zip(after);
    rest.for_each(|((folded, before), byte)| *folded = fold(*before, *byte));
}

/// A text from its first byte on, whatever stands before it.
fn letters(text: &str) -> Vec<Vec<u8>> {
    let both = |byte: u8| distinct([fold(b' ', byte), fold(b'0', byte)].into_iter());
    let first = text.bytes().take(1).map(both);
    first.chain(text.bytes().zip(text.bytes().skip(1)).map(|(before, byte)| vec![fold(before, byte)])).collect()
}

/// So many digits with none before: a rule that begins with digits begins at the first one.
fn number(digits: usize) -> Vec<Vec<u8>> {
    (0..digits.min(WINDOW)).map(|at| vec![if at == 0 { b'0' } else { b'1' }]).collect()
}

/// A number of four to seven digits that no group of four follows: a year, a port, a process. Text is full of them.
fn is_short_number(folded: &[u8]) -> bool {
    let Some((b"0111", ahead)) = folded.split_first_chunk() else { return false };
    match ahead.first_chunk() {
        Some(b"1111" | b" 011" | b"-011") | None => false,
        Some(_) => true,
    }
}

fn members(class: Class) -> Vec<u8> {
    everything_of(|byte| class.has(byte))
}

fn everything() -> Vec<u8> {
    everything_of(|_| true)
}

fn everything_of(is_in: impl Fn(u8) -> bool) -> Vec<u8> {
    let of = |before: u8| (0..=u8::MAX).map(move |byte| (before, byte));
    distinct(of(b' ').chain(of(b'0')).filter(|(_, byte)| is_in(*byte)).map(|(before, byte)| fold(before, byte)))
}

fn distinct(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    bytes.collect::<std::collections::BTreeSet<u8>>().into_iter().collect()
}

/// Fibonacci hashing.
fn place(window: [u8; WINDOW]) -> u16 {
    (u32::from_le_bytes(window).wrapping_mul(0x9e37_79b1) >> 16) as u16
}

const WINDOW: usize = 4;

/// Bits for every hash.
const WORDS: usize = 1 << 10;

/// A rule that fills more of the bitmap than this makes it worthless.
const TOO_MANY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;

    fn folded(text: &str) -> Vec<u8> {
        let mut folded = Vec::new();
        fold_all(None, text.as_bytes(), &mut folded);
        folded
    }

    #[test]
    fn whatever_a_rule_hides_is_found_where_it_begins() {
        for rule in known().filter(|rule| rule.default) {
            let quick = Quick::new(std::slice::from_ref(&rule));
            assert!(!quick.is_useless(), "{}", rule.id);
            for [before, secret, after] in &rule.hide {
                let text = format!("{before}{secret}{after}   ");
                let first = quick.first(&folded(&text));
                assert!(first.is_some_and(|first| first <= before.len()), "{}: {text}", rule.id);
            }
        }
    }

    #[test]
    fn of_an_ordinary_line_hardly_a_place_is_looked_at() {
        let rules: Vec<Rule> = known().filter(|rule| rule.default).collect();
        let quick = Quick::new(&rules);
        let line =
            "2026-11-28T07:41:52.123456Z host12 sshd[4711]: session closed for user deploy, uid 1000, port 52110";
        let line = folded(line);
        let looked_at = |from: usize| line.get(from..).and_then(|rest| quick.first(rest)).map(|place| from + place + 1);
        let places: Vec<String> = std::iter::successors(looked_at(0), |from| looked_at(*from))
            .map(|from| String::from_utf8_lossy(&line[from - 1..][..4]).into_owned())
            .collect();
        assert!(places.len() <= 6, "{places:?}");
    }

    #[test]
    fn a_rule_that_begins_with_anything_makes_it_useless() {
        let rules: Vec<Rule> = known().collect();
        assert!(Quick::new(&rules).is_useless());
    }
}
