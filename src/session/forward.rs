//! Forwarded connections: where one leads that a permit of `forward` alone does not open.
//!
//! The target dials it and resolves its name, so what a name means there is not known here: names are judged as they stand.

use std::net::UdpSocket;

use super::Sessions;
use super::ask::{Ask, Refused};
use super::judged::Judged;
use super::profile::served_unmasked;
use crate::domain::Timestamp;
use crate::domain::event::{Fact, TargetRef};
use crate::domain::forward::Endpoint;
use crate::domain::session::Action;
use crate::domain::target::{Login, Target};
use crate::policy;

/// Said of one that would lead past what is recorded.
const PAST: &str = "that is the target itself or a neighbour of it, another target, or the bastion: \
                    it needs a permit of 'unrecorded' too";

impl Sessions {
    /// The second decision that a forwarded connection needs, where it would lead past what is recorded: to the target
    /// itself or its neighbours, to any target, or back to the bastion. Hands the first one back, unless both were
    /// recorded because the second is a no.
    pub(super) async fn beyond(
        &self,
        ask: &Ask<'_>,
        (target, login): (&Target, &Login),
        now: Timestamp,
        decided: Fact,
    ) -> Result<(Fact, Option<Judged>), Refused> {
        let Action::Forward(forward) = &ask.action else { return Ok((decided, None)) };
        if !self.leads_past(&forward.to) {
            return Ok((decided, None));
        }
        let judged = self.decide_as(ask, policy::Asked::Unrecorded(Some(&forward.to)), target, login, now, None);
        match &judged.decision.outcome {
            policy::Outcome::Allow(limits) if limits.unserved(served_unmasked()).is_none() => {
                Ok((decided, Some(judged)))
            }
            policy::Outcome::Allow(_) | policy::Outcome::Hold(_) | policy::Outcome::Deny => {
                let fact = ask.fact(now, judged.decision.recorded(), judged.event());
                self.record(vec![decided, fact.towards(TargetRef::of(target, login))]).await?;
                Err(Refused::Rejected(PAST.to_owned()))
            }
        }
    }

    fn leads_past(&self, to: &Endpoint) -> bool {
        let (host, address) = (to.host(), to.address());
        let is_target = |target: &Target| {
            let seen = target.seen_as.is_some() && target.seen_as == address;
            let there = Endpoint::parse(&target.address.host, u32::from(target.address.port));
            target.is_called(&host) || seen || there.is_ok_and(|there| there.host() == host)
        };
        // An address that can be bound is this machine's.
        let own = || address.is_some_and(|address| UdpSocket::bind((address, 0)).is_ok());
        to.is_near() || host == self.0.bastion || self.targets().iter().any(|target| is_target(target)) || own()
    }
}
