//! Keeps one session's recording to its end: each commit, the seal or the failure is a ledger record.
//!
//! A task of the gateway runs it beside the pumps, so that no pump waits for storage or the ledger
//! beyond the recorder's bounded queue.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tracing::{error, info};

use super::cut::Cut;
use super::files::{Done, not_taken};
use super::limits::Limit;
use super::masking::Hidden;
use super::tap::{Counts, Stopwatch, broken};
use super::{Counted, Inner};
use crate::domain::RecordId;
use crate::domain::event::masked::Lifted;
use crate::domain::event::{Event, Extent, Fact, Outcome, TargetRef};
use crate::domain::identity::Caller;
use crate::domain::session::{End, Exit};
use crate::ledger;
use crate::recording::index::{Ended, Summary};
use crate::recording::{self, Failed, Progress, Sealed, Sink, Writer};

/// Drives the recorder of one session.
#[derive(Debug)]
pub struct Keeper {
    pub(super) inner: Arc<Inner>,
    pub(super) summary: Summary,
    /// Ledger index + 1 of the record that opened the recording, until the index has it.
    pub(super) follows: Option<u64>,
    pub(super) caller: Arc<Caller>,
    pub(super) channel: u32,
    pub(super) target: TargetRef,
    pub(super) writer: Writer,
    /// What was done to files, where that is followed.
    pub(super) done: Option<Done>,
    pub(super) watch: Stopwatch,
    pub(super) counts: Arc<Counts>,
    /// What the mask rules hid.
    pub(super) hidden: Arc<Hidden>,
    /// The client sees what the recording has masked.
    pub(super) unmasked: bool,
    pub(super) closing: oneshot::Receiver<Closing>,
    /// Told here when the recording cannot go on.
    pub(super) cut: Cut,
    pub(super) counted: Counted,
    /// Bytes that were counted as stored.
    pub(super) recorded: u64,
}

async fn next(done: &mut Option<Done>) -> Result<(), ledger::Error> {
    match done {
        Some(done) => done.next().await,
        None => pending().await,
    }
}

/// How the session ended, as the gateway saw it.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) end: End,
    pub(super) host_key: Option<String>,
}

impl Keeper {
    /// Drives the recorder until what was pushed so far is on disk: before [`Keeper::run`] nobody else does.
    pub(super) async fn until_stored(&mut self, sink: &Sink) -> Result<(), recording::Error> {
        self.note_begin().await;
        loop {
            let progress = tokio::select! {
                stored = sink.flush() => return stored,
                progress = self.writer.next() => progress,
            };
            match progress {
                Ok(Progress::Commit(extent)) => self.commit(extent).await,
                Ok(Progress::Sealed(_)) => return Err(recording::Error::Ended),
                Err(failed) => return Err(recording::Error::Failed(failed.reason)),
            }
        }
    }

    /// So much is stored by now.
    fn count(&mut self, stored_bytes: u64) {
        let more = stored_bytes.saturating_sub(self.recorded);
        self.recorded += more;
        self.inner.ledger.counters().recorded.fetch_add(more, Ordering::Relaxed);
    }

    fn committed(&mut self, extent: Extent) -> Fact {
        self.count(extent.stored_bytes);
        self.fact(Outcome::Success, Event::RecordingCommit { recording: self.summary.recording, extent })
    }

    async fn commit(&mut self, extent: Extent) {
        let commit = self.committed(extent);
        if let Err(cause) = self.inner.ledger.append_one(commit).await {
            error!(session = %self.summary.session, error = ?cause, "ledger does not take a commit");
            self.cut.now(End::RecordingFailed);
        }
    }

    /// The index follows the ledger, which has the session already: nobody needs to have waited for it.
    async fn note_begin(&mut self) {
        let Some(follows) = self.follows.take() else { return };
        if let Err(cause) = self.inner.index.put(&self.summary, follows).await {
            error!(session = %self.summary.session, error = ?cause, "index does not take a session; the next start repairs it");
        }
    }

    /// Runs until the recording is sealed or has failed, and the session's end is in the ledger.
    pub async fn run(mut self: Box<Self>) {
        // What happens once, or seldom, takes no room in between.
        Box::pin(self.note_begin()).await;
        let mut last = None;
        let sealed = loop {
            let progress = tokio::select! {
                progress = self.writer.next() => progress,
                stored = next(&mut self.done) => {
                    self.note_done(stored);
                    continue;
                }
            };
            match progress {
                // It goes with the end of the session.
                Ok(Progress::Commit(extent)) if self.writer.is_complete() => last = Some(self.committed(extent)),
                Ok(Progress::Commit(extent)) => Box::pin(self.commit(extent)).await,
                Ok(Progress::Sealed(sealed)) => break Ok(sealed),
                Err(failed) => {
                    error!(session = %self.summary.session, error = ?failed, "recording failed");
                    broken(&self.cut, failed.reason);
                    if failed.reason == recording::QUOTA {
                        self.inner.limits.met.cut(Limit::Recording);
                    }
                    break Err(failed);
                }
            }
        };
        Box::pin(self.finish(last, sealed)).await;
    }

    fn note_done(&self, stored: Result<(), ledger::Error>) {
        if let Err(cause) = stored {
            not_taken(self.summary.session, &cause, &self.cut);
        }
    }

    async fn finish(mut self: Box<Self>, last: Option<Fact>, sealed: Result<Sealed, Failed>) {
        let closing = loop {
            tokio::select! {
                closing = &mut self.closing => break closing,
                stored = next(&mut self.done) => self.note_done(stored),
            }
        };
        // Dropped without a word: the task that served the channel has panicked.
        let closing = closing.unwrap_or(Closing { end: End::Fault, host_key: None });
        if let Some(done) = &mut self.done {
            let stored = done.rest().await;
            self.note_done(stored);
        }
        self.target.host_key = closing.host_key;
        let end = closing.end;
        let exit = match &end {
            End::Finished(exit) => Some(exit.clone()),
            _ => None,
        };
        let stored_bytes = match &sealed {
            Ok(sealed) => sealed.extent.stored_bytes,
            Err(failed) => failed.extent.stored_bytes,
        };
        self.count(stored_bytes);
        let kept = match sealed {
            Ok(sealed) => {
                let events: BTreeMap<_, _> = sealed.events.into_iter().collect();
                let event = Event::RecordingClose {
                    recording: self.summary.recording,
                    extent: sealed.extent,
                    duration_us: sealed.duration_us,
                    events,
                    reason: end.as_str(),
                    exit: exit.clone(),
                };
                self.fact(Outcome::Success, event)
            }
            Err(failed) => {
                let event = Event::RecordingFailed {
                    recording: self.summary.recording,
                    extent: failed.extent,
                    reason: failed.reason,
                };
                self.fact(Outcome::Error, event)
            }
        };
        let mut facts: Vec<Fact> = last.into_iter().chain([kept]).collect();
        let applied = self.hidden.applied(self.summary.recording).into_iter();
        facts.extend(applied.map(|applied| self.fact(Outcome::Success, Event::MaskApplied(applied))));
        if self.unmasked {
            let lifted = Lifted { recording: self.summary.recording, seen: self.hidden.printed() };
            facts.push(self.fact(Outcome::Success, Event::MaskLifted(lifted)));
        }
        facts.push(self.ended(&end, exit));
        match self.inner.ledger.append(facts).await {
            Ok(receipts) => {
                let ended = self.indexed(&end, stored_bytes);
                let follows = receipts.last().map_or(0, |receipt| receipt.index + 1);
                if let Err(cause) = self.inner.index.close(&self.summary, ended, follows).await {
                    error!(session = %self.summary.session, error = ?cause, "index does not take the end of a session; the next start repairs it");
                }
            }
            // The next start finds the recording open, seals it as recovered, and writes the end.
            Err(cause) => {
                error!(session = %self.summary.session, error = ?cause, "ledger does not take the end of a session")
            }
        }
        info!(session = %self.summary.session, end = end.as_str(), "session ended");
        drop(self.counted);
    }

    /// The end as the index keeps it.
    fn indexed(&self, end: &End, stored_bytes: u64) -> Ended {
        Ended {
            time: self.inner.clock.now(),
            end: end.as_str().to_owned(),
            exit: match end {
                End::Finished(exit) => Some(exit.to_string()),
                _ => None,
            },
            bytes_in: self.counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.counts.bytes_out.load(Ordering::Relaxed),
            stored_bytes,
            duration_ms: u64::try_from(self.watch.at().as_millis()).unwrap_or(u64::MAX),
            masked: self.hidden.totals().into_iter().map(|(rule, count)| (rule.to_string(), count)).collect(),
        }
    }

    fn ended(&self, end: &End, exit: Option<Exit>) -> Fact {
        let detail = match end {
            End::Unreachable(step) => Some(*step),
            End::Limit(which) => Some(*which),
            _ => None,
        };
        // A connection may end at either side.
        let forwarded = matches!(self.summary.action.as_str(), "forward" | "listen");
        let outcome = if matches!(end, End::Finished(_) | End::ByClient) || (forwarded && *end == End::ByTarget) {
            Outcome::Success
        } else {
            Outcome::Failure
        };
        let event = Event::SessionEnd {
            reason: end.as_str(),
            detail,
            bytes_in: self.counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.counts.bytes_out.load(Ordering::Relaxed),
            exit,
            duration_ms: u64::try_from(self.watch.at().as_millis()).unwrap_or(u64::MAX),
            masked: self.hidden.totals(),
        };
        self.fact(outcome, event)
    }

    fn fact(&self, outcome: Outcome, event: Event) -> Fact {
        let id = RecordId::new(self.watch.clock.now());
        let mut fact =
            Fact::new(id, outcome, event).by(&self.caller).within(self.summary.session).towards(self.target.clone());
        fact.channel = Some(self.channel);
        fact
    }
}
