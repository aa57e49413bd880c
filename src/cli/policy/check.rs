//! `policy check`: rules as a compiler would look at them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::told_wrong;
use crate::app::check::counted;
use crate::app::config::Config;
use crate::app::rules::check::{self, Checked, Unfit};
use crate::cli::{Error, FAULTS, USAGE, Which, terminal};
use crate::clock::Clock;
use crate::policy::Faults;

/// Which rules.
#[derive(Args, Debug)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    which: Which,
    /// Files or folders of *.cedar. Without any: the policy folder of the config. Folders must also answer the config's
    /// cases as expected; without a config, names of groups, environments, targets, issuers and mask profiles are not
    /// looked up.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(asked: &Check) -> Result<(), Error> {
    let config = match asked.paths.is_empty() || asked.which.is_there() {
        true => Some(Config::load(&asked.which.path()).map_err(Error::Config)?),
        false => None,
    };
    match check::check(config.as_ref(), &asked.paths, Clock::system().now()) {
        Ok(checked) => good(&checked, config.is_some(), asked.json),
        Err(Unfit::Named(faults)) => Err(Error::Unfit(faults)),
        Err(Unfit::Rules(faults)) => bad(&faults, asked.json),
    }
}

/// No fault; a case may be answered otherwise than expected.
fn good(checked: &Checked, has_names: bool, as_json: bool) -> Result<(), Error> {
    let Checked { files, rules, digest, tried, .. } = checked;
    let failed_cases = checked.failed();
    if as_json {
        let wrong = failed_cases.iter().map(|(name, wrong)| json!({ "name": name, "wrong": wrong }));
        let value = json!({
            "good": failed_cases.is_empty(), "faults": [], "files": files, "rules": rules, "names_looked_up": has_names,
            "policy": digest.map(|digest| digest.to_string()),
            "cases": tried.as_ref().map(|tried| json!({ "put": tried.len(), "failed": wrong.collect::<Vec<_>>() })),
        });
        terminal::out(&format!("{value:#}\n"))?;
    } else {
        let mut text: String = failed_cases.iter().map(|(name, wrong)| told_wrong(name, wrong) + "\n").collect();
        let _ = write!(text, "{} in {}, no fault", counted(*rules, "rule"), counted(*files, "file"));
        if let Some(tried) = tried.as_ref().filter(|tried| !tried.is_empty()) {
            let passed = tried.len() - failed_cases.len();
            let _ = write!(text, "; {}, {passed} answered as expected", counted(tried.len(), "case"));
        }
        if let Some(digest) = digest {
            let _ = write!(text, "\npolicy {digest}");
        }
        if !has_names {
            text +=
                "\nnames of groups, environments, targets, issuers and mask profiles were not looked up: give --config";
        }
        terminal::out(&(text + "\n"))?;
    }
    if failed_cases.is_empty() { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

fn bad(Faults(faults): &Faults, as_json: bool) -> Result<(), Error> {
    if as_json {
        let faults = faults.iter().map(|fault| -> Value {
            json!({ "file": fault.file, "line": fault.line, "column": fault.column, "what": fault.what, "mend": fault.mend })
        });
        let value = json!({ "good": false, "faults": faults.collect::<Vec<_>>() });
        terminal::out(&format!("{value:#}\n"))?;
    } else {
        for fault in faults {
            let shown = fault.to_string();
            let lines = shown.lines().map(terminal::printable);
            terminal::err(&(lines.collect::<Vec<_>>().join("\n") + "\n\n"));
        }
        terminal::err(&format!("{}: the rules are not loaded\n", counted(faults.len(), "fault")));
    }
    Err(Error::Said(USAGE))
}
