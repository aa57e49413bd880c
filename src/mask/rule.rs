//! What a rule is: how a secret begins, what shape it has, what it must pass, and examples of both kinds.
//!
//! Rules are data. They know no stream: `shape` reads one at a place, `Masker` walks the places.

use std::sync::{Arc, LazyLock};

use super::check;
use super::quick::Quick;

/// One kind of secret.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in reports.
    pub id: &'static str,
    /// Used unless told otherwise.
    pub default: bool,
    /// How it begins.
    pub start: Start,
    /// What may stand before it.
    pub before: Before,
    /// The forms that may follow the start; the first that fits is taken.
    pub forms: &'static [Form],
    /// What the hidden part must pass.
    pub check: check::Check,
    /// What it must hide: text before, the hidden part, text after.
    pub hide: &'static [(&'static str, &'static str, &'static str)],
    /// What it must leave alone.
    pub keep: &'static [&'static str],
}

/// How a secret begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// One of these, exactly.
    Exact(&'static [&'static str]),
    /// One of these, written here in lower case, in any case.
    AnyCase(&'static [&'static str]),
    /// Any byte of a class.
    Any(Class),
    /// Any two bytes of a class.
    Two(Class),
}

/// What may stand before the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Anything.
    Anything,
    /// No letter, digit or underscore.
    NoWord,
    /// Nor a dot, hyphen, slash, plus, equals sign or colon: a number inside something longer.
    NoNumber,
}

/// What follows the start, in order, each part taken as far as it goes: there is no way back.
pub type Form = &'static [Part];

/// A part of a form.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The hidden part begins at the start itself.
    FromStart,
    /// The hidden part begins here.
    Hide,
    /// The hidden part ends here.
    Show,
    /// Exactly this text.
    Text(&'static str),
    /// So many of a class.
    Run(Class, usize, usize),
    /// No byte of the class follows.
    Not(Class),
    /// What was a run at its most goes on: further bytes of the class are hidden as they pass.
    Onward(Class),
    /// A card number: plain, or in the groups that are printed on cards.
    Card,
    /// An IBAN of a known country, plain or in groups of four.
    Iban,
    /// A private key: everything until its END line.
    Block,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `0-9`
    Digit,
    /// `A-Z`
    Upper,
    /// `0-9a-f`
    Hex,
    /// `A-Z0-9`
    UpperDigit,
    /// Letters and digits.
    Alnum,
    /// Letters, digits, `_`.
    Word,
    /// Letters, digits, `_`, `-`.
    Token,
    /// Letters, digits, `_`, `-`, `.`.
    Dotted,
    /// What stands before the `@` of a mail address.
    Mailbox,
    /// `A-Za-z0-9+/=`
    Base64,
    /// Any form of base64, percent signs and dots: what a header carries.
    Header,
    /// Space and tab.
    Blank,
    /// What a password hash of crypt(3) or PHC consists of.
    Crypt,
    /// A value without quotes.
    Value,
    /// Inside double quotes.
    InDouble,
    /// Inside single quotes.
    InSingle,
    /// `:` or `=`.
    Assign,
    /// A quote of either kind.
    Quote,
    /// A user name in a URL.
    UrlUser,
    /// A password in a URL.
    UrlPassword,
}

impl Class {
    pub(super) fn has(self, byte: u8) -> bool {
        let alnum = byte.is_ascii_alphanumeric();
        match self {
            Self::Digit => byte.is_ascii_digit(),
            Self::Upper => byte.is_ascii_uppercase(),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::UpperDigit => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => alnum,
            Self::Word => alnum || byte == b'_',
            Self::Token => alnum || matches!(byte, b'_' | b'-'),
            Self::Dotted => alnum || matches!(byte, b'_' | b'-' | b'.'),
            Self::Mailbox => alnum || matches!(byte, b'_' | b'-' | b'.' | b'+'),
            Self::Base64 => alnum || matches!(byte, b'+' | b'/' | b'='),
            Self::Header => alnum || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'.' | b'~' | b'%'),
            Self::Blank => matches!(byte, b' ' | b'\t'),
            Self::Crypt => alnum || matches!(byte, b'.' | b'/' | b'$' | b'=' | b',' | b'+'),
            Self::Value => byte > b' ' && byte != 0x7f && !b"\"'`,;&".contains(&byte),
            Self::InDouble => byte >= b' ' && byte != b'"',
            Self::InSingle => byte >= b' ' && byte != b'\'',
            Self::Assign => matches!(byte, b':' | b'='),
            Self::Quote => matches!(byte, b'"' | b'\''),
            Self::UrlUser => byte > b' ' && byte != 0x7f && !b":/@?#\"'<>`".contains(&byte),
            Self::UrlPassword => byte > b' ' && byte != 0x7f && !b"/@\"'<>`".contains(&byte),
        }
    }
}

impl Rule {
    /// A token with a public beginning: the beginning is hidden too.
    pub(super) const fn token(
        id: &'static str,
        start: &'static [&'static str],
        forms: &'static [Form],
        hide: &'static [(&'static str, &'static str, &'static str)],
        keep: &'static [&'static str],
    ) -> Self {
        let (start, before) = (Start::Exact(start), Before::NoWord);
        Self { id, default: true, start, before, forms, check: check::Check::None, hide, keep }
    }

    fn may_begin_with(&self, [first, second]: [u8; 2]) -> bool {
        let begins = |word: &&str, first: u8, second: u8| {
            let mut bytes = word.bytes();
            bytes.next() == Some(first) && bytes.next().is_none_or(|byte| byte == second)
        };
        match self.start {
            Start::Exact(words) => words.iter().any(|word| begins(word, first, second)),
            Start::AnyCase(words) => {
                words.iter().any(|word| begins(word, first.to_ascii_lowercase(), second.to_ascii_lowercase()))
            }
            Start::Any(class) => class.has(first),
            Start::Two(class) => class.has(first) && class.has(second),
        }
    }

    pub(super) const fn checked(self, check: check::Check) -> Self {
        Self { check, ..self }
    }

    pub(super) const fn starting(self, start: Start, before: Before) -> Self {
        Self { start, before, ..self }
    }
}

/// Rules in force, with what finds them fast.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    /// For each first byte, which rules may begin with it.
    by_first: Vec<Vec<usize>>,
    /// For each two bytes, whether any rule may begin with them.
    pairs: Vec<bool>,
    quick: Quick,
}

impl Rules {
    /// Those that hold where nobody says otherwise.
    pub fn standard() -> Arc<Self> {
        static RULES: LazyLock<Arc<Rules>> =
            LazyLock::new(|| Arc::new(Rules::new(super::known().filter(|rule| rule.default))));
        RULES.clone()
    }

    /// These, asked in this order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let begins = |rule: &Rule, byte: u8| match rule.start {
            Start::Exact(words) => words.iter().any(|word| word.bytes().next() == Some(byte)),
            Start::AnyCase(words) => words.iter().any(|word| word.bytes().next() == Some(byte.to_ascii_lowercase())),
            Start::Any(class) | Start::Two(class) => class.has(byte),
        };
        let of = |byte| (0..).zip(&rules).filter(|(_, rule)| begins(rule, byte)).map(|(index, _)| index).collect();
        let by_first: Vec<Vec<usize>> = (0..=u8::MAX).map(of).collect();
        let mut pairs = Vec::with_capacity(1 << 16);
        for (first, indexes) in (0..=u8::MAX).zip(&by_first) {
            let begins = |second| move |rule: &Rule| rule.may_begin_with([first, second]);
            let possible: Vec<&Rule> = indexes.iter().filter_map(|index| rules.get(*index)).collect();
            pairs.extend((0..=u8::MAX).map(|second| possible.iter().copied().any(begins(second))));
        }
        let quick = Quick::new(&rules);
        Self { rules, by_first, pairs, quick }
    }

    /// In the order they are asked.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(super) fn quick(&self) -> &Quick {
        &self.quick
    }

    pub(super) fn beginning_with(&self, byte: u8) -> impl Iterator<Item = &Rule> {
        let indexes = self.by_first.get(usize::from(byte)).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.rules.get(*index))
    }

    pub(super) fn may_begin(&self, first: u8, second: u8) -> bool {
        self.pairs.get(usize::from(u16::from_be_bytes([first, second]))).copied().unwrap_or(true)
    }
}
