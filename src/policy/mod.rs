//! What may be done: `decide(&Policy, &Request) -> Decision`, with the rules that decided.
//!
//! Pure: no clock, no store, no task. Rules are written in Cedar (`docs/POLICY.md`); nothing is
//! allowed that no rule permits, a forbid always wins, and a rule that fails to evaluate denies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::{Authorizer, PolicySet};

mod command;
mod digest;
mod document;
mod explain;
mod fault;
mod glass;
mod known;
mod lint;
mod request;
mod rule;
mod scene;
mod schema;
mod scope;
mod shell;
mod starter;
mod wrapper;

pub use command::{Commands, Form, Reading};
pub use explain::{Compared, Explanation, compared, explain};
pub use fault::{Fault, Faults, nearest};
pub use known::{Class, Harmless, Pattern, Program};
pub use request::{Approvals, Asked, Request};
pub use rule::{Effect, Obligations, TTL, Terms, annotations};
pub use schema::TEXT as SCHEMA;
pub use starter::STARTER;

use crate::domain::Digest;
use crate::domain::event;
use request::Case;
use rule::Rule;
use scene::Scenes;
use schema::Words;
use scope::Scopes;

/// Name and version of the engine, as records say it.
pub const ENGINE: &str = "cedar 4.14.1";

/// The ids that rules may name: everything else in a rule is a slip of the pen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Groups of the config.
    pub groups: BTreeSet<String>,
    /// Environments that targets may belong to.
    pub environments: BTreeSet<String>,
    /// Targets, by canonical name.
    pub targets: BTreeSet<String>,
    /// Issuers.
    pub issuers: BTreeSet<String>,
    /// Mask profiles.
    pub mask_profiles: BTreeSet<String>,
}

impl Catalogue {
    /// Groups that always exist, with no members unless the config gives them some: the starter
    /// policies name them.
    pub const BUILT_IN_GROUPS: [&'static str; 3] = ["admins", "auditors", "users"];
}

/// A set of policies that was loaded without a fault.
pub struct Policy {
    set: PolicySet,
    /// Each rule of it with what it speaks of.
    scopes: Scopes,
    scenes: Scenes,
    rules: BTreeMap<String, Rule>,
    words: Words,
    digest: Digest,
    text: String,
    files: Vec<String>,
    groups: BTreeSet<String>,
    commands: Commands,
}

impl Policy {
    /// Loads files, each by name and text. Every fault of every file is found in one go.
    pub fn load(files: &[(String, String)], catalogue: &Catalogue) -> Result<Self, Faults> {
        document::load(files, Some(catalogue))
    }

    /// How many rules these files have. Ids are not looked up: the faults are those that they have whatever the config says.
    pub fn count(files: &[(String, String)]) -> Result<usize, Faults> {
        document::load(files, None).map(|policy| policy.rules.len())
    }

    /// The faults of [`Policy::count`].
    pub fn faults(files: &[(String, String)]) -> Faults {
        Self::count(files).err().unwrap_or(Faults(Vec::new()))
    }

    /// With what is known about commands: without it every command is held for opaque or unknown.
    pub fn with_commands(mut self, commands: Commands) -> Self {
        self.text.push_str(commands.text());
        self.digest = Digest::of(self.text.as_bytes());
        self.commands = commands;
        self
    }

    /// What is known about commands.
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// SHA-256 of [`Policy::text`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Every file in the order of names, each after a line with its name: what the digest is of.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the schema.
    pub fn schema_digest(&self) -> Digest {
        self.words.digest
    }

    /// Names of the files.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Ids of all rules, sorted.
    pub fn rules(&self) -> impl Iterator<Item = (&str, Effect)> {
        self.rules.iter().map(|(id, rule)| (id.as_str(), rule.effect))
    }

    fn evaluate(&self, case: &Case<'_>, asked: Result<cedar_policy::Request, String>) -> Evaluation {
        let asked = match asked {
            Ok(asked) => asked,
            Err(what) => return Evaluation { allowed: false, rules: Vec::new(), errors: vec![what] },
        };
        let response = Authorizer::new().is_authorized(&asked, &case.cut.rules, &case.scene.entities);
        let mut rules: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        rules.sort();
        let mut errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        errors.sort();
        // Cedar skips a policy that errs, also a forbid: then its answer says nothing.
        let allowed = response.decision() == cedar_policy::Decision::Allow && errors.is_empty();
        Evaluation { allowed, rules, errors }
    }

    fn obligations(&self, rules: &[String]) -> Obligations {
        let mut limits = rules.iter().filter_map(|id| self.rules.get(id)).map(|rule| rule.limits.clone());
        let first = limits.next().unwrap_or_default();
        limits.fold(first, |merged, limit| merged.merge(&limit))
    }

    /// What all of these rules ask for, if each of them can be answered by approvals.
    fn holds(&self, rules: &[String]) -> Option<Terms> {
        let mut holds = rules.iter().map(|id| Some(self.rules.get(id)?.hold.as_ref()?.terms()));
        let first = holds.next()??;
        holds.try_fold(first, |merged, terms| Some(merged.merge(&terms?)))
    }

    /// Whether some permit applies, whatever forbids say.
    fn permitted(&self, case: &Case<'_>, approvals: &Approvals) -> bool {
        case.asked(approvals).is_ok_and(|asked| {
            let response = Authorizer::new().is_authorized(&asked, &case.cut.permits, &case.scene.entities);
            response.decision() == cedar_policy::Decision::Allow
        })
    }

    fn decision(
        &self,
        outcome: Outcome,
        pass: Pass,
        evaluation: Evaluation,
        case: Option<&Case<'_>>,
        approvals: &Approvals,
    ) -> Decision {
        let effect = |id: String| {
            let effect = self.rules.get(&id).map_or(Effect::Forbid, |rule| rule.effect);
            (id, effect)
        };
        Decision {
            outcome,
            rules: evaluation.rules.into_iter().map(effect).collect(),
            errors: evaluation.errors,
            otherwise_permitted: false,
            reading: case.and_then(|case| case.reading.clone()),
            pass,
            context: case.map_or(Digest::of(b""), |case| case.digest(approvals)),
            policy: self.digest,
            schema: self.words.digest,
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({} rules, {})", self.rules.len(), self.digest)
    }
}

struct Evaluation {
    allowed: bool,
    rules: Vec<String>,
    errors: Vec<String>,
}

/// May this be done, with no approvals given yet?
pub fn decide(policy: &Policy, request: &Request<'_>) -> Decision {
    let decision = decide_alone(policy, request);
    match (&request.action, &decision.outcome) {
        (Asked::BreakGlass, Outcome::Allow(_)) => glass::bounded(policy, request, decision),
        _ => decision,
    }
}

fn decide_alone(policy: &Policy, request: &Request<'_>) -> Decision {
    let none = Approvals::default();
    let case = match Case::new(policy, request) {
        Ok(case) => case,
        Err(what) => return unfit(policy, what),
    };
    let first = policy.evaluate(&case, case.asked(&none));
    if first.allowed {
        let outcome = Outcome::Allow(policy.obligations(&first.rules));
        return policy.decision(outcome, Pass::Initial, first, Some(&case), &none);
    }
    let Some(terms) = policy.holds(&first.rules).filter(|_| first.errors.is_empty()) else {
        // With neither a rule nor an error, no permit applied.
        let asked = !first.rules.is_empty() || !first.errors.is_empty();
        let otherwise_permitted = asked && policy.permitted(&case, &none);
        return Decision {
            otherwise_permitted,
            ..policy.decision(Outcome::Deny, Pass::Initial, first, Some(&case), &none)
        };
    };
    // Would it be allowed if everybody agreed? If not, nobody is asked.
    let granted = Approvals { count: terms.quorum, groups: terms.approver_groups.clone() };
    let second = policy.evaluate(&case, case.asked_again(&granted));
    let outcome = match second.allowed {
        true => Outcome::Hold(Terms { obligations: policy.obligations(&second.rules), ..terms }),
        false => Outcome::Deny,
    };
    let mut rules = first.rules;
    rules.extend(second.rules);
    rules.sort();
    rules.dedup();
    let both = Evaluation { allowed: false, rules, errors: second.errors };
    let otherwise_permitted = outcome == Outcome::Deny && policy.permitted(&case, &granted);
    Decision { otherwise_permitted, ..policy.decision(outcome, Pass::Hypothetical, both, Some(&case), &none) }
}

/// May this be done now, with the approvals that were given? It is not held a second time.
pub fn decide_approved(policy: &Policy, request: &Request<'_>, approvals: &Approvals) -> Decision {
    let case = match Case::new(policy, request) {
        Ok(case) => case,
        Err(what) => return unfit(policy, what),
    };
    let last = policy.evaluate(&case, case.asked(approvals));
    let outcome = match last.allowed {
        true => Outcome::Allow(policy.obligations(&last.rules)),
        false => Outcome::Deny,
    };
    let otherwise_permitted = outcome == Outcome::Deny && policy.permitted(&case, approvals);
    Decision { otherwise_permitted, ..policy.decision(outcome, Pass::Final, last, Some(&case), approvals) }
}

/// The record of a question about a target that does not exist: denied like any other.
pub fn unknown_target(policy: &Policy, action: &'static str) -> event::Decided {
    let evaluation = Evaluation { allowed: false, rules: Vec::new(), errors: Vec::new() };
    let none = Approvals::default();
    let denied = policy.decision(Outcome::Deny, Pass::Initial, evaluation, None, &none);
    Decision { context: Digest::of(b"unknown target"), ..denied }.to_decided(action, 0)
}

/// A question that cannot be put is denied.
fn unfit(policy: &Policy, what: String) -> Decision {
    let evaluation = Evaluation { allowed: false, rules: Vec::new(), errors: vec![what] };
    policy.decision(Outcome::Deny, Pass::Initial, evaluation, None, &Approvals::default())
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// The rules that decided, sorted by id.
    pub rules: Vec<(String, Effect)>,
    /// What went wrong in the evaluation. Anything here denies.
    pub errors: Vec<String>,
    /// Denied, and yet some permit applies: only such a person may hear which rule stood in the way,
    /// to all others what they asked for does not exist.
    pub otherwise_permitted: bool,
    /// How the command was read, where there is one.
    pub reading: Option<Reading>,
    /// Which evaluation gave the answer.
    pub pass: Pass,
    /// Digest of what was judged, without the text of a command.
    pub context: Digest,
    /// Digest of the policy set.
    pub policy: Digest,
    /// Digest of the schema.
    pub schema: Digest,
}

/// Yes, not yet, or no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Yes, within these limits.
    Allow(Obligations),
    /// People have to agree first.
    Hold(Terms),
    /// No.
    Deny,
}

/// Which evaluation gave the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// With no approvals.
    Initial,
    /// As if every approval were given.
    Hypothetical,
    /// With the approvals that were given.
    Final,
}

impl Pass {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Hypothetical => "hypothetical",
            Self::Final => "final",
        }
    }
}

impl Decision {
    /// The outcome as a record says it: an evaluation that erred is not a plain no.
    pub fn recorded(&self) -> event::Outcome {
        match &self.outcome {
            Outcome::Allow(_) => event::Outcome::Allow,
            Outcome::Hold(_) => event::Outcome::Hold,
            Outcome::Deny if self.errors.is_empty() => event::Outcome::Deny,
            Outcome::Deny => event::Outcome::Error,
        }
    }

    /// The id of the first rule that forbade, for the person who was denied.
    pub fn forbidden_by(&self) -> Option<&str> {
        let forbid = self.rules.iter().find(|(_, effect)| *effect == Effect::Forbid);
        forbid.map(|(id, _)| id.as_str())
    }

    /// The body of the record of this decision.
    pub fn to_decided(&self, action: &'static str, micros: u64) -> event::Decided {
        let obligations = match &self.outcome {
            Outcome::Allow(limits) => limits.named(),
            Outcome::Hold(terms) => terms.obligations.named(),
            Outcome::Deny => Vec::new(),
        };
        event::Decided {
            action,
            rules: self.rules.iter().map(|(id, effect)| (id.clone(), effect.as_str())).collect(),
            errors: self.errors.clone(),
            policy: self.policy,
            schema: self.schema,
            context: self.context,
            pass: self.pass.as_str(),
            engine: ENGINE,
            obligations,
            command: self.reading.as_ref().map(|reading| event::Read {
                form: reading.form.to_string(),
                classes: reading.classes.iter().cloned().collect(),
                elevated: reading.elevated,
                harmless: reading.harmless,
            }),
            micros,
        }
    }
}

#[cfg(test)]
mod tests;
