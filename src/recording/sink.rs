//! The queue of a recording, as the pumps see it: bounded in bytes and in age, and it fails as one.
//!
//! A pump hands over what it is about to show and waits while too much was shown that is not stored yet.
//! Nothing is ever dropped from the queue but by the recording's failure, which every clone then tells.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::asciicast::PIECE_LIMIT_BYTES;
use super::{Error, Event};

/// Takes the events of one recording. Cheap to clone; when the last clone is dropped the recording ends.
#[derive(Debug)]
pub struct Sink {
    pub(super) shared: Arc<Shared>,
}

impl Sink {
    /// Hands over an event that is about to be shown. Waits while too much is not stored yet.
    ///
    /// `at` counts from the begin of the recording. Long bytes go over in pieces; if this fails
    /// the recording has failed or ended, and nothing more may be shown.
    pub async fn push(&self, at: Duration, event: Event) -> Result<(), Error> {
        match event {
            Event::Output(stream, bytes) => {
                for piece in pieces(bytes) {
                    self.put(at, Event::Output(stream, piece)).await?;
                }
                Ok(())
            }
            Event::Input(bytes) => {
                for piece in pieces(bytes) {
                    self.put(at, Event::Input(piece)).await?;
                }
                Ok(())
            }
            event @ (Event::Resize(_) | Event::Marker(_)) => self.put(at, event).await,
        }
    }

    /// Waits until everything pushed so far is durable.
    pub async fn flush(&self) -> Result<(), Error> {
        let ticket = {
            let mut state = self.shared.lock();
            state.flush_to = state.flush_to.max(state.pushed);
            state.pushed
        };
        self.shared.work.notify_one();
        self.shared
            .until(|state| match state.failed {
                _ if state.stored >= ticket => Some(Ok(())),
                Some(reason) => Some(Err(Error::Failed(reason))),
                None => None,
            })
            .await
    }

    /// No more events: the writer stores what it has and seals. Later pushes are refused.
    pub fn end(&self, at: Duration) {
        self.shared.lock().ended.get_or_insert(at);
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
    }

    async fn put(&self, at: Duration, event: Event) -> Result<(), Error> {
        let mut event = Some(event);
        self.shared
            .until(|state| {
                if let Some(reason) = state.failed {
                    return Some(Err(Error::Failed(reason)));
                }
                if state.ended.is_some() {
                    return Some(Err(Error::Ended));
                }
                let full = state.is_full(at, event.as_ref().map_or(0, cost), &self.shared.limits);
                if full {
                    // Do not wait for more text or time: somebody waits.
                    state.hurry = true;
                } else if let Some(event) = event.take() {
                    state.unstored_bytes += cost(&event);
                    state.queued_bytes += cost(&event);
                    self.shared.waits(cost(&event), false);
                    state.pushed += 1;
                    state.queue.push_back((at, event));
                }
                if full || state.queued_bytes > state.quiet_bytes {
                    self.shared.work.notify_one();
                }
                (!full).then_some(Ok(()))
            })
            .await
    }
}

impl Clone for Sink {
    fn clone(&self) -> Self {
        self.shared.lock().sinks += 1;
        Self { shared: self.shared.clone() }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let last = {
            let mut state = self.shared.lock();
            state.sinks -= 1;
            state.sinks == 0
        };
        if last {
            // Without a word of its own the end is the last event.
            self.end(Duration::ZERO);
        }
    }
}

/// Hears how much of a recording waits to be stored, and how much is.
pub trait Meter: std::fmt::Debug + Send + Sync {
    /// So many bytes more, or less, wait in memory. In the end their sum is nothing.
    fn waits(&self, change: i64);

    /// So many bytes more are stored.
    fn stored(&self, bytes: u64);
}

/// What the sinks and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) limits: Limits,
    pub(super) meter: Option<Arc<dyn Meter>>,
    /// Told when there is something for the writer to do.
    pub(super) work: Notify,
    /// Told when something was stored, ended or failed.
    pub(super) room: Notify,
}

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queue: VecDeque<(Duration, Event)>,
    /// Of the queue, of the frame that is gathered and of the one that is stored.
    pub(super) unstored_bytes: usize,
    /// Of the queue alone.
    pub(super) queued_bytes: usize,
    /// The writer wants to hear of more than this in the queue. Where a frame is open it looks by itself when that is old enough:
    /// to wake it for each key costs the key's echo as much as the bastion's own work.
    pub(super) quiet_bytes: usize,
    /// Time of the oldest event that left the queue and is not stored.
    pub(super) taken_since: Option<Duration>,
    /// Counts of events, the header included.
    pub(super) pushed: u64,
    pub(super) stored: u64,
    pub(super) flush_to: u64,
    pub(super) hurry: bool,
    pub(super) ended: Option<Duration>,
    pub(super) failed: Option<&'static str>,
    pub(super) sinks: usize,
}

impl State {
    fn is_full(&self, at: Duration, cost: usize, limits: &Limits) -> bool {
        let oldest = self.taken_since.or(self.queue.front().map(|(at, _)| *at));
        let too_old = oldest.is_some_and(|oldest| at.saturating_sub(oldest) > limits.age);
        // An event longer than the whole queue passes alone.
        too_old || (self.unstored_bytes > 0 && self.unstored_bytes + cost > limits.bytes)
    }
}

impl Shared {
    /// Tells the meter that so much came, or left.
    pub(super) fn waits(&self, bytes: usize, left: bool) {
        if let Some(meter) = &self.meter {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            meter.waits(if left { -bytes } else { bytes });
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut room = pin!(self.room.notified());
            // Listens before it looks, so that nothing is missed between the two.
            room.as_mut().enable();
            if let Some(done) = ready(&mut self.lock()) {
                return done;
            }
            room.await;
        }
    }
}

/// What a recording that failed has left behind waits no more.
impl Drop for Shared {
    fn drop(&mut self) {
        let left = self.lock().unstored_bytes;
        self.waits(left, true);
    }
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(PIECE_LIMIT_BYTES))))
}

/// What an event counts in the queue's bound.
pub(super) fn cost(event: &Event) -> usize {
    const OVERHEAD_BYTES: usize = 64;
    OVERHEAD_BYTES
        + match event {
            Event::Output(_, bytes) | Event::Input(bytes) => bytes.len(),
            Event::Resize(_) => 0,
            Event::Marker(text) => text.len(),
        }
}
