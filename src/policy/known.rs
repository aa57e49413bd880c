//! What is known about programs: classes, which are a deny-list, and harmless uses, which are an allow-list.
//!
//! Patterns and words; it knows neither shells nor wrappers.

use std::borrow::Cow;

/// A class of commands: what somebody who approves should see at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Programs, each with words that must stand among its arguments.
    pub programs: Vec<Program>,
    /// Files: any word of a command may name one.
    pub paths: Vec<Pattern>,
}

/// A program by the pattern of its name, perhaps only with some arguments: `systemctl restart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    name: Pattern,
    words: Vec<Pattern>,
}

/// A text in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

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
    pub(super) fn names_file(&self, word: &str) -> bool {
        // `--file=/etc/shadow` and `@/etc/shadow` name it too.
        let value = word.rsplit(['=', '@', ':', ',']).next().unwrap_or(word);
        let straight = straight(value);
        self.paths.iter().any(|path| path.matches(word) || path.matches(value) || path.matches(&straight))
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
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    fn matches(&self, text: &str) -> bool {
        glob(&self.0, text)
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

/// Whether `text` is what `pattern` says, where `*` is any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}
