//! What stands now: live certificates, used tokens, revocations.
//!
//! In memory for every question, in registers for the next start, and in the ledger before either:
//! the state is always what replaying the log gives. Decides nothing about tokens or policy.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::revocation::Void;
use crate::domain::identity::{Identity, Means, SignIn};
use crate::domain::{Digest, Timestamp};

/// A certificate that was issued and has not ended, or a plain key that stands for one: the sign-in's record behind it
/// decides, not its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certified {
    pub(super) means: Means,
    pub(super) serial: u64,
    pub(super) key_id: String,
    /// `SHA256:` fingerprint of the certified key.
    pub(super) key: String,
    pub(super) valid_before: Timestamp,
    pub(super) identity: Identity,
    pub(super) sign_in: SignIn,
}

/// `(iss, sub)`, byte for byte.
pub(super) type Who = (String, String);

#[derive(Debug, Default)]
pub(super) struct State {
    certificates: BTreeMap<u64, Arc<Certified>>,
    by_key: HashMap<String, BTreeSet<u64>>,
    /// Serials that were revoked, until nobody could show them any more.
    revoked: HashSet<u64>,
    barred: HashSet<Who>,
    /// Tokens and jobs of sign-ins that are under way: two at once must not both find them unused.
    claimed: HashMap<Claim, String>,
}

/// What one sign-in holds while it is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    /// A token.
    Token(Digest),
    /// A job of an issuer.
    Job(String, String),
}

/// What is known of a serial.
pub(super) enum Standing {
    Live(Arc<Certified>),
    Revoked,
    Unknown,
}

impl State {
    pub(super) fn add(&mut self, certified: Arc<Certified>) {
        self.by_key.entry(certified.key.clone()).or_default().insert(certified.serial);
        self.certificates.insert(certified.serial, certified);
    }

    pub(super) fn remove(&mut self, serial: u64) -> Option<Arc<Certified>> {
        let certified = self.certificates.remove(&serial)?;
        if let Some(serials) = self.by_key.get_mut(&certified.key) {
            serials.remove(&serial);
            if serials.is_empty() {
                self.by_key.remove(&certified.key);
            }
        }
        Some(certified)
    }

    /// Takes out what ended before `now`, at most `limit`: the serials, for the registers.
    pub(super) fn ended(&mut self, now: Timestamp, limit: usize) -> Vec<u64> {
        // Serials grow with time and lives are bounded, so the oldest come first, near enough.
        let ended = self.certificates.values().take(4 * limit).filter(|certified| certified.valid_before <= now);
        let ended: Vec<u64> = ended.take(limit).map(|certified| certified.serial).collect();
        for serial in &ended {
            self.remove(*serial);
            self.revoked.remove(serial);
        }
        ended
    }

    pub(super) fn standing(&self, serial: u64) -> Standing {
        if self.revoked.contains(&serial) {
            return Standing::Revoked;
        }
        self.certificates.get(&serial).cloned().map_or(Standing::Unknown, Standing::Live)
    }

    pub(super) fn knows_key(&self, fingerprint: &str, now: Timestamp) -> bool {
        let serials = self.by_key.get(fingerprint).into_iter().flatten();
        serials
            .filter(|serial| !self.revoked.contains(serial))
            .filter_map(|serial| self.certificates.get(serial))
            .any(|certified| certified.valid_before > now)
    }

    /// The newest remembered key with this fingerprint that lives.
    pub(super) fn remembered(&self, fingerprint: &str, now: Timestamp) -> Option<Arc<Certified>> {
        let serials = self.by_key.get(fingerprint)?.iter().rev().filter(|serial| !self.revoked.contains(serial));
        let mut found = serials.filter_map(|serial| self.certificates.get(serial));
        found.find(|one| one.means == Means::RememberedKey && one.valid_before > now).cloned()
    }

    /// Remembered keys that live and are this identity's.
    pub(super) fn remembered_of(&self, who: &Who, now: Timestamp) -> Vec<Arc<Certified>> {
        let live = self.certificates.values().filter(|one| {
            one.means == Means::RememberedKey && one.valid_before > now && !self.revoked.contains(&one.serial)
        });
        live.filter(|one| one.identity.issuer_url == who.0 && one.identity.subject == who.1).cloned().collect()
    }

    /// Serials whose certificate fits.
    pub(super) fn serials(&self, fits: impl Fn(&Certified) -> bool) -> Vec<u64> {
        self.certificates.values().filter(|certified| fits(certified)).map(|certified| certified.serial).collect()
    }

    /// What `about` says of live certificates, each once.
    pub(super) fn people<T: Ord>(&self, about: impl Fn(&Certified) -> Option<T>) -> BTreeSet<T> {
        self.certificates.values().filter_map(|certified| about(certified)).collect()
    }

    /// Who is barred, and which certificates are void before their end.
    pub(super) fn revoked(&self, now: Timestamp) -> (Vec<Who>, Vec<Void>) {
        let mut barred: Vec<Who> = self.barred.iter().cloned().collect();
        barred.sort();
        let void =
            self.certificates.values().filter(|one| self.revoked.contains(&one.serial) && one.valid_before > now);
        let void = void.map(|one| Void {
            serial: one.serial,
            key_id: one.key_id.clone(),
            name: one.identity.name.clone(),
            valid_before: one.valid_before,
        });
        (barred, void.collect())
    }

    pub(super) fn is_barred(&self, who: &Who) -> bool {
        self.barred.contains(who)
    }

    pub(super) fn bar(&mut self, who: Who) {
        self.barred.insert(who);
    }

    pub(super) fn unbar(&mut self, who: &Who) {
        self.barred.remove(who);
    }

    pub(super) fn revoke(&mut self, serial: u64) {
        self.revoked.insert(serial);
    }

    /// Takes `claim` for `key`, or says for which key it is taken.
    pub(super) fn claim(&mut self, claim: Claim, key: &str) -> Result<(), String> {
        match self.claimed.get(&claim) {
            Some(holder) => Err(holder.clone()),
            None => {
                self.claimed.insert(claim, key.to_owned());
                Ok(())
            }
        }
    }

    pub(super) fn release(&mut self, claim: &Claim) {
        self.claimed.remove(claim);
    }

    pub(super) fn len(&self) -> usize {
        self.certificates.len()
    }
}
