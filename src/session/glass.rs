//! Past approval, loudly: decide → record → alert → record that it is broken → open. Somebody else reviews it afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;
use tracing::warn;

use super::{Ask, Refused, Sessions};
use crate::approval::glass::{Broken, Fault, Place, check};
use crate::approval::{self, Id, glass};
use crate::domain::event::{Event, Fact, Outcome, TargetRef, glass as said};
use crate::domain::identity::Caller;
use crate::domain::session::{Action, End, SessionId};
use crate::domain::target::{Login, Target};
use crate::domain::{RecordId, Text, Timestamp, printable};
use crate::ledger;
use crate::policy::{self, Asked};
use crate::recording::index;

/// It is cut after so long, whatever policy says.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);
/// A channel that takes longer to take the alert has not taken it.
const ALERT_WITHIN: Duration = Duration::from_secs(30);

/// The limit of such a session.
pub(super) fn bounded(max: Option<Duration>) -> Option<Duration> {
    Some(max.unwrap_or(LONGEST).min(LONGEST))
}

/// Proof that somebody may begin one shell there past approval: alerted, and in the ledger.
#[derive(Debug)]
pub struct Glass {
    /// The session that it is for.
    pub(super) session: SessionId,
    /// The record that says so.
    pub(super) record: RecordId,
    /// Its id, as people type it.
    pub id: Id,
    /// The target's canonical name.
    pub target: String,
    /// The account there.
    pub login: String,
    /// Why, in their words.
    pub reason: String,
    used: AtomicBool,
}

impl Glass {
    /// Uses it up: whether nobody had, and it is for that place.
    pub(super) fn take(&self, target: &Target, login: &Login) -> bool {
        self.target == target.name.as_str() && self.login == login.as_str() && !self.used.swap(true, Ordering::SeqCst)
    }
}

impl Sessions {
    /// Whether `caller` may break the glass there; what policy says is recorded.
    pub async fn may_break_glass(
        &self,
        caller: &Arc<Caller>,
        login: &str,
        target: &str,
    ) -> Result<(Arc<Target>, Login), Error> {
        check(caller, self.0.clock.now())?;
        let place = self.find(Some(login), target).ok_or_else(|| Error::Nowhere(printable(target, 64)))?;
        self.judge_glass(caller, &place).await?;
        self.one_of_theirs(caller).await?;
        Ok(place)
    }

    /// Alerts people, then records that it is broken. The order is the promise: whoever holds what is returned knows that
    /// somebody elsewhere has been told, or that policy does without, and that the record of it is durable.
    pub async fn break_glass(
        &self,
        caller: &Arc<Caller>,
        (target, login): (&Arc<Target>, &Login),
        reason: &str,
    ) -> Result<Glass, Error> {
        check(caller, self.0.clock.now())?;
        let place = (target.clone(), login.clone());
        // Time has passed since it was asked first.
        let (limits, decision) = self.judge_glass(caller, &place).await?;
        let entered = self.enter(caller, (target, login)).await?;
        let alerted = self.alerted(entered.broken(), reason, limits.without_alert).await?;
        let now = self.0.clock.now();
        let id = entered.broken().id;
        let session = entered.broken().session;
        let broken = Event::GlassBroken(said::Broken {
            id: id.to_string(),
            principal: caller.identity.principal().as_str().to_owned(),
            reason: Text::new(reason.to_owned()),
            alerted,
            until: now.plus(limits.max_session.unwrap_or(LONGEST).min(LONGEST)),
        });
        let mut fact = Fact::new(RecordId::new(now), Outcome::Success, broken).by(caller);
        fact = fact.within(session).towards(TargetRef::of(target, login));
        fact.refs.push(decision);
        let record = fact.id;
        let receipt = self.0.ledger.append_one(fact).await?;
        entered.keep(receipt.index + 1).await?;
        warn!(glass = %id, %session, host = %target.name, "glass broken");
        let (target, login, reason) = (target.name.to_string(), login.to_string(), reason.to_owned());
        Ok(Glass { session, record, id, target, login, reason, used: AtomicBool::new(false) })
    }

    /// Records what policy says; its limits, and the record.
    async fn judge_glass(
        &self,
        caller: &Arc<Caller>,
        (target, login): &(Arc<Target>, Login),
    ) -> Result<(policy::Obligations, RecordId), Error> {
        let now = self.0.clock.now();
        let decision = self.judge(&self.as_of_now(caller), Asked::BreakGlass, Some((target, login)), None);
        let event = Event::AuthzDecision(decision.to_decided(Asked::BreakGlass.as_str(), 0));
        let fact = Fact::new(RecordId::new(now), decision.recorded(), event).by(caller);
        let record = fact.id;
        self.0.ledger.append_one(fact.towards(TargetRef::of(target, login))).await?;
        match decision.outcome {
            policy::Outcome::Allow(limits) => Ok((limits, record)),
            // A rule is named only to somebody whom another rule would let.
            _ if decision.otherwise_permitted || !matches!(decision.outcome, policy::Outcome::Deny) => {
                let forbids = decision.rules.iter().filter(|(_, effect)| *effect == policy::Effect::Forbid);
                Err(Error::Denied(forbids.map(|(id, _)| id.clone()).collect()))
            }
            _ => Err(Error::Nowhere(target.name.to_string())),
        }
    }

    async fn enter(&self, caller: &Arc<Caller>, (target, login): (&Arc<Target>, &Login)) -> Result<Place, Error> {
        let now = self.0.clock.now();
        let broken = Broken {
            id: Id::from_random(crate::domain::random_bits() as u64),
            session: SessionId::new(now),
            principal: caller.identity.principal(),
            name: caller.identity.name.clone(),
            target: target.name.to_string(),
            login: login.to_string(),
            at: now,
        };
        let spent = self.never_arrived(caller).await?;
        let counts = |other: &Broken| self.is_theirs(caller, other) && !spent.contains(&other.id);
        self.0.glasses.enter(broken, counts).map_err(|other| Fault::Open(other).into())
    }

    /// An error if one of theirs waits for its review already.
    async fn one_of_theirs(&self, caller: &Arc<Caller>) -> Result<(), Error> {
        let spent = self.never_arrived(caller).await?;
        let open = self.0.glasses.open();
        let mut theirs = open.iter().filter(|other| self.is_theirs(caller, other) && !spent.contains(&other.id));
        theirs.next().map_or(Ok(()), |other| Err(Fault::Open(other.id).into()))
    }

    /// Those of theirs whose session never reached its target: they are reviewed like the others, and do not keep anybody
    /// from trying again.
    async fn never_arrived(&self, caller: &Arc<Caller>) -> Result<BTreeSet<Id>, Error> {
        let mut found = BTreeSet::new();
        for other in self.0.glasses.open().iter().filter(|other| self.is_theirs(caller, other)) {
            let ended = self.0.index.get(other.session).await?.and_then(|summary| summary.ended);
            if ended.is_some_and(|ended| ended.end == End::Unreachable("").as_str()) {
                found.insert(other.id);
            }
        }
        Ok(found)
    }

    fn is_theirs(&self, caller: &Caller, broken: &Broken) -> bool {
        broken.identity().is_none_or(|other| self.0.groups.same_human(&caller.identity, &other))
    }

    /// Waits for the first channel that takes the alert.
    async fn alerted(&self, broken: &Broken, reason: &str, without: bool) -> Result<Vec<String>, Error> {
        let mut alert = self.0.desk.alert(broken, reason).await?;
        let first = match alert.channels {
            0 => None,
            _ => timeout(ALERT_WITHIN, alert.taken()).await.ok().flatten(),
        };
        match first {
            Some(channel) => Ok(vec![channel]),
            None if without => Ok(Vec::new()),
            None if alert.channels == 0 => Err(Fault::NoChannel.into()),
            None => Err(Fault::NotAlerted.into()),
        }
    }

    /// What waits for a review: what `caller` may review, and their own. With whether they may.
    pub fn unreviewed(&self, caller: &Arc<Caller>) -> Vec<(Broken, bool)> {
        let all = self.0.glasses.open().into_iter();
        let shown = all.map(|broken| {
            let may = self.judge_review(caller, &broken).is_some_and(|one| one.is_allowed());
            let own = self.is_theirs(caller, &broken);
            (broken, may && !own, own)
        });
        shown.filter(|(_, may, own)| *may || *own).map(|(broken, may, _)| (broken, may)).collect()
    }

    /// Who may approve there may review; where the target is gone, who may audit.
    fn judge_review(&self, caller: &Arc<Caller>, broken: &Broken) -> Option<Review> {
        let caller = self.as_of_now(caller);
        let place = self.find(Some(&broken.login), &broken.target);
        let place = place.as_ref().map(|(target, login)| (&**target, login));
        let (action, owner) = match place {
            Some(_) => (Asked::Approve, Some(&broken.principal)),
            None => (Asked::Audit, None),
        };
        let decision = self.judge(&caller, action, place, owner);
        Some(Review { action: action.as_str(), decision })
    }

    /// Somebody else has looked at it, and says what they found. Recorded before it counts.
    pub async fn review_glass(&self, caller: &Arc<Caller>, id: Id, finding: &str) -> Result<Broken, Error> {
        let now = self.0.clock.now();
        let broken = self.0.glasses.get(id).ok_or(Fault::NotOpen(id))?;
        self.may_say(caller, now)?;
        if self.is_theirs(caller, &broken) {
            return Err(approval::Fault::Oneself.into());
        }
        let review = self.judge_review(caller, &broken).ok_or(Fault::NotOpen(id))?;
        let event = Event::AuthzDecision(review.decision.to_decided(review.action, 0));
        let decided = Fact::new(RecordId::new(now), review.decision.recorded(), event).by(caller);
        if !review.is_allowed() {
            self.0.ledger.append_one(decided).await?;
            return Err(Fault::NotOpen(id).into());
        }
        let reviewed =
            Event::GlassReviewed(said::Reviewed { id: id.to_string(), finding: Text::new(finding.to_owned()) });
        let mut fact = Fact::new(RecordId::new(now), Outcome::Success, reviewed).by(caller).within(broken.session);
        fact.target =
            self.find(Some(&broken.login), &broken.target).map(|(target, login)| TargetRef::of(&target, &login));
        fact.refs.push(decided.id);
        let receipts = self.0.ledger.append(vec![decided, fact]).await?;
        let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
        self.0.glasses.reviewed(id, follows).await?;
        Ok(broken)
    }
}

struct Review {
    action: &'static str,
    decision: policy::Decision,
}

impl Review {
    fn is_allowed(&self) -> bool {
        matches!(self.decision.outcome, policy::Outcome::Allow(_))
    }
}

impl Ask<'_> {
    /// The session's id: past approval the one that was alerted.
    pub(super) fn session(&self, now: Timestamp, (target, login): (&Target, &Login)) -> Result<SessionId, Refused> {
        match self.glass {
            None => Ok(SessionId::new(now)),
            Some(glass) if self.action == Action::Shell && glass.take(target, login) => Ok(glass.session),
            Some(_) => Err(Refused::Lapsed("that glass is not for this; nothing was run".to_owned())),
        }
    }
}

/// Why the glass is not broken, or not reviewed.
#[derive(Debug, Error)]
pub enum Error {
    /// No such target, or no rule lets them: both read the same.
    #[error("no target '{0}' where you may break the glass")]
    Nowhere(String),
    /// These rules forbid it.
    #[error("denied by {}: break-glass goes past approval only; ask those who keep the policy", .0.join(", "))]
    Denied(Vec<String>),
    /// It does not come to policy.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What holds for votes holds for reviews.
    #[error(transparent)]
    Vote(#[from] approval::Fault),
    /// The desk.
    #[error("approval")]
    Desk(#[from] approval::Error),
    /// The ledger.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
    /// The register.
    #[error("register")]
    Register(#[from] glass::Error),
    /// The index of sessions.
    #[error("index of sessions")]
    Index(#[from] index::Error),
}
