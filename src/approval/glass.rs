//! Sessions that began past approval, each until somebody else has looked at it.
//!
//! A register that follows the ledger, and is made anew from it. Holds no free text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::id::Id;
use crate::domain::Timestamp;
use crate::domain::identity::{Caller, Flow, Identity, IssuerName, Kind, Principal};
use crate::domain::session::SessionId;
use crate::ledger::entry::Entry;
use crate::store::{self, Key, Registers, Swap, SwapError};

/// Whoever breaks it proved themselves to their issuer at most so long ago.
const FRESH: Duration = Duration::from_secs(300);
/// Registers read at once.
const PAGE: usize = 256;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its id, as people type it.
    pub id: Id,
    /// The session that it is for.
    pub session: SessionId,
    /// Whose.
    pub principal: Principal,
    /// Display name.
    pub name: String,
    /// The target's canonical name.
    pub target: String,
    /// The account there.
    pub login: String,
    /// Since when.
    pub at: Timestamp,
}

/// All that nobody has reviewed. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct Glasses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registers: Registers,
    open: Mutex<BTreeMap<Id, Broken>>,
}

/// A place for one that is not recorded yet. Dropped, it is free again.
#[derive(Debug)]
pub struct Place {
    glasses: Glasses,
    broken: Broken,
    kept: bool,
}

impl Broken {
    /// Who broke it, as far as that is needed to tell humans apart.
    pub fn identity(&self) -> Option<Identity> {
        let (issuer, subject) = self.principal.parts()?;
        Some(Identity {
            issuer: IssuerName::parse(&issuer)?,
            issuer_url: String::new(),
            subject,
            kind: Kind::Person,
            name: self.name.clone(),
            groups: Vec::new(),
            claims: BTreeMap::new(),
        })
    }
}

/// Whether `caller` may break it at all: all that does not depend on policy.
pub fn check(caller: &Caller, now: Timestamp) -> Result<(), Fault> {
    if caller.identity.kind != Kind::Person {
        return Err(Fault::NoPerson);
    }
    // A device sign-in may be somebody else's, who was talked into typing a code; an old one may be an open laptop's.
    let fresh = caller.sign_in.auth_time.is_some_and(|at| now.since(at) <= FRESH);
    if caller.sign_in.flow == Flow::Device || !fresh {
        return Err(Fault::Stale);
    }
    Ok(())
}

impl Glasses {
    /// Over these registers; empty until [`Glasses::load`].
    pub fn new(registers: Registers) -> Self {
        Self(Arc::new(Inner { registers, open: Mutex::default() }))
    }

    /// Reads what is stored.
    pub async fn load(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.0.registers.scan(&Key::of(&[GLASS]), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (_, bytes) in page {
                let broken = decode(&bytes).ok_or(Error::Damaged)?;
                self.lock().insert(broken.id, broken);
            }
        }
    }

    /// A place for one more, unless one of those that count for its person is open: that one's id is the error then.
    pub fn enter(&self, broken: Broken, counts: impl Fn(&Broken) -> bool) -> Result<Place, Id> {
        let mut open = self.lock();
        if let Some(other) = open.values().find(|other| counts(other)) {
            return Err(other.id);
        }
        open.insert(broken.id, broken.clone());
        drop(open);
        Ok(Place { glasses: self.clone(), broken, kept: false })
    }

    /// Each that nobody has reviewed, the oldest first.
    pub fn open(&self) -> Vec<Broken> {
        let mut open: Vec<Broken> = self.lock().values().cloned().collect();
        open.sort_by_key(|broken| broken.at);
        open
    }

    /// One that nobody has reviewed.
    pub fn get(&self, id: Id) -> Option<Broken> {
        self.lock().get(&id).cloned()
    }

    /// It is reviewed. `follows`: ledger index + 1 of the entry that says so.
    pub async fn reviewed(&self, id: Id, follows: u64) -> Result<(), Error> {
        let expected = self.0.registers.get(&key(id)).await?;
        if expected.is_some() {
            self.0.registers.swap(vec![Swap { key: key(id), expected, new: None }], follows).await?;
        }
        self.lock().remove(&id);
        Ok(())
    }

    /// What an entry of the ledger says of it, at a start.
    pub async fn follow(&self, entry: &Entry, follows: u64) -> Result<(), Error> {
        match entry.kind() {
            "approval.break_glass" => match said(entry) {
                Some(broken) => self.put(broken, follows).await,
                None => Ok(()),
            },
            "approval.break_glass_reviewed" => match entry.body().text("id").and_then(Id::parse) {
                Some(id) => self.reviewed(id, follows).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    async fn put(&self, broken: Broken, follows: u64) -> Result<(), Error> {
        let new = Some(encode(&broken)?.into());
        match self.0.registers.swap(vec![Swap { key: key(broken.id), expected: None, new }], follows).await {
            // Noted before: replaying the ledger says the same again.
            Ok(()) | Err(SwapError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.lock().insert(broken.id, broken);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Broken>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Which it is for.
    pub fn broken(&self) -> &Broken {
        &self.broken
    }

    /// It is in the ledger: it stays until it is reviewed. `follows`: ledger index + 1 of the entry that says so.
    pub async fn keep(mut self, follows: u64) -> Result<(), Error> {
        // Also if the register does not take it: this process knows, and the next one reads the ledger.
        self.kept = true;
        self.glasses.put(self.broken.clone(), follows).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            self.glasses.lock().remove(&self.broken.id);
        }
    }
}

/// What a record says.
fn said(entry: &Entry) -> Option<Broken> {
    let (body, target) = (entry.body(), entry.target()?);
    Some(Broken {
        id: Id::parse(body.text("id")?)?,
        session: entry.session()?,
        principal: Principal::parse(body.text("principal")?)?,
        name: entry.actor().text("name").unwrap_or_default().to_owned(),
        target: target.text("name")?.to_owned(),
        login: target.text("login")?.to_owned(),
        at: entry.time(),
    })
}

const GLASS: &[u8] = b"glass";

fn key(id: Id) -> Key {
    Key::of(&[GLASS, id.to_string().as_bytes()])
}

/// The stored form. A format is a promise: fields are only ever added.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    session: String,
    principal: String,
    name: String,
    target: String,
    login: String,
    at: i64,
}

fn encode(broken: &Broken) -> Result<Vec<u8>, Error> {
    let stored = Stored {
        id: broken.id.to_string(),
        session: broken.session.to_string(),
        principal: broken.principal.as_str().to_owned(),
        name: broken.name.clone(),
        target: broken.target.clone(),
        login: broken.login.clone(),
        at: broken.at.micros(),
    };
    serde_json::to_vec(&stored).map_err(|_| Error::Damaged)
}

fn decode(bytes: &[u8]) -> Option<Broken> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    Some(Broken {
        id: Id::parse(&stored.id)?,
        session: SessionId::parse(&stored.session)?,
        principal: Principal::parse(&stored.principal)?,
        name: stored.name,
        target: stored.target,
        login: stored.login,
        at: Timestamp::from_micros(stored.at),
    })
}

/// Why it is not broken, or not reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// A pipeline.
    #[error("only people break the glass")]
    NoPerson,
    /// Signed in too long ago, or by the device flow.
    #[error(
        "this needs a sign-in of the last 5 minutes with a browser or sallyport login: sign in again, then ask again"
    )]
    Stale,
    /// One of theirs is open.
    #[error(
        "{0} of yours is not reviewed yet: somebody else has to say 'break-glass --review {0} --finding TEXT' first"
    )]
    Open(Id),
    /// Nobody is there to be alerted.
    #[error("nobody would hear of it: the bastion has no [[notify]] channel, and no rule lets it begin without")]
    NoChannel,
    /// No channel took the alert.
    #[error("no channel took the alert, so it does not begin; tell somebody, then ask again")]
    NotAlerted,
    /// Unknown, reviewed already, or not for this caller.
    #[error("{0} waits for no review of yours; 'break-glass --list' says what does")]
    NotOpen(Id),
}

/// Why the register could not answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The store.
    #[error("register of sessions past approval")]
    Store(#[from] store::Error),
    /// Somebody else changed it in between.
    #[error("register of sessions past approval changed meanwhile")]
    Swap(#[from] SwapError),
    /// Stored bytes that are not ours.
    #[error("register of sessions past approval is damaged; 'store rebuild' makes it anew from the log")]
    Damaged,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    fn broken(id: u64, who: &str) -> Broken {
        let at = Timestamp::from_secs(1_800_000_000 + id as i64);
        Broken {
            id: Id::from_random(id),
            session: SessionId::from_parts(at, u128::from(id)),
            principal: Principal::of(&IssuerName::parse("corp").unwrap(), who),
            name: who.to_owned(),
            target: "db1".to_owned(),
            login: "root".to_owned(),
            at,
        }
    }

    #[tokio::test]
    async fn each_person_has_one_until_it_is_reviewed_across_restarts() {
        let memory = Memory::new();
        let glasses = Glasses::new(memory.registers());
        let of = |who: &'static str| move |other: &Broken| other.name == who;
        let place = glasses.enter(broken(1, "alice"), of("alice")).unwrap();
        assert_eq!(glasses.enter(broken(2, "alice"), of("alice")).unwrap_err(), Id::from_random(1));
        drop(place);
        let place = glasses.enter(broken(2, "alice"), of("alice")).unwrap();
        place.keep(1).await.unwrap();
        glasses.enter(broken(3, "bob"), of("bob")).unwrap().keep(2).await.unwrap();
        let again = Glasses::new(memory.registers());
        again.load().await.unwrap();
        assert_eq!(again.open(), [broken(2, "alice"), broken(3, "bob")]);
        assert!(again.enter(broken(4, "alice"), of("alice")).is_err());
        again.reviewed(Id::from_random(2), 3).await.unwrap();
        again.reviewed(Id::from_random(2), 3).await.unwrap();
        assert!(again.enter(broken(4, "alice"), of("alice")).is_ok());
        let last = Glasses::new(memory.registers());
        last.load().await.unwrap();
        assert_eq!(last.open(), [broken(3, "bob")]);
    }

    #[test]
    fn who_broke_it_is_known_by_issuer_and_subject() {
        let identity = broken(1, "alice").identity().unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), ("corp", "alice"));
    }
}
