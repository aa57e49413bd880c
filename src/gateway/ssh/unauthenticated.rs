//! Places for connections that have not signed in: bounded in all and for each source prefix.
//!
//! When all are taken a newcomer is not turned away: the one that has waited longest, of the prefix that holds the most,
//! makes room. So a thousand silent connections only throw out each other, from however many addresses they come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::stream::Control;

/// Hands out places. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    limit_prefix: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    next: u64,
    /// Who holds a place, the longest first, and how they are thrown out; without that they are not.
    by_prefix: HashMap<IpAddr, BTreeMap<u64, Option<Control>>>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    prefix: IpAddr,
    number: u64,
    /// Whether somebody made room for it.
    pub(crate) made_room: bool,
}

impl Places {
    /// At most `limit` at once, and `limit_prefix` from one prefix.
    pub(crate) fn new(limit: usize, limit_prefix: usize) -> Self {
        Self(Arc::new(Shared { limit, limit_prefix, taken: Mutex::default() }))
    }

    /// A place for a connection from `source`, if there is one. With a `control` it throws out another one if all places
    /// are taken, and may be thrown out itself.
    pub(crate) fn take(&self, source: IpAddr, control: Option<&Control>) -> Option<Place> {
        let prefix = prefix(source);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by_prefix.get(&prefix).is_some_and(|held| held.len() >= self.0.limit_prefix) {
            return None;
        }
        let made_room = taken.all >= self.0.limit;
        if made_room && (control.is_none() || !taken.make_room()) {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        taken.all += 1;
        taken.by_prefix.entry(prefix).or_default().insert(number, control.cloned());
        Some(Place { shared: self.0.clone(), prefix, number, made_room })
    }
}

impl Taken {
    /// Throws out the oldest of the most crowded prefix; of several such, the oldest of all.
    fn make_room(&mut self) -> bool {
        let oldest = |held: &BTreeMap<u64, Option<Control>>| held.keys().next().copied();
        let crowded = self.by_prefix.iter().max_by_key(|(_, held)| (held.len(), Reverse(oldest(held))));
        let Some((prefix, number)) = crowded.and_then(|(prefix, held)| Some((*prefix, oldest(held)?))) else {
            return false;
        };
        match self.remove(prefix, number) {
            Some(control) => {
                if let Some(control) = control {
                    control.kill();
                }
                true
            }
            None => false,
        }
    }

    /// Whether the place was still held, and how its holder is thrown out.
    fn remove(&mut self, prefix: IpAddr, number: u64) -> Option<Option<Control>> {
        let held = self.by_prefix.get_mut(&prefix)?;
        let control = held.remove(&number)?;
        if held.is_empty() {
            self.by_prefix.remove(&prefix);
        }
        self.all = self.all.saturating_sub(1);
        Some(control)
    }
}

impl Place {
    /// The connection has signed in: other limits hold for it from now on.
    pub(crate) fn give_back(&mut self) {
        let mut taken = self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(self.prefix, self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// IPv4 as it is, IPv6 by its /64: one customer usually has a whole one.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prefix_cannot_take_all_places() {
        let places = Places::new(3, 2);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = places.take(ip("2001:db8::1"), None).unwrap();
        let _two = places.take(ip("2001:db8::2"), None).unwrap();
        assert!(places.take(ip("2001:db8::3"), None).is_none());
        let mut other = places.take(ip("10.0.0.1"), None).unwrap();
        assert!(places.take(ip("10.0.0.2"), None).is_none());
        drop(one);
        other.give_back();
        other.give_back();
        assert!(places.take(ip("10.0.0.2"), None).is_some());
        assert!(places.take(ip("2001:db8::3"), None).is_some());
    }

    #[test]
    fn when_all_are_taken_the_oldest_of_the_most_crowded_prefix_makes_room() {
        let places = Places::new(4, 3);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let controls: Vec<Control> = (0..6).map(|_| Control::default()).collect();
        let take = |from: &str, number: usize| places.take(ip(from), Some(&controls[number]));
        let _person = take("10.0.0.9", 0).unwrap();
        let mut flood: Vec<Place> = (1..4).map(|number| take("10.0.0.1", number).unwrap()).collect();
        assert!(take("10.0.0.1", 4).is_none(), "one prefix has its own limit");
        let newcomer = take("10.0.0.2", 4).unwrap();
        assert!(newcomer.made_room);
        let thrown: Vec<bool> = controls.iter().map(Control::is_killed).collect();
        assert_eq!(thrown, [false, true, false, false, false, false], "the first of the crowd, and nobody else");
        // What was thrown out gives back nothing a second time.
        flood.remove(0);
        assert!(take("10.0.0.3", 5).unwrap().made_room);
        assert!(controls[2].is_killed() && !controls[0].is_killed());
    }

    #[test]
    fn whoever_cannot_be_thrown_out_throws_out_nobody() {
        let places = Places::new(1, 1);
        let control = Control::default();
        let _held = places.take("10.0.0.1".parse().unwrap(), Some(&control)).unwrap();
        assert!(places.take("10.0.0.2".parse().unwrap(), None).is_none());
        assert!(!control.is_killed());
    }
}
