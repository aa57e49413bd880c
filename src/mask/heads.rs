//! How rules begin that are found by runs of characters or by words: first bytes, and what may follow.

use super::check::Check;
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
        self.is_anywhere |= !matches!(rule.before, Before::NoWord | Before::NoNumber);
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
                class.bytes().all(|byte| self.add_form(&[begun, &[byte]].concat(), &after))
            }
            Part::Run(..)
            | Part::Until(..)
            | Part::Not(_)
            | Part::Onward(_)
            | Part::Card
            | Part::Iban
            | Part::Mail
            | Part::Phone
            | Part::Block
            | Part::Header => false,
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
    let is_of = |text: &str| text.bytes().all(|byte| Class::DOTTED.has(byte));
    let least = |form: &Form| {
        let parts = form.iter().map_while(|part| match part {
            Part::Hide | Part::Show => Some(0),
            Part::Text(text) if is_of(text) => Some(text.len()),
            Part::Run(class, least, _) if class.is_within(Class::DOTTED) => Some(*least),
            _ => None,
        });
        parts.sum::<usize>()
    };
    rule.before == Before::NoWord
        && words.iter().all(|word| is_of(word) && rule.forms.iter().all(|form| word.len() + least(form) >= 16))
}

/// Whether a word that a line's end breaks may be of it.
pub(super) fn may_be_mended(rule: &Rule, words: &[String]) -> bool {
    let is_unbroken = |word: &String| word.bytes().take(4).all(|byte| Class::TOKEN.has(byte));
    rule.may_be_mended() && words.iter().any(is_unbroken)
}

/// How many bytes of a telephone number follow the plus sign at least; none where the rule is about anything else.
pub(super) fn least_of_phone(rule: &Rule) -> usize {
    let is_phone = |form: &Form| form.first() == Some(&Part::Phone);
    if rule.check == Check::Phone && rule.forms.iter().all(is_phone) { Check::LEAST_OF_PHONE } else { 0 }
}

pub(super) fn is_plus(rule: &Rule, words: &[String]) -> bool {
    !rule.forms.is_empty()
        && words.iter().all(|word| matches!(word.as_bytes(), [b'+', digit] if digit.is_ascii_digit()))
}

/// What may follow the word that a rule begins with, folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    first: Class,
    /// Behind a blank.
    second: Class,
}

impl Behind {
    pub(super) fn of(rule: &Rule) -> Self {
        // Folded, nothing is a blank.
        let behind_blank = rule.forms.iter().flat_map(|form| [after(form, b' '), after(form, 0)].concat());
        let or = |all: Class, form: &[Part]| all.or(first(form));
        Self {
            first: rule.forms.iter().fold(Class::default(), |all, form| or(all, form)).folded(),
            second: behind_blank.fold(Class::default(), |all, form| or(all, &form)).folded(),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { first: self.first.or(other.first), second: self.second.or(other.second) }
    }

    #[cfg(test)]
    pub(super) fn any() -> Self {
        Self { first: Class::ALL, second: Class::ALL }
    }

    /// Whether it may go on so, where the text goes on and a line's end breaks nothing.
    pub(super) fn has(&self, folded: &[u8]) -> bool {
        let may = |class: Class, byte: Option<&u8>| byte.is_none_or(|byte| class.has(*byte));
        may(self.first(), folded.first())
            && (folded.first() != Some(&b' ') || may(self.second.or(BREAK), folded.get(1)))
    }

    /// What may follow first.
    pub(super) fn first(&self) -> Class {
        self.first.or(BREAK)
    }
}

/// The ends of lines, folded.
const BREAK: Class = Class::of(b"*-");

/// What is left of a form behind a byte, in each way in which it may have been taken up.
fn after(form: &[Part], byte: u8) -> Vec<Vec<Part>> {
    let Some((part, rest)) = form.split_first() else {
        return vec![Vec::new()];
    };
    match part {
        Part::Hide | Part::Show | Part::Onward(_) | Part::Not(_) => after(rest, byte),
        Part::Text(text) => match text.as_bytes().split_first() {
            None => after(rest, byte),
            Some((first, text)) if *first == byte => {
                let text = Part::Text(String::from_utf8_lossy(text).into_owned());
                vec![[&[text], rest].concat()]
            }
            Some(_) => Vec::new(),
        },
        Part::Run(class, least, most) => {
            let mut forms = if *least == 0 { after(rest, byte) } else { Vec::new() };
            if *most > 0 && class.has(byte) {
                forms.push([&[Part::Run(*class, least.saturating_sub(1), most - 1)], rest].concat());
            }
            forms
        }
        // Anything may follow.
        Part::Until(..) | Part::Card | Part::Iban | Part::Mail | Part::Phone | Part::Block => vec![Vec::new()],
        Part::Header => vec![vec![Part::Header]],
    }
}

/// By a byte, and by one behind a blank: a bit for each of the first 64 forms that may begin so.
pub(super) fn told(forms: &[Form]) -> Vec<[u64; 2]> {
    let mut told = vec![[0; 2]; 256];
    for (at, form) in forms.iter().take(64).enumerate() {
        let behind_blank = after(form, b' ').iter().fold(Class::default(), |all, rest| all.or(first(rest)));
        for (class, place) in [(first(form), 0), (behind_blank, 1)] {
            for byte in class.bytes() {
                if let Some(bits) = told.get_mut(usize::from(byte)).and_then(|bits| bits.get_mut(place)) {
                    *bits |= 1 << at;
                }
            }
        }
    }
    told
}

/// What a form may begin with.
pub(super) fn first(form: &[Part]) -> Class {
    let mut class = Class::default();
    for part in form {
        match part {
            Part::Hide | Part::Show | Part::Onward(_) | Part::Not(_) => {}
            Part::Text(text) => match text.as_bytes() {
                [] => {}
                [byte, ..] => return class.or(Class::of(&[*byte])),
            },
            Part::Run(of, least, most) => {
                class = if *most > 0 { class.or(*of) } else { class };
                if *least > 0 {
                    return class;
                }
            }
            // Behind two blanks, any title.
            Part::Header => return class.or(Class::of(b"\"' \t|,;\r\n\xe2")),
            Part::Until(..) | Part::Card | Part::Iban | Part::Mail | Part::Phone | Part::Block => return Class::ALL,
        }
    }
    Class::ALL
}

/// `(2` and two more digits.
pub(super) fn is_bracket(rule: &Rule, words: &[String]) -> bool {
    let is_two = |form: &Form| matches!(form.first(), Some(Part::Run(class, 2.., _)) if *class == Class::DIGIT);
    words.iter().all(|word| matches!(word.as_bytes(), [b'(', digit] if digit.is_ascii_digit()))
        && rule.forms.iter().all(is_two)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::rule::Ways;

    #[test]
    fn what_may_follow_a_word_is_known_two_bytes_far_behind_a_blank() {
        let blank = Part::Run(Class::BLANK, 0, 3);
        let form =
            vec![blank.clone(), Part::Run(Class::of(b":="), 1, 1), blank, Part::Hide, Part::Run(Class::WORD, 8, 80)];
        let forms = Ways::new(vec![Form::new(form, Check::None)]);
        let rule = Rule { forms, ..crate::mask::known().next().unwrap() };
        let behind = Behind::of(&rule);
        assert!(
            [": x", "=x", " = x", " :x", "  ", "", " ", "\n*"]
                .iter()
                .all(|text| behind.has(text.to_lowercase().replace('\n', "*").as_bytes()))
        );
        assert!(["x", ".x", " for", " x"].iter().all(|text| !behind.has(text.as_bytes())));
    }
}
