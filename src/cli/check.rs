//! `check`: every fault of config and policy at once, each with its place and its mend. Opens no store.

use clap::Args;
use serde_json::{Value, json};

use super::{Error, USAGE, Which, terminal};
use crate::app::config::{Config, Faults};
use crate::policy::{self, Policy};

/// What to check, and how to say it.
#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    which: Which,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
enum Found {
    Good { config: Box<Config>, rules: usize },
    Config(Faults),
    Policy(policy::Faults),
}

pub(super) fn run(check: &Check) -> Result<(), Error> {
    let path = check.which.path();
    let found = look(&path);
    let good = matches!(found, Found::Good { .. });
    let shown = path.display();
    match (check.json, &found) {
        (true, found) => terminal::out(&format!("{:#}\n", found.json(&shown.to_string())))?,
        (false, Found::Good { config, rules }) => terminal::out(&format!(
            "{shown}: no fault; {} issuers, {} targets, {rules} rules\n",
            config.issuers.len(),
            config.targets.len()
        ))?,
        (false, Found::Config(faults)) => {
            for fault in &faults.0 {
                let (what, mend) = (&fault.what, &fault.mend);
                let at = match fault.path == shown.to_string() {
                    true => fault.path.clone(),
                    false => format!("{shown}: {}", fault.path),
                };
                terminal::err(&terminal::printable(&format!("{at}: {what}; {mend}")));
                terminal::err("\n");
            }
            terminal::err(&format!("sallyport: {} in the config; nothing else was looked at\n", count(faults.0.len())));
        }
        (false, Found::Policy(faults)) => {
            // The room that found them has made them fit for a terminal.
            terminal::err(&format!("{faults}\n\nsallyport: {} in the policies\n", count(faults.0.len())));
        }
    }
    if good { Ok(()) } else { Err(Error::Said(USAGE)) }
}

fn look(path: &std::path::Path) -> Found {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(faults) => return Found::Config(faults),
    };
    let files = match config.policy_files() {
        Ok(files) => files,
        Err(faults) => return Found::Config(faults),
    };
    match Policy::load(&files, &config.catalogue()) {
        Ok(policy) => Found::Good { rules: policy.rules().count(), config: Box::new(config) },
        Err(faults) => Found::Policy(faults),
    }
}

impl Found {
    fn json(&self, config: &str) -> Value {
        let faults: Vec<Value> = match self {
            Self::Good { .. } => Vec::new(),
            Self::Config(faults) => {
                let each = faults.0.iter();
                each.map(|fault| json!({ "at": fault.path, "what": fault.what, "mend": fault.mend })).collect()
            }
            Self::Policy(faults) => {
                let each = faults.0.iter().map(|fault| {
                    json!({
                        "at": format!("{}:{}:{}", fault.file, fault.line, fault.column),
                        "what": fault.what,
                        "mend": fault.mend,
                    })
                });
                each.collect()
            }
        };
        json!({ "config": config, "good": faults.is_empty(), "faults": faults })
    }
}

fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}
