//! One sync for everyone who waits for one.
//!
//! Knows rounds, not what is synced. Refuses to call anything durable after a sync that failed.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Groups callers: those who come while a sync runs share the next one.
#[derive(Clone, Debug)]
pub(super) struct Barrier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rounds: Mutex<Rounds>,
    done: watch::Sender<Done>,
}

#[derive(Debug, Default)]
struct Rounds {
    /// How many callers came so far.
    asked: u64,
    /// Whether somebody syncs, until nobody waits.
    running: bool,
}

#[derive(Clone, Debug, Default)]
struct Done {
    /// How many of the callers are served.
    served: u64,
    failed: Option<Arc<io::Error>>,
}

impl Barrier {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { rounds: Mutex::default(), done: watch::Sender::default() }))
    }

    /// Joins those who wait for a whole `sync` that begins after this call does, and runs it here if nobody else does:
    /// for a thread that may block, of the runtime's pool. The first failure is everyone's, then and later.
    ///
    /// Those who come while it runs are served by a job of their own with `again`, so that nobody's call lasts for others.
    pub(super) fn join(
        &self,
        sync: impl Fn() -> io::Result<()>,
        again: impl Fn() -> io::Result<()> + Send + 'static,
    ) -> Round {
        let done = self.0.done.subscribe();
        let (mine, leads) = {
            let mut rounds = self.0.rounds();
            rounds.asked += 1;
            (rounds.asked, !std::mem::replace(&mut rounds.running, true))
        };
        if leads && self.0.round(&sync) {
            let shared = Arc::clone(&self.0);
            // Not awaited: others wait for it, so it must not end with this caller.
            drop(spawn_blocking(move || while shared.round(&again) {}));
        }
        Round { mine, done }
    }
}

/// A place among those who wait for a sync.
#[derive(Debug)]
pub(super) struct Round {
    mine: u64,
    done: watch::Receiver<Done>,
}

impl Round {
    /// Until its sync has run.
    pub(super) async fn served(mut self) -> io::Result<()> {
        let mine = self.mine;
        let done = self.done.wait_for(|done| done.served >= mine || done.failed.is_some()).await;
        let done = done.map_err(io::Error::other)?.clone();
        match done.failed {
            Some(error) if done.served < mine => Err(io::Error::new(error.kind(), error)),
            _ => Ok(()),
        }
    }
}

impl Shared {
    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One sync for those who came so far. Whether more came meanwhile; if not, nobody runs any more.
    fn round(&self, sync: &impl Fn() -> io::Result<()>) -> bool {
        let served = self.rounds().asked;
        // A panic must not leave the others waiting.
        let outcome = catch_unwind(AssertUnwindSafe(sync)).unwrap_or_else(|_| Err(io::Error::other("sync panicked")));
        match outcome {
            Ok(()) => self.done.send_modify(|done| done.served = served),
            // Still running, for ever: there is no sync after one that failed.
            Err(error) => {
                self.done.send_modify(|done| done.failed = Some(Arc::new(error)));
                return false;
            }
        }
        let mut rounds = self.rounds();
        rounds.running = rounds.asked > served;
        rounds.running
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// As a write does: on a thread of the pool, then waiting.
    async fn pass(barrier: &Barrier, sync: impl Fn() -> io::Result<()> + Clone + Send + 'static) -> io::Result<()> {
        let barrier = barrier.clone();
        spawn_blocking(move || barrier.join(sync.clone(), sync)).await.unwrap().served().await
    }

    #[tokio::test]
    async fn callers_that_come_during_a_sync_share_the_next_one() {
        let barrier = Barrier::new();
        let syncs = Arc::new(AtomicUsize::new(0));
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (counted, released) = (Arc::clone(&syncs), Arc::new(Mutex::new(released)));
        let leader = barrier.clone();
        let first = spawn_blocking(move || {
            let sync = move || {
                counted.fetch_add(1, Ordering::SeqCst);
                begun.send(()).unwrap();
                released.lock().unwrap().recv().map_err(io::Error::other)
            };
            leader.join(sync.clone(), sync)
        });
        begins.recv().unwrap();
        let others: Vec<Round> = (0..10)
            .map(|_| barrier.join(|| panic!("the first one leads"), || panic!("the first one's serves them")))
            .collect();
        release.send(()).unwrap();
        first.await.unwrap().served().await.unwrap();
        release.send(()).unwrap();
        for other in others {
            other.served().await.unwrap();
        }
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn no_sync_follows_one_that_failed() {
        let barrier = Barrier::new();
        let full = Arc::new(AtomicBool::new(false));
        // Whoever leads, it is the same disk.
        let sync = || {
            let full = Arc::clone(&full);
            move || if full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        };
        pass(&barrier, sync()).await.unwrap();
        full.store(true, Ordering::SeqCst);
        assert!(pass(&barrier, sync()).await.is_err());
        full.store(false, Ordering::SeqCst);
        assert_eq!(pass(&barrier, sync()).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn a_sync_that_panics_is_one_that_failed() {
        assert!(pass(&Barrier::new(), || panic!("on demand")).await.is_err());
    }
}
