//! What was hidden in a session, or seen in it, as a record says it: which rule, where, how often. Never what.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Digest;
use crate::domain::session::RecordingId;

/// What one rule hid in one stream of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The session's recording.
    pub recording: RecordingId,
    /// The rule's id.
    pub rule: Arc<str>,
    /// `stdout`, `stderr` or `input`.
    pub stream: &'static str,
    /// How many secrets.
    pub count: u64,
    /// How many bytes of them.
    pub bytes: u64,
    /// By what a secret is recognised again, of those that nobody finds by trying: HMAC-SHA-256 under a key of the
    /// bastion's own. The first sixteen that differ.
    pub fingerprints: Vec<Digest>,
    /// When in the recording the first one was hidden, in microseconds.
    pub first_us: u64,
    /// When the last one was.
    pub last_us: u64,
}

/// What a client saw as the target printed it, under a permit of `unmask`. The recording has it masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// The session's recording.
    pub recording: RecordingId,
    /// How many secrets by rule.
    pub seen: BTreeMap<Arc<str>, u64>,
}
