//! What is done to files in a session by SFTP: each operation a record, and a line in the recording.
//!
//! Does not read the protocol: whoever carries the bytes does, and says here what came of them before it passes them on.

use std::fmt::Write as _;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};
use tracing::error;

use super::Inner;
use super::ask::Ask;
use super::cut::Cut;
use super::tap::Stopwatch;
use crate::domain::event::sftp::{Moved, Operation};
use crate::domain::event::{Event, Fact, TargetRef};
use crate::domain::files::Reach;
use crate::domain::identity::Caller;
use crate::domain::session::{End, SessionId};
use crate::domain::{RecordId, Text, printable};
use crate::ledger::{self, Ledger};
use crate::mask::rule::Rules;
use crate::mask::{Width, whole};
use crate::recording::{self, Sink};

/// Of a path, as a recording shows it.
const SHOWN: usize = 1024;

/// Answers whose operations may wait for their records; then the next answer waits too.
const WAITING: usize = 2048;

/// So long records are gathered, since each time that something is stored takes a sync or two, whatever it is.
const GATHERED: Duration = Duration::from_millis(50);

/// Records that are stored together.
const AT_ONCE: usize = 256;

/// Where one session's operations are recorded, and how far they may reach.
#[derive(Debug)]
pub struct Files {
    inner: Arc<Inner>,
    caller: Arc<Caller>,
    channel: u32,
    session: SessionId,
    place: TargetRef,
    sink: Sink,
    watch: Stopwatch,
    cut: Cut,
    rules: Arc<Rules>,
    /// The client hears of nothing whose record is not on disk.
    durable: bool,
    reach: Reach,
    queue: mpsc::Sender<Vec<Fact>>,
}

/// Operations that wait for their record, in their order: the keeper of the session has them stored, many at once.
pub(super) struct Done {
    ledger: Ledger,
    waiting: mpsc::Receiver<Vec<Fact>>,
    /// The first of those that are stored next, and when they are.
    first: Option<(Vec<Fact>, Pin<Box<Sleep>>)>,
    storing: Option<Storing>,
}

type Storing = Pin<Box<dyn Future<Output = Result<(), ledger::Error>> + Send>>;

impl Done {
    /// Stores what waits, once something has waited long enough. May be dropped and called again at any point.
    pub(super) async fn next(&mut self) -> Result<(), ledger::Error> {
        if self.storing.is_none() {
            if self.first.is_none() {
                match self.waiting.recv().await {
                    Some(facts) => self.first = Some((facts, Box::pin(sleep(GATHERED)))),
                    None => pending().await,
                }
            }
            if let Some((_, due)) = &mut self.first {
                due.as_mut().await;
            }
            self.store();
        }
        self.stored().await
    }

    /// Stores all that came before this.
    pub(super) async fn rest(&mut self) -> Result<(), ledger::Error> {
        loop {
            self.stored().await?;
            self.store();
            if self.storing.is_none() {
                return Ok(());
            }
        }
    }

    fn store(&mut self) {
        let mut facts = self.first.take().map(|(facts, _)| facts).unwrap_or_default();
        while let Ok(more) = self.waiting.try_recv() {
            facts.extend(more);
            if facts.len() >= AT_ONCE {
                break;
            }
        }
        if !facts.is_empty() {
            let ledger = self.ledger.clone();
            self.storing = Some(Box::pin(async move { ledger.submit(facts).await.map(drop) }));
        }
    }

    async fn stored(&mut self) -> Result<(), ledger::Error> {
        let Some(storing) = &mut self.storing else { return Ok(()) };
        let stored = storing.await;
        self.storing = None;
        stored
    }
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Done").finish_non_exhaustive()
    }
}

/// What is done goes on no record any more: the session ends.
pub(super) fn not_taken(session: SessionId, cause: &ledger::Error, cut: &Cut) {
    error!(%session, error = ?cause, "ledger does not take what was done to a file");
    cut.now(End::RecordingFailed);
}

/// Whether a file may be another afterwards.
fn changes(operation: &Operation) -> bool {
    let is_done = operation.result != "refused";
    is_done && !["read", "list", "read link"].contains(&operation.what)
}

impl Files {
    /// Of one session; and what its keeper records of it.
    pub(super) fn new(
        inner: &Arc<Inner>,
        ask: &Ask<'_>,
        (session, place, rules): (SessionId, TargetRef, Arc<Rules>),
        (sink, watch, cut): (Sink, Stopwatch, Cut),
        (durable, reach): (bool, Reach),
    ) -> (Self, Done) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let done = Done { ledger: inner.ledger.clone(), waiting, first: None, storing: None };
        let (inner, caller, channel) = (inner.clone(), ask.caller.clone(), ask.channel);
        let files = Self { inner, caller, channel, session, place, sink, watch, cut, rules, durable, reach, queue };
        (files, done)
    }

    /// What policy lets this session do.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Records what has ended. Once this returns the records wait in their order, and where the session is durable they are on disk.
    pub async fn done(&self, operations: Vec<Operation>) -> Result<(), recording::Error> {
        if operations.is_empty() {
            return Ok(());
        }
        let mut changed = Vec::new();
        for operation in &operations {
            let line = self.line(operation);
            changed.extend(changes(operation).then(|| line.clone()));
            self.sink.push(self.watch.at(), recording::Event::Marker(line)).await?;
        }
        let facts = operations.into_iter().map(|operation| {
            let id = RecordId::new(self.inner.clock.now());
            let mut fact = Fact::new(id, operation.outcome(), Event::SftpOperation(operation)).by(&self.caller);
            fact.channel = Some(self.channel);
            fact.within(self.session).towards(self.place.clone())
        });
        let facts = facts.collect();
        if self.durable {
            let (stored, recorded) = tokio::join!(self.sink.flush(), self.inner.ledger.append(facts));
            stored?;
            recorded.map_err(|cause| {
                not_taken(self.session, &cause, &self.cut);
                recording::Error::Failed("ledger")
            })?;
        } else {
            // Not one by one: of many small files each would wait for a sync of its own.
            self.queue.send(facts).await.map_err(|_| recording::Error::Ended)?;
        }
        if !changed.is_empty() {
            self.note(&changed).await;
        }
        Ok(())
    }

    /// What people are asked for at this account may mean something else by now.
    async fn note(&self, changed: &[String]) {
        let (place, identity) = ((self.place.name.as_str(), self.place.login.as_str()), &self.caller.identity);
        for line in changed {
            self.inner.recent.wrote(self.inner.clock.now(), place, &identity.name, line);
        }
        self.inner.desk.disturb(&identity.principal(), place, None).await;
    }

    /// For people: what, where, how much.
    fn line(&self, operation: &Operation) -> String {
        let shown = |path: &Text| {
            let masked = whole(&self.rules, Width::Label, path.bytes());
            printable(&String::from_utf8_lossy(&masked), SHOWN)
        };
        let mut line = format!("sftp {} {}", operation.what, shown(&operation.path));
        if let Some(to) = &operation.to {
            // Writing to a String cannot fail.
            let _ = write!(line, " to {}", shown(to));
        }
        let _ = write!(line, ": {}", operation.result);
        let moved = [("read", &operation.read), ("written", &operation.written)];
        for (word, moved) in moved.iter().filter_map(|(word, moved)| Some((word, moved.as_ref()?))) {
            let Moved { bytes, from, sha256, .. } = moved;
            let _ = write!(line, ", {bytes} bytes {word} from {from}");
            if let Some(digest) = sha256 {
                let _ = write!(line, ", SHA-256 {digest}");
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::clock::Clock;
    use crate::domain::event::Outcome;
    use crate::drain::Drain;
    use crate::ledger::Settings;
    use crate::signer::Signer;
    use crate::store::memory::{Fault, Memory};

    struct Rig {
        disk: Memory,
        ledger: Ledger,
        queue: mpsc::Sender<Vec<Fact>>,
        done: Done,
        _running: oneshot::Sender<bool>,
    }

    async fn rig() -> Rig {
        let (disk, signer) = (Memory::new(), Signer::in_memory().unwrap());
        let settings = Settings::of_tests("bastion.example.com/sallyport/7f3a");
        let clock = Clock::manual(crate::domain::Timestamp::from_secs(1_795_000_000));
        let opened = Ledger::open(settings, disk.files(), disk.blobs(), signer, clock).await;
        let (ledger, sequencer) = opened.unwrap();
        let (running, stop) = oneshot::channel();
        drop(Drain::new().spawn(sequencer.run(stop)));
        ledger.answers().await.unwrap();
        let (queue, waiting) = mpsc::channel(WAITING);
        let done = Done { ledger: ledger.clone(), waiting, first: None, storing: None };
        Rig { disk, ledger, queue, done, _running: running }
    }

    impl Rig {
        async fn remove(&self, path: &str) {
            let path = Text::new(path.to_owned());
            let operation = Operation { what: "remove", path, to: None, read: None, written: None, result: "ok" };
            let id = RecordId::new(crate::domain::Timestamp::from_secs(1_795_000_000));
            self.queue.send(vec![Fact::new(id, Outcome::Success, Event::SftpOperation(operation))]).await.unwrap();
        }

        /// How many operations are on record, once all that was queued has an answer.
        async fn records(&self) -> usize {
            self.ledger.answers().await.unwrap();
            let (mut from, mut records) = (0, 0);
            loop {
                let entries = self.ledger.entries(from, 1000).await.unwrap();
                if entries.is_empty() {
                    return records;
                }
                from += entries.len() as u64;
                records +=
                    entries.iter().filter(|entry| String::from_utf8_lossy(entry).contains("sftp.operation")).count();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn operations_that_follow_each_other_are_stored_together_soon_after_the_first() {
        let mut rig = rig().await;
        for n in 0..100 {
            rig.remove(&format!("/srv/{n}")).await;
        }
        let early = tokio::time::timeout(GATHERED / 2, rig.done.next()).await;
        assert!(early.is_err());
        assert_eq!(rig.records().await, 0);
        let before = rig.disk.faults().steps();
        tokio::time::timeout(GATHERED, rig.done.next()).await.unwrap().unwrap();
        assert_eq!(rig.records().await, 100);
        let steps = rig.disk.faults().steps() - before;
        assert!(steps < 20, "{steps} steps for 100 records");
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_a_session_nothing_waits_for_more() {
        let mut rig = rig().await;
        for n in 0..AT_ONCE + 10 {
            rig.remove(&format!("/srv/{n}")).await;
        }
        // As the keeper drops it for something else meanwhile.
        assert!(tokio::time::timeout(Duration::ZERO, rig.done.next()).await.is_err());
        rig.done.rest().await.unwrap();
        assert_eq!(rig.records().await, AT_ONCE + 10);
        rig.done.rest().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_is_told() {
        let mut rig = rig().await;
        rig.disk.faults().writes(Fault::Full);
        rig.remove("/srv/one").await;
        assert!(rig.done.next().await.is_err());
        rig.remove("/srv/two").await;
        assert!(rig.done.rest().await.is_err());
    }
}
