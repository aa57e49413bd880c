//! A governed session, whatever the protocol: decide → record the decision → open the recording →
//! act → close.
//!
//! Knows policy, ledger and recording, and their order. Does not know SSH: a gateway asks, gets a
//! permit and two taps, and tells how it ended. Nothing here starts a task.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::clock::Clock;
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::{Caller, Principal};
use crate::domain::session::{Action, End, RecordingId, SessionId, TerminalSize};
use crate::domain::target::{Login, Target};
use crate::domain::{RecordId, Text, Timestamp, printable};
use crate::ledger::{Ledger, Receipt};
use crate::policy::{self, Policy};
use crate::recording::index::{Index, Summary};
use crate::recording::{self, About, Header, Recordings, Sink};

pub mod failures;
pub mod keeper;
pub mod permit;
pub mod recover;
pub mod tap;

use failures::Failures;
use keeper::{Closing, Keeper};
use permit::{ExecPermit, Permit, ShellPermit};
use tap::{Counts, DownTap, Stopwatch, UpTap};

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
    /// The targets in force; swapped whole.
    pub targets: RwLock<Arc<Vec<Arc<Target>>>>,
    /// How many sessions are open.
    pub open: Arc<AtomicU64>,
    /// Failed sign-ins, to be counted.
    pub failures: Failures,
}

/// One open session, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a gateway asks for.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub caller: &'a Arc<Caller>,
    /// The client's connection, as hex.
    pub connection: &'a str,
    /// The client's channel, counted per connection.
    pub channel: u32,
    /// As written; absent means the target's default.
    pub login: Option<&'a str>,
    /// Name or alias, as written.
    pub target: &'a str,
    /// What is to be done there.
    pub action: Action,
    /// `TERM` and size, if the client has a terminal.
    pub terminal: Option<(&'a str, TerminalSize)>,
    /// Environment that will be passed on.
    pub env_passed: &'a [(String, String)],
    /// Names of environment variables that were dropped.
    pub env_dropped: &'a [String],
}

/// A session that may begin.
#[derive(Debug)]
pub struct Opened {
    /// The session's own handle.
    pub governed: Governed,
    /// What may be started, once.
    pub permit: Permit,
    /// For the pump from the client.
    pub up: UpTap,
    /// For the pump to the client.
    pub down: DownTap,
    /// To be run beside the pumps.
    pub keeper: Keeper,
}

/// Why a session did not begin. Each of them is in the ledger already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Unknown, or nothing permits it: both read the same.
    NoTarget(String),
    /// These rules forbid it.
    Denied(Vec<String>),
    /// A rule wants approval, which this version cannot ask for yet.
    Held(Vec<String>),
    /// Something of ours failed; the line says what to do.
    Failed(String),
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
        self.0.targets.read().map(|targets| targets.clone()).unwrap_or_default()
    }

    /// How many sessions are open.
    pub fn open_count(&self) -> u64 {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Failed sign-ins, to be counted.
    pub fn failures(&self) -> &Failures {
        &self.0.failures
    }

    /// Records that `caller` has signed in; `authority` is the fingerprint of the CA that certified them. Returns once
    /// the record is queued: whatever the caller then asks for is recorded behind it, and waits for both.
    pub async fn signed_in(&self, caller: &Caller, authority: &str) -> Result<(), crate::ledger::Error> {
        let event = Event::AuthnSsh { method: "certificate", authority: authority.to_owned() };
        let fact = Fact::new(RecordId::new(self.0.clock.now()), Outcome::Success, event).by(caller);
        self.0.ledger.submit(vec![fact]).await.map(drop)
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
        let request = policy::Request {
            identity: &caller.identity,
            sign_in: &caller.sign_in,
            action,
            target: place,
            owner,
            now: self.0.clock.now(),
            source: caller.source.ip(),
            pty: action == policy::Asked::Shell,
        };
        policy::decide(&policy, &request)
    }

    /// Decides, records the decision, and opens the recording. The order is the promise: whoever holds the
    /// returned permit knows that the record of it is durable.
    pub async fn open(&self, ask: Ask<'_>) -> Result<Opened, Refused> {
        let now = self.0.clock.now();
        let Some((target, login)) = self.find(ask.login, ask.target) else {
            return Err(self.unknown(&ask, now).await);
        };
        let place = TargetRef::of(&target, &login);
        let decision = self.decide(&ask, &target, &login, now);
        let mut facts = vec![self.fact(&ask, now, decision.outcome(), decision.event()).towards(place.clone())];
        if let Some(refused) = decision.refused(ask.target) {
            return Err(self.record(facts).await.err().unwrap_or(refused));
        }
        let session = SessionId::new(now);
        let recording = RecordingId::new(now);
        let decided = facts.first().map(|fact| fact.id);
        if let Some(fact) = facts.first_mut() {
            fact.session = Some(session);
        }
        let header = self.header(&ask, &target, &login, session, recording, decision.digest(), now);
        let (sink, writer) = self.0.recordings.start(header).map_err(|cause| failed("recording", &cause))?;
        let facts_of = [
            Event::SessionStart {
                action: ask.action.as_str(),
                connection: ask.connection.to_owned(),
                pty: ask.terminal.is_some(),
                env_dropped: ask.env_dropped.to_vec(),
                principal: ask.caller.identity.principal().as_str().to_owned(),
                recording,
            },
            started(&ask.action, ask.terminal.map(|(term, _)| term)),
            Event::RecordingOpen { recording, header: writer.header_digest(), format: recording::FORMAT, mask: "none" },
        ];
        for event in facts_of {
            let mut fact = self.fact(&ask, now, Outcome::Success, event).within(session).towards(place.clone());
            fact.refs.extend(decided);
            facts.push(fact);
        }
        let receipts = self.record(facts).await?;
        let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
        let summary = self.summary(&ask, &target, &login, session, recording, now);
        self.0.index.put(&summary, follows).await.map_err(|cause| failed("index", &cause))?;
        let mut opened = self.opened(&ask, target, login, place, session, recording, sink, writer);
        for name in ask.env_dropped {
            opened.governed.mark(&format!("env dropped {name}")).await;
        }
        // What is seen there must be on disk first: a store that takes nothing is noticed before anything begins.
        if opened.down.durable
            && let Err(cause) = opened.keeper.until_stored(&opened.down.sink).await
        {
            opened.governed.close(End::RecordingFailed).await;
            opened.keeper.run().await;
            return Err(failed("recording", &cause));
        }
        info!(%session, target = %opened.governed.target.name, action = ask.action.as_str(), "session opened");
        Ok(opened)
    }

    #[allow(clippy::too_many_arguments, reason = "called once; the parts of one new session")]
    fn opened(
        &self,
        ask: &Ask<'_>,
        target: Arc<Target>,
        login: Login,
        place: TargetRef,
        session: SessionId,
        recording: RecordingId,
        sink: Sink,
        writer: recording::Writer,
    ) -> Opened {
        let inner = &self.0;
        let watch = Stopwatch { clock: inner.clock.clone(), started: inner.clock.elapsed() };
        let counts = Arc::new(Counts::default());
        let failed = CancellationToken::new();
        let (closing, closed) = oneshot::channel();
        inner.open.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(inner.open.clone());
        let terminal = ask.terminal.is_some();
        let permit = match &ask.action {
            Action::Shell => Permit::Shell(ShellPermit::new(session)),
            Action::Exec(command) => Permit::Exec(ExecPermit::new(session, command.clone())),
        };
        let durable = target.durable();
        Opened {
            permit,
            up: UpTap { sink: sink.clone(), watch: watch.clone(), counts: counts.clone(), terminal },
            down: DownTap { sink: sink.clone(), watch: watch.clone(), counts: counts.clone(), durable },
            keeper: Keeper {
                inner: inner.clone(),
                session,
                recording,
                caller: ask.caller.clone(),
                channel: ask.channel,
                target: place.clone(),
                writer,
                watch: watch.clone(),
                counts,
                closing: closed,
                failed: failed.clone(),
                counted,
            },
            governed: Governed { session, target, login, place, sink, watch, closing, failed, host_key: OnceLock::new() },
        }
    }

    fn decide(&self, ask: &Ask<'_>, target: &Target, login: &Login, now: Timestamp) -> Judged {
        let policy = self.0.policy.borrow().clone();
        let before = self.0.clock.elapsed();
        let request = policy::Request {
            identity: &ask.caller.identity,
            sign_in: &ask.caller.sign_in,
            action: match &ask.action {
                Action::Shell => policy::Asked::Shell,
                Action::Exec(command) => policy::Asked::Exec(command),
            },
            target: Some((target, login)),
            owner: None,
            now,
            source: ask.caller.source.ip(),
            pty: ask.terminal.is_some(),
        };
        let decision = policy::decide(&policy, &request);
        let micros = u64::try_from(self.0.clock.elapsed().saturating_sub(before).as_micros()).unwrap_or(u64::MAX);
        Judged { decision, action: ask.action.as_str(), micros }
    }

    /// A target that does not exist is a denial like any other, and recorded as one.
    async fn unknown(&self, ask: &Ask<'_>, now: Timestamp) -> Refused {
        let policy = self.0.policy.borrow().clone();
        let decided = policy::unknown_target(&policy, ask.action.as_str());
        let name = printable(ask.target, 64);
        let place = TargetRef {
            name: name.clone(),
            host: String::new(),
            login: printable(ask.login.unwrap_or(""), 64),
            host_key: None,
            labels: std::collections::BTreeMap::new(),
        };
        let fact = self.fact(ask, now, Outcome::Deny, Event::AuthzDecision(decided)).towards(place);
        self.record(vec![fact]).await.err().unwrap_or(Refused::NoTarget(name))
    }

    fn fact(&self, ask: &Ask<'_>, now: Timestamp, outcome: Outcome, event: Event) -> Fact {
        let mut fact = Fact::new(RecordId::new(now), outcome, event).by(ask.caller);
        fact.channel = Some(ask.channel);
        fact
    }

    async fn record(&self, facts: Vec<Fact>) -> Result<Vec<Receipt>, Refused> {
        self.0.ledger.append(facts).await.map_err(|cause| failed("ledger", &cause))
    }

    #[allow(clippy::too_many_arguments, reason = "called once; what a header says")]
    fn header(
        &self,
        ask: &Ask<'_>,
        target: &Target,
        login: &Login,
        session: SessionId,
        recording: RecordingId,
        policy: crate::domain::Digest,
        now: Timestamp,
    ) -> Header {
        let size = ask.terminal.map_or(TerminalSize { cols: 80, rows: 24 }, |(_, size)| size);
        let identity = &ask.caller.identity;
        Header {
            size,
            time: now,
            title: Some(format!("{login}@{}", target.name)),
            term: ask.terminal.map(|(term, _)| term.to_owned()),
            about: About {
                recording,
                session,
                principal: identity.principal().as_str().to_owned(),
                name: identity.name.clone(),
                target: target.name.to_string(),
                login: login.to_string(),
                action: ask.action.as_str().to_owned(),
                command: match &ask.action {
                    Action::Shell => None,
                    Action::Exec(command) => Some(String::from_utf8_lossy(command.bytes()).into_owned()),
                },
                pty: ask.terminal.is_some(),
                bastion: self.0.bastion.clone(),
                mask: "none".to_owned(),
                policy: Some(policy),
            },
        }
    }

    fn summary(
        &self,
        ask: &Ask<'_>,
        target: &Target,
        login: &Login,
        session: SessionId,
        recording: RecordingId,
        now: Timestamp,
    ) -> Summary {
        Summary {
            session,
            recording,
            principal: ask.caller.identity.principal().as_str().to_owned(),
            name: ask.caller.identity.name.clone(),
            target: target.name.to_string(),
            login: login.to_string(),
            action: ask.action.as_str().to_owned(),
            pty: ask.terminal.is_some(),
            started: now,
            ended: None,
        }
    }
}

fn started(action: &Action, term: Option<&str>) -> Event {
    match action {
        Action::Shell => Event::ChannelShell { term: term.map(str::to_owned) },
        Action::Exec(command) => {
            Event::ChannelExec { command: Text::new(command.bytes().clone()), length: command.bytes().len() as u64 }
        }
    }
}

fn failed(what: &'static str, cause: &dyn fmt::Debug) -> Refused {
    error!(what, error = ?cause, "session refused");
    Refused::Failed(format!("sessions cannot be recorded at the moment ({what}), so none begins; tell the operator"))
}

/// A decision on its way into the ledger.
struct Judged {
    decision: policy::Decision,
    action: &'static str,
    micros: u64,
}

impl Judged {
    fn outcome(&self) -> Outcome {
        match self.decision.outcome {
            policy::Outcome::Allow(_) => Outcome::Allow,
            policy::Outcome::Hold(_) => Outcome::Hold,
            policy::Outcome::Deny => Outcome::Deny,
        }
    }

    fn event(&self) -> Event {
        Event::AuthzDecision(self.decision.to_decided(self.action, self.micros))
    }

    fn digest(&self) -> crate::domain::Digest {
        self.decision.policy
    }

    fn refused(&self, asked: &str) -> Option<Refused> {
        let rules: Vec<String> = self.decision.rules.iter().map(|(id, _)| id.clone()).collect();
        match self.decision.outcome {
            policy::Outcome::Allow(_) => None,
            policy::Outcome::Hold(_) => Some(Refused::Held(rules)),
            // A rule is named only to somebody whom another rule would let in: to all others the target does not exist.
            policy::Outcome::Deny if self.decision.otherwise_permitted => Some(Refused::Denied(rules)),
            policy::Outcome::Deny => Some(Refused::NoTarget(printable(asked, 64))),
        }
    }
}

/// What the client hears, after `sallyport: `. One line of ASCII.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget(name) => write!(f, "no target '{name}' for you; 'targets' lists what you may reach"),
            Self::Denied(rules) => write!(f, "denied by {}; ask those who keep the policy", rules.join(", ")),
            Self::Held(rules) => {
                write!(f, "{} wants approval, which cannot be asked for here yet; nothing was run", rules.join(", "))
            }
            Self::Failed(line) => f.write_str(line),
        }
    }
}

/// One session's own handle, held by whoever carries its bytes.
#[derive(Debug)]
pub struct Governed {
    session: SessionId,
    target: Arc<Target>,
    login: Login,
    place: TargetRef,
    sink: Sink,
    watch: Stopwatch,
    closing: oneshot::Sender<Closing>,
    failed: CancellationToken,
    host_key: OnceLock<String>,
}

/// How long a mark may wait for the recorder's queue; the mark is worth less than the session.
const MARK_WITHIN: Duration = Duration::from_secs(5);

impl Governed {
    /// Its id.
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// Where it goes.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// As whom it goes there.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The target as records say it, with the host key once it was seen.
    pub fn place(&self) -> TargetRef {
        TargetRef { host_key: self.host_key.get().cloned(), ..self.place.clone() }
    }

    /// The target has shown this host key.
    pub fn saw_host_key(&self, fingerprint: &str) {
        let _ = self.host_key.set(fingerprint.to_owned());
    }

    /// Puts a marker into the recording.
    pub async fn mark(&self, text: &str) {
        self.push(recording::Event::Marker(text.to_owned())).await;
    }

    /// The terminal has a new size.
    pub async fn resize(&self, size: TerminalSize) {
        self.push(recording::Event::Resize(size)).await;
    }

    async fn push(&self, event: recording::Event) {
        let _ = timeout(MARK_WITHIN, self.sink.push(self.watch.at(), event)).await;
    }

    /// Waits until the session must end for a reason of ours, and says which.
    pub async fn cut(&self) -> End {
        self.failed.cancelled().await;
        End::RecordingFailed
    }

    /// Ends the session: the recording is sealed, then its end is in the ledger. Both go on beside the caller.
    pub async fn close(self, end: End) {
        self.mark(&end.to_string()).await;
        self.sink.end(self.watch.at());
        let host_key = self.host_key.get().cloned();
        let _ = self.closing.send(Closing { end, host_key });
    }
}

impl Inner {
    /// Notes in the index how a session ended. The ledger has it already; a failure costs a look at the log.
    async fn note_end(&self, session: SessionId, end: &End, counts: &Counts, took: Duration, receipts: &[Receipt]) {
        let ended = recording::index::Ended {
            time: self.clock.now(),
            end: end.as_str().to_owned(),
            exit: match end {
                End::Finished(exit) => Some(exit.to_string()),
                _ => None,
            },
            bytes_in: counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: counts.bytes_out.load(Ordering::Relaxed),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
        if let Err(cause) = self.index.end(session, ended, follows).await {
            error!(%session, error = ?cause, "index does not take the end of a session; the next start repairs it");
        }
    }
}

