//! Evidence: facts go in, durable entries of a signed transparency log come out.
//!
//! Knows entries, tiles and checkpoints. Refuses to know what a fact means, to acknowledge what is
//! not on the disk, and to go on after a write that failed.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::domain::event::Fact;
use crate::domain::{Digest, Timestamp};
use crate::mask::profile::Profiles;
use crate::mask::rule::Rules;
use crate::mask::{Width, whole};
use crate::signer::Signer;
use crate::store::{self, Blobs, Files, Key};

pub mod bundle;
pub mod check;
pub mod checkpoint;
pub mod copied;
pub mod cosign;
pub mod cosigned;
pub mod counts;
pub mod entry;
pub mod ocsf;
pub mod policies;
pub mod population;
pub mod proof;
pub mod reconcile;
pub mod sequencer;
mod served;
pub mod stamp;
pub mod succession;
pub mod tiles;
pub mod trust;
pub mod verify;
pub mod witness;

mod body;
#[cfg(test)]
mod examples;
mod export;
mod kept;
mod open;
mod tail;
#[cfg(test)]
mod tests;

use counts::Counts;
pub use kept::Kept;
use sequencer::Sequencer;
use tiles::{WIDTH, bundle_name, decode_bundle};

/// What the log is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names the log for ever; equals the name of its key.
    pub origin: String,
    /// Name of this bastion in every entry.
    pub node: String,
    /// Version of the program, for `log.start`.
    pub version: String,
    /// Digest of the policy set in force, for `log.start`.
    pub policy: Option<Digest>,
    /// Digest of the config as read, for `log.start`.
    pub config: Option<Digest>,
    /// Where the last checkpoint is kept outside the state folder, by folder and file name.
    pub last_checkpoint: Option<(Files, String)>,
}

#[cfg(test)]
impl Settings {
    /// A log that tests write.
    pub(crate) fn of_tests(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            node: "bastion-1".to_owned(),
            version: "0.1.0".to_owned(),
            policy: None,
            config: None,
            last_checkpoint: None,
        }
    }
}

/// What an append is answered with: the entry is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Index of its leaf.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Digest,
    /// The time it has in the log.
    pub time: Timestamp,
}

/// The handle through which facts become entries. Cheap to clone; clones write to the same log.
#[derive(Clone, Debug)]
pub struct Ledger {
    jobs: mpsc::Sender<Job>,
    view: Arc<View>,
    blobs: Blobs,
    files: Files,
    key: checkpoint::Key,
    signer: Signer,
    writer: Arc<entry::Writer>,
    counts: Arc<Counts>,
    clock: Clock,
    masks: Arc<OnceLock<watch::Receiver<Arc<Profiles>>>>,
    trust: Arc<OnceLock<trust::Trust>>,
}

/// Texts to be stored, salted, by key.
type Payloads = Vec<(Key, Bytes)>;

/// What one append asks of the sequencer.
#[derive(Debug)]
struct Job {
    drafts: Vec<entry::Draft>,
    receipts: oneshot::Sender<Result<Vec<Receipt>, Error>>,
}

/// Entries that readers may not find in full bundles yet, and the sizes.
#[derive(Debug, Default)]
struct View(RwLock<Recent>);

#[derive(Debug, Default)]
struct Recent {
    /// Index of the first of `entries`: all before it are in full bundles on the disk.
    base: u64,
    entries: VecDeque<Bytes>,
    /// Size of the last signed checkpoint.
    checkpoint: u64,
}

/// Jobs that may wait for the sequencer; more wait to be queued.
const QUEUE: usize = 1024;
/// Most bytes that one step of a salvage writes.
const SALVAGE_BYTES: usize = 1024 * 1024;
/// Most entries that one listing returns.
pub const MAX_LISTED: usize = 1000;

impl Ledger {
    /// Opens the log in `files`, or begins it. What lies behind the last checkpoint is read and checked: a torn end that was
    /// never acknowledged is cut off. Nothing else is written before the sequencer runs.
    pub async fn open(
        settings: Settings,
        files: Files,
        blobs: Blobs,
        signer: Signer,
        clock: Clock,
    ) -> Result<(Self, Sequencer), Error> {
        let opened = open::open(&settings, &files, &signer).await?;
        let boot = (0..2).map(|_| format!("{:016x}", crate::domain::random_bits() as u64)).collect::<String>();
        let writer = Arc::new(entry::Writer { node: settings.node.clone(), boot });
        let view = Arc::new(View(RwLock::new(opened.recent)));
        let counts = Arc::new(Counts::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let ledger = Self {
            jobs,
            view: view.clone(),
            blobs,
            files: files.clone(),
            key: checkpoint::Key::new(&settings.origin, signer.log_key())?,
            signer: signer.clone(),
            writer: writer.clone(),
            counts: counts.clone(),
            clock: clock.clone(),
            masks: Arc::default(),
            trust: Arc::default(),
        };
        let sequencer = Sequencer::new(
            settings,
            files,
            signer,
            clock,
            writer,
            counts,
            view,
            queue,
            opened.edge,
            opened.signed,
            opened.tail_start,
            opened.time,
        );
        Ok((ledger, sequencer))
    }

    /// Texts are masked by these rules, as they are at each append; said once.
    pub fn mask_by(&self, masks: watch::Receiver<Arc<Profiles>>) {
        let _ = self.masks.set(masks);
    }

    /// Appends all facts of one step, in order. Durable once it returns `Ok`; after an error nothing may be done that
    /// needed it.
    pub async fn append(&self, facts: Vec<Fact>) -> Result<Vec<Receipt>, Error> {
        let (drafts, payloads) = self.drafts(facts)?;
        let queued = async { self.queue(drafts).await?.receipts().await };
        // Side by side: the receipt counts only with both, and a payload without its entry harms nobody.
        let (stored, receipts) = tokio::join!(self.store(payloads), queued);
        stored?;
        receipts
    }

    /// Appends one fact.
    pub async fn append_one(&self, fact: Fact) -> Result<Receipt, Error> {
        self.append(vec![fact]).await?.pop().ok_or(Error::Stopped)
    }

    /// Queues now; the receipts are awaited later. For callers that must fix an order among themselves.
    pub async fn submit(&self, facts: Vec<Fact>) -> Result<Pending, Error> {
        let (drafts, payloads) = self.drafts(facts)?;
        self.store(payloads).await?;
        self.queue(drafts).await
    }

    /// Returns once the sequencer has answered, behind everything that queued before; writes nothing.
    pub async fn answers(&self) -> Result<(), Error> {
        self.queue(Vec::new()).await?.receipts().await.map(drop)
    }

    /// A text as records keep it: masked, and what is no UTF-8 replaced.
    pub fn masked(&self, text: &[u8]) -> String {
        String::from_utf8_lossy(&whole(&self.rules(), Width::Label, text)).into_owned()
    }

    fn rules(&self) -> Arc<Rules> {
        // Before anybody has said which rules hold, the default ones do.
        self.masks.get().map_or_else(Rules::standard, |masks| masks.borrow().of_log().clone())
    }

    fn drafts(&self, facts: Vec<Fact>) -> Result<(Vec<entry::Draft>, Payloads), Error> {
        let mut drafts = Vec::with_capacity(facts.len());
        let mut payloads = Vec::new();
        let rules = self.rules();
        for fact in facts {
            let mut draft = entry::encode(&fact, &self.writer, &rules, salt)?;
            self.counts.fact(&fact);
            payloads.extend(draft.payloads.drain(..).map(|(hash, stored)| (payload_key(&hash), stored)));
            drafts.push(draft);
        }
        Ok((drafts, payloads))
    }

    async fn store(&self, payloads: Payloads) -> Result<(), Error> {
        if payloads.is_empty() { Ok(()) } else { Ok(self.blobs.put(payloads).await?) }
    }

    async fn queue(&self, drafts: Vec<entry::Draft>) -> Result<Pending, Error> {
        let (receipts, pending) = oneshot::channel();
        self.jobs.send(Job { drafts, receipts }).await.map_err(|_| Error::Stopped)?;
        Ok(Pending(pending))
    }

    /// How many entries have receipts.
    pub fn size(&self) -> u64 {
        self.view.read(|recent| recent.base + recent.entries.len() as u64)
    }

    /// Size of the last signed checkpoint.
    pub fn checkpoint_size(&self) -> u64 {
        self.view.read(|recent| recent.checkpoint)
    }

    /// The last signed checkpoint, as a note.
    pub async fn checkpoint(&self) -> Result<Option<Bytes>, Error> {
        Ok(self.files.read(CHECKPOINT).await?)
    }

    /// Exact bytes of one entry.
    pub async fn entry(&self, index: u64) -> Result<Option<Bytes>, Error> {
        Ok(self.entries(index, 1).await?.into_iter().next())
    }

    /// Exact bytes of the entries from `from` on, at most `limit` and at most [`MAX_LISTED`]. Fewer at the end of a bundle:
    /// ask again from where it stopped; none at all means the end.
    pub async fn entries(&self, from: u64, limit: usize) -> Result<Vec<Bytes>, Error> {
        let limit = limit.min(MAX_LISTED);
        let recent = self.view.read(|recent| {
            let skip = usize::try_from(from.checked_sub(recent.base)?).ok()?;
            Some(recent.entries.iter().skip(skip).take(limit).cloned().collect::<Vec<_>>())
        });
        if let Some(recent) = recent {
            return Ok(recent);
        }
        let name = bundle_name(from / WIDTH, WIDTH);
        let bundle = self.files.read(&name).await?.ok_or_else(|| Error::Damaged(format!("{name} is missing")))?;
        let entries = decode_bundle(&bundle, WIDTH).ok_or_else(|| Error::Damaged(format!("{name} is not a bundle")))?;
        let skip = usize::try_from(from % WIDTH).unwrap_or(usize::MAX);
        Ok(entries.into_iter().skip(skip).take(limit).collect())
    }

    /// The text behind a payload's hash, as long as it is kept.
    pub async fn payload(&self, hash: &Digest) -> Result<Option<Bytes>, Error> {
        let Some(stored) = self.blobs.get(&payload_key(hash)).await? else { return Ok(None) };
        match entry::Payload::open(hash, &stored) {
            Some(text) => Ok(Some(text)),
            None => Err(Error::Damaged(format!("payload {hash} has another hash"))),
        }
    }

    /// Copies the texts behind these hashes from another store, which may be damaged. Those that are not there then.
    pub async fn salvage(&self, hashes: &[Digest], from: &[Blobs]) -> Result<Vec<Digest>, Error> {
        let (mut missing, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
        for hash in hashes {
            if has_payload(&self.blobs, hash).await? {
                continue;
            }
            let key = payload_key(hash);
            let mut found = None;
            for blobs in from {
                // What cannot be read of a damaged store is lost, whatever it says.
                let stored = blobs.get(&key).await.ok().flatten();
                found = found.or(stored.filter(|stored| entry::Payload::open(hash, stored).is_some()));
            }
            let Some(stored) = found else {
                missing.push(*hash);
                continue;
            };
            bytes += stored.len();
            batch.push((key, stored));
            if bytes >= SALVAGE_BYTES || batch.len() >= MAX_LISTED {
                bytes = 0;
                self.blobs.put(std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            self.blobs.put(batch).await?;
        }
        Ok(missing)
    }

    /// How many appends wait for the sequencer, and how many may.
    pub fn queue_depth(&self) -> (usize, usize) {
        (self.jobs.max_capacity() - self.jobs.capacity(), self.jobs.max_capacity())
    }

    /// What is counted since the start.
    pub fn counters(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// The log's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Receipts that will come.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Vec<Receipt>, Error>>);

impl Pending {
    /// Waits until the entries are durable.
    pub async fn receipts(self) -> Result<Vec<Receipt>, Error> {
        self.0.await.unwrap_or(Err(Error::Stopped))
    }
}

impl View {
    fn read<T>(&self, look: impl FnOnce(&Recent) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Recent) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The file of the last signed checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The file of the entries that are in no full bundle yet.
pub const TAIL: &str = tail::NAME;

/// Whether the text behind a payload's hash is in a store, as it was written.
pub async fn has_payload(blobs: &Blobs, hash: &Digest) -> Result<bool, Error> {
    Ok(payload_in(blobs, hash).await?.is_some())
}

/// The text behind a payload's hash in a store, as long as it is kept there as it was written.
pub async fn payload_in(blobs: &Blobs, hash: &Digest) -> Result<Option<Bytes>, Error> {
    let stored = blobs.get(&payload_key(hash)).await?;
    Ok(stored.and_then(|stored| entry::Payload::open(hash, &stored)))
}

fn payload_key(hash: &Digest) -> Key {
    Key::of(&[b"payload", &hash.0])
}

fn salt() -> [u8; entry::SALT_BYTES] {
    let mut salt = [0; entry::SALT_BYTES];
    for half in salt.chunks_mut(16) {
        half.copy_from_slice(crate::domain::random_bits().to_be_bytes().get(..half.len()).unwrap_or_default());
    }
    salt
}

/// Why the ledger did not do what was asked.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// A fact that cannot be an entry.
    #[error("a fact cannot be written")]
    Entry(#[from] Arc<entry::Error>),
    /// The store did not take or give bytes.
    #[error("the ledger's store")]
    Store(#[from] store::Error),
    /// The sequencer does not run: it was stopped, or a write of unknown outcome has ended it.
    #[error("the ledger takes no entries any more")]
    Stopped,
    /// What is stored is not a log.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The last checkpoint is not one of this log.
    #[error("the ledger's checkpoint")]
    Checkpoint(#[from] Arc<checkpoint::Error>),
    /// The stored log is older than what was signed.
    #[error(
        "the log has {found} entries, but {signed} were signed: it was restored from an older copy. \
         Bring back the newer copy of the state folder; if there is none, 'sallyport store succeed' goes on without the rest"
    )]
    Restored {
        /// What is there.
        found: u64,
        /// What was signed.
        signed: u64,
    },
}

impl Error {
    /// Whether what was asked for is there and is not what was written.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Store(store::Error::Damaged(_)))
    }
}

impl From<entry::Error> for Error {
    fn from(error: entry::Error) -> Self {
        Self::Entry(Arc::new(error))
    }
}

impl From<checkpoint::Error> for Error {
    fn from(error: checkpoint::Error) -> Self {
        Self::Checkpoint(Arc::new(error))
    }
}
