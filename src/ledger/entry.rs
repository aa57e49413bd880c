//! Facts as canonical bytes, and back to a read-only view.
//!
//! An entry is one JSON object in the canonical form of RFC 8785, with integers only. Pure. Refuses
//! to write what is too long, and to read anything that could be read in two ways.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::domain::event::{Actor, Fact, Outcome, TargetRef};
use crate::domain::identity::Kind;
use crate::domain::session::SessionId;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::merkle;

use super::body;

/// Longest entry. The tile format's own limit is 65,535.
pub const MAX_BYTES: usize = 32 * 1024;
/// Deepest nesting of objects and lists.
const MAX_DEPTH: usize = 8;
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

/// Encodes `fact`. `salt` gives the salt of each payload.
pub fn encode(fact: &Fact, writer: &Writer, mut salt: impl FnMut() -> [u8; SALT_BYTES]) -> Result<Draft, Error> {
    let mut bodies = body::Writer { salt: &mut salt, payloads: Vec::new() };
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

fn canonical(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
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

/// An entry that was read: its exact bytes and what they say. Only [`decode`] makes one.
#[derive(Clone, Debug)]
pub struct Entry {
    bytes: Bytes,
    map: Map<String, Value>,
    seq: u64,
    id: RecordId,
    time: Timestamp,
    outcome: Outcome,
    session: Option<SessionId>,
    channel: Option<u32>,
    refs: Vec<RecordId>,
}

/// Reads an entry, strictly: these bytes are the one way to write it.
pub fn decode(bytes: &Bytes) -> Result<Entry, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLong { kind: "entry", bytes: bytes.len() });
    }
    check_depth(bytes)?;
    let value: Value = serde_json::from_slice(bytes).map_err(|error| Error::Json(error.to_string()))?;
    check_numbers(&value)?;
    // A name that stands twice has only one value in `value`, so it shows here too.
    if canonical(&value)? != *bytes {
        return Err(Error::NotCanonical);
    }
    let Value::Object(map) = value else { return Err(Error::Field("the envelope")) };
    Entry::read(bytes.clone(), map)
}

impl Entry {
    fn read(bytes: Bytes, map: Map<String, Value>) -> Result<Self, Error> {
        let known = |name: &String| NAMES.contains(&name.as_str());
        if !map.keys().all(known) {
            return Err(Error::Field("an unknown field"));
        }
        let all = Fields(&map);
        let field = |name: &'static str| move || Error::Field(name);
        if all.number("v") != Some(VERSION) {
            return Err(Error::Field("v"));
        }
        let seq = map.get("seq").and_then(Value::as_u64).ok_or_else(field("seq"))?;
        let id = all.text("id").and_then(RecordId::parse).ok_or_else(field("id"))?;
        let time = all.time("time").ok_or_else(field("time"))?;
        let outcome = all.text("outcome").and_then(outcome).ok_or_else(field("outcome"))?;
        all.text("boot").filter(|boot| is_boot(boot)).ok_or_else(field("boot"))?;
        all.text("kind").filter(|kind| is_kind(kind)).ok_or_else(field("kind"))?;
        all.text("code").filter(|code| is_code(code)).ok_or_else(field("code"))?;
        all.text("node").ok_or_else(field("node"))?;
        all.part("body").ok_or_else(field("body"))?;
        all.part("actor").and_then(|actor| actor.text("type")).ok_or_else(field("actor"))?;
        // A value of the wrong kind must not look like absence.
        let optional = |name: &str, fits: bool| !map.contains_key(name) || fits;
        if !optional("time_adj", map.get("time_adj") == Some(&Value::Bool(true))) {
            return Err(Error::Field("time_adj"));
        }
        if !optional("target", all.part("target").is_some_and(|target| target.text("name").is_some())) {
            return Err(Error::Field("target"));
        }
        let session = all.text("session").and_then(SessionId::parse);
        if !optional("session", session.is_some()) {
            return Err(Error::Field("session"));
        }
        let channel = map.get("channel").and_then(Value::as_u64).and_then(|channel| u32::try_from(channel).ok());
        if !optional("channel", channel.is_some()) {
            return Err(Error::Field("channel"));
        }
        let refs = match map.get("ref") {
            None => Some(Vec::new()),
            Some(_) => all.texts("ref").and_then(|refs| refs.into_iter().map(RecordId::parse).collect()),
        };
        let refs: Vec<_> = refs.ok_or_else(field("ref"))?;
        Ok(Self { bytes, seq, id, time, outcome, session, channel, refs, map })
    }

    /// The exact bytes, which are the truth.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The hash of its leaf.
    pub fn leaf(&self) -> Digest {
        merkle::leaf_hash(&self.bytes)
    }

    /// Its place, which must be the index of its leaf.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Its name.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// When.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Whether `time` goes on from the entry before, because the clock had stepped back.
    pub fn adjusted(&self) -> bool {
        self.map.contains_key("time_adj")
    }

    /// What kind of fact.
    pub fn kind(&self) -> &str {
        self.fields().text("kind").unwrap_or_default()
    }

    /// Its stable code.
    pub fn code(&self) -> &str {
        self.fields().text("code").unwrap_or_default()
    }

    /// How it went.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Which process wrote it.
    pub fn boot(&self) -> &str {
        self.fields().text("boot").unwrap_or_default()
    }

    /// Which bastion.
    pub fn node(&self) -> &str {
        self.fields().text("node").unwrap_or_default()
    }

    /// Within which session.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The client's channel.
    pub fn channel(&self) -> Option<u32> {
        self.channel
    }

    /// Records it follows from.
    pub fn refs(&self) -> &[RecordId] {
        &self.refs
    }

    /// Who: `type`, `iss`, `sub`, `name`, `groups`, `cert_serial`, `cert_key_id`, `flow`, `src`, `client`.
    pub fn actor(&self) -> Fields<'_> {
        // `decode` saw both this and the body.
        self.fields().part("actor").unwrap_or(Fields(&self.map))
    }

    /// Towards what: `name`, `host`, `login`, `host_key`, `labels`.
    pub fn target(&self) -> Option<Fields<'_>> {
        self.fields().part("target")
    }

    /// What its kind says more.
    pub fn body(&self) -> Fields<'_> {
        self.fields().part("body").unwrap_or(Fields(&self.map))
    }

    fn fields(&self) -> Fields<'_> {
        Fields(&self.map)
    }
}

/// The named values of an object in an entry.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// All names and values.
    pub fn map(self) -> &'a Map<String, Value> {
        self.0
    }

    /// A text.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    /// A number, which is written as a string when it is large or a serial.
    pub fn number(self, name: &str) -> Option<u64> {
        number(self.0.get(name)?)
    }

    /// Yes or no.
    pub fn flag(self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// A time, in the one form that records use.
    pub fn time(self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        Timestamp::parse(text).filter(|time| time.to_string() == text)
    }

    /// A digest.
    pub fn digest(self, name: &str) -> Option<Digest> {
        let text = self.text(name)?;
        Digest::parse(text).filter(|digest| digest.to_string() == text)
    }

    /// A list of texts.
    pub fn texts(self, name: &str) -> Option<Vec<&'a str>> {
        self.0.get(name)?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// A list of numbers.
    pub fn numbers(self, name: &str) -> Option<Vec<u64>> {
        self.0.get(name)?.as_array()?.iter().map(number).collect()
    }

    /// An object.
    pub fn part(self, name: &str) -> Option<Fields<'a>> {
        self.0.get(name)?.as_object().map(Fields)
    }

    /// A list of objects.
    pub fn parts(self, name: &str) -> Option<Vec<Fields<'a>>> {
        self.0.get(name)?.as_array()?.iter().map(|value| value.as_object().map(Fields)).collect()
    }

    /// Hash and length of a text that stands outside the record.
    pub fn payload(self, name: &str) -> Option<(Digest, u64)> {
        let payload = self.part(name)?.part("payload")?;
        (payload.text("alg")? == Payload::ALGORITHM).then_some((payload.digest("hash")?, payload.number("len")?))
    }
}

const NAMES: [&str; 17] = [
    "actor", "body", "boot", "channel", "code", "id", "kind", "node", "outcome", "ref", "seq", "session", "target",
    "time", "time_adj", "trace", "v",
];

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok().filter(|number: &u64| number.to_string() == *text),
        other => other.as_u64(),
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    use Outcome::{Allow, Deny, Error, Failure, Hold, Success};
    [Allow, Deny, Hold, Error, Success, Failure].into_iter().find(|outcome| outcome.as_str() == word)
}

fn is_boot(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_kind(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.')
}

fn is_code(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("SP") else { return false };
    let Some(number) = rest.strip_suffix(['I', 'W', 'E']) else { return false };
    number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit())
}

/// Before parsing: a parser that recurses must not meet what is too deep.
fn check_depth(bytes: &[u8]) -> Result<(), Error> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
    }
    Ok(())
}

fn check_numbers(value: &Value) -> Result<(), Error> {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|n| n <= MAX_INTEGER) => Ok(()),
        // No field is negative.
        Value::Number(number) => Err(Error::Number(number.to_string())),
        Value::Array(list) => list.iter().try_for_each(check_numbers),
        Value::Object(map) => map.values().try_for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
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
mod tests;
