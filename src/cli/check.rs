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
    Good {
        config: Box<Config>,
        rules: usize,
    },
    /// Of the config; and those of the policies that do not depend on it.
    Faults(Faults, policy::Faults),
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
        (false, Found::Faults(faults, of_policy)) => {
            for fault in &faults.0 {
                let (what, mend) = (&fault.what, &fault.mend);
                let at = match fault.path == shown.to_string() {
                    true => fault.path.clone(),
                    false => format!("{shown}: {}", fault.path),
                };
                terminal::err(&terminal::printable(&format!("{at}: {what}; {mend}")));
                terminal::err("\n");
            }
            if !of_policy.0.is_empty() {
                // The room that found them has made them fit for a terminal.
                terminal::err(&format!("{of_policy}\n\n"));
            }
            let (config, policy) = (count(faults.0.len()), count(of_policy.0.len()));
            let ids =
                if faults.0.is_empty() { "" } else { "; the names in them are looked up once the config has none" };
            terminal::err(&format!("sallyport: {config} in the config, {policy} in the policies{ids}\n"));
        }
    }
    if good { Ok(()) } else { Err(Error::Said(USAGE)) }
}

fn look(path: &std::path::Path) -> Found {
    let none = || policy::Faults(Vec::new());
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(faults) => return Found::Faults(faults, Policy::faults(&Config::policy_files_of_faulty(path))),
    };
    let files = match config.policy_files() {
        Ok(files) => files,
        Err(faults) => return Found::Faults(faults, none()),
    };
    let of_commands = config.commands().err().unwrap_or_default();
    match Policy::load(&files, &config.catalogue()) {
        Ok(_) if !of_commands.0.is_empty() => Found::Faults(of_commands, none()),
        Ok(policy) => Found::Good { rules: policy.rules().count(), config: Box::new(config) },
        Err(faults) => Found::Faults(of_commands, faults),
    }
}

impl Found {
    fn json(&self, config: &str) -> Value {
        let faults: Vec<Value> = match self {
            Self::Good { .. } => Vec::new(),
            Self::Faults(faults, of_policy) => {
                let config = faults.0.iter();
                let config = config.map(|fault| json!({ "at": fault.path, "what": fault.what, "mend": fault.mend }));
                let policy = of_policy.0.iter().map(|fault| {
                    json!({
                        "at": format!("{}:{}:{}", fault.file, fault.line, fault.column),
                        "what": fault.what,
                        "mend": fault.mend,
                    })
                });
                config.chain(policy).collect()
            }
        };
        json!({ "config": config, "good": faults.is_empty(), "faults": faults })
    }
}

fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}
