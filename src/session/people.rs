//! Connections of each person, bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::identity::Principal;

/// Counts the connections of everybody who has signed in. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct People(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    here: Mutex<HashMap<Principal, usize>>,
}

/// One connection of somebody, counted for as long as this lives.
#[derive(Debug)]
pub struct Presence {
    shared: Arc<Shared>,
    who: Principal,
}

impl People {
    /// At most `limit` connections of each.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, here: Mutex::default() }))
    }

    /// How many connections one person may have.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// One more connection of `who`, unless there are enough.
    pub fn enter(&self, who: &Principal) -> Option<Presence> {
        let mut here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
        let count = here.entry(who.clone()).or_default();
        if *count >= self.0.limit {
            return None;
        }
        *count += 1;
        Some(Presence { shared: self.0.clone(), who: who.clone() })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut here = self.shared.here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = here.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                here.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_persons_connections_leave_room_for_another() {
        let people = People::new(2);
        let who = |text| Principal::parse(text).unwrap();
        let (alice, bob) = (who("corp/YQ"), who("corp/Yg"));
        let one = people.enter(&alice).unwrap();
        let _two = people.enter(&alice).unwrap();
        assert!(people.enter(&alice).is_none());
        let _other = people.enter(&bob).unwrap();
        drop(one);
        assert!(people.enter(&alice).is_some());
        drop((people.enter(&alice), _two, _other));
        assert!(people.0.here.lock().unwrap().is_empty());
    }
}
