//! At start: what the ledger says and the index has missed, and sessions that a crash left open.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Sessions;
use crate::approval::Glasses;
use crate::domain::RecordId;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::session::{End, RecordingId, SessionId};
use crate::ledger::entry::{self, Entry};
use crate::ledger::{self, Ledger};
use crate::recording;
use crate::recording::index::{self, Ended, Index, Summary};

/// How many sessions one round takes; rounds go on until none is open.
const ROUND: usize = 256;

/// Entries read at once.
const PAGE: usize = 256;

/// Brings the index to where the ledger is. An old copy of it loses nothing by that, and an empty one is made whole.
pub async fn follow_log(ledger: &Ledger, index: &Index, glasses: &Glasses) -> Result<(), Error> {
    let size = ledger.size();
    let mut at = index.followed().await?.min(size);
    while at < size {
        let page = ledger.entries(at, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for bytes in page {
            at += 1;
            let entry = entry::decode(&bytes).map_err(ledger::Error::from)?;
            follow(index, &entry, at).await?;
            glasses.follow(&entry, at).await?;
        }
    }
    Ok(index.note_followed(size).await?)
}

async fn follow(index: &Index, entry: &Entry, follows: u64) -> Result<(), Error> {
    let Some(session) = entry.session() else { return Ok(()) };
    match entry.kind() {
        "session.start" => {
            if let Some(summary) = begun(entry, session) {
                index.put(&summary, follows).await?;
            }
        }
        "session.end" => match index.end(session, ended(entry), follows).await {
            // It began before the index does.
            Ok(()) | Err(index::Error::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        },
        _ => {}
    }
    Ok(())
}

impl Sessions {
    /// See [`follow_log`].
    pub async fn catch_up(&self) -> Result<(), Error> {
        self.0.glasses.load().await?;
        follow_log(self.ledger(), self.index(), &self.0.glasses).await
    }

    /// Notes now and then how far the index follows the ledger, so that a start has little to read. `app` runs it.
    pub async fn note_progress(self, every: Duration, stopping: CancellationToken) {
        // What was in the ledger a round ago has reached the index since, or its session's keeper has logged why not.
        let mut before = self.ledger().size();
        while stopping.run_until_cancelled(sleep(every)).await.is_some() {
            if let Err(error) = self.index().note_followed(before).await {
                warn!(?error, "index of sessions");
            }
            before = self.ledger().size();
        }
    }

    /// Seals every recording that is still open in the index: nothing of this process can be writing to it.
    /// Returns how many there were. Nobody waits for a request of that process either: those are withdrawn.
    pub async fn recover(&self) -> Result<usize, Error> {
        let withdrawn = self.desk().withdraw_all().await?;
        if withdrawn > 0 {
            info!(withdrawn, "requests that a crash left open are withdrawn");
        }
        let mut recovered = 0;
        loop {
            let open = self.index().open(ROUND).await?;
            if open.is_empty() {
                return Ok(recovered);
            }
            for summary in open {
                let now = self.0.clock.now();
                let extent = self.recordings().recover(summary.recording, None).await?;
                let facts = vec![
                    Fact::new(
                        RecordId::new(now),
                        Outcome::Success,
                        Event::RecordingRecovered { recording: summary.recording, extent },
                    )
                    .within(summary.session),
                    Fact::new(
                        RecordId::new(now),
                        Outcome::Failure,
                        Event::SessionEnd {
                            reason: End::Crash.as_str(),
                            detail: None,
                            bytes_in: 0,
                            bytes_out: 0,
                            exit: None,
                            duration_ms: 0,
                            masked: BTreeMap::new(),
                        },
                    )
                    .within(summary.session),
                ];
                let receipts = self.ledger().append(facts).await?;
                let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
                let ended = Ended {
                    time: now,
                    end: End::Crash.as_str().to_owned(),
                    exit: None,
                    bytes_in: 0,
                    bytes_out: 0,
                    stored_bytes: extent.stored_bytes,
                    duration_ms: 0,
                    masked: BTreeMap::new(),
                };
                self.index().end(summary.session, ended, follows).await?;
                warn!(session = %summary.session, frames = extent.frames, "sealed a recording that a crash left open");
                recovered += 1;
            }
            info!(recovered, "sessions recovered");
        }
    }
}

pub(super) fn begun(entry: &Entry, session: SessionId) -> Option<Summary> {
    let (body, actor, target) = (entry.body(), entry.actor(), entry.target()?);
    Some(Summary {
        session,
        recording: RecordingId::parse(body.text("recording")?)?,
        principal: body.text("principal")?.to_owned(),
        name: actor.text("name").unwrap_or_default().to_owned(),
        target: target.text("name")?.to_owned(),
        login: target.text("login")?.to_owned(),
        action: body.text("action")?.to_owned(),
        pty: body.flag("pty")?,
        started: entry.time(),
        ended: None,
    })
}

pub(super) fn ended(entry: &Entry) -> Ended {
    let body = entry.body();
    let exit = body.map().get("exit");
    let exit = exit.and_then(|exit| match (exit.get("status").and_then(|n| n.as_u64()), exit.get("signal")) {
        (Some(status), _) => Some(format!("exit {status}")),
        (None, Some(signal)) => signal.as_str().map(|name| format!("signal {name}")),
        (None, None) => None,
    });
    Ended {
        time: entry.time(),
        end: body.text("reason").unwrap_or_default().to_owned(),
        exit,
        bytes_in: body.number("bytes_in").unwrap_or(0),
        bytes_out: body.number("bytes_out").unwrap_or(0),
        // In the record of the recording, not of the session: what is missed here counts in nobody's quota.
        stored_bytes: 0,
        duration_ms: body.number("duration_ms").unwrap_or(0),
        masked: counted(body.map().get("masked")),
    }
}

/// Counts by word, as a record has them.
fn counted(counts: Option<&serde_json::Value>) -> BTreeMap<String, u64> {
    let counts = counts.and_then(|counts| counts.as_object()).into_iter().flatten();
    counts.filter_map(|(word, count)| Some((word.clone(), count.as_u64()?))).collect()
}

/// Why recovery stopped. The bastion does not start then: an open recording must not stay so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index.
    #[error("index of sessions")]
    Index(#[from] index::Error),
    /// The recordings.
    #[error("recordings")]
    Recording(#[from] recording::Error),
    /// Requests that wait for people.
    #[error("requests that wait for people")]
    Approval(#[from] crate::approval::Error),
    /// The ledger.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
    /// What began past approval.
    #[error("sessions past approval")]
    Glass(#[from] crate::approval::glass::Error),
}
