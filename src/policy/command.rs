//! What a command line is: simple, compound or opaque; as whom it runs; whether it is known to be harmless.
//!
//! It may prove a command harmless by an allow-list, never guess it. The classes are a deny-list: a convenience for
//! rules and for the eyes of whoever approves, and no boundary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::known::{Class, Harmless, Program};
use super::shell::{self, Line, Why, Word};
use super::wrapper;
use crate::domain::Digest;

/// What is known about programs: the shipped lists and what a site adds to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Every file, each after a line with its name: what the policy's digest covers.
    text: String,
    classes: BTreeMap<String, Class>,
    /// By program.
    harmless: BTreeMap<String, Vec<Harmless>>,
    /// Programs that run what they are given as text.
    interpreters: Vec<Program>,
}

/// How a command line was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its shape.
    pub form: Form,
    /// Of a simple command: its words, without their quotes.
    pub argv: Vec<String>,
    /// Every program that was recognised: by bare name if it is called so or lies in a folder of the system, else as
    /// written.
    pub programs: BTreeSet<String>,
    /// Classes that apply.
    pub classes: BTreeSet<String>,
    /// It asks for another account's rights.
    pub elevated: bool,
    /// It is simple, and known to change nothing.
    pub harmless: bool,
}

/// The shape of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One command, every word literal.
    Simple,
    /// Several, or with redirections; every word literal.
    Compound,
    /// Anything else, and why.
    Opaque(&'static str),
}

impl Default for Form {
    fn default() -> Self {
        Self::Opaque("it was not read")
    }
}

/// As people read it: `simple`, `compound`, `opaque: it has an expansion`.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple => f.write_str("simple"),
            Self::Compound => f.write_str("compound"),
            Self::Opaque(why) => write!(f, "opaque: {why}"),
        }
    }
}

impl Reading {
    /// Whether it is one command with literal words.
    pub fn is_simple(&self) -> bool {
        self.form == Form::Simple
    }

    /// Whether it cannot be told what it does.
    pub fn is_opaque(&self) -> bool {
        matches!(self.form, Form::Opaque(_))
    }

    /// The words in one text. A word with blanks or quotes stands in quotes, so that words keep their borders.
    pub fn joined(&self) -> String {
        let mut out = String::new();
        for word in &self.argv {
            if !out.is_empty() {
                out.push(' ');
            }
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,+@%=".contains(&b);
            match !word.is_empty() && word.bytes().all(plain) {
                true => out.push_str(word),
                false => {
                    out.push('\'');
                    out.push_str(&word.replace('\'', "'\\''"));
                    out.push('\'');
                }
            }
        }
        out
    }
}

impl Commands {
    /// Adds a file: its name and text go into the digest.
    pub fn note_file(&mut self, name: &str, text: &str) {
        self.text.push_str(&format!("// file: {name}\n{text}\n"));
    }

    /// Adds to a class, or makes it.
    pub fn add_class(&mut self, name: &str, class: Class) {
        self.classes.entry(name.to_owned()).or_default().extend(class);
    }

    /// Adds a harmless use of `program`: a bare name, or the absolute path of one elsewhere than in the system's folders.
    pub fn add_harmless(&mut self, program: &str, use_: Harmless) {
        self.harmless.entry(program.to_owned()).or_default().push(use_);
    }

    /// Adds programs that run what they are given as text.
    pub fn add_interpreters(&mut self, programs: Vec<Program>) {
        self.interpreters.extend(programs);
    }

    /// Names of the classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.keys().map(String::as_str)
    }

    /// Every file, each after a line with its name.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of [`Commands::text`].
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// Reads a command line. Only where the login has a POSIX shell is anything but opaque.
    pub fn read(&self, command: &[u8], posix: bool, pty: bool) -> Reading {
        let line = match posix {
            true => shell::read(command),
            false => Err("the target's shell is not known to be POSIX"),
        };
        match line.and_then(|line| self.understand(&line, pty)) {
            Ok(reading) => reading,
            Err(why) => self.guess(command, why),
        }
    }

    fn understand(&self, line: &Line, pty: bool) -> Result<Reading, Why> {
        let form = if line.single { Form::Simple } else { Form::Compound };
        let mut reading = Reading { form, ..Reading::default() };
        for words in &line.commands {
            if line.single && self.proves_harmless(words, pty) {
                reading.harmless = true;
                reading.programs.extend(words.first().map(|word| called(&word.text)));
                continue;
            }
            self.command(words, &mut reading)?;
        }
        for file in &line.files {
            self.classify_word(file, &mut reading.classes);
        }
        if let (true, [words]) = (line.single, line.commands.as_slice()) {
            reading.argv = words.iter().map(|word| word.text.clone()).collect();
        }
        Ok(reading)
    }

    /// One command, with every wrapper taken off.
    fn command(&self, words: &[Word], reading: &mut Reading) -> Result<(), Why> {
        let mut inner: Vec<Word>;
        let mut words = words;
        for _ in 0..MAX_WRAPPERS {
            let (first, arguments) = words.split_first().ok_or("a wrapper has no command")?;
            fit_to_be_run(first)?;
            reading.programs.insert(called(&first.text));
            let name = base(&first.text);
            reading.elevated |= wrapper::elevates(name);
            let texts = arguments.iter().map(|word| word.text.as_str());
            self.classify_program(name, texts.clone(), &mut reading.classes);
            texts.clone().for_each(|word| self.classify_word(word, &mut reading.classes));
            let runs_text = |program: &Program| program.matches(name, texts.clone());
            if self.interpreters.iter().any(runs_text) {
                return Err("it runs a program that runs text");
            }
            match wrapper::unwrap(name, arguments)? {
                wrapper::Inner::Itself => return Ok(()),
                wrapper::Inner::Command(rest) => words = rest,
                wrapper::Inner::Text(text) => {
                    let line = shell::read(text.as_bytes())?;
                    let [one] = line.commands.as_slice() else {
                        return Err("it runs several commands as another account");
                    };
                    if !line.single {
                        return Err("it redirects as another account");
                    }
                    inner = one.clone();
                    words = &inner;
                }
            }
        }
        Err("it has too many wrappers")
    }

    /// Whether the shipped or the site's list has exactly this use.
    fn proves_harmless(&self, words: &[Word], pty: bool) -> bool {
        let Some((first, arguments)) = words.split_first() else { return false };
        if first.quoted {
            return false;
        }
        let arguments: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
        let listed =
            self.harmless.get(&called(&first.text)).is_some_and(|uses| uses.iter().any(|u| u.fits(&arguments, pty)));
        // An allowed operand may still be a file with secrets.
        listed && !self.classes.values().any(|class| arguments.iter().any(|word| class.names_file(word)))
    }

    fn classify_program<'a>(
        &self,
        name: &str,
        words: impl Iterator<Item = &'a str> + Clone,
        found: &mut BTreeSet<String>,
    ) {
        for (class, rules) in &self.classes {
            if rules.has_program(name, words.clone()) {
                found.insert(class.clone());
            }
        }
    }

    fn classify_word(&self, word: &str, found: &mut BTreeSet<String>) {
        for (class, rules) in &self.classes {
            if !found.contains(class) && rules.names_file(word) {
                found.insert(class.clone());
            }
        }
    }

    /// Of what is opaque: whatever looks like a program of some class counts as one.
    fn guess(&self, command: &[u8], why: Why) -> Reading {
        let mut reading = Reading { form: Form::Opaque(why), ..Reading::default() };
        let text = String::from_utf8_lossy(command.get(..shell::LIMIT_BYTES).unwrap_or(command))
            .replace(['\'', '"', '\\'], "");
        let words: BTreeSet<&str> = rough(&text).map(|(_, word)| word).collect();
        // Each name once: one text may say the same name in a thousand words.
        for name in words.iter().map(|word| base(word)).collect::<BTreeSet<_>>() {
            reading.elevated |= wrapper::elevates(name);
            self.classify_program(name, words.iter().copied(), &mut reading.classes);
        }
        words.iter().for_each(|word| self.classify_word(word, &mut reading.classes));
        reading
    }

    /// Where a text has words that somebody who approves should look at: begin and end, in bytes.
    pub fn marks(&self, text: &str) -> Vec<(usize, usize)> {
        let words: BTreeSet<&str> = rough(text).map(|(_, word)| word).collect();
        let listed = |name: &&str| {
            let mut classes = self.classes.values();
            wrapper::elevates(name) || classes.any(|class| class.has_program(name, words.iter().copied()))
        };
        // Each name once: one text may say the same name in a thousand words.
        let names: BTreeSet<&str> =
            words.iter().map(|word| base(word)).collect::<BTreeSet<_>>().into_iter().filter(listed).collect();
        let marked =
            |word: &str| names.contains(base(word)) || self.classes.values().any(|class| class.names_file(word));
        rough(text).filter(|(_, word)| marked(word)).map(|(at, word)| (at, at + word.len())).collect()
    }
}

/// Whether the first word of a command is the plain name of a program, and not something that a shell takes otherwise.
fn fit_to_be_run(word: &Word) -> Result<(), Why> {
    if word.quoted {
        return Err("the program's name is quoted");
    }
    let (text, name) = (word.text.as_str(), base(&word.text));
    if text.contains('=') {
        return Err("it sets a variable first");
    }
    if RESERVED.contains(&name) || name.is_empty() || text.starts_with(['-', '+']) {
        return Err("it has shell syntax");
    }
    if BUILT_IN.contains(&name) {
        return Err("it changes what later words mean");
    }
    Ok(())
}

/// Words that are syntax where a command begins, in some shell.
const RESERVED: &[&str] = &[
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "for",
    "foreach",
    "while",
    "until",
    "do",
    "done",
    "case",
    "esac",
    "in",
    "end",
    "select",
    "function",
    "time",
    "coproc",
    "repeat",
    "nocorrect",
    "noglob",
    "]]",
    "always",
];

/// Built-in commands that run text or change the meaning of what follows.
const BUILT_IN: &[&str] = &[
    ".",
    "source",
    "eval",
    "alias",
    "unalias",
    "trap",
    "set",
    "shopt",
    "setopt",
    "unsetopt",
    "enable",
    "export",
    "readonly",
    "declare",
    "typeset",
    "local",
    "unset",
    "hash",
    "builtin",
    "fc",
    "history",
    "bind",
    "mapfile",
    "readarray",
    "read",
    "let",
    "exec",
    "ulimit",
    "umask",
    "autoload",
    "zmodload",
    "emulate",
    "disown",
    "bg",
    "fg",
    "jobs",
    "kill-job",
    "wait",
    "complete",
    "compgen",
    "getopts",
    "printf-v",
    "cd",
    "pushd",
    "popd",
    "dirs",
    "exit",
    "logout",
    "return",
    "break",
    "continue",
    "shift",
    "suspend",
    "caller",
    "times",
    "print",
    "whence",
    "where",
    "rehash",
    "sched",
    "limit",
    "unlimit",
];

/// The program as rules name it.
fn called(text: &str) -> String {
    let bare = SYSTEM.iter().find_map(|folder| text.strip_prefix(folder)).filter(|rest| !rest.contains('/'));
    bare.filter(|rest| !rest.is_empty()).unwrap_or(text).to_owned()
}

/// Folders where only root puts programs.
const SYSTEM: [&str; 4] = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"];

/// The last part of a path.
fn base(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// Wrappers within wrappers that are followed.
const MAX_WRAPPERS: usize = 8;

/// Runs of the characters that names of programs and files are made of, with their places.
fn rough(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || "_-./+:@%,".contains(c);
    text.split(move |c: char| !part_of_word(c)).filter(|word| !word.is_empty()).map(move |word| {
        // Both are of the same text.
        (word.as_ptr().addr().saturating_sub(text.as_ptr().addr()), word)
    })
}
