//! Why a question would be answered as it would, and what came near. For people who keep the policy, never for whoever
//! was denied.

use std::collections::BTreeMap;
use std::fmt;

use super::request::Case;
use super::{Decision, Obligations, Outcome, Policy, Request, Terms, decide};

/// A decision, and the permits that nearly applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What would be answered now.
    pub decision: Decision,
    /// Permits that speak of this person, action and target, and whose condition does not hold. Sorted by id; empty where
    /// the answer is yes.
    pub near: Vec<String>,
    /// Where nothing is missing but a permit: those that speak of this action there, by id, and of whom. Sorted by id.
    pub others: Vec<(String, String)>,
}

impl Explanation {
    /// What people are told besides the verdict and its rules, a line each, with its word.
    pub fn hints(&self) -> Vec<(&'static str, String)> {
        let near = self.near.iter().map(|id| ("near", format!("{id} speaks of this, but its condition does not hold")));
        let others = self.others.iter().map(|(id, whom)| ("needed", format!("{whom}: {id} speaks of them")));
        near.chain(others).collect()
    }
}

impl Outcome {
    /// The word of a verdict.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Hold(_) => "hold",
            Self::Deny => "deny",
        }
    }

    /// What people have to agree to first, if they have to.
    pub fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Hold(terms) => Some(terms),
            Self::Allow(_) | Self::Deny => None,
        }
    }

    /// The limits that would hold, unless it is no.
    pub fn limits(&self) -> Option<&Obligations> {
        match self {
            Self::Allow(limits) => Some(limits),
            Self::Hold(terms) => Some(&terms.obligations),
            Self::Deny => None,
        }
    }
}

/// As people read it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(limits) => match limits.named() {
                named if named.is_empty() => f.write_str("allow"),
                named => write!(f, "allow, with {}", named.join(" ")),
            },
            Self::Hold(terms) => {
                let from: Vec<&str> = terms.approver_groups.iter().map(String::as_str).collect();
                let from = if from.is_empty() { "whoever may approve".to_owned() } else { from.join(", ") };
                let minutes = terms.ttl.as_secs() / 60;
                write!(f, "hold: {} of {from} must agree within {minutes} min", terms.quorum)?;
                match terms.window {
                    Some(span) => write!(f, "; then its like runs unasked for {} s", span.as_secs()),
                    None => Ok(()),
                }
            }
            Self::Deny => f.write_str("deny"),
        }
    }
}

/// Decides, and looks for what came near.
pub fn explain(policy: &Policy, request: &Request<'_>) -> Explanation {
    let decision = decide(policy, request);
    let (mut close, mut others) = (Vec::new(), Vec::new());
    if let (Outcome::Deny, Ok(case)) = (&decision.outcome, Case::new(policy, request)) {
        close = near(&case, &decision);
        // What a hold holds up and nothing permits lacks the permit, not the approval.
        let is_hold = |id: &String| policy.rules.get(id).is_some_and(|rule| rule.hold.is_some());
        if decision.rules.iter().all(|(id, _)| is_hold(id)) {
            others = policy.scopes.of_others(&case.scene.place(&case.action));
        }
    }
    Explanation { decision, near: close, others }
}

/// Ids of rules that only one of two sets has, or that read otherwise there. Sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Only in the new one.
    pub added: Vec<String>,
    /// In both, and not the same: comments and the place in a file make no difference.
    pub changed: Vec<String>,
    /// Only in the old one.
    pub removed: Vec<String>,
}

/// Compares two sets by their rules.
pub fn compared(old: &Policy, new: &Policy) -> Compared {
    // As JSON: the text of a rule still has its comments and blanks.
    let said = |rule: &cedar_policy::Policy| rule.to_json().map_or_else(|_| rule.to_string(), |json| json.to_string());
    let by_id = |policy: &Policy| -> BTreeMap<String, String> {
        policy.set.policies().map(|rule| (rule.id().to_string(), said(rule))).collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    let only = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        one.keys().filter(|id| !other.contains_key(*id)).cloned().collect()
    };
    let differs = |(id, text): (&String, &String)| old.get(id).is_some_and(|before| before != text);
    Compared {
        added: only(&new, &old),
        changed: new.iter().filter(|rule| differs(*rule)).map(|(id, _)| id.clone()).collect(),
        removed: only(&old, &new),
    }
}

fn near(case: &Case<'_>, decision: &Decision) -> Vec<String> {
    let decided = |id: &str| decision.rules.iter().any(|(rule, _)| rule == id);
    let speaking = case.cut.permits.policies().map(|rule| rule.id().to_string());
    let mut near: Vec<String> = speaking.filter(|id| !decided(id)).collect();
    near.sort();
    near
}
