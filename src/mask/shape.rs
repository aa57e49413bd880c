//! Whether a secret stands at one place of a text whose rest may not have come yet.
//!
//! An answer other than `More` never changes when more text comes: that is why pieces do not matter.

use std::ops::Range;

use super::check::Check;
use super::class::Class;
use super::rule::{Before, HEADER, Part, Rule, Rules, Start};

mod mail;

pub(super) use mail::may_be_domain;

/// What is known of a place.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The byte before.
    pub(super) before: Option<u8>,
    /// What stands before in the text, as far as it is known: enough of it to tell a name.
    pub(super) so_far: &'a [u8],
    /// From the place on.
    pub(super) text: &'a [u8],
    /// Whether nothing will follow.
    pub(super) is_closed: bool,
}

pub(super) enum Verdict<'a> {
    Nothing,
    /// It depends on what comes.
    More,
    Found(&'a Rule, Span),
}

/// What to hide, counted from the place, and what of the bytes behind it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) hidden: Range<usize>,
    pub(super) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The secret ended.
    Scan,
    /// It goes on as long as bytes of the class come.
    Onward(Class),
    /// It is a key's body, of bytes of the class.
    Block(Class),
}

/// Where a run begins, of what it is, how long at least and at most; and its end.
type Run = ((usize, Class, usize, usize), Result<usize, Miss>);

/// A part did not fit, or it cannot be known yet.
#[derive(Clone, Copy)]
enum Miss {
    No,
    More,
}

impl<'a> Place<'a> {
    pub(super) fn verdict<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        let mut verdicts = rules.beginning(self.text).map(|rule| self.verdict_of(rule));
        verdicts.find(|verdict| !matches!(verdict, Verdict::Nothing)).unwrap_or(Verdict::Nothing)
    }

    /// Of some of the rules.
    pub(super) fn verdict_of_those<'r>(&self, rules: &'r Rules, is: fn(&Rule) -> bool) -> Verdict<'r> {
        let mut verdicts = rules.beginning(self.text).filter(|rule| is(rule)).map(|rule| self.verdict_of(rule));
        verdicts.find(|verdict| !matches!(verdict, Verdict::Nothing)).unwrap_or(Verdict::Nothing)
    }

    /// Of one rule.
    pub(super) fn verdict_of<'r>(&self, rule: &'r Rule) -> Verdict<'r> {
        self.verdict_by(rule, || self.rule(rule))
    }

    /// Of one rule by one of its words.
    pub(super) fn verdict_of_word<'r>(&self, rule: &'r Rule, word: usize) -> Verdict<'r> {
        let (words, any_case) = match &rule.start {
            Start::Exact(words) => (words, false),
            Start::AnyCase(words) => (words, true),
            Start::Value(_) | Start::Any(_) | Start::Two(_) | Start::Country => return self.verdict_of(rule),
        };
        let word = words.get(word).map(String::as_str);
        self.verdict_by(rule, || self.words(rule, word.into_iter(), any_case))
    }

    fn verdict_by<'r>(&self, rule: &'r Rule, found: impl Fn() -> Result<Span, Miss>) -> Verdict<'r> {
        if !self.may_stand(rule.before) {
            return Verdict::Nothing;
        }
        match found() {
            Err(Miss::No) => Verdict::Nothing,
            _ if rule.is_of_another_name(self.so_far) => Verdict::Nothing,
            Ok(span) => Verdict::Found(rule, span),
            Err(Miss::More) => Verdict::More,
        }
    }

    fn may_stand(&self, before: Before) -> bool {
        let Some(byte) = self.before else {
            return !matches!(before, Before::Digit | Before::Name);
        };
        match before {
            Before::Anything => true,
            Before::NoWord => !Class::WORD.has(byte),
            Before::Digit => byte.is_ascii_digit(),
            Before::Name => byte.is_ascii_alphanumeric(),
            Before::NoNumber => !Class::WORD.has(byte) && !b".-/+".contains(&byte),
        }
    }

    /// Whether it is at most the beginning of names, behind which secrets may stand: names are shown.
    pub(super) fn is_in_a_name(&self, rules: &Rules) -> bool {
        let is_within = |words: &[String], any_case: bool| {
            self.alike(words, any_case).all(|word| self.text(0, word, any_case).is_err())
        };
        rules.beginning(self.text).all(|rule| match (self.verdict_of(rule), &rule.start) {
            (Verdict::Nothing, _) => true,
            (Verdict::More, Start::Exact(words)) => rule.is_named() && is_within(words, false),
            (Verdict::More, Start::AnyCase(words)) => rule.is_named() && is_within(words, true),
            (Verdict::More | Verdict::Found(..), _) => false,
        })
    }

    fn rule(&self, rule: &Rule) -> Result<Span, Miss> {
        match &rule.start {
            Start::Exact(words) => self.words(rule, self.alike(words, false), false),
            Start::AnyCase(words) => self.words(rule, self.alike(words, true), true),
            Start::Value(forms) => self.words(rule, forms.iter(), false),
            Start::Any(class) if self.text.first().is_some_and(|first| !class.has(*first)) => Err(Miss::No),
            Start::Any(_) | Start::Two(_) | Start::Country => self.forms(rule, 0),
        }
    }

    /// Of many words those that begin with the same two bytes.
    fn alike<'w>(&self, words: &'w [String], any_case: bool) -> impl Iterator<Item = &'w str> {
        let head = |word: &String| word.as_bytes().first_chunk().map_or(0, |two| u16::from_be_bytes(*two));
        let two = match self.text {
            [a, b, ..] if words.len() > FEW && any_case => Some([a.to_ascii_lowercase(), b.to_ascii_lowercase()]),
            [a, b, ..] if words.len() > FEW => Some([*a, *b]),
            _ => None,
        };
        let two = two.map(u16::from_be_bytes);
        let from = two.map_or(0, |two| words.partition_point(|word| head(word) < two));
        let alike = words.iter().skip(from).take_while(move |word| two.is_none_or(|two| head(word) == two));
        alike.map(String::as_str)
    }

    fn words<'w>(&self, rule: &Rule, words: impl Iterator<Item = &'w str>, any_case: bool) -> Result<Span, Miss> {
        for word in words {
            let found = self.text(0, word, any_case).and_then(|at| self.forms(rule, at));
            if !matches!(found, Err(Miss::No)) {
                return found;
            }
        }
        Err(Miss::No)
    }

    fn forms(&self, rule: &Rule, from: usize) -> Result<Span, Miss> {
        // Many forms of a rule begin with the same runs.
        let mut begun = [None; 3];
        let ahead = self.text.get(from..).unwrap_or_default();
        for form in rule.forms.beginning(ahead) {
            match self.form(form, from, &mut begun) {
                Ok(span) if rule.is_header() || self.passes(form.check, &span) => return Ok(span),
                Ok(_) | Err(Miss::No) => {}
                Err(Miss::More) => return Err(Miss::More),
            }
        }
        Err(Miss::No)
    }

    fn passes(&self, check: Check, span: &Span) -> bool {
        let goes_on = |byte: &u8| matches!(span.then, Then::Onward(class) if class.has(*byte));
        let next = self.text.get(span.hidden.end).copied().filter(|byte| !goes_on(byte));
        check.passes(self.text.get(span.hidden.clone()).unwrap_or_default(), next)
    }

    fn form(&self, form: &[Part], from: usize, begun: &mut [Option<Run>; 3]) -> Result<Span, Miss> {
        let mut at = from;
        let mut begin = 0;
        let mut end = None;
        let mut then = Then::Scan;
        let mut begun = begun.iter_mut();
        for part in form {
            match part {
                Part::Hide => begin = at,
                Part::Show => end = Some(at),
                Part::Text(text) => at = self.text(at, text, false)?,
                Part::Run(class, least, most) => {
                    let run = (at, *class, *least, *most);
                    let begun = begun.next();
                    at = match begun {
                        Some(Some(known)) if known.0 == run => known.1?,
                        Some(begun) => begun.insert((run, self.run(at, *class, *least, *most))).1?,
                        None => self.run(at, *class, *least, *most)?,
                    };
                }
                Part::Until(text, most) => at = self.until(at, text, *most)?,
                Part::Not(class) => match self.at(at)? {
                    Some(byte) if class.has(byte) => return Err(Miss::No),
                    _ => {}
                },
                Part::Onward(class) => then = Then::Onward(*class),
                Part::Phone => at = self.phone(at)?,
                Part::Card => at = self.card()?,
                Part::Iban => at = self.iban(at)?,
                Part::Mail => at = self.mail()?,
                Part::Block => then = Then::Block(Class::KEY),
                Part::Header => at = self.header(at)?,
            }
        }
        Ok(Span { hidden: begin..end.unwrap_or(at), then })
    }

    /// The byte there; none at the end.
    fn at(&self, at: usize) -> Result<Option<u8>, Miss> {
        match self.text.get(at) {
            None if !self.is_closed => Err(Miss::More),
            byte => Ok(byte.copied()),
        }
    }

    fn text(&self, from: usize, text: &str, any_case: bool) -> Result<usize, Miss> {
        let ahead = self.text.get(from..).unwrap_or_default();
        let is_same = |(wanted, byte): (u8, &u8)| *byte == wanted || (any_case && byte.to_ascii_lowercase() == wanted);
        match text.bytes().zip(ahead).all(is_same) {
            true if ahead.len() >= text.len() => Ok(from + text.len()),
            true if !self.is_closed => Err(Miss::More),
            _ => Err(Miss::No),
        }
    }

    fn run(&self, from: usize, class: Class, least: usize, most: usize) -> Result<usize, Miss> {
        let window = self.text.get(from..).unwrap_or_default();
        let mut length = window.iter().take(most).take_while(|byte| class.has(**byte)).count();
        if [Class::IN_DOUBLE, Class::IN_SINGLE, Class::IN_QUOTES].contains(&class) {
            while let Some(more) = self.within_quotes(from, length, class, most)? {
                length = more;
            }
        }
        if length < most {
            self.at(from + length)?;
        }
        if length < least { Err(Miss::No) } else { Ok(from + length) }
    }

    /// How far a run in quotes goes on behind a quote that is part of it, since another one ends it: `\"`, and `''`.
    fn within_quotes(&self, from: usize, length: usize, class: Class, most: usize) -> Result<Option<usize>, Miss> {
        let window = self.text.get(from..).unwrap_or_default();
        let behind = match window.get(length).filter(|_| length < most) {
            Some(b'"' | b'\'') if is_behind_backslash(window, length) => length + 1,
            Some(b'\'') if length > 0 && self.at(from + length + 1)? == Some(b'\'') => length + 2,
            _ => return Ok(None),
        };
        let rest = window.get(behind..).unwrap_or_default();
        let end = behind + rest.iter().take(most).take_while(|byte| class.has(**byte)).count();
        let is_closed = matches!(self.at(from + end)?, Some(b'"' | b'\''));
        Ok(Some(end).filter(|end| is_closed && *end <= most))
    }

    /// The place behind the first of these texts in the line.
    fn until(&self, from: usize, text: &str, most: usize) -> Result<usize, Miss> {
        let Some(first) = text.bytes().next() else {
            return Ok(from);
        };
        let (mut from, last) = (from, from + most);
        while from <= last {
            let window = self.text.get(from..=last).or(self.text.get(from..)).unwrap_or_default();
            let Some(next) = memchr::memchr3(first, b'\r', b'\n', window) else {
                if from + window.len() <= last {
                    self.at(from + window.len())?;
                }
                break;
            };
            match self.text(from + next, text, false) {
                Err(Miss::No) if window.get(next).is_none_or(|byte| matches!(byte, b'\r' | b'\n')) => break,
                Err(Miss::No) => from += next + 1,
                found => return found,
            }
        }
        Err(Miss::No)
    }

    /// Digits behind a plus sign and the first of them: single blanks, dots or hyphens between, one pair of brackets.
    fn phone(&self, from: usize) -> Result<usize, Miss> {
        let (mut at, mut end, mut is_open, mut brackets) = (from, from, false, 0);
        while at < from + 24 {
            let last = at.checked_sub(1).and_then(|last| self.text.get(last)).copied().unwrap_or_default();
            match self.at(at)? {
                Some(b'0'..=b'9') => end = at + 1,
                Some(b'(') if brackets == 0 => (is_open, brackets) = (true, 1),
                Some(b')') if is_open => is_open = false,
                Some(b' ' | b'-' | b'.') if last.is_ascii_digit() || last == b')' => {}
                _ => break,
            }
            at += 1;
        }
        Ok(end)
    }

    /// What may stand behind a title in the header of a table, up to the line's end.
    fn header(&self, from: usize) -> Result<usize, Miss> {
        let quote = self.run(from, Class::of(b"\"'"), 0, 1)?;
        let blanks = self.run(quote, Class::of(b" "), 0, HEADER)?;
        let is_list = match self.at(blanks)? {
            Some(b',' | b';') if blanks == quote => quote == from,
            Some(b'\t') if blanks == quote => false,
            None | Some(b'|' | b'\r' | b'\n' | 0xe2) => false,
            Some(byte) if blanks > quote + 1 && Class::WORD.has(byte) => false,
            Some(_) => return Err(Miss::No),
        };
        let class = if is_list { Class::TITLES } else { Class::TITLES.or(Class::BLANK) };
        let end = self.run(blanks, class, 0, HEADER)?;
        if matches!(self.at(end)?, None | Some(b'\r' | b'\n')) { Ok(end) } else { Err(Miss::No) }
    }

    fn card(&self) -> Result<usize, Miss> {
        let plain = self.run(0, Class::DIGIT, 4, 20)?;
        if (13..=19).contains(&plain) {
            // With a fraction it is a measure.
            let has_fraction =
                self.at(plain)? == Some(b'.') && self.at(plain + 1)?.is_some_and(|byte| byte.is_ascii_digit());
            return if has_fraction { Err(Miss::No) } else { Ok(plain) };
        }
        let separator = match self.at(plain)? {
            // In the query of a URL a blank is a plus.
            Some(byte @ (b' ' | b'-' | b'.' | b'+')) if plain == 4 => byte,
            _ => return Err(Miss::No),
        };
        let second = self.run(plain + 1, Class::DIGIT, 4, 6)?;
        let rest: &[(usize, usize)] = match second - plain - 1 {
            4 => &[(4, 4), (4, 4)],
            6 => &[(4, 5)],
            _ => return Err(Miss::No),
        };
        let mut at = second;
        for (least, most) in rest {
            if self.at(at)? != Some(separator) {
                return Err(Miss::No);
            }
            at = self.run(at + 1, Class::DIGIT, *least, *most)?;
        }
        // By chance, in a row of a dump or a table.
        if separator == b' ' && rest.len() == 2 && self.is_in_a_row(at)? { Err(Miss::No) } else { Ok(at) }
    }

    /// Whether the next group is one of four hexadecimal digits too, and not letters alone, nor a month and a year.
    fn is_in_a_row(&self, from: usize) -> Result<bool, Miss> {
        if self.at(from)? != Some(b' ') {
            return Ok(false);
        }
        let mut group = [0; 4];
        for (at, digit) in (from + 1..).zip(&mut group) {
            match self.at(at)? {
                Some(byte @ (b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')) => *digit = byte,
                _ => return Ok(false),
            }
        }
        let is_month = |digits: &[u8]| (b"01".as_slice()..=b"12").contains(&digits);
        let (head, tail) = group.split_at(2);
        let is_number = group.iter().all(u8::is_ascii_digit);
        let is_expiry = is_number && (is_month(head) || is_month(tail));
        let is_group = group.iter().any(u8::is_ascii_digit) && !is_expiry;
        Ok(is_group && !self.at(from + 5)?.is_some_and(|byte| Class::WORD.has(byte)))
    }

    fn iban(&self, from: usize) -> Result<usize, Miss> {
        let is_lower = self.at(from)?.is_some_and(|first| first.is_ascii_lowercase());
        let (letter, class) =
            if is_lower { (Class::LOWER, Class::LOWER_DIGIT) } else { (Class::UPPER, Class::UPPER_DIGIT) };
        self.run(from, letter, 2, 2)?;
        self.run(from + 2, Class::DIGIT, 2, 2)?;
        let country = self.text.get(from..from + 2).unwrap_or_default();
        let known = IBANS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(country));
        let Some((_, length)) = known else {
            return Err(Miss::No);
        };
        // One kind of separator behind each four, or none.
        let separator = self.at(from + 4)?.filter(|byte| matches!(byte, b' ' | b'-'));
        let mut at = from + 4;
        for count in 4..*length {
            if separator.is_some() && count % 4 == 0 {
                at = if self.at(at)? == separator { at + 1 } else { return Err(Miss::No) };
            }
            at = if self.at(at)?.is_some_and(|byte| class.has(byte)) { at + 1 } else { return Err(Miss::No) };
        }
        Ok(at)
    }
}

/// What stands second in a country's name where this is the first letter, in the same case.
pub(super) fn countries(first: u8) -> Class {
    let is_lower = first.is_ascii_lowercase();
    let seconds = IBANS.iter().filter_map(|(name, _)| match name.as_bytes() {
        [begin, second] if *begin == first.to_ascii_uppercase() => Some(*second),
        _ => None,
    });
    Class::of(&seconds.map(|second| if is_lower { second.to_ascii_lowercase() } else { second }).collect::<Vec<_>>())
}

/// Countries and the length of their IBANs (SWIFT's registry).
pub(super) const IBANS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
];

/// So many words are asked one by one.
const FEW: usize = 8;

/// Whether a place is behind a backslash that is not itself behind one.
fn is_behind_backslash(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
