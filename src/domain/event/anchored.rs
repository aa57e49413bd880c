//! A checkpoint that somebody elsewhere has stamped.

use crate::domain::{Digest, Timestamp};

/// What came of showing a checkpoint to a timestamping authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// Host of the authority.
    pub authority: String,
    /// Size of the checkpoint.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// What the authority gave; or why it gave nothing, from a closed set.
    pub came: Result<Token, &'static str>,
}

/// A token of RFC 3161, with what it stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The exact bytes of the checkpoint's note: its SHA-256 is what is stamped.
    pub note: Vec<u8>,
    /// The whole answer of the authority, DER.
    pub answer: Vec<u8>,
    /// The time that it says.
    pub time: Timestamp,
}
