//! From stored frames back to events, and out to other programs.
//!
//! Reads frame by frame, never a whole recording. Refuses a frame that is not the one it is taken for
//! and text that no frame of ours can have; told what the ledger says of the recording, it refuses
//! another one, at the latest at its end.

use std::collections::VecDeque;
use std::time::Duration;

use super::Error;
use super::asciicast::{DecodeError, Decoder, Line, Preamble, Timed};
use super::export::{Export, Format};
use super::frame::{self, Frame};
use crate::domain::event::Extent;
use crate::domain::session::RecordingId;
use crate::merkle::Frontier;
use crate::store::{Blobs, MAX_LISTED};

/// Reads one recording, also while it is written.
#[derive(Clone, Debug)]
pub struct Reader {
    blobs: Blobs,
    recording: RecordingId,
    expected: Option<Extent>,
}

impl Reader {
    /// Of this recording, however much there is.
    pub fn open(blobs: Blobs, recording: RecordingId) -> Self {
        Self { blobs, recording, expected: None }
    }

    /// Of exactly what the ledger says: whatever is beyond is not read, and whoever reads to the end
    /// gets an error there if the frames were others.
    pub fn expecting(self, extent: Extent) -> Self {
        Self { expected: Some(extent), ..self }
    }

    /// One frame, by its number.
    pub async fn frame(&self, index: u64) -> Result<Option<Frame>, Error> {
        let of = self.expected.as_ref().map_or(u64::MAX, |extent| extent.frames);
        if index >= of {
            return Ok(None);
        }
        match self.blobs.get(&frame::key(self.recording, index)).await? {
            Some(stored) => Frame::open(self.recording, index, stored).map(Some),
            None if self.expected.is_some() => Err(Error::Missing { frame: index, of }),
            None => Ok(None),
        }
    }

    /// How many frames are stored, expected or not.
    pub async fn count(&self) -> Result<u64, Error> {
        let prefix = frame::prefix(self.recording);
        let (mut count, mut after) = (0, None);
        loop {
            let keys = self.blobs.keys(&prefix, after.as_ref(), MAX_LISTED).await?;
            count += keys.len() as u64;
            match keys.into_iter().last() {
                Some(key) => after = Some(key),
                None => return Ok(count),
            }
        }
    }

    /// What the header says.
    pub async fn preamble(&self) -> Result<Preamble, Error> {
        let frame = self.frame(0).await?.ok_or(Error::Missing { frame: 0, of: 1 })?;
        let text = frame.text().await?;
        let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
        Ok(Preamble::parse(line)?)
    }

    /// Whether what is stored is exactly what was expected, no frame less, more or other, and can be read.
    pub async fn check(&self) -> Result<(), Error> {
        let mut frames = self.frames();
        let mut plain_bytes = 0;
        while let Some(frame) = frames.next().await? {
            plain_bytes += frame.text().await?.len() as u64;
        }
        match &self.expected {
            Some(extent) if extent.plain_bytes != plain_bytes => Err(Error::Length),
            Some(extent) if self.count().await? != extent.frames => Err(Error::Beyond { of: extent.frames }),
            Some(_) | None => Ok(()),
        }
    }

    /// The frames, in order.
    pub fn frames(&self) -> Frames {
        Frames { reader: self.clone(), next: 0, tree: Some(Frontier::new()), stored_bytes: 0 }
    }

    /// The events, in order.
    pub fn events(&self) -> Events {
        Events { frames: self.frames(), decoder: Decoder::new(), from: Duration::ZERO, ready: VecDeque::new() }
    }

    /// The events from `at` on. Reads only what it must, so it cannot say whether all is as expected.
    pub async fn seek(&self, at: Duration) -> Result<Events, Error> {
        let (mut low, mut high) = (0, self.count().await?);
        if let Some(extent) = &self.expected {
            high = high.min(extent.frames);
        }
        // The last frame that begins before `at`: several can begin at the same time.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.begins_at(middle).await? < at { low = middle } else { high = middle }
        }
        let mut events = self.events();
        events.from = at;
        if low > 0 {
            events.decoder = Decoder::within();
            events.frames.next = low;
            events.frames.tree = None;
        }
        Ok(events)
    }

    /// What other programs take.
    pub fn export(&self, format: Format) -> Export {
        Export::new(self.frames(), format)
    }

    async fn begins_at(&self, index: u64) -> Result<Duration, Error> {
        let Some(frame) = self.frame(index).await?.filter(|_| index > 0) else { return Ok(Duration::ZERO) };
        let text = frame.text().await?;
        let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
        Ok(Line::parse(line).map_err(|source| damaged(index, source))?.at)
    }
}

/// Frames in order.
#[derive(Debug)]
pub struct Frames {
    reader: Reader,
    next: u64,
    /// Over what was read so far; absent if that is not from the begin.
    tree: Option<Frontier>,
    stored_bytes: u64,
}

impl Frames {
    /// The next one. At the end it is judged whether they were the expected ones.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        match self.reader.frame(self.next).await? {
            Some(frame) => {
                self.next += 1;
                self.stored_bytes += frame.stored().len() as u64;
                if let Some(tree) = &mut self.tree {
                    tree.push(frame.leaf());
                }
                Ok(Some(frame))
            }
            None => self.judge().map(|()| None),
        }
    }

    fn judge(&self) -> Result<(), Error> {
        match (&self.reader.expected, &self.tree) {
            (Some(extent), Some(tree)) if tree.root() != extent.root => Err(Error::Root),
            (Some(extent), Some(_)) if self.stored_bytes != extent.stored_bytes => Err(Error::Length),
            _ => Ok(()),
        }
    }
}

/// Events in order.
#[derive(Debug)]
pub struct Events {
    frames: Frames,
    decoder: Decoder,
    from: Duration,
    ready: VecDeque<Timed>,
}

impl Events {
    /// The next one. `None` is the end of what is stored; of a recording that is still written, ask again later.
    pub async fn next(&mut self) -> Result<Option<Timed>, Error> {
        loop {
            match self.ready.pop_front() {
                Some(event) if event.at >= self.from => return Ok(Some(event)),
                Some(_) => continue,
                None => {}
            }
            let Some(frame) = self.frames.next().await? else { return Ok(None) };
            let text = frame.text().await?;
            let mut events = Vec::new();
            // Lines do not cross frames.
            let read = self.decoder.feed(&text, &mut events).and_then(|()| self.decoder.finish(&mut events));
            read.map_err(|source| damaged(frame.index(), source))?;
            self.ready = events.into();
        }
    }

    /// What the header says, once the first event was asked for.
    pub fn preamble(&self) -> Option<&Preamble> {
        self.decoder.preamble()
    }
}

pub(super) fn damaged(frame: u64, source: DecodeError) -> Error {
    Error::Text { frame, source }
}
