//! The text of a recording: asciicast v2 lines, with two codes of ours, `s` and `b`.
//!
//! `recordings-schema/README.md` is the description of the format; this file and its three parts are
//! the only code that writes or reads it. Pure: bytes in, bytes out. Knows no frames, no store and no
//! clock; refuses lines that are too long before it parses them.

use std::time::Duration;

use bytes::Bytes;

use crate::domain::session::{Stream, TerminalSize};

mod decode;
mod encode;
mod header;
#[cfg(test)]
pub(crate) mod tests;

pub use decode::{DecodeError, Decoder, Line};
pub use encode::Encoder;
pub use header::{About, Header, HeaderError, Preamble};

/// Something to be recorded, or something that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the client was sent, exact bytes.
    Output(Stream, Bytes),
    /// What the client sent, exact bytes.
    Input(Bytes),
    /// The client's terminal has another size now.
    Resize(TerminalSize),
    /// Something worth finding again. Our words, at most [`MARKER_LIMIT_BYTES`]; more is cut.
    Marker(String),
}

/// An event and when it was, counted from the begin of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Never less than that of the event before, in a recording of ours.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// The most bytes of a stream that one call of the encoder takes, so that no line is longer than a
/// frame may be: 16 KiB make at most 96 KiB of text.
pub const PIECE_LIMIT_BYTES: usize = 16 * 1024;

/// The longest marker.
pub const MARKER_LIMIT_BYTES: usize = 4 * 1024;

/// The longest line that is read. A header with a command of 32 KiB, every byte escaped, fits.
pub const LINE_LIMIT_BYTES: usize = 1024 * 1024;
