//! What keeps one connection, one session or one person from starving the others, and how often it did.
//!
//! Sets bounds on memory, disk and people. Who may do what is policy's; these bounds hold for everybody alike.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::{self, Budget};
use super::people::People;
use super::space::{self, Space};
use crate::clock::Clock;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::{RecordId, Timestamp};

/// A limit that somebody can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Connections that have not signed in.
    Unauthenticated,
    /// Connections in all.
    Connections,
    /// Connections of one person.
    ConnectionsOfPerson,
    /// Channels of one connection.
    Channels,
    /// Memory of all relays together.
    Memory,
    /// Memory of one channel.
    Backlog,
    /// Free space on the disk.
    Disk,
    /// Size of one recording.
    Recording,
    /// What one person's sessions have recorded in a day.
    RecordedByPerson,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Unauthenticated,
        Self::Connections,
        Self::ConnectionsOfPerson,
        Self::Channels,
        Self::Memory,
        Self::Backlog,
        Self::Disk,
        Self::Recording,
        Self::RecordedByPerson,
    ];

    /// The word in records and metrics; where a key of the config sets it, that key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Connections => "connections",
            Self::ConnectionsOfPerson => "connections_per_person",
            Self::Channels => "channels_per_connection",
            Self::Memory => "memory",
            Self::Backlog => "memory_per_channel",
            Self::Disk => "disk",
            Self::Recording => "max_recording",
            Self::RecordedByPerson => "recorded_per_person",
        }
    }
}

/// How often each limit was met since start.
#[derive(Debug, Default)]
pub struct Met {
    refused: [AtomicU64; Limit::ALL.len()],
    cut: [AtomicU64; Limit::ALL.len()],
    /// Refusals since the last record of them, and since when.
    unwritten: Mutex<Option<(Timestamp, BTreeMap<&'static str, u64>)>>,
}

impl Met {
    /// Something was refused because of it.
    pub fn refused(&self, limit: Limit, now: Timestamp) {
        add(&self.refused, limit);
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, counts) = unwritten.get_or_insert_with(|| (now, BTreeMap::new()));
        *counts.entry(limit.as_str()).or_default() += 1;
    }

    /// Something that ran was cut because of it.
    pub fn cut(&self, limit: Limit) {
        add(&self.cut, limit);
    }

    /// How often something was refused, and how often something that ran was cut: for metrics.
    pub fn count(&self, limit: Limit) -> (u64, u64) {
        (read(&self.refused, limit), read(&self.cut, limit))
    }

    /// The record of what was refused since the last one, if anything was: a flood costs one a minute.
    pub(super) fn take(&self, now: Timestamp) -> Option<Fact> {
        let (since, counts) = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Fact::new(RecordId::new(now), Outcome::Failure, Event::LimitsRefused { since, counts }))
    }
}

fn add(counts: &[AtomicU64], limit: Limit) {
    if let Some(count) = counts.get(limit as usize) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(counts: &[AtomicU64], limit: Limit) -> u64 {
    counts.get(limit as usize).map_or(0, |count| count.load(Ordering::Relaxed))
}

/// How much is enough.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Memory.
    pub memory: budget::Settings,
    /// Disk.
    pub disk: space::Settings,
    /// Connections of one person.
    pub connections_per_person: Option<usize>,
}

/// Every bound of the room. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Memory.
    pub budget: Budget,
    /// Disk.
    pub space: Space,
    /// Connections of each person.
    pub people: People,
    /// How often each was met.
    pub met: Arc<Met>,
}

impl Limits {
    /// Nothing is used yet.
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        let met = Arc::new(Met::default());
        Self {
            budget: Budget::new(settings.memory.clone(), met.clone()),
            space: Space::new(settings.disk.clone(), met.clone(), clock),
            people: People::new(settings.connections_per_person.unwrap_or(100)),
            met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_and_one_record() {
        let met = Met::default();
        let now = Timestamp::from_secs(1_800_000_000);
        for _ in 0..1000 {
            met.refused(Limit::Unauthenticated, now);
        }
        met.refused(Limit::Disk, now);
        met.cut(Limit::Disk);
        let fact = met.take(now).unwrap();
        let counts = BTreeMap::from([("disk", 1), ("unauthenticated", 1000)]);
        assert_eq!(fact.event, Event::LimitsRefused { since: now, counts });
        assert!(met.take(now).is_none());
        assert_eq!((met.count(Limit::Unauthenticated), met.count(Limit::Disk)), ((1000, 0), (1, 1)));
        assert_eq!(Limit::ALL.map(|limit| limit as usize), std::array::from_fn(|at| at));
    }
}
