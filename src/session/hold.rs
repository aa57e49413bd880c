//! What is held: asks people, hears their votes, and begins the session that they agreed to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::open::failed;
use super::{Ask, Opened, Refused, Sessions};
use crate::approval::{self, Desk, Granted, Held, Id, Request, State, Subject, Vote};
use crate::domain::event::held::Used;
use crate::domain::event::{Event, Fact, TargetRef};
use crate::domain::identity::Caller;
use crate::domain::session::Action;
use crate::domain::target::{Login, Target};
use crate::domain::{Digest, RecordId, Timestamp, printable};
use crate::policy::{self, Approvals, Asked, Terms};

/// What policy wants before something may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub(super) terms: Terms,
    pub(super) rules: Vec<String>,
    pub(super) policy: Digest,
    /// The decision that held it.
    pub(super) record: RecordId,
}

/// A request that is open. Dropped, it is withdrawn.
#[derive(Debug)]
pub struct Waiting(Held);

impl Sessions {
    /// The desk itself.
    pub fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// Asks people for `ask`, which policy holds, together with its standard input.
    pub async fn hold(&self, ask: &Ask<'_>, mut hold: Box<Hold>, input: Bytes) -> Result<Waiting, Refused> {
        let Some((target, login)) = self.find(ask.login, ask.target) else {
            return Err(Refused::Held(hold));
        };
        if let Some(terms) = self.as_shell_too(ask, (&target, &login), None).await? {
            hold.terms = hold.terms.merge(&terms);
        }
        // Whoever started that run may be the one who votes: a second one must agree.
        if !self.0.groups.knows_human(&ask.caller.identity) {
            hold.terms.quorum = hold.terms.quorum.max(2);
        }
        if let Some(wait) = ask.wait {
            hold.terms.ttl = hold.terms.ttl.min(wait);
        }
        let subject = Subject {
            target: target.name.to_string(),
            address: target.address.to_string(),
            login: login.to_string(),
            action: ask.action.clone(),
            environment: ask.env_passed.to_vec(),
            terminal: ask.terminal.map(|(term, _)| term.to_owned()),
            input,
            reason: ask.reason.map(str::to_owned),
            rules: hold.rules,
            policy: hold.policy,
        };
        let place = TargetRef::of(&target, &login);
        match self.0.desk.submit(ask.caller, subject, hold.terms, place, hold.record).await {
            Ok(held) => Ok(Waiting(held)),
            Err(approval::Error::Ledger(cause)) => Err(failed("ledger", &cause)),
            Err(approval::Error::Random) => Err(failed("random", &"no random bytes")),
            Err(full) => Err(Refused::Rejected(format!("nobody was asked: {full}"))),
        }
    }

    /// A held command in a terminal is judged as a shell too: what is typed into it is not what people agreed to. What
    /// policy wants for the shell beside what it wants for the command.
    pub(super) async fn as_shell_too(
        &self,
        ask: &Ask<'_>,
        (target, login): (&Target, &Login),
        approvals: Option<&Approvals>,
    ) -> Result<Option<Terms>, Refused> {
        if ask.terminal.is_none() || ask.action == Action::Shell {
            return Ok(None);
        }
        let now = self.0.clock.now();
        let shell = Ask { action: Action::Shell, ..ask.clone() };
        let judged = self.decide(&shell, target, login, now, approvals);
        let fact = ask.fact(now, judged.decision.recorded(), judged.event()).towards(TargetRef::of(target, login));
        self.record(vec![fact]).await?;
        match judged.decision.outcome {
            policy::Outcome::Allow(_) => Ok(None),
            policy::Outcome::Hold(terms) => Ok(Some(terms)),
            policy::Outcome::Deny => Err(Refused::Rejected(NO_SHELL.to_owned())),
        }
    }

    /// Begins what people have agreed to, if policy still lets it. The grant is used up either way.
    pub async fn open_approved(&self, ask: Ask<'_>, waiting: Waiting) -> Result<Opened, Refused> {
        match waiting.0.take() {
            Some(granted) => self.begin(ask, Some(granted)).await,
            None => Err(Refused::Lapsed("the approval was not there any more; nothing was run".to_owned())),
        }
    }

    /// The approvals that count now: of those who might still give them. What people agreed to must still be there.
    pub(super) fn approvals(&self, granted: &Granted, place: (&Target, &Login)) -> Result<Approvals, Refused> {
        let Request { subject, .. } = &granted.request;
        let (target, login) = place;
        let same = target.name.as_str() == subject.target
            && target.address.to_string() == subject.address
            && login.as_str() == subject.login;
        if !same {
            let line = "the target is not the one that was agreed to any more; nothing was run";
            return Err(Refused::Lapsed(line.to_owned()));
        }
        let owner = granted.request.caller.identity.principal();
        let wanted = &granted.request.terms.approver_groups;
        let counts = |voter: &Arc<Caller>| {
            let member = voter.identity.groups.iter().any(|group| wanted.contains(group.as_str()));
            let decision = self.judge(voter, Asked::Approve, Some(place), Some(&owner));
            let other = !self.same_human(voter, &granted.request.caller);
            other && (wanted.is_empty() || member) && matches!(decision.outcome, policy::Outcome::Allow(_))
        };
        let voters = granted.request.approvers().iter().map(|voter| self.as_of_now(voter));
        // Once each, whatever names they have.
        let mut humans: Vec<Arc<Caller>> = Vec::new();
        for voter in voters.filter(counts) {
            if !humans.iter().any(|one| self.same_human(one, &voter)) {
                humans.push(voter);
            }
        }
        let voters = humans;
        let count = u8::try_from(voters.len()).unwrap_or(u8::MAX);
        Ok(Approvals { count, groups: Request::groups_of(&voters) })
    }

    fn same_human(&self, one: &Caller, other: &Caller) -> bool {
        self.0.groups.same_human(&one.identity, &other.identity)
    }

    /// Requests that `caller` may vote on, or has made.
    pub fn requests(&self, caller: &Arc<Caller>) -> Vec<Request> {
        let who = caller.identity.principal();
        let mut open = self.0.desk.open();
        open.retain(|request| request.caller.identity.principal() == who || self.may_vote(caller, request).is_some());
        open
    }

    /// What policy says to a vote of `caller`, where it says yes.
    fn may_vote(&self, caller: &Arc<Caller>, request: &Request) -> Option<policy::Decision> {
        let decision = self.judge_vote(caller, request)?;
        matches!(decision.outcome, policy::Outcome::Allow(_)).then_some(decision)
    }

    fn judge_vote(&self, caller: &Arc<Caller>, request: &Request) -> Option<policy::Decision> {
        let subject = &request.subject;
        let (target, login) = self.find(Some(&subject.login), &subject.target)?;
        let owner = request.caller.identity.principal();
        Some(self.judge(&self.as_of_now(caller), Asked::Approve, Some((&target, &login)), Some(&owner)))
    }

    /// Counts a vote of `caller` on what they saw, if policy lets them vote; what it said is recorded first.
    pub async fn vote(
        &self,
        caller: &Arc<Caller>,
        id: Id,
        seen: &Digest,
        vote: (Vote, Option<&str>),
    ) -> Result<State, approval::Error> {
        let now = self.0.clock.now();
        let open = self.0.desk.open();
        let request = open.iter().find(|request| request.id == id).ok_or(approval::Fault::NotOpen)?;
        let voter = self.as_of_now(caller);
        request.check(&voter, seen, now)?;
        if self.same_human(&voter, &request.caller) {
            return Err(approval::Fault::Oneself.into());
        }
        if request.approvers().iter().any(|one| self.same_human(one, &voter)) {
            return Err(approval::Fault::Twice.into());
        }
        let decision = self.judge_vote(caller, request).ok_or(approval::Fault::NotOpen)?;
        let event = Event::AuthzDecision(decision.to_decided(Asked::Approve.as_str(), 0));
        let decided = Fact::new(RecordId::new(now), decision.recorded(), event).by(caller);
        if !matches!(decision.outcome, policy::Outcome::Allow(_)) {
            self.0.ledger.append_one(decided).await?;
            return Err(approval::Fault::Policy.into());
        }
        self.0.desk.vote(id, &voter, seen, vote, decided).await
    }
}

impl Waiting {
    /// What the requester hears, now and every minute. `approve` is the command line for an approver.
    pub fn line(&self, now: Timestamp, approve: impl Fn(&str) -> String) -> String {
        let Some(request) = self.0.request() else { return "held no more".to_owned() };
        let left = request.terms.quorum.saturating_sub(u8::try_from(request.approvers().len()).unwrap_or(u8::MAX));
        let groups: Vec<_> = request.terms.approver_groups.iter().map(|group| printable(group, 64)).collect();
        let from = if groups.is_empty() { String::new() } else { format!(" from {}", groups.join(", ")) };
        let plural = if left == 1 { "" } else { "s" };
        let minutes = request.expires.since(now).as_secs().div_ceil(60);
        let at = request.expires.to_string();
        let at = at.get(11..16).unwrap_or_default();
        let id = request.id.to_string();
        let approve = approve(&id);
        format!(
            "held {id}: needs {left} approval{plural}{from}, expires in {minutes} min ({at} UTC); {approve}; Ctrl-C cancels"
        )
    }

    /// Waits until people have agreed; the error is what the requester hears otherwise.
    pub async fn ends(&mut self) -> Result<(), Refused> {
        match self.0.ends().await {
            Ok((State::Granted, _)) => Ok(()),
            Ok((State::Denied, why)) => {
                Err(Refused::Rejected(format!("denied by {}; nothing was run", printable(&why, 1024))))
            }
            Ok((State::Expired, _)) => {
                Err(Refused::Lapsed("nobody agreed in time, so nothing was run; ask again".to_owned()))
            }
            Ok((State::Withdrawn | State::Open, _)) => {
                Err(Refused::Lapsed("the request was withdrawn; nothing was run".to_owned()))
            }
            Err(cause) => Err(failed("ledger", &cause)),
        }
    }

    /// Gives it up; recorded before it returns.
    pub async fn withdraw(self, reason: &'static str) {
        self.0.withdraw(reason).await;
    }
}

/// Said of a held command that would get a terminal.
const NO_SHELL: &str = "a held command in a terminal is judged as a shell too, and no rule allows you one here: \
                        ask for it without a terminal (ssh -T)";

/// The record that a grant is used up.
pub(super) fn used(request: &Request) -> Used {
    let approvers = request.approvers().iter().map(|one| one.identity.principal().as_str().to_owned());
    Used { id: request.id.to_string(), digest: request.digest, approvers: approvers.collect() }
}

/// How often somebody who waits hears that they do.
pub const REMIND_EVERY: Duration = Duration::from_secs(60);
