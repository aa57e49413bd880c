//! What happens to a request that waits for people, as records say it.

use crate::domain::{Digest, Text, Timestamp};

/// A request is open from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// Its id, as people type it.
    pub id: String,
    /// SHA-256 over its canonical form: what votes are for.
    pub digest: Digest,
    /// So many approvals are needed.
    pub quorum: u64,
    /// Approvers come from these groups; empty means whoever may approve.
    pub groups: Vec<String>,
    /// The rules that hold it.
    pub rules: Vec<String>,
    /// The policy set that held it.
    pub policy: Digest,
    /// When it expires.
    pub expires: Timestamp,
    /// What is asked for.
    pub action: &'static str,
    /// Exact bytes of the command, if it is one.
    pub command: Option<Text>,
    /// Why, in the requester's words.
    pub reason: Option<Text>,
    /// Whether the client has a terminal.
    pub pty: bool,
    /// Length of the standard input that goes with it.
    pub input: u64,
    /// Standard input is not part of what is asked for.
    pub open_input: bool,
    /// Commands of these classes run unasked afterwards, for so many seconds.
    pub window: Option<(Vec<String>, u64)>,
}

/// Somebody is about to be shown a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewed {
    /// Which request.
    pub id: String,
    /// Its digest.
    pub digest: Digest,
}

/// Somebody elsewhere was told, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notified {
    /// By which channel of the config.
    pub channel: String,
    /// Of what: the kind of the record that it tells of.
    pub event: &'static str,
    /// The request.
    pub id: String,
    /// How often it was tried.
    pub attempts: u64,
    /// Why it was given up, if it was; from a closed set.
    pub reason: Option<&'static str>,
}

/// Somebody votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voted {
    /// On which request.
    pub id: String,
    /// The digest that they voted on.
    pub digest: Digest,
    /// `approve` or `deny`.
    pub vote: &'static str,
    /// What they say to it.
    pub comment: Option<Text>,
}

/// A request is open no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Which request.
    pub id: String,
    /// Its digest.
    pub digest: Digest,
    /// `granted`, `denied`, `expired` or `withdrawn`.
    pub state: &'static str,
    /// Why, from a closed set.
    pub reason: &'static str,
}

/// A grant is used up: what was asked is about to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Which request.
    pub id: String,
    /// Its digest.
    pub digest: Digest,
    /// Who had approved, by principal.
    pub approvers: Vec<String>,
}
