//! Whether a connection carries anything: one that does not is let go when the bastion stops.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::LAST_WORDS;

/// Done once the bastion stops and this connection has had no channel for a moment: a client whose command has just
/// ended leaves by itself, and takes a goodbye that overtakes it for a failure.
pub(super) async fn idle(stopping: &CancellationToken, busy: Busy) {
    stopping.cancelled().await;
    let mut count = busy.0.subscribe();
    loop {
        let _ = count.wait_for(|count| *count == 0).await;
        if timeout(LAST_WORDS, count.wait_for(|count| *count > 0)).await.is_err() {
            return;
        }
    }
}

/// How many channels of a connection are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<watch::Sender<usize>>);

/// One of them, for as long as it lives.
struct Served(Busy);

impl Busy {
    /// Counts one more, from now until `channel` has ended.
    pub(super) fn during<F: Future>(&self, channel: F) -> impl Future<Output = F::Output> + use<F> {
        self.0.send_modify(|count| *count += 1);
        let served = Served(self.clone());
        async move {
            let output = channel.await;
            drop(served);
            output
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
