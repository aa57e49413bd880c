//! `policy`: what the rules would answer, and whether they still answer what is expected of them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Error, FAULTS, Which, terminal};
use crate::app::config::Config;
use crate::app::rules::{self, Answer, Question};
use crate::clock::Clock;
use crate::domain::identity::Kind;
use crate::policy::Policy;

mod check;
mod diff;

/// Below `policy`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Name every fault of the rules with its line and its mend; exit code 2 for a fault, 3 if a case of the config is
    /// answered otherwise than expected.
    Check(check::Check),
    /// What would be answered to somebody, by which rules, how the command is read, and what came near.
    Explain(Explain),
    /// Put the cases of a file; exit code 3 if one is answered otherwise than expected.
    Test(Test),
    /// What another set of rules changes, and which of the requests of the last days would end otherwise; exit code 3 if
    /// anything differs.
    Diff(diff::Diff),
}

/// Who would ask for what.
#[derive(Args, Debug)]
pub(super) struct Explain {
    #[command(flatten)]
    which: Which,
    /// Where.
    target: String,
    /// As whom there. Without it: the target's default login.
    login: Option<String>,
    /// The command, as one word. Without it: a shell.
    command: Option<String>,
    /// ISSUER:SUBJECT. Without it: somebody of the first issuer for people, or with --claim for pipelines.
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
    /// A group besides those that follow from --who; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A claim of a pipeline, such as repository_id=123456; may be given several times.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
    /// With a terminal.
    #[arg(long)]
    pty: bool,
    /// A shell past approval.
    #[arg(long, conflicts_with = "command")]
    break_glass: bool,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Which cases.
#[derive(Args, Debug)]
pub(super) struct Test {
    #[command(flatten)]
    which: Which,
    /// A file of [[case]] tables.
    file: PathBuf,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Check(asked) => check::run(&asked),
        Command::Explain(asked) => explained(asked),
        Command::Test(asked) => test(&asked),
        Command::Diff(asked) => diff::run(&asked),
    }
}

fn loaded(which: &Which) -> Result<(Config, Policy), Error> {
    let config = Config::load(&which.path()).map_err(Error::Config)?;
    let policy = rules::load(&config, Clock::system().now())
        .map_err(|error| Error::Serve(crate::app::ServeError::Start(error)))?;
    Ok((config, policy))
}

fn explained(asked: Explain) -> Result<(), Error> {
    let (config, policy) = loaded(&asked.which)?;
    let question = Question {
        who: asked.who,
        groups: asked.groups,
        claims: asked.claims.into_iter().collect(),
        target: asked.target,
        login: asked.login,
        command: asked.command,
        pty: asked.pty,
        break_glass: asked.break_glass,
    };
    let answer = rules::ask(&config, &policy, &question, Clock::system().now()).map_err(Error::Unasked)?;
    if asked.json {
        terminal::out(&format!("{:#}\n", as_json(&answer)))
    } else {
        terminal::out(&shown(&answer, &question))
    }
}

fn shown(answer: &Answer, question: &Question) -> String {
    let printable = terminal::printable;
    let Answer { identity, target, login, explanation } = answer;
    let decision = &explanation.decision;
    let kind = if identity.kind == Kind::Person { "a person" } else { "a pipeline" };
    let groups: Vec<&str> = identity.groups.iter().map(|group| group.as_str()).collect();
    let groups = if groups.is_empty() { "in no group".to_owned() } else { format!("in {}", groups.join(", ")) };
    let asks = question.command.as_ref().map_or_else(
        || if question.break_glass { "a shell past approval".to_owned() } else { "a shell".to_owned() },
        |command| format!("`{}`", printable(command)),
    );
    let mut text = format!(
        "asks      {asks} as {login} on {}\nby        {}:{}, {kind}, {}\n",
        target.name,
        identity.issuer,
        printable(&identity.subject),
        printable(&groups)
    );
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "{name:<10}{what}");
    };
    line("verdict", &decision.outcome.to_string());
    for (id, effect) in &decision.rules {
        line("rule", &format!("{id} ({})", effect.as_str()));
    }
    if decision.rules.is_empty() {
        line("rule", "none: what no rule permits is denied");
    }
    for error in &decision.errors {
        line("error", &format!("{}: an error denies", printable(error)));
    }
    for (word, hint) in explanation.hints() {
        line(word, &hint);
    }
    if let Some(reading) = &decision.reading {
        line("read as", &printable(&reading.form.to_string()));
        let list = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        for (name, words) in [("programs", list(&reading.programs)), ("classes", list(&reading.classes))] {
            if !words.is_empty() {
                line(name, &printable(&words));
            }
        }
        line("elevated", yes(reading.elevated));
        line("harmless", yes(reading.harmless));
    }
    text
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn as_json(answer: &Answer) -> Value {
    let Answer { identity, target, login, explanation } = answer;
    let decision = &explanation.decision;
    let rules = decision.rules.iter().map(|(id, effect)| json!({ "id": id, "effect": effect.as_str() }));
    let terms = decision.outcome.terms().map(|terms| {
        json!({ "quorum": terms.quorum, "approver_groups": terms.approver_groups, "ttl_s": terms.ttl.as_secs() })
    });
    let limits = decision.outcome.limits().map(|limits| limits.named()).unwrap_or_default();
    json!({
        "verdict": decision.outcome.as_str(),
        "who": format!("{}:{}", identity.issuer, identity.subject),
        "groups": identity.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
        "target": target.name.as_str(),
        "login": login.as_str(),
        "rules": rules.collect::<Vec<_>>(),
        "errors": decision.errors,
        "near": explanation.near,
        "needed": explanation.others.iter().map(|(id, whom)| json!({ "rule": id, "whom": whom })).collect::<Vec<_>>(),
        "hold": terms,
        "limits": limits,
        "policy": decision.policy.to_string(),
        "command": decision.reading.as_ref().map(|reading| json!({
            "form": reading.form.to_string(), "programs": reading.programs, "classes": reading.classes,
            "elevated": reading.elevated, "harmless": reading.harmless,
        })),
    })
}

fn test(asked: &Test) -> Result<(), Error> {
    let (config, policy) = loaded(&asked.which)?;
    let text =
        std::fs::read_to_string(&asked.file).map_err(|source| Error::File { path: asked.file.clone(), source })?;
    let tried = rules::cases(&config, &policy, &text, Clock::system().now()).map_err(Error::Config)?;
    let failed = tried.iter().filter(|case| case.wrong.is_some()).count();
    if asked.json {
        let cases = tried.iter().map(|case| json!({ "name": case.name, "wrong": case.wrong }));
        let value = json!({ "passed": tried.len() - failed, "failed": failed, "cases": cases.collect::<Vec<_>>() });
        terminal::out(&format!("{value:#}\n"))?;
    } else {
        let mut text = String::new();
        for case in &tried {
            let name = terminal::printable(&case.name);
            let _ = match &case.wrong {
                None => writeln!(text, "ok      {name}"),
                Some(wrong) => writeln!(text, "{}", told_wrong(&case.name, wrong)),
            };
        }
        let _ = writeln!(text, "{} passed, {failed} failed", tried.len() - failed);
        terminal::out(&text)?;
    }
    if failed == 0 { Ok(()) } else { Err(Error::Said(FAULTS)) }
}

/// A case that was answered otherwise.
fn told_wrong(name: &str, wrong: &str) -> String {
    format!("FAILED  {}: {}", terminal::printable(name), terminal::printable(wrong))
}

fn claim(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("is no NAME=VALUE")?;
    if name.is_empty() { Err("has no name") } else { Ok((name.to_owned(), value.to_owned())) }
}
