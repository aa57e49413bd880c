//! What a rule is: how a secret begins, what shape it has, what it must pass, and examples of both kinds.
//!
//! Rules are data. They know no stream: `shape` reads one at a place, `Masker` walks the places.

use std::ops::Deref;
use std::sync::{Arc, LazyLock, OnceLock};

use super::check;
use super::class::Class;
use super::firsts::Firsts;
use super::heads;
use super::sieve::Sieve;
use super::values::Forms;
use super::word::Words;

/// One kind of secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in reports.
    pub id: Arc<str>,
    /// What kind of thing it hides.
    pub kind: Kind,
    /// Used unless told otherwise.
    pub default: bool,
    /// How it begins.
    pub start: Start,
    /// What may stand before it.
    pub before: Before,
    /// Names it is none of where it stands right behind them, in lower case.
    pub not_behind: Vec<String>,
    /// The forms that may follow the start; the first that fits is taken.
    pub forms: Ways,
    /// What the hidden part of a form must pass that says nothing else.
    pub check: check::Check,
    /// What stands where it stood.
    pub shown: Shown,
    /// What it must hide: text before, the hidden part, text after.
    pub hide: Vec<[String; 3]>,
    /// What it must leave alone.
    pub keep: Vec<String>,
}

/// What kind of thing a rule hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Keys of cloud providers.
    Cloud,
    /// Tokens of code hosts and package registries.
    Code,
    /// Keys of services for chat, payment and mail.
    Service,
    /// Keys of services that run models.
    Model,
    /// Tokens of tools for operations.
    Operations,
    /// Formats in which many keep secrets.
    Format,
    /// Settings and arguments with a telling name.
    Setting,
    /// Personal data.
    Personal,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Cloud,
        Self::Code,
        Self::Service,
        Self::Model,
        Self::Operations,
        Self::Format,
        Self::Setting,
        Self::Personal,
    ];

    /// The word in files and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Code => "code",
            Self::Service => "service",
            Self::Model => "model",
            Self::Operations => "operations",
            Self::Format => "format",
            Self::Setting => "setting",
            Self::Personal => "personal",
        }
    }
}

/// A choice of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Set {
    /// Those on by default.
    #[default]
    Default,
    /// Of these the ones for credentials.
    Secrets,
    /// Of these the ones for personal data.
    Personal,
    /// All of them.
    Strict,
}

impl Set {
    /// Every set, in order.
    pub const ALL: [Self; 4] = [Self::Default, Self::Secrets, Self::Personal, Self::Strict];

    /// The word in files and arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Secrets => "secrets",
            Self::Personal => "pii",
            Self::Strict => "strict",
        }
    }

    /// Whether the rule is in it.
    pub fn has(self, rule: &Rule) -> bool {
        match self {
            Self::Default => rule.default,
            Self::Secrets => rule.default && rule.kind != Kind::Personal,
            Self::Personal => rule.default && rule.kind == Kind::Personal,
            Self::Strict => true,
        }
    }
}

/// What stands where a secret stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What the stream says.
    Mask,
    /// The rule's id in brackets, whatever the stream says.
    Label,
    /// Its last four characters, if there are at least twelve.
    LastFour,
}

/// How a secret begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// One of these, exactly. They have two bytes at least, and are sorted by those.
    Exact(Vec<String>),
    /// The same in any case, written here in lower case.
    AnyCase(Vec<String>),
    /// One of the forms of a value that is known.
    Value(Forms),
    /// Any byte of a class.
    Any(Class),
    /// Any two bytes of a class.
    Two(Class),
    /// The two letters of a country that has IBANs, both large or both small.
    Country,
}

/// What may stand before the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Anything.
    Anything,
    /// No letter, digit or underscore.
    NoWord,
    /// Nor a dot, hyphen, slash or plus: a number inside something longer. Behind an equals sign or a colon it is a value.
    NoNumber,
    /// A digit.
    Digit,
    /// A letter or a digit: it ends a name.
    Name,
}

/// What follows the start, in order, each part taken as far as it goes: there is no way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    parts: Vec<Part>,
    /// What the hidden part must pass.
    pub(super) check: check::Check,
}

impl Form {
    pub(super) fn new(parts: Vec<Part>, check: check::Check) -> Self {
        Self { parts, check }
    }
}

impl Deref for Form {
    type Target = [Part];

    fn deref(&self) -> &[Part] {
        &self.parts
    }
}

/// The ways in which a rule may go on, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    forms: Vec<Form>,
    /// Of many forms, by the byte behind the start, and by the one behind that if it is a blank: a bit for each of the first 64
    /// that may go on so.
    told: Arc<[[u64; 2]]>,
}

impl Ways {
    pub(super) fn new(forms: Vec<Form>) -> Self {
        let told = if forms.len() > FEW { heads::told(&forms) } else { Vec::new() };
        Self { forms, told: told.into() }
    }

    /// Those that may go on so behind the start.
    #[inline]
    pub(super) fn beginning(&self, ahead: &[u8]) -> impl Iterator<Item = &Form> {
        let of = |byte: &u8| self.told.get(usize::from(*byte)).copied().unwrap_or([u64::MAX; 2]);
        let bits = match ahead {
            [] => u64::MAX,
            [blank @ b' ', next, ..] => of(blank)[0] & of(next)[1],
            [next, ..] => of(next)[0],
        };
        let may_be = move |at: usize| at >= 64 || bits >> at & 1 == 1;
        self.forms.iter().enumerate().filter(move |(at, _)| may_be(*at)).map(|(_, form)| form)
    }
}

impl Deref for Ways {
    type Target = [Form];

    fn deref(&self) -> &[Form] {
        &self.forms
    }
}

/// So many forms are tried one by one.
const FEW: usize = 4;

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The hidden part begins here; without it, at the start itself.
    Hide,
    /// The hidden part ends here.
    Show,
    /// Exactly this text.
    Text(String),
    /// So many of a class.
    Run(Class, usize, usize),
    /// On to the first place of the text in the line, so many bytes away at most.
    Until(String, usize),
    /// No byte of the class follows.
    Not(Class),
    /// What was a run at its most goes on: further bytes of the class are hidden as they pass.
    Onward(Class),
    /// A card number: plain, or in the groups that are printed on cards.
    Card,
    /// An IBAN of a known country, plain or in groups of four with blanks or hyphens between.
    Iban,
    /// A mail address that no prompt and no file to be copied shows.
    Mail,
    /// The rest of a telephone number: digits, in groups or not.
    Phone,
    /// A private key: everything until its END line.
    Block,
    /// The rest of a table's header, of which this is a title: what stands under it is hidden.
    Header,
}

/// The longest name that a rule may be none of.
pub(super) const LONGEST_NAME: usize = 24;

/// So much of a text before a place tells whether it is such a name: where it begins there must be known, too.
pub(super) const NAMED: usize = LONGEST_NAME + 1;

/// The longest rest of a header.
pub(super) const HEADER: usize = 1024;

impl Part {
    /// How many bytes it takes at most.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::Hide | Self::Show | Self::Not(_) | Self::Onward(_) | Self::Block => 0,
            Self::Text(text) => text.len(),
            Self::Run(_, _, most) => *most,
            Self::Until(text, most) => text.len() + most,
            Self::Card | Self::Iban | Self::Phone => 64,
            Self::Mail => 400,
            Self::Header => HEADER,
        }
    }
}

impl Rule {
    /// Whether every word may begin it.
    pub(super) fn is_word(&self) -> bool {
        self.before == Before::NoWord && self.start == Start::Any(Class::ALNUM)
    }

    /// Whether random bytes look like it now and then.
    pub(super) fn is_chance(&self) -> bool {
        self.check == check::Check::Mail
    }

    /// Whether it names columns of tables.
    pub(super) fn is_header(&self) -> bool {
        self.forms.iter().any(|form| form.contains(&Part::Header))
    }

    /// Whether a column with this title is for it, if it names columns.
    pub(super) fn is_title(&self, title: &[u8]) -> bool {
        let ends = |word: &String| {
            let end = title.len().checked_sub(word.len()).and_then(|begin| title.get(begin..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(word.as_bytes()))
        };
        matches!(&self.start, Start::AnyCase(words) | Start::Exact(words) if words.iter().any(ends))
    }

    /// Whether what stands before ends with a name that is of no secret, as a word of its own: `objectKey`, and not `budgetKey`
    /// for `get`.
    pub(super) fn is_of_another_name(&self, before: &[u8]) -> bool {
        let ends = |name: &String| {
            let at = before.len().checked_sub(name.len());
            let Some((before, end)) = at.and_then(|at| before.split_at_checked(at)) else { return false };
            let is_within = match (before.last(), end.first()) {
                (Some(last), Some(first)) if last.is_ascii_alphabetic() => {
                    !(last.is_ascii_lowercase() && first.is_ascii_uppercase())
                }
                _ => false,
            };
            !is_within && end.eq_ignore_ascii_case(name.as_bytes())
        };
        self.not_behind.iter().any(ends)
    }

    /// Whether it begins with a text of its own.
    pub(super) fn is_token(&self) -> bool {
        matches!(self.start, Start::Exact(_))
    }

    /// Whether the end of a line may break it: not where it hides only what stands behind a name, and no number behind a plus
    /// sign, which does not say what it is.
    pub(super) fn may_be_mended(&self) -> bool {
        self.is_token() && !self.is_named() && !self.forms.iter().any(|form| form.contains(&Part::Phone))
    }

    /// Whether it hides only what stands behind its beginning.
    pub(super) fn is_named(&self) -> bool {
        self.forms.iter().all(|form| form.contains(&Part::Hide))
    }
}

/// Rules in force, with what finds them fast.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    firsts: Firsts,
    /// Made when it is first asked for.
    sieve: OnceLock<Sieve>,
    /// How rules go on that every word may begin.
    words: Option<Words>,
    /// The others.
    without_words: Option<Arc<Rules>>,
}

impl Rules {
    /// Those that hold where nobody says otherwise, but for mail addresses: records name people by theirs.
    pub fn standard() -> Arc<Self> {
        static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
            Arc::new(Rules::new(super::known().filter(|rule| rule.default && rule.check != check::Check::Mail)))
        });
        RULES.clone()
    }

    /// These, asked in this order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let words = Words::of(&rules);
        let others = || rules.iter().filter(|rule| !rule.is_word()).cloned().collect();
        let without_words = words.as_ref().map(|_| Arc::new(Self::of(others(), None, None)));
        let all = Self::of(rules, words, without_words);
        // Ready before a byte comes.
        all.sieve();
        all
    }

    fn of(rules: Vec<Rule>, words: Option<Words>, without_words: Option<Arc<Self>>) -> Self {
        Self { firsts: Firsts::of(&rules), sieve: OnceLock::new(), words, without_words, rules }
    }

    /// In the order they are asked.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(super) fn sieve(&self) -> &Sieve {
        self.sieve.get_or_init(|| Sieve::new(&self.rules))
    }

    pub(super) fn at(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    /// Those that a text may begin with, as its first bytes tell.
    pub(super) fn beginning(&self, text: &[u8]) -> impl Iterator<Item = &Rule> {
        self.firsts.beginning(text).iter().filter_map(|index| self.rules.get(*index))
    }

    /// Whether a text may begin with one of them, as its first bytes tell.
    pub(super) fn may_begin_by(&self, index: usize, text: &[u8]) -> bool {
        self.firsts.beginning(text).contains(&index)
    }

    /// Those that not every word may begin, if they are not the same.
    pub(super) fn without_words(&self) -> Option<&Arc<Self>> {
        self.without_words.as_ref()
    }

    /// As three bytes tell, or the word that begins there.
    pub(super) fn may_begin(&self, before: Option<u8>, ahead: &[u8]) -> bool {
        let [first, second, rest @ ..] = ahead else {
            return true;
        };
        // What may begin an escape stands for another byte.
        let third = rest.first().copied().filter(|third| !matches!(third, b'%' | b'\\'));
        let is_word = || Class::ALNUM.has(*first) && !before.is_some_and(|before| Class::WORD.has(before));
        let begins = |words: &Words| is_word() && words.may_begin(ahead);
        self.firsts.may_begin(before, [*first, *second], third) || self.words.as_ref().is_some_and(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_forms_those_are_tried_that_may_go_on_so_and_all_beyond_the_64th() {
        let form =
            |text: &str| Form::new(vec![Part::Run(Class::BLANK, 0, 2), Part::Text(text.into())], check::Check::None);
        let ways = |count| Ways::new((0..count).map(|at| form(if at % 10 == 3 { "=" } else { ":" })).collect());
        let tried = |count, ahead: &[u8]| ways(count).beginning(ahead).count();
        assert_eq!(tried(10, b"=x"), 1);
        assert_eq!(tried(10, b" =x"), 1);
        assert_eq!(tried(10, b" x="), 0);
        assert_eq!(tried(10, b" "), 10);
        assert_eq!(tried(10, b""), 10);
        assert_eq!(tried(70, b"=x"), 7 + 6);
        assert_eq!(tried(3, b"x"), 3);
    }
}
