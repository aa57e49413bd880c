//! What is known about programs: classes, which are a deny-list, and harmless uses, which are an allow-list.
//!
//! Patterns and words; it knows neither shells nor wrappers.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem;

/// A class of commands: what somebody who approves should see at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Programs, each with words that must stand among its arguments.
    /// By their whole name.
    named: HashMap<String, Vec<Program>>,
    /// The others, and by pattern.
    programs: Vec<Program>,
    /// Files by a path: no word without a slash names one.
    paths: Vec<Pattern>,
    /// Files by their name alone.
    names: Vec<Pattern>,
}

/// A program by the pattern of its name, perhaps only with some arguments: `systemctl restart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    name: Pattern,
    words: Vec<Pattern>,
}

/// A text in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Without the stars at its ends, unless it has others.
    text: String,
    shape: Shape,
}

/// Where a pattern has its `*`. A word is held against every pattern there is, so each is taken apart once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Nowhere.
    Whole,
    /// Only at the end.
    Begin,
    /// Only at the begin.
    End,
    /// Only at both ends.
    Within,
    /// Elsewhere.
    Parts,
}

/// A use of a program that changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harmless {
    /// Words that must follow the program's name, as `status` in `systemctl status`.
    pub leading: Vec<String>,
    /// Options of one letter without a value, which may stand together.
    pub letters: String,
    /// Further options: `--all`, `--lines=*`, or with the value as the next word, `-n *`.
    pub options: Vec<String>,
    /// Options that must be there.
    pub needs: Vec<String>,
    /// What else may stand there; a path with `..` in it fits only `*`.
    pub operands: Vec<String>,
    /// What the first of those may be besides.
    pub first: Option<String>,
    /// In a terminal it starts a pager, which is as good as a shell, unless `--no-pager` is given.
    pub pager: bool,
}

impl Class {
    /// Of these programs, and of files that any word of a command may name.
    pub fn new(programs: Vec<Program>, files: Vec<Pattern>) -> Self {
        let (paths, names) = files.into_iter().partition(Pattern::needs_slash);
        let (whole, programs): (Vec<_>, _) =
            programs.into_iter().partition(|program| program.name.shape == Shape::Whole);
        let mut named: HashMap<String, Vec<Program>> = HashMap::new();
        for program in whole {
            named.entry(program.name.text.clone()).or_default().push(program);
        }
        Self { named, programs, paths, names }
    }

    /// With what another one has.
    pub(super) fn extend(&mut self, other: Self) {
        for (name, programs) in other.named {
            self.named.entry(name).or_default().extend(programs);
        }
        self.programs.extend(other.programs);
        self.paths.extend(other.paths);
        self.names.extend(other.names);
    }

    pub(super) fn has_program<'a>(&self, name: &str, words: impl Iterator<Item = &'a str> + Clone) -> bool {
        let named = self.named.get(name).into_iter().flatten();
        named.chain(&self.programs).any(|program| program.matches(name, words.clone()))
    }

    pub(super) fn names_file(&self, word: &str) -> bool {
        let slash = word.contains('/');
        if !slash && self.names.is_empty() {
            return false;
        }
        // `--file=/etc/shadow` and `@/etc/shadow` name it too.
        let value = word.rsplit(['=', '@', ':', ',']).next().unwrap_or(word);
        let straight = straight(value);
        let (part, detour) = (value.len() < word.len(), matches!(straight, Cow::Owned(_)));
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        let named = |text: &str| any(&self.names, text) || (slash && any(&self.paths, text));
        named(word) || (part && named(value)) || (detour && named(&straight))
    }
}

impl Program {
    /// Reads `rm`, `mkfs.*` or `systemctl restart`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(Pattern::parse);
        let name = words.next()??;
        Some(Self { name, words: words.collect::<Option<_>>()? })
    }

    pub(super) fn matches<'a>(&self, name: &str, words: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.name.matches(name) && self.words.iter().all(|want| words.clone().any(|word| want.matches(word)))
    }
}

impl Pattern {
    /// Printable ASCII without blanks.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| match Shape::of(text) {
            Shape::Parts => Self { text: text.to_owned(), shape: Shape::Parts },
            shape => Self { text: text.trim_matches('*').to_owned(), shape },
        })
    }

    fn matches(&self, text: &str) -> bool {
        let (known, bytes) = (self.text.as_str(), text.as_bytes());
        match self.shape {
            Shape::Whole => known == text,
            Shape::Begin => bytes.starts_with(known.as_bytes()),
            Shape::End => bytes.ends_with(known.as_bytes()),
            Shape::Within => memmem::find(bytes, known.as_bytes()).is_some(),
            Shape::Parts => glob(known, text),
        }
    }

    /// Whether only a text with a slash can match.
    fn needs_slash(&self) -> bool {
        self.text.contains('/')
    }
}

impl Shape {
    fn of(pattern: &str) -> Self {
        let inner = pattern.trim_matches('*');
        match (inner.contains('*'), pattern.starts_with('*'), pattern.ends_with('*')) {
            (true, ..) => Self::Parts,
            (false, false, false) => Self::Whole,
            (false, false, true) => Self::Begin,
            (false, true, false) => Self::End,
            (false, true, true) => Self::Within,
        }
    }
}

impl Harmless {
    pub(super) fn fits(&self, arguments: &[&str], pty: bool) -> bool {
        let Some(rest) = strip(arguments, &self.leading) else { return false };
        if pty && self.pager && !rest.contains(&"--no-pager") {
            return false;
        }
        if !self.needs.iter().all(|need| rest.contains(&need.as_str())) {
            return false;
        }
        let mut rest = rest.iter();
        let mut options_end = false;
        let mut first = self.first.as_deref();
        while let Some(word) = rest.next() {
            if options_end || *word == "-" || !word.starts_with('-') {
                if !first.take().is_some_and(|pattern| glob(pattern, word)) && !self.takes(word) {
                    return false;
                }
            } else if *word == "--" {
                options_end = true;
            } else if self.has_letters(word) || self.needs.iter().any(|need| need == word) {
                // It stands for itself.
            } else if let Some(valued) = self.option(word) {
                // The value is the next word, whatever it looks like unless it looks like an option.
                if let Some(value) = valued
                    && !rest.next().is_some_and(|word| !word.starts_with('-') && glob(value, word))
                {
                    return false;
                }
            } else {
                return false;
            }
        }
        true
    }

    fn has_letters(&self, word: &str) -> bool {
        let letters = word.strip_prefix('-').unwrap_or_default();
        !letters.is_empty() && letters.chars().all(|letter| self.letters.contains(letter))
    }

    /// The option that `word` is; inside, the pattern of its value if that is the next word.
    fn option(&self, word: &str) -> Option<Option<&str>> {
        self.options.iter().find_map(|option| match option.split_once(' ') {
            Some((name, value)) => (name == word).then_some(Some(value)),
            None => glob(option, word).then_some(None),
        })
    }

    fn takes(&self, word: &str) -> bool {
        let climbs = word.split('/').any(|part| part == "..");
        self.operands.iter().any(|operand| operand == "*" || (!climbs && glob(operand, word)))
    }
}

fn strip<'a, 'b>(arguments: &'a [&'b str], leading: &[String]) -> Option<&'a [&'b str]> {
    let (head, rest) = arguments.split_at_checked(leading.len())?;
    head.iter().zip(leading).all(|(word, want)| word == want).then_some(rest)
}

/// A path without detours: `/var/log/../../etc/shadow` is `/etc/shadow`.
fn straight(path: &str) -> Cow<'_, str> {
    let mut parts = path.split('/').skip(1).filter(|part| !part.is_empty());
    if !path.contains("//") && !parts.any(|part| part == "." || part == "..") {
        return path.into();
    }
    let mut kept = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, kept.join("/")).into()
}

/// Whether `text` is what `pattern` says, where `*` is any text. A word is held against every pattern there is: nothing here
/// allocates, and most patterns differ in their first byte already.
fn glob(pattern: &str, text: &str) -> bool {
    let first = pattern.as_bytes().first();
    if first != Some(&b'*') && first != text.as_bytes().first() {
        return false;
    }
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let Some((middle, tail)) = rest.rsplit_once('*') else { return left.ends_with(rest) };
    for part in middle.split('*') {
        match memmem::find(left.as_bytes(), part.as_bytes()) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pattern_that_was_taken_apart_says_the_same(pattern in "[*/ab]{1,6}", text in "[/ab]{0,7}") {
            let parsed = Pattern::parse(&pattern).unwrap();
            let parts: Vec<String> = pattern.split('*').map(str::to_owned).collect();
            // By definition: some text in the place of each star.
            fn fits(parts: &[String], text: &str) -> bool {
                let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
                (0..=text.len()).any(|at| text[at..].strip_prefix(first.as_str()).is_some_and(|left| fits(rest, left)))
            }
            let wanted = match parts.split_first() {
                Some((head, rest)) => text.strip_prefix(head.as_str()).is_some_and(|left| match rest {
                    [] => left.is_empty(),
                    rest => fits(rest, left),
                }),
                None => false,
            };
            prop_assert_eq!(parsed.matches(&text), wanted);
            prop_assert_eq!(glob(&pattern, &text), wanted);
            let class = Class::new(Vec::new(), vec![parsed]);
            prop_assert!(!wanted || class.names_file(&text));
        }
    }
}
