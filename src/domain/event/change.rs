//! What differs once something was read again: digests, and names, never values.

use crate::domain::Digest;

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Digest of what was in force.
    pub old: Option<Digest>,
    /// Digest of what is in force now; absent if there is none any more.
    pub new: Option<Digest>,
    /// Names that are new.
    pub added: Vec<String>,
    /// Names that are there still, and mean something else.
    pub changed: Vec<String>,
    /// Names that are gone.
    pub removed: Vec<String>,
    /// Keys of the config that were read, differ, and take effect at the next start only.
    pub restart: Vec<String>,
}
