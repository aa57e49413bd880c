//! Past sessions: which there were, and how each ended; newest first.
//!
//! A register that follows the ledger, and can be made anew from it. Holds no free text.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::session::{RecordingId, SessionId};
use crate::store::{self, Key, Registers, Swap, SwapError};

/// What is known of a session without opening its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Which.
    pub session: SessionId,
    /// Its recording.
    pub recording: RecordingId,
    /// Whose.
    pub principal: String,
    /// Display name.
    pub name: String,
    /// Canonical name of the target.
    pub target: String,
    /// Account there.
    pub login: String,
    /// `shell` or `exec`.
    pub action: String,
    /// Whether in a terminal.
    pub pty: bool,
    /// When it began.
    pub started: Timestamp,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub time: Timestamp,
    /// The reason, as `domain::session::End` words it.
    pub end: String,
    /// Exit status or signal, if there was one.
    pub exit: Option<String>,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Size of its recording, as stored.
    pub stored_bytes: u64,
    /// In milliseconds.
    pub duration_ms: u64,
    /// How many secrets each mask rule hid.
    pub masked: BTreeMap<String, u64>,
}

/// The register. Cheap to clone; clones are the same index.
#[derive(Clone, Debug)]
pub struct Index(Registers);

/// Which sessions to list. Empty fields match all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Exactly this principal.
    pub principal: Option<String>,
    /// Display name or principal holds this.
    pub who: Option<String>,
    /// Exactly this target.
    pub target: Option<String>,
    /// Begun at or after.
    pub since: Option<Timestamp>,
}

/// How many summaries one read of the register takes.
const PAGE: usize = 256;

impl Index {
    /// Over these registers.
    pub fn new(registers: Registers) -> Self {
        Self(registers)
    }

    /// Notes a session that has begun. `follows`: ledger index + 1 of the entry that says so.
    pub async fn put(&self, summary: &Summary, follows: u64) -> Result<(), Error> {
        let new = encode(summary)?;
        let open = key_open(summary.session);
        let swaps = vec![
            Swap { key: key(summary.session), expected: None, new: Some(new.into()) },
            Swap { key: open, expected: None, new: Some(Bytes::new()) },
        ];
        match self.0.note(swaps, follows).await {
            // Noted before: replaying the ledger says the same again.
            Err(SwapError::Conflict(_)) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Notes how a session ended.
    pub async fn end(&self, session: SessionId, ended: Ended, follows: u64) -> Result<(), Error> {
        let Some(old) = self.0.get(&key(session)).await? else {
            return Err(Error::Unknown(session));
        };
        let summary = decode(&old)?;
        if summary.ended.is_some() { Ok(()) } else { self.replace(old, summary, ended, follows).await }
    }

    /// The same, of a session that is in the index as it is given.
    pub async fn close(&self, summary: &Summary, ended: Ended, follows: u64) -> Result<(), Error> {
        self.replace(encode(summary)?.into(), summary.clone(), ended, follows).await
    }

    async fn replace(&self, old: Bytes, summary: Summary, ended: Ended, follows: u64) -> Result<(), Error> {
        let session = summary.session;
        let new = encode(&Summary { ended: Some(ended), ..summary })?.into();
        let swaps = vec![
            Swap { key: key(session), expected: Some(old), new: Some(new) },
            Swap { key: key_open(session), expected: Some(Bytes::new()), new: None },
        ];
        Ok(self.0.note(swaps, follows).await?)
    }

    /// How many entries of the ledger the index has followed for certain.
    pub async fn followed(&self) -> Result<u64, Error> {
        let stored = self.0.get(&Key::of(&[FOLLOWED])).await?;
        Ok(stored.and_then(|bytes| bytes.as_ref().try_into().ok().map(u64::from_be_bytes)).unwrap_or(0))
    }

    /// Everything of the ledger's first `size` entries is in the index.
    pub async fn note_followed(&self, size: u64) -> Result<(), Error> {
        let key = Key::of(&[FOLLOWED]);
        let expected = self.0.get(&key).await?;
        let new = Some(Bytes::copy_from_slice(&size.to_be_bytes()));
        Ok(self.0.swap(vec![Swap { key, expected, new }], size).await?)
    }

    /// One session.
    pub async fn get(&self, session: SessionId) -> Result<Option<Summary>, Error> {
        self.0.get(&key(session)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Sessions that have no end, oldest last; at most `limit`.
    pub async fn open(&self, limit: usize) -> Result<Vec<Summary>, Error> {
        let mut found = Vec::new();
        for (key, _) in self.0.scan(&Key::of(&[OPEN]), None, limit).await? {
            if let Some(session) = key.segments().get(1).and_then(|segment| newest_first_back(segment)) {
                found.extend(self.get(session).await?);
            }
        }
        Ok(found)
    }

    /// Sessions from the newest on, after `after`; a page of them.
    pub async fn page(&self, after: Option<SessionId>) -> Result<Vec<Summary>, Error> {
        let page = self.0.scan(&Key::of(&[SESSION]), after.map(key).as_ref(), PAGE).await?;
        page.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    /// The newest sessions that match, at most `limit`. Looks at no more than 100,000.
    pub async fn list(&self, filter: &Filter, limit: usize) -> Result<Vec<Summary>, Error> {
        self.list_where(filter, limit, |_| true).await
    }

    /// The same, of those that `keep` keeps: whoever lists may not see all.
    pub async fn list_where(
        &self,
        filter: &Filter,
        limit: usize,
        mut keep: impl FnMut(&Summary) -> bool,
    ) -> Result<Vec<Summary>, Error> {
        let mut found = Vec::new();
        let mut after = None;
        for _ in 0..100_000 / PAGE {
            let page = self.0.scan(&Key::of(&[SESSION]), after.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            for (key, bytes) in page {
                let summary = decode(&bytes)?;
                after = Some(key);
                if filter.since.is_some_and(|since| summary.started < since) {
                    return Ok(found);
                }
                if filter.matches(&summary) && keep(&summary) {
                    found.push(summary);
                }
                if found.len() == limit {
                    return Ok(found);
                }
            }
            if !full {
                break;
            }
        }
        Ok(found)
    }
}

impl Filter {
    fn matches(&self, summary: &Summary) -> bool {
        let holds = |text: &String| summary.name.contains(text.as_str()) || summary.principal.contains(text.as_str());
        self.principal.as_ref().is_none_or(|principal| *principal == summary.principal)
            && self.who.as_ref().is_none_or(holds)
            && self.target.as_ref().is_none_or(|target| *target == summary.target)
    }
}

const SESSION: &[u8] = b"session";
const OPEN: &[u8] = b"session-open";
const FOLLOWED: &[u8] = b"session-followed";

fn key(session: SessionId) -> Key {
    Key::of(&[SESSION, &newest_first(session)])
}

fn key_open(session: SessionId) -> Key {
    Key::of(&[OPEN, &newest_first(session)])
}

/// Ids sort by time, and listings go forward: turned round, the newest comes first.
fn newest_first(session: SessionId) -> [u8; 16] {
    session.to_bytes().map(|byte| !byte)
}

fn newest_first_back(segment: &[u8]) -> Option<SessionId> {
    let bytes: [u8; 16] = segment.try_into().ok()?;
    Some(SessionId::from_bytes(bytes.map(|byte| !byte)))
}

/// The stored form. A format is a promise: fields are only ever added.
#[derive(Serialize, Deserialize)]
struct Stored {
    session: String,
    recording: String,
    principal: String,
    name: String,
    target: String,
    login: String,
    action: String,
    pty: bool,
    started: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<StoredEnd>,
}

#[derive(Serialize, Deserialize)]
struct StoredEnd {
    time: i64,
    end: String,
    exit: Option<String>,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(default)]
    stored_bytes: u64,
    duration_ms: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    masked: BTreeMap<String, u64>,
}

fn encode(summary: &Summary) -> Result<Vec<u8>, Error> {
    let stored = Stored {
        session: summary.session.to_string(),
        recording: summary.recording.to_string(),
        principal: summary.principal.clone(),
        name: summary.name.clone(),
        target: summary.target.clone(),
        login: summary.login.clone(),
        action: summary.action.clone(),
        pty: summary.pty,
        started: summary.started.micros(),
        ended: summary.ended.as_ref().map(|ended| StoredEnd {
            time: ended.time.micros(),
            end: ended.end.clone(),
            exit: ended.exit.clone(),
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
            stored_bytes: ended.stored_bytes,
            duration_ms: ended.duration_ms,
            masked: ended.masked.clone(),
        }),
    };
    serde_json::to_vec(&stored).map_err(|_| Error::Damaged)
}

fn decode(bytes: &[u8]) -> Result<Summary, Error> {
    let stored: Stored = serde_json::from_slice(bytes).map_err(|_| Error::Damaged)?;
    Ok(Summary {
        session: SessionId::parse(&stored.session).ok_or(Error::Damaged)?,
        recording: RecordingId::parse(&stored.recording).ok_or(Error::Damaged)?,
        principal: stored.principal,
        name: stored.name,
        target: stored.target,
        login: stored.login,
        action: stored.action,
        pty: stored.pty,
        started: Timestamp::from_micros(stored.started),
        ended: stored.ended.map(|ended| Ended {
            time: Timestamp::from_micros(ended.time),
            end: ended.end,
            exit: ended.exit,
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
            stored_bytes: ended.stored_bytes,
            duration_ms: ended.duration_ms,
            masked: ended.masked,
        }),
    })
}

/// Why the index could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error("index of sessions")]
    Store(#[from] store::Error),
    /// Somebody else changed it in between.
    #[error("index of sessions changed meanwhile")]
    Swap(#[from] SwapError),
    /// Stored bytes that are not ours.
    #[error("index of sessions is damaged; 'store rebuild' makes it anew from the log")]
    Damaged,
    /// No such session.
    #[error("no session {0}")]
    Unknown(SessionId),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    fn summary(n: i64, name: &str, target: &str) -> Summary {
        let started = Timestamp::from_secs(1_800_000_000 + n);
        Summary {
            session: SessionId::from_parts(started, 1),
            recording: RecordingId::from_parts(started, 2),
            principal: format!("corp/{name}"),
            name: format!("{name}@example.com"),
            target: target.to_owned(),
            login: "deploy".to_owned(),
            action: "exec".to_owned(),
            pty: false,
            started,
            ended: None,
        }
    }

    fn ended() -> Ended {
        let exit = Some("exit 0".to_owned());
        Ended {
            time: Timestamp::from_secs(1),
            end: "finished".to_owned(),
            exit,
            bytes_in: 1,
            bytes_out: 2,
            stored_bytes: 4,
            duration_ms: 3,
            masked: BTreeMap::from([("jwt".to_owned(), 2)]),
        }
    }

    #[tokio::test]
    async fn sessions_are_listed_newest_first_and_filtered() {
        let index = Index::new(Memory::new().registers());
        for n in 0..600 {
            let (name, target) = if n % 2 == 0 { ("alice", "db1") } else { ("bob", "web") };
            index.put(&summary(n, name, target), 1).await.unwrap();
        }
        let newest = index.list(&Filter::default(), 2).await.unwrap();
        assert_eq!(newest, [summary(599, "bob", "web"), summary(598, "alice", "db1")]);
        let by = Filter { who: Some("alice@".to_owned()), ..Filter::default() };
        assert_eq!(index.list(&by, 1000).await.unwrap().len(), 300);
        let since = Filter {
            since: Some(Timestamp::from_secs(1_800_000_590)),
            target: Some("db1".to_owned()),
            ..Filter::default()
        };
        assert_eq!(index.list(&since, 1000).await.unwrap().len(), 5);
    }

    #[tokio::test]
    async fn a_session_is_open_until_its_end_was_noted() {
        let index = Index::new(Memory::new().registers());
        let one = summary(1, "alice", "db1");
        index.put(&one, 1).await.unwrap();
        index.put(&one, 1).await.unwrap();
        assert_eq!(index.open(10).await.unwrap(), std::slice::from_ref(&one));
        index.end(one.session, ended(), 2).await.unwrap();
        index.end(one.session, ended(), 2).await.unwrap();
        assert_eq!(index.open(10).await.unwrap(), []);
        assert_eq!(index.get(one.session).await.unwrap().unwrap().ended, Some(ended()));
    }
}
