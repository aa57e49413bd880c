//! Says of most text, quickly, that no secret begins there: each rule is looked for by what is rarest in it.
//!
//! Tokens by runs of their characters, numbers by groups of digits, words by a few bytes inside them, and whatever is
//! left by four bytes that it may begin with. It may be wrong in one direction only: where it says no, no rule begins.

use fearless_simd::{Level, Simd, dispatch};
use memchr::memmem;

use super::anchor::{Anchors, SHORTEST, Wanted};
use super::class::Class;
use super::heads::{Behind, Heads, is_bracket, is_plus, is_token, least_of_phone, may_be_mended};
use super::lanes::{Bits, FOUR, Lanes, Rows, SIGNS};
use super::look::{Begins, Look};
use super::numbers::Numbers;
use super::quick::{Quick, fold_all};
use super::rule::{Before, Part, Rule, Rules, Start};
use super::runs::{self, Beginnings};
use super::shape::may_be_domain;
use super::word::inner;

/// What finds rules.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// Which four bytes a token may begin with, or a word that may be broken at a line's end.
    heads: Heads,
    pub(super) anchors: Anchors,
    numbers: Numbers,
    countries: Vec<usize>,
    plus: Vec<usize>,
    /// The digits that may stand behind a plus sign.
    plus_digits: Class,
    /// So many bytes of a number stand behind it at least.
    plus_least: usize,
    brackets: Vec<usize>,
    /// Rules with a byte that is rare, and where in their words it stands.
    rare: Vec<(u8, usize, usize)>,
    inner: Vec<Inner>,
    /// Rules that none of these finds.
    others: Option<Quick>,
}

/// A rule that every word may begin.
#[derive(Debug)]
struct Inner {
    /// What stands inside.
    finder: memmem::Finder<'static>,
    /// Of that a sign that few texts have, and where it stands there.
    sign: Option<(u8, usize)>,
    /// How far inside.
    far: usize,
    rule: usize,
    /// Whether it may go on so behind it.
    behind: fn(&[u8]) -> bool,
}

impl Inner {
    fn new((text, far): &(String, usize), (index, rule): (usize, &Rule)) -> Self {
        let sign = (0..).zip(text.bytes()).find(|(_, sign)| SIGNS.contains(sign)).map(|(at, sign)| (sign, at));
        let is_mail = rule.forms.iter().all(|form| form.contains(&Part::Mail));
        let behind = if is_mail { may_be_domain } else { |_: &[u8]| true };
        Self { finder: memmem::Finder::new(text.as_bytes()).into_owned(), sign, far: *far, rule: index, behind }
    }
}

impl Sieve {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut sieve = Self::default();
        let (mut words, mut others) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            if !sieve.add(index, rule, &mut words) {
                others.push(rule.clone());
            }
        }
        sieve.anchors = Anchors::new(&words);
        sieve.others = (!others.is_empty()).then(|| Quick::new(&others));
        sieve
    }

    /// Whether it says nothing of any text.
    pub(super) fn is_useless(&self) -> bool {
        self.others.as_ref().is_some_and(Quick::is_useless)
    }

    /// Whether it is known how to find a rule.
    fn add<'r>(&mut self, index: usize, rule: &'r Rule, words: &mut Vec<Wanted<'r>>) -> bool {
        let wanted = |starts: &'r [String]| {
            let behind = Behind::of(rule);
            (0..).zip(starts).map(move |(word, text)| ((index, word), text.as_str(), behind))
        };
        match &rule.start {
            Start::Exact(starts) => {
                if is_plus(rule, starts) {
                    self.plus.push(index);
                    let digits: Vec<u8> = starts.iter().filter_map(|start| start.as_bytes().get(1).copied()).collect();
                    self.plus_digits = self.plus_digits.or(Class::of(&digits));
                    let least = least_of_phone(rule);
                    self.plus_least = if self.plus.len() > 1 { self.plus_least.min(least) } else { least };
                    return true;
                }
                if is_bracket(rule, starts) {
                    self.brackets.push(index);
                    return true;
                }
                let is_token = is_token(rule, starts);
                if (is_token || may_be_mended(rule, starts)) && !self.heads.add(rule, starts) {
                    return false;
                }
                if is_token {
                    return true;
                }
                if starts.iter().all(|word| word.starts_with('$')) {
                    self.rare.push((b'$', 0, index));
                    return true;
                }
                if starts.iter().all(|word| word.len() >= SHORTEST) {
                    words.extend(wanted(starts));
                    return true;
                }
                let ends: Option<Vec<u8>> = starts
                    .iter()
                    .map(|word| word.bytes().last().filter(|last| RARE.contains(last) && word.len() == 2))
                    .collect();
                self.rare.extend(ends.iter().flatten().map(|end| (*end, 1, index)));
                ends.is_some()
            }
            Start::AnyCase(starts) => {
                let is_long = starts.iter().all(|word| word.len() >= SHORTEST);
                if is_long {
                    words.extend(wanted(starts));
                }
                is_long
            }
            Start::Any(_) if rule.is_word() => {
                let inner: Option<Vec<_>> = rule.forms.iter().map(inner).collect();
                let inner = inner.filter(|inner| inner.iter().all(|(_, far)| *far <= FAR));
                let mut found: Vec<(String, usize)> = inner.iter().flatten().cloned().collect();
                found.sort();
                found.dedup();
                self.inner.extend(found.iter().map(|found| Inner::new(found, (index, rule))));
                inner.is_some()
            }
            Start::Any(class) | Start::Two(class) => {
                let is_word = matches!(rule.before, Before::NoWord | Before::NoNumber);
                is_word && *class == Class::DIGIT && self.numbers.add(index, rule)
            }
            Start::Country => {
                let is_word = matches!(rule.before, Before::NoWord | Before::NoNumber);
                if is_word {
                    self.countries.push(index);
                }
                is_word
            }
            Start::Value(_) => false,
        }
    }

    /// How much of the text, up to an end, surely begins nothing, and what begins right behind it. What follows the text is not known.
    pub(super) fn clear(&self, look: &Look<'_>, rows: &Rows, end: usize, folded: &mut Vec<u8>) -> (usize, Begins) {
        let mut first = (self.known(look.text).min(end), Begins::No);
        first = self.runs(look, first.0, rows).unwrap_or(first);
        first = self.broken(look, first.0, rows).unwrap_or(first);
        first = self.words(look, first.0, rows).unwrap_or(first);
        first = self.short(look, first.0, rows).unwrap_or(first);
        first = self.within(look, first.0, rows).unwrap_or(first);
        self.other(look, first.0, folded).unwrap_or(first)
    }

    /// Of so much of a text it may be known what begins in it.
    fn known(&self, text: &[u8]) -> usize {
        let end = text.len().saturating_sub(REACH);
        if self.inner.is_empty() {
            return end;
        }
        let last = text.get(text.len().saturating_sub(FAR)..).unwrap_or_default();
        let word = last.iter().rev().take_while(|byte| Class::DOTTED.has(**byte)).count();
        end.min(text.len() - word)
    }

    /// Whether something may begin at the beginning of a text.
    pub(super) fn may_begin(rules: &Rules, text: &[u8]) -> bool {
        Look::new(rules, text, None).at(0) != Begins::No
    }

    /// By runs of characters and groups of digits.
    fn runs(&self, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        dispatch!(Level::new(), simd => self.runs_by(simd, look, end, rows))
    }

    #[inline(always)]
    fn runs_by<S: Simd>(&self, simd: S, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        let first = Lanes::before(look.before);
        let mut before = &first;
        for (begin, [here, next]) in (0..end).step_by(64 * FOUR).zip(rows.pairs()) {
            let beginnings = Beginnings::of(simd, [before, here, next], &self.numbers);
            let found = beginnings.and_then(|beginnings| self.first_of(look, begin, &beginnings, rows));
            if found.is_some() {
                return found.filter(|(place, _)| *place < end);
            }
            before = here;
        }
        None
    }

    /// What begins first where something may.
    fn first_of(
        &self,
        look: &Look<'_>,
        begin: usize,
        beginnings: &[Beginnings; FOUR],
        rows: &Rows,
    ) -> Option<(usize, Begins)> {
        for (begin, row) in (begin..).step_by(64).zip(beginnings) {
            let mut first = First { begin, found: None };
            first.meet(row.encoded, |place| look.encoded(place));
            first.meet(row.head, |place| self.head(look, place));
            first.meet(row.number, |place| {
                let digits = |index: usize| u128::from(rows.row(index, |lanes| &lanes.digit));
                let digits = ((digits(begin / 64) | digits(begin / 64 + 1) << 64) >> (place - begin)) as u64;
                let (ahead, count) = (look.text.get(place..).unwrap_or_default(), digits.trailing_ones());
                if self.numbers.may_begin(count, ahead.get(count as usize)) {
                    look.by(place, self.numbers.beginning(ahead, digits))
                } else {
                    Begins::No
                }
            });
            first.meet(row.country, |place| self.by_country(look, place));
            first.meet(row.plus, |place| self.by_plus(look, place));
            first.meet(row.bracket, |place| look.by(place, self.brackets.iter().copied()));
            if first.found.is_some() {
                return first.found;
            }
        }
        None
    }

    fn by_plus(&self, look: &Look<'_>, place: usize) -> Begins {
        let ahead = look.text.get(place + 1..).unwrap_or_default();
        let is_one = ahead.first().is_none_or(|digit| self.plus_digits.has(*digit));
        let is_long = || ahead.iter().take(self.plus_least).all(|byte| Class::PHONE.has(*byte));
        if is_one && is_long() { look.by(place, self.plus.iter().copied()) } else { Begins::No }
    }

    fn by_country(&self, look: &Look<'_>, place: usize) -> Begins {
        let ahead = look.text.get(place..).unwrap_or_default();
        let is_one = self.countries.iter().any(|rule| look.rules.may_begin_by(*rule, ahead));
        if is_one { look.by(place, self.countries.iter().copied()) } else { Begins::No }
    }

    /// Whether a token begins there, or a word that may be mended.
    fn head(&self, look: &Look<'_>, place: usize) -> Begins {
        let head = look.text.get(place..).and_then(<[u8]>::first_chunk);
        if head.is_some_and(|head| self.heads.has(*head)) { look.token(place) } else { Begins::No }
    }

    /// Tokens and words that a line's end breaks.
    fn broken(&self, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        dispatch!(Level::new(), simd => self.broken_by(simd, look, end, rows))
    }

    #[inline(always)]
    fn broken_by<S: Simd>(&self, simd: S, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        let until = (end + REACH).min(look.text.len());
        for (begin, [here, next]) in (0..until).step_by(64 * FOUR).zip(rows.pairs()) {
            for (begin, bits) in (begin..).step_by(64).zip(runs::before_breaks(simd, here, next)) {
                let lines = Bits(bits).map(|bit| begin + bit + runs::BROKEN).take_while(|line| *line < until);
                let found = lines.map(|line| self.broken_at(look, line, end, rows)).find(Option::is_some);
                if found.is_some() {
                    return found.flatten();
                }
            }
        }
        // Behind the text anything may follow.
        let line = look.text.strip_suffix(b"\n").filter(|line| line.len() < until)?;
        self.broken_at(look, line.strip_suffix(b"\r").unwrap_or(line).len(), end, rows)
    }

    /// What is broken at the end of a line, and begins before another end.
    fn broken_at(&self, look: &Look<'_>, line: usize, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        // The 64 bytes before the break, the last one highest.
        let (row, shift) = (line / 64, line % 64);
        let bits = |index: usize| (rows.row(index, |lanes| &lanes.token), rows.row(index, |lanes| &lanes.word));
        let (low, high) = (row.checked_sub(1).map_or((0, 0), bits), if shift > 0 { bits(row) } else { (0, 0) });
        let last = |low: u64, high: u64| ((u128::from(high) << 64 | u128::from(low)) << (64 - shift) >> 64) as u64;
        let (token, word) = (last(low.0, high.0), last(low.1, high.1));
        let length = (token.leading_ones() as usize).min(REACH).min(line);
        // What it may begin with has four bytes.
        let begin = 64 - length;
        let in_word = if self.heads.is_anywhere { 0 } else { word << 1 };
        let places = !in_word & (u64::MAX.checked_shl(begin as u32).unwrap_or(0)) & (u64::MAX >> (runs::BROKEN - 1));
        Bits(places).map(|bit| line + bit - 64).find_map(|place| {
            let begins = if place < end { self.head(look, place) } else { Begins::No };
            (begins != Begins::No).then_some((place, begins))
        })
    }

    fn words(&self, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        let folded = rows.folded((end + REACH).min(look.text.len()));
        let begins = |place: usize, (rule, word): (usize, usize)| {
            look.rules.at(rule).is_none_or(|rule| look.word(place, rule, word) != Begins::No)
        };
        let place = self.anchors.first(folded, end, begins)?;
        Some((place, look.any(place)))
    }

    fn short(&self, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        let found = self.rare.iter().filter_map(|(sign, offset, rule)| {
            let mut places =
                rows.signs(*sign).filter_map(|at| at.checked_sub(*offset)).take_while(|place| *place < end);
            places.find_map(|place| {
                let may = look.text.get(place..).is_none_or(|ahead| look.rules.may_begin_by(*rule, ahead));
                let begins = if may { look.by(place, [*rule]) } else { Begins::No };
                (begins != Begins::No).then_some((place, begins))
            })
        });
        found.min_by_key(|(place, _)| *place)
    }

    /// Words that a rule begins with, by what stands inside it.
    fn within(&self, look: &Look<'_>, end: usize, rows: &Rows) -> Option<(usize, Begins)> {
        let mut first: Option<(usize, Begins)> = None;
        for Inner { finder, sign, far, rule, behind } in &self.inner {
            let end = first.map_or(end, |(place, _)| place);
            let text = look.text.get(..end + FAR + REACH).unwrap_or(look.text);
            let by_sign = sign.iter().copied().flat_map(|(sign, offset)| {
                let begins = rows.signs(sign).filter_map(move |at| at.checked_sub(offset));
                begins.filter(|at| {
                    let (text, length) = (text.get(*at..).unwrap_or_default(), finder.needle().len());
                    text.starts_with(finder.needle()) && text.get(length..).is_none_or(behind)
                })
            });
            let by_text = sign.is_none().then(|| finder.find_iter(text)).into_iter().flatten();
            let found = by_sign.chain(by_text).find_map(|at| {
                let begun = text.get(at.saturating_sub(*far)..at).unwrap_or_default();
                let begun = begun.iter().rev().take_while(|byte| Class::DOTTED.has(**byte)).count();
                (at - begun..at.min(end)).find_map(|place| {
                    let is_word = |at: usize| text.get(at).is_some_and(|byte| Class::WORD.has(*byte));
                    let is_begin = is_word(place) && !place.checked_sub(1).is_some_and(is_word);
                    let begins = if is_begin { look.by(place, [*rule]) } else { Begins::No };
                    (begins != Begins::No).then_some((place, begins))
                })
            });
            first = found.or(first);
        }
        first
    }

    fn other(&self, look: &Look<'_>, end: usize, folded: &mut Vec<u8>) -> Option<(usize, Begins)> {
        let others = self.others.as_ref()?;
        fold_all(look.before, look.text.get(..end + 3).unwrap_or(look.text), folded);
        let mut at = 0;
        while at < end {
            at += others.first(folded.get(at..)?)?;
            let begins = if at < end { look.any(at) } else { Begins::No };
            if begins != Begins::No {
                return Some((at, begins));
            }
            at += 1;
        }
        None
    }
}

/// Where in a row something begins first.
struct First {
    begin: usize,
    found: Option<(usize, Begins)>,
}

impl First {
    #[inline(always)]
    fn meet(&mut self, places: u64, begins: impl Fn(usize) -> Begins) {
        for place in Bits(places).map(|bit| self.begin + bit) {
            if self.found.is_some_and(|(found, _)| found <= place) {
                return;
            }
            let begins = begins(place);
            if begins != Begins::No {
                self.found = Some((place, begins));
                return;
            }
        }
    }
}

/// So much of a text's end is left to what follows: as much as a word's beginning and an anchor inside it take.
pub(super) const REACH: usize = 40;

/// So far inside a rule that every word may begin stands what it is found by.
const FAR: usize = 64;

/// What a byte changes begins no further before it, unless it is one of `Look::far`.
pub(super) const BEFORE: usize = FAR + REACH;

/// Nor further behind it.
pub(super) const BEHIND: usize = FAR + 1;

/// So far behind an end the text must have been read in rows.
pub(super) const SEEN: usize = FAR + REACH + 128;

/// Bytes that are rare in text.
const RARE: &[u8; 2] = b"~$";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;

    /// How much of a text begins nothing.
    fn clear(rules: &Rules, text: &str) -> usize {
        let mut rows = Rows::default();
        rows.read(text.as_bytes());
        rules.sieve().clear(&Look::new(rules, text.as_bytes(), None), &rows, usize::MAX, &mut Vec::new()).0
    }

    #[test]
    fn whatever_a_rule_hides_is_found_where_it_begins() {
        for rule in known().filter(|rule| rule.default) {
            let alone = Rules::new([rule.clone()]);
            assert!(!alone.sieve().is_useless(), "{}", rule.id);
            for [before, secret, after] in &rule.hide {
                for shift in 0..64 {
                    let begin = format!("x{}{before}", " ".repeat(shift + 1));
                    let text = format!("{begin}{secret}{after}{}", " and so on".repeat(20));
                    assert!(clear(&alone, &text) <= begin.len(), "{}: {text}", rule.id);
                }
            }
        }
    }

    #[test]
    fn standard_rules_need_no_look_at_every_four_bytes() {
        assert!(Rules::standard().sieve().others.is_none());
    }

    #[test]
    fn ordinary_lines_pass_as_a_whole() {
        let text = "2026-11-28T07:41:52.123456Z host12 sshd[4711]: Failed password for user deploy, uid 1000, port 52110\n\
            10.20.30.40 - - [28/Nov/2026:07:41:52 +0000] \"GET /static/app.js?v=12 HTTP/1.1\" 200 51234 \"https://example.org/a\"\n\
            commit 2a4a416f0c1d7e9b3a5c8d6e4f2b1a0987654321 in /usr/lib/python3/dist-packages/package/token.py\n";
        let text = text.repeat(10);
        assert_eq!(clear(&Rules::standard(), &text), text.len() - REACH);
        let mut rows = Rows::default();
        rows.read(text.as_bytes());
        let asked = Rules::standard().sieve().anchors.asked(rows.folded(text.len()));
        assert!(
            asked as usize * 15 < text.len(),
            "{asked} places of {}: choose words for new rules that have rare parts",
            text.len()
        );
    }
}
