//! The two halves of a session's tap, one a pump: hand the bytes to the recorder, then release them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Clock;
use crate::domain::session::Stream;
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
        self.sink.push(self.watch.at(), Event::Input(bytes.clone())).await
    }
}

/// Target → client.
#[derive(Debug)]
pub struct DownTap {
    pub(super) sink: Sink,
    pub(super) watch: Stopwatch,
    pub(super) counts: Arc<Counts>,
    /// Nothing is released before it is on disk.
    pub(super) durable: bool,
}

impl DownTap {
    /// Hands the record its copy, and only then gives bytes that may be shown.
    pub async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<Masked, recording::Error> {
        // A shared copy. Full: waits. Failed: nothing more is shown.
        self.sink.push(self.watch.at(), Event::Output(stream, bytes.clone())).await?;
        if self.durable {
            self.sink.flush().await?;
        }
        self.counts.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Masked(bytes))
    }
}
