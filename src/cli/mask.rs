//! `mask`: standard input to standard output, secrets hidden.
//!
//! Reports name the rule and the place, never the value. Reads no config: the rules are those of this program.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{Error, FAULTS, terminal};
use crate::mask::rule::{Rule, Rules};
use crate::mask::{self, Hit, Masked, Masker, Width};

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
    /// Use this rule too, which is off by default.
    #[arg(long, value_name = "RULE")]
    with: Vec<String>,
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
    let masker = Masker::new(Arc::new(Rules::new(rules)), width);
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
    for (name, ids) in [("--with", &asked.with), ("--without", &asked.without)] {
        if let Some(id) = ids.iter().find(|id| !mask::known().any(|rule| *rule.id == **id)) {
            let why = "is no rule; --list shows them".to_owned();
            return Err(Error::Argument { name, text: id.clone(), why });
        }
    }
    let is_in = |ids: &[String], rule: &Rule| ids.iter().any(|id| **id == *rule.id);
    let is_chosen = |rule: &Rule| (rule.default || is_in(&asked.with, rule)) && !is_in(&asked.without, rule);
    Ok(mask::known().filter(|rule| asked.list || is_chosen(rule)).collect())
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

const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Mask {
        let (with, without) = (Vec::new(), Vec::new());
        Mask { explain: false, check: false, list: false, width: Shown::Label, with, without }
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
        assert!(!ids(&asked()).contains(&"email".to_owned()));
        assert!(ids(&Mask { with: vec!["email".to_owned()], ..asked() }).contains(&"email".to_owned()));
        assert!(!ids(&Mask { without: vec!["iban".to_owned()], ..asked() }).contains(&"iban".to_owned()));
        let wrong = chosen(&Mask { without: vec!["ibn".to_owned()], ..asked() }).unwrap_err();
        assert_eq!(wrong.shown(), "--without \"ibn\" is no rule; --list shows them");
        assert!(list(&chosen(&Mask { list: true, ..asked() }).unwrap()).contains("email (off by default)\n"));
    }

    #[test]
    fn a_closed_output_is_an_error() {
        let masker = Masker::new(Arc::new(Rules::new(mask::known())), Width::Label);
        let failed = pump(masker, &mut b"abc\n".as_slice(), &mut [0_u8; 0].as_mut_slice(), &mut |_| {});
        assert!(matches!(failed, Err(Error::Terminal(_))));
    }
}
