//! Every record to systems elsewhere, as OCSF events: to a file, by syslog over TLS, by OTLP over HTTP.
//!
//! Each sink reads the log itself, from where it has come to, which is kept in a register; so nothing waits in memory, no
//! session ever waits for a sink, and what a receiver has not confirmed is sent again. Only what a signed checkpoint covers
//! is sent. Refuses to skip a record, and to take a receiver's silence for its consent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::domain::{Digest, printable};
use crate::ledger::entry::{self, Entry};
use crate::ledger::{self, Ledger, ocsf};
use crate::store::{Key, Registers, Swap, SwapError};

mod file;
mod otlp;
pub mod sink;
mod syslog;

use sink::{Open, Sink};

/// How often it is looked for a new checkpoint.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The pause after the first failure; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// For one batch, with connecting and the receiver's answer.
const WITHIN: Duration = Duration::from_secs(30);
/// Most records of one batch, and most bytes but for its last record.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;

/// A record on its way.
struct Message {
    entry: Entry,
    /// The event as one line of ASCII.
    line: String,
}

/// How far each sink has come. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Mutex<BTreeMap<String, Came>>>);

/// How far one sink has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    /// Records that it has confirmed, from the first of the log on.
    pub(super) next: u64,
    /// Attempts that failed, since the start.
    pub(super) failures: u64,
    /// Records that a receiver took and refused for ever, since the start.
    pub(super) refused: u64,
}

impl Progress {
    /// Every sink is known from the start, also one that nothing reaches yet: an alert needs its line.
    pub(super) fn of(sinks: &[Sink]) -> Self {
        Self(Arc::new(Mutex::new(sinks.iter().map(|sink| (sink.name.clone(), Came::default())).collect())))
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut Came)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default());
    }

    /// By name.
    pub(super) fn read(&self) -> BTreeMap<String, Came> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One sink at work.
struct Exporter {
    ledger: Ledger,
    registers: Registers,
    sink: Sink,
    open: Open,
    progress: Progress,
    /// The register as it was read or written last.
    stored: Option<Bytes>,
    next: u64,
}

/// Sends to one sink until it is stopped.
pub(super) async fn run(sink: Sink, ledger: Ledger, registers: Registers, progress: Progress, stop: CancellationToken) {
    let name = sink.name.clone();
    let open = match Open::new(&sink) {
        Ok(open) => open,
        Err(why) => {
            error!(sink = name, why, "siem: nothing is sent there until the next start");
            return;
        }
    };
    let mut exporter = Exporter { ledger, registers, sink, open, progress, stored: None, next: 0 };
    let sending = async {
        let mut pause = PAUSE;
        while let Err(cause) = exporter.begin().await {
            warn!(sink = name, error = &cause as &dyn std::error::Error, "siem: where it had come to");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        info!(sink = name, next = exporter.next, "siem: sends from here on");
        exporter.go_on().await;
    };
    stop.run_until_cancelled(sending).await;
}

impl Exporter {
    fn key(&self) -> Key {
        Key::of(&[b"siem", self.sink.name.as_bytes()])
    }

    /// Finds where it had come to.
    async fn begin(&mut self) -> Result<(), Error> {
        self.stored = self.registers.get(&self.key()).await.map_err(SwapError::from)?;
        self.next = match self.stored.as_deref().map(Place::parse) {
            None if self.sink.history => 0,
            None => {
                let now = self.ledger.size();
                self.keep(now).await?;
                now
            }
            Some(Some(place)) if place.is_in(&self.ledger).await? => place.next,
            Some(_) => {
                let sink = self.sink.name.as_str();
                error!(sink, "siem: it had got records that this log does not have; all of the log is sent again");
                0
            }
        };
        let next = self.next;
        self.progress.note(&self.sink.name, |came| came.next = next);
        Ok(())
    }

    async fn go_on(&mut self) {
        let (mut pause, mut most) = (PAUSE, BATCH);
        loop {
            let sent = match timeout(WITHIN, self.batch(most)).await {
                Ok(Ok(sent)) => sent,
                failed => {
                    let why = match failed {
                        Ok(Err(cause)) => cause.said(),
                        _ => "no answer in time".to_owned(),
                    };
                    warn!(
                        sink = self.sink.name,
                        next = self.next,
                        why = printable(&why, 300),
                        "siem: not sent; again later"
                    );
                    self.progress.note(&self.sink.name, |came| came.failures += 1);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // Perhaps it was too much at a time.
                    most = (most / 2).max(1);
                    continue;
                }
            };
            (pause, most) = (PAUSE, BATCH);
            if !sent {
                sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Sends what comes next, and notes it once it is confirmed. Whether there was anything.
    async fn batch(&mut self, most: usize) -> Result<bool, Error> {
        let left = self.ledger.checkpoint_size().saturating_sub(self.next);
        let most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(false);
        }
        let Some(kept) = self.ledger.newest().await? else { return Ok(false) };
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for record in self.ledger.entries(self.next, most).await? {
            let entry = entry::decode(&record).map_err(ledger::Error::from)?;
            let line = ocsf::line(&ocsf::event(&entry, &kept.checkpoint));
            bytes += line.len();
            messages.push(Message { entry, line });
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        let Some(last) = messages.last() else { return Ok(false) };
        let refused = self.open.send(&messages).await.map_err(Error::Sink)?;
        if refused > 0 {
            error!(sink = self.sink.name, from = self.next, refused, "siem: the receiver refused records for ever");
        }
        let next = last.entry.seq() + 1;
        self.keep(next).await?;
        self.next = next;
        self.progress.note(&self.sink.name, |came| {
            came.next = next;
            came.refused += refused;
        });
        Ok(true)
    }

    /// Notes durably that all before `next` is confirmed.
    async fn keep(&mut self, next: u64) -> Result<(), Error> {
        let last = match next.checked_sub(1) {
            Some(last) => self.ledger.entry(last).await?,
            None => None,
        };
        let leaf = last.map_or(Digest([0; 32]), |entry| crate::merkle::leaf_hash(&entry));
        let new = Some(Bytes::from(format!("{next} {leaf}")));
        let swap = Swap { key: self.key(), expected: self.stored.clone(), new: new.clone() };
        // It follows no entry: what it says of the log is what was sent, not what is in force.
        match self.registers.swap(vec![swap], 0).await {
            Ok(()) => self.stored = new,
            Err(cause) => {
                // Whether it happened is not known: the next one begins with what is there.
                self.stored = self.registers.get(&self.key()).await.map_err(SwapError::from)?;
                return Err(cause.into());
            }
        }
        Ok(())
    }
}

/// Where a sink has come to: the next index, and the leaf before it.
struct Place {
    next: u64,
    leaf: Digest,
}

impl Place {
    fn parse(stored: &[u8]) -> Option<Self> {
        let (next, leaf) = std::str::from_utf8(stored).ok()?.split_once(' ')?;
        Some(Self { next: next.parse().ok()?, leaf: Digest::parse(leaf)? })
    }

    /// Whether the log has what was sent.
    async fn is_in(&self, ledger: &Ledger) -> Result<bool, ledger::Error> {
        let Some(last) = self.next.checked_sub(1) else { return Ok(true) };
        if self.next > ledger.size() {
            return Ok(false);
        }
        Ok(ledger.entry(last).await?.is_some_and(|entry| crate::merkle::leaf_hash(&entry) == self.leaf))
    }
}

/// Why a batch is not confirmed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the log")]
    Ledger(#[from] ledger::Error),
    #[error("where it has come to")]
    Register(#[from] SwapError),
    #[error("{0}")]
    Sink(String),
}

impl Error {
    fn said(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |said, cause| format!("{said}: {cause}"))
    }
}

#[cfg(test)]
mod tests;
