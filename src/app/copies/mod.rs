//! Copies of the log elsewhere, in the layout of C2SP tlog-tiles: entries, hashes and the last checkpoint, file by file.
//!
//! Never in the way of anything: a place that is not reached is tried again, and catches up. A file that is there is never
//! written again; only the checkpoint is replaced, behind everything that it covers. Refuses to add to what is no copy of
//! this log up to now.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::StartError;
use crate::clock::Clock;
use crate::domain::event::copied::Copied;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::{Digest, RecordId};
use crate::ledger::copied::{Fault, NOTE_BYTES, lacking, outgrown};
use crate::ledger::{self, CHECKPOINT, Kept, Ledger};

mod folder;
pub mod s3;

use folder::Folder;
use s3::Bucket;

/// Where a copy is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a folder that is there.
    Folder(PathBuf),
    /// In an S3-compatible object store.
    S3(Box<s3::Settings>),
}

/// How often it is looked for a new checkpoint.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause after the first failure; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so long without a file that was written, a place is said not to answer. It is waited for all the same: who gives up
/// on a disk that hangs leaves a thread with it each time.
const STALLED: Duration = Duration::from_secs(60);
/// For what is asked at the start.
const AT_START: Duration = Duration::from_secs(10);
/// For the last checkpoint, when the bastion stops.
pub(super) const AT_END: Duration = Duration::from_secs(5);
/// Longer than any file of the layout: 256 entries of 32 KiB.
const FILE_BYTES: usize = 9 * 1024 * 1024;

/// How far each copy has come. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Mutex<BTreeMap<&'static str, Came>>>);

/// How far one copy has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    /// Entries that it has, since ever.
    pub(super) entries: u64,
    /// Attempts that failed, since the start.
    pub(super) failures: u64,
}

impl Progress {
    /// Every copy is known from the start, also one that nothing reaches yet: an alert needs its line.
    pub(super) fn of(places: &[Place]) -> Self {
        Self(Arc::new(Mutex::new(places.iter().map(|place| (place.kind(), Came::default())).collect())))
    }

    fn note(&self, kind: &'static str, change: impl FnOnce(&mut Came)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default());
    }

    /// By kind of place.
    pub(super) fn read(&self) -> BTreeMap<&'static str, Came> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Place {
    fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::S3(_) => "s3",
        }
    }

    fn open(&self, clock: &Clock) -> Result<Store, String> {
        match self {
            Self::Folder(path) => Ok(Store::Folder(Folder::new(path))),
            Self::S3(settings) => Bucket::new(settings, clock).map(|bucket| Store::S3(Box::new(bucket))),
        }
    }

    /// Between two checkpoints that are copied. What is paid for by the request, and can never be removed, is not for each.
    fn every(&self) -> Duration {
        match self {
            Self::Folder(_) => LOOK_EVERY,
            Self::S3(settings) => settings.every,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Folder(path) => format!("ledger.copy_dir ({})", path.display()),
            Self::S3(_) => "ledger.s3".to_owned(),
        }
    }
}

/// A place, ready to be written to.
enum Store {
    Folder(Folder),
    S3(Box<Bucket>),
}

impl Store {
    async fn read(&self, name: &str, most: usize) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Folder(folder) => Ok(folder.read(name, most).await?),
            Self::S3(bucket) => bucket.read(name, most).await,
        }
    }

    /// Writes a file that is not there yet. One that is there must be the same.
    async fn put_new(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        match (self.read(name, FILE_BYTES).await?, self) {
            (Some(there), _) if there == *bytes => Ok(()),
            (Some(_), _) => Err(Error::Changed(name.to_owned())),
            (None, Self::Folder(folder)) => Ok(folder.put(name, bytes).await?),
            (None, Self::S3(bucket)) => bucket.put_new(name, bytes).await,
        }
    }

    async fn replace(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => Ok(folder.put(name, bytes).await?),
            Self::S3(bucket) => bucket.replace(name, bytes).await,
        }
    }

    async fn tidy(&self, name: &str) {
        match self {
            Self::Folder(folder) => folder.tidy(name).await,
            // Who writes there needs no right to remove anything.
            Self::S3(_) => {}
        }
    }
}

/// Looks at every copy before anything is written: one that has more than the log, or something else, shows that the log was
/// restored from an older copy. A place that is not reached keeps the bastion from nothing.
pub(super) async fn agree(places: &[Place], ledger: &Ledger) -> Result<(), StartError> {
    let newest = ledger.newest().await?;
    for place in places {
        let store = match place.open(ledger.clock()) {
            Ok(store) => store,
            Err(why) => {
                warn!(place = place.kind(), why, "the copy of the log cannot be looked at");
                continue;
            }
        };
        let looked = async {
            match store.read(CHECKPOINT, NOTE_BYTES).await? {
                Some(note) => Ok(ledger.judge_copy(&note, newest.as_ref()).await.map(drop)?),
                None => Ok::<(), Error>(()),
            }
        };
        match timeout(AT_START, looked).await {
            Ok(Ok(())) => {}
            Ok(Err(Error::Judged(Fault::Ledger(cause)))) => return Err(cause.into()),
            Ok(Err(Error::Judged(cause))) => {
                return Err(StartError::Copied { place: place.shown(), cause: Box::new(cause) });
            }
            Ok(Err(cause)) => {
                let cause: &dyn std::error::Error = &cause;
                warn!(place = place.kind(), error = cause, "the copy of the log, looked at at the start");
            }
            Err(_) => warn!(place = place.kind(), "the copy of the log, looked at at the start, does not answer"),
        }
    }
    Ok(())
}

/// Brings each new checkpoint to one place, until it is stopped; then once more, for the log's last one.
pub(super) async fn run(place: Place, ledger: Ledger, progress: Progress, stop: CancellationToken) {
    let store = match place.open(ledger.clock()) {
        Ok(store) => store,
        Err(why) => {
            error!(place = place.kind(), why, "the log is not copied there until the next start");
            return;
        }
    };
    let mut copier = Copier {
        kind: place.kind(),
        store,
        ledger,
        progress,
        done: Bytes::new(),
        told: None,
        written: AtomicU64::new(0),
    };
    let copying = async {
        let mut pause = PAUSE;
        loop {
            if copier.look().await {
                pause = PAUSE;
                // Until there is a first one, it is looked for all the time.
                sleep(if copier.done.is_empty() { LOOK_EVERY } else { place.every() }).await;
            } else {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    };
    let _: Option<std::convert::Infallible> = stop.run_until_cancelled(copying).await;
    if timeout(AT_END, copier.last()).await.is_err() {
        warn!(place = place.kind(), "the copy of the log has not got the last checkpoint: the next start brings it");
    }
}

struct Copier {
    kind: &'static str,
    store: Store,
    ledger: Ledger,
    progress: Progress,
    /// The note that was copied last.
    done: Bytes,
    /// What a record says of the copy: that it is good.
    told: Option<bool>,
    /// Files, since the start.
    written: AtomicU64,
}

impl Copier {
    /// One look for a new checkpoint. Whether all is well.
    async fn look(&mut self) -> bool {
        let kept = match self.ledger.newest_signed().await {
            Ok(Some(kept)) if kept.note != self.done => kept,
            Ok(_) => return true,
            Err(cause) => {
                warn!(error = &cause as &dyn std::error::Error, "the checkpoint for the copy of the log");
                return false;
            }
        };
        let came = self.watched(&kept).await;
        let size = kept.checkpoint.size;
        match &came {
            Ok(()) => {
                self.progress.note(self.kind, |came| came.entries = size);
                self.done = kept.note.clone();
            }
            Err(cause) => {
                self.progress.note(self.kind, |came| came.failures += 1);
                let (place, cause): (_, &dyn std::error::Error) = (self.kind, cause);
                warn!(place, size, error = cause, "the checkpoint is not in the copy of the log");
            }
        }
        let came = came.map_err(|cause| cause.reason());
        self.tell(&kept, came).await;
        came.is_ok()
    }

    /// The last checkpoint, of a log that takes no records any more.
    async fn last(&self) {
        if let Ok(Some(kept)) = self.ledger.newest_signed().await
            && kept.note != self.done
            && let Err(cause) = self.copy(&kept).await
        {
            let (place, cause): (_, &dyn std::error::Error) = (self.kind, &cause);
            warn!(
                place,
                error = cause,
                "the copy of the log has not got the last checkpoint: the next start brings it"
            );
        }
    }

    /// Copies, however long it takes. A place that does nothing for long is a failure that is told meanwhile.
    async fn watched(&mut self, kept: &Kept) -> Result<(), Error> {
        let mut is_stalled = false;
        let came = {
            let mut copying = std::pin::pin!(self.copy(kept));
            let mut before = self.written.load(Ordering::Relaxed);
            loop {
                tokio::select! {
                    came = &mut copying => break came,
                    () = sleep(STALLED), if !is_stalled => {
                        let now = self.written.load(Ordering::Relaxed);
                        if now == before {
                            is_stalled = true;
                            self.progress.note(self.kind, |came| came.failures += 1);
                            warn!(place = self.kind, "the place of the copy of the log does not answer");
                            if self.told != Some(false) {
                                self.write(kept, Err("no answer")).await;
                            }
                        }
                        before = now;
                    }
                }
            }
        };
        if is_stalled {
            self.told = Some(false);
        }
        came
    }

    /// Everything that the copy lacks, the checkpoint last.
    async fn copy(&self, kept: &Kept) -> Result<(), Error> {
        let size = kept.checkpoint.size;
        // Asked each time: a copy may be brought back to an older state too.
        let old = match self.store.read(CHECKPOINT, NOTE_BYTES).await? {
            Some(note) if note == kept.note => return Ok(()),
            Some(note) => self.ledger.judge_copy(&note, Some(kept)).await?,
            None => 0,
        };
        for piece in lacking(old, size) {
            let bytes = self.ledger.piece(&piece).await?;
            self.store.put_new(&piece.name(), &bytes).await?;
            self.written.fetch_add(1, Ordering::Relaxed);
        }
        self.store.replace(CHECKPOINT, &kept.note).await?;
        for folder in outgrown(old, size) {
            self.store.tidy(&folder).await;
        }
        Ok(())
    }

    /// A record, where what the last one said holds no more. Not for each checkpoint: each record makes another one.
    async fn tell(&mut self, kept: &Kept, came: Result<(), &'static str>) {
        if self.told == Some(came.is_ok()) {
            return;
        }
        self.told = Some(came.is_ok());
        if came.is_ok() {
            info!(place = self.kind, size = kept.checkpoint.size, "the copy of the log has caught up");
        }
        self.write(kept, came).await;
    }

    async fn write(&self, kept: &Kept, came: Result<(), &'static str>) {
        let outcome = if came.is_ok() { Outcome::Success } else { Outcome::Failure };
        let (size, root): (u64, Digest) = (kept.checkpoint.size, kept.checkpoint.root);
        let event = Event::LogCopied(Copied { place: self.kind, size, root, came });
        let fact = Fact::new(RecordId::new(self.ledger.clock().now()), outcome, event);
        if let Err(cause) = self.ledger.append_one(fact).await {
            error!(error = &cause as &dyn std::error::Error, "the ledger does not take how the copy of the log stands");
        }
    }
}

/// What a config that names this place is told if it cannot be one.
pub(super) fn fault(folder: &Path, state: &Path) -> Option<(&'static str, &'static str)> {
    if folder.starts_with(state) || state.starts_with(folder) {
        return Some((
            "shares a folder with state",
            "name a folder elsewhere, best on another machine's disk: it is for the day on which this one is lost",
        ));
    }
    None
}

/// Why a checkpoint is not in a copy.
#[derive(Debug, Error)]
enum Error {
    #[error("the place")]
    Place(#[from] io::Error),
    #[error("the store is not reached")]
    Silent,
    #[error("the store answers {status} ({code})")]
    Refused { status: u16, code: String },
    #[error("{0} is there already, and is another file")]
    Changed(String),
    #[error("the copy {0}")]
    Judged(#[from] Fault),
    #[error("the log")]
    Ledger(#[from] ledger::Error),
}

impl Error {
    /// For the record, from a closed set.
    fn reason(&self) -> &'static str {
        match self {
            Self::Place(error) if error.kind() == io::ErrorKind::StorageFull => "full",
            Self::Place(_) | Self::Silent => "not reached",
            Self::Refused { .. } => "refused",
            Self::Changed(_) => "another file is there",
            Self::Judged(Fault::Ledger(_)) | Self::Ledger(_) => "the log cannot be read",
            Self::Judged(_) => "not a copy of this log",
        }
    }
}

#[cfg(test)]
mod tests;
