//! What leaves with a bundle of evidence.

use crate::domain::{Digest, Timestamp};

/// Which part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The begin of the period that was asked for.
    pub from: Timestamp,
    /// The moment behind its end.
    pub to: Timestamp,
    /// Index of the first record.
    pub first: u64,
    /// Index behind the last one.
    pub end: u64,
    /// Root of the checkpoint behind it.
    pub root: Digest,
    /// Whether no content goes with it.
    pub only_hashes: bool,
    /// Of which control a table leaves; absent if it is a bundle or a record.
    pub control: Option<&'static str>,
    /// Of a sample, the number that picks it and how many it picks.
    pub sample: Option<(u64, u64)>,
}
