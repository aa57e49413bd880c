//! One budget of memory for the whole process: what came from one side of a relay and has not left on the other, and
//! what was shown and is not stored.
//!
//! Over it nothing new begins, and the channel that holds the most is cut. Whoever holds bytes for a channel counts them
//! in the channel's [`Share`]; the bounds within a channel (windows, pauses, the recorder's queue) are its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::cut::Cut;
use super::limits::{Limit, Met};
use crate::domain::session::End;

/// How much is enough.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All channels together.
    pub all_bytes: u64,
    /// One channel.
    pub channel_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { all_bytes: 512 * 1024 * 1024, channel_bytes: 64 * 1024 * 1024 }
    }
}

/// The budget. Cheap to clone; clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    all: i64,
    channel: i64,
    used: AtomicI64,
    accounts: Mutex<Accounts>,
    met: Arc<Met>,
}

#[derive(Debug, Default)]
struct Accounts {
    next: u64,
    open: BTreeMap<u64, Weak<Account>>,
}

/// What one channel holds. Cheap to clone; with its last clone the channel holds nothing.
#[derive(Clone, Debug)]
pub struct Share(Arc<Account>);

#[derive(Debug)]
struct Account {
    budget: Arc<Shared>,
    number: u64,
    used: AtomicI64,
    cut: Cut,
}

impl Budget {
    /// Of this size; nothing is used yet.
    pub fn new(settings: Settings, met: Arc<Met>) -> Self {
        let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Self(Arc::new(Shared {
            all: size(settings.all_bytes),
            channel: size(settings.channel_bytes),
            used: AtomicI64::new(0),
            accounts: Mutex::default(),
            met,
        }))
    }

    /// For one more channel, unless the budget is used up.
    pub fn open(&self) -> Option<Share> {
        (self.used_bytes() < self.0.all.unsigned_abs()).then(|| self.open_reserved())
    }

    /// For a channel to the console: people must be able to come in and see what goes on.
    pub fn open_reserved(&self) -> Share {
        let mut accounts = self.0.accounts();
        let number = accounts.next;
        accounts.next += 1;
        let used = AtomicI64::new(0);
        let account = Arc::new(Account { budget: self.0.clone(), number, used, cut: Cut::default() });
        accounts.open.insert(number, Arc::downgrade(&account));
        Share(account)
    }

    /// How much is held in all.
    pub fn used_bytes(&self) -> u64 {
        u64::try_from(self.0.used.load(Ordering::SeqCst)).unwrap_or(0)
    }
}

impl Share {
    /// The channel holds so much more, or less. What comes may be counted after it has left: less than nothing is nothing.
    pub fn change(&self, bytes: i64) {
        let account = &self.0;
        let budget = &account.budget;
        let used = account.used.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let all = budget.used.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        if bytes > 0 && used > budget.channel && account.cut.now(End::Limit(Limit::Backlog.as_str())) {
            budget.met.cut(Limit::Backlog);
        }
        if bytes > 0 && all > budget.all {
            budget.relieve();
        }
    }

    /// How much the channel holds.
    pub fn used_bytes(&self) -> u64 {
        u64::try_from(self.0.used.load(Ordering::SeqCst)).unwrap_or(0)
    }

    /// Tells the channel that it must end.
    pub fn cut(&self) -> &Cut {
        &self.0.cut
    }
}

impl Shared {
    /// Cuts the channel that holds the most, unless those that were cut already give back enough.
    fn relieve(&self) {
        // Upgraded shares are dropped after the lock: the last one takes it.
        let open: Vec<Arc<Account>> = self.accounts().open.values().filter_map(Weak::upgrade).collect();
        let held = |account: &&Arc<Account>| account.used.load(Ordering::SeqCst);
        let (doomed, living): (Vec<_>, Vec<_>) = open.iter().partition(|account| account.cut.why().is_some());
        let comes_back: i64 = doomed.iter().map(held).sum();
        if self.used.load(Ordering::SeqCst).saturating_sub(comes_back) <= self.all {
            return;
        }
        if let Some(largest) = living.into_iter().max_by_key(held)
            && largest.cut.now(End::Limit(Limit::Memory.as_str()))
        {
            self.met.cut(Limit::Memory);
        }
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(*self.used.get_mut(), Ordering::SeqCst);
        self.budget.accounts().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(all_bytes: u64, channel_bytes: u64) -> (Budget, Arc<Met>) {
        let met = Arc::new(Met::default());
        (Budget::new(Settings { all_bytes, channel_bytes }, met.clone()), met)
    }

    #[test]
    fn a_channel_over_its_own_bound_is_cut_and_no_other() {
        let (budget, met) = budget(1000, 100);
        let (one, two) = (budget.open().unwrap(), budget.open().unwrap());
        one.change(100);
        two.change(100);
        assert_eq!(one.cut().why(), None);
        one.change(1);
        assert_eq!((one.cut().why(), two.cut().why()), (Some(End::Limit("memory_per_channel")), None));
        one.change(1);
        assert_eq!(met.count(Limit::Backlog), (0, 1));
    }

    #[test]
    fn over_the_budget_the_largest_is_cut_and_nothing_begins_but_the_console() {
        let (budget, met) = budget(100, 1000);
        let (small, large) = (budget.open().unwrap(), budget.open().unwrap());
        large.change(60);
        small.change(40);
        assert!(budget.open().is_none());
        assert_eq!((small.cut().why(), large.cut().why()), (None, None));
        small.change(1);
        assert_eq!((small.cut().why(), large.cut().why()), (None, Some(End::Limit("memory"))));
        // What was cut gives back soon: nobody else is cut for it.
        small.change(10);
        assert_eq!(small.cut().why(), None);
        let console = budget.open_reserved();
        console.change(1);
        drop(large);
        assert_eq!((budget.used_bytes(), met.count(Limit::Memory)), (52, (0, 1)));
        assert!(budget.open().is_some());
    }

    #[test]
    fn what_left_before_it_was_counted_is_no_debt() {
        let (budget, _) = budget(100, 100);
        let share = budget.open().unwrap();
        share.change(-5);
        assert_eq!((share.used_bytes(), budget.used_bytes()), (0, 0));
        share.change(5);
        drop(share);
        assert_eq!(budget.used_bytes(), 0);
    }

    proptest! {
        #[test]
        fn the_budget_is_the_sum_of_its_shares_and_who_stays_fits_in(
            steps in proptest::collection::vec((0..8_usize, 0..40_i64, 0..4_u8), 1..200),
        ) {
            let (budget, _) = budget(100, 60);
            let mut shares: Vec<Option<(Share, i64)>> = (0..8).map(|_| None).collect();
            for (at, bytes, what) in steps {
                match (what, &mut shares[at]) {
                    (0, slot) => *slot = None,
                    (1, slot @ None) => *slot = budget.open().map(|share| (share, 0)),
                    (2, Some((share, held))) => {
                        let less = bytes.min(*held);
                        share.change(-less);
                        *held -= less;
                    }
                    (_, Some((share, held))) if share.cut().why().is_none() => {
                        share.change(bytes);
                        *held += bytes;
                    }
                    _ => {}
                }
                let open = || shares.iter().flatten();
                let sum: i64 = open().map(|(_, held)| held).sum();
                prop_assert_eq!(budget.used_bytes(), sum.unsigned_abs());
                // One cut at a time is enough: nobody adds more than the largest then holds.
                let living: i64 = open().filter(|(share, _)| share.cut().why().is_none()).map(|(_, held)| held).sum();
                prop_assert!(living <= 100, "{} live on", living);
            }
            drop(shares);
            prop_assert_eq!(budget.used_bytes(), 0);
        }
    }
}
