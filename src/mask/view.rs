//! Other ways to read the text at a place: without a wrap, not joined at one, with URL or JSON escapes undone.
//!
//! An answer other than `More` stays when more text comes, since each reading only grows with the text.

use super::class::Class;
use super::escape::{Form, Partly};
use super::rule::{Rule, Rules};
use super::shape::{Place, Span, Verdict};

/// A place with what stands around it.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) place: Place<'a>,
    /// The three bytes before.
    pub(super) behind: [u8; 3],
    /// Where in the text the first wrap was taken out.
    pub(super) wrap: Option<usize>,
}

impl Spot<'_> {
    /// The first reading in which a rule finds something.
    pub(super) fn verdict<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        let readings = [Self::as_it_is, Self::apart, Self::joined, Self::url, Self::json];
        for reading in readings {
            let verdict = reading(self, rules);
            if !matches!(verdict, Verdict::Nothing) {
                return verdict;
            }
        }
        Verdict::Nothing
    }

    /// The same where the text holds no escapes and no wrap.
    pub(super) fn plain_verdict<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        match self.place.verdict(rules) {
            Verdict::Nothing => self.joined(rules),
            verdict => verdict,
        }
    }

    /// The same of the rules that begin with a text of their own.
    pub(super) fn plain_verdict_of_tokens<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        match self.place.verdict_of_those(rules, Rule::is_token) {
            Verdict::Nothing => self.joined(rules),
            verdict => verdict,
        }
    }

    /// The same of one rule.
    pub(super) fn plain_verdict_of<'r>(&self, rule: &'r Rule) -> Verdict<'r> {
        match self.place.verdict_of(rule) {
            Verdict::Nothing if rule.may_be_mended() => self.mended(|place| place.verdict_of(rule)),
            verdict => verdict,
        }
    }

    /// The same where it is known which of its words it begins with.
    pub(super) fn plain_verdict_of_word<'r>(&self, rule: &'r Rule, word: usize) -> Verdict<'r> {
        match self.place.verdict_of_word(rule, word) {
            Verdict::Nothing if rule.may_be_mended() => self.mended(|place| place.verdict_of_word(rule, word)),
            verdict => verdict,
        }
    }

    /// The byte before, or what the escape before stands for.
    pub(super) fn before(&self) -> Option<u8> {
        Form::ALL.iter().find_map(|form| form.before(&self.behind)).or(self.place.before)
    }

    fn as_it_is<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        self.place.verdict(rules)
    }

    /// The break at the margin was one of the text.
    fn apart<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        let text = self.wrap.and_then(|wrap| self.place.text.get(..wrap));
        text.map_or(Verdict::Nothing, |text| Place { text, is_closed: true, ..self.place }.verdict(rules))
    }

    /// A token that says itself what it is was broken by a program that knew another width.
    fn joined<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        self.mended(|place| place.verdict_of_those(rules, Rule::may_be_mended))
    }

    fn mended<'r>(&self, verdict: impl Fn(&Place<'_>) -> Verdict<'r>) -> Verdict<'r> {
        let word = |most: usize| self.place.text.iter().take(most).take_while(|byte| is_of_token(**byte)).count();
        // Few places of a long word begin anything, and their first bytes say so.
        let begin = self.place.text.get(..LEAST_OF_LINE).unwrap_or_default();
        let may_begin = || matches!(verdict(&Place { text: begin, is_closed: false, ..self.place }), Verdict::More);
        if word(NEAR) == NEAR && !may_begin() {
            return Verdict::Nothing;
        }
        // A longer one is not mended.
        let word = word(MENDED);
        if !(LEAST_OF_LINE..MENDED).contains(&word) || !matches!(self.place.text.get(word), Some(b'\r' | b'\n')) {
            return Verdict::Nothing;
        }
        // What its line alone rules out no further line brings back; and what ends on the line needs no mending.
        let line = Place { text: self.place.text.get(..word).unwrap_or_default(), is_closed: false, ..self.place };
        if !matches!(verdict(&line), Verdict::More) {
            return Verdict::Nothing;
        }
        let (mut text, mut map, mut at, mut is_open) = (Vec::new(), Vec::new(), 0, true);
        // A line that goes on is full: not shorter than what it began with.
        let mut full = 0;
        while let Some(byte) = self.place.text.get(at) {
            let rest = self.place.text.get(at..).unwrap_or_default();
            match byte {
                _ if is_of_token(*byte) => {
                    text.push(*byte);
                    map.push(at);
                    at += 1;
                    continue;
                }
                b'\n' if text.len() < MENDED && text.len() >= full + word => {
                    full = text.len();
                    at += 1;
                }
                b'\r' if rest.len() == 1 || rest.get(1) == Some(&b'\n') => at += 1,
                _ => {
                    is_open = false;
                    break;
                }
            }
        }
        map.push(at);
        let place = Place { text: &text, is_closed: !is_open || self.place.is_closed, ..self.place };
        match mapped(verdict(&place), &map) {
            // From its beginning, beyond the break: else it was found without, or is a value that ends with its line.
            Verdict::Found(rule, Span { hidden, then }) if hidden.start == 0 && hidden.end > word => {
                // What it goes on with stands on its last line: whether a further one has come does not matter.
                let lines = self.place.text.get(..hidden.end).unwrap_or_default();
                let end = lines.iter().rposition(|byte| is_of_token(*byte)).map_or(hidden.end, |last| last + 1);
                Verdict::Found(rule, Span { hidden: 0..end, then })
            }
            Verdict::More => Verdict::More,
            Verdict::Found(..) | Verdict::Nothing => Verdict::Nothing,
        }
    }

    fn url<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        self.undone(Form::Url, rules)
    }

    fn json<'r>(&self, rules: &'r Rules) -> Verdict<'r> {
        self.undone(Form::Json, rules)
    }

    /// With escapes of the form undone.
    pub(super) fn undone<'r>(&self, form: Form, rules: &'r Rules) -> Verdict<'r> {
        let before = form.before(&self.behind);
        let near = self.place.text.get(..NEAR).unwrap_or(self.place.text);
        if before.is_none() && !near.contains(&form.mark()) {
            return Verdict::Nothing;
        }
        // Most places are nothing by their first bytes, or by their first word: all of the window is read only where it could
        // change that. Near the end an escape that has not come whole may be there.
        let may_begin = |first: &mut [u8]| {
            let mut at = 0;
            let mut next = || {
                let ahead = self.place.text.get(at..)?;
                let (byte, length) = form.undo(ahead).and_then(Result::ok).or(ahead.first().map(|byte| (*byte, 1)))?;
                at += length;
                Some(byte)
            };
            let count = first.iter_mut().map_while(|place| next().map(|byte| *place = byte)).count();
            rules.may_begin(before.or(self.place.before), first.get(..count).unwrap_or_default())
        };
        if self.place.text.len() > NEAR && !(may_begin(&mut [0; 4]) && may_begin(&mut [0; LONGEST_WORD])) {
            return Verdict::Nothing;
        }
        match self.undone_within(form, NEAR, before, rules) {
            Verdict::More if self.place.text.len() > NEAR => self.undone_within(form, WINDOW, before, rules),
            verdict => verdict,
        }
    }

    fn undone_within<'r>(&self, form: Form, window: usize, before: Option<u8>, rules: &'r Rules) -> Verdict<'r> {
        let text = self.place.text.get(..window).unwrap_or(self.place.text);
        let (mut plain, mut map, mut at) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1), 0);
        let is_all = self.place.text.len() <= window;
        let mut is_closed = (is_all && self.place.is_closed) || text.len() >= WINDOW;
        while let Some(byte) = text.get(at) {
            let (byte, length) = match form.undo(text.get(at..).unwrap_or_default()) {
                Some(Ok(undone)) => undone,
                Some(Err(Partly)) if !is_closed => break,
                Some(Err(Partly)) | None => (*byte, 1),
            };
            plain.push(byte);
            map.push(at);
            at += length;
        }
        is_closed &= at >= text.len();
        if plain.is_empty() && !is_closed {
            return Verdict::More;
        }
        map.push(at);
        let place = Place { before: before.or(self.place.before), text: &plain, is_closed, ..self.place };
        mapped(place.verdict(rules), &map)
    }
}

fn mapped<'r>(verdict: Verdict<'r>, map: &[usize]) -> Verdict<'r> {
    let Verdict::Found(rule, Span { hidden, then }) = verdict else {
        return verdict;
    };
    let place = |at: usize| map.get(at).or(map.last()).copied().unwrap_or(0);
    Verdict::Found(rule, Span { hidden: place(hidden.start)..place(hidden.end), then })
}

fn is_of_token(byte: u8) -> bool {
    Class::TOKEN.has(byte)
}

/// So much of a token stands on a line before it is thought to go on in the next.
const LEAST_OF_LINE: usize = 4;

/// So much of a token may be mended.
const MENDED: usize = 1024;

/// So near an escape must be for the text to be read without.
const NEAR: usize = 64;

/// A longer word may be anything.
const LONGEST_WORD: usize = 24;

/// So much is read without escapes.
const WINDOW: usize = 2048;
