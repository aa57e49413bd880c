//! How rules begin that are found by runs and groups: first bytes of tokens, numbers, and which rules are told by them.

use super::class::Class;
use super::rule::{Before, Form, Part, Rule};

/// Which four bytes something may begin with.
#[derive(Debug, Default)]
pub(super) struct Heads {
    bits: Vec<u64>,
    /// Some may stand inside a word.
    pub(super) is_anywhere: bool,
}

impl Heads {
    /// The first four bytes of each word, or of a short one with what may follow. Whether they are few enough.
    pub(super) fn add(&mut self, rule: &Rule, words: &[String]) -> bool {
        self.is_anywhere |= rule.before != Before::NoWord;
        self.bits.resize(1 << 11, 0);
        words.iter().all(|word| rule.forms.iter().all(|form| self.add_form(word.as_bytes(), form)))
    }

    fn add_form(&mut self, begun: &[u8], rest: &[Part]) -> bool {
        if let Some(head) = begun.first_chunk() {
            for place in places(*head) {
                if let Some(bits) = self.bits.get_mut(place >> 6) {
                    *bits |= 1 << (place & 63);
                }
            }
            return true;
        }
        let Some((part, after)) = rest.split_first() else {
            return false;
        };
        match part {
            Part::Hide | Part::Show => self.add_form(begun, after),
            Part::Text(text) => self.add_form(&[begun, text.as_bytes()].concat(), after),
            // Of a longer run the next byte is of it too; a run that may be empty is for others.
            Part::Run(class, least @ 1.., most) => {
                let after: Vec<Part> = match (least, most) {
                    (1, 1) => after.to_vec(),
                    (least, most) => [&[Part::Run(*class, least - 1, most - 1)], after].concat(),
                };
                (0..=u8::MAX)
                    .filter(|byte| class.has(*byte))
                    .all(|byte| self.add_form(&[begun, &[byte]].concat(), &after))
            }
            Part::Run(..)
            | Part::Until(..)
            | Part::Not(_)
            | Part::Onward(_)
            | Part::Card
            | Part::Iban
            | Part::Mail
            | Part::Phone
            | Part::Block => false,
        }
    }

    pub(super) fn has(&self, head: [u8; 4]) -> bool {
        places(head).iter().all(|place| self.bits.get(place >> 6).is_some_and(|bits| bits >> (place & 63) & 1 == 1))
    }
}

/// Two places of a head: what falls together at one seldom does at the other.
fn places(head: [u8; 4]) -> [usize; 2] {
    let head = u32::from_le_bytes(head);
    let place = |by: u32| (head.wrapping_mul(by) >> 15) as usize;
    [place(0x9e37_79b1), place(0x85eb_ca6b)]
}

/// Whether it begins with a run of sixteen characters of base64 or dots, in front of which no word stands.
pub(super) fn is_token(rule: &Rule, words: &[String]) -> bool {
    let is_inside = |class: Class| (0..=u8::MAX).all(|byte| !class.has(byte) || Class::DOTTED.has(byte));
    let is_of = |text: &str| text.bytes().all(|byte| Class::DOTTED.has(byte));
    let least = |form: &Form| {
        let parts = form.iter().map_while(|part| match part {
            Part::Hide | Part::Show => Some(0),
            Part::Text(text) if is_of(text) => Some(text.len()),
            Part::Run(class, least, _) if is_inside(*class) => Some(*least),
            _ => None,
        });
        parts.sum::<usize>()
    };
    rule.before == Before::NoWord
        && words.iter().all(|word| is_of(word) && rule.forms.iter().all(|form| word.len() + least(form) >= 16))
}

/// Whether a word that a line's end breaks may be of it: it is hidden from its first byte on.
pub(super) fn may_be_mended(rule: &Rule, words: &[String]) -> bool {
    let is_whole = |form: &Form| !form.contains(&Part::Hide);
    let is_unbroken = |word: &String| word.bytes().take(4).all(|byte| Class::TOKEN.has(byte));
    rule.forms.iter().any(is_whole) && words.iter().any(is_unbroken)
}

/// Whether it begins with digits in one of the ways that are looked for: eight in a row; groups of three, two and four,
/// or of three, three and three; or two groups of four.
pub(super) fn is_number(form: &Form) -> bool {
    let parts: Vec<&Part> = form.iter().filter(|part| !matches!(part, Part::Hide | Part::Show)).collect();
    let digits = |part: &Part| match part {
        Part::Run(class, least, most) if *class == Class::DIGIT => Some((*least, *most)),
        _ => None,
    };
    let is_between = |part: &Part| match part {
        Part::Text(text) => matches!(text.as_str(), " " | "-" | "."),
        Part::Run(class, 1, 1) => (0..=u8::MAX).all(|byte| !class.has(byte) || b" -.".contains(&byte)),
        _ => false,
    };
    match parts.as_slice() {
        [Part::Card, ..] => true,
        [row, ..] if digits(row).is_some_and(|(least, _)| least >= 8) => true,
        [first, a, second, b, third, ..] if is_between(a) && is_between(b) => {
            matches!(
                (digits(first), digits(second), digits(third)),
                (Some((3, 3)), Some((2, 2)), Some((4.., _)))
                    | (Some((3, 3)), Some((3, 3)), Some((3.., _)))
                    | (Some((4, 4)), Some((4.., _)), _)
            )
        }
        _ => false,
    }
}

pub(super) fn is_plus(rule: &Rule, words: &[String]) -> bool {
    !rule.forms.is_empty()
        && words.iter().all(|word| matches!(word.as_bytes(), [b'+', digit] if digit.is_ascii_digit()))
}

/// `(2` and two more digits.
pub(super) fn is_bracket(rule: &Rule, words: &[String]) -> bool {
    let is_two = |form: &Form| matches!(form.first(), Some(Part::Run(class, 2.., _)) if *class == Class::DIGIT);
    words.iter().all(|word| matches!(word.as_bytes(), [b'(', digit] if digit.is_ascii_digit()))
        && rule.forms.iter().all(is_two)
}
