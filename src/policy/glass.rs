//! Past approval, and past nothing else: what forbids a shell for another reason than that people have to agree first
//! forbids it loudly too.

use super::rule::Effect;
use super::{Asked, Decision, Outcome, Policy, Request, decide};

/// The answer to `break_glass`, once its own rules have allowed it.
pub(super) fn bounded(policy: &Policy, request: &Request<'_>, allowed: Decision) -> Decision {
    let shell = decide(policy, &Request { action: Asked::Shell, pty: true, ..request.clone() });
    // That no rule permits a shell is what this is for.
    let forbids = |(id, effect): &&(String, Effect)| {
        *effect == Effect::Forbid && policy.rules.get(id).is_none_or(|rule| rule.hold.is_none())
    };
    let rules: Vec<_> = shell.rules.iter().filter(forbids).cloned().collect();
    if shell.outcome != Outcome::Deny || (rules.is_empty() && shell.errors.is_empty()) {
        return allowed;
    }
    Decision { outcome: Outcome::Deny, rules, errors: shell.errors, otherwise_permitted: true, ..allowed }
}
