//! A human in the way, on purpose: the desk where requests wait for people.
//!
//! Every step is in the ledger before it has an effect: a request before anybody sees it, a vote before it counts, an end
//! before whoever waits hears of it. Nothing here starts a task, and nothing here decides who may vote: `session` asks policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info};

use crate::clock::Clock;
use crate::domain::event::held::{Requested, Resolved, Voted};
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::{Caller, IssuerName, Principal};
use crate::domain::{Digest, RecordId, Text, Timestamp};
use crate::ledger::{self, Ledger};
use crate::policy::Terms;

pub mod glass;
pub mod id;
pub mod notify;
mod recover;
pub mod request;

use glass::Broken;
pub use glass::Glasses;
pub use id::Id;
use notify::{Alert, Came, Notices, told};
pub use request::{Fault, Request, State, Subject, Vote, Window};

/// Waiting is looked at so often at least: a clock that steps must not keep a request open.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Who may vote, and how much may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Only people of this issuer vote; without one, whomever policy lets.
    pub issuer: Option<IssuerName>,
    /// Open requests of one person.
    pub per_person: usize,
    /// Open requests for one target.
    pub per_target: usize,
    /// What was denied is not asked again for so long.
    pub denied_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { issuer: None, per_person: 5, per_target: 20, denied_for: Duration::from_secs(600) }
    }
}

/// The desk. Cheap to clone; clones are the same desk.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    state: Mutex<Requests>,
    /// Told of every change to what is open.
    changes: watch::Sender<()>,
    notices: Notices,
}

#[derive(Debug, Default)]
struct Requests {
    open: BTreeMap<Id, Open>,
    /// What was denied, and until when it is not asked again.
    denied: Vec<(Digest, Timestamp)>,
    /// Requests that were left without a word: their end is still to be recorded.
    left: Vec<Request>,
    /// What was agreed to for a while, and until when.
    windows: Vec<(Request, Timestamp)>,
}

#[derive(Debug)]
struct Open {
    request: Request,
    place: TargetRef,
    /// The final state, once it is in the ledger, and who said why.
    told: watch::Sender<Option<(State, String)>>,
}

/// A request that somebody waits for. Dropped, it is withdrawn.
#[derive(Debug)]
pub struct Held {
    desk: Desk,
    id: Id,
    told: watch::Receiver<Option<(State, String)>>,
}

/// A grant that was taken: nobody else has it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The request as it was granted.
    pub request: Request,
    /// It was used before, and holds for its like.
    pub again: bool,
}

impl Desk {
    /// Nothing is open. People elsewhere are told through `notices`.
    pub fn new(settings: Settings, ledger: Ledger, clock: Clock, notices: Notices) -> Self {
        Self(Arc::new(Inner {
            settings,
            ledger,
            clock,
            state: Mutex::default(),
            changes: watch::Sender::new(()),
            notices,
        }))
    }

    /// Opens a request; it is in the ledger then. `because` is the record of the decision that held it.
    pub async fn submit(
        &self,
        caller: &Arc<Caller>,
        subject: Subject,
        terms: Terms,
        place: TargetRef,
        because: RecordId,
    ) -> Result<Held, Error> {
        self.tidy().await?;
        let now = self.0.clock.now();
        let (id, random) = (self.new_id(), random()?);
        let request = Request::new(id, caller.clone(), subject, terms, now, &random);
        let fact = asked(&request, &place, because, now);
        let (told, heard) = watch::channel(None);
        {
            let mut all = self.lock();
            all.admit(&self.0.settings, &request, now)?;
            all.open.insert(id, Open { request, place, told });
        }
        let held = Held { desk: self.clone(), id, told: heard };
        // Whoever looks before this is durable sees a request that cannot be granted yet: a vote is appended behind it.
        self.0.ledger.append_one(fact).await?;
        self.0.changes.send_replace(());
        if let Some(request) = held.request() {
            let full = self.0.notices.requested(&request, self.0.clock.now());
            self.not_told(full, "approval.requested", id).await?;
        }
        info!(request = %id, "held");
        Ok(held)
    }

    /// Whether people of this issuer vote.
    pub fn takes_votes_of(&self, issuer: &IssuerName) -> bool {
        self.0.settings.issuer.as_ref().is_none_or(|only| only == issuer)
    }

    /// Told whenever something is asked, voted on or at an end.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Every open request, the oldest first.
    pub fn open(&self) -> Vec<Request> {
        let now = self.0.clock.now();
        let mut open: Vec<Request> = self.lock().open.values().map(|open| open.request.clone()).collect();
        open.retain(|request| request.state() == State::Open && now < request.expires);
        open.sort_by_key(|request| request.asked);
        open
    }

    /// One that is open.
    pub fn get(&self, id: Id) -> Option<Request> {
        let now = self.0.clock.now();
        let request = self.lock().open.get(&id).map(|open| open.request.clone())?;
        (request.state() == State::Open && now < request.expires).then_some(request)
    }

    /// Counts a vote, once it is in the ledger behind `decided`, the record that the voter may vote.
    pub async fn vote(
        &self,
        id: Id,
        voter: &Arc<Caller>,
        seen: &Digest,
        (vote, comment): (Vote, Option<&str>),
        decided: Fact,
    ) -> Result<State, Error> {
        let now = self.0.clock.now();
        let (digest, place) = {
            let all = self.lock();
            let open = all.open.get(&id).ok_or(Fault::NotOpen)?;
            open.request.check(voter, seen, now)?;
            (open.request.digest, open.place.clone())
        };
        let said = comment.map(|text| Text::new(text.to_owned()));
        let voted = Event::ApprovalVoted(Voted { id: id.to_string(), digest, vote: vote.as_str(), comment: said });
        let mut fact = Fact::new(RecordId::new(now), Outcome::Success, voted).by(voter).towards(place);
        fact.refs.push(decided.id);
        self.0.ledger.append(vec![decided, fact]).await?;
        // Checked again: another vote, or the end, may have come while this one was written.
        let (state, request) = {
            let mut all = self.lock();
            let open = all.open.get_mut(&id).ok_or(Fault::NotOpen)?;
            let state = open.request.vote(voter.clone(), seen, vote, self.0.clock.now())?;
            (state, open.request.clone())
        };
        match state {
            State::Open => {
                self.0.changes.send_replace(());
            }
            State::Denied => {
                let likeness = request.subject.likeness(&request.who);
                let until = self.0.clock.now().plus(self.0.settings.denied_for);
                self.lock().denied.push((likeness, until));
                let why = match comment {
                    Some(why) => format!("{}: {}", voter.identity.name, why),
                    None => voter.identity.name.clone(),
                };
                self.resolved(id, "denied by an approver", why).await?;
            }
            _ => self.resolved(id, "quorum", String::new()).await?,
        }
        Ok(state)
    }

    /// Records the end that a request has come to, then tells whoever waits.
    async fn resolved(&self, id: Id, reason: &'static str, why: String) -> Result<(), Error> {
        let now = self.0.clock.now();
        let open = self.lock().open.get(&id).map(|open| (open.request.clone(), open.place.clone()));
        let Some((request, place)) = open else { return Ok(()) };
        let recorded = self.0.ledger.append_one(ended(&request, &place, reason, now)).await;
        if let Some(open) = self.lock().open.get(&id) {
            // An end that is in no ledger has no effect but this: nobody waits for it, and nothing runs.
            let state = if recorded.is_ok() { open.request.state() } else { State::Withdrawn };
            open.told.send_replace(Some((state, why)));
        }
        self.0.changes.send_replace(());
        recorded?;
        let full = self.0.notices.resolved(&request, reason, now);
        self.not_told(full, "approval.resolved", id).await
    }

    /// Tells everybody elsewhere that a session is about to begin past approval.
    pub async fn alert(&self, broken: &Broken, reason: &str) -> Result<Alert, Error> {
        let mut alert = self.0.notices.broken(broken, reason, self.0.clock.now());
        self.not_told(std::mem::take(&mut alert.full), "approval.break_glass", broken.id).await?;
        Ok(alert)
    }

    /// Records which channels were full, so that nobody there was told.
    async fn not_told(&self, full: Vec<String>, event: &'static str, id: Id) -> Result<(), Error> {
        let (now, about) = (self.0.clock.now(), id.to_string());
        let came = Came { attempts: 0, reason: Some("too many waited") };
        let facts: Vec<Fact> = full.iter().map(|name| told(now, (name, event, &about), came)).collect();
        if !facts.is_empty() {
            self.0.ledger.append(facts).await?;
        }
        Ok(())
    }

    /// Withdraws one that is still open; `reason` is for the record and for whoever waits.
    pub async fn withdraw(&self, id: Id, reason: &'static str) {
        if let Err(cause) = self.end(id, State::Withdrawn, reason).await {
            error!(request = %id, error = ?cause, "ledger does not take that a request is withdrawn");
        }
    }

    /// Somebody does something at `target` as `login` that may change what others were shown: their other requests there
    /// are withdrawn. `but` is the one that is being used.
    pub async fn disturb(&self, who: &Principal, (target, login): (&str, &str), but: Option<Id>) {
        let theirs = |request: &Request| {
            let place = request.subject.target == target && request.subject.login == login;
            place && Some(request.id) != but && request.who == *who
        };
        let open: Vec<Id> = {
            let mut all = self.lock();
            all.windows.retain(|(request, _)| !theirs(request));
            all.open.values().filter(|open| theirs(&open.request)).map(|open| open.request.id).collect()
        };
        for id in open {
            self.withdraw(id, "the requester did something else there meanwhile").await;
        }
    }

    /// What people have agreed to for a while: a grant that holds for a command of exactly these classes too.
    pub fn within(
        &self,
        who: &Principal,
        (target, login): (&str, &str),
        environment: &[(String, String)],
        classes: &BTreeSet<String>,
    ) -> Option<Granted> {
        let now = self.0.clock.now();
        let mut all = self.lock();
        all.windows.retain(|(_, until)| now < *until);
        let fits = |(request, _): &&(Request, Timestamp)| {
            let subject = &request.subject;
            request.who == *who
                && (subject.target.as_str(), subject.login.as_str()) == (target, login)
                && subject.environment == environment
                && subject.window.as_ref().is_some_and(|window| window.classes == *classes)
        };
        all.windows.iter().find(fits).map(|(request, _)| Granted { request: request.clone(), again: true })
    }

    /// Ends a request that is still open, and says so.
    async fn end(&self, id: Id, state: State, reason: &'static str) -> Result<(), Error> {
        let ended = self.lock().open.get_mut(&id).is_some_and(|open| match state {
            // Also a grant that is not used yet.
            State::Withdrawn => open.request.lapse(),
            state => open.request.end(state),
        });
        if ended { self.resolved(id, reason, reason.to_owned()).await } else { Ok(()) }
    }

    /// Records the end of what was left without a word.
    async fn tidy(&self) -> Result<(), Error> {
        let left = std::mem::take(&mut self.lock().left);
        let now = self.0.clock.now();
        let facts: Vec<Fact> = left.iter().map(|request| ended(request, &request.place(), "left", now)).collect();
        if facts.is_empty() {
            return Ok(());
        }
        self.0.ledger.append(facts).await?;
        Ok(())
    }

    fn new_id(&self) -> Id {
        let all = self.lock();
        loop {
            let id = Id::from_random(crate::domain::random_bits() as u64);
            if !all.open.contains_key(&id) {
                return id;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn admit(&mut self, settings: &Settings, request: &Request, now: Timestamp) -> Result<(), Error> {
        self.denied.retain(|(_, until)| now < *until);
        let likeness = request.subject.likeness(&request.who);
        if self.denied.iter().any(|(denied, _)| *denied == likeness) {
            return Err(Error::JustDenied(settings.denied_for));
        }
        let open = || self.open.values().map(|open| &open.request);
        if open().filter(|other| other.who == request.who).count() >= settings.per_person {
            return Err(Error::TooManyOfOne(settings.per_person));
        }
        if open().filter(|other| other.subject.target == request.subject.target).count() >= settings.per_target {
            return Err(Error::TooManyForTarget(settings.per_target));
        }
        Ok(())
    }
}

impl Held {
    /// The request as it stands.
    pub fn request(&self) -> Option<Request> {
        self.desk.lock().open.get(&self.id).map(|open| open.request.clone())
    }

    /// Waits for the end of it: the state, and who said why. Loses nothing when it is dropped while it waits.
    pub async fn ends(&mut self) -> Result<(State, String), Error> {
        loop {
            if let Some(told) = self.told.borrow_and_update().clone() {
                return Ok(told);
            }
            let Some(request) = self.request() else { return Ok((State::Withdrawn, String::new())) };
            let left = request.expires.since(self.desk.0.clock.now());
            if left.is_zero() {
                self.desk.end(self.id, State::Expired, "nobody answered in time").await?;
            }
            // One that has ended tells of it, whoever ended it; an open one is looked at again when its time is up.
            let patience = if left.is_zero() { LOOK_EVERY } else { left.min(LOOK_EVERY) };
            if let Ok(Err(_)) = timeout(patience, self.told.changed()).await {
                return Ok((State::Withdrawn, String::new()));
            }
        }
    }

    /// Nobody waits any more.
    pub async fn withdraw(self, reason: &'static str) {
        self.desk.withdraw(self.id, reason).await;
    }

    /// Takes the grant, if there is one. It is used up then.
    pub fn take(self) -> Option<Granted> {
        let mut all = self.desk.lock();
        let granted = all.open.get_mut(&self.id).filter(|open| open.request.state() == State::Granted);
        let granted = granted.and_then(|open| open.request.take().then(|| open.request.clone()));
        let granted = granted.map(|request| Granted { request, again: false });
        if let Some((request, window)) =
            granted.as_ref().and_then(|one| Some((&one.request, one.request.subject.window.as_ref()?)))
        {
            all.windows.push((request.clone(), self.desk.0.clock.now().plus(window.span)));
        }
        // Before this is dropped, which takes the lock too.
        drop(all);
        granted
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.desk.lock();
        if let Some(Open { mut request, .. }) = all.open.remove(&self.id)
            && request.lapse()
        {
            all.left.push(request);
            self.desk.0.changes.send_replace(());
        }
    }
}

fn asked(request: &Request, place: &TargetRef, because: RecordId, now: Timestamp) -> Fact {
    let (subject, terms) = (&request.subject, &request.terms);
    let event = Event::ApprovalRequested(Requested {
        id: request.id.to_string(),
        digest: request.digest,
        quorum: u64::from(terms.quorum),
        groups: terms.approver_groups.iter().cloned().collect(),
        rules: subject.rules.clone(),
        policy: subject.policy,
        expires: request.expires,
        action: subject.action.as_str(),
        command: subject.action.command().map(|command| Text::new(command.bytes().clone())),
        reason: subject.reason.clone().map(Text::new),
        pty: subject.terminal.is_some(),
        input: subject.input.len() as u64,
        open_input: subject.open_input,
        window: subject.window.as_ref().map(|one| (one.classes.iter().cloned().collect(), one.span.as_secs())),
    });
    let mut fact = Fact::new(RecordId::new(now), Outcome::Hold, event).by(&request.caller).towards(place.clone());
    fact.refs.push(because);
    fact
}

fn ended(request: &Request, place: &TargetRef, reason: &'static str, now: Timestamp) -> Fact {
    let state = request.state();
    let outcome = if state == State::Granted { Outcome::Success } else { Outcome::Failure };
    let event = Event::ApprovalResolved(Resolved {
        id: request.id.to_string(),
        digest: request.digest,
        state: state.as_str(),
        reason,
    });
    Fact::new(RecordId::new(now), outcome, event).by(&request.caller).towards(place.clone())
}

fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// Why the desk did not do it.
#[derive(Debug, Error)]
pub enum Error {
    /// The vote does not count.
    #[error(transparent)]
    Vote(#[from] Fault),
    /// The same was denied a moment ago.
    #[error("the same was denied less than {} minutes ago", .0.as_secs().div_ceil(60))]
    JustDenied(Duration),
    /// Of one person.
    #[error("{0} requests of yours are open already")]
    TooManyOfOne(usize),
    /// For one target.
    #[error("{0} requests for this target are open already")]
    TooManyForTarget(usize),
    /// The system's random source.
    #[error("the system gives no random bytes")]
    Random,
    /// An entry of the ledger is none.
    #[error("entry of the ledger")]
    Entry(#[from] ledger::entry::Error),
    /// The ledger.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
}
