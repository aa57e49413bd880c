//! One sync for everyone who waits for one.
//!
//! Knows rounds, not what is synced. Refuses to call anything durable after a sync that failed.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Whether a job on the blocking pool syncs until nobody waits.
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

    /// Waits until a whole `sync` ran that began after this call did. The first failure is
    /// everyone's, then and later.
    ///
    /// The first caller's `sync` serves the others too, and may outlive all of them.
    pub(super) async fn pass(&self, sync: impl Fn() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let mut done = self.0.done.subscribe();
        let (mine, leads) = {
            let mut rounds = self.0.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.asked += 1;
            (rounds.asked, !std::mem::replace(&mut rounds.running, true))
        };
        if leads {
            let shared = Arc::clone(&self.0);
            // Not awaited: others wait for it too, so it must not end with this caller.
            drop(spawn_blocking(move || shared.run(sync)));
        }
        let done = done.wait_for(|done| done.served >= mine || done.failed.is_some()).await;
        let done = done.map_err(io::Error::other)?.clone();
        match done.failed {
            Some(error) if done.served < mine => Err(io::Error::new(error.kind(), error)),
            _ => Ok(()),
        }
    }
}

impl Shared {
    fn run(&self, sync: impl Fn() -> io::Result<()>) {
        let mut served = self.done.borrow().served;
        loop {
            {
                let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
                if rounds.asked == served {
                    rounds.running = false;
                    return;
                }
                served = rounds.asked;
            }
            // A panic must not leave the others waiting.
            let outcome =
                catch_unwind(AssertUnwindSafe(&sync)).unwrap_or_else(|_| Err(io::Error::other("sync panicked")));
            match outcome {
                Ok(()) => self.done.send_modify(|done| done.served = served),
                // Still running, for ever: there is no sync after one that failed.
                Err(error) => return self.done.send_modify(|done| done.failed = Some(Arc::new(error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn callers_that_come_during_a_sync_share_the_next_one() {
        let barrier = Barrier::new();
        let syncs = Arc::new(AtomicUsize::new(0));
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (counted, released) = (Arc::clone(&syncs), Mutex::new(released));
        let first = barrier.pass(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            begun.send(()).unwrap();
            released.lock().unwrap().recv().map_err(io::Error::other)
        });
        tokio::pin!(first);
        assert!(futures_poll(first.as_mut()).is_none());
        begins.recv().unwrap();
        let others: Vec<_> = (0..10).map(|_| Box::pin(barrier.pass(|| panic!("the first one leads")))).collect();
        let mut others = others;
        for other in &mut others {
            assert!(futures_poll(other.as_mut()).is_none());
        }
        release.send(()).unwrap();
        release.send(()).unwrap();
        first.await.unwrap();
        for other in others {
            other.await.unwrap();
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
        barrier.pass(sync()).await.unwrap();
        full.store(true, Ordering::SeqCst);
        assert!(barrier.pass(sync()).await.is_err());
        full.store(false, Ordering::SeqCst);
        assert_eq!(barrier.pass(sync()).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn a_sync_that_panics_is_one_that_failed() {
        assert!(Barrier::new().pass(|| panic!("on demand")).await.is_err());
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
