//! One session's own handle, held by whoever carries its bytes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::allotted::warning;
use super::cut::Cut;
use super::keeper::Closing;
use super::limits::Limit;
use super::masking::Columns;
use super::registry::{Orders, Registered};
use super::space::{Purpose, Space};
use super::tap::Stopwatch;
use crate::domain::event::TargetRef;
use crate::domain::session::{End, SessionId, TerminalSize};
use crate::domain::target::{Login, Target};
use crate::recording::{self, Sink};

/// One session's own handle, held by whoever carries its bytes.
#[derive(Debug)]
pub struct Governed {
    pub(super) session: SessionId,
    pub(super) target: Arc<Target>,
    pub(super) login: Login,
    pub(super) place: TargetRef,
    pub(super) sink: Sink,
    pub(super) watch: Stopwatch,
    pub(super) closing: oneshot::Sender<Closing>,
    pub(super) cut: Cut,
    pub(super) space: Space,
    pub(super) purpose: Purpose,
    pub(super) host_key: OnceLock<String>,
    pub(super) columns: Arc<Columns>,
    pub(super) ordered: watch::Receiver<Orders>,
    /// Left when the session is closed.
    pub(super) registered: Registered,
}

/// How long a mark may wait for the recorder's queue; the mark is worth less than the session.
const MARK_WITHIN: Duration = Duration::from_secs(5);

impl Governed {
    /// Its id.
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// Where it goes.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// As whom it goes there.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The target as records say it, with the host key once it was seen.
    pub fn place(&self) -> TargetRef {
        TargetRef { host_key: self.host_key.get().cloned(), ..self.place.clone() }
    }

    /// The target has shown this host key.
    pub fn saw_host_key(&self, fingerprint: &str) {
        let _ = self.host_key.set(fingerprint.to_owned());
    }

    /// Puts a marker into the recording.
    pub async fn mark(&self, text: &str) {
        self.push(recording::Event::Marker(text.to_owned())).await;
    }

    /// The terminal has a new size.
    pub async fn resize(&self, size: TerminalSize) {
        self.columns.become_those_of(size);
        self.push(recording::Event::Resize(size)).await;
    }

    async fn push(&self, event: recording::Event) {
        let _ = timeout(MARK_WITHIN, self.sink.push(self.watch.at(), event)).await;
    }

    /// Waits until the session must end for a reason of ours, and says which.
    pub async fn cut(&self) -> End {
        let mut ordered = self.ordered.clone();
        loop {
            let Orders { end, max } = ordered.borrow_and_update().clone();
            if let Some(end) = end {
                return end;
            }
            let over = async {
                match max {
                    Some(max) => sleep(max.saturating_sub(self.watch.at())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                end = self.cut.told() => return end,
                () = self.space.exhausted(self.purpose) => return End::Limit(Limit::Disk.as_str()),
                () = over => return End::Limit("max_session"),
                // The sender lives in the registry, for as long as this does.
                Ok(()) = ordered.changed() => {}
            }
        }
    }

    /// Waits until the longest time that policy allows is nearly over: so much is left then. `told` is what was left when
    /// this was last said.
    pub async fn nearly_over(&self, told: Option<Duration>) -> Duration {
        let mut ordered = self.ordered.clone();
        loop {
            let max = ordered.borrow_and_update().max;
            let at = self.watch.at();
            let due = async {
                match max.and_then(|max| warning(max, at, told)) {
                    Some((left, wait)) => {
                        sleep(wait).await;
                        left
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                left = due => return left,
                Ok(()) = ordered.changed() => {}
            }
        }
    }

    /// Why its bytes are not taken any more.
    pub fn why(&self) -> End {
        self.cut.why().unwrap_or(End::RecordingFailed)
    }

    /// Ends the session: the recording is sealed, then its end is in the ledger. Both go on beside the caller.
    pub async fn close(self, end: End) {
        self.mark(&end.to_string()).await;
        self.sink.end(self.watch.at());
        let host_key = self.host_key.get().cloned();
        drop(self.registered);
        let _ = self.closing.send(Closing { end, host_key });
    }
}
