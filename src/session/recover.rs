//! At start: what the ledger says and the index has missed, and sessions that a crash left open.

use tracing::{info, warn};

use super::Sessions;
use crate::domain::RecordId;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::session::End;
use crate::ledger;
use crate::recording::index::{self, Ended};
use crate::recording;

/// How many sessions one round takes; rounds go on until none is open.
const ROUND: usize = 256;

impl Sessions {
    /// Seals every recording that is still open in the index: nothing of this process can be writing to it.
    /// Returns how many there were.
    pub async fn recover(&self) -> Result<usize, Error> {
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
                    duration_ms: 0,
                };
                self.index().end(summary.session, ended, follows).await?;
                warn!(session = %summary.session, frames = extent.frames, "sealed a recording that a crash left open");
                recovered += 1;
            }
            info!(recovered, "sessions recovered");
        }
    }
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
    /// The ledger.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
}
