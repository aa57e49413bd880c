//! Tells people elsewhere that something waits: by webhook, chat or a local command. A notification never decides.
//!
//! Each channel has a queue and a worker of its own, so that one that is down delays no other, and no session at all.
//! What came of each notice is a record.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::glass::Broken;
use super::request::Request;
use crate::clock::Clock;
use crate::domain::event::held::Notified;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::session::Action;
use crate::domain::{RecordId, Timestamp, printable};
use crate::ledger::Ledger;

mod send;

pub use send::{Channel, Clients, Secret, Way};

/// Notices that may wait for one channel; a further one is recorded as lost.
const QUEUE: usize = 1024;
/// The pause after the first failure; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Characters of a command that are shown; the console shows all of it.
const SHOWN: usize = 500;

/// Something to tell.
#[derive(Clone, Debug)]
struct Notice {
    /// The same for each attempt, so that a receiver can tell a second one.
    delivery: RecordId,
    /// `approval.requested` or `approval.resolved`.
    event: &'static str,
    /// The request.
    about: String,
    body: Value,
    /// For people.
    text: String,
    /// Nobody needs it after that.
    until: Timestamp,
    /// Hears the name of each channel that took it.
    taken: Option<mpsc::Sender<String>>,
}

/// An alert on its way.
#[derive(Debug)]
pub struct Alert {
    /// How many channels there are.
    pub channels: usize,
    /// Names of those whose queue was full.
    pub(super) full: Vec<String>,
    taken: mpsc::Receiver<String>,
}

impl Alert {
    /// The first channel that took it; none if all have given up.
    pub async fn taken(&mut self) -> Option<String> {
        self.taken.recv().await
    }
}

/// Where notices are put. Cheap to clone. Without channels it swallows them.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    queues: Arc<Vec<(String, mpsc::Sender<Notice>)>>,
    /// How an approver gives a command of the console: `ssh -p 2222 bastion.example.com`.
    line: String,
    bastion: String,
    /// Masks texts as it does those of its records.
    ledger: Option<Ledger>,
}

/// Delivers them; `app` runs it.
#[derive(Debug)]
pub struct Notifier {
    channels: Vec<(Channel, mpsc::Receiver<Notice>)>,
    clients: Clients,
    ledger: Ledger,
    clock: Clock,
}

/// What the bastion is called, and where notices go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub bastion: String,
    /// How an approver gives a command of the console.
    pub line: String,
    /// Where notices go.
    pub channels: Vec<Channel>,
    /// With which connections.
    pub clients: Clients,
}

/// Both ends.
pub fn new(settings: Settings, ledger: Ledger, clock: Clock) -> (Notices, Notifier) {
    let Settings { bastion, line, channels, clients } = settings;
    let (mut queues, mut served) = (Vec::new(), Vec::new());
    for channel in channels {
        let (sender, receiver) = mpsc::channel(QUEUE);
        queues.push((channel.name.clone(), sender));
        served.push((channel, receiver));
    }
    let notices = Notices { queues: Arc::new(queues), line, bastion, ledger: Some(ledger.clone()) };
    (notices, Notifier { channels: served, clients, ledger, clock })
}

impl Notices {
    /// A request waits. The names of channels whose queue is full.
    pub(super) fn requested(&self, request: &Request, now: Timestamp) -> Vec<String> {
        let mut body = self.body("approval.requested", request);
        let approve = format!("{} approve {}", self.line, request.id);
        if let Value::Object(body) = &mut body {
            body.insert("expires".to_owned(), json!(request.expires.to_string()));
            body.insert("approve".to_owned(), json!(approve));
        }
        let subject = &request.subject;
        let text = format!(
            "{}: {} asks for {} as {}@{}; needs {} approval(s); held by {}; {approve}",
            request.id,
            printable(&request.caller.identity.name, 128),
            self.what(request),
            subject.login,
            printable(&subject.target, 64),
            request.terms.quorum,
            subject.rules.join(", "),
        );
        self.put("approval.requested", request, (body, text), request.expires, now)
    }

    /// It waits no longer.
    pub(super) fn resolved(&self, request: &Request, reason: &str, now: Timestamp) -> Vec<String> {
        let mut body = self.body("approval.resolved", request);
        if let Value::Object(body) = &mut body {
            body.insert("state".to_owned(), json!(request.state().as_str()));
            body.insert("reason".to_owned(), json!(reason));
        }
        let text = format!("{}: {} ({reason})", request.id, request.state().as_str());
        self.put("approval.resolved", request, (body, text), now.plus(Duration::from_secs(900)), now)
    }

    /// A session is about to begin past approval.
    pub(super) fn broken(&self, broken: &Broken, reason: &str, now: Timestamp) -> Alert {
        let review = format!("{} break-glass --review {} --finding TEXT", self.line, broken.id);
        let reason = self.shown(reason.as_bytes());
        let body = json!({
            "event": "approval.break_glass",
            "bastion": self.bastion,
            "id": broken.id.to_string(),
            "session": broken.session.to_string(),
            "name": printable(&broken.name, 256),
            "principal": broken.principal.as_str(),
            "target": broken.target,
            "login": broken.login,
            "reason": reason,
            "review": review,
        });
        let text = format!(
            "{}: {} goes past approval, as {}@{}: {reason}; {review}",
            broken.id,
            printable(&broken.name, 128),
            broken.login,
            printable(&broken.target, 64),
        );
        let (taken, hears) = mpsc::channel(self.queues.len().max(1));
        let until = now.plus(Duration::from_secs(900));
        let (event, about) = ("approval.break_glass", broken.id.to_string());
        let full =
            self.send(Notice { delivery: RecordId::new(now), event, about, body, text, until, taken: Some(taken) });
        Alert { channels: self.queues.len(), full, taken: hears }
    }

    fn body(&self, event: &str, request: &Request) -> Value {
        let (subject, who) = (&request.subject, &request.caller.identity);
        json!({
            "event": event,
            "bastion": self.bastion,
            "id": request.id.to_string(),
            "digest": request.digest.to_string(),
            "name": printable(&who.name, 256),
            "principal": who.principal().as_str(),
            "target": subject.target,
            "login": subject.login,
            "action": subject.action.as_str(),
            "command": subject.action.command().map(|_| self.what(request)),
            "reason": subject.reason.as_deref().map(|reason| self.shown(reason.as_bytes())),
            "rules": subject.rules,
            "quorum": request.terms.quorum,
            "groups": request.terms.approver_groups,
        })
    }

    /// The command, as far as a message shows it.
    fn what(&self, request: &Request) -> String {
        let other = if request.subject.action == Action::Sftp { "files by SFTP" } else { "a shell" };
        request.subject.action.command().map_or(other.to_owned(), |command| self.shown(command.bytes()))
    }

    /// Without what looks like a secret: the console's view is exact, this one leaves the house.
    fn shown(&self, text: &[u8]) -> String {
        let masked = self.ledger.as_ref().map(|ledger| ledger.masked(text));
        printable(&masked.unwrap_or_default(), SHOWN)
    }

    fn put(
        &self,
        event: &'static str,
        request: &Request,
        (body, text): (Value, String),
        until: Timestamp,
        now: Timestamp,
    ) -> Vec<String> {
        let about = request.id.to_string();
        self.send(Notice { delivery: RecordId::new(now), event, about, body, text, until, taken: None })
    }

    /// The names of channels whose queue is full.
    fn send(&self, notice: Notice) -> Vec<String> {
        let full = |(_, queue): &&(String, mpsc::Sender<Notice>)| queue.try_send(notice.clone()).is_err();
        self.queues.iter().filter(full).map(|(name, _)| name.clone()).collect()
    }
}

/// The record of what came of a notice. `attempts` is 0 where none was made.
pub(super) fn told(now: Timestamp, (channel, event, about): (&str, &'static str, &str), came: Came) -> Fact {
    let outcome = if came.reason.is_none() { Outcome::Success } else { Outcome::Failure };
    let event = Event::ApprovalNotified(Notified {
        channel: channel.to_owned(),
        event,
        id: about.to_owned(),
        attempts: came.attempts,
        reason: came.reason,
    });
    Fact::new(RecordId::new(now), outcome, event)
}

/// What came of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) attempts: u64,
    /// Why it was given up, if it was.
    pub(super) reason: Option<&'static str>,
}

impl Notifier {
    /// Delivers until `stop`; what is still queued then is recorded as not delivered.
    pub async fn run(self, stop: CancellationToken) {
        let Self { channels, clients, ledger, clock } = self;
        let workers = channels.into_iter().map(|(channel, queue)| {
            let (clients, ledger, clock, stop) = (clients.clone(), ledger.clone(), clock.clone(), stop.clone());
            Worker { channel, clients, ledger, clock, stop }.run(queue)
        });
        join_all(workers).await;
    }
}

struct Worker {
    channel: Channel,
    clients: Clients,
    ledger: Ledger,
    clock: Clock,
    stop: CancellationToken,
}

impl Worker {
    async fn run(self, mut queue: mpsc::Receiver<Notice>) {
        loop {
            let next = tokio::select! {
                next = queue.recv() => next,
                () = self.stop.cancelled() => queue.try_recv().ok(),
            };
            let Some(notice) = next else { return };
            let came = self.deliver(&notice).await;
            let name = self.channel.name.as_str();
            match came.reason {
                None => info!(channel = name, request = notice.about, attempts = came.attempts, "notified"),
                Some(reason) => warn!(channel = name, request = notice.about, reason, "not notified"),
            }
            let fact = told(self.clock.now(), (name, notice.event, &notice.about), came);
            if let Err(cause) = self.ledger.append_one(fact).await {
                error!(channel = name, error = ?cause, "ledger does not take what came of a notice");
            } else if let (None, Some(taken)) = (came.reason, &notice.taken) {
                let _ = taken.try_send(name.to_owned());
            }
        }
    }

    async fn deliver(&self, notice: &Notice) -> Came {
        let (mut attempts, mut pause) = (0, PAUSE);
        loop {
            let now = self.clock.now();
            let given_up = |reason| Came { attempts, reason: Some(reason) };
            if self.stop.is_cancelled() {
                return given_up("bastion stopped");
            }
            if now >= notice.until {
                return given_up("too late");
            }
            let attempt = self.channel.send(&self.clients, notice, now);
            let sent = self.stop.run_until_cancelled(attempt).await;
            attempts += 1;
            match sent {
                Some(Ok(())) => return Came { attempts, reason: None },
                Some(Err(failed)) if failed.lasting => return Came { attempts, reason: Some(failed.reason) },
                Some(Err(failed)) => {
                    info!(channel = self.channel.name, reason = failed.reason, attempts, "notice failed; again later");
                    let _ = self.stop.run_until_cancelled(sleep(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
