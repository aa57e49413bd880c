//! The registers of this room against the log: what a replay from the first entry gives, and what is stored.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::live::{Certified, State};
use super::register::{Jobs, ROOM, Replay, all, part_key, read, read_cursor, serial_of};
use super::{Error, Settings, job_claims};
use crate::domain::identity::{Identity, SignIn};
use crate::domain::{Digest, RecordId, Timestamp};
use crate::ledger::entry::Entry;
use crate::store::{Key, Registers};

/// A replay that writes nothing.
pub struct Audit(Whole);

impl Audit {
    /// With the issuers as configured, at this time.
    pub fn new(settings: &Settings, now: Timestamp) -> Self {
        Self(Whole::new(job_claims(settings), now))
    }

    /// The next entry.
    pub fn take(&mut self, entry: &Entry) {
        self.0.take(entry);
    }

    /// How many registers there are, and place and fault of each that is not as the log says.
    pub async fn compare(&self, registers: &Registers) -> Result<(u64, Vec<(String, String)>), Error> {
        self.0.compare(registers).await
    }
}

/// What the registers hold if the log is replayed from its first entry; for a check of those that are stored.
struct Whole {
    state: State,
    jobs: Jobs,
    now: Timestamp,
    sign_ins: HashMap<RecordId, (Identity, SignIn)>,
    /// Each register's value, and which entry gave it.
    changes: BTreeMap<Key, (u64, Option<Bytes>)>,
    entries: u64,
}

impl Whole {
    fn new(jobs: Jobs, now: Timestamp) -> Self {
        let state = State::default();
        Self { state, jobs, now, sign_ins: HashMap::new(), changes: BTreeMap::new(), entries: 0 }
    }

    fn take(&mut self, entry: &Entry) {
        let sign_ins = std::mem::take(&mut self.sign_ins);
        let (state, jobs, now) = (&mut self.state, &self.jobs, self.now);
        let mut replay = Replay { state, jobs, now, sign_ins, changes: Vec::new() };
        replay.entry(entry);
        let Replay { sign_ins, changes, .. } = replay;
        self.sign_ins = sign_ins;
        self.changes.extend(changes.into_iter().map(|(key, new)| (key, (entry.seq(), new))));
        self.entries = entry.seq() + 1;
    }

    /// Place and fault of every register that is not as the log says; and how many were looked at.
    async fn compare(&self, registers: &Registers) -> Result<(u64, Vec<(String, String)>), Error> {
        let mut faults = Vec::new();
        let follows = registers.follows().await.map_err(Error::Store)?;
        if follows > self.entries {
            let what = format!("follow {follows} entries, and the log has {}: it is an older copy", self.entries);
            faults.push(("registers".to_owned(), what));
        }
        let stored: BTreeMap<Key, Bytes> = all(registers, &Key::of(&[ROOM])).await?.into_iter().collect();
        let cursor = stored.get(&Key::of(&[ROOM, b"cursor"]));
        let replayed = match cursor.map(|bytes| read_cursor(bytes)) {
            Some(None) => {
                faults.push(("registers".to_owned(), "how far they follow the log cannot be read".to_owned()));
                self.entries
            }
            Some(Some(cursor)) => cursor.entry,
            None => 0,
        };
        for (key, (at, said)) in &self.changes {
            // The next start replays what comes after the cursor.
            if *at < replayed && !self.fits(key, stored.get(key), said.as_ref()) {
                let what = match (stored.get(key), said) {
                    (None, _) => format!("is missing, and entry {at} says it"),
                    (Some(_), None) => format!("is there, and entry {at} ended it"),
                    (Some(_), Some(_)) => format!("is not what entry {at} says"),
                };
                faults.push((format!("register {}", place(key)), what));
            }
        }
        for (key, value) in &stored {
            if !self.changes.contains_key(key) && self.is_stranger(key, value) {
                faults
                    .push((format!("register {}", place(key)), "is there, and no entry of the log says so".to_owned()));
            }
        }
        Ok((stored.len() as u64, faults))
    }

    fn fits(&self, key: &Key, stored: Option<&Bytes>, said: Option<&Bytes>) -> bool {
        match key.segments().get(1).map(Vec::as_slice) {
            // A certificate that has ended takes its registers with it, sooner or later.
            Some(b"live") => match (stored.and_then(|text| read(text)), said.and_then(|text| read(text))) {
                (Some(stored), Some(said)) => {
                    let name = |one: &Certified| (one.serial, one.key.clone(), one.identity.subject.clone());
                    name(&stored) == name(&said)
                }
                // It goes on in a next part: the parts count together at the next start.
                _ => stored.is_some() == said.is_some(),
            },
            Some(b"revoked") => stored.is_some() || serial_of(key).is_ok_and(|serial| !self.is_live(serial)),
            _ => stored == said,
        }
    }

    fn is_live(&self, serial: u64) -> bool {
        self.changes.contains_key(&part_key(serial, 0))
    }

    fn is_stranger(&self, key: &Key, value: &Bytes) -> bool {
        match key.segments().get(1).map(Vec::as_slice) {
            Some(b"used" | b"job" | b"barred") => true,
            Some(b"live") => read(value).is_some_and(|one| one.valid_before > self.now),
            _ => false,
        }
    }
}

/// A register as an operator can look for it in the log: digests in hex.
fn place(key: &Key) -> String {
    let mut segments = key.segments().into_iter().skip(1);
    let kind = String::from_utf8_lossy(&segments.next().unwrap_or_default()).into_owned();
    let rest = segments.map(|segment| {
        match (<[u8; 32]>::try_from(segment.as_slice()), <[u8; 8]>::try_from(segment.as_slice())) {
            (Ok(digest), _) => Digest(digest).to_string(),
            (_, Ok(serial)) => u64::from_be_bytes(serial).to_string(),
            _ => segment.escape_ascii().to_string(),
        }
    });
    std::iter::once(kind).chain(rest).collect::<Vec<_>>().join(" ")
}
