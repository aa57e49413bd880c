//! What the log says of sessions and recordings, held against the index and the stored frames.
//!
//! Gathers from the log alone, entry by entry; then names everything that is missing, other, or too much.

use std::collections::BTreeMap;

use super::recover::{begun, ended};
use crate::domain::event::Extent;
use crate::domain::session::{RecordingId, SessionId};
use crate::ledger::entry::{Entry, Fields};
use crate::recording::index::{Index, Summary};
use crate::recording::{self, Recordings};

/// What the log says.
#[derive(Debug, Default)]
pub struct Said {
    sessions: BTreeMap<SessionId, Summary>,
    recordings: BTreeMap<RecordingId, Told>,
    entries: u64,
}

/// What the log says of one recording.
#[derive(Debug, Default)]
struct Told {
    /// Frames and root of each commit, with the entry.
    commits: Vec<(u64, Extent)>,
    /// The last word: how much there is for good, and in which entry that stands.
    last: Option<(u64, Extent)>,
    /// Whether nothing may be stored beyond it: after a failure nobody knew what the last write did.
    is_exact: bool,
    /// The entry that says that it is not whole any more, and how many frames are left.
    lost: Option<(u64, u64)>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many were looked at.
    pub looked: u64,
    /// Frames that were read.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Place and fault.
    pub faults: Vec<(String, String)>,
    /// What is as the log says, and worth knowing.
    pub notes: Vec<String>,
}

impl Said {
    /// The next entry.
    pub fn take(&mut self, entry: &Entry) {
        self.entries = entry.seq() + 1;
        let body = entry.body();
        match (entry.kind(), entry.session()) {
            ("session.start", Some(session)) => self.sessions.extend(begun(entry, session).map(|one| (session, one))),
            ("session.end", Some(session)) => {
                if let Some(summary) = self.sessions.get_mut(&session) {
                    summary.ended = Some(ended(entry));
                }
            }
            _ => {}
        }
        let Some(recording) = body.text("recording").and_then(RecordingId::parse) else { return };
        if !entry.kind().starts_with("recording.") {
            return;
        }
        let told = self.recordings.entry(recording).or_default();
        let at = entry.seq();
        match (entry.kind(), extent(body)) {
            ("recording.commit", Some(extent)) => told.commits.push((at, extent)),
            ("recording.close" | "recording.recovered" | "recording.failed", Some(extent)) => {
                told.last = Some((at, extent));
                told.is_exact = entry.kind() != "recording.failed";
            }
            ("recording.lost", _) => told.lost = Some((at, body.number("frames").unwrap_or(0))),
            _ => {}
        }
    }

    /// How many recordings it names.
    pub fn recordings(&self) -> u64 {
        self.recordings.len() as u64
    }

    /// Every recording with how many frames of it the log has seen stored; `None` of one that is known to be lost.
    pub fn frames(&self) -> impl Iterator<Item = (RecordingId, u64)> {
        self.recordings
            .iter()
            .filter(|(_, told)| told.lost.is_none())
            .map(|(recording, told)| (*recording, told.frames()))
    }

    /// The index of past sessions.
    pub async fn check_index(&self, index: &Index) -> Result<Found, recording::index::Error> {
        let mut found = Found::default();
        let followed = index.followed().await?;
        if followed > self.entries {
            let what = format!("follows {followed} entries, and the log has {}", self.entries);
            found.faults.push(("index of sessions".to_owned(), what));
        }
        for (session, said) in &self.sessions {
            found.looked += 1;
            let place = || format!("session {session}");
            match index.get(*session).await {
                // It was begun after what the index has followed for certain: the next start looks there.
                Ok(None) if self.begun_after(*session, followed) => {}
                Ok(None) => found.faults.push((place(), "is not in the index".to_owned())),
                Ok(Some(stored)) if !same(&stored, said) => {
                    found.faults.push((place(), "is in the index with other contents than the log says".to_owned()));
                }
                Ok(Some(_)) => {}
                Err(error @ recording::index::Error::Damaged) => found.faults.push((place(), error.to_string())),
                Err(error) => return Err(error),
            }
        }
        let mut after = None;
        loop {
            let page = match index.page(after).await {
                Err(error @ recording::index::Error::Damaged) => {
                    found.faults.push(("index of sessions".to_owned(), error.to_string()));
                    return Ok(found);
                }
                page => page?,
            };
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.session);
            let unknown = page.iter().filter(|one| !self.sessions.contains_key(&one.session));
            found.faults.extend(unknown.map(|one| {
                (format!("session {}", one.session), "is in the index, and the log does not know it".to_owned())
            }));
        }
    }

    fn begun_after(&self, session: SessionId, followed: u64) -> bool {
        let recording = self.sessions.get(&session).map(|summary| summary.recording);
        let told = recording.and_then(|recording| self.recordings.get(&recording));
        told.is_none_or(|told| told.first().is_none_or(|at| at >= followed))
    }

    /// Every recording: each frame, each commit, the close.
    pub async fn check_recordings(
        &self,
        recordings: &Recordings,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Found, recording::Error> {
        let mut found = Found::default();
        for (recording, told) in &self.recordings {
            progress(found.looked, self.recordings());
            found.looked += 1;
            let place = || format!("recording {recording}");
            match told.check(recordings, *recording, &mut found).await {
                Ok(()) => {}
                Err(what) => match told.lost {
                    Some((at, _)) => found.notes.push(format!("{}: lost before, as entry {at} says", place())),
                    None => found.faults.push((place(), what)),
                },
            }
        }
        let mut after = None;
        while let Some(stored) = recordings.stored_after(after).await? {
            if !self.recordings.contains_key(&stored) {
                let what = "frames are stored, and the log does not know it; nobody was shown them";
                found.notes.push(format!("recording {stored}: {what}"));
            }
            after = Some(stored);
        }
        progress(found.looked, self.recordings());
        Ok(found)
    }
}

impl Told {
    fn first(&self) -> Option<u64> {
        self.commits.first().map(|(at, _)| *at).or(self.last.map(|(at, _)| at))
    }

    fn frames(&self) -> u64 {
        let all = self.commits.iter().chain(&self.last);
        all.map(|(_, extent)| extent.frames).max().unwrap_or(0)
    }

    /// The error is what is wrong.
    async fn check(&self, recordings: &Recordings, recording: RecordingId, found: &mut Found) -> Result<(), String> {
        let last = self.last.as_ref().map(|(at, extent)| (*at, extent, self.is_exact));
        let checked = recordings.audit(recording, &self.commits, last).await?;
        found.frames += checked.frames;
        found.bytes += checked.stored_bytes;
        if self.last.is_none() {
            found.notes.push(format!("recording {recording}: is open; the next start seals it"));
        }
        Ok(())
    }
}

/// The index tells times and bytes as they were a moment before the log did: who, where and how it ended is the same.
fn same(stored: &Summary, said: &Summary) -> bool {
    let open = |summary: &Summary| Summary { ended: None, started: said.started, ..summary.clone() };
    let end = |summary: &Summary| summary.ended.as_ref().map(|ended| ended.end.clone());
    // The start after a crash says the end of what was open.
    open(stored) == open(said) && (stored.ended.is_none() || end(stored) == end(said))
}

fn extent(body: Fields<'_>) -> Option<Extent> {
    Some(Extent {
        frames: body.number("frames")?,
        plain_bytes: body.number("plain_bytes")?,
        stored_bytes: body.number("stored_bytes")?,
        root: body.digest("root")?,
    })
}
