//! What is counted since the start: for the log's own heartbeat, and for whoever watches the bastion.
//!
//! Counting never waits and never fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::event::Fact;

/// What other rooms count, and what the log counts of itself.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted since start.
    pub connections: AtomicU64,
    /// Sessions open now.
    pub sessions: AtomicU64,
    /// Certificates issued since start.
    pub certificates: AtomicU64,
    /// The serial that the next certificate gets.
    pub next_serial: AtomicU64,
    /// Bytes of recordings stored since start.
    pub recorded: AtomicU64,
    /// How long the syncs of batches took.
    pub syncs: Spans,
    facts: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    /// When the last checkpoint was stored, in microseconds; 0 before the first.
    checkpoint: AtomicI64,
}

impl Counts {
    /// A fact is on its way into the log.
    pub(super) fn fact(&self, fact: &Fact) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        *facts.entry((fact.event.kind(), fact.outcome.as_str())).or_default() += 1;
    }

    /// How many facts of each kind and outcome there were.
    pub fn facts(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn signed(&self, now: Timestamp) {
        self.checkpoint.store(now.micros(), Ordering::Relaxed);
    }

    /// When the last checkpoint was stored, if one was since the start.
    pub fn last_checkpoint(&self) -> Option<Timestamp> {
        match self.checkpoint.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }
}

/// Upper bounds, in microseconds.
const BOUNDS: [u64; 11] = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

/// How many spans of time were how long.
#[derive(Debug, Default)]
pub struct Spans {
    within: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Spans {
    /// One took so long.
    pub fn add(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        for (bound, within) in BOUNDS.iter().zip(&self.within) {
            within.fetch_add(u64::from(micros <= *bound), Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Each bound in seconds, with how many took at most so long.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let read = |(bound, within): (&u64, &AtomicU64)| (*bound as f64 / 1e6, within.load(Ordering::Relaxed));
        BOUNDS.iter().zip(&self.within).map(read).collect()
    }

    /// How many, and how long they took together, in seconds.
    pub fn count_and_sum(&self) -> (u64, f64) {
        (self.count.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_under_each_bound_they_keep() {
        let spans = Spans::default();
        for micros in [400, 500, 501, 60_000, 9_000_000] {
            spans.add(Duration::from_micros(micros));
        }
        let buckets = spans.buckets();
        assert_eq!((buckets[0], buckets[1], buckets[7]), ((0.0005, 2), (0.001, 3), (0.1, 4)));
        assert_eq!(buckets.last(), Some(&(1.0, 4)));
        assert_eq!(spans.count_and_sum(), (5, 9.061401));
    }
}
