//! From ID token to certificate, and from certificate to who is calling.
//!
//! `login` is the whole exchange, in order; there is no other way to a user certificate. Knows issuers, keys
//! and serials. Does not know SSH connections, HTTP or targets, and decides by `policy` alone who
//! may have a certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::keys::ssh_key::HashAlg;
use tokio::sync::watch;
use zeroize::Zeroizing;

mod admit;
pub mod audit;
mod ca;
pub mod certificate;
mod live;
mod login;
pub mod pending;
pub mod profile;
pub mod proof;
pub mod provider;
pub mod reason;
mod register;
mod revocation;
#[cfg(test)]
pub(crate) mod tests;
pub mod token;

pub use admit::{Refusal, RememberedKey};
pub use ca::{Credential, Submitted, TargetAsk};
pub use login::{Issued, LoginError};
pub use revocation::{Revocation, Unnamed, Void};

use crate::clock::Clock;
use crate::domain::event::Fact;
use crate::domain::identity::{Flow, Grouping, IssuerName, Kind};
use crate::ledger::{self, Ledger, Receipt};
use crate::policy::Policy;
use crate::signer::{self, Signer};
use crate::store::{self, Registers};
use live::State;
use profile::{IssuerSettings, SettingsFault};
use proof::Proof;
use provider::{FetchError, Provider};
use register::Cursor;

/// What this room needs to know.
#[derive(Clone)]
pub struct Settings {
    /// The bastion's name, in proofs and audiences.
    pub bastion: String,
    /// Who may vouch for whom.
    pub issuers: Vec<IssuerSettings>,
    /// Which groups an identity is in.
    pub groups: Grouping,
    /// Everything that follows from a person's sign-in ends so long after it.
    pub sign_in_age: Duration,
    /// The longest life of a person's certificate.
    pub person_certificate: Duration,
    /// The life of a pipeline's certificate.
    pub pipeline_certificate: Duration,
    /// How long a plain key that was proved at a sign-in stands for its person; zero: on that connection only.
    pub remember: Duration,
    /// Address of the bastion's HTTP side as browsers reach it, without a slash at the end; none, and nobody signs in by page.
    pub page: Option<String>,
    /// How long an issuer's cached keys are used while it cannot be reached.
    pub stale_keys: Duration,
}

impl Settings {
    /// The defaults: 8 h for people, 10 min for pipelines, 4 h without an issuer.
    pub fn new(bastion: &str, issuers: Vec<IssuerSettings>, groups: Grouping) -> Self {
        Self {
            bastion: bastion.to_owned(),
            issuers,
            groups,
            sign_in_age: Duration::from_secs(8 * 3600),
            person_certificate: Duration::from_secs(8 * 3600),
            pipeline_certificate: Duration::from_secs(600),
            remember: Duration::from_secs(8 * 3600),
            page: None,
            stale_keys: Duration::from_secs(4 * 3600),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("bastion", &self.bastion)
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

/// A token and a key, to be traded for a certificate.
pub struct Exchange {
    /// The ID token, as sent.
    pub token: Zeroizing<String>,
    /// The key to certify.
    pub public_key: PublicKey,
    /// That its holder is here.
    pub proof: Proof,
    /// The random bytes of the nonce, where the nonce binds.
    pub nonce_random: Option<[u8; 32]>,
    /// How the client says that the token was got. It can only make the sign-in count for less.
    pub flow: Option<Flow>,
    /// From where.
    pub source: SocketAddr,
}

/// Everybody who signed in, and the way there. Cheap to clone; clones are the same room.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    settings: Settings,
    /// By `iss`, byte for byte.
    providers: BTreeMap<String, Provider>,
    ledger: Ledger,
    registers: Registers,
    signer: Signer,
    clock: Clock,
    policy: watch::Receiver<Arc<Policy>>,
    state: Mutex<State>,
    /// Whoever holds it takes the next serial.
    turn: tokio::sync::Mutex<Turn>,
    flights: Mutex<Flights>,
    told: watch::Sender<u64>,
    refusals: login::Refusals,
    desk: pending::Desk,
}

struct Turn {
    serial: u64,
    /// The replay cursor as stored.
    cursor: u64,
}

/// Entries that may be in the ledger and not yet in the registers: replay must begin before them.
#[derive(Default)]
struct Flights {
    next: u64,
    floors: BTreeSet<(u64, u64)>,
}

/// One of them. Dropped without landing, it keeps the cursor back until the next start.
struct Flight(u64, u64);

/// The cursor moves on in steps of so many entries.
const CURSOR_STEP: u64 = 1024;

/// Which claim names a job, by issuer.
fn job_claims(settings: &Settings) -> register::Jobs {
    let named = settings.issuers.iter().filter_map(|issuer| Some((issuer.name.to_string(), issuer.profile.job?)));
    named.collect()
}

impl Identities {
    /// Reads the registers, replays what the ledger has beyond them, and refuses settings under which strangers
    /// could sign in.
    pub async fn open(
        settings: Settings,
        ledger: Ledger,
        registers: Registers,
        signer: Signer,
        clock: Clock,
        policy: watch::Receiver<Arc<Policy>>,
    ) -> Result<Self, Error> {
        let mut providers = BTreeMap::new();
        let jobs = job_claims(&settings);
        for issuer in &settings.issuers {
            if let Some(fault) = issuer.faults().first() {
                return Err(Error::Issuer { name: issuer.name.clone(), fault: *fault });
            }
            let provider = Provider::new(issuer.clone(), settings.stale_keys, clock.clone())?;
            if providers.insert(issuer.url.clone(), provider).is_some() {
                return Err(Error::SameIssuer { url: issuer.url.clone() });
            }
        }
        let (state, Cursor { entry: cursor, serial }) = register::open(&registers, &ledger, &jobs, clock.now()).await?;
        ledger.counters().next_serial.store(serial, std::sync::atomic::Ordering::Relaxed);
        Ok(Self(Arc::new(Inner {
            settings,
            providers,
            ledger,
            registers,
            signer,
            clock,
            policy,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(Turn { serial, cursor }),
            flights: Mutex::default(),
            told: watch::Sender::new(0),
            refusals: login::Refusals::default(),
            desk: pending::Desk::default(),
        })))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The authorities' public keys: user, target, host.
    pub fn authorities(&self) -> [(&'static str, &PublicKey); 3] {
        let signer = &self.0.signer;
        [("user", signer.user_ca()), ("target", signer.target_ca()), ("host", signer.host_ca())]
    }

    /// How many certificates live.
    pub fn live(&self) -> usize {
        self.state().len()
    }

    /// Takes the next serial and queues the facts that `prepare` makes with it, in one step. The serial is not
    /// spent if that fails.
    async fn in_turn<T>(
        &self,
        prepare: impl FnOnce(u64) -> Result<(Vec<Fact>, T), Error>,
    ) -> Result<(T, ledger::Pending), Error> {
        let mut turn = self.turn().await;
        let (facts, value) = prepare(turn.serial)?;
        let pending = self.0.ledger.submit(facts).await.map_err(Error::Ledger)?;
        turn.serial += 1;
        let counters = self.0.ledger.counters();
        counters.next_serial.store(turn.serial, std::sync::atomic::Ordering::Relaxed);
        counters.certificates.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok((value, pending))
    }

    /// Something is about to enter the ledger that the registers do not have yet.
    fn take_off(&self) -> Flight {
        let floor = self.0.ledger.size();
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.next += 1;
        let flight = Flight(floor, flights.next);
        flights.floors.insert((flight.0, flight.1));
        flight
    }

    /// It is in the ledger: now in the registers too.
    async fn land(&self, flight: Flight, changes: Vec<register::Change>, receipts: &[Receipt]) -> Result<(), Error> {
        let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
        register::put(&self.0.registers, changes, follows).await?;
        let floor = {
            let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.floors.remove(&(flight.0, flight.1));
            flights.floors.first().map_or(follows, |(floor, _)| *floor)
        };
        // Whoever holds the turn is in the middle of something: the next one moves the cursor.
        if let Ok(mut turn) = self.0.turn.try_lock()
            && floor >= turn.cursor + CURSOR_STEP
        {
            let cursor = Cursor { entry: floor, serial: turn.serial };
            register::put(&self.0.registers, vec![register::cursor(cursor)], follows).await?;
            turn.cursor = floor;
        }
        Ok(())
    }

    /// It never left the ground.
    fn forget(&self, flight: Flight) {
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.floors.remove(&(flight.0, flight.1));
    }

    async fn turn(&self) -> tokio::sync::MutexGuard<'_, Turn> {
        self.0.turn.lock().await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn signer(&self) -> &Signer {
        &self.0.signer
    }

    fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    fn tell(&self) {
        self.0.told.send_modify(|count| *count += 1);
    }

    fn told(&self) -> watch::Receiver<u64> {
        self.0.told.subscribe()
    }

    fn life(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Person => self.0.settings.person_certificate,
            Kind::Pipeline => self.0.settings.pipeline_certificate,
        }
    }

    fn sign_in_age(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Person => self.0.settings.sign_in_age,
            Kind::Pipeline => self.0.settings.pipeline_certificate,
        }
    }
}

/// Whether a plain key is of a kind that may stand for somebody.
pub fn may_be_remembered(key: &PublicKey) -> bool {
    signer::check_key(key).is_ok()
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} live)", self.live())
    }
}

/// What goes wrong on our side.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger takes nothing: nothing may be done that needs it.
    #[error("the ledger takes no entry")]
    Ledger(#[source] ledger::Error),
    /// The signer refused.
    #[error("no signature")]
    Signer(#[from] signer::Error),
    /// The registers cannot be read or written.
    #[error("the registers cannot be used")]
    Store(#[source] store::Error),
    /// A register or entry cannot be read.
    #[error("a register or ledger entry cannot be read: run `sallyport store check`")]
    Damaged,
    /// The log is older than the registers.
    #[error("the registers follow entry {follows}, the log has {size}: it was restored from an older copy")]
    LogRestored {
        /// What the registers follow.
        follows: u64,
        /// What the log has.
        size: u64,
    },
    /// An issuer's settings would let strangers in.
    #[error("issuer {name}")]
    Issuer {
        /// Which.
        name: IssuerName,
        /// What is wrong.
        #[source]
        fault: SettingsFault,
    },
    /// One address under two names.
    #[error("two issuers have the address {url}")]
    SameIssuer {
        /// The address.
        url: String,
    },
    /// An issuer cannot be asked.
    #[error("an issuer cannot be asked")]
    Provider(#[from] FetchError),
    /// The forced command is not text.
    #[error(transparent)]
    NotText(#[from] certificate::NotText),
    /// The identity was revoked.
    #[error("the identity was revoked")]
    Barred,
    /// There is nothing to revoke, or to reinstate.
    #[error("no live certificate or revoked identity by that name")]
    NotLive,
}
