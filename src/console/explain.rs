//! `explain`: what the rules would answer to the caller now, by which of them, and what came near. Asks for nothing.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::line::Form;
use super::table::{Cell, fields};
use super::{Error, Visit};
use crate::domain::printable;
use crate::domain::session::Command;
use crate::policy::{Asked, Explanation, Outcome};

/// About what.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Explain {
    /// As with `ssh -t`: the command would have a terminal.
    #[arg(long)]
    terminal: bool,
    #[command(flatten)]
    form: Form,
    /// Where.
    target: String,
    /// As whom there. Without it: the target's default login.
    login: Option<String>,
    /// The command; its words are joined by blanks, as ssh does it. Without it: a shell.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Visit<'_> {
    pub(super) async fn explain(&self, asked: &Explain) -> Result<(), Error> {
        let sessions = &self.room.sessions;
        let nowhere = || Error::NoTarget(printable(&asked.target, 64));
        let (target, login) = sessions.find(asked.login.as_deref(), &asked.target).ok_or_else(nowhere)?;
        let place = Some((&*target, &login));
        if !matches!(sessions.judge(self.caller, Asked::Explain, place, None).outcome, Outcome::Allow(_)) {
            return Err(nowhere());
        }
        let command = match asked.command.join(" ") {
            none if none.is_empty() => None,
            text => Some(Command::parse(text).map_err(|_| Error::NoCommandLine)?),
        };
        let action = command.as_ref().map_or(Asked::Shell, Asked::Exec);
        let pty = asked.terminal || command.is_none();
        let explanation = sessions.explain(self.caller, action, (&target, &login), pty);
        let asks = command
            .as_ref()
            .map_or_else(|| "a shell".to_owned(), |command| String::from_utf8_lossy(command.bytes()).into_owned());
        let mut rows = vec![("asks", Cell::new(asks)), ("where", Cell::new(format!("{login}@{}", target.name)))];
        rows.extend(told(&explanation));
        let decision = &explanation.decision;
        let rules = decision.rules.iter().map(|(id, effect)| json!({ "id": id, "effect": effect.as_str() }));
        let value = json!({
            "target": target.name.as_str(),
            "login": login.as_str(),
            "command": command.as_ref().map(|command| String::from_utf8_lossy(command.bytes())),
            "pty": pty,
            "verdict": decision.outcome.as_str(),
            "rules": rules.collect::<Vec<_>>(),
            "errors": decision.errors,
            "near": explanation.near,
            "needed": explanation.others.iter().map(|(id, whom)| json!({ "rule": id, "whom": whom })).collect::<Vec<_>>(),
            "hold": decision.outcome.terms().map(|terms| json!({
                "quorum": terms.quorum, "approver_groups": terms.approver_groups, "ttl_s": terms.ttl.as_secs(),
            })),
            "limits": decision.outcome.limits().map(|limits| limits.named()).unwrap_or_default(),
            "policy": decision.policy.to_string(),
            "read": decision.reading.as_ref().map(|reading| json!({
                "form": reading.form.to_string(), "programs": reading.programs, "classes": reading.classes,
                "elevated": reading.elevated, "harmless": reading.harmless,
            })),
        });
        self.answer(asked.form, &fields(&rows, self.say.look()), &value).await
    }
}

/// A row for each thing that there is to say.
fn told(explanation: &Explanation) -> Vec<(&'static str, Cell)> {
    let decision = &explanation.decision;
    let verdict = Cell::new(decision.outcome.to_string());
    let mut rows = vec![("verdict", if decision.outcome == Outcome::Deny { verdict.bad() } else { verdict })];
    rows.extend(decision.rules.iter().map(|(id, effect)| ("rule", Cell::new(format!("{id} ({})", effect.as_str())))));
    if decision.rules.is_empty() {
        rows.push(("rule", Cell::new("none: what no rule permits is denied")));
    }
    rows.extend(decision.errors.iter().map(|error| ("error", Cell::new(format!("{error}: an error denies")))));
    rows.extend(explanation.hints().into_iter().map(|(word, hint)| (word, Cell::new(hint))));
    if let Some(reading) = &decision.reading {
        let list = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(" ");
        rows.push(("read as", Cell::new(reading.form.to_string())));
        for (name, words) in [("programs", list(&reading.programs)), ("classes", list(&reading.classes))] {
            if !words.is_empty() {
                rows.push((name, Cell::new(words)));
            }
        }
        let yes = |is| Cell::new(if is { "yes" } else { "no" });
        rows.extend([("elevated", yes(reading.elevated)), ("harmless", yes(reading.harmless))]);
    }
    rows
}
