//! The two halves of a session's tap, one a pump: hand the bytes to the recorder, then release them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::cut::Cut;
use super::limits::Limit;
use crate::clock::Clock;
use crate::domain::session::{End, Stream};
use crate::recording::{self, Event, Sink};

/// Bytes that may be shown: they went through the tap. Nothing else reaches a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked(Bytes);

impl Masked {
    /// The bytes, for the client's channel.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// How much went through, both ways.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
}

/// The time within one recording.
#[derive(Clone, Debug)]
pub(super) struct Stopwatch {
    pub(super) clock: Clock,
    pub(super) started: Duration,
}

impl Stopwatch {
    pub(super) fn at(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.started)
    }
}

/// Client → target.
#[derive(Debug)]
pub struct UpTap {
    pub(super) sink: Sink,
    pub(super) watch: Stopwatch,
    pub(super) counts: Arc<Counts>,
    pub(super) cut: Cut,
    /// Keystrokes of a terminal are counted, not recorded: passwords are typed there.
    pub(super) terminal: bool,
}

impl UpTap {
    /// Takes note of input before it is passed on. Waits while the recorder's queue is full.
    pub async fn input(&mut self, bytes: &Bytes) -> Result<(), recording::Error> {
        self.counts.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if self.terminal {
            return Ok(());
        }
        let pushed = self.sink.push(self.watch.at(), Event::Input(bytes.clone())).await;
        pushed.inspect_err(|error| note(&self.cut, error))
    }
}

/// Target → client.
#[derive(Debug)]
pub struct DownTap {
    pub(super) sink: Sink,
    pub(super) watch: Stopwatch,
    pub(super) counts: Arc<Counts>,
    pub(super) cut: Cut,
    /// Nothing is released before it is on disk.
    pub(super) durable: bool,
}

impl DownTap {
    /// Hands the record its copy, and only then gives bytes that may be shown.
    pub async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<Masked, recording::Error> {
        self.keep(stream, bytes.clone()).await.inspect_err(|error| note(&self.cut, error))?;
        self.counts.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Masked(bytes))
    }

    async fn keep(&self, stream: Stream, bytes: Bytes) -> Result<(), recording::Error> {
        // A shared copy. Full: waits. Failed: nothing more is shown.
        self.sink.push(self.watch.at(), Event::Output(stream, bytes)).await?;
        if self.durable {
            self.sink.flush().await?;
        }
        Ok(())
    }
}

/// A pump may hear of a failure before the keeper: the client is told the reason all the same.
fn note(cut: &Cut, error: &recording::Error) {
    if let recording::Error::Failed(reason) = error {
        broken(cut, reason);
    }
}

/// The recording cannot go on.
pub(super) fn broken(cut: &Cut, reason: &str) {
    let quota = reason == recording::QUOTA;
    cut.now(if quota { End::Limit(Limit::Recording.as_str()) } else { End::RecordingFailed });
}
