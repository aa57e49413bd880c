//! Room on the disk: who may still begin to record, who must stop, and how much one person has recorded in a day.
//!
//! Three thresholds: under the first, sessions are refused; under the second, running ones are cut, and break-glass alone
//! may begin; under the third, break-glass too must end. What is left then belongs to the ledger, and so to the console.
//! Measures nothing itself: `app` says how much is free.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::budget::Share;
use super::limits::{Limit, Met};
use crate::clock::Clock;
use crate::domain::identity::Principal;
use crate::domain::session::End;
use crate::recording::Meter;

/// How much is enough. What is absent follows from the size of the disk.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// No session begins under so much free: 1 GiB or 5 % of the disk, whichever is more.
    pub reserve_bytes: Option<u64>,
    /// Those that run are cut under so much: a quarter of the reserve.
    pub last_bytes: Option<u64>,
    /// One person's sessions of 24 hours may record so much: 16 GiB or a tenth of the disk, whichever is less.
    pub per_person_bytes: Option<u64>,
}

/// How much room there is, in words. Ordered: less room is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Not even for break-glass.
    Gone,
    /// For break-glass, the console and the ledger only.
    Last,
    /// For what runs; nothing new begins.
    Low,
    /// For everything.
    Ample,
}

impl Room {
    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Low => "low",
            Self::Last => "last",
            Self::Gone => "gone",
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everyday work.
    Ordinary,
    /// To make room, among other things: it has a reserve of its own, and no person's quota holds for it.
    BreakGlass,
}

/// What was measured last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// What follows from it.
    pub room: Room,
    /// Free bytes.
    pub free: u64,
    /// Size of the disk.
    pub total: u64,
}

/// The disk, as sessions see it. Cheap to clone; clones see the same.
#[derive(Clone, Debug)]
pub struct Space(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    clock: Clock,
    met: Arc<Met>,
    now: watch::Sender<Measured>,
    thresholds: RwLock<Thresholds>,
    /// Stored since the last measure.
    since: AtomicU64,
    look: Notify,
    people: Mutex<HashMap<Principal, Arc<Day>>>,
}

#[derive(Clone, Copy, Debug)]
struct Thresholds {
    reserve: u64,
    last: u64,
    gone: u64,
    per_person: u64,
}

impl Settings {
    fn thresholds(&self, total: u64) -> Thresholds {
        let reserve = self.reserve_bytes.unwrap_or_else(|| GIB.max(total / 20));
        let last = self.last_bytes.unwrap_or(reserve / 4);
        let per_person = self.per_person_bytes.unwrap_or_else(|| (16 * GIB).min(total / 10));
        Thresholds { reserve, last, gone: last / 2, per_person }
    }
}

impl Thresholds {
    /// What `free` means. To leave a state upwards takes an eighth more than to enter it, so that none flickers.
    fn room(self, free: u64, before: Room) -> Room {
        let over = |bound: u64, room: Room| free >= if before < room { bound.saturating_add(bound / 8) } else { bound };
        if over(self.reserve, Room::Ample) {
            Room::Ample
        } else if over(self.last, Room::Low) {
            Room::Low
        } else if over(self.gone, Room::Last) {
            Room::Last
        } else {
            Room::Gone
        }
    }
}

impl Space {
    /// Ample until it was measured.
    pub fn new(settings: Settings, met: Arc<Met>, clock: Clock) -> Self {
        let unknown = Measured { room: Room::Ample, free: u64::MAX, total: u64::MAX };
        let thresholds = RwLock::new(settings.thresholds(u64::MAX));
        Self(Arc::new(Shared {
            settings,
            clock,
            met,
            now: watch::Sender::new(unknown),
            thresholds,
            since: AtomicU64::new(0),
            look: Notify::new(),
            people: Mutex::default(),
        }))
    }

    /// So much is free. What there was room for before, if that has changed.
    pub fn measured(&self, free: u64, total: u64) -> Option<Room> {
        let thresholds = self.0.settings.thresholds(total);
        *self.0.thresholds.write().unwrap_or_else(PoisonError::into_inner) = thresholds;
        self.0.since.store(0, Ordering::Relaxed);
        let now = self.0.hour();
        self.0.people().retain(|_, day| Arc::strong_count(day) > 1 || day.sum(now) > 0);
        let before = self.now().room;
        let room = thresholds.room(free, before);
        self.0.now.send_replace(Measured { room, free, total });
        (room != before).then_some(before)
    }

    /// What was measured last.
    pub fn now(&self) -> Measured {
        *self.0.now.borrow()
    }

    /// Waits until so much was stored that somebody should measure before the time.
    pub async fn wants_look(&self) {
        self.0.look.notified().await;
    }

    /// Whether `who` may begin to record; if not, which limit was met. It is counted.
    pub fn admit(&self, who: &Principal, purpose: Purpose) -> Result<(), Limit> {
        let least = match purpose {
            Purpose::Ordinary => Room::Ample,
            Purpose::BreakGlass => Room::Last,
        };
        let met = if self.now().room < least {
            Limit::Disk
        } else if purpose == Purpose::Ordinary && self.recorded_by(who) >= self.0.thresholds().per_person {
            Limit::RecordedByPerson
        } else {
            return Ok(());
        };
        self.0.met.refused(met, self.0.clock.now());
        Err(met)
    }

    /// Waits until what runs for this purpose must end.
    pub async fn exhausted(&self, purpose: Purpose) {
        let least = match purpose {
            Purpose::Ordinary => Room::Low,
            Purpose::BreakGlass => Room::Last,
        };
        // The sender is `self`, so waiting ends only with the room.
        let _ = self.0.now.subscribe().wait_for(|now| now.room < least).await;
        self.0.met.cut(Limit::Disk);
    }

    /// What the sessions of `who` have stored within 24 hours.
    pub fn recorded_by(&self, who: &Principal) -> u64 {
        let now = self.0.hour();
        self.0.people().get(who).map_or(0, |day| day.sum(now))
    }

    /// A session of `who` has stored so much, `ago`: what the index knows from before this start.
    pub(super) fn recorded_before(&self, who: &Principal, bytes: u64, ago: Duration) {
        let at = self.0.hour().saturating_sub(ago.as_secs() / HOUR_S);
        self.0.day(who).add(at, bytes);
    }

    /// What a recording of `who` is measured by.
    pub(super) fn gauge(&self, who: &Principal, purpose: Purpose, share: Share) -> Gauge {
        Gauge { space: self.0.clone(), day: self.0.day(who), purpose, share }
    }
}

impl Shared {
    fn thresholds(&self) -> Thresholds {
        *self.thresholds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hours since the clock was made, a day ahead so that yesterday has a number too.
    fn hour(&self) -> u64 {
        self.clock.elapsed().as_secs() / HOUR_S + HOURS
    }

    fn day(&self, who: &Principal) -> Arc<Day> {
        self.people().entry(who.clone()).or_default().clone()
    }

    fn people(&self) -> MutexGuard<'_, HashMap<Principal, Arc<Day>>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one person has stored, by the hour.
#[derive(Debug, Default)]
struct Day(Mutex<VecDeque<(u64, u64)>>);

impl Day {
    fn add(&self, hour: u64, bytes: u64) {
        let mut hours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match hours.iter_mut().find(|(at, _)| *at == hour) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => hours.push_back((hour, bytes)),
        }
    }

    fn sum(&self, now: u64) -> u64 {
        let mut hours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hours.retain(|(at, _)| at + HOURS > now);
        hours.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// Measures one recording: its queue counts in the channel's share, what it stores in its person's day.
#[derive(Debug)]
pub(super) struct Gauge {
    space: Arc<Shared>,
    day: Arc<Day>,
    purpose: Purpose,
    share: Share,
}

impl Meter for Gauge {
    fn waits(&self, change: i64) {
        self.share.change(change);
    }

    fn stored(&self, bytes: u64) {
        let space = &self.space;
        let (hour, thresholds) = (space.hour(), space.thresholds());
        self.day.add(hour, bytes);
        if self.purpose == Purpose::Ordinary
            && self.day.sum(hour) > thresholds.per_person
            && self.share.cut().now(End::Limit(Limit::RecordedByPerson.as_str()))
        {
            space.met.cut(Limit::RecordedByPerson);
        }
        // A fast writer could fill what is left before the next look.
        let since = space.since.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if since > space.now.borrow().free.saturating_sub(thresholds.last) / 4 {
            space.look.notify_one();
        }
    }
}

const GIB: u64 = 1024 * 1024 * 1024;
const HOUR_S: u64 = 3600;
const HOURS: u64 = 24;

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;
    use crate::domain::Timestamp;

    const MIB: u64 = 1024 * 1024;

    fn space(settings: Settings) -> (Space, Clock, Arc<Met>) {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let met = Arc::new(Met::default());
        (Space::new(settings, met.clone(), clock.clone()), clock, met)
    }

    fn who(text: &str) -> Principal {
        Principal::parse(text).unwrap()
    }

    #[test]
    fn without_settings_the_reserve_follows_the_disk() {
        let small = Settings::default().thresholds(10 * GIB);
        assert_eq!((small.reserve, small.last, small.gone), (GIB, GIB / 4, GIB / 8));
        assert_eq!(small.per_person, GIB);
        let large = Settings::default().thresholds(1000 * GIB);
        assert_eq!((large.reserve, large.last, large.per_person), (50 * GIB, 50 * GIB / 4, 16 * GIB));
    }

    #[tokio::test]
    async fn as_the_disk_fills_first_the_new_then_the_running_then_break_glass_must_wait() {
        let (space, _, met) = space(Settings::default());
        let alice = who("corp/YQ");
        let now = |purpose| space.admit(&alice, purpose);
        let total = 20 * GIB;
        assert_eq!(space.measured(2 * GIB, total), None);
        assert_eq!((now(Purpose::Ordinary), now(Purpose::BreakGlass)), (Ok(()), Ok(())));
        assert_eq!(space.measured(GIB - 1, total), Some(Room::Ample));
        assert_eq!((now(Purpose::Ordinary), now(Purpose::BreakGlass)), (Err(Limit::Disk), Ok(())));
        assert_eq!(space.measured(GIB / 4 - 1, total), Some(Room::Low));
        space.exhausted(Purpose::Ordinary).await;
        assert_eq!((now(Purpose::Ordinary), now(Purpose::BreakGlass)), (Err(Limit::Disk), Ok(())));
        assert_eq!(space.measured(GIB / 8 - 1, total), Some(Room::Last));
        space.exhausted(Purpose::BreakGlass).await;
        assert_eq!(now(Purpose::BreakGlass), Err(Limit::Disk));
        assert_eq!(met.count(Limit::Disk), (3, 2));
        // Room that comes back is room again, once it is a little more than what was missing.
        assert_eq!(space.measured(GIB, total), Some(Room::Gone));
        assert_eq!(space.now().room, Room::Low);
        assert_eq!(space.measured(GIB + GIB / 8, total), Some(Room::Low));
        assert_eq!(now(Purpose::Ordinary), Ok(()));
    }

    #[test]
    fn one_person_who_records_too_much_is_cut_and_refused_for_a_day_and_nobody_else() {
        let settings = Settings { per_person_bytes: Some(10 * MIB), ..Settings::default() };
        let (space, clock, met) = space(settings);
        let budget = Budget::new(super::super::budget::Settings::default(), met.clone());
        let (alice, bob) = (who("corp/YQ"), who("corp/Yg"));
        space.recorded_before(&alice, MIB, Duration::from_secs(3600));
        let (one, two) = (budget.open().unwrap(), budget.open().unwrap());
        let gauge = space.gauge(&alice, Purpose::Ordinary, one.clone());
        space.gauge(&bob, Purpose::Ordinary, two.clone()).stored(5 * MIB);
        gauge.stored(9 * MIB);
        assert_eq!((one.cut().why(), space.recorded_by(&alice)), (None, 10 * MIB));
        gauge.stored(1);
        assert_eq!((one.cut().why(), two.cut().why()), (Some(End::Limit("recorded_per_person")), None));
        assert_eq!(space.admit(&alice, Purpose::Ordinary), Err(Limit::RecordedByPerson));
        assert_eq!((space.admit(&bob, Purpose::Ordinary), space.admit(&alice, Purpose::BreakGlass)), (Ok(()), Ok(())));
        let urgent = budget.open().unwrap();
        space.gauge(&alice, Purpose::BreakGlass, urgent.clone()).stored(MIB);
        assert_eq!(urgent.cut().why(), None);
        clock.advance(Duration::from_secs(23 * 3600));
        assert_eq!(space.recorded_by(&alice), 10 * MIB + 1);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(space.admit(&alice, Purpose::Ordinary), Ok(()));
        assert_eq!(met.count(Limit::RecordedByPerson), (1, 1));
    }

    #[tokio::test]
    async fn a_fast_writer_is_looked_at_before_the_time() {
        let (space, _, met) = space(Settings { reserve_bytes: Some(16 * MIB), ..Settings::default() });
        let budget = Budget::new(super::super::budget::Settings::default(), met);
        space.measured(20 * MIB, 64 * MIB);
        let gauge = space.gauge(&who("corp/YQ"), Purpose::Ordinary, budget.open().unwrap());
        gauge.stored(4 * MIB);
        let looking = Duration::ZERO;
        assert!(tokio::time::timeout(looking, space.wants_look()).await.is_err());
        gauge.stored(1);
        space.wants_look().await;
    }
}
