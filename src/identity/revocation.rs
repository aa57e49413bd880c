//! Revocation: an entry in the ledger, then the register, at once for every question after it.
//!
//! A revoked identity cannot sign in until it is reinstated; certificates that were void stay void.
//! Live sessions are ended by whoever watches [`Identities::revocations`], not from here.

use tokio::sync::watch;

use super::{Error, Identities, register};
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::Caller;
use crate::domain::{RecordId, Text};

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Everything of an identity, and its sign-ins from now on.
    Identity {
        /// Its issuer's `iss`.
        issuer: String,
        /// Its subject.
        subject: String,
    },
    /// One live certificate.
    Serial(u64),
    /// Every live certificate with this key id.
    KeyId(String),
}

impl Identities {
    /// Revokes. The serials that were live are void once this returns, and named in the record.
    pub async fn revoke(&self, what: Revocation, reason: Text, by: Option<&Caller>) -> Result<Vec<u64>, Error> {
        let now = self.clock().now();
        // In turn with certificates: one that is being issued is either seen here or sees this.
        let _turn = self.turn().await;
        let serials = {
            let state = self.state();
            match &what {
                Revocation::Identity { issuer, subject } => {
                    state.serials(|one| one.identity.issuer_url == *issuer && one.identity.subject == *subject)
                }
                Revocation::Serial(serial) => state.serials(|one| one.serial == *serial),
                Revocation::KeyId(key_id) => state.serials(|one| one.key_id == *key_id),
            }
        };
        let identity = match what {
            Revocation::Identity { issuer, subject } => Some((issuer, subject)),
            Revocation::Serial(_) | Revocation::KeyId(_) if serials.is_empty() => return Err(Error::NotLive),
            Revocation::Serial(_) | Revocation::KeyId(_) => None,
        };
        let event = Event::CertRevoked { identity: identity.clone(), serials: serials.clone(), reason };
        let flight = self.take_off();
        let receipts = self.ledger().append(vec![fact(now, event, by)]).await.map_err(Error::Ledger)?;
        {
            let mut state = self.state();
            identity.iter().for_each(|who| state.bar(who.clone()));
            serials.iter().for_each(|serial| state.revoke(*serial));
        }
        self.tell();
        let barred = identity.iter().map(|(issuer, subject)| register::barred(issuer, subject, true));
        let changes = barred.chain(serials.iter().map(|serial| register::revoked(*serial, true))).collect();
        self.land(flight, changes, &receipts).await?;
        Ok(serials)
    }

    /// Lets a revoked identity sign in again.
    pub async fn reinstate(&self, issuer: &str, subject: &str, reason: Text, by: Option<&Caller>) -> Result<(), Error> {
        let now = self.clock().now();
        let who = (issuer.to_owned(), subject.to_owned());
        let _turn = self.turn().await;
        if !self.state().is_barred(&who) {
            return Err(Error::NotLive);
        }
        let event = Event::IdentityReinstated { identity: who.clone(), reason };
        let flight = self.take_off();
        let receipts = self.ledger().append(vec![fact(now, event, by)]).await.map_err(Error::Ledger)?;
        self.state().unbar(&who);
        self.land(flight, vec![register::barred(issuer, subject, false)], &receipts).await
    }

    /// Changes whenever something was revoked: then ask [`Identities::check`] for every live caller.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.told()
    }
}

fn fact(now: crate::domain::Timestamp, event: Event, by: Option<&Caller>) -> Fact {
    let fact = Fact::new(RecordId::new(now), Outcome::Success, event);
    match by {
        Some(caller) => fact.by(caller),
        None => fact,
    }
}
