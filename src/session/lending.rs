//! What a client lends to a target for one session, its agent or its display: whether, and a record of each use before it begins.
//!
//! Whoever is root at the target can use what is lent, so the default is no, and a session that is refused it goes on
//! without. Does not know what goes over it: a gateway carries the bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tracing::error;

use super::cut::Cut;
use super::judged::Judged;
use super::profile::served_unmasked;
use super::{Ask, Inner, Sessions};
use crate::domain::event::lent::{Lent, Passed};
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::Caller;
use crate::domain::loan::{Loan, Loans};
use crate::domain::session::{Action, End, SessionId};
use crate::domain::target::{Login, Target};
use crate::domain::{RecordId, Timestamp};
use crate::{ledger, policy};

/// Where each use of what was lent is recorded, for one session.
#[derive(Debug)]
pub struct Lending {
    inner: Arc<Inner>,
    caller: Arc<Caller>,
    channel: u32,
    session: SessionId,
    place: TargetRef,
    cut: Cut,
    used: AtomicU32,
}

/// One use that is recorded and has not ended.
#[derive(Debug)]
pub struct Begun {
    loan: Loan,
    number: u32,
    at: Duration,
}

impl Sessions {
    /// Whether the policy lets somebody lend this there, as of now: what a client hears when it asks. What counts
    /// is decided and recorded when its session begins.
    pub fn would_lend(&self, caller: &Arc<Caller>, login: Option<&str>, target: &str, loan: Loan) -> bool {
        let Some((target, login)) = self.find(login, target) else { return false };
        let caller = self.as_of_now(caller);
        let policy = self.0.policy.borrow().clone();
        let request = policy::Request {
            identity: &caller.identity,
            sign_in: &caller.sign_in,
            action: asked(loan),
            target: Some((&target, &login)),
            owner: None,
            now: self.0.clock.now(),
            source: caller.source.ip(),
            pty: false,
        };
        permits(&policy::decide(&policy, &request))
    }

    /// The decisions on what would be lent to a session that begins; none on what nobody can be asked about.
    pub(super) fn lends(
        &self,
        ask: &Ask<'_>,
        is_held: bool,
        (target, login): (&Target, &Login),
        now: Timestamp,
    ) -> Vec<(Loan, Judged)> {
        let runs = matches!(ask.action, Action::Shell | Action::Exec(_));
        // Approvers are not shown that something would go along.
        if !runs || is_held || ask.glass.is_some() {
            return Vec::new();
        }
        let judged = |loan| (loan, self.decide_as(ask, asked(loan), target, login, now, None));
        ask.lends.each().map(judged).collect()
    }
}

fn asked(loan: Loan) -> policy::Asked<'static> {
    match loan {
        Loan::Agent => policy::Asked::Agent,
        Loan::Display => policy::Asked::X11,
    }
}

/// Whether it may be lent. A hold is a no: nobody is asked twice for one session.
fn permits(decision: &policy::Decision) -> bool {
    match &decision.outcome {
        policy::Outcome::Allow(limits) => limits.unserved(served_unmasked()).is_none(),
        policy::Outcome::Hold(_) | policy::Outcome::Deny => false,
    }
}

/// What of it may be lent.
pub(super) fn permitted(judged: &[(Loan, Judged)]) -> Loans {
    judged.iter().filter(|(_, judged)| permits(&judged.decision)).map(|(loan, _)| *loan).collect()
}

/// Why something that would be lent is not, for the recording.
pub(super) fn without(ask: &Ask<'_>, judged: &[(Loan, Judged)]) -> Vec<String> {
    let permitted = permitted(judged);
    let why =
        if judged.is_empty() { "not to what people agreed to, nor past approval" } else { "no rule permits it here" };
    let missing = ask.lends.each().filter(|loan| !permitted.has(*loan));
    missing.map(|loan| format!("the {} is not forwarded: {why}", word(loan))).collect()
}

/// What it is called where people read of it.
pub fn word(loan: Loan) -> &'static str {
    match loan {
        Loan::Agent => "agent",
        Loan::Display => "display",
    }
}

impl Lending {
    pub(super) fn new(inner: &Arc<Inner>, ask: &Ask<'_>, (session, place): (SessionId, TargetRef), cut: Cut) -> Self {
        let (inner, caller) = (inner.clone(), ask.caller.clone());
        Self { inner, caller, channel: ask.channel, session, place, cut, used: AtomicU32::new(0) }
    }

    /// The target begins to use it. Once this returns the record is durable.
    pub async fn begins(&self, loan: Loan) -> Result<Begun, ledger::Error> {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        let recorded = self.inner.ledger.append(vec![self.fact(Lent { loan, number, ended: None })]).await;
        recorded.map(|_| Begun { loan, number, at: self.inner.clock.elapsed() }).inspect_err(|cause| self.failed(cause))
    }

    /// That use has ended; so many bytes went to the client, and came from it.
    pub async fn ended(&self, Begun { loan, number, at }: Begun, (to_client, from_client): (u64, u64)) {
        let span = self.inner.clock.elapsed().saturating_sub(at);
        let duration_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let fact = self.fact(Lent { loan, number, ended: Some(Passed { to_client, from_client, duration_us }) });
        if let Err(cause) = self.inner.ledger.submit(vec![fact]).await {
            self.failed(&cause);
        }
    }

    fn fact(&self, lent: Lent) -> Fact {
        let id = RecordId::new(self.inner.clock.now());
        let mut fact = Fact::new(id, Outcome::Success, Event::ChannelLent(lent)).by(&self.caller);
        fact.channel = Some(self.channel);
        fact.within(self.session).towards(self.place.clone())
    }

    fn failed(&self, cause: &ledger::Error) {
        error!(session = %self.session, error = ?cause, "ledger does not take a use of what was lent");
        self.cut.now(End::RecordingFailed);
    }
}
