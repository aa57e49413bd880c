//! Failed sign-ins, counted: one record for each source prefix and minute, so that a flood costs
//! a record a minute and not a write each.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Sessions;
use crate::clock::Clock;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::{RecordId, Timestamp};

/// Prefixes that are told apart within a minute; what comes from further ones counts as `other`.
const PREFIXES: usize = 1024;
/// Key ids that one record names.
const KEY_IDS: usize = 16;

/// The tally of the running minute.
#[derive(Debug)]
pub struct Failures {
    clock: Clock,
    tallies: Mutex<HashMap<String, Tally>>,
    /// Since the start, by reason.
    total: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug)]
struct Tally {
    since: Timestamp,
    counts: BTreeMap<&'static str, u64>,
    first: SocketAddr,
    last: SocketAddr,
    key_ids: Vec<String>,
}

impl Failures {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, tallies: Mutex::default(), total: Mutex::default() }
    }

    /// One sign-in from `source` was refused for `reason`.
    pub fn note(&self, source: SocketAddr, reason: &'static str, key_id: Option<&str>) {
        *self.total.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prefix = prefix(source.ip());
        if tallies.len() >= PREFIXES && !tallies.contains_key(&prefix) {
            "other".clone_into(&mut prefix);
        }
        let since = self.clock.now();
        let tally = tallies.entry(prefix).or_insert_with(|| Tally {
            since,
            counts: BTreeMap::new(),
            first: source,
            last: source,
            key_ids: Vec::new(),
        });
        *tally.counts.entry(reason).or_default() += 1;
        tally.last = source;
        if let Some(key_id) = key_id
            && tally.key_ids.len() < KEY_IDS
            && !tally.key_ids.iter().any(|known| known == key_id)
        {
            tally.key_ids.push(key_id.to_owned());
        }
    }

    /// How many there were of each reason since the start.
    pub fn total(&self) -> BTreeMap<&'static str, u64> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records of what was counted so far; counting starts anew.
    fn take(&self) -> Vec<Fact> {
        let tallies = std::mem::take(&mut *self.tallies.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.clock.now();
        let fact = |(prefix, tally): (String, Tally)| {
            let event = Event::AuthnSshFailures {
                prefix,
                minute: tally.since,
                counts: tally.counts,
                first: tally.first,
                last: tally.last,
                key_ids: tally.key_ids,
            };
            Fact::new(RecordId::new(now), Outcome::Failure, event)
        };
        tallies.into_iter().map(fact).collect()
    }
}

impl Sessions {
    /// Writes what was counted each minute, refusals of limits too, until `stopping`. `app` runs it.
    pub async fn write_failures(self, stopping: CancellationToken) {
        while stopping.run_until_cancelled(sleep(Duration::from_secs(60))).await.is_some() {
            self.write_failures_now().await;
        }
    }

    /// Writes what was counted so far. `app` does so once more when every connection has ended.
    pub async fn write_failures_now(&self) {
        let refused = self.limits().met.take(self.0.clock.now());
        for fact in self.failures().take().into_iter().chain(refused) {
            if let Err(cause) = self.ledger().append_one(fact).await {
                error!(error = ?cause, "ledger does not take what was refused");
            }
        }
    }
}

/// IPv4 /24, IPv6 /64.
fn prefix(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from(u32::from(v4) & 0xffff_ff00)),
        IpAddr::V6(v6) => format!("{}/64", Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_one_prefix_is_one_record() {
        let failures = Failures::new(Clock::manual(Timestamp::from_secs(1_800_000_000)));
        for n in 0..=255 {
            let source = SocketAddr::from(([10, 0, 0, n], 1000));
            failures.note(source, if n % 2 == 0 { "expired" } else { "unknown-ca" }, Some("sp1:x"));
        }
        let facts = failures.take();
        assert_eq!(facts.len(), 1);
        let Event::AuthnSshFailures { prefix, counts, first, last, key_ids, .. } = &facts[0].event else { panic!() };
        assert_eq!((prefix.as_str(), counts["expired"], counts["unknown-ca"]), ("10.0.0.0/24", 128, 128));
        assert_eq!((first.to_string(), last.to_string()), ("10.0.0.0:1000".into(), "10.0.0.255:1000".into()));
        assert_eq!(key_ids, &["sp1:x"]);
        assert!(failures.take().is_empty());
    }

    #[test]
    fn a_flood_from_many_prefixes_is_bounded() {
        let failures = Failures::new(Clock::manual(Timestamp::from_secs(1_800_000_000)));
        for n in 0..100_000_u32 {
            failures.note(SocketAddr::from((Ipv4Addr::from(n << 8), 22)), "unknown-ca", None);
        }
        assert_eq!(failures.take().len(), PREFIXES + 1);
    }
}
