//! What is under way in a conversation: requests without an answer, files that are open.

use bytes::Bytes;

use super::run::Run;
use crate::domain::Text;
use crate::domain::event::sftp::Operation;

/// A request that the target has not answered.
#[derive(Debug)]
pub(super) enum Asked {
    Open { path: Bytes, what: &'static str, writes: bool },
    Close(u64),
    Read { file: u64, offset: u64 },
    Write(u64),
    Done { what: &'static str, path: Bytes, to: Option<Bytes> },
    Other,
}

/// A file or folder that is open at the target.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: Bytes,
    pub(super) what: &'static str,
    pub(super) writes: bool,
    pub(super) read: Run,
    pub(super) written: Run,
    pub(super) failed: bool,
}

impl Asked {
    pub(super) fn cost(&self) -> usize {
        let paths = match self {
            Self::Open { path, .. } => path.len(),
            Self::Done { path, to, .. } => path.len() + to.as_ref().map_or(0, Bytes::len),
            Self::Close(_) | Self::Read { .. } | Self::Write(_) | Self::Other => 0,
        };
        EACH_BYTES + paths
    }
}

impl File {
    pub(super) fn cost(&self) -> usize {
        2 * EACH_BYTES + self.path.len()
    }

    pub(super) fn done(self, result: &'static str) -> Operation {
        let result = if self.failed && result == "ok" { "write failed" } else { result };
        let (read, written) = (self.read.moved(), self.written.moved());
        Operation { what: self.what, path: Text::new(self.path), to: None, read, written, result }
    }
}

/// One that is over with its answer.
pub(super) fn operation(what: &'static str, path: Bytes, to: Option<Bytes>, result: &'static str) -> Operation {
    Operation { what, path: Text::new(path), to: to.map(Text::new), read: None, written: None, result }
}

/// What one of them costs beside its path.
const EACH_BYTES: usize = 192;
