//! The registers of this room, and how they follow the ledger.
//!
//! What counts was an entry first. At start the entries that the registers have not seen are replayed, so an
//! old copy of the store never brings a used token or a revoked certificate back to life; a log
//! older than its registers is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Error;
use super::live::{Certified, Claim, State};
use crate::domain::event::Outcome;
use crate::domain::identity::{Flow, Group, Identity, IssuerName, Kind, Means, SignIn};
use crate::domain::{RecordId, Timestamp};
use crate::ledger::Ledger;
use crate::ledger::entry::{Entry, decode};
use crate::store::{Key, Registers, Swap, SwapError};

/// A register holds 8 KiB; what is longer goes on in the next part.
const PART_BYTES: usize = 6 * 1024;
const PAGE: usize = 256;
pub(super) const ROOM: &[u8] = b"identity";

/// One register's new value; `None` removes it.
pub(super) type Change = (Key, Option<Bytes>);

/// Where replay begins at the next start, and the serial that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) entry: u64,
    pub(super) serial: u64,
}

/// Writes all changes or none, whatever was there: one process owns the store, and the ledger has decided.
pub(super) async fn put(registers: &Registers, changes: Vec<Change>, follows: u64) -> Result<(), Error> {
    loop {
        let mut swaps = Vec::with_capacity(changes.len());
        for (key, new) in &changes {
            let expected = registers.get(key).await.map_err(Error::Store)?;
            swaps.push(Swap { key: key.clone(), expected, new: new.clone() });
        }
        match registers.swap(swaps, follows).await {
            Ok(()) => return Ok(()),
            // Another sign-in's sweep was in between.
            Err(SwapError::Conflict(_)) => {}
            Err(SwapError::Store(error)) => return Err(Error::Store(error)),
        }
    }
}

/// Which key a token or job was used with.
pub(super) async fn holder(registers: &Registers, claim: &Claim) -> Result<Option<String>, Error> {
    let value = registers.get(&claim_key(claim)).await.map_err(Error::Store)?;
    Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

/// A token or job was used with this key.
pub(super) fn used(claim: &Claim, key: &str) -> Change {
    (claim_key(claim), Some(Bytes::copy_from_slice(key.as_bytes())))
}

/// An identity was revoked, or is no longer.
pub(super) fn barred(issuer: &str, subject: &str, yes: bool) -> Change {
    (Key::of(&[ROOM, b"barred", issuer.as_bytes(), subject.as_bytes()]), yes.then(|| Bytes::from_static(b"1")))
}

/// A serial was revoked, or nobody could show it any more.
pub(super) fn revoked(serial: u64, yes: bool) -> Change {
    (Key::of(&[ROOM, b"revoked", &serial.to_be_bytes()]), yes.then(|| Bytes::from_static(b"1")))
}

/// A certificate lives.
pub(super) fn certified(certified: &Certified) -> Vec<Change> {
    let text = write(certified);
    let parts = text.chunks(PART_BYTES).zip(0_u8..);
    parts.map(|(part, number)| (part_key(certified.serial, number), Some(Bytes::copy_from_slice(part)))).collect()
}

/// A certificate ended.
pub(super) async fn ended(registers: &Registers, serial: u64) -> Result<Vec<Change>, Error> {
    let parts = registers.scan(&live_key(serial), None, PAGE).await.map_err(Error::Store)?;
    Ok(parts.into_iter().map(|(key, _)| (key, None)).chain([revoked(serial, false)]).collect())
}

/// The cursor.
pub(super) fn cursor(cursor: Cursor) -> Change {
    let value = json!({"entry": cursor.entry, "serial": cursor.serial});
    (Key::of(&[ROOM, b"cursor"]), Some(value.to_string().into()))
}

/// Which claim of which issuer names a job, by the issuer's name.
pub(super) type Jobs = BTreeMap<String, &'static str>;

/// Reads the registers, then replays what the ledger has beyond them.
pub(super) async fn open(
    registers: &Registers,
    ledger: &Ledger,
    jobs: &Jobs,
    now: Timestamp,
) -> Result<(State, Cursor), Error> {
    let size = ledger.size();
    let follows = registers.follows().await.map_err(Error::Store)?;
    if follows > size {
        return Err(Error::LogRestored { follows, size });
    }
    let mut state = State::default();
    for (key, _) in all(registers, &Key::of(&[ROOM, b"barred"])).await? {
        if let [_, _, issuer, subject] = key.segments().as_slice() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            state.bar((text(issuer), text(subject)));
        }
    }
    for (key, _) in all(registers, &Key::of(&[ROOM, b"revoked"])).await? {
        state.revoke(serial_of(&key)?);
    }
    let mut texts: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (key, part) in all(registers, &Key::of(&[ROOM, b"live"])).await? {
        texts.entry(serial_of(&key)?).or_default().extend_from_slice(&part);
    }
    for text in texts.into_values() {
        state.add(Arc::new(read(&text).ok_or(Error::Damaged)?));
    }
    let stored = registers.get(&Key::of(&[ROOM, b"cursor"])).await.map_err(Error::Store)?;
    let mut at = match stored {
        None => Cursor { entry: 0, serial: 1 },
        Some(stored) => read_cursor(&stored).ok_or(Error::Damaged)?,
    };
    let mut replay = Replay { state: &mut state, jobs, now, sign_ins: HashMap::new(), changes: Vec::new() };
    while at.entry < size {
        let page = ledger.entries(at.entry, PAGE).await.map_err(Error::Ledger)?;
        if page.is_empty() {
            return Err(Error::Damaged);
        }
        for bytes in &page {
            let entry = decode(bytes).map_err(|_| Error::Damaged)?;
            at.serial = at.serial.max(replay.entry(&entry));
            at.entry += 1;
        }
    }
    let mut changes = replay.changes;
    // Ended certificates need no register; what a long replay found is swept with the rest.
    let over = state.ended(now, usize::MAX / 8);
    for serial in over {
        changes.extend(ended(registers, serial).await?);
    }
    changes.push(cursor(at));
    // Later changes of one register win; a swap takes each key once.
    let changes: BTreeMap<Key, Option<Bytes>> = changes.into_iter().collect();
    let mut changes: Vec<Change> = changes.into_iter().collect();
    while !changes.is_empty() {
        let rest = changes.split_off(changes.len().min(PAGE));
        put(registers, changes, at.entry).await?;
        changes = rest;
    }
    Ok((state, at))
}

/// Entries taken in order; each gives what the act behind it gave.
pub(super) struct Replay<'a> {
    pub(super) state: &'a mut State,
    pub(super) jobs: &'a Jobs,
    pub(super) now: Timestamp,
    pub(super) sign_ins: HashMap<RecordId, (Identity, SignIn)>,
    pub(super) changes: Vec<Change>,
}

impl Replay<'_> {
    /// The serial that comes next after this entry, as far as it says.
    pub(super) fn entry(&mut self, entry: &Entry) -> u64 {
        match entry.kind() {
            "authn.oidc" if entry.outcome() == Outcome::Success => self.signed_in(entry),
            "cert.issued" => return self.issued(entry),
            "key.remembered" => return self.remembered(entry),
            "cert.revoked" => self.revoked(entry),
            // Serials that a lost end of the log may have given out are not given out again.
            "log.successor" => return entry.body().number("serial").unwrap_or(0),
            "identity.reinstated" => {
                if let Some(who) = who(entry) {
                    self.state.unbar(&who);
                    self.changes.push(barred(&who.0, &who.1, false));
                }
            }
            _ => {}
        }
        0
    }

    fn signed_in(&mut self, entry: &Entry) {
        let body = entry.body();
        if let (Some(token), Some(key)) = (body.digest("token"), body.text("key")) {
            self.changes.push(used(&Claim::Token(token), key));
            let issuer = body.text("issuer").unwrap_or_default();
            let job = self.jobs.get(issuer).and_then(|claim| body.part("about")?.text(claim));
            if let Some(job) = job {
                self.changes.push(used(&Claim::Job(issuer.to_owned(), job.to_owned()), key));
            }
        }
        if let Some(both) = sign_in(entry) {
            self.sign_ins.insert(entry.id(), both);
        }
    }

    fn issued(&mut self, entry: &Entry) -> u64 {
        self.lives(entry, Means::Certificate, entry.body().text("authority") == Some("user"))
    }

    fn remembered(&mut self, entry: &Entry) -> u64 {
        // Without `remembered` it ended with its connection.
        self.lives(entry, Means::RememberedKey, entry.body().flag("remembered") == Some(true))
    }

    /// Adds what the entry gave, if it is one that clients show and has not ended; the serial that comes next.
    fn lives(&mut self, entry: &Entry, means: Means, shown: bool) -> u64 {
        let body = entry.body();
        let Some(serial) = body.number("serial") else { return 0 };
        if shown
            && let Some(valid_before) = body.time("valid_before").filter(|end| *end > self.now)
            && let Some((identity, sign_in)) = entry.refs().iter().find_map(|record| self.sign_ins.get(record))
        {
            let certified = Certified {
                means,
                serial,
                key_id: body.text("key_id").unwrap_or_default().to_owned(),
                key: body.text("key").unwrap_or_default().to_owned(),
                valid_before,
                identity: identity.clone(),
                sign_in: sign_in.clone(),
            };
            self.changes.extend(self::certified(&certified));
            self.state.add(Arc::new(certified));
        }
        serial.saturating_add(1)
    }

    fn revoked(&mut self, entry: &Entry) {
        if let Some(who) = who(entry) {
            self.changes.push(barred(&who.0, &who.1, true));
            self.state.bar(who);
        }
        for serial in entry.body().numbers("serials").unwrap_or_default() {
            self.changes.push(revoked(serial, true));
            self.state.revoke(serial);
        }
    }
}

fn who(entry: &Entry) -> Option<(String, String)> {
    let identity = entry.body().part("identity")?;
    Some((identity.text("iss")?.to_owned(), identity.text("sub")?.to_owned()))
}

fn sign_in(entry: &Entry) -> Option<(Identity, SignIn)> {
    let (actor, body) = (entry.actor(), entry.body());
    let about = body.part("about").map(|about| about.map().clone()).unwrap_or_default();
    let identity = Identity {
        issuer: IssuerName::parse(body.text("issuer")?)?,
        issuer_url: actor.text("iss")?.to_owned(),
        subject: actor.text("sub")?.to_owned(),
        kind: if actor.text("type")? == "pipeline" { Kind::Pipeline } else { Kind::Person },
        name: actor.text("name").unwrap_or_default().to_owned(),
        groups: actor.texts("groups").unwrap_or_default().into_iter().map(Group::configured).collect(),
        claims: about.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect(),
    };
    let sign_in = SignIn {
        record: entry.id(),
        at: entry.time(),
        auth_time: body.time("auth_time"),
        until: body.time("until")?,
        flow: Flow::parse(body.text("flow")?)?,
        amr: body.texts("amr").unwrap_or_default().into_iter().map(str::to_owned).collect(),
    };
    Some((identity, sign_in))
}

pub(super) async fn all(registers: &Registers, prefix: &Key) -> Result<Vec<(Key, Bytes)>, Error> {
    let mut found: Vec<(Key, Bytes)> = Vec::new();
    loop {
        let after = found.last().map(|(key, _)| key.clone());
        let page = registers.scan(prefix, after.as_ref(), PAGE).await.map_err(Error::Store)?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

fn claim_key(claim: &Claim) -> Key {
    match claim {
        Claim::Token(digest) => Key::of(&[ROOM, b"used", &digest.0]),
        Claim::Job(issuer, job) => Key::of(&[ROOM, b"job", issuer.as_bytes(), job.as_bytes()]),
    }
}

fn live_key(serial: u64) -> Key {
    Key::of(&[ROOM, b"live", &serial.to_be_bytes()])
}

pub(super) fn part_key(serial: u64, number: u8) -> Key {
    live_key(serial).with(&[number])
}

pub(super) fn serial_of(key: &Key) -> Result<u64, Error> {
    let segments = key.segments();
    let bytes = segments.get(2).and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok());
    bytes.map(u64::from_be_bytes).ok_or(Error::Damaged)
}

pub(super) fn read_cursor(bytes: &[u8]) -> Option<Cursor> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    Some(Cursor { entry: value.get("entry")?.as_u64()?, serial: value.get("serial")?.as_u64()? })
}

fn write(certified: &Certified) -> Vec<u8> {
    let (identity, sign_in) = (&certified.identity, &certified.sign_in);
    let value = json!({
        "remembered": certified.means == Means::RememberedKey,
        "serial": certified.serial,
        "key_id": certified.key_id,
        "key": certified.key,
        "valid_before": certified.valid_before.micros(),
        "issuer": identity.issuer.as_str(),
        "iss": identity.issuer_url,
        "sub": identity.subject,
        "pipeline": identity.kind == Kind::Pipeline,
        "name": identity.name,
        "groups": identity.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
        "claims": identity.claims,
        "record": sign_in.record.to_string(),
        "at": sign_in.at.micros(),
        "auth_time": sign_in.auth_time.map(Timestamp::micros),
        "until": sign_in.until.micros(),
        "flow": sign_in.flow.as_str(),
        "amr": sign_in.amr,
    });
    value.to_string().into_bytes()
}

pub(super) fn read(bytes: &[u8]) -> Option<Certified> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let time = |name: &str| Some(Timestamp::from_micros(value.get(name)?.as_i64()?));
    let texts = |name: &str| -> Option<Vec<String>> {
        value.get(name)?.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let claims = value.get("claims")?.as_object()?;
    // Absent in what was written before keys were remembered.
    let remembered = value.get("remembered").and_then(Value::as_bool).unwrap_or(false);
    Some(Certified {
        means: if remembered { Means::RememberedKey } else { Means::Certificate },
        serial: value.get("serial")?.as_u64()?,
        key_id: text("key_id")?,
        key: text("key")?,
        valid_before: time("valid_before")?,
        identity: Identity {
            issuer: IssuerName::parse(&text("issuer")?)?,
            issuer_url: text("iss")?,
            subject: text("sub")?,
            kind: if value.get("pipeline")?.as_bool()? { Kind::Pipeline } else { Kind::Person },
            name: text("name")?,
            groups: texts("groups")?.iter().map(|name| Group::configured(name)).collect(),
            claims: claims.iter().filter_map(|(name, one)| Some((name.clone(), one.as_str()?.to_owned()))).collect(),
        },
        sign_in: SignIn {
            record: RecordId::parse(&text("record")?)?,
            at: time("at")?,
            auth_time: time("auth_time"),
            until: time("until")?,
            flow: Flow::parse(&text("flow")?)?,
            amr: texts("amr")?,
        },
    })
}
