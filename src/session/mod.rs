//! A governed session, whatever the protocol: decide → record the decision → open the recording →
//! act → close.
//!
//! Knows policy, ledger and recording, and their order. Does not know SSH: a gateway asks, gets a
//! permit and two taps, and tells how it ended. Nothing here starts a task.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::approval::{Desk, Glasses};
use crate::clock::Clock;
use crate::domain::RecordId;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::{Caller, Grouping, Principal};
use crate::domain::target::{Login, Target};
use crate::ledger::{self, Ledger};
use crate::mask::fingerprint::Fingerprinter;
use crate::mask::profile::Profiles;
use crate::policy::{self, Policy};
use crate::recording::Recordings;
use crate::recording::index::Index;

mod allotted;
mod ask;
pub mod audit;
pub mod budget;
pub mod cut;
mod disk;
pub mod failures;
pub mod files;
mod forward;
pub mod glass;
mod governed;
mod hold;
mod judged;
mod jump;
pub mod keeper;
pub mod lending;
pub mod limits;
pub mod listening;
mod masking;
mod open;
pub mod people;
pub mod permit;
mod profile;
mod recent;
pub mod recover;
pub mod registry;
pub mod space;
mod standing;
pub mod tap;
mod transfer;
mod unmask;
mod votes;

pub use allotted::Allotted;
pub use ask::{Ask, Opened, Refused};
use failures::Failures;
pub use glass::Glass;
pub use governed::Governed;
pub use hold::{Hold, REMIND_EVERY, Waiting};
use limits::Limits;
pub use recent::{Began, Recent, Wrote};
use registry::Registry;
pub use standing::Standing;
pub use votes::Shown;

/// The room. Cheap to clone; clones are the same room.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Inner>);

/// What the room needs.
#[derive(Debug)]
pub struct Inner {
    /// The bastion's name, for headers.
    pub bastion: String,
    /// Where evidence goes.
    pub ledger: Ledger,
    /// Where recordings go.
    pub recordings: Recordings,
    /// Past sessions.
    pub index: Index,
    /// The time.
    pub clock: Clock,
    /// The policy in force; swapped whole.
    pub policy: watch::Receiver<Arc<Policy>>,
    /// The mask rules in force; swapped whole. A session keeps those that it began with.
    pub masks: watch::Receiver<Arc<Profiles>>,
    /// By what a secret that was hidden is recognised again.
    pub prints: Fingerprinter,
    /// The targets in force; swapped whole.
    pub targets: RwLock<Arc<Vec<Arc<Target>>>>,
    /// Who is in which group, by the config of the moment.
    pub groups: Grouping,
    /// Who was revoked.
    pub standing: Standing,
    /// Failed sign-ins, to be counted.
    pub failures: Failures,
    /// Open sessions.
    pub registry: Registry,
    /// Memory, disk and people, bounded.
    pub limits: Limits,
    /// Where what is held waits for people.
    pub desk: Desk,
    /// What began past approval, until somebody else has looked at it.
    pub glasses: Glasses,
    /// What each person began last.
    pub recent: Recent,
}

/// One open session, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<ledger::counts::Counts>);

impl Counted {
    fn new(counters: &Arc<ledger::counts::Counts>) -> Self {
        counters.sessions.fetch_add(1, Ordering::SeqCst);
        Self(counters.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Sessions {
    /// The room over its parts.
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The target that goes by `name`, with the login that `login` means there; if both exist.
    pub fn find(&self, login: Option<&str>, name: &str) -> Option<(Arc<Target>, Login)> {
        let target = self.targets().iter().find(|target| target.is_called(name)).cloned()?;
        let login = match login {
            Some(text) => Login::parse(text).ok().filter(|login| target.logins.contains(login))?,
            None => target.default_login.clone()?,
        };
        Some((target, login))
    }

    /// All targets, in the config's order.
    pub fn targets(&self) -> Arc<Vec<Arc<Target>>> {
        self.0.targets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other targets from now on. Sessions that are open go on until they are judged again.
    pub fn retarget(&self, targets: Vec<Arc<Target>>) {
        let mut now = self.0.targets.write().unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(targets);
    }

    /// How many sessions are open.
    pub fn open_count(&self) -> u64 {
        self.0.ledger.counters().sessions.load(Ordering::SeqCst)
    }

    /// Who was revoked.
    pub fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// Failed sign-ins, to be counted.
    pub fn failures(&self) -> &Failures {
        &self.0.failures
    }

    /// Memory, disk and people, bounded; and how often each bound was met.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Records that `caller` has signed in; `authority` is the fingerprint of the CA that certified them, or of the key that they proved. Returns once
    /// the record is queued: whatever the caller then asks for is recorded behind it, and waits for both.
    pub async fn signed_in(&self, caller: &Caller, authority: &str) -> Result<(), crate::ledger::Error> {
        let event = Event::AuthnSsh { method: caller.certificate.means.as_str(), authority: authority.to_owned() };
        let fact = Fact::new(RecordId::new(self.0.clock.now()), Outcome::Success, event).by(caller);
        self.0.ledger.submit(vec![fact]).await.map(drop)
    }

    /// A connection was accepted.
    pub fn count_connection(&self) {
        self.0.ledger.counters().connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Past and present sessions.
    pub fn index(&self) -> &Index {
        &self.0.index
    }

    /// Stored recordings.
    pub fn recordings(&self) -> &Recordings {
        &self.0.recordings
    }

    /// Where evidence goes.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// What policy says to `caller` doing `action` at `place`, or with a session there that is `owner`'s; nothing is
    /// recorded. A shell is judged as one in a terminal.
    pub fn judge(
        &self,
        caller: &Caller,
        action: policy::Asked<'_>,
        place: Option<(&Target, &Login)>,
        owner: Option<&Principal>,
    ) -> policy::Decision {
        let policy = self.0.policy.borrow().clone();
        let pty = action == policy::Asked::Shell;
        policy::decide(&policy, &self.question(caller, action, place, owner, pty))
    }

    /// What policy says to `caller` doing `action` at `place`, by which rules, and what came near; nothing is recorded.
    pub fn explain(
        &self,
        caller: &Caller,
        action: policy::Asked<'_>,
        place: (&Target, &Login),
        pty: bool,
    ) -> policy::Explanation {
        let policy = self.0.policy.borrow().clone();
        policy::explain(&policy, &self.question(caller, action, Some(place), None, pty))
    }

    fn question<'a>(
        &self,
        caller: &'a Caller,
        action: policy::Asked<'a>,
        place: Option<(&'a Target, &'a Login)>,
        owner: Option<&'a Principal>,
        pty: bool,
    ) -> policy::Request<'a> {
        policy::Request {
            identity: &caller.identity,
            sign_in: &caller.sign_in,
            action,
            target: place,
            owner,
            now: self.0.clock.now(),
            source: caller.source.ip(),
            pty,
        }
    }
}
