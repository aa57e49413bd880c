//! What the ledger says of one session: the records that concern it, and its recording's last extent.

use std::time::Duration;

use serde_json::{Value, json};

use super::table::{Cell, Table, stamp};
use super::{Error, Visit};
use crate::domain::Timestamp;
use crate::domain::event::{Extent, Outcome};
use crate::domain::session::SessionId;
use crate::ledger::entry::{Entry, Fields, decode};
use crate::recording::index::Summary;

impl Visit<'_> {
    /// What the ledger says of a session: looks from its begin on, and if that does not reach its end, around that too.
    pub(super) async fn told(&self, summary: &Summary) -> Result<Told, Error> {
        let mut told = Told::default();
        let begin = self.first_since(summary.started).await?;
        self.look_through(begin, summary, &mut told).await?;
        if let Some(ended) = summary.ended.as_ref().filter(|_| !told.complete) {
            // Its end was recorded shortly before the index noted the time of it.
            let end = self.first_since(ended.time.minus(Duration::from_secs(60))).await?;
            let seen = told.windows.last().map_or(0, |(_, behind)| *behind);
            self.look_through(end.max(seen), summary, &mut told).await?;
        }
        Ok(told)
    }

    async fn look_through(&self, from: u64, summary: &Summary, told: &mut Told) -> Result<(), Error> {
        let ledger = self.room.sessions.ledger();
        let behind = ledger.size().min(from.saturating_add(LOOK_AT));
        let mut next = from;
        while next < behind {
            let page = ledger.entries(next, PAGE).await?;
            if page.is_empty() {
                break;
            }
            next += page.len() as u64;
            for bytes in page {
                let entry = decode(&bytes)?;
                if concerns(&entry, summary) {
                    told.take(entry);
                }
            }
        }
        told.windows.push((from, next));
        Ok(())
    }

    /// The index of the first entry that is not older than `time`. Times in the ledger never go back.
    pub(super) async fn first_since(&self, time: Timestamp) -> Result<u64, Error> {
        let (mut low, mut high) = (0, self.room.sessions.ledger().size());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.room.sessions.ledger().entry(middle).await? {
                Some(bytes) if decode(&bytes)?.time() < time => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}

/// How many entries one read takes.
const PAGE: usize = 256;
/// How many entries a stretch is. The answer says which were looked at.
const LOOK_AT: u64 = 50_000;

/// What the ledger says of one session.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Which entries were looked at: the first of each stretch, and the one behind its last.
    windows: Vec<(u64, u64)>,
    entries: Vec<Entry>,
    /// The last word on how much of the recording is stored.
    extent: Option<Extent>,
    /// Nothing comes behind that.
    complete: bool,
    state: Option<&'static str>,
}

impl Told {
    /// How much the recording is, if it is complete.
    pub(super) fn whole(&self) -> Option<Extent> {
        self.extent.filter(|_| self.complete)
    }

    /// Leaves out records that are not for the caller.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
    }

    fn take(&mut self, entry: Entry) {
        let state = match entry.kind() {
            "recording.open" | "recording.commit" => Some(("being written", false)),
            "recording.close" => Some(("sealed", true)),
            "recording.recovered" => Some(("recovered after a crash", true)),
            "recording.failed" => Some(("failed", true)),
            _ => None,
        };
        if let Some((state, complete)) = state {
            (self.state, self.complete) = (Some(state), complete);
            self.extent = extent(entry.body()).or(self.extent);
        }
        self.entries.push(entry);
    }

    /// The records, a run of commits as one line.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["INDEX", "TIME", "RECORD", "OUTCOME", "RULES", "LEAF"], &[4]);
        let mut entries = self.entries.iter().peekable();
        let mut commits = 0_u64;
        while let Some(entry) = entries.next() {
            let commit = entry.kind() == "recording.commit";
            commits = if commit { commits + 1 } else { 0 };
            if commit && entries.peek().is_some_and(|next| next.kind() == "recording.commit") {
                continue;
            }
            let name = if commits > 1 { format!("recording.commit x{commits}") } else { entry.kind().to_owned() };
            let outcome = Cell::new(entry.outcome().as_str());
            table.push(vec![
                Cell::new(entry.seq().to_string()),
                Cell::new(stamp(entry.time())),
                Cell::new(name),
                match entry.outcome() {
                    Outcome::Allow | Outcome::Success => outcome.good(),
                    Outcome::Hold => outcome,
                    Outcome::Deny | Outcome::Error | Outcome::Failure => outcome.bad(),
                },
                Cell::new(rules(entry).join(", ")),
                Cell::new(entry.leaf().to_string()).dim(),
            ]);
        }
        table
    }

    /// The recording's state and extent, and its root.
    pub(super) fn extent_and_root(&self) -> (String, String) {
        let state = self.state.unwrap_or(UNKNOWN);
        let Some(extent) = &self.extent else { return (state.to_owned(), String::new()) };
        let Extent { frames, plain_bytes, stored_bytes, root } = extent;
        (format!("{state}, {frames} frames, {plain_bytes} bytes of text, {stored_bytes} stored"), root.to_string())
    }

    /// The same for programs.
    pub(super) fn recording(&self, summary: &Summary) -> Value {
        let extent = self.extent.as_ref().map(|extent| {
            json!({
                "frames": extent.frames,
                "plain_bytes": extent.plain_bytes,
                "stored_bytes": extent.stored_bytes,
                "root": extent.root.to_string(),
            })
        });
        json!({
            "id": summary.recording.to_string(),
            "state": self.state.unwrap_or(UNKNOWN),
            "complete": self.complete,
            "extent": extent,
        })
    }

    /// The records, for programs.
    pub(super) fn records(&self) -> Value {
        self.entries.iter().map(record).collect()
    }

    /// Where records were looked for: there may be some elsewhere.
    pub(super) fn looked_at(&self) -> String {
        let stretch = |(from, behind): &(u64, u64)| format!("{from} to {}", behind.saturating_sub(1));
        format!("looked for in entries {}", self.windows.iter().map(stretch).collect::<Vec<_>>().join(" and "))
    }

    /// The same for programs.
    pub(super) fn windows(&self) -> Value {
        let stretch = |(from, behind): &(u64, u64)| json!({ "from": from, "behind": behind });
        self.windows.iter().map(stretch).collect()
    }
}

/// The state of a recording that no record tells of.
const UNKNOWN: &str = "not known";

fn extent(body: Fields<'_>) -> Option<Extent> {
    Some(Extent {
        frames: body.number("frames")?,
        plain_bytes: body.number("plain_bytes")?,
        stored_bytes: body.number("stored_bytes")?,
        root: body.digest("root")?,
    })
}

/// Within the session, or about it.
fn concerns(entry: &Entry, summary: &Summary) -> bool {
    entry.session() == Some(summary.session)
        || entry.body().text("session").and_then(SessionId::parse) == Some(summary.session)
}

fn rules(entry: &Entry) -> Vec<String> {
    let rules = entry.body().parts("rules").unwrap_or_default();
    rules.iter().filter_map(|rule| rule.text("id")).map(str::to_owned).collect()
}

fn record(entry: &Entry) -> Value {
    json!({
        "index": entry.seq(),
        "id": entry.id().to_string(),
        "leaf": entry.leaf().to_string(),
        "time": entry.time().to_string(),
        "kind": entry.kind(),
        "code": entry.code(),
        "outcome": entry.outcome().as_str(),
        "refs": entry.refs().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "by": entry.actor().text("name"),
        "body": entry.body().map(),
    })
}
