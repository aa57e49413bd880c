//! `policy diff`: what another set of rules changes, by its rules and by what was asked before.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::app::config::{self, Config};
use crate::app::replay::{self, Replayed};
use crate::cli::{Error, FAULTS, Which, runtime, terminal};
use crate::clock::Clock;
use crate::domain::parse_span;
use crate::policy::{Compared, Policy, compared};

/// Which sets.
#[derive(Args, Debug)]
pub(in crate::cli) struct Diff {
    #[command(flatten)]
    which: Which,
    /// Folder of *.cedar: the rules as they are.
    old: PathBuf,
    /// Folder of *.cedar: the rules as they would be.
    new: PathBuf,
    /// Also put what was asked within this span, such as 30d, to both. The bastion must be stopped, or the config name a
    /// copy of its state folder.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    replay: Option<Duration>,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

fn span(text: &str) -> Result<Duration, &'static str> {
    parse_span(text).ok_or("is no span of time, such as 30d or 12h")
}

pub(super) fn run(asked: &Diff) -> Result<(), Error> {
    let config = Config::load(&asked.which.path()).map_err(Error::Config)?;
    let commands = config.commands().map_err(Error::Config)?;
    let load = |dir: &Path| -> Result<Policy, Error> {
        let policy = config::Policy { dir: dir.to_owned(), ..config.policy.clone() };
        let files = policy.files().map_err(Error::Config)?;
        let loaded = Policy::load(&files, &config.catalogue());
        let loaded = loaded.map_err(|faults| Error::Serve(crate::app::StartError::from(faults).into()))?;
        Ok(loaded.with_commands(commands.clone()))
    };
    let (old, new) = (load(&asked.old)?, load(&asked.new)?);
    let rules = compared(&old, &new);
    let replayed = match asked.replay {
        None => None,
        Some(span) => {
            let since = Clock::system().now().minus(span);
            Some(runtime()?.block_on(replay::replay(&config, &old, &new, since)).map_err(Error::Serve)?)
        }
    };
    if asked.json {
        terminal::out(&format!("{:#}\n", as_json(&rules, replayed.as_ref())))?;
    } else {
        terminal::out(&shown(&rules, replayed.as_ref()))?;
    }
    let same = replayed.is_none_or(|replayed| replayed.differ.is_empty()) && rules == Compared::default();
    if same { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

fn shown(rules: &Compared, replayed: Option<&Replayed>) -> String {
    let mut text = String::new();
    let lists = [("added", &rules.added), ("changed", &rules.changed), ("removed", &rules.removed)];
    for (word, ids) in lists {
        for id in ids {
            let _ = writeln!(text, "{word:<9}{}", terminal::printable(id));
        }
    }
    if *rules == Compared::default() {
        text.push_str("the same rules\n");
    }
    let Some(Replayed { asked, put, without_text, without_place, differ }) = replayed else { return text };
    for one in differ {
        let shown = |text: &String| terminal::printable(text).chars().take(SHOWN).collect::<String>();
        let what = match one.what.as_ref().map(shown) {
            None => one.action.to_owned(),
            Some(command) if one.action == "exec" => format!("`{command}`"),
            Some(to) => format!("{} to {to}", one.action),
        };
        let who = terminal::printable(&one.who);
        let _ = writeln!(
            text,
            "\n{} {who} as {}@{}: {what}\n  {}\n  -> {}",
            one.time,
            one.login,
            one.target,
            answered(&one.old),
            answered(&one.new)
        );
    }
    let _ = writeln!(
        text,
        "\n{asked} requests, {put} put again, {} answered otherwise\n\
         not put again: {without_text} whose text is not kept, {without_place} whose target, login, issuer or sign-in is not there",
        differ.len()
    );
    text
}

/// A list is no place for all of a long command: the record has it.
const SHOWN: usize = 200;

fn answered(decision: &crate::policy::Decision) -> String {
    let rules: Vec<&str> = decision.rules.iter().map(|(id, _)| id.as_str()).collect();
    let rules = if rules.is_empty() { "no rule".to_owned() } else { rules.join(", ") };
    format!("{}, by {}", decision.outcome, terminal::printable(&rules))
}

fn as_json(rules: &Compared, replayed: Option<&Replayed>) -> Value {
    let answer = |decision: &crate::policy::Decision| {
        let rules: Vec<&str> = decision.rules.iter().map(|(id, _)| id.as_str()).collect();
        json!({ "verdict": decision.outcome.as_str(), "said": decision.outcome.to_string(), "rules": rules })
    };
    let replayed = replayed.map(|replayed| {
        let differ = replayed.differ.iter().map(|one| {
            json!({
                "record": one.record.to_string(), "time": one.time.to_string(), "who": one.who, "target": one.target,
                "login": one.login, "action": one.action, "what": one.what, "old": answer(&one.old), "new": answer(&one.new),
            })
        });
        json!({
            "asked": replayed.asked, "put": replayed.put, "without_text": replayed.without_text,
            "without_place": replayed.without_place, "differ": differ.collect::<Vec<_>>(),
        })
    });
    json!({ "added": rules.added, "changed": rules.changed, "removed": rules.removed, "replayed": replayed })
}
