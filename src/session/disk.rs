//! What the room does about the disk: each change of what there is room for is told, and a start knows what was
//! recorded before it.

use std::time::Duration;

use tracing::{error, info, warn};

use super::Sessions;
use super::limits::Limit;
use super::space::{Purpose, Room};
use crate::domain::RecordId;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::{Caller, Principal};
use crate::recording::index::{self, Filter};

/// What one person has recorded counts for so long.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Most sessions that a start looks back at.
const LOOKED_AT: usize = 100_000;

impl Sessions {
    /// So much is free. A change of what there is room for is logged, and recorded: the ledger has room for that.
    pub async fn measured(&self, free: u64, total: u64) {
        if self.limits().space.measured(free, total).is_none() {
            return;
        }
        let room = self.limits().space.now().room;
        let word = room.as_str();
        let outcome = match room {
            Room::Ample => {
                info!(free, total, "disk: room again, sessions may begin");
                Outcome::Success
            }
            Room::Low => {
                warn!(free, total, "disk: nearly full, no session begins; make room");
                Outcome::Failure
            }
            Room::Last | Room::Gone => {
                error!(free, total, room = word, "disk: full but for the ledger, running sessions are cut; make room");
                Outcome::Failure
            }
        };
        let fact =
            Fact::new(RecordId::new(self.0.clock.now()), outcome, Event::SpaceChanged { room: word, free, total });
        if let Err(cause) = self.ledger().append_one(fact).await {
            error!(error = ?cause, "ledger does not take what there is room for");
        }
    }

    /// Counts what was recorded within a day before this start, so that a start gives nobody a new quota.
    pub async fn recall_recorded(&self) -> Result<(), index::Error> {
        let now = self.0.clock.now();
        let lately = Filter { since: Some(now.minus(DAY)), ..Filter::default() };
        for summary in self.index().list(&lately, LOOKED_AT).await? {
            let (Some(ended), Some(who)) = (&summary.ended, Principal::parse(&summary.principal)) else { continue };
            if ended.stored_bytes > 0 {
                self.limits().space.recorded_before(&who, ended.stored_bytes, now.since(ended.time));
            }
        }
        Ok(())
    }

    /// Whether a session of `caller` may begin to record. If not: what they hear.
    pub(super) fn admit(&self, caller: &Caller, purpose: Purpose) -> Result<(), String> {
        let who = caller.identity.principal();
        let Err(met) = self.limits().space.admit(&who, purpose) else { return Ok(()) };
        info!(%who, limit = met.as_str(), "session refused");
        Err(match met {
            Limit::RecordedByPerson => {
                "your sessions of the last 24 hours have recorded as much as one person may; \
                                        try again later, or ask the operator"
            }
            _ => "the bastion's disk is nearly full, so no session begins; tell the operator",
        }
        .to_owned())
    }
}
