//! Rules as a file writes them, and what is wrong with a file, all in one go, each with its line.
//!
//! A rule does not load unless it hides every one of its examples and leaves the others alone.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::check::Check;
use super::class::Class;
use super::pattern;
use super::rule::{Before, Form, Kind, LONGEST_NAME, Part, Rule, Rules, Shown, Start, Ways};
use super::{Masker, Width};

/// The rules of one file. `taken`: ids of other files.
pub fn parse(text: &str, taken: &BTreeSet<Arc<str>>) -> Result<Vec<Rule>, Vec<Fault>> {
    if text.len() > LONGEST_FILE {
        return Err(vec![Fault::new(1, "", "is longer than 1 MiB", "split it, or write fewer rules")]);
    }
    let file: File = toml::from_str(text).map_err(|error| vec![unread(text, &error)])?;
    let mut known = taken.clone();
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    if file.rule.len() > MOST_RULES {
        faults.push(Fault::new(1, "", "has more than 500 rules", "write fewer, or several keywords in one"));
    }
    for written in file.rule.iter().take(MOST_RULES) {
        let (line, raw) = (line_of(text, written.span().start), written.get_ref());
        let fault = |(what, mend): Wrong| Fault::new(line, &raw.id, what, mend);
        match rule(raw, &known) {
            Ok(rule) => {
                known.insert(rule.id.clone());
                match examples(&rule) {
                    Ok(()) => rules.push(rule),
                    Err(wrong) => faults.push(fault(wrong)),
                }
            }
            Err(wrong) => faults.push(fault(wrong)),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

/// The rules of files that stand in this program: their examples are tried by its tests, not at each start.
pub(super) fn own(text: &str) -> Result<Vec<Rule>, Vec<Fault>> {
    let file: File = toml::from_str(text).map_err(|error| vec![unread(text, &error)])?;
    let read = |written: &Spanned<Raw>| {
        let raw = written.get_ref();
        let fault = |(what, mend): Wrong| vec![Fault::new(line_of(text, written.span().start), &raw.id, what, mend)];
        rule(raw, &BTreeSet::new()).map_err(fault)
    };
    file.rule.iter().map(read).collect()
}

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub line: usize,
    /// The rule's id; empty if it is the file's fault.
    pub rule: String,
    /// What.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Fault {
    fn new(line: usize, rule: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { line, rule: rule.to_owned(), what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, rule, what, mend } = self;
        let rule = if rule.is_empty() { String::new() } else { format!(" rule {rule:?}") };
        write!(f, "line {line}:{rule} {what}: {mend}")
    }
}

type Wrong = (String, String);

fn wrong(what: impl Into<String>, mend: impl Into<String>) -> Wrong {
    (what.into(), mend.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<Raw>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    class: String,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    any_case: bool,
    #[serde(default)]
    any_joint: bool,
    begins: Option<String>,
    before: Option<String>,
    #[serde(default)]
    not_behind: Vec<String>,
    pattern: Patterns,
    validator: Option<String>,
    replacement: Option<String>,
    default: Option<bool>,
    hide: Vec<String>,
    keep: Vec<String>,
}

/// Alternatives: in one text with `|` between, or one by one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    Several(Vec<String>),
}

fn unread(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    Fault::new(line, "", error.message(), "docs/MASKING.md says what a rule has")
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn rule(raw: &Raw, taken: &BTreeSet<Arc<str>>) -> Result<Rule, Wrong> {
    let is_id = |id: &str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_id(&raw.id) {
        return Err(wrong("has an `id` that is none", "write 1 to 64 of a-z, 0-9 and -"));
    }
    if taken.contains(raw.id.as_str()) {
        return Err(wrong("has the `id` of another rule", "give it a name of its own"));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == raw.class);
    let classes = Kind::ALL.map(Kind::as_str).join(", ");
    let kind = kind.ok_or_else(|| wrong(format!("has no class {:?}", raw.class), format!("write one of {classes}")))?;
    let patterns = match &raw.pattern {
        Patterns::One(pattern) => std::slice::from_ref(pattern),
        Patterns::Several(patterns) => patterns,
    };
    let check = validator(raw.validator.as_deref())?;
    let forms = patterns.iter().map(|pattern| pattern::parse(pattern, check)).collect::<Result<Vec<_>, _>>();
    let forms = forms
        .map_err(|error| {
            wrong(format!("has a `pattern` that {error}"), "docs/MASKING.md says what a pattern may have")
        })?
        .concat();
    Ok(Rule {
        id: raw.id.as_str().into(),
        kind,
        default: raw.default.unwrap_or(true),
        start: start(raw, &forms)?,
        before: before(raw.before.as_deref())?,
        not_behind: names(&raw.not_behind)?,
        forms: Ways::new(forms),
        check,
        shown: shown(raw.replacement.as_deref())?,
        hide: raw.hide.iter().map(|text| example(text)).collect::<Result<_, _>>()?,
        keep: raw.keep.iter().map(|text| text.replace(JOINT, "")).collect(),
    })
}

fn start(raw: &Raw, forms: &[Form]) -> Result<Start, Wrong> {
    let is_digits = |form: &Form| match form.iter().find(|part| !matches!(part, Part::Hide)) {
        Some(Part::Run(class, 2.., _)) => *class == Class::DIGIT,
        Some(Part::Card) => true,
        _ => false,
    };
    let words = if raw.any_joint { &*jointed(&raw.keywords) } else { raw.keywords.as_slice() };
    match (raw.begins.as_deref(), words) {
        (None, []) => Err(wrong(
            "has nothing to find it by",
            "write `keywords`: texts that stand right before what `pattern` describes",
        )),
        (None, words) if words.len() > MOST_KEYWORDS => Err(wrong("has more than 2000 `keywords`", "write fewer")),
        (None, words) => match words.iter().find(|word| !(2..=64).contains(&word.len())) {
            Some(word) => Err(wrong(
                format!("has the keyword {word:?}"),
                "keywords have 2 to 64 bytes, three or more if they can",
            )),
            None if raw.any_case => Ok(Start::AnyCase(by_head(words.iter().map(|word| word.to_ascii_lowercase())))),
            None => Ok(Start::Exact(by_head(words.iter().cloned()))),
        },
        (Some(_), [_, ..]) => Err(wrong("has `keywords` and `begins`", "keep one of them")),
        (Some("digits"), []) if forms.iter().all(is_digits) => Ok(Start::Two(Class::DIGIT)),
        (Some("digits"), []) => Err(wrong(
            "begins with digits, its pattern does not",
            "let `pattern` begin with two digits at least, such as \\d{3}, or write `keywords`",
        )),
        (Some("digit"), []) => Ok(Start::Any(Class::DIGIT)),
        // Every word could begin one and is held until it ends: only where no terminal is.
        (Some("word"), []) => Ok(Start::Any(Class::ALNUM)),
        (Some("country"), []) if forms.iter().all(|form| form.contains(&Part::Iban)) => Ok(Start::Country),
        (Some("country"), []) => {
            Err(wrong("begins with a country, its pattern does not", "let `pattern` begin with (?&iban)"))
        }
        (Some("capitals"), []) => Ok(Start::Two(Class::UPPER)),
        (Some(other), []) => Err(wrong(
            format!("has no beginning {other:?}"),
            "write `begins = \"digits\"`, \"capitals\" or \"country\", or `keywords`",
        )),
    }
}

/// Sorted by their first two bytes. Those with the same ones are asked in the order in which they are written.
fn by_head(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort_by(|a, b| a.as_bytes().get(..2).cmp(&b.as_bytes().get(..2)));
    words
}

/// Names of several words as programs write them: `api_key`, `api-key`, `api.key`, `api key`, `apikey`.
fn jointed(keywords: &[String]) -> Vec<String> {
    let spelt = |word: &String| ["_", "-", ".", " ", ""].map(|joint| word.replace('_', joint));
    let mut words: Vec<String> = Vec::new();
    for word in keywords.iter().flat_map(spelt) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

fn before(word: Option<&str>) -> Result<Before, Wrong> {
    match word {
        None | Some("no-word") => Ok(Before::NoWord),
        Some("no-number") => Ok(Before::NoNumber),
        Some("anything") => Ok(Before::Anything),
        Some("digit") => Ok(Before::Digit),
        Some("name") => Ok(Before::Name),
        Some(other) => {
            Err(wrong(format!("has no `before` {other:?}"), "write one of no-word, no-number, anything, digit, name"))
        }
    }
}

fn names(names: &[String]) -> Result<Vec<String>, Wrong> {
    match names.iter().find(|name| !(1..=LONGEST_NAME).contains(&name.len())) {
        Some(name) => Err(wrong(format!("has the name {name:?} in `not_behind`"), "names have 1 to 24 bytes")),
        None => Ok(names.iter().map(|name| name.to_ascii_lowercase()).collect()),
    }
}

fn validator(word: Option<&str>) -> Result<Check, Wrong> {
    let Some(word) = word else {
        return Ok(Check::None);
    };
    let names: Vec<&str> = Check::NAMED.iter().map(|(name, _)| *name).collect();
    let mend = || format!("write one of {}, or entropy:BITS, bits for each byte", names.join(", "));
    Check::named(word).ok_or_else(|| wrong(format!("has no `validator` {word:?}"), mend()))
}

fn shown(word: Option<&str>) -> Result<Shown, Wrong> {
    match word {
        None | Some("mask") => Ok(Shown::Mask),
        Some("label") => Ok(Shown::Label),
        Some("last4") => Ok(Shown::LastFour),
        Some(other) => Err(wrong(format!("has no `replacement` {other:?}"), "write one of mask, label, last4")),
    }
}

/// `before «hidden» after`.
fn example(text: &str) -> Result<[String; 3], Wrong> {
    let parts = text.split_once('«').and_then(|(before, rest)| {
        let (hidden, after) = rest.split_once('»')?;
        Some([before, hidden, after].map(|part| part.replace(JOINT, "")))
    });
    parts.filter(|[_, hidden, _]| !hidden.is_empty()).ok_or_else(|| {
        wrong("has a `hide` example without « and »", "put them around what is to be hidden, as in \"key=«abc123»\"")
    })
}

/// A rule is what its examples say, alone.
fn examples(rule: &Rule) -> Result<(), Wrong> {
    if rule.hide.is_empty() || rule.keep.is_empty() {
        return Err(wrong("lacks examples", "write `hide` and `keep`, one each at least"));
    }
    let plain = Rule { shown: Shown::Mask, ..rule.clone() };
    let alone = Arc::new(Rules::new([plain]));
    let masked = |text: &str| {
        let mut masker = Masker::new(alone.clone(), Width::Same);
        let mut out = masker.feed(text.as_bytes()).bytes;
        out.extend(masker.finish().bytes);
        out
    };
    for (index, [before, hidden, after]) in rule.hide.iter().enumerate() {
        let stars = hidden.chars().map(|sign| if matches!(sign, '\r' | '\n') { sign } else { '*' });
        let wanted = format!("{before}{}{after}", stars.collect::<String>());
        if masked(&format!("{before}{hidden}{after}")) != wanted.as_bytes() {
            let what = format!("does not hide what its example {} in `hide` says", index + 1);
            return Err(wrong(what, "mend `pattern`, `before` or `validator`, or the example"));
        }
    }
    for (index, text) in rule.keep.iter().enumerate() {
        if masked(text) != text.as_bytes() {
            let what = format!("hides something in its example {} in `keep`", index + 1);
            return Err(wrong(what, "mend `pattern`, `before` or `validator`, or the example"));
        }
    }
    Ok(())
}

/// Is dropped from examples: with it inside, no scanner takes one for a leak.
const JOINT: char = '·';

const LONGEST_FILE: usize = 1 << 20;

const MOST_RULES: usize = 500;

const MOST_KEYWORDS: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::known;

    const RULE: &str = r#"
[[rule]]
id = "ours"
class = "setting"
keywords = ["OURS-"]
pattern = '([A-Z]{4,8})\b'
hide = ["x OURS-«AB·CD» y"]
keep = ["OURS-abcd"]
"#;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let faults = parse(text, &BTreeSet::new()).unwrap_err();
        let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert!(said.len() == expected.len(), "{said:?}");
        said.iter().zip(expected).for_each(|(said, expected)| assert!(said.starts_with(expected), "{said}"));
    }

    #[test]
    fn a_rule_of_a_file_is_read_with_its_examples() {
        let rules = parse(RULE, &BTreeSet::new()).unwrap();
        let [rule] = rules.as_slice() else { panic!("{rules:?}") };
        assert_eq!((&*rule.id, rule.kind, rule.default), ("ours", Kind::Setting, true));
        assert_eq!(rule.hide, [["x OURS-", "ABCD", " y"].map(str::to_owned)]);
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once_with_line_and_rule() {
        let other = RULE.replace("ours", "other").replace("{4,8}", "{4,}");
        check(
            &format!("{RULE}{RULE}{other}"),
            &[
                "line 10: rule \"ours\" has the `id` of another rule: ",
                "line 18: rule \"other\" has a `pattern` that has a repeat without an end",
            ],
        );
        check(&RULE.replace("hide = ", "hides = "), &["line 7: unknown field `hides`, expected one of "]);
        check(&RULE.replace("keywords = [\"OURS-\"]", ""), &["line 2: rule \"ours\" has nothing to find it by: "]);
        check(
            &RULE.replace("\"setting\"", "\"sitting\""),
            &["line 2: rule \"ours\" has no class \"sitting\": write one of "],
        );
        check(&RULE.replace("keep = [\"OURS-abcd\"]", "keep = []"), &["line 2: rule \"ours\" lacks examples: "]);
        let long = format!("keywords = [\"OURS-\"]\nnot_behind = [\"{}\"]", "x".repeat(25));
        check(&RULE.replace("keywords = [\"OURS-\"]", &long), &["line 2: rule \"ours\" has the name \"xxx"]);
        check("rule = 1", &["line 1: "]);
    }

    #[test]
    fn a_rule_that_does_not_do_what_its_examples_say_does_not_load() {
        check(
            &RULE.replace("OURS-abcd", "OURS-ABCD"),
            &["line 2: rule \"ours\" hides something in its example 1 in `keep`: "],
        );
        check(
            &RULE.replace("«AB·CD»", "«ABC»D"),
            &["line 2: rule \"ours\" does not hide what its example 1 in `hide` says"],
        );
        check(&RULE.replace(['«', '»'], ""), &["line 2: rule \"ours\" has a `hide` example without « and »"]);
    }

    #[test]
    fn an_id_of_the_programs_own_rules_is_taken() {
        let taken = known().map(|rule| rule.id).collect();
        let faults = parse(&RULE.replace("ours", "jwt"), &taken).unwrap_err();
        assert!(faults[0].what.contains("`id` of another rule"));
    }
}
