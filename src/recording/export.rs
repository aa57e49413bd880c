//! Recordings for other programs, chunk by chunk: one frame of the recording is one chunk.

use std::collections::HashMap;

use asciicast::{Entry, EventType};
use bytes::Bytes;

use super::Error;
use super::asciicast::{DecodeError, Line, Preamble};
use super::frame::Frame;
use super::reader::{Frames, damaged};

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What is stored, byte for byte: `zstd -dc` makes text of it that players of asciicast v2 take.
    Raw,
    /// Plain asciicast v2 text with `o` and `i` lines only, which every reader takes. Bytes that are
    /// not UTF-8 are replacement characters there, and binary stretches are not in it.
    V2,
}

impl Format {
    /// `raw` or `v2`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "raw" => Some(Self::Raw),
            "v2" => Some(Self::V2),
            _ => None,
        }
    }
}

/// An export that is being made.
#[derive(Debug)]
pub struct Export {
    frames: Frames,
    format: Format,
}

impl Export {
    pub(super) fn new(frames: Frames, format: Format) -> Self {
        Self { frames, format }
    }

    /// The next bytes, never none of them. If the recording is not the expected one, there is an error
    /// instead of the end: what was given before is then not to be trusted.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.frames.next().await? {
            let chunk = match self.format {
                Format::Raw => frame.stored().clone(),
                Format::V2 => v2(&frame).await?,
            };
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

async fn v2(frame: &Frame) -> Result<Bytes, Error> {
    let text = frame.text().await?;
    let mut lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let mut out = Vec::with_capacity(text.len());
    if frame.index() == 0 {
        let line = lines.next().ok_or_else(|| damaged(0, DecodeError::Cut))?;
        serde_json::to_writer(&mut out, &header(Preamble::parse(line)?)).map_err(Error::Export)?;
        out.push(b'\n');
    }
    for line in lines {
        let Line { at, code, data } = Line::parse(line).map_err(|source| damaged(frame.index(), source))?;
        let event_type = match &*code {
            "o" => EventType::Output,
            "i" => EventType::Input,
            _ => continue,
        };
        if data.is_empty() {
            continue;
        }
        let entry = Entry { time: at.as_secs_f64(), event_type, event_data: data.into_owned() };
        serde_json::to_writer(&mut out, &entry).map_err(Error::Export)?;
        out.push(b'\n');
    }
    Ok(out.into())
}

fn header(preamble: Preamble) -> asciicast::Header {
    asciicast::Header {
        version: 2,
        width: preamble.size.cols.into(),
        height: preamble.size.rows.into(),
        timestamp: preamble.time.and_then(|time| chrono::DateTime::from_timestamp(time.secs(), 0)),
        duration: None,
        idle_time_limit: None,
        command: None,
        title: preamble.title,
        env: preamble.term.map(|term| HashMap::from([("TERM".to_owned(), term)])),
    }
}

#[cfg(test)]
mod tests;
