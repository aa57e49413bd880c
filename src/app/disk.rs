//! Looks how much room is left on the disk, again and again, and tells `session`.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::session::Sessions;
use crate::store::Volume;

/// How often, at the least; a fast writer is looked at sooner.
const EVERY: Duration = Duration::from_secs(1);
/// How often, at the most.
const NOT_WITHIN: Duration = Duration::from_millis(20);

/// Looks once. A disk that does not say is taken to be as it was.
pub(super) async fn look(sessions: &Sessions, volume: &Volume) {
    match volume.measure().await {
        Ok(free) => sessions.measured(free.free, free.total).await,
        Err(cause) => error!(error = ?cause, "disk: nobody knows how much is free"),
    }
}

/// Looks until `stopping`.
pub(super) async fn watch(sessions: Sessions, volume: Volume, stopping: CancellationToken) {
    let looking = async {
        loop {
            sleep(NOT_WITHIN).await;
            tokio::select! {
                () = sleep(EVERY) => {}
                () = sessions.limits().space.wants_look() => {}
            }
            look(&sessions, &volume).await;
        }
    };
    let _: Option<std::convert::Infallible> = stopping.run_until_cancelled(looking).await;
}
