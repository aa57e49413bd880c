//! Who is connected here now: open sessions, to be judged again or ended from outside.
//!
//! Knows what each was allowed for. A session enters before its bytes flow and leaves when it is closed. Nothing
//! here waits for a session: an order is left with it, and whoever carries its bytes obeys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info};

use super::{Sessions, glass, profile, unmask};
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::Caller;
use crate::domain::session::{Action, End, SessionId};
use crate::domain::target::{Login, Target};
use crate::domain::{RecordId, Timestamp};
use crate::policy;

/// Every open session.
#[derive(Debug, Default)]
pub struct Registry {
    open: Mutex<BTreeMap<SessionId, Arc<Entry>>>,
    /// Grows with each judgement of all: a session that opens meanwhile looks again.
    judged: AtomicU64,
}

/// One open session, and what it was allowed for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: SessionId,
    pub(super) caller: Arc<Caller>,
    pub(super) channel: u32,
    pub(super) target: String,
    pub(super) login: Login,
    pub(super) place: TargetRef,
    pub(super) action: Action,
    pub(super) pty: bool,
    /// A person has agreed to it: that a rule still wants that is no news.
    pub(super) held: bool,
    /// It began past approval.
    pub(super) glass: bool,
    /// By which profiles it is masked.
    pub(super) profiles: BTreeSet<String>,
    /// Of what passes only the digest is kept.
    pub(super) digest: bool,
    /// Its client sees it unmasked.
    pub(super) unmasked: bool,
    pub(super) orders: watch::Sender<Orders>,
}

impl Entry {
    /// The longest it may take by these decisions of now, if they say; else the action that ends it.
    fn goes_on(
        &self,
        decision: &policy::Decision,
        unmask: Option<&policy::Decision>,
        target: &Target,
    ) -> Result<Option<Option<Duration>>, policy::Asked<'_>> {
        let mut limits = match &decision.outcome {
            policy::Outcome::Hold(_) if self.held => return Ok(None),
            policy::Outcome::Allow(limits) if self.keeps(limits, target) => limits.clone(),
            policy::Outcome::Allow(_) | policy::Outcome::Hold(_) | policy::Outcome::Deny => return Err(self.asked()),
        };
        if let Some(unmask) = unmask {
            limits = limits.merge(unmask::permits(unmask, target).ok_or(policy::Asked::Unmask)?);
        }
        Ok(Some(if self.glass { glass::bounded(limits.max_session) } else { limits.max_session }))
    }

    /// It keeps the mask rules that it began with, and its manner of recording: where more must be hidden or kept now, it
    /// may not go on.
    fn keeps(&self, limits: &policy::Obligations, target: &Target) -> bool {
        let is_masked = matches!(self.action, Action::Shell | Action::Exec(_));
        let hides = !is_masked || profile::asked(target, limits).is_subset(&self.profiles);
        let records = limits.digest_only || !self.digest;
        hides && records && limits.unserved(profile::served(&self.action)).is_none()
    }

    fn asked(&self) -> policy::Asked<'_> {
        if self.glass { policy::Asked::BreakGlass } else { policy::Asked::of(&self.action) }
    }
}

/// What a session is told from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// It must end, and why.
    pub(super) end: Option<End>,
    /// The longest it may take.
    pub(super) max: Option<Duration>,
}

/// A place in the registry, for as long as it lives.
#[derive(Debug)]
pub(super) struct Registered(Sessions, SessionId);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.0.registry.entries().remove(&self.1);
    }
}

impl Registry {
    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Arc<Entry>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be read before a session is decided, and given to [`Sessions::register`].
    pub(super) fn mark(&self) -> u64 {
        self.judged.load(Ordering::SeqCst)
    }
}

impl Sessions {
    /// Enters a session that was decided after `mark` was read. If everything was judged again since, so is it.
    pub(super) async fn register(&self, entry: Entry, mark: u64) -> Registered {
        let registered = Registered(self.clone(), entry.session);
        let entry = Arc::new(entry);
        self.0.registry.entries().insert(entry.session, entry.clone());
        // After the insertion: a judgement that missed it has counted before.
        if self.0.registry.mark() != mark {
            self.judge_one_again(&entry, &[]).await;
        }
        registered
    }

    /// How many sessions of each kind are open.
    pub fn open_by_kind(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::from([("exec", 0), ("forward", 0), ("listen", 0), ("sftp", 0), ("shell", 0)]);
        for entry in self.0.registry.entries().values() {
            *kinds.entry(entry.action.as_str()).or_default() += 1;
        }
        kinds
    }

    /// Judges every open session by the policy, the targets, the groups and the time of now, and ends what is not
    /// allowed any more. `because` are the records of what has changed. How many are told to end.
    pub async fn judge_again(&self, because: &[RecordId]) -> usize {
        self.0.registry.judged.fetch_add(1, Ordering::SeqCst);
        let open: Vec<_> = self.0.registry.entries().values().cloned().collect();
        let mut ended = 0;
        for entry in open {
            ended += usize::from(self.judge_one_again(&entry, because).await);
        }
        self.judge_held_again().await;
        ended
    }

    /// Whether it was told to end.
    async fn judge_one_again(&self, entry: &Entry, because: &[RecordId]) -> bool {
        let now = self.0.clock.now();
        let (asked, decision, end) = match self.find(Some(entry.login.as_str()), &entry.target) {
            None => (entry.asked(), None, End::Removed),
            Some((target, login)) => {
                let caller = self.as_of_now(&entry.caller);
                let policy = self.0.policy.borrow().clone();
                let judge = |action| {
                    let request = policy::Request {
                        identity: &caller.identity,
                        sign_in: &caller.sign_in,
                        action,
                        target: Some((&target, &login)),
                        owner: None,
                        now,
                        source: caller.source.ip(),
                        pty: entry.pty,
                    };
                    policy::decide(&policy, &request)
                };
                let decision = judge(entry.asked());
                let unmask = entry.unmasked.then(|| judge(policy::Asked::Unmask));
                match entry.goes_on(&decision, unmask.as_ref(), &target) {
                    Ok(max) => {
                        if let Some(max) = max {
                            entry.orders.send_if_modified(|orders| std::mem::replace(&mut orders.max, max) != max);
                        }
                        return false;
                    }
                    Err(asked) => {
                        (asked, unmask.filter(|_| asked == policy::Asked::Unmask).or(Some(decision)), End::Denied)
                    }
                }
            }
        };
        self.record_end(entry, (asked, decision.as_ref()), because, now).await;
        info!(session = %entry.session, host = entry.target, end = end.as_str(), "session not allowed any more");
        entry.orders.send_if_modified(|orders| {
            let first = orders.end.is_none();
            orders.end.get_or_insert(end);
            first
        });
        true
    }

    /// The decision that ends it. A ledger that takes nothing does not keep it running.
    async fn record_end(
        &self,
        entry: &Entry,
        (asked, decision): (policy::Asked<'_>, Option<&policy::Decision>),
        because: &[RecordId],
        now: Timestamp,
    ) {
        let decided = match decision {
            Some(decision) => decision.to_decided(asked.as_str(), 0),
            None => policy::unknown_target(&self.0.policy.borrow().clone(), asked.as_str()),
        };
        let mut fact = Fact::new(RecordId::new(now), Outcome::Deny, Event::AuthzDecision(decided))
            .by(&entry.caller)
            .within(entry.session)
            .towards(entry.place.clone());
        fact.channel = Some(entry.channel);
        fact.refs.extend(because);
        if let Err(cause) = self.0.ledger.append_one(fact).await {
            error!(session = %entry.session, error = ?cause, "ledger does not take that a session is not allowed any more");
        }
    }

    /// The caller with the groups that the config of now gives: those of the sign-in were by the config of then.
    pub fn as_of_now(&self, caller: &Arc<Caller>) -> Arc<Caller> {
        let identity = &caller.identity;
        let prefix = format!("{}/", identity.issuer);
        let asserted = identity.groups.iter().filter_map(|group| group.as_str().strip_prefix(&prefix));
        let asserted: Vec<String> = asserted.map(str::to_owned).collect();
        let groups = self.0.groups.of(&identity.issuer, &identity.subject, &asserted);
        if groups == identity.groups {
            return caller.clone();
        }
        let mut caller = Caller::clone(caller);
        caller.identity.groups = groups;
        Arc::new(caller)
    }
}
