//! At start: requests that the process before this one left open are withdrawn, so that no late vote finds them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Desk, Error, State};
use crate::domain::event::held::Resolved;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::{RecordId, Timestamp};
use crate::ledger::entry;
use crate::policy::TTL;

/// Entries read at once.
const PAGE: u64 = 256;
/// How much longer than the longest life of a request is looked back.
const SLACK: Duration = Duration::from_secs(60);

impl Desk {
    /// Resolves what is open in the ledger; nothing is open at the desk yet. How many there were.
    ///
    /// No request outlives [`TTL`], so only the last minutes of what the process before did are read.
    pub async fn withdraw_all(&self) -> Result<usize, Error> {
        let mut end = self.0.ledger.size();
        let (mut open, mut closed) = (BTreeMap::new(), Vec::new());
        let mut newest: Option<Timestamp> = None;
        'pages: while end > 0 {
            let begin = end.saturating_sub(PAGE);
            let page = self.0.ledger.entries(begin, usize::try_from(end - begin).unwrap_or(1)).await?;
            for bytes in page.iter().rev() {
                let entry = entry::decode(bytes)?;
                // A start says nothing of when the process before it was last at work.
                if !entry.kind().starts_with("log.") {
                    let newest = *newest.get_or_insert(entry.time());
                    if newest.since(entry.time()) > TTL + SLACK {
                        break 'pages;
                    }
                }
                let body = entry.body();
                match (entry.kind(), body.text("id"), body.digest("digest")) {
                    ("approval.resolved", _, Some(digest)) => closed.push(digest),
                    ("approval.requested", Some(id), Some(digest)) if !closed.contains(&digest) => {
                        open.insert(digest, id.to_owned());
                    }
                    _ => {}
                }
            }
            end = begin;
        }
        let now = self.0.clock.now();
        let facts: Vec<Fact> = open
            .into_iter()
            .map(|(digest, id)| {
                let (state, reason) = (State::Withdrawn.as_str(), "bastion restarted");
                let event = Event::ApprovalResolved(Resolved { id, digest, state, reason });
                Fact::new(RecordId::new(now), Outcome::Failure, event)
            })
            .collect();
        let count = facts.len();
        if count > 0 {
            self.0.ledger.append(facts).await?;
        }
        Ok(count)
    }
}
