//! Policy files, loaded and checked: parsed, validated against the schema in strict mode, linted.
//!
//! Every fault of every file is found in one go; a set with a fault is not loaded at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Range;

use cedar_policy::{Policy as CedarPolicy, PolicyId, PolicySet, ValidationMode, ValidationWarning, Validator};
use miette::Diagnostic;

use super::fault::{Fault, Faults};
use super::lint;
use super::rule::{Effect, Rule};
use super::scene::Scenes;
use super::schema::Words;
use super::scope::Scopes;
use super::{Catalogue, Commands, Policy};
use crate::domain::Digest;

/// The largest policy file.
const FILE_LIMIT_BYTES: usize = 256 * 1024;

/// A file with its comments blanked out: offsets are those of the file.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
    plain: String,
}

/// One policy of a file.
struct Statement<'a> {
    source: &'a Source<'a>,
    range: Range<usize>,
    rule: Rule,
    policy: CedarPolicy,
}

/// Without a catalogue, ids are not looked up, and what comes out decides nothing that names a group.
pub(super) fn load(files: &[(String, String)], catalogue: Option<&Catalogue>) -> Result<Policy, Faults> {
    let words = Words::load().map_err(|what| {
        Faults(vec![Fault::at("schema.cedarschema", "", (0, 0), what, "this build is broken: report it".into())])
    })?;
    let mut faults = Vec::new();
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    let mut set_text = String::new();
    let mut sources = Vec::new();
    for (name, text) in sorted {
        // Writing to a String cannot fail.
        let _ = writeln!(set_text, "// file: {name}\n{text}");
        if text.len() > FILE_LIMIT_BYTES {
            let mend = format!("split it: the limit is {FILE_LIMIT_BYTES} bytes");
            faults.push(Fault::at(name, text, (0, 0), "the file is too long".into(), mend));
            continue;
        }
        sources.push(Source { name, text, plain: without_comments(text) });
    }
    let statements = parse(&sources, &mut faults);
    let set = validate(&statements, &words, &mut faults);
    statements.iter().for_each(|statement| statement.lint(catalogue, &mut faults));
    faults.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    faults.dedup();
    match faults.is_empty() {
        false => Err(Faults(faults)),
        true => Ok(Policy {
            scopes: Scopes::new(&set, statements.iter().map(|one| one.policy.clone()).collect(), words.actions()),
            scenes: Scenes::default(),
            set,
            rules: statements.into_iter().map(|s| (s.policy.id().to_string(), s.rule)).collect(),
            digest: Digest::of(set_text.as_bytes()),
            files: files.iter().map(|(name, _)| name.clone()).collect(),
            text: set_text,
            groups: catalogue
                .iter()
                .flat_map(|catalogue| &catalogue.groups)
                .map(String::as_str)
                .chain(Catalogue::BUILT_IN_GROUPS)
                .map(Into::into)
                .collect(),
            words,
            commands: Commands::default(),
        }),
    }
}

/// Every policy of every file that parses and has an id of its own.
fn parse<'a>(sources: &'a [Source<'a>], faults: &mut Vec<Fault>) -> Vec<Statement<'a>> {
    let mut statements: Vec<Statement<'a>> = Vec::new();
    let mut seen: HashMap<String, (&str, usize)> = HashMap::new();
    for source in sources {
        for range in source.statements() {
            let text = source.plain.get(range.clone()).unwrap_or_default();
            let policy = match CedarPolicy::parse(None, text) {
                Ok(policy) => policy,
                Err(errors) => {
                    errors.iter().for_each(|error| faults.push(source.diagnosed(&range, error, "fix the syntax")));
                    continue;
                }
            };
            let effect = match policy.effect() {
                cedar_policy::Effect::Permit => Effect::Permit,
                cedar_policy::Effect::Forbid => Effect::Forbid,
            };
            let mut wrong = Vec::new();
            let rule = Rule::read(effect, &policy.annotations().collect(), &mut wrong);
            for wrong in wrong {
                faults.push(source.pointed(&range, &format!("@{}", wrong.name), wrong.what, wrong.mend));
            }
            let id = policy.annotation("id").unwrap_or_default().to_owned();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
                let what = match policy.annotation("id") {
                    None => "this rule has no @id".to_owned(),
                    Some(id) => format!("@id cannot be {id:?}"),
                };
                let mend =
                    "begin it with @id(\"what-it-is-for\"): a-z 0-9 - _ . and at most 64 of them; records name it";
                faults.push(source.pointed(&range, "@id", what, mend.into()));
                continue;
            }
            let mut at = source.pointed(&range, "@id", format!("the id {id:?} is taken"), String::new());
            if let Some((file, line)) = seen.get(&id) {
                at.mend = format!("choose another: {file}:{line} has it");
                faults.push(at);
                continue;
            }
            seen.insert(id.clone(), (source.name, at.line));
            statements.push(Statement { source, range, rule, policy: policy.new_id(PolicyId::new(id)) });
        }
    }
    statements
}

/// The set of all of them, checked in strict mode. Warnings are faults: one of them is the only sign
/// of a look-alike letter in a group's name.
fn validate(statements: &[Statement<'_>], words: &Words, faults: &mut Vec<Fault>) -> PolicySet {
    let mut set = PolicySet::new();
    let by_id: BTreeMap<String, &Statement<'_>> = statements.iter().map(|s| (s.policy.id().to_string(), s)).collect();
    for statement in statements {
        if let Err(error) = set.add(statement.policy.clone()) {
            faults.push(statement.source.pointed(&statement.range, "@id", error.to_string(), "rename it".into()));
        }
    }
    let result = Validator::new(words.schema.clone()).validate(&set, ValidationMode::Strict);
    // That a rule concerns nothing follows from a word in it that does not exist: whoever mends that has mended both.
    let errors =
        result.validation_errors().map(|error| (error.policy_id().to_string(), false, error as &dyn Diagnostic));
    let warnings = result.validation_warnings().map(|warning| {
        let follows =
            matches!(warning, ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_));
        (warning.policy_id().to_string(), follows, warning as &dyn Diagnostic)
    });
    let found: Vec<_> = errors.chain(warnings).collect();
    let causes: BTreeSet<&String> = found.iter().filter(|(_, follows, _)| !follows).map(|(id, ..)| id).collect();
    for (id, follows, diagnostic) in &found {
        if *follows && causes.contains(id) {
            continue;
        }
        if let Some(statement) = by_id.get(id) {
            let mend = "see docs/POLICY.md for the words that exist";
            faults.push(statement.source.diagnosed(&statement.range, *diagnostic, mend));
        }
    }
    set
}

impl Statement<'_> {
    fn lint(&self, catalogue: Option<&Catalogue>, faults: &mut Vec<Fault>) {
        let literals = self.policy.entity_literals();
        let mut findings = lint::single_ids(&literals);
        if let Some(catalogue) = catalogue {
            findings.extend(lint::unknown_ids(&literals, &self.rule, catalogue));
        }
        match self.policy.to_json() {
            Ok(json) => findings.extend(lint::conditions(&self.rule, &json)),
            // Conditions that cannot be looked at are not trusted.
            Err(error) => findings.push(lint::Finding {
                needle: String::new(),
                what: format!("the rule cannot be checked: {error}"),
                mend: "write it more plainly".into(),
            }),
        }
        for finding in findings {
            faults.push(self.source.pointed(&self.range, &finding.needle, finding.what, finding.mend));
        }
    }
}

impl Source<'_> {
    /// Where each policy lies: up to and with its `;`, and what is left over at the end.
    fn statements(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let mut start = 0;
        let mut text = Quoted::default();
        for (at, byte) in self.plain.bytes().enumerate() {
            if !text.inside(byte) && byte == b';' {
                ranges.push(start..at + 1);
                start = at + 1;
            }
        }
        ranges.push(start..self.plain.len());
        let filled = |range: &Range<usize>| self.plain.get(range.clone()).is_some_and(|text| !text.trim().is_empty());
        ranges.into_iter().filter(filled).collect()
    }

    /// A fault at the first place of `needle` in `range`, else at its first word.
    fn pointed(&self, range: &Range<usize>, needle: &str, what: String, mend: String) -> Fault {
        let text = self.plain.get(range.clone()).unwrap_or_default();
        let found = if needle.is_empty() { None } else { text.find(needle) };
        let (at, len) = match found {
            Some(at) => (at, needle.len()),
            None => (text.len() - text.trim_start().len(), 1),
        };
        Fault::at(self.name, self.text, (range.start + at, len), what, mend)
    }

    /// A fault as Cedar describes it; its offsets count from the start of `range`.
    fn diagnosed(&self, range: &Range<usize>, diagnostic: &dyn Diagnostic, mend: &str) -> Fault {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let what = diagnostic.to_string();
        let mend = match diagnostic.help() {
            Some(help) => help.to_string(),
            None => label.as_ref().and_then(|label| label.label()).unwrap_or(mend).to_owned(),
        };
        match label {
            Some(label) => {
                let span = (range.start + label.inner().offset(), label.inner().len());
                Fault::at(self.name, self.text, span, what, mend)
            }
            None => self.pointed(range, "", what, mend),
        }
    }
}

/// Follows `"…"` with its backslashes through a text.
#[derive(Default)]
struct Quoted {
    open: bool,
    escaped: bool,
}

impl Quoted {
    /// Whether `byte` belongs to a quoted text, its quotes included.
    fn inside(&mut self, byte: u8) -> bool {
        let was_open = self.open;
        if self.open && self.escaped {
            self.escaped = false;
        } else if self.open && byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.open = !self.open;
        }
        was_open || self.open
    }
}

/// The text with blanks in place of comments. As in Cedar, one ends at a carriage return too.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut quoted = Quoted::default();
    let mut comment = false;
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        if comment && !matches!(ch, '\n' | '\r') {
            plain.extend(std::iter::repeat_n(' ', ch.len_utf8()));
            continue;
        }
        // Only ASCII matters to quotes; any other byte is content.
        let inside = quoted.inside(u8::try_from(ch).unwrap_or(b'x'));
        comment = !inside && ch == '/' && chars.peek() == Some(&'/');
        plain.push(if comment { ' ' } else { ch });
    }
    plain
}
