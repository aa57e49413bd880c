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
    /// Of these, which a rule without a word of its own may begin with, or with a short word.
    shapes: Box<[u64; WORDS]>,
    /// The longer words that rules begin with, folded but for their first byte, by the place of their first four bytes.
    words: Vec<(u16, Box<[u8]>)>,
    /// Some rule may begin with nearly anything.
    is_useless: bool,
    /// A rule that begins with a digit has so many of them, with nothing but separators between, or so many in a row.
    digits: usize,
    row: usize,
}

impl Quick {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let (bits, shapes) = (Box::new([0; WORDS]), Box::new([0; WORDS]));
        let mut quick =
            Self { bits, shapes, words: Vec::new(), is_useless: false, digits: usize::MAX, row: usize::MAX };
        rules.iter().for_each(|rule| quick.add(rule));
        quick.words.sort();
        quick.words.dedup();
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
            at += rest
                .windows(WINDOW)
                .position(|window| window.first_chunk().is_none_or(|window| has(&self.bits, place(*window))))?;
            if self.may_begin(folded.get(at..).unwrap_or_default()) {
                return Some(at);
            }
            at += 1;
        }
    }

    /// Whether more than the first four bytes speak for it.
    fn may_begin(&self, folded: &[u8]) -> bool {
        let Some(head) = folded.first_chunk().map(|window| place(*window)) else {
            return true;
        };
        let is_enough = || {
            let is_number = folded.first().is_some_and(u8::is_ascii_digit);
            !is_number || has_digits(folded, self.digits, true) || has_digits(folded, self.row, false)
        };
        (has(&self.shapes, other_place(folded)) && is_enough()) || self.has_word(head, folded)
    }

    fn has_word(&self, head: u16, folded: &[u8]) -> bool {
        let from = self.words.partition_point(|(place, _)| *place < head);
        let words = self.words.iter().skip(from).take_while(|(place, _)| *place == head);
        let rest = folded.get(1..).unwrap_or_default();
        words.into_iter().any(|(_, word)| {
            let other = word.iter().zip(rest).find(|(wanted, byte)| wanted != byte);
            // A word may be broken by a line's end, which is mended: so folded.
            other.is_none_or(|(_, byte)| matches!(byte, b'*' | b'-'))
        })
    }

    fn add(&mut self, rule: &Rule) {
        match &rule.start {
            Start::Exact(words) | Start::AnyCase(words) => {
                for word in words {
                    if !self.word(word) {
                        rule.forms.iter().for_each(|form| self.form(&letters(word), form));
                    }
                }
            }
            Start::Value(forms) => {
                for form in forms.iter() {
                    if !self.word(form) {
                        self.form(&letters(form), &[]);
                    }
                }
            }
            Start::Country => rule.forms.iter().for_each(|form| self.form(&[], form)),
            Start::Any(class) | Start::Two(class) => {
                let is_number = (b'0'..=b'9').any(|byte| class.has(byte));
                for form in rule.forms.iter() {
                    match form.iter().find(|part| !matches!(part, Part::Hide)) {
                        Some(Part::Run(class, least @ 8.., _)) if *class == Class::DIGIT => {
                            self.row = self.row.min(*least);
                        }
                        _ if is_number => self.digits = self.digits.min(least_digits(form)),
                        _ => {}
                    }
                    self.form(&[], form);
                }
            }
        }
    }

    /// A word that tells more than its first four bytes. Whether it is one.
    fn word(&mut self, word: &str) -> bool {
        let sets = letters(word);
        let rest: Box<[u8]> = sets.iter().skip(1).filter_map(|set| set.first().copied()).collect();
        let (Some(firsts), Some([b, c, d])) = (sets.first(), rest.first_chunk()) else {
            return false;
        };
        for first in firsts {
            let head = place([*first, *b, *c, *d]);
            set(&mut self.bits, head);
            self.words.push((head, rest.clone()));
        }
        true
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
            Part::Until(..) | Part::Mail | Part::Header => self.put(begun),
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
        let among = |at: usize| sets.get(at).unwrap_or(&anything);
        let [a, b, c, d] = [among(0), among(1), among(2), among(3)];
        if a.len() * b.len() * c.len() * d.len() > TOO_MANY {
            self.is_useless = true;
            return;
        }
        for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
            for (c, d) in c.iter().flat_map(|c| d.iter().map(move |d| (c, d))) {
                set(&mut self.bits, place([*a, *b, *c, *d]));
                set(&mut self.shapes, other_place(&[*a, *b, *c, *d]));
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

/// Whether so many digits stand there, with separators between or in a row. It may be so where the text ends.
fn has_digits(folded: &[u8], digits: usize, is_grouped: bool) -> bool {
    let mut left = digits;
    for byte in folded {
        match byte {
            _ if left == 0 => return true,
            b'0' | b'1' => left -= 1,
            _ if is_grouped && is_separator(*byte) => {}
            _ => return false,
        }
    }
    true
}

/// How many digits a form begins with at least, with nothing but separators between.
fn least_digits(form: &[Part]) -> usize {
    let mut digits = 0;
    for part in form {
        match part {
            Part::Hide | Part::Show => {}
            Part::Run(class, least, _) if everything_in(*class, |byte| byte.is_ascii_digit()) => digits += least,
            Part::Run(class, _, _) if everything_in(*class, is_separator) => {}
            Part::Text(text) if text.bytes().all(is_separator) => {}
            Part::Card => return digits + 13,
            Part::Text(_) | Part::Run(..) | Part::Until(..) | Part::Not(_) => break,
            Part::Onward(_) | Part::Iban | Part::Mail | Part::Phone | Part::Block | Part::Header => break,
        }
    }
    digits
}

fn everything_in(class: Class, is_in: impl Fn(u8) -> bool) -> bool {
    class.bytes().all(is_in)
}

/// What may stand between the groups of a number; folding leaves it as it is.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'+' | b'(' | b')' | b'/')
}

fn has(bits: &[u64; WORDS], place: u16) -> bool {
    bits.get(usize::from(place >> 6)).is_none_or(|word| word >> (place & 63) & 1 == 1)
}

fn set(bits: &mut [u64; WORDS], place: u16) {
    if let Some(word) = bits.get_mut(usize::from(place >> 6)) {
        *word |= 1 << (place & 63);
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

/// The same by another number, so that what falls together there seldom does here.
fn other_place(folded: &[u8]) -> u16 {
    let window = folded.first_chunk().copied().unwrap_or_default();
    (u32::from_le_bytes(window).wrapping_mul(0x85eb_ca6b) >> 16) as u16
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
        for rule in known().filter(|rule| rule.default && !rule.is_word()) {
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
        let rules: Vec<Rule> = known().filter(|rule| rule.default && !rule.is_word()).collect();
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
