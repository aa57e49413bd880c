//! `mask`: standard input to standard output, secrets hidden.
//!
//! Reports name the rule and the place, never the value. Reads no config: the rules are those of this program, and of files that are
//! named.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::{Error, FAULTS, terminal};
use crate::mask::rule::{Rule, Rules, Set};
use crate::mask::{self, Hit, Masked, Masker, Width, values};

/// How to mask.
#[derive(Args, Debug)]
pub(super) struct Mask {
    /// Say on standard error which rule hid something, at which byte of the output, and how many bytes.
    #[arg(long)]
    explain: bool,
    /// End with exit code 3 if anything was hidden. The masked text is printed all the same.
    #[arg(long)]
    check: bool,
    /// Print the rules and end.
    #[arg(long, conflicts_with_all = ["explain", "check", "width"])]
    list: bool,
    /// What stands where a secret stood.
    #[arg(long, value_enum, default_value_t = Shown::Label)]
    width: Shown,
    /// The text is a terminal's, so wide: only there is a line's end a wrap. Without it, usual widths are guessed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    columns: Option<u16>,
    /// Use this rule too, which is off by default.
    #[arg(long, value_name = "RULE")]
    with: Vec<String>,
    /// Rules of a file too. May be given several times.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Hide the values of a file too: NAME=VALUE, one a line.
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// Which rules to begin with: default, secrets, pii or strict.
    #[arg(long, value_name = "SET", default_value = "default")]
    set: String,
    /// Do not use this rule.
    #[arg(long, value_name = "RULE")]
    without: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shown {
    /// A star for each character.
    Same,
    /// The rule's name in brackets.
    Label,
}

pub(super) fn run(asked: &Mask) -> Result<(), Error> {
    let rules = chosen(asked)?;
    if asked.list {
        return terminal::out(&list(&rules));
    }
    let width = match asked.width {
        Shown::Same => Width::Same,
        Shown::Label => Width::Label,
    };
    let mut masker = Masker::new(Arc::new(Rules::new(rules)), width);
    if let Some(columns) = asked.columns {
        masker.resize(columns);
    }
    let mut explained = |hit: &Hit| {
        if asked.explain {
            terminal::err(&format!("{} {} {}\n", hit.rule, hit.offset, hit.length));
        }
    };
    let count = pump(masker, &mut io::stdin().lock(), &mut io::stdout().lock(), &mut explained)?;
    if asked.check && count > 0 { Err(Error::Said(FAULTS)) } else { Ok(()) }
}

/// Those in force.
fn chosen(asked: &Mask) -> Result<Vec<Rule>, Error> {
    let all: Vec<Rule> = of_files(&asked.rules)?.into_iter().chain(mask::known()).collect();
    for (name, ids) in [("--with", &asked.with), ("--without", &asked.without)] {
        if let Some(id) = ids.iter().find(|id| !all.iter().any(|rule| *rule.id == ***id)) {
            return Err(argument(name, id, "is no rule; --list shows them"));
        }
    }
    let set = Set::ALL.into_iter().find(|set| set.as_str() == asked.set);
    let set = set.ok_or_else(|| argument("--set", &asked.set, "is none of default, secrets, pii, strict"))?;
    let is_in = |ids: &[String], rule: &Rule| ids.iter().any(|id| **id == *rule.id);
    let is_chosen = |rule: &Rule| (set.has(rule) || is_in(&asked.with, rule)) && !is_in(&asked.without, rule);
    let values = asked.values.as_deref().map_or(Ok(Vec::new()), |path| {
        let name = path.display().to_string();
        let fault = |faults: Vec<(usize, String)>| {
            let lines: Vec<String> = faults.iter().map(|(line, what)| format!("line {line} {what}")).collect();
            argument("--values", &name, &lines.join("; "))
        };
        values::parse(&text("--values", path)?).map_err(fault)
    })?;
    Ok(values.into_iter().chain(all.into_iter().filter(|rule| asked.list || is_chosen(rule))).collect())
}

fn of_files(paths: &[PathBuf]) -> Result<Vec<Rule>, Error> {
    let mut taken: BTreeSet<Arc<str>> = mask::known().map(|rule| rule.id).collect();
    let mut rules = Vec::new();
    for path in paths {
        let faults = |faults: Vec<mask::file::Fault>| {
            let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
            argument("--rules", &path.display().to_string(), &said.join("; "))
        };
        let read = mask::file::parse(&text("--rules", path)?, &taken).map_err(faults)?;
        taken.extend(read.iter().map(|rule| rule.id.clone()));
        rules.extend(read);
    }
    Ok(rules)
}

fn text(name: &'static str, path: &Path) -> Result<Zeroizing<String>, Error> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(argument(name, &path.display().to_string(), &format!("cannot be read: {error}"))),
    }
}

fn argument(name: &'static str, text: &str, why: &str) -> Error {
    Error::Argument { name, text: text.to_owned(), why: why.to_owned() }
}

fn list(rules: &[Rule]) -> String {
    let line = |rule: &Rule| format!("{}{}\n", rule.id, if rule.default { "" } else { " (off by default)" });
    rules.iter().map(line).collect()
}

/// How many secrets were hidden. What comes is passed on at once, so that a pipe can be watched.
fn pump(
    mut masker: Masker,
    input: &mut impl Read,
    output: &mut impl Write,
    explained: &mut impl FnMut(&Hit),
) -> Result<usize, Error> {
    let mut buffer = vec![0; BUFFER];
    let mut count = 0;
    let mut pass = |masked: Masked| {
        masked.hits.iter().for_each(&mut *explained);
        count += masked.hits.len();
        output.write_all(&masked.bytes).and_then(|()| output.flush()).map_err(Error::Terminal)
    };
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => pass(masker.feed(buffer.get(..read).unwrap_or_default()))?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Terminal(error)),
        }
    }
    pass(masker.finish())?;
    Ok(count)
}

/// The end of each piece costs some time.
const BUFFER: usize = 128 * 1024;

const LONGEST_FILE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Mask {
        let (with, without) = (Vec::new(), Vec::new());
        let (rules, values, set) = (Vec::new(), None, "default".to_owned());
        Mask {
            explain: false,
            check: false,
            list: false,
            width: Shown::Label,
            columns: None,
            with,
            rules,
            values,
            set,
            without,
        }
    }

    #[test]
    fn what_is_hidden_is_counted_and_explained_without_its_value() {
        let masker = Masker::new(Arc::new(Rules::new(chosen(&asked()).unwrap())), Width::Label);
        let (mut output, mut said) = (Vec::new(), Vec::new());
        let mut input = b"a\nDB_PASSWORD=hunter2\nb\n".as_slice();
        let count = pump(masker, &mut input, &mut output, &mut |hit| said.push(format!("{hit:?}"))).unwrap();
        assert_eq!((count, output.as_slice()), (1, b"a\nDB_PASSWORD=[password-assign]\nb\n".as_slice()));
        assert!(said.len() == 1 && said[0].contains("offset: 14") && !said[0].contains("hunter2"), "{said:?}");
    }

    #[test]
    fn rules_are_added_and_dropped_by_name_and_a_wrong_name_is_refused() {
        let ids = |asked: &Mask| chosen(asked).unwrap().iter().map(|rule| rule.id.to_string()).collect::<Vec<_>>();
        assert!(!ids(&asked()).contains(&"ip-address".to_owned()));
        assert!(ids(&Mask { with: vec!["ip-address".to_owned()], ..asked() }).contains(&"ip-address".to_owned()));
        assert!(!ids(&Mask { without: vec!["iban".to_owned()], ..asked() }).contains(&"iban".to_owned()));
        let wrong = chosen(&Mask { without: vec!["ibn".to_owned()], ..asked() }).unwrap_err();
        assert_eq!(wrong.shown(), "--without \"ibn\" is no rule; --list shows them");
        assert!(list(&chosen(&Mask { list: true, ..asked() }).unwrap()).contains("ip-address (off by default)\n"));
    }

    #[test]
    fn rules_and_values_of_files_hold_too_and_their_faults_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let rule = "[[rule]]\nid = \"ours\"\nclass = \"setting\"\nkeywords = [\"OURS-\"]\npattern = '[0-9]{6}'\n\
            hide = [\"«OURS-123456»\"]\nkeep = [\"OURS-\"]\n";
        let (good, bad) = (file("good.toml", rule), file("bad.toml", &rule.replace("{6}", "{6,}")));
        let asked = Mask { rules: vec![good.clone()], values: Some(file("env", "PW=tr0ub4dor\n")), ..asked() };
        let rules = Arc::new(Rules::new(chosen(&asked).unwrap()));
        let out = mask::whole(&rules, Width::Label, b"OURS-123456 tr0ub4dor");
        assert_eq!(String::from_utf8(out).unwrap(), "[ours] [value-pw]");
        let wrong = chosen(&Mask { rules: vec![bad], ..asked }).unwrap_err().shown();
        assert!(wrong.contains("bad.toml") && wrong.contains("line 1: rule \"ours\" has a `pattern`"), "{wrong}");
        let twice = chosen(&Mask { rules: vec![good.clone(), good], ..self::asked() }).unwrap_err().shown();
        assert!(twice.contains("`id` of another rule"), "{twice}");
    }

    #[test]
    fn a_closed_output_is_an_error() {
        let masker = Masker::new(Arc::new(Rules::new(mask::known())), Width::Label);
        let failed = pump(masker, &mut b"abc\n".as_slice(), &mut [0_u8; 0].as_mut_slice(), &mut |_| {});
        assert!(matches!(failed, Err(Error::Terminal(_))));
    }
}
