//! A decision on its way into the ledger, and what it lets whoever asked do.

use std::collections::BTreeMap;

use super::hold::Hold;
use super::{Ask, Refused, glass};
use crate::domain::event::{Event, TargetRef};
use crate::domain::{RecordId, printable};
use crate::policy::{self, Obligations};

/// A decision on its way into the ledger.
pub(super) struct Judged {
    pub(super) decision: policy::Decision,
    pub(super) action: &'static str,
    pub(super) micros: u64,
}

impl Judged {
    pub(super) fn event(&self) -> Event {
        Event::AuthzDecision(self.decision.to_decided(self.action, self.micros))
    }

    pub(super) fn permitted(&self, ask: &Ask<'_>, record: RecordId) -> Result<Obligations, Refused> {
        let forbids = self.decision.rules.iter().filter(|(_, effect)| *effect == policy::Effect::Forbid);
        let rules = || forbids.map(|(id, _)| id.clone()).collect();
        match &self.decision.outcome {
            policy::Outcome::Allow(obligations) => {
                ask.keeps(obligations)?;
                let mut obligations = obligations.clone();
                if ask.glass.is_some() {
                    obligations.max_session = glass::bounded(obligations.max_session);
                }
                Ok(obligations)
            }
            policy::Outcome::Hold(_) if ask.glass.is_some() => Err(Refused::Denied(rules())),
            policy::Outcome::Hold(terms) => {
                ask.keeps(&terms.obligations)?;
                let (terms, policy) = (terms.clone(), self.decision.policy);
                Err(Refused::Held(Box::new(Hold { terms, rules: rules(), policy, record })))
            }
            // A rule is named only to somebody whom another rule would let in: to all others the target does not exist.
            policy::Outcome::Deny if self.decision.otherwise_permitted => Err(Refused::Denied(rules())),
            policy::Outcome::Deny => Err(Refused::NoTarget(printable(ask.target, 64))),
        }
    }
}

/// What somebody asked for, and is no target.
pub(super) fn nowhere(name: String, host: String, login: String) -> TargetRef {
    TargetRef { name, host, login, host_key: None, labels: BTreeMap::new() }
}
