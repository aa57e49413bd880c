//! Lines to events.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use thiserror::Error;

use super::{Event, HeaderError, LINE_LIMIT_BYTES, Preamble, Stream, TerminalSize, Timed};

/// One event line as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Since the begin.
    pub at: Duration,
    /// `o`, `i`, `s`, `r`, `m`, `b`, or something that later versions know.
    pub code: Cow<'a, str>,
    /// What.
    pub data: Cow<'a, str>,
}

impl<'a> Line<'a> {
    /// Reads one line, with or without its newline.
    pub fn parse(line: &'a [u8]) -> Result<Self, DecodeError> {
        let (seconds, code, data): (f64, Cow<'a, str>, Cow<'a, str>) =
            serde_json::from_slice(line).map_err(DecodeError::Json)?;
        let micros = (seconds * 1e6).round();
        // Beyond 31 years a float tells microseconds apart no longer with certainty.
        if !(0.0..=1e15).contains(&micros) {
            return Err(DecodeError::Time);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        let at = Duration::from_micros(micros as u64);
        Ok(Self { at, code, data })
    }
}

/// Reads text piece by piece, in whatever pieces it comes, and gives the events in it.
#[derive(Debug)]
pub struct Decoder {
    preamble: Option<Preamble>,
    expects_header: bool,
    stream: Stream,
    /// A `b` that follows has the exact bytes of this one.
    held: Option<Timed>,
    /// The begin of a line whose end is still to come.
    begun: Vec<u8>,
}

impl Decoder {
    /// For text that begins with a header.
    pub fn new() -> Self {
        Self { expects_header: true, ..Self::within() }
    }

    /// For text that begins with the events of a frame other than the first.
    pub fn within() -> Self {
        Self { preamble: None, expects_header: false, stream: Stream::Stdout, held: None, begun: Vec::new() }
    }

    /// What the header says, once it was read.
    pub fn preamble(&self) -> Option<&Preamble> {
        self.preamble.as_ref()
    }

    /// Reads on. Events that are complete go to `out`.
    pub fn feed(&mut self, mut text: &[u8], out: &mut Vec<Timed>) -> Result<(), DecodeError> {
        while let Some(at) = text.iter().position(|b| *b == b'\n') {
            let (line, rest) = text.split_at(at);
            text = rest.get(1..).unwrap_or_default();
            self.fits(line)?;
            if self.begun.is_empty() {
                self.line(line, out)?;
            } else {
                let mut whole = std::mem::take(&mut self.begun);
                whole.extend_from_slice(line);
                self.line(&whole, out)?;
            }
        }
        self.fits(text)?;
        self.begun.extend_from_slice(text);
        Ok(())
    }

    /// The text ends here, or a frame does: the event that could have had a `b` after it has none.
    pub fn finish(&mut self, out: &mut Vec<Timed>) -> Result<(), DecodeError> {
        out.extend(self.held.take());
        if self.begun.is_empty() { Ok(()) } else { Err(DecodeError::Cut) }
    }

    fn fits(&self, more: &[u8]) -> Result<(), DecodeError> {
        if self.begun.len() + more.len() > LINE_LIMIT_BYTES { Err(DecodeError::TooLong) } else { Ok(()) }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<Timed>) -> Result<(), DecodeError> {
        if std::mem::take(&mut self.expects_header) {
            self.preamble = Some(Preamble::parse(line)?);
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Line { at, code, data } = Line::parse(line)?;
        if code == "b" {
            return self.exact(&data, out);
        }
        out.extend(self.held.take());
        match &*code {
            "o" => self.held = Some(Timed { at, event: Event::Output(self.stream, owned(data)) }),
            "i" => self.held = Some(Timed { at, event: Event::Input(owned(data)) }),
            "s" => {
                self.stream = match &*data {
                    "stdout" => Stream::Stdout,
                    "stderr" => Stream::Stderr,
                    _ => return Err(DecodeError::Stream),
                }
            }
            "r" => out.push(Timed { at, event: Event::Resize(size(&data).ok_or(DecodeError::Size)?) }),
            "m" => out.push(Timed { at, event: Event::Marker(data.into_owned()) }),
            // Readers of asciicast skip what they do not know; so do we.
            _ => {}
        }
        Ok(())
    }

    fn exact(&mut self, data: &str, out: &mut Vec<Timed>) -> Result<(), DecodeError> {
        let bytes = Bytes::from(BASE64_STANDARD.decode(data).map_err(DecodeError::Base64)?);
        let Timed { at, event } = self.held.take().ok_or(DecodeError::Orphan)?;
        let event = match event {
            Event::Output(stream, _) => Event::Output(stream, bytes),
            Event::Input(_) => Event::Input(bytes),
            Event::Resize(_) | Event::Marker(_) => return Err(DecodeError::Orphan),
        };
        out.push(Timed { at, event });
        Ok(())
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

fn owned(data: Cow<'_, str>) -> Bytes {
    Bytes::from(data.into_owned())
}

fn size(text: &str) -> Option<TerminalSize> {
    let (cols, rows) = text.split_once('x')?;
    Some(TerminalSize { cols: cols.parse().ok()?, rows: rows.parse().ok()? })
}

/// Why text is not that of a recording.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The first line.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Not a JSON array of time, code and data.
    #[error("a line is no asciicast event")]
    Json(#[source] serde_json::Error),
    /// A time that cannot be.
    #[error("a line has an impossible time")]
    Time,
    /// Over the limit.
    #[error("a line is longer than 1 MiB")]
    TooLong,
    /// Neither stdout nor stderr.
    #[error("a line names an unknown stream")]
    Stream,
    /// Not columns and rows.
    #[error("a line has a malformed terminal size")]
    Size,
    /// Not base64.
    #[error("exact bytes are no base64")]
    Base64(#[source] base64::DecodeError),
    /// Exact bytes of nothing.
    #[error("exact bytes belong to no line before them")]
    Orphan,
    /// The last line has no end.
    #[error("the text ends within a line")]
    Cut,
}
