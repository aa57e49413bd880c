//! The two halves of a session's tap, one a pump: mask the bytes, hand them to the recorder, then release them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::cut::Cut;
use super::limits::Limit;
use super::masking::Veil;
use super::unmask::Bare;
use crate::clock::Clock;
use crate::domain::session::{End, Stream};
use crate::recording::{self, Event, Sink};

/// Bytes that may be shown: they went through the tap, and are masked unless a permit of `unmask` says otherwise. Nothing else reaches a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked(Bytes);

impl Masked {
    /// The bytes, for the client's channel.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Whether all of it is held for now.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    /// The target gets what was sent; the record has it masked.
    pub(super) veil: Veil,
}

impl UpTap {
    /// Takes note of input before it is passed on. Waits while the recorder's queue is full.
    pub async fn input(&mut self, bytes: &Bytes) -> Result<(), recording::Error> {
        self.counts.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if self.terminal {
            return Ok(());
        }
        let kept = self.veil.feed(bytes, self.watch.at());
        self.keep(kept).await
    }

    /// There is no more input: what could have become a secret is recorded.
    pub async fn finish(&mut self) -> Result<(), recording::Error> {
        let kept = self.veil.finish(self.watch.at());
        self.keep(kept).await?;
        sum_up(&mut self.veil, &self.sink, &self.watch).await
    }

    async fn keep(&self, kept: Bytes) -> Result<(), recording::Error> {
        if kept.is_empty() || !self.veil.is_kept() {
            return Ok(());
        }
        let pushed = self.sink.push(self.watch.at(), Event::Input(kept)).await;
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
    /// Where the client sees the bytes as they came.
    pub(super) bare: Option<Bare>,
    pub(super) out: Veil,
    pub(super) err: Veil,
}

impl DownTap {
    /// Masks, hands the record its copy, and only then gives bytes that may be shown. What can still become a secret is
    /// held: see [`DownTap::holds`].
    pub async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<Masked, recording::Error> {
        let at = self.watch.at();
        let masked = self.veil(stream).feed(&bytes, at);
        self.pass(stream, masked, &bytes).await
    }

    /// Whether something of this stream waits that may become a secret.
    pub fn holds(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.out.holds(),
            Stream::Stderr => self.err.holds(),
        }
    }

    /// Whether what waits is no more than a word, as nearly every line has.
    pub fn holds_a_word(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.out.holds_a_word(),
            Stream::Stderr => self.err.holds_a_word(),
        }
    }

    /// The stream is quiet: what waits may be shown, masked if it is a secret as it stands.
    pub async fn release(&mut self, stream: Stream) -> Result<Masked, recording::Error> {
        let at = self.watch.at();
        let masked = self.veil(stream).release(at);
        self.pass(stream, masked, &[]).await
    }

    /// The stream has ended: what waits may be shown.
    pub async fn finish(&mut self, stream: Stream) -> Result<Masked, recording::Error> {
        let at = self.watch.at();
        let masked = self.veil(stream).finish(at);
        let passed = self.pass(stream, masked, &[]).await?;
        let veil = match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        };
        sum_up(veil, &self.sink, &self.watch).await?;
        Ok(passed)
    }

    fn veil(&mut self, stream: Stream) -> &mut Veil {
        match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        }
    }

    /// `came` is what the stream has brought since.
    async fn pass(&mut self, stream: Stream, masked: Bytes, came: &[u8]) -> Result<Masked, recording::Error> {
        if !masked.is_empty() && self.veil(stream).is_kept() {
            self.keep(stream, masked.clone()).await.inspect_err(|error| note(&self.cut, error))?;
        }
        let held = self.veil(stream).held();
        let shown = self.bare.as_mut().map_or(masked, |bare| bare.feed(stream, came, held));
        self.counts.bytes_out.fetch_add(shown.len() as u64, Ordering::Relaxed);
        Ok(Masked(shown))
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

/// What stands in the recording where the bytes do not.
async fn sum_up(veil: &mut Veil, sink: &Sink, watch: &Stopwatch) -> Result<(), recording::Error> {
    match veil.summed_up() {
        Some(line) => sink.push(watch.at(), Event::Marker(line)).await,
        None => Ok(()),
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
