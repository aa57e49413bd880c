//! Places for connections that have not signed in: bounded in all and for each source prefix.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

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
    by_prefix: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Option<Arc<Shared>>,
    prefix: IpAddr,
}

impl Places {
    /// At most `limit` at once, and `limit_prefix` from one prefix.
    pub(crate) fn new(limit: usize, limit_prefix: usize) -> Self {
        Self(Arc::new(Shared { limit, limit_prefix, taken: Mutex::default() }))
    }

    /// A place for a connection from `source`, if there is one.
    pub(crate) fn take(&self, source: IpAddr) -> Option<Place> {
        let prefix = prefix(source);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.0.limit || taken.by_prefix.get(&prefix).copied().unwrap_or(0) >= self.0.limit_prefix {
            return None;
        }
        taken.all += 1;
        *taken.by_prefix.entry(prefix).or_default() += 1;
        Some(Place { shared: Some(self.0.clone()), prefix })
    }
}

impl Place {
    /// The connection has signed in: other limits hold for it from now on.
    pub(crate) fn give_back(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_prefix.get_mut(&self.prefix) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_prefix.remove(&self.prefix);
            }
        }
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
        let one = places.take(ip("2001:db8::1")).unwrap();
        let _two = places.take(ip("2001:db8::2")).unwrap();
        assert!(places.take(ip("2001:db8::3")).is_none());
        let mut other = places.take(ip("10.0.0.1")).unwrap();
        assert!(places.take(ip("10.0.0.2")).is_none());
        drop(one);
        other.give_back();
        other.give_back();
        assert!(places.take(ip("10.0.0.2")).is_some());
        assert!(places.take(ip("2001:db8::3")).is_some());
    }
}
