//! What is done to files in a session by SFTP: each operation a record, and a line in the recording.
//!
//! Does not read the protocol: whoever carries the bytes does, and says here what came of them before it passes them on.

use std::fmt::Write as _;
use std::sync::Arc;

use tracing::error;

use super::Inner;
use super::cut::Cut;
use super::tap::Stopwatch;
use crate::domain::event::sftp::{Moved, Operation};
use crate::domain::event::{Event, Fact, TargetRef};
use crate::domain::files::Reach;
use crate::domain::identity::Caller;
use crate::domain::session::{End, SessionId};
use crate::domain::{RecordId, Text, printable};
use crate::mask::rule::Rules;
use crate::mask::{Width, whole};
use crate::recording::{self, Sink};

/// Of a path, as a recording shows it.
const SHOWN: usize = 1024;

/// Where one session's operations are recorded, and how far they may reach.
#[derive(Debug)]
pub struct Files {
    pub(super) inner: Arc<Inner>,
    pub(super) caller: Arc<Caller>,
    pub(super) channel: u32,
    pub(super) session: SessionId,
    pub(super) place: TargetRef,
    pub(super) sink: Sink,
    pub(super) watch: Stopwatch,
    pub(super) cut: Cut,
    pub(super) rules: Arc<Rules>,
    /// The client hears of nothing whose record is not on disk.
    pub(super) durable: bool,
    pub(super) reach: Reach,
}

/// Whether a file may be another afterwards.
fn changes(operation: &Operation) -> bool {
    let is_done = operation.result != "refused";
    is_done && !["read", "list", "read link"].contains(&operation.what)
}

impl Files {
    /// What policy lets this session do.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Records what has ended. Once this returns the records are queued, and where the session is durable they are on disk.
    pub async fn done(&self, operations: Vec<Operation>) -> Result<(), recording::Error> {
        if operations.is_empty() {
            return Ok(());
        }
        for operation in &operations {
            let line = recording::Event::Marker(self.line(operation));
            self.sink.push(self.watch.at(), line).await?;
        }
        if self.durable {
            self.sink.flush().await?;
        }
        let changed: Vec<String> = operations.iter().filter(|one| changes(one)).map(|one| self.line(one)).collect();
        let facts = operations.into_iter().map(|operation| {
            let id = RecordId::new(self.inner.clock.now());
            let mut fact = Fact::new(id, operation.outcome(), Event::SftpOperation(operation)).by(&self.caller);
            fact.channel = Some(self.channel);
            fact.within(self.session).towards(self.place.clone())
        });
        let facts = facts.collect();
        let recorded = match self.durable {
            true => self.inner.ledger.append(facts).await.map(drop),
            false => self.inner.ledger.submit(facts).await.map(drop),
        };
        recorded.map_err(|cause| {
            error!(session = %self.session, error = ?cause, "ledger does not take what was done to a file");
            self.cut.now(End::RecordingFailed);
            recording::Error::Failed("ledger")
        })?;
        if !changed.is_empty() {
            self.note(&changed).await;
        }
        Ok(())
    }

    /// What people are asked for at this account may mean something else by now.
    async fn note(&self, changed: &[String]) {
        let (place, identity) = ((self.place.name.as_str(), self.place.login.as_str()), &self.caller.identity);
        for line in changed {
            self.inner.recent.wrote(self.inner.clock.now(), place, &identity.name, line);
        }
        self.inner.desk.disturb(&identity.principal(), place, None).await;
    }

    /// For people: what, where, how much.
    fn line(&self, operation: &Operation) -> String {
        let shown = |path: &Text| {
            let masked = whole(&self.rules, Width::Label, path.bytes());
            printable(&String::from_utf8_lossy(&masked), SHOWN)
        };
        let mut line = format!("sftp {} {}", operation.what, shown(&operation.path));
        if let Some(to) = &operation.to {
            // Writing to a String cannot fail.
            let _ = write!(line, " to {}", shown(to));
        }
        let _ = write!(line, ": {}", operation.result);
        let moved = [("read", &operation.read), ("written", &operation.written)];
        for (word, moved) in moved.iter().filter_map(|(word, moved)| Some((word, moved.as_ref()?))) {
            let Moved { bytes, from, sha256, .. } = moved;
            let _ = write!(line, ", {bytes} bytes {word} from {from}");
            if let Some(digest) = sha256 {
                let _ = write!(line, ", SHA-256 {digest}");
            }
        }
        line
    }
}
