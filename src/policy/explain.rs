//! Why a question would be answered as it would, and what came near. For people who keep the policy, never for whoever
//! was denied.

use cedar_policy::{ActionConstraint, Entities, EntityTypeName, EntityUid, PrincipalConstraint, ResourceConstraint};

use super::request::Case;
use super::{Decision, Outcome, Policy, Request, decide};

/// A decision, and the permits that nearly applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What would be answered now.
    pub decision: Decision,
    /// Permits that speak of this person, action and target, and whose condition does not hold. Sorted by id; empty where
    /// the answer is yes.
    pub near: Vec<String>,
}

/// Decides, and looks for what came near.
pub fn explain(policy: &Policy, request: &Request<'_>) -> Explanation {
    let decision = decide(policy, request);
    let near = match (&decision.outcome, Case::new(policy, request)) {
        (Outcome::Deny, Ok(case)) => near(policy, &case, &decision),
        _ => Vec::new(),
    };
    Explanation { decision, near }
}

fn near(policy: &Policy, case: &Case<'_>, decision: &Decision) -> Vec<String> {
    let decided = |id: &str| decision.rules.iter().any(|(rule, _)| rule == id);
    let speaks = |rule: &&cedar_policy::Policy| {
        let principal = match rule.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => uid == case.principal,
            PrincipalConstraint::In(uid) => is_in(&case.entities, &case.principal, &uid),
            PrincipalConstraint::Is(kind) => is(&case.principal, &kind),
            PrincipalConstraint::IsIn(kind, uid) => {
                is(&case.principal, &kind) && is_in(&case.entities, &case.principal, &uid)
            }
        };
        let action = match rule.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == case.action,
            ActionConstraint::In(uids) => uids.contains(&case.action),
        };
        let resource = match rule.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => uid == case.resource,
            ResourceConstraint::In(uid) => is_in(&case.entities, &case.resource, &uid),
            ResourceConstraint::Is(kind) => is(&case.resource, &kind),
            ResourceConstraint::IsIn(kind, uid) => {
                is(&case.resource, &kind) && is_in(&case.entities, &case.resource, &uid)
            }
        };
        principal && action && resource
    };
    let speaking = policy.permits.policies().filter(speaks).map(|rule| rule.id().to_string());
    let mut near: Vec<String> = speaking.filter(|id| !decided(id)).collect();
    near.sort();
    near
}

fn is(uid: &EntityUid, kind: &EntityTypeName) -> bool {
    uid.type_name() == kind
}

fn is_in(entities: &Entities, uid: &EntityUid, of: &EntityUid) -> bool {
    uid == of || entities.is_ancestor_of(of, uid)
}
