//! Stop accepting, finish, or cut; the only spawner of tasks.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Counts every task and knows how to stop them. Cheap to clone; clones are the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    stop: CancellationToken,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// A drain of its own, with no task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a counted task. It is expected to watch `stopping` or `cut`, or to end by itself.
    #[allow(clippy::disallowed_methods, reason = "the one permitted home")]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.tasks.track_future(task))
    }

    /// Cancelled once nothing new may begin.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled once what still runs must end now.
    pub fn cutting(&self) -> &CancellationToken {
        &self.cut
    }

    /// How many tasks run.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task runs.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Begins to stop: nothing new begins.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// What still runs must end now: nothing waits for a grace any more.
    pub fn cut(&self) {
        self.stop.cancel();
        self.cut.cancel();
    }

    /// Stops, waits for `grace` or until it is cut, then cuts and waits for `last`. Whether all had ended within the grace.
    pub async fn finish(&self, grace: Duration, last: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let drained = tokio::select! {
            biased;
            () = self.cut.cancelled() => false,
            () = self.tasks.wait() => true,
            () = tokio::time::sleep(grace) => false,
        };
        self.cut.cancel();
        // What does not end when cut is dropped with the runtime: its recording is recovered at the next start.
        let _ = tokio::time::timeout(last, self.tasks.wait()).await;
        drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_when_stopped_is_drained() {
        let drain = Drain::new();
        let stopping = drain.stopping().clone();
        drain.spawn(async move { stopping.cancelled().await });
        assert!(drain.finish(Duration::from_secs(60), Duration::from_secs(60)).await);
        assert!(drain.is_empty());
    }

    #[tokio::test]
    async fn a_cut_ends_the_grace() {
        let drain = Drain::new();
        let cutting = drain.cutting().clone();
        drain.spawn(async move { cutting.cancelled().await });
        let impatient = drain.clone();
        let (drained, ()) = tokio::join!(drain.finish(Duration::from_secs(3600), Duration::from_secs(60)), async {
            impatient.cut();
        });
        assert!(!drained && drain.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_goes_on_is_cut_after_the_grace() {
        let drain = Drain::new();
        let cutting = drain.cutting().clone();
        drain.spawn(async move { cutting.cancelled().await });
        assert!(!drain.finish(Duration::from_secs(5), Duration::from_secs(60)).await);
        assert!(drain.is_empty());
    }
}
