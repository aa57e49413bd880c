//! A log that takes the place of another.

use crate::domain::Digest;

/// What a log says of the one whose place it takes, of which an older copy was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Origin of the log before.
    pub origin: String,
    /// Its key, as `name+id+key`.
    pub key: String,
    /// Size of its last checkpoint that is known.
    pub size: u64,
    /// The root of that.
    pub root: Digest,
    /// Its signature over that, as the note has it.
    pub signature: String,
    /// How many of its entries are here: they are the first of this log.
    pub kept: u64,
    /// How many entries a witness was heard to have signed, if that is more than a checkpoint shows.
    pub witnessed: Option<u64>,
    /// Serials begin again here, beyond those that the lost entries may have given out.
    pub serial: u64,
}
