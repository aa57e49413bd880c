//! Rules that begin with digits, told by how many stand in each of the first groups, and by what stands behind each.

use fearless_simd::{Simd, u64x4};

use super::class::Class;
use super::lanes::Lanes;
use super::rule::{Form, Part, Rule};
use super::runs::Strip;

/// Which of the rules they are, each with the ways in which it may begin.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    rules: Vec<(usize, Vec<Groups>)>,
    /// Some may begin with eight digits, whatever stands behind them.
    is_any_row: bool,
    /// What may stand behind so many digits, in any of them: of most numbers that is all that is asked.
    behind: [Class; MANY + 1],
}

type Groups = [Group; 3];

/// How many digits may stand there, a bit for each count, the last one for all that are more; and what may stand behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    counts: u32,
    behind: Class,
}

impl Group {
    const ANY: Self = Self { counts: u32::MAX, behind: Class::ALL };

    fn new(least: usize, most: usize, behind: Class) -> Self {
        Self { counts: (least..=most.min(MANY)).fold(0, |all, count| all | 1 << count), behind }
    }
}

impl Numbers {
    /// Takes the rule if it begins with digits in one of the ways that are looked for. Whether it does.
    pub(super) fn add(&mut self, index: usize, rule: &Rule) -> bool {
        let is_one = rule.forms.iter().all(is_number);
        if is_one {
            self.is_any_row |= rule.forms.iter().any(|form| !is_long_row(form));
            let ways: Vec<Groups> = rule.forms.iter().flat_map(groups).collect();
            for [Group { counts, behind }, ..] in &ways {
                let with = (0..).zip(&mut self.behind).filter(|(count, _)| counts >> count & 1 == 1);
                with.for_each(|(_, all)| *all = all.or(*behind));
            }
            self.rules.push((index, ways));
        }
        is_one
    }

    /// Where what begins with three digits goes on in one of the ways.
    #[inline(always)]
    pub(super) fn places<S: Simd>(&self, simd: S, here: &Lanes, next: &Lanes) -> u64x4<S> {
        // Closures would not be compiled for the processor.
        macro_rules! strip {
            ($lane:ident) => {
                Strip::new(simd, &here.$lane, &next.$lane)
            };
        }
        let (digits, between) = (strip!(digit), strip!(between));
        let two = digits & digits.ahead(1);
        let three = two & digits.ahead(2);
        let four = two & two.ahead(2);
        let eight = four & four.ahead(4);
        let mut row = eight;
        if !self.is_any_row {
            // What a token's characters are but for the others; and behind eight digits to twelve.
            let colon = strip!(token) & !strip!(dotted);
            let two = colon | colon.ahead(1);
            row = eight & (eight.ahead(5) | (two | two.ahead(2) | colon.ahead(4)).ahead(8));
        }
        // What stands between numbers and in base64.
        let hyphen = between & strip!(base64);
        let between = between | strip!(plus);
        let last = four.ahead(8) | three.ahead(8) & hyphen.ahead(11) & two.ahead(12);
        let third = between.ahead(3)
            & (two.ahead(4) & between.ahead(6) & four.ahead(7) | three.ahead(4) & between.ahead(7) & last);
        let more = between & digits.ahead(1);
        let fourth = between.ahead(4) & four.ahead(5) & (more.ahead(9) | more.ahead(10) | more.ahead(11));
        (row | three & third | four & fourth).here
    }

    /// Whether any may begin with so many digits, and what stands behind.
    #[inline(always)]
    pub(super) fn may_begin(&self, count: u32, behind: Option<&u8>) -> bool {
        let all = self.behind.get((count as usize).min(MANY));
        all.zip(behind).is_none_or(|(all, behind)| all.has(*behind))
    }

    /// Those that a text may begin with of whose first 64 bytes these are digits.
    pub(super) fn beginning(&self, text: &[u8], digits: u64) -> impl Iterator<Item = usize> {
        let mut seen = [(0, None); 3];
        let (mut rest, mut at) = (digits, 0);
        for (count, behind) in &mut seen {
            *count = rest.trailing_ones();
            at += *count;
            *behind = text.get(at as usize).filter(|_| at < u64::BITS).copied();
            at += 1;
            rest = rest.checked_shr(*count + 1).unwrap_or(0);
        }
        let may_be = move |groups: &Groups| {
            for (group, (count, behind)) in groups.iter().zip(seen) {
                // Of a text that ends there no more is known.
                let Some(behind) = behind else { return true };
                if group.counts >> count.min(MANY as u32) & 1 == 0 || !group.behind.has(behind) {
                    return false;
                }
            }
            true
        };
        self.rules.iter().filter(move |(_, ways)| ways.iter().any(may_be)).map(|(index, _)| *index)
    }
}

/// The parts of a form that take bytes.
fn parts(form: &Form) -> Vec<&Part> {
    form.iter().filter(|part| !matches!(part, Part::Hide | Part::Show)).collect()
}

/// How many digits a part takes, at least and at most.
fn digits(part: &Part) -> Option<(usize, usize)> {
    match part {
        Part::Run(class, least, most) if *class == Class::DIGIT => Some((*least, *most)),
        _ => None,
    }
}

/// Whether digits in a row that a form begins with are thirteen, or twelve at most with an equals sign or a colon behind.
fn is_long_row(form: &Form) -> bool {
    let is_colon = |part: &&Part| matches!(part, Part::Text(text) if text.starts_with(['=', ':']));
    match parts(form).as_slice() {
        [first, after @ ..] => match digits(first) {
            Some((8.., most)) if after.first().is_some_and(is_colon) => most <= 12,
            Some((least @ 8.., _)) => least >= 13,
            _ => true,
        },
        [] => true,
    }
}

/// Whether it begins with digits in one of the ways that are looked for: eight in a row; groups of three, two and four, of
/// three, three and four, or of three, three and three, a hyphen and two more; or of four, four to six, and more.
fn is_number(form: &Form) -> bool {
    let parts = parts(form);
    let is_between = |part: &Part| match part {
        Part::Text(text) => matches!(text.as_str(), " " | "-" | "."),
        Part::Run(class, 1, 1) => class.is_within(Class::of(b" -.")),
        _ => false,
    };
    match parts.as_slice() {
        [Part::Card, ..] => true,
        [row, ..] if digits(row).is_some_and(|(least, _)| least >= 8) => true,
        [first, a, second, b, third, rest @ ..] if is_between(a) && is_between(b) => {
            let is_hyphen = |part: &&Part| matches!(part, Part::Text(text) if text == "-");
            match (digits(first), digits(second), digits(third)) {
                (Some((3, 3)), Some((2, 2) | (3, 3)), Some((4.., _))) | (Some((4, 4)), Some((4..=6, 4..=6)), _) => true,
                (Some((3, 3)), Some((3, 3)), Some((3, 3))) => {
                    rest.first().is_some_and(is_hyphen)
                        && matches!(rest.get(1).and_then(|part| digits(part)), Some((2.., _)))
                }
                _ => false,
            }
        }
        _ => false,
    }
}

/// The ways in which a form may begin.
fn groups(form: &Form) -> Vec<Groups> {
    let parts = parts(form);
    if let [Part::Card, ..] = parts.as_slice() {
        let of_four = Group::new(4, 4, Class::of(b" -.+"));
        let of_six = Group::new(6, 6, Class::of(b" -.+"));
        return vec![
            [Group::new(13, 19, Class::ALL), Group::ANY, Group::ANY],
            [of_four; 3],
            [of_four, of_six, Group::new(4, 5, Class::ALL)],
        ];
    }
    let (mut groups, mut rest) = ([Group::ANY; 3], parts.as_slice());
    for group in &mut groups {
        let [Part::Run(digit, least, most), after @ ..] = rest else { break };
        if *digit != Class::DIGIT {
            break;
        }
        let (behind, more) = match after {
            [Part::Text(text), more @ ..] => {
                let first = text.bytes().next();
                (first.map_or(Class::ALL, |first| Class::of(&[first])), if text.len() == 1 { more } else { &[] })
            }
            [Part::Run(class, 1, 1), more @ ..] => (*class, more),
            [Part::Run(class, 1.., _), ..] => (*class, &[][..]),
            [Part::Not(class), ..] => (class.not(), &[][..]),
            _ => (Class::ALL, &[][..]),
        };
        // What may be a digit itself may be among them.
        if (b'0'..=b'9').any(|digit| behind.has(digit)) {
            *group = Group::new(*least, MANY, Class::ALL);
            break;
        }
        *group = Group::new(*least, *most, behind);
        rest = more;
    }
    vec![groups]
}

/// So many digits and more are not told apart.
const MANY: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;
    use crate::mask::rule::Start;

    /// Those that may begin with the text, by the digits in it.
    fn beginning(text: &str) -> Vec<String> {
        let rules: Vec<Rule> = known().filter(|rule| rule.default).collect();
        let mut numbers = Numbers::default();
        for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.start == Start::Two(Class::DIGIT)) {
            assert!(numbers.add(index, rule), "{}", rule.id);
        }
        let digits = (0..64).zip(text.bytes()).fold(0, |all, (at, byte)| all | u64::from(byte.is_ascii_digit()) << at);
        numbers.beginning(text.as_bytes(), digits).map(|index| rules[index].id.to_string()).collect()
    }

    #[test]
    fn of_each_number_only_the_rules_are_asked_that_have_its_groups() {
        assert_eq!(beginning("219-09-9999 and"), ["us-ssn"]);
        assert_eq!(beginning("943 476 5919 and"), ["uk-nhs"]);
        assert_eq!(beginning("529.982.247-25 and"), ["br-cpf"]);
        assert_eq!(beginning("4111 1111 1111 1111 and"), ["credit-card"]);
        assert_eq!(beginning("123456789:AAx"), ["telegram-token"]);
        for ordinary in ["173.234.131.186 port", "20261128 07:41", "1702-2395-17 x", "38865049064139660123 x"] {
            assert!(beginning(ordinary).is_empty(), "{ordinary}: {:?}", beginning(ordinary));
        }
    }

    #[test]
    fn every_example_of_a_number_is_asked_of_its_rule_whatever_comes_behind_and_wherever_it_ends() {
        for rule in known().filter(|rule| rule.default && rule.start == Start::Two(Class::DIGIT)) {
            for [_, secret, after] in &rule.hide {
                let text = format!("{secret}{after}");
                for end in 1..=text.len() {
                    let text = text.get(..end).unwrap_or(&text);
                    assert!(beginning(text).contains(&rule.id.to_string()), "{}: {text}", rule.id);
                }
            }
        }
    }
}
