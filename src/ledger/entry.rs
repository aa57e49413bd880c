//! Facts as canonical bytes, and back to a read-only view.
//!
//! An entry is one JSON object in the canonical form of RFC 8785, with integers only. Pure. Refuses
//! to write what is too long, and to read anything that could be read in two ways.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::domain::event::{Actor, Fact, TargetRef};
use crate::domain::identity::Kind;
use crate::domain::{Digest, Timestamp};
use crate::mask::rule::Rules;

use super::body;

mod read;

use read::MAX_DEPTH;
pub use read::{Entry, Fields, decode};

/// Longest entry. The tile format's own limit is 65,535.
pub const MAX_BYTES: usize = 32 * 1024;
/// Largest integer that every reader of JSON keeps exactly: 2^53 - 1.
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Length of a payload's salt.
pub(super) const SALT_BYTES: usize = 32;
/// More than the fields take that are known only when an entry gets its place.
const PLACE_BYTES: usize = 128;
/// The version of the envelope.
const VERSION: u64 = 1;

/// The process that writes.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Name of this bastion.
    pub node: String,
    /// Random per start of the process, 32 hex digits.
    pub boot: String,
}

/// A fact that has been encoded but for its place in the log.
#[derive(Clone, Debug)]
pub struct Draft {
    // Canonical form sorts by name: what comes before `seq`, and what between `seq` and `time`.
    head: Vec<u8>,
    middle: Vec<u8>,
    /// Salt and bytes of each text, by hash; to be stored before the entry counts.
    pub payloads: Vec<(Digest, Bytes)>,
}

/// Where and when a draft enters the log.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The index of its leaf.
    pub seq: u64,
    /// Not before that of the entry before it.
    pub time: Timestamp,
    /// Whether `time` is not what the clock said, because the clock had stepped back.
    pub adjusted: bool,
}

/// Encodes `fact`. `salt` gives the salt of each payload; what `rules` hide stands in none.
pub fn encode(
    fact: &Fact,
    writer: &Writer,
    rules: &Arc<Rules>,
    mut salt: impl FnMut() -> [u8; SALT_BYTES],
) -> Result<Draft, Error> {
    let mut bodies = body::Writer { rules, salt: &mut salt, payloads: Vec::new() };
    let mut head = Map::new();
    head.insert("actor".into(), actor(fact.actor.as_ref()).into());
    head.insert("body".into(), bodies.body(&fact.event).into());
    head.insert("boot".into(), writer.boot.as_str().into());
    if let Some(channel) = fact.channel {
        head.insert("channel".into(), channel.into());
    }
    head.insert("code".into(), fact.event.code(fact.outcome).into());
    head.insert("id".into(), fact.id.to_string().into());
    head.insert("kind".into(), fact.event.kind().into());
    head.insert("node".into(), writer.node.as_str().into());
    head.insert("outcome".into(), fact.outcome.as_str().into());
    if !fact.refs.is_empty() {
        head.insert("ref".into(), fact.refs.iter().map(ToString::to_string).collect());
    }
    let mut middle = Map::new();
    if let Some(session) = fact.session {
        middle.insert("session".into(), session.to_string().into());
    }
    if let Some(at) = &fact.target {
        middle.insert("target".into(), target(at).into());
    }

    let draft = Draft { head: fields(&head)?, middle: fields(&middle)?, payloads: bodies.payloads };
    let bytes = draft.len();
    if bytes > MAX_BYTES {
        return Err(Error::TooLong { kind: fact.event.kind(), bytes });
    }
    Ok(draft)
}

impl Draft {
    /// The entry's length at most, without its payloads.
    #[allow(clippy::len_without_is_empty, reason = "no entry is empty")]
    pub fn len(&self) -> usize {
        self.head.len() + self.middle.len() + PLACE_BYTES
    }

    /// The entry's exact bytes, at its place.
    pub fn seal(&self, place: Place) -> Bytes {
        let adjusted = if place.adjusted { "\"time_adj\":true," } else { "" };
        let seq = format!("\"seq\":{},", place.seq);
        let rest = format!("\"time\":\"{}\",{adjusted}\"v\":{VERSION}}}", place.time);
        [b"{", self.head.as_slice(), seq.as_bytes(), &self.middle, rest.as_bytes()].concat().into()
    }
}

/// The canonical fields of an object without its braces, each followed by a comma.
fn fields(map: &Map<String, Value>) -> Result<Vec<u8>, Error> {
    let mut bytes = canonical(map)?;
    let closing = bytes.pop();
    debug_assert_eq!(closing, Some(b'}'));
    if !map.is_empty() {
        bytes.push(b',');
    }
    bytes.remove(0);
    Ok(bytes)
}

pub(super) fn canonical(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| Error::Json(error.to_string()))
}

fn actor(actor: Option<&Actor>) -> Map<String, Value> {
    let mut map = Map::new();
    let Some(actor) = actor else {
        map.insert("type".into(), "system".into());
        return map;
    };
    let kind = match actor.kind {
        Some(Kind::Person) => "user",
        Some(Kind::Pipeline) => "pipeline",
        None => "unknown",
    };
    map.insert("type".into(), kind.into());
    for (name, value) in [("iss", &actor.issuer), ("sub", &actor.subject), ("name", &actor.name)] {
        if !value.is_empty() {
            map.insert(name.into(), value.as_str().into());
        }
    }
    if actor.kind.is_some() {
        map.insert("groups".into(), actor.groups.as_slice().into());
    }
    let optional = [
        ("cert_serial", actor.serial.map(|serial| serial.to_string())),
        ("cert_key_id", actor.key_id.clone()),
        ("flow", actor.flow.map(|flow| flow.as_str().to_owned())),
        ("src", actor.source.map(|source| source.to_string())),
        ("client", actor.client.clone()),
    ];
    map.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    map
}

fn target(target: &TargetRef) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("name".into(), target.name.as_str().into());
    map.insert("host".into(), target.host.as_str().into());
    map.insert("login".into(), target.login.as_str().into());
    if let Some(key) = &target.host_key {
        map.insert("host_key".into(), key.as_str().into());
    }
    map.insert("labels".into(), json!(target.labels));
    map
}

/// A text that stands outside its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// SHA-256 of salt and bytes.
    pub hash: Digest,
    /// How many bytes, without the salt.
    pub len: u64,
    pub(super) stored: Bytes,
}

impl Payload {
    /// How the hash is made.
    pub const ALGORITHM: &'static str = "sha256-salted";

    pub(super) fn of(salt: [u8; SALT_BYTES], bytes: &[u8]) -> Self {
        let stored: Bytes = [&salt, bytes].concat().into();
        Self { hash: Digest::of(&stored), len: bytes.len() as u64, stored }
    }

    /// The text of what was stored under `hash`: `None` if that is not it.
    pub fn open(hash: &Digest, stored: &Bytes) -> Option<Bytes> {
        (stored.len() >= SALT_BYTES && Digest::of(stored) == *hash).then(|| stored.slice(SALT_BYTES..))
    }
}

/// Why a fact cannot be an entry, or bytes are none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Over the limit.
    #[error("a record of {kind} takes {bytes} bytes, at most {MAX_BYTES} are kept")]
    TooLong {
        /// Of which kind.
        kind: &'static str,
        /// How long it would be.
        bytes: usize,
    },
    /// Objects in objects in objects.
    #[error("an entry is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Not JSON at all.
    #[error("an entry is not JSON: {0}")]
    Json(String),
    /// JSON that could be written otherwise.
    #[error("an entry is not in canonical form, or names a field twice")]
    NotCanonical,
    /// A number that is no integer from 0 to 2^53 - 1.
    #[error("an entry has the number {0}")]
    Number(String),
    /// The envelope lacks a field, or has it in a form that does not fit.
    #[error("an entry's envelope does not fit: {0}")]
    Field(&'static str),
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;
