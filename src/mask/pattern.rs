//! How a rule writes what follows its keyword, and what becomes of it.
//!
//! A small part of regular expressions, read from left to right with no way back: each repeat takes as much as it can.
//! Every repeat has an end, so that the time for a place has one too.

use thiserror::Error;

use super::check::Check;
use super::class::Class;
use super::rule::{Form, Part};

/// What follows the keyword: the alternatives, in order. `check`: what the hidden part must pass where nothing else is said.
pub(super) fn parse(pattern: &str, check: Check) -> Result<Vec<Form>, PatternError> {
    if pattern.len() > LONGEST_PATTERN {
        return Err(PatternError::Long);
    }
    let mut reader = Reader { rest: pattern, form: Vec::new(), check: None, group: Group::None };
    let mut forms = Vec::new();
    while let Some(next) = reader.next() {
        match next {
            '|' => forms.push(reader.finished(check)?),
            next => reader.item(next)?,
        }
    }
    forms.push(reader.finished(check)?);
    Ok(forms)
}

struct Reader<'a> {
    rest: &'a str,
    form: Vec<Part>,
    check: Option<Check>,
    group: Group,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    None,
    Open,
    Closed,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn until(&mut self, end: char) -> Result<&str, PatternError> {
        let (inside, rest) = self.rest.split_once(end).ok_or(PatternError::Unclosed(end))?;
        self.rest = rest;
        Ok(inside)
    }

    fn item(&mut self, first: char) -> Result<(), PatternError> {
        match first {
            '(' if self.takes("?!") => self.not(),
            '(' if self.takes("?&") => self.named(),
            '(' if self.group == Group::None && !self.rest.starts_with('?') => {
                self.group = Group::Open;
                self.form.push(Part::Hide);
                Ok(())
            }
            ')' if self.group == Group::Open => {
                self.group = Group::Closed;
                self.form.push(Part::Show);
                Ok(())
            }
            '(' | ')' => Err(PatternError::Group),
            '*' | '+' => Err(PatternError::Unbounded),
            '^' | '$' => Err(PatternError::Edge(first)),
            '?' | '{' | '}' | ']' => Err(PatternError::Stray(first)),
            '\\' if self.takes("b") => {
                self.form.push(Part::Not(Class::WORD));
                Ok(())
            }
            first => self.atom(first),
        }
    }

    fn not(&mut self) -> Result<(), PatternError> {
        let first = self.next().ok_or(PatternError::Unclosed(')'))?;
        let class = self.class(first)?;
        if !self.takes(")") {
            return Err(PatternError::Ahead);
        }
        self.form.push(Part::Not(class));
        Ok(())
    }

    fn named(&mut self) -> Result<(), PatternError> {
        let part = match self.until(')')? {
            "card" => Part::Card,
            "iban" => Part::Iban,
            "mail" => Part::Mail,
            "phone" => Part::Phone,
            "private-key" => Part::Block,
            // Nothing of the header is hidden.
            "header" => {
                self.form.extend([Part::Header, Part::Hide]);
                return Ok(());
            }
            "assigned" => {
                let one = |signs: &[u8], least| Part::Run(Class::of(signs), least, 1);
                let blanks = |most| Part::Run(Class::BLANK, 0, most);
                // Two colons are a path in a program; the values of a list stand in a column; `config["password"] = "x"`,
                // `KEY ?= x`, `key += "x"`, `a ||= "x"`.
                let sign = [Part::Run(Class::of(b"+.?|"), 0, 2), one(b":=", 1), one(b"=", 0), one(b">", 0)];
                self.form
                    .extend([one(b"\"'`", 0), one(b"]", 0), blanks(32)].into_iter().chain(sign).chain([blanks(32)]));
                return Ok(());
            }
            name => {
                let check = name.strip_prefix("is:").and_then(Check::named);
                self.check = Some(check.ok_or_else(|| PatternError::Name(name.to_owned()))?);
                return Ok(());
            }
        };
        self.form.push(part);
        Ok(())
    }

    fn atom(&mut self, first: char) -> Result<(), PatternError> {
        let is_text = !matches!(first, '.' | '[' | '\\') || (first == '\\' && !self.rest.starts_with(['d', 'w', 's']));
        if is_text {
            let text = if first == '\\' { self.escaped()? } else { first };
            return match self.repeat()? {
                None => {
                    self.text(text);
                    Ok(())
                }
                Some((least, most)) => {
                    let byte = u8::try_from(text).ok().filter(u8::is_ascii).ok_or(PatternError::Ascii(text))?;
                    self.form.push(Part::Run(Class::of(&[byte]), least, most));
                    Ok(())
                }
            };
        }
        let class = self.class(first)?;
        let (least, most) = self.repeat()?.unwrap_or((1, 1));
        if first == '.' && self.takes("?") {
            return self.lazy(most);
        }
        self.form.push(Part::Run(class, least, most));
        Ok(())
    }

    /// `.{0,n}?TEXT`: on to the first place of the text in the line.
    fn lazy(&mut self, most: usize) -> Result<(), PatternError> {
        let end = self.rest.find(['[', '(', ')', '|', '.', '\\', '{', '?', '*', '+']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        if text.is_empty() {
            return Err(PatternError::Lazy);
        }
        self.form.push(Part::Until(text.into(), most));
        self.rest = rest;
        Ok(())
    }

    fn text(&mut self, text: char) {
        if let Some(Part::Text(before)) = self.form.last_mut() {
            before.push(text);
        } else {
            self.form.push(Part::Text(text.into()));
        }
    }

    /// What a backslash before the next character means.
    fn escaped(&mut self) -> Result<char, PatternError> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(sign) if sign.is_ascii_punctuation() || sign == ' ' => Ok(sign),
            other => Err(PatternError::Escape(other.unwrap_or(' '))),
        }
    }

    fn class(&mut self, first: char) -> Result<Class, PatternError> {
        match first {
            '.' => Ok(Class::LINE),
            '\\' => match self.next() {
                Some('d') => Ok(Class::DIGIT),
                Some('w') => Ok(Class::WORD),
                Some('s') => Ok(Class::BLANK),
                other => Err(PatternError::Escape(other.unwrap_or(' '))),
            },
            '[' => self.brackets(),
            first => Err(PatternError::Stray(first)),
        }
    }

    fn brackets(&mut self) -> Result<Class, PatternError> {
        let is_not = self.takes("^");
        let mut class = Class::of(b"");
        loop {
            if self.takes("]") {
                return Ok(if is_not { class.not() } else { class });
            }
            if self.takes("[:") {
                let name = self.until(':')?.to_owned();
                let known = Class::NAMED.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
                class = class.or(known.ok_or(PatternError::Name(name))?);
                if !self.takes("]") {
                    return Err(PatternError::Unclosed(']'));
                }
                continue;
            }
            if self.rest.starts_with(['\\']) && self.rest.chars().nth(1).is_some_and(|set| "dws".contains(set)) {
                self.next();
                class = class.or(self.class('\\')?);
                continue;
            }
            let first = self.member()?;
            let last = if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.next();
                self.member()?
            } else {
                first
            };
            if last < first {
                return Err(PatternError::Range);
            }
            class = class.or(Class::range(first, last));
        }
    }

    fn member(&mut self) -> Result<u8, PatternError> {
        let text = match self.next().ok_or(PatternError::Unclosed(']'))? {
            '\\' => self.escaped()?,
            text => text,
        };
        u8::try_from(text).ok().filter(u8::is_ascii).ok_or(PatternError::Ascii(text))
    }

    fn repeat(&mut self) -> Result<Option<(usize, usize)>, PatternError> {
        if self.rest.starts_with(['*', '+']) {
            return Err(PatternError::Unbounded);
        }
        if self.takes("?") {
            return Ok(Some((0, 1)));
        }
        if !self.takes("{") {
            return Ok(None);
        }
        let inside = self.until('}')?;
        let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
        if most.is_empty() {
            return Err(PatternError::Unbounded);
        }
        let number = |text: &str| text.parse().map_err(|_| PatternError::Repeat);
        let (least, most): (usize, usize) = (number(least)?, number(most)?);
        if least > most || most == 0 || most > LONGEST {
            return Err(PatternError::Repeat);
        }
        Ok(Some((least, most)))
    }

    /// The alternative, as it is matched.
    fn finished(&mut self, check: Check) -> Result<Form, PatternError> {
        if self.group == Group::Open {
            return Err(PatternError::Unclosed(')'));
        }
        self.group = Group::None;
        let mut form = std::mem::take(&mut self.form);
        if matches!(form.last(), Some(Part::Show)) {
            form.pop();
        }
        // What was a repeat at its most may go on, and is the same secret.
        if let Some(Part::Run(class, least, most)) = form.last().cloned().filter(|_| !form.is_empty())
            && least < most
        {
            form.push(Part::Onward(class));
        }
        let longest: usize = form.iter().map(Part::longest).sum();
        let check = self.check.take().unwrap_or(check);
        if longest > LONGEST { Err(PatternError::Long) } else { Ok(Form::new(form, check)) }
    }
}

/// Of a pattern's text.
const LONGEST_PATTERN: usize = 1024;

/// Of what a pattern can match: more is never held back.
const LONGEST: usize = 4000;

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum PatternError {
    /// `*`, `+`, `{n,}`
    #[error("has a repeat without an end; write how often at most, as in {{8,64}}")]
    Unbounded,
    /// A repeat that is no number, or counts down.
    #[error("has a repeat that is none; write {{8}} or {{8,64}}, 4000 at most")]
    Repeat,
    /// A bracket is missing.
    #[error("lacks a {0:?}")]
    Unclosed(char),
    /// A sign where it means nothing.
    #[error("has a {0:?} where it means nothing; write a backslash before it if it stands for itself")]
    Stray(char),
    /// An anchor of regular expressions.
    #[error("has a {0:?}, which is not needed: a pattern begins behind its keyword; before it, see `before`")]
    Edge(char),
    /// An escape that is not known.
    #[error("has a backslash before {0:?}; known are \\d \\w \\s \\b \\n \\r \\t and signs")]
    Escape(char),
    /// More groups than one.
    #[error("has more than the one group ( ) that says what to hide")]
    Group,
    /// Something else than a set behind `(?!`.
    #[error("has a (?! ) around something else than one set such as [a-z]")]
    Ahead,
    /// A name that is not known.
    #[error("has a name that is not known: {0:?}")]
    Name(String),
    /// A range that counts down.
    #[error("has a range that counts down")]
    Range,
    /// A character of several bytes in a set or before a repeat.
    #[error("has {0:?} in a set or before a repeat, where only ASCII may stand")]
    Ascii(char),
    /// Nothing to stop at.
    #[error("has a .{{0,n}}? without plain text behind it to stop at")]
    Lazy,
    /// Too long.
    #[error("is longer than 1024 characters, or can match more than 4000")]
    Long,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expected: &[Part]) {
        assert_eq!(parse(pattern, Check::None).unwrap(), [Form::new(expected.to_vec(), Check::None)]);
    }

    #[test]
    fn a_pattern_becomes_parts_and_its_last_repeat_goes_on() {
        let token = Class::WORD.or(Class::of(b"-"));
        check(r"[A-Za-z0-9_\-]{3,9}", &[Part::Run(token, 3, 9), Part::Onward(token)]);
        check("[[:token:]]{3}", &[Part::Run(token, 3, 3)]);
        check(
            r"=(\d{2})\b",
            &[
                Part::Text("=".to_owned()),
                Part::Hide,
                Part::Run(Class::DIGIT, 2, 2),
                Part::Show,
                Part::Not(Class::WORD),
            ],
        );
        check(".{0,9}? -p(x)", &[Part::Until(" -p".into(), 9), Part::Hide, Part::Text("x".into())]);
        let checks: Vec<Check> =
            parse("(?&is:strong)a|b", Check::Mixed).unwrap().iter().map(|form| form.check).collect();
        assert_eq!(checks, [Check::Strong, Check::Mixed]);
    }

    #[test]
    fn what_could_take_long_or_means_nothing_is_refused() {
        for (pattern, error) in [
            ("a+", PatternError::Unbounded),
            ("[a-z]{3,}", PatternError::Unbounded),
            (".*", PatternError::Unbounded),
            ("[a-z]{9,3}", PatternError::Repeat),
            ("[a-z", PatternError::Unclosed(']')),
            ("(a)(b)", PatternError::Group),
            ("(?:a)", PatternError::Group),
            ("^a", PatternError::Edge('^')),
            (r"\p", PatternError::Escape('p')),
            ("[z-a]", PatternError::Range),
            ("[[:nothing:]]", PatternError::Name("nothing".into())),
            ("(?&nothing)", PatternError::Name("nothing".into())),
            ("(?&is:nothing)", PatternError::Name("is:nothing".into())),
            (".{0,9}?[a-z]", PatternError::Lazy),
            ("a{4000}b{2}", PatternError::Long),
            ("é{2}", PatternError::Ascii('é')),
        ] {
            assert_eq!(parse(pattern, Check::None).unwrap_err(), error, "{pattern}");
        }
    }
}
