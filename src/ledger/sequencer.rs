//! The one writer of the log: batches become durable, then receipts go out; checkpoints follow apart.
//!
//! No timer stands in the way of an append: a batch is what queued while the last sync ran. An error in
//! a write ends the sequencer, because nobody knows what is on the disk: the next start reads it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep};
use tracing::{error, info};

use super::checkpoint::{self, Checkpoint};
use super::entry::{self, Draft, Place};
use super::tiles::{self, Edge, WIDTH};
use super::{CHECKPOINT, Counts, Error, Job, Receipt, Settings, View, kept, tail};
use crate::clock::Clock;
use crate::domain::event::{Counters, Event, Fact, Outcome};
use crate::domain::{RecordId, Timestamp};
use crate::mask::rule::Rules;
use crate::merkle;
use crate::signer::Signer;
use crate::store::Files;

/// A checkpoint follows the first unsigned receipt so much later: within the 10 s that are promised, with time to write it.
const SIGN_AFTER: Duration = Duration::from_secs(9);
/// How often the log says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// A batch takes no more jobs once it has so many bytes or entries.
const BATCH_BYTES: usize = 1024 * 1024;
const BATCH_ENTRIES: usize = 4096;

/// Runs until it is stopped or a write fails.
#[derive(Debug)]
pub struct Sequencer {
    settings: Settings,
    files: Files,
    signer: Signer,
    clock: Clock,
    writer: Arc<entry::Writer>,
    counts: Arc<Counts>,
    view: Arc<View>,
    queue: mpsc::Receiver<Job>,
    edge: Edge,
    /// Size of the last checkpoint.
    signed: u64,
    /// Index of the first entry in the tail, up to the next checkpoint that finishes a bundle.
    tail_start: u64,
    /// Time of the last entry.
    last: Option<Timestamp>,
    /// The clock is behind the last entry, and the log says so.
    stepped: bool,
}

type Publishing = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

impl Sequencer {
    #[allow(clippy::too_many_arguments, reason = "called once, by `Ledger::open`")]
    pub(super) fn new(
        settings: Settings,
        files: Files,
        signer: Signer,
        clock: Clock,
        writer: Arc<entry::Writer>,
        counts: Arc<Counts>,
        view: Arc<View>,
        queue: mpsc::Receiver<Job>,
        edge: Edge,
        signed: u64,
        tail_start: u64,
        last: Option<Timestamp>,
    ) -> Self {
        Self {
            settings,
            files,
            signer,
            clock,
            writer,
            counts,
            view,
            queue,
            edge,
            signed,
            tail_start,
            last,
            stepped: false,
        }
    }

    /// Writes `log.start`, then serves appends until `stop` says so (with whether all sessions had ended in time) or every
    /// handle is gone; then `log.stop` and a last checkpoint. After an error nothing is appended any more.
    pub async fn run(mut self, stop: oneshot::Receiver<bool>) -> Result<(), Error> {
        let outcome = self.serve(stop).await;
        if let Err(cause) = &outcome {
            error!(error = ?cause, "the ledger stops: the next start reads what is on the disk");
        }
        outcome
    }

    async fn serve(&mut self, mut stop: oneshot::Receiver<bool>) -> Result<(), Error> {
        let left = self.edge.size() > self.signed;
        self.state(Event::LogStart {
            version: self.settings.version.clone(),
            origin: self.settings.origin.clone(),
            policy: self.settings.policy,
            config: self.settings.config,
        })
        .await?;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let mut publishing: Option<Publishing> = None;
        // What a crash left unsigned is signed at once: one that crashes again and again would never come to it.
        let mut due: Option<Pin<Box<Sleep>>> = left.then(|| Box::pin(sleep(Duration::ZERO)));
        // Entries that are signed, or are being signed.
        let mut covered = self.signed;
        let drained = loop {
            if due.is_none() && self.edge.size() > covered {
                due = Some(Box::pin(sleep(SIGN_AFTER)));
            }
            tokio::select! {
                job = self.queue.recv() => match job {
                    Some(job) => self.batch(job).await?,
                    None => break true,
                },
                signed = wait(&mut publishing) => {
                    publishing = None;
                    self.published(signed?).await?;
                },
                () = wait(&mut due), if publishing.is_none() => {
                    due = None;
                    covered = self.edge.size();
                    publishing = Some(self.publish());
                },
                _ = heartbeat.tick() => self.state(Event::LogHeartbeat(self.counters())).await?,
                drained = &mut stop => break drained.unwrap_or(false),
            }
        };
        self.queue.close();
        while let Some(job) = self.queue.recv().await {
            self.batch(job).await?;
        }
        if let Some(publishing) = publishing {
            let signed = publishing.await?;
            self.published(signed).await?;
        }
        self.state(Event::LogStop { drained }).await?;
        let signed = self.publish().await?;
        self.published(signed).await
    }

    fn counters(&self) -> Counters {
        Counters {
            connections: self.counts.connections.load(Ordering::Relaxed),
            sessions: self.counts.sessions.load(Ordering::Relaxed),
            certificates: self.counts.certificates.load(Ordering::Relaxed),
            next_serial: self.counts.next_serial.load(Ordering::Relaxed),
            checkpoint: self.signed,
        }
    }

    /// Appends a fact of the log's own.
    async fn state(&mut self, event: Event) -> Result<(), Error> {
        let draft = self.draft(event)?;
        let entries = self.seal(vec![draft])?;
        self.write(&entries).await
    }

    fn draft(&self, event: Event) -> Result<Draft, Error> {
        let fact = Fact::new(RecordId::new(self.clock.now()), Outcome::Success, event);
        Ok(entry::encode(&fact, &self.writer, &Rules::standard(), || [0; entry::SALT_BYTES])?)
    }

    /// One batch: what queued while the last one was synced. Receipts go out after the sync.
    async fn batch(&mut self, first: Job) -> Result<(), Error> {
        let (mut bytes, mut count) = (0, 0);
        let mut jobs = vec![first];
        let measure = |job: &Job| (job.drafts.iter().map(Draft::len).sum::<usize>(), job.drafts.len());
        while bytes < BATCH_BYTES && count < BATCH_ENTRIES {
            if let Some(job) = jobs.last() {
                let (more_bytes, more) = measure(job);
                (bytes, count) = (bytes + more_bytes, count + more);
            }
            let Ok(job) = self.queue.try_recv() else { break };
            jobs.push(job);
        }
        let mut entries = Vec::with_capacity(count);
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            let own = job.drafts.len();
            let sealed = self.seal(job.drafts)?;
            // A `clock.step` may stand before the caller's own entries.
            let receipts: Vec<Receipt> = sealed.iter().skip(sealed.len() - own).map(|(_, receipt)| *receipt).collect();
            entries.extend(sealed);
            answers.push((job.receipts, receipts));
        }
        let written = self.write(&entries).await;
        for (answer, receipts) in answers {
            // A caller that does not wait any more has its entry all the same.
            let _ = answer.send(written.clone().map(|()| receipts));
        }
        written
    }

    /// Gives drafts their places. Time never goes backwards: where the clock has stepped back, an entry says so first.
    fn seal(&mut self, drafts: Vec<Draft>) -> Result<Vec<(Bytes, Receipt)>, Error> {
        let now = self.clock.now();
        let mut sealed = Vec::with_capacity(drafts.len() + 1);
        match self.last {
            Some(old) if now < old && !self.stepped => {
                self.stepped = true;
                let step = self.draft(Event::ClockStep { old, new: now })?;
                sealed.push(self.place(&step, now));
            }
            Some(old) if now >= old => self.stepped = false,
            _ => {}
        }
        for draft in drafts {
            sealed.push(self.place(&draft, now));
        }
        Ok(sealed)
    }

    fn place(&mut self, draft: &Draft, now: Timestamp) -> (Bytes, Receipt) {
        let adjusted = self.last.is_some_and(|last| now < last);
        let time = match self.last {
            Some(last) if now < last => last.plus(Duration::from_micros(1)),
            _ => now,
        };
        self.last = Some(time);
        let index = self.edge.size();
        let bytes = draft.seal(Place { seq: index, time, adjusted });
        let leaf = merkle::leaf_hash(&bytes);
        self.edge.push(bytes.clone(), leaf);
        (bytes, Receipt { index, leaf, time })
    }

    /// Entries to the disk, one sync, then to the readers.
    async fn write(&self, entries: &[(Bytes, Receipt)]) -> Result<(), Error> {
        // Somebody only asks whether anybody is there.
        let Some((_, Receipt { index: first, .. })) = entries.first() else { return Ok(()) };
        let mut out = BytesMut::new();
        for (bytes, receipt) in entries {
            tail::encode(receipt.index, *first, bytes, &mut out);
        }
        let before = self.clock.elapsed();
        self.files.append(tail::NAME, out.freeze()).await?;
        self.counts.syncs.add(self.clock.elapsed().saturating_sub(before));
        self.view.write(|recent| recent.entries.extend(entries.iter().map(|(bytes, _)| bytes.clone())));
        Ok(())
    }

    /// Tiles first, then the signature over them, then the checkpoint: a crash between leaves a checkpoint that nobody has
    /// seen, or tiles that the next one uses. Only then partial tiles go that are whole now: until the tail begins behind
    /// them, each start does so again. Runs beside further appends; answers with the size it signed.
    fn publish(&mut self) -> Publishing {
        let size = self.edge.size();
        let root = self.edge.frontier().root();
        let tiles = self.edge.take();
        let files = self.files.clone();
        let signer = self.signer.clone();
        let settings = self.settings.clone();
        let outgrown = tiles::outgrown(self.tail_start, size);
        Box::pin(async move {
            for (name, bytes) in tiles {
                files.replace(&name, bytes).await?;
            }
            let key = checkpoint::Key::new(&settings.origin, signer.log_key())?;
            let checkpoint = Checkpoint { origin: settings.origin, size, root };
            let note = Bytes::from(checkpoint.sign(&key, |text| signer.sign_note(text)));
            kept::keep(&files, size, &note).await?;
            files.replace(CHECKPOINT, note.clone()).await?;
            if let Some((folder, name)) = settings.last_checkpoint {
                folder.replace(&name, note).await?;
            }
            for folder in outgrown {
                files.remove_folder(&folder).await?;
            }
            Ok(size)
        })
    }

    /// A checkpoint of `size` is stored: full bundles are found on the disk, and the tail begins behind them.
    async fn published(&mut self, size: u64) -> Result<(), Error> {
        self.signed = size;
        self.counts.signed(self.clock.now());
        let base = size - size % WIDTH;
        let rest: Vec<Bytes> = self.view.write(|recent| {
            recent.checkpoint = size;
            let full = usize::try_from(base - recent.base).unwrap_or(usize::MAX);
            recent.entries.drain(..full.min(recent.entries.len()));
            recent.base = base;
            if base > self.tail_start { recent.entries.iter().cloned().collect() } else { Vec::new() }
        });
        // While no bundle was finished, the tail goes on as it is.
        if base > self.tail_start {
            let mut out = BytesMut::new();
            for (index, bytes) in (base..).zip(&rest) {
                tail::encode(index, index, bytes, &mut out);
            }
            self.files.replace(tail::NAME, out.freeze()).await?;
            self.tail_start = base;
        }
        info!(size, "checkpoint signed");
        Ok(())
    }
}

/// Waits for what is there; for ever if nothing is.
async fn wait<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
