//! Events of a file: an export of ours, raw or v2, or any other program's asciicast v2.
//!
//! Reads piece by piece. Refuses what would take more than 8 MiB to unpack a piece of.

use std::collections::VecDeque;
use std::io::{BufReader, Chain, Cursor, Read};

use thiserror::Error;

use super::asciicast::{DecodeError, Decoder, Preamble, Timed};

/// Reads events from text, or from the same text in zstd frames.
pub struct File<R: Read> {
    source: Source<R>,
    decoder: Decoder,
    ready: VecDeque<Timed>,
    ended: bool,
}

type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

enum Source<R: Read> {
    Plain(Whole<R>),
    Packed(Box<zstd::stream::read::Decoder<'static, BufReader<Whole<R>>>>),
}

impl<R: Read> File<R> {
    /// Looks at the first bytes to see which of the two it is, and reads the header.
    pub fn open(mut source: R) -> Result<Self, FileError> {
        let mut begin = Vec::new();
        source.by_ref().take(4).read_to_end(&mut begin)?;
        let packed = matches!(begin.as_slice(), [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18]);
        let whole = Cursor::new(begin).chain(source);
        let source = if packed {
            let mut decoder = zstd::stream::read::Decoder::new(whole)?;
            decoder.window_log_max(23)?;
            Source::Packed(Box::new(decoder))
        } else {
            Source::Plain(whole)
        };
        let mut file = Self { source, decoder: Decoder::new(), ready: VecDeque::new(), ended: false };
        while !file.ended && file.decoder.preamble().is_none() {
            file.read_on()?;
        }
        Ok(file)
    }

    /// What the header says. Absent if the file is empty.
    pub fn preamble(&self) -> Option<&Preamble> {
        self.decoder.preamble()
    }

    /// The next event.
    pub fn next_event(&mut self) -> Result<Option<Timed>, FileError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_on()?;
        }
    }

    fn read_on(&mut self) -> Result<(), FileError> {
        let mut buffer = vec![0; 64 * 1024];
        let count = match &mut self.source {
            Source::Plain(source) => source.read(&mut buffer)?,
            Source::Packed(source) => source.read(&mut buffer)?,
        };
        let mut events = Vec::new();
        if count == 0 {
            self.ended = true;
            self.decoder.finish(&mut events)?;
        } else {
            self.decoder.feed(buffer.get(..count).unwrap_or_default(), &mut events)?;
        }
        self.ready.extend(events);
        Ok(())
    }
}

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file itself, or its compression.
    #[error("read the recording")]
    Read(#[from] std::io::Error),
    /// What is in it.
    #[error("the file is no recording, or a damaged one")]
    Text(#[from] DecodeError),
}
