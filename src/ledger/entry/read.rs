//! Reading an entry, strictly: bytes that could be written otherwise are none.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Error, MAX_BYTES, MAX_INTEGER, Payload, VERSION, canonical};
use crate::domain::event::Outcome;
use crate::domain::session::SessionId;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::merkle;

/// Deepest nesting of objects and lists.
pub(super) const MAX_DEPTH: usize = 8;

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

    /// Hashes of all texts that stand outside the record, wherever in it they are named.
    pub fn payloads(self) -> Vec<Digest> {
        let parts = self.0.keys().filter_map(|name| self.part(name).map(|part| (name, part)));
        parts
            .flat_map(|(name, part)| self.payload(name).map_or_else(|| part.payloads(), |(hash, _)| vec![hash]))
            .collect()
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
