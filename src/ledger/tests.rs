//! The ledger as a whole, on a disk in memory, with time that stands still unless a test moves it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::check::{Report, verify_log};
use super::checkpoint::Checkpoint;
use super::entry::{Entry, decode};
use super::*;
use crate::domain::event::{Event, Outcome};
use crate::domain::{RecordId, Text};
use crate::drain::Drain;
use crate::merkle;
use crate::store::memory::Memory;

mod append;
mod check;
mod faults;
mod restart;
mod sign;

const ORIGIN: &str = "bastion.example.com/sallyport/7f3a";
/// Longer than a checkpoint takes, shorter than a heartbeat.
const SIGNED: Duration = Duration::from_secs(10);

/// Where a log lives: its disk, the disk of the checkpoint outside, its key and its clock.
struct Place {
    disk: Memory,
    outside: Memory,
    signer: Signer,
    clock: Clock,
}

impl Place {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::parse("2026-11-23T21:04:49Z").unwrap());
        Self { disk: Memory::new(), outside: Memory::new(), signer: Signer::in_memory().unwrap(), clock }
    }

    /// The same log on a copy of its disk.
    fn copy(&self) -> Self {
        let (signer, clock) = (self.signer.clone(), self.clock.clone());
        Self { disk: self.disk.copy(), outside: self.outside.copy(), signer, clock }
    }

    async fn open(&self) -> Result<(Ledger, Sequencer), Error> {
        let settings = Settings {
            origin: ORIGIN.to_owned(),
            node: "bastion-1".to_owned(),
            version: "0.1.0".to_owned(),
            policy: None,
            config: None,
            last_checkpoint: Some((self.outside.files(), "last".to_owned())),
        };
        Ledger::open(settings, self.disk.files(), self.disk.blobs(), self.signer.clone(), self.clock.clone()).await
    }

    async fn refusal(&self) -> Error {
        self.open().await.err().unwrap()
    }

    async fn start(&self) -> Running {
        let (ledger, sequencer) = self.open().await.unwrap();
        let (stop, stopping) = oneshot::channel();
        Running { ledger, stop, done: Drain::new().spawn(sequencer.run(stopping)) }
    }

    /// A log that was used and closed: `log.start`, so many entries, `log.stop`.
    async fn used(&self, entries: usize) {
        let running = self.start().await;
        if entries > 0 {
            running.ledger.append((0..entries).map(|_| self.fact()).collect()).await.unwrap();
        }
        running.stop().await.unwrap();
    }

    /// A small fact.
    fn fact(&self) -> Fact {
        let event = Event::UpstreamClose { reason: "finished" };
        Fact::new(RecordId::new(self.clock.now()), Outcome::Success, event)
    }

    /// A fact with a text.
    fn command(&self, command: &str) -> Fact {
        let event = Event::ChannelExec { command: Text::new(command.to_owned()), length: command.len() as u64 };
        Fact::new(RecordId::new(self.clock.now()), Outcome::Success, event)
    }

    fn key(&self) -> checkpoint::Key {
        checkpoint::Key::new(ORIGIN, self.signer.log_key()).unwrap()
    }

    async fn verify(&self) -> Report {
        verify_log(&self.disk.files(), &self.key()).await.unwrap()
    }

    async fn file(&self, name: &str) -> Option<Bytes> {
        self.disk.files().read(name).await.unwrap()
    }

    /// The last checkpoint, checked.
    async fn checkpoint(&self) -> Option<Checkpoint> {
        self.file(CHECKPOINT).await.map(|note| checkpoint::open(&note, &self.key()).unwrap())
    }
}

struct Running {
    ledger: Ledger,
    stop: oneshot::Sender<bool>,
    done: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Stops it after all sessions had ended.
    async fn stop(self) -> Result<(), Error> {
        // Nobody hears it if it has ended already.
        let _ = self.stop.send(true);
        self.done.await.unwrap()
    }
}

/// Every entry of the log.
async fn all(ledger: &Ledger) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let more = ledger.entries(entries.len() as u64, MAX_LISTED).await.unwrap();
        if more.is_empty() {
            return entries;
        }
        entries.extend(more.iter().map(|bytes| decode(bytes).unwrap()));
    }
}

fn kinds(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(Entry::kind).collect()
}

fn root(entries: &[Entry]) -> Digest {
    merkle::root(&entries.iter().map(Entry::leaf).collect::<Vec<_>>())
}
