//! What was done to a file by SFTP, as a record says it.

use super::Outcome;
use crate::domain::{Digest, Text};

/// One operation that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `read`, `write`, `read and write`, `list`, `remove`, `remove folder`, `make folder`, `rename`, `attributes`,
    /// `read link`, `link`, `hard link`.
    pub what: &'static str,
    /// As the client wrote it.
    pub path: Text,
    /// The other path, of what has two.
    pub to: Option<Text>,
    /// What came from the target.
    pub read: Option<Moved>,
    /// What went to it.
    pub written: Option<Moved>,
    /// What the target answered, by the names of the protocol; `refused` by the bastion; `not closed`.
    pub result: &'static str,
}

/// What was transferred of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// How many bytes.
    pub bytes: u64,
    /// Offset of the first of them.
    pub from: u64,
    /// SHA-256 of them; absent if they did not come in one run.
    pub sha256: Option<Digest>,
    /// Whether the end of the file was met.
    pub to_end: bool,
}

impl Operation {
    /// What came of it.
    pub fn outcome(&self) -> Outcome {
        match self.result {
            "ok" => Outcome::Success,
            "refused" => Outcome::Deny,
            _ => Outcome::Failure,
        }
    }
}
