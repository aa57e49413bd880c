//! Why something that runs must end for a reason of the bastion's own.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::domain::session::End;

/// Tells one channel that it must end, and why. The first reason stands. Cheap to clone; clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    why: OnceLock<End>,
    told: CancellationToken,
}

impl Cut {
    /// It must end. Whether this is the first reason.
    pub fn now(&self, why: End) -> bool {
        let first = self.0.why.set(why).is_ok();
        self.0.told.cancel();
        first
    }

    /// Why it must end, if it must.
    pub fn why(&self) -> Option<End> {
        self.0.why.get().cloned()
    }

    /// Waits until it must end, and says why.
    pub async fn told(&self) -> End {
        self.0.told.cancelled().await;
        self.why().unwrap_or(End::Fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stands() {
        let cut = Cut::default();
        assert_eq!(cut.why(), None);
        assert!(cut.now(End::Limit("disk")));
        assert!(!cut.clone().now(End::RecordingFailed));
        assert_eq!(cut.told().await, End::Limit("disk"));
    }
}
