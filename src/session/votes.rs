//! What people say to what is held: who may vote, what they are shown, and which approvals count in the end.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::recent::{Began, Wrote};
use super::{Refused, Sessions};
use crate::approval::{self, Granted, Id, Request, State, Vote};
use crate::domain::event::{Event, Fact, Outcome, held};
use crate::domain::identity::Caller;
use crate::domain::session::Command;
use crate::domain::target::{Login, Target};
use crate::domain::{Digest, RecordId, Timestamp};
use crate::policy::{self, Approvals, Asked};

/// A request as somebody is shown it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The request.
    pub request: Request,
    /// How its command was read, by what is known about commands now.
    pub reading: Option<policy::Reading>,
    /// Words of the command that are worth a second look, each once.
    pub marked: BTreeSet<String>,
    /// What the requester began last, the newest last.
    pub before: Vec<Began>,
    /// Files of the account that were changed through the bastion within a day.
    pub written: Vec<Wrote>,
}

impl Sessions {
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
            !self.0.standing.is_out(voter)
                && self.0.desk.takes_votes_of(&voter.identity.issuer)
                && other
                && (wanted.is_empty() || member)
                && matches!(decision.outcome, policy::Outcome::Allow(_))
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

    /// Whether an address is a target's own, or this machine: a vote from there may be the requester's.
    fn is_target(&self, source: IpAddr) -> bool {
        let targets = self.targets();
        let near = source.is_loopback() && !targets.iter().any(|target| target.allow_loopback);
        let is = |target: &Arc<Target>| target.address.host.parse() == Ok(source) && !target.allow_loopback;
        near || targets.iter().any(is)
    }

    /// Whether the word of `caller` counts anywhere: a person of the right issuer, signed in lately, at no target.
    pub(super) fn may_say(&self, caller: &Caller, now: Timestamp) -> Result<(), approval::Fault> {
        approval::request::may_say(caller, now)?;
        if !self.0.desk.takes_votes_of(&caller.identity.issuer) {
            return Err(approval::Fault::Issuer);
        }
        if self.is_target(caller.source.ip()) {
            return Err(approval::Fault::FromTarget);
        }
        Ok(())
    }

    fn same_human(&self, one: &Caller, other: &Caller) -> bool {
        self.0.groups.same_human(&one.identity, &other.identity)
    }

    /// Requests that `caller` may vote on, or has made.
    pub fn requests(&self, caller: &Arc<Caller>) -> Vec<Request> {
        let who = caller.identity.principal();
        let mut open = self.0.desk.open();
        open.retain(|request| request.who == who || self.may_vote(caller, request).is_some());
        open
    }

    /// One of them.
    pub fn request(&self, caller: &Arc<Caller>, id: Id) -> Option<Request> {
        let request = self.0.desk.get(id)?;
        (request.who == caller.identity.principal() || self.may_vote(caller, &request).is_some()).then_some(request)
    }

    /// Shows one that `caller` may vote on, or has made. That they look is recorded first.
    pub async fn show(&self, caller: &Arc<Caller>, id: Id) -> Result<Shown, approval::Error> {
        let request = self.request(caller, id).ok_or(approval::Fault::NotOpen)?;
        let viewed = Event::ApprovalViewed(held::Viewed { id: id.to_string(), digest: request.digest });
        let fact = Fact::new(RecordId::new(self.0.clock.now()), Outcome::Success, viewed).by(caller);
        self.0.ledger.append_one(fact.towards(request.place())).await?;
        let policy = self.0.policy.borrow().clone();
        let subject = &request.subject;
        let posix = self.find(Some(&subject.login), &subject.target).is_some_and(|(target, _)| target.posix_shell);
        let read = |command: &Command| policy.commands().read(command.bytes(), posix, subject.terminal.is_some());
        let reading = subject.action.command().map(read);
        let text = subject.action.command().map(|command| String::from_utf8_lossy(command.bytes()).into_owned());
        let text = text.unwrap_or_default();
        let marks = policy.commands().marks(&text);
        let marked = marks.into_iter().filter_map(|(from, to)| text.get(from..to)).map(str::to_owned).collect();
        let before = self.0.recent.of(&request.caller.identity.principal());
        let written = self.0.recent.written((&subject.target, &subject.login), self.0.clock.now());
        Ok(Shown { request, reading, marked, before, written })
    }

    /// Judges every open request by the policy, the targets and the groups of now: what is denied outright by now is
    /// withdrawn, so that nobody is asked for it any more.
    pub(super) async fn judge_held_again(&self) {
        for request in self.0.desk.open() {
            let Request { subject, .. } = &request;
            let denied = match self.find(Some(&subject.login), &subject.target) {
                None => true,
                Some((target, login)) => {
                    let caller = self.as_of_now(&request.caller);
                    let asked = policy::Request {
                        identity: &caller.identity,
                        sign_in: &caller.sign_in,
                        action: Asked::of(&subject.action),
                        target: Some((&target, &login)),
                        owner: None,
                        now: self.0.clock.now(),
                        source: caller.source.ip(),
                        pty: subject.terminal.is_some(),
                    };
                    let policy = self.0.policy.borrow().clone();
                    matches!(policy::decide(&policy, &asked).outcome, policy::Outcome::Deny)
                }
            };
            if denied {
                self.0.desk.withdraw(request.id, "not allowed any more").await;
            }
        }
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
        let request = &self.0.desk.get(id).ok_or(approval::Fault::NotOpen)?;
        let voter = self.as_of_now(caller);
        request.check(&voter, seen, now)?;
        self.may_say(&voter, now)?;
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
