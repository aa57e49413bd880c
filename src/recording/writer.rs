//! From events to stored frames: the one writer behind the queue.
//!
//! Driven by its caller; starts no task of its own. While one frame is stored, the next is compressed, and one more is
//! gathered. The first failure ends writer and sinks: nothing is dropped, and nothing goes on unrecorded.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Sleep, sleep, timeout};

use super::asciicast::{Encoder, LINE_LIMIT_BYTES};
use super::frame::{self, Packer};
use super::sink::{Limits, Meter, Shared, Sink, State, cost};
use super::{Error, Header, Settings};
use crate::domain::Digest;
use crate::domain::event::Extent;
use crate::domain::session::RecordingId;
use crate::merkle::{self, Frontier};
use crate::store::{self, Blobs, Key};

pub(super) fn start(
    blobs: Blobs,
    settings: Settings,
    header: &Header,
    meter: Option<Arc<dyn Meter>>,
) -> Result<(Sink, Writer), Error> {
    let recording = header.about.recording;
    let text = header.line()?;
    if text.len() > LINE_LIMIT_BYTES / 4 {
        return Err(Error::Failed("header too long"));
    }
    let state = State {
        // The header counts as the first event, so that a flush waits for it too.
        pushed: 1,
        sinks: 1,
        ..State::default()
    };
    let limits = Limits { bytes: settings.queue_bytes, age: settings.queue_age };
    let (work, room) = (Notify::new(), Notify::new());
    let shared = Arc::new(Shared { state: Mutex::new(state), limits, meter, work, room });
    let writer = Writer {
        packer: Some(Packer::new(recording, settings.level)),
        // Beyond this a frame could be longer than readers take.
        frame_bytes: settings.frame_bytes.min(frame::TEXT_LIMIT_BYTES / 2),
        busy_frame_bytes: settings.busy_frame_bytes.min(frame::TEXT_LIMIT_BYTES / 2),
        settings,
        blobs,
        recording,
        header: Digest::of(&text),
        shared: shared.clone(),
        encoder: Encoder::new(),
        open: Open { text, taken: 1, ..Open::default() },
        closed: 0,
        aged: false,
        close_at: None,
        packing: None,
        packed: None,
        storing: None,
        tree: Frontier::new(),
        plain_bytes: 0,
        stored_bytes: 0,
        committed: 0,
        commit_at: None,
        outcome: None,
    };
    Ok((Sink { shared }, writer))
}

/// Turns events into stored frames. Whoever made the recording calls [`Writer::next`] until it is sealed.
pub struct Writer {
    blobs: Blobs,
    settings: Settings,
    frame_bytes: usize,
    busy_frame_bytes: usize,
    recording: RecordingId,
    header: Digest,
    shared: Arc<Shared>,
    encoder: Encoder,
    open: Open,
    /// How many events are in frames that are closed.
    closed: u64,
    aged: bool,
    close_at: Option<Pin<Box<Sleep>>>,
    /// Absent while a frame is compressed.
    packer: Option<Packer>,
    packing: Option<Packing>,
    /// Waits until the frame before it is stored.
    packed: Option<(Frame, Part)>,
    storing: Option<Storing>,
    tree: Frontier,
    plain_bytes: u64,
    stored_bytes: u64,
    committed: u64,
    commit_at: Option<Pin<Box<Sleep>>>,
    outcome: Option<Result<Sealed, &'static str>>,
}

/// The frame that is being gathered.
#[derive(Debug, Default)]
struct Open {
    text: Vec<u8>,
    /// What its events count in the queue's bound.
    cost: usize,
    /// Time of its first event.
    since: Option<Duration>,
    /// How many events of the recording are in it or before it.
    taken: u64,
    /// Of the begin of a character that waits for its end: how many events came before, and its time.
    tail: Option<(u64, Duration)>,
    /// Whether that begin came with an earlier frame.
    tail_is_old: bool,
}

/// What a frame that is closed stands for.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// What its events count in the queue's bound.
    cost: usize,
    /// Time of its first event.
    since: Option<Duration>,
    /// How many events are durable once it is.
    upto: u64,
}

/// The frame that is being compressed.
struct Packing {
    work: Work<Packed>,
    part: Part,
}

struct Packed {
    packer: Packer,
    text: Vec<u8>,
    frame: Frame,
}

/// A frame that is compressed.
struct Frame {
    stored: Bytes,
    leaf: Digest,
    plain_bytes: u64,
}

/// The frame that is being stored.
struct Storing {
    work: Work<()>,
    part: Part,
    frame: Frame,
}

type Work<T> = Pin<Box<dyn Future<Output = Result<T, Cause>> + Send>>;

/// Why a frame was not stored.
struct Cause {
    reason: &'static str,
    source: Option<Error>,
}

/// What the sinks ask for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    flush: bool,
    hurry: bool,
    ended: Option<Duration>,
}

/// So much may wait in the queue behind what an open frame has without a word to the writer.
const QUIET_BYTES: usize = 8 * 1024;

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("recording", &self.recording).finish_non_exhaustive()
    }
}

impl Writer {
    /// Digest of the header line, its newline included: `zstd -dc FILE | head -n 1 | sha256sum`.
    pub fn header_digest(&self) -> Digest {
        self.header
    }

    /// Works until there is something for the ledger. After [`Progress::Sealed`] or an error there is nothing more to come.
    ///
    /// May be dropped and called again at any point.
    pub async fn next(&mut self) -> Result<Progress, Failed> {
        match &self.outcome {
            Some(Ok(sealed)) => return Ok(Progress::Sealed(sealed.clone())),
            Some(Err(reason)) => return Err(Failed { extent: self.extent(), reason, source: None }),
            None => {}
        }
        self.advance().await.map_err(|Cause { reason, source }| {
            self.outcome = Some(Err(reason));
            self.fail(reason);
            Failed { extent: self.extent(), reason, source }
        })
    }

    async fn advance(&mut self) -> Result<Progress, Cause> {
        loop {
            let asked = self.take();
            if self.packing.is_none() && self.packed.is_none() && self.should_close(asked) {
                self.close(asked);
            }
            self.store_next()?;
            let done = self.is_idle() && asked.ended.is_some();
            let commit_is_due = done || self.commit_at.as_ref().is_some_and(|at| at.is_elapsed());
            if commit_is_due && self.committed < self.tree.size() {
                self.committed = self.tree.size();
                self.commit_at = None;
                return Ok(Progress::Commit(self.extent()));
            }
            if let Some(ended) = asked.ended.filter(|_| done) {
                return Ok(Progress::Sealed(self.seal(ended)));
            }
            tokio::select! {
                stored = work(self.storing.as_mut().map(|storing| &mut storing.work)) => {
                    stored?;
                    self.stored();
                }
                packed = work(self.packing.as_mut().map(|packing| &mut packing.work)) => self.packed(packed?),
                () = self.shared.work.notified() => {}
                () = elapsed(&mut self.close_at) => {
                    self.close_at = None;
                    self.aged = true;
                }
                () = elapsed(&mut self.commit_at), if self.committed < self.tree.size() => {}
            }
        }
    }

    /// Moves events from the queue into the open frame, until it is long enough or the queue empty.
    fn take(&mut self) -> Asked {
        let most = if self.is_idle() { self.frame_bytes } else { self.busy_frame_bytes };
        let open = &mut self.open;
        let asked = loop {
            let mut state = self.shared.lock();
            let next = if open.text.len() < most { state.queue.pop_front() } else { None };
            let Some((at, event)) = next else {
                // Whoever waits does so for the frame that is stored just now: nothing to hurry for.
                state.hurry &= !open.is_empty();
                state.quiet_bytes = if open.is_empty() { 0 } else { QUIET_BYTES };
                let flush = state.flush_to > self.closed;
                let ended = state.ended.filter(|_| state.queue.is_empty());
                break Asked { flush, hurry: state.hurry, ended };
            };
            state.taken_since.get_or_insert(at);
            state.queued_bytes = state.queued_bytes.saturating_sub(cost(&event));
            drop(state);
            open.since.get_or_insert(at);
            open.cost += cost(&event);
            let before = open.text.len();
            self.encoder.event(at, &event, &mut open.text);
            if !self.encoder.has_tail() {
                open.tail = None;
            } else if open.tail.is_none() || open.text.len() > before {
                open.tail = Some((open.taken, at));
                open.tail_is_old = false;
            }
            open.taken += 1;
        };
        if self.close_at.is_none() && !self.aged && !open.is_empty() {
            self.close_at = Some(Box::pin(sleep(self.settings.frame_age)));
        }
        asked
    }

    fn should_close(&self, asked: Asked) -> bool {
        let wanted = self.aged || asked.flush || asked.hurry || asked.ended.is_some();
        self.open.text.len() >= self.enough() || (wanted && !self.open.is_empty())
    }

    /// Begins to store the open frame, and opens the next.
    fn close(&mut self, asked: Asked) {
        let Some(packer) = self.packer.take() else { return };
        let mut open = std::mem::take(&mut self.open);
        // The begin of a character may wait for its end in the next frame, but nobody waits for it.
        let old = self.aged && (open.tail_is_old || open.text.is_empty());
        if asked.flush || asked.hurry || asked.ended.is_some() || old {
            self.encoder.settle(&mut open.text);
            open.tail = None;
        }
        let upto = open.tail.map_or(open.taken, |(before, _)| before);
        self.open = Open {
            since: open.tail.map(|(_, at)| at),
            taken: open.taken,
            tail: open.tail,
            tail_is_old: true,
            ..Open::default()
        };
        self.closed = upto;
        self.aged = false;
        self.close_at = None;
        self.encoder.begin_frame();
        self.shared.lock().hurry = false;
        let index = self.tree.size() + u64::from(self.storing.is_some());
        let part = Part { cost: open.cost, since: open.since, upto };
        self.packing = Some(Packing { work: Box::pin(pack(packer, index, open.text)), part });
    }

    /// A frame is compressed, and what that took is free for the next.
    fn packed(&mut self, packed: Packed) {
        if self.open.text.capacity() == 0 {
            self.open.text = packed.text;
            self.open.text.clear();
        }
        self.packer = Some(packed.packer);
        self.packed = self.packing.take().map(|packing| (packed.frame, packing.part));
    }

    /// Begins to store the frame that is compressed: one after the other, so that none lies there without those before it.
    fn store_next(&mut self) -> Result<(), Cause> {
        if self.storing.is_some() {
            return Ok(());
        }
        let Some((frame, part)) = self.packed.take() else { return Ok(()) };
        if frame.stored.len() as u64 > self.settings.max_stored_bytes.saturating_sub(self.stored_bytes) {
            return Err(Cause { reason: super::QUOTA, source: None });
        }
        let item = (frame::key(self.recording, self.tree.size()), frame.stored.clone());
        let (blobs, within) = (self.blobs.clone(), self.settings.store_within);
        let work = async move {
            let slow = Err(Cause { reason: "store slow", source: None });
            timeout(within, store(blobs, item)).await.unwrap_or(slow)
        };
        self.storing = Some(Storing { work: Box::pin(work), part, frame });
        Ok(())
    }

    fn stored(&mut self) {
        let Some(Storing { frame, part, .. }) = self.storing.take() else { return };
        let stored_bytes = frame.stored.len() as u64;
        self.tree.push(frame.leaf);
        self.plain_bytes += frame.plain_bytes;
        self.stored_bytes += stored_bytes;
        if let Some(meter) = &self.shared.meter {
            meter.stored(stored_bytes);
        }
        if self.commit_at.is_none() {
            self.commit_at = Some(Box::pin(sleep(self.settings.commit_every)));
        }
        let next = self.packed.as_ref().map(|(_, part)| part).or(self.packing.as_ref().map(|packing| &packing.part));
        let mut state = self.shared.lock();
        state.unstored_bytes = state.unstored_bytes.saturating_sub(part.cost);
        self.shared.waits(part.cost, true);
        state.stored = part.upto;
        state.taken_since = next.map_or(self.open.since, |part| part.since);
        drop(state);
        self.shared.room.notify_waiters();
    }

    /// Whether no frame is on its way into the store.
    fn is_idle(&self) -> bool {
        self.packing.is_none() && self.packed.is_none() && self.storing.is_none()
    }

    /// So much text makes a frame. While the one before is stored there is time for a longer one: as much takes fewer syncs.
    fn enough(&self) -> usize {
        if self.storing.is_none() { self.frame_bytes } else { self.busy_frame_bytes }
    }

    /// Whether everything is stored: a commit is the last one, and [`Progress::Sealed`] follows.
    pub fn is_complete(&self) -> bool {
        let state = self.shared.lock();
        self.is_idle() && self.open.is_empty() && state.ended.is_some() && state.queue.is_empty()
    }

    fn seal(&mut self, ended: Duration) -> Sealed {
        let ended_us = u64::try_from(ended.as_micros()).unwrap_or(u64::MAX);
        let sealed = Sealed {
            extent: self.extent(),
            duration_us: ended_us.max(self.encoder.last_us()),
            events: self.encoder.counts().clone(),
        };
        self.outcome = Some(Ok(sealed.clone()));
        sealed
    }

    fn extent(&self) -> Extent {
        Extent {
            frames: self.tree.size(),
            plain_bytes: self.plain_bytes,
            stored_bytes: self.stored_bytes,
            root: self.tree.root(),
        }
    }

    fn fail(&mut self, reason: &'static str) {
        let mut state = self.shared.lock();
        state.failed = Some(reason);
        state.queue.clear();
        state.queued_bytes = 0;
        drop(state);
        self.shared.room.notify_waiters();
    }
}

/// Nobody stores any more: sinks must not wait for it, nor think that all is well.
impl Drop for Writer {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            self.fail("abandoned");
        }
    }
}

impl Open {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.tail.is_none()
    }
}

async fn pack(mut packer: Packer, index: u64, text: Vec<u8>) -> Result<Packed, Cause> {
    let packed = spawn_blocking(move || {
        let stored = packer.pack(index, &text)?;
        let frame = Frame { leaf: merkle::leaf_hash(&stored), stored, plain_bytes: text.len() as u64 };
        Ok(Packed { packer, text, frame })
    });
    let packed = packed.await.map_err(|_| Cause { reason: "stopping", source: Some(Error::Stopping) })?;
    packed.map_err(|error| Cause { reason: "compression failed", source: Some(Error::Compress(error)) })
}

async fn store(blobs: Blobs, item: (Key, Bytes)) -> Result<(), Cause> {
    blobs.put(vec![item]).await.map_err(|error| {
        let reason = if matches!(error, store::Error::Full) { "store full" } else { "store failed" };
        Cause { reason, source: Some(Error::Store(error)) }
    })
}

async fn work<T>(work: Option<&mut Work<T>>) -> Result<T, Cause> {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}

async fn elapsed(at: &mut Option<Pin<Box<Sleep>>>) {
    match at {
        Some(at) => at.as_mut().await,
        None => pending().await,
    }
}

/// Something for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So much is durable.
    Commit(Extent),
    /// The recording is complete. A commit over all of it came before.
    Sealed(Sealed),
}

/// A complete recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// All of it.
    pub extent: Extent,
    /// From its begin to its end.
    pub duration_us: u64,
    /// How many lines there are of each code.
    pub events: BTreeMap<&'static str, u64>,
}

/// A recording that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("the recording failed: {reason}")]
pub struct Failed {
    /// What is durable of it; the first byte after it is not.
    pub extent: Extent,
    /// `quota`, `store full`, `store failed`, `store slow`, `compression failed` or `stopping`.
    pub reason: &'static str,
    /// The cause, where there is one.
    #[source]
    pub source: Option<Error>,
}
