//! One request that waits for people, as a state machine: quorum, expiry, four eyes. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::id::Id;
use crate::domain::event::TargetRef;
use crate::domain::identity::{Caller, Flow, Kind, Principal};
use crate::domain::session::Action;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::policy::Terms;

/// Exactly what is asked for. Nothing of it changes once it is asked.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The target's canonical name.
    pub target: String,
    /// Its address as configured.
    pub address: String,
    /// The account there.
    pub login: String,
    /// A shell or one command.
    pub action: Action,
    /// Environment that is passed on, in order.
    pub environment: Vec<(String, String)>,
    /// `TERM`, if the client has a terminal.
    pub terminal: Option<String>,
    /// Standard input that goes with it; nothing else does, unless it is open.
    pub input: Bytes,
    /// Standard input is not part of what is asked for.
    pub open_input: bool,
    /// What else may run afterwards without being asked for.
    pub window: Option<Window>,
    /// Why, in the requester's words.
    pub reason: Option<String>,
    /// The rules that hold it.
    pub rules: Vec<String>,
    /// The policy set that held it.
    pub policy: Digest,
}

/// Further commands of the same person, there, without standard input, for so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Of exactly these classes.
    pub classes: BTreeSet<String>,
    /// Counted from the first use.
    pub span: Duration,
}

impl Subject {
    /// SHA-256 over the canonical form. Each field is preceded by its length, so that none can run into the next.
    fn digest(&self, who: &Principal, sign_in: Option<RecordId>, random: &[u8]) -> Digest {
        let mut form = b"sallyport approval request v3\n".to_vec();
        let mut field = |bytes: &[u8]| {
            form.extend((bytes.len() as u64).to_be_bytes());
            form.extend(bytes);
        };
        for text in [&self.target, &self.address, &self.login] {
            field(text.as_bytes());
        }
        field(self.action.as_str().as_bytes());
        field(self.action.command().map_or(b"", |command| command.bytes()));
        field(&(self.environment.len() as u64).to_be_bytes());
        for (name, value) in &self.environment {
            field(name.as_bytes());
            field(value.as_bytes());
        }
        field(&[u8::from(self.terminal.is_some())]);
        field(self.terminal.as_deref().unwrap_or_default().as_bytes());
        field(&(self.input.len() as u64).to_be_bytes());
        field(&Digest::of(&self.input).0);
        field(&[u8::from(self.reason.is_some())]);
        field(self.reason.as_deref().unwrap_or_default().as_bytes());
        field(who.as_str().as_bytes());
        field(sign_in.map(|record| record.to_string()).unwrap_or_default().as_bytes());
        field(&(self.rules.len() as u64).to_be_bytes());
        for rule in &self.rules {
            field(rule.as_bytes());
        }
        field(&self.policy.0);
        field(&[u8::from(self.open_input)]);
        field(&self.window.as_ref().map_or(0, |window| window.span.as_secs()).to_be_bytes());
        let classes = || self.window.iter().flat_map(|window| &window.classes);
        field(&(classes().count() as u64).to_be_bytes());
        for class in classes() {
            field(class.as_bytes());
        }
        field(random);
        Digest::of(&form)
    }

    /// What two requests for the same have in common, whenever they are made.
    pub(super) fn likeness(&self, who: &Principal) -> Digest {
        let always = Self { rules: Vec::new(), policy: Digest::of(b""), reason: None, window: None, ..self.clone() };
        always.digest(who, None, b"")
    }
}

/// Where a request stands. Everything but `Open` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Open,
    /// Enough people have agreed.
    Granted,
    /// Somebody has said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Whoever asked is gone, or what they asked for is.
    Withdrawn,
}

/// A voter proved themselves to their issuer at most so long ago.
const FRESH: Duration = Duration::from_secs(900);

impl State {
    /// The word in records and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What somebody says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// Yes.
    Approve,
    /// No. One is enough.
    Deny,
}

impl Vote {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// Whether anybody's word counts: a person's who signed in lately.
pub fn may_say(voter: &Caller, now: Timestamp) -> Result<(), Fault> {
    if voter.identity.kind != Kind::Person {
        return Err(Fault::NoPerson);
    }
    // A device sign-in may be somebody else's, who was talked into typing a code; an old one may be an open laptop's.
    let fresh = voter.sign_in.auth_time.is_some_and(|at| now.since(at) <= FRESH);
    if voter.sign_in.flow == Flow::Device || !fresh {
        return Err(Fault::Stale);
    }
    Ok(())
}

/// A request, and what was said to it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id, as people type it.
    pub id: Id,
    /// SHA-256 over its canonical form: what votes are for.
    pub digest: Digest,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// Their name in registers.
    pub who: Principal,
    /// For what.
    pub subject: Subject,
    /// What is needed.
    pub terms: Terms,
    /// Since when.
    pub asked: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    state: State,
    used: bool,
    approvers: Vec<Arc<Caller>>,
}

impl Request {
    /// Open from `now` on. `random` keeps its digest from being found by guessing.
    pub fn new(id: Id, caller: Arc<Caller>, subject: Subject, terms: Terms, now: Timestamp, random: &[u8; 32]) -> Self {
        let who = caller.identity.principal();
        let digest = subject.digest(&who, Some(caller.sign_in.record), random);
        let expires = now.plus(terms.ttl);
        let (state, used, approvers) = (State::Open, false, Vec::new());
        Self { id, digest, caller, who, subject, terms, asked: now, expires, state, used, approvers }
    }

    /// The target, as records say it.
    pub fn place(&self) -> TargetRef {
        TargetRef {
            name: self.subject.target.clone(),
            host: self.subject.address.clone(),
            login: self.subject.login.clone(),
            host_key: None,
            labels: BTreeMap::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Who has approved.
    pub fn approvers(&self) -> &[Arc<Caller>] {
        &self.approvers
    }

    /// Whether `voter` may vote on what they saw: all that does not depend on policy.
    pub fn check(&self, voter: &Caller, seen: &Digest, now: Timestamp) -> Result<(), Fault> {
        if self.state != State::Open || now >= self.expires {
            return Err(Fault::NotOpen);
        }
        if *seen != self.digest {
            return Err(Fault::Changed);
        }
        may_say(voter, now)?;
        let who = voter.identity.principal();
        if who == self.who {
            return Err(Fault::Oneself);
        }
        if self.approvers.iter().any(|one| one.identity.principal() == who) {
            return Err(Fault::Twice);
        }
        let wanted = &self.terms.approver_groups;
        let named = |voter: &Caller| voter.identity.groups.iter().any(|group| wanted.contains(group.as_str()));
        if !wanted.is_empty() && !named(voter) {
            return Err(Fault::Group);
        }
        Ok(())
    }

    /// Counts a vote. The state that it leads to.
    pub fn vote(&mut self, voter: Arc<Caller>, seen: &Digest, vote: Vote, now: Timestamp) -> Result<State, Fault> {
        self.check(&voter, seen, now)?;
        match vote {
            Vote::Deny => self.state = State::Denied,
            Vote::Approve => {
                self.approvers.push(voter);
                if self.approvers.len() >= usize::from(self.terms.quorum) {
                    self.state = State::Granted;
                }
            }
        }
        Ok(self.state)
    }

    /// Ends it without a vote. Whether it was open.
    pub fn end(&mut self, state: State) -> bool {
        let open = self.state == State::Open;
        if open {
            self.state = state;
        }
        open
    }

    /// Gives up a grant that nobody has used, or a request that is open. Whether there was one.
    pub fn lapse(&mut self) -> bool {
        let unused = self.state == State::Granted && !self.used;
        if unused {
            self.state = State::Withdrawn;
        }
        unused || self.end(State::Withdrawn)
    }

    /// Uses the grant up: whether there was one, and nobody had used it.
    pub fn take(&mut self) -> bool {
        self.state == State::Granted && !std::mem::replace(&mut self.used, true)
    }

    /// The groups of those who approved, as policy counts them.
    pub fn groups_of<'a>(approvers: impl IntoIterator<Item = &'a Arc<Caller>>) -> BTreeSet<String> {
        approvers.into_iter().flat_map(|one| &one.identity.groups).map(ToString::to_string).collect()
    }
}

/// Why a vote does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Decided, expired or withdrawn.
    #[error("this request is open no longer")]
    NotOpen,
    /// The digest is of another request.
    #[error("this is not the request that was shown: look at it again")]
    Changed,
    /// A pipeline.
    #[error("only people vote")]
    NoPerson,
    /// Signed in too long ago, or by the device flow.
    #[error(
        "a vote needs a sign-in of the last 15 minutes with a browser or sallyport login: sign in again, then vote"
    )]
    Stale,
    /// The requester.
    #[error("nobody votes on what they asked for themselves")]
    Oneself,
    /// A second vote.
    #[error("you have voted on this request already")]
    Twice,
    /// No rule lets them.
    #[error("no rule lets you vote on this request")]
    Policy,
    /// Of another issuer than the one that approvers come from.
    #[error("approvers come from another issuer than yours: sign in by that one")]
    Issuer,
    /// From an address of a target.
    #[error("a vote is not taken from a target, or from the bastion itself: vote from your own machine")]
    FromTarget,
    /// In none of the groups.
    #[error("the rule that holds this names groups of approvers, and you are in none of them")]
    Group,
}

#[cfg(test)]
pub(super) mod tests;
