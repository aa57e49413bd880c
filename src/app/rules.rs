//! The rules of a config: loads them, puts questions to them, and holds them against their cases.
//!
//! Reads the config and the policy folder; opens no store and no connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::StartError;
use super::config::{Config, Faults};
use super::file::cases::{self, Case};
use crate::domain::identity::{Flow, Group, Identity, IssuerName, Kind, SignIn};
use crate::domain::session::Command;
use crate::domain::target::{Login, Target};
use crate::domain::{RecordId, Timestamp};
use crate::policy::{Asked, Explanation, Policy, Request, explain, nearest};

pub mod check;

/// The rules of a config, with what is known about commands, once they answer the config's own cases as expected.
pub fn load(config: &Config, now: Timestamp) -> Result<Policy, StartError> {
    let files = config.policy_files()?;
    let commands = config.commands()?;
    let policy = Policy::load(&files, &config.catalogue())?.with_commands(commands);
    check_cases(config, &policy, now)?;
    Ok(policy)
}

/// Name and text of each of the config's policy files; that there is none is a fault.
pub fn files(config: &Config) -> Result<Vec<(String, String)>, Faults> {
    let files = config.policy_files()?;
    if !files.is_empty() {
        return Ok(files);
    }
    let mut faults = Faults::default();
    let at = format!("policy.dir ({})", config.policy.dir.display());
    let mend = "copy the starter policies there, see docs/POLICY.md";
    faults.add(at, "has no *.cedar file: nobody may do anything", mend);
    Err(faults)
}

/// Who would ask for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// `ISSUER:SUBJECT`. Without it: somebody of the first issuer that fits.
    pub who: Option<String>,
    /// Groups besides those that follow from `who`.
    pub groups: Vec<String>,
    /// Claims. With any, without `who`, it is a pipeline that asks.
    pub claims: BTreeMap<String, String>,
    /// A target's name or alias.
    pub target: String,
    /// An account there; without it the target's default one.
    pub login: Option<String>,
    /// The command; without one a shell.
    pub command: Option<String>,
    /// Whether with a terminal.
    pub pty: bool,
    /// Past approval, in place of a shell.
    pub break_glass: bool,
}

/// What would be answered, and to whom.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who asks.
    pub identity: Identity,
    /// Where.
    pub target: Arc<Target>,
    /// As whom.
    pub login: Login,
    /// The verdict, and what came near.
    pub explanation: Explanation,
}

/// Why a question cannot be put.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}; {mend}")]
pub struct Unasked {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

fn unasked(what: impl Into<String>, mend: impl Into<String>) -> Unasked {
    Unasked { what: what.into(), mend: mend.into() }
}

/// Puts one question. The sign-in is taken to be of this moment, from this machine.
pub fn ask(config: &Config, policy: &Policy, question: &Question, now: Timestamp) -> Result<Answer, Unasked> {
    let identity = identity(config, question)?;
    let names = config.targets.iter().map(|target| target.name.as_str());
    let target = config.targets.iter().find(|target| target.is_called(&question.target));
    let target = target.ok_or_else(|| {
        let mend = nearest(&question.target, names.clone()).map(|name| format!("did you mean {name}?"));
        let all = || format!("there are: {}", names.collect::<Vec<_>>().join(" "));
        unasked(format!("no target is called {:?}", question.target), mend.unwrap_or_else(all))
    })?;
    let logins = || target.logins.iter().map(Login::as_str).collect::<Vec<_>>().join(" ");
    let login = match &question.login {
        Some(text) => target.logins.iter().find(|login| login.as_str() == text),
        None => target.default_login.as_ref(),
    };
    let login =
        login.ok_or_else(|| unasked("the target has no such login", format!("its logins are: {}", logins())))?.clone();
    let command = question.command.as_ref().map(|text| Command::parse(text.clone()));
    let command = command.transpose().map_err(|error| unasked(error.to_string(), "give the command as one word"))?;
    let sign_in = SignIn {
        record: RecordId::new(now),
        at: now,
        auth_time: Some(now),
        until: now.plus(Duration::from_secs(3600)),
        flow: if identity.kind == Kind::Pipeline { Flow::Ci } else { Flow::Local },
        amr: Vec::new(),
    };
    let request = Request {
        identity: &identity,
        sign_in: &sign_in,
        action: match &command {
            Some(command) => Asked::Exec(command),
            None if question.break_glass => Asked::BreakGlass,
            None => Asked::Shell,
        },
        target: Some((target, &login)),
        owner: None,
        now,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        pty: question.pty || command.is_none(),
    };
    let explanation = explain(policy, &request);
    Ok(Answer { identity, target: Arc::new(target.clone()), login, explanation })
}

fn identity(config: &Config, question: &Question) -> Result<Identity, Unasked> {
    let known = || config.issuers.iter().map(|issuer| issuer.name.as_str()).collect::<Vec<_>>().join(" ");
    let (issuer, subject) = match &question.who {
        Some(who) => {
            let parts = who.split_once(':').filter(|(_, subject)| (1..=255).contains(&subject.len()));
            let (name, subject) = parts
                .ok_or_else(|| unasked(format!("{who:?} is nobody"), "write ISSUER:SUBJECT, such as corp:00u1abcd"))?;
            let issuer = config.issuers.iter().find(|issuer| issuer.name.as_str() == name);
            let issuer = issuer
                .ok_or_else(|| unasked(format!("no issuer is called {name:?}"), format!("there are: {}", known())))?;
            (issuer, subject)
        }
        None => {
            let kind = if question.claims.is_empty() { Kind::Person } else { Kind::Pipeline };
            let issuer = config.issuers.iter().find(|issuer| issuer.profile.kind == kind);
            (
                issuer.ok_or_else(|| {
                    unasked("no issuer is for such", format!("say who: ISSUER:SUBJECT, of {}", known()))
                })?,
                "somebody",
            )
        }
    };
    Ok(Identity {
        issuer: issuer.name.clone(),
        issuer_url: issuer.url.clone(),
        subject: subject.to_owned(),
        kind: issuer.profile.kind,
        name: subject.to_owned(),
        groups: groups(config, &issuer.name, subject, &question.groups)?,
        claims: question.claims.clone(),
    })
}

/// Those of the config, those that an issuer asserts as `issuer/group`, and what follows from both.
fn groups(config: &Config, issuer: &IssuerName, subject: &str, named: &[String]) -> Result<Vec<Group>, Unasked> {
    let known = config.catalogue().groups;
    let (mut asserted, mut groups) = (Vec::new(), Vec::new());
    for name in named {
        if let Some(group) = name.strip_prefix(issuer.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            asserted.push(group.to_owned());
        } else if known.contains(name) || crate::policy::Catalogue::BUILT_IN_GROUPS.contains(&name.as_str()) {
            groups.push(Group::configured(name));
        } else {
            let mend = match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("name a group of the config, or {issuer}/GROUP"),
            };
            return Err(unasked(format!("no group is called {name:?}"), mend));
        }
    }
    groups.extend(config.groups.of(issuer, subject, &asserted));
    groups.sort();
    groups.dedup();
    Ok(groups)
}

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What it shows.
    pub name: String,
    /// What is wrong with its answer, if anything.
    pub wrong: Option<String>,
}

/// Puts every case of a file; faults are of the file, not of the policy.
pub fn cases(config: &Config, policy: &Policy, text: &str, now: Timestamp) -> Result<Vec<Tried>, Faults> {
    let mut faults = Faults::default();
    let cases = cases::parse(text, &mut faults);
    if faults.0.is_empty() && cases.is_empty() {
        faults.add("case", "is missing: the file tests nothing", "add a [[case]], see docs/POLICY.md");
    }
    let tried = cases.iter().filter_map(|case| tried(config, policy, case, now, &mut faults)).collect();
    if faults.0.is_empty() { Ok(tried) } else { Err(faults) }
}

/// Puts the cases that the config names. A policy that answers one otherwise is not to be used.
pub fn check_cases(config: &Config, policy: &Policy, now: Timestamp) -> Result<(), Faults> {
    let mut faults = Faults::default();
    for (case, wrong) in tests_of(config, policy, now)?.into_iter().filter_map(|case| Some((case.name, case.wrong?))) {
        faults.add(case, wrong, "mend the rule, or the case if it expects the wrong thing");
    }
    if faults.0.is_empty() { Ok(()) } else { Err(faults) }
}

/// How each case that the config names is answered; its name begins with that of its file.
fn tests_of(config: &Config, policy: &Policy, now: Timestamp) -> Result<Vec<Tried>, Faults> {
    let (mut faults, mut tried) = (Faults::default(), Vec::new());
    for (name, text) in config.policy_tests()? {
        match cases(config, policy, &text, now) {
            Ok(more) => {
                tried.extend(more.into_iter().map(|case| Tried { name: format!("{name}: {}", case.name), ..case }));
            }
            Err(more) => faults.add_of(&name, more),
        }
    }
    if faults.0.is_empty() { Ok(tried) } else { Err(faults) }
}

fn tried(config: &Config, policy: &Policy, case: &Case, now: Timestamp, faults: &mut Faults) -> Option<Tried> {
    let at = |key: &str| format!("{}.{key}", case.path);
    let name = faults.required(&at("name"), case.name.clone(), "say in a sentence what it shows");
    let target = faults.required(&at("target"), case.target.clone(), "name a target");
    let expect = faults.required(&at("expect"), case.expect.as_deref(), "write allow, hold or deny");
    if let Some(word) = expect.filter(|word| !["allow", "hold", "deny"].contains(word)) {
        faults.add(at("expect"), format!("is {word:?}"), "write allow, hold or deny");
        return None;
    }
    let question = Question {
        who: case.who.clone(),
        groups: case.groups.clone().unwrap_or_default(),
        claims: case.claims.clone().unwrap_or_default(),
        target: target?,
        login: case.login.clone(),
        command: case.command.clone(),
        pty: case.pty.unwrap_or(false),
        break_glass: case.break_glass.unwrap_or(false),
    };
    if question.break_glass && question.command.is_some() {
        faults.add(at("command"), "goes with no break_glass: that begins a shell", "leave one of both out");
        return None;
    }
    let answer = match ask(config, policy, &question, now) {
        Ok(answer) => answer,
        Err(error) => {
            faults.add(case.path.clone(), error.what, error.mend);
            return None;
        }
    };
    let (expect, decision) = (expect?, answer.explanation.decision);
    let got = decision.outcome.as_str();
    let by: Vec<&str> = decision.rules.iter().map(|(id, _)| id.as_str()).collect();
    let shown = if by.is_empty() { "no rule".to_owned() } else { by.join(" ") };
    let missing = case.rules.as_ref().and_then(|rules| rules.iter().find(|rule| !by.contains(&rule.as_str())));
    let wrong = match (got == expect, missing) {
        (false, _) => Some(format!("expected {expect}, got {got} by {shown}")),
        (true, Some(rule)) => Some(format!("{got}, but not by {rule}: by {shown}")),
        (true, None) => None,
    };
    Some(Tried { name: name?, wrong })
}

#[cfg(test)]
mod tests;
