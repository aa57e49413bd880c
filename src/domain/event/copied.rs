//! A copy of the log elsewhere that has caught up, or cannot.

use crate::domain::Digest;

/// How a copy of the log stands: said when that changes, and not for each checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// `folder` or `s3`: what kind of place it is.
    pub place: &'static str,
    /// Size of the checkpoint that was copied, or was to be.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// Whether the copy has it; or why not, from a closed set.
    pub came: Result<(), &'static str>,
}
