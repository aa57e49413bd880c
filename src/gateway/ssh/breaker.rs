//! A target that has refused two sign-ins in a row as one account is left alone for a while.
//!
//! Targets count failed sign-ins by address, and all of ours come from one: whoever goes on would lock everybody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::target::{Login, Target};

/// So many in a row are enough.
const ENOUGH: u32 = 2;
/// It is left alone for so long; then one sign-in is tried, and its answer counts.
const REST: Duration = Duration::from_secs(60);

/// What each account of each target answered last. Cheap to clone; clones know the same. Bounded by the config's logins.
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    refusals: Mutex<HashMap<Account, (u32, Timestamp)>>,
}

/// By name and address: what a name stands for may change.
type Account = (String, String, String);

impl Breaker {
    /// Nothing was refused yet.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, refusals: Mutex::default() }))
    }

    /// For how long it is still left alone, if it is.
    pub(crate) fn rests(&self, target: &Target, login: &Login) -> Option<Duration> {
        let (count, last) = *self.lock().get(&account(target, login))?;
        let left = REST.saturating_sub(self.0.clock.now().since(last));
        (count >= ENOUGH && !left.is_zero()).then_some(left)
    }

    /// It refused a sign-in.
    pub(crate) fn refused(&self, target: &Target, login: &Login) {
        let now = self.0.clock.now();
        let mut all = self.lock();
        let (count, last) = all.entry(account(target, login)).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
    }

    /// It took one.
    pub(crate) fn took(&self, target: &Target, login: &Login) {
        self.lock().remove(&account(target, login));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, (u32, Timestamp)>> {
        self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn account(target: &Target, login: &Login) -> Account {
    (target.name.to_string(), target.address.to_string(), login.to_string())
}
