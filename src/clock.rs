//! The only source of time; a manual one for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// Microseconds of `CLOCK_MONOTONIC`, as the service manager counts them.
pub fn monotonic_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).unwrap_or(0)
}

/// Tells the time. Cheap to clone; clones tell the same.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Manual { micros: Arc<AtomicI64>, origin: i64 },
}

impl Clock {
    /// The clock of the system.
    #[allow(clippy::disallowed_methods, reason = "the one permitted home")]
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands at `now` until it is moved.
    pub fn manual(now: Timestamp) -> Self {
        Self(Source::Manual { micros: Arc::new(AtomicI64::new(now.micros())), origin: now.micros() })
    }

    /// Wall time. It may step backwards.
    #[allow(clippy::disallowed_methods, reason = "the one permitted home")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Source::Manual { micros, .. } => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Time since this clock was made; never steps backwards on a system clock.
    #[allow(clippy::disallowed_methods, reason = "the one permitted home")]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Manual { micros, origin } => {
                Duration::from_micros(u64::try_from(micros.load(Ordering::SeqCst) - origin).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock to `now`, backwards too. Does nothing to the system's clock.
    pub fn set(&self, now: Timestamp) {
        match &self.0 {
            Source::System { .. } => {}
            Source::Manual { micros, .. } => micros.store(now.micros(), Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }
}
