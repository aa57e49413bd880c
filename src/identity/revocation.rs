//! Revocation: an entry in the ledger, then the register, at once for every question after it.
//!
//! A revoked identity cannot sign in until it is reinstated; certificates that were void stay void.
//! Live sessions are ended by whoever watches [`Identities::revocations`], not from here. Whatever else lets
//! somebody in must ask [`Identities::check`], which knows of both.

use std::collections::BTreeSet;

use thiserror::Error;
use tokio::sync::watch;

use super::{Error, Identities, register};
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::{Caller, Principal};
use crate::domain::{RecordId, Text, Timestamp, printable};

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

/// A certificate that was revoked before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void {
    /// Its serial.
    pub serial: u64,
    /// Its key id.
    pub key_id: String,
    /// Whose, as people say it.
    pub name: String,
    /// When it would have ended.
    pub valid_before: Timestamp,
}

/// How key ids of ours begin.
const KEY_ID: &str = "sp1:";

/// Nobody, or not one, is meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unnamed {
    /// Nobody.
    #[error(
        "'{}' names nobody here: give a serial, a key id (sp1:...), an identity such as corp:00u1abcd, \
         or the name of somebody whose certificate lives", printable(.0, 128)
    )]
    Nobody(String),
    /// More than one go by it.
    #[error("'{}' is the name of {} people: say which, {}", printable(.0, 128), .1.len(), members(.1))]
    Several(String, Vec<String>),
}

fn members(all: &[String]) -> String {
    all.iter().take(8).map(|member| printable(member, 128)).collect::<Vec<_>>().join(" or ")
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
        let pending = self.ledger().submit(vec![fact(now, event, by)]).await.map_err(Error::Ledger)?;
        // No wait between the two: whoever asked for this may be gone at any await, and what is in the log holds.
        {
            let mut state = self.state();
            identity.iter().for_each(|who| state.bar(who.clone()));
            serials.iter().for_each(|serial| state.revoke(*serial));
        }
        self.tell();
        let receipts = pending.receipts().await.map_err(Error::Ledger)?;
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

    /// Whom a person means: a serial, a key id (`sp1:...`), an identity as a config (`corp:00u1`) or a register
    /// (`corp/MDB1MQ`) writes it, or the name of somebody whose certificate lives, if only one goes by it.
    pub fn named(&self, text: &str) -> Result<Revocation, Unnamed> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Revocation::Serial).map_err(|_| Unnamed::Nobody(text.to_owned()));
        }
        if text.starts_with(KEY_ID) {
            return Ok(Revocation::KeyId(text.to_owned()));
        }
        let issuers = &self.settings().issuers;
        let of = |name: &str| issuers.iter().find(|issuer| issuer.name.as_str() == name);
        if let Some((name, subject)) = text.split_once(':').filter(|(_, subject)| !subject.is_empty())
            && let Some(issuer) = of(name)
        {
            return Ok(Revocation::Identity { issuer: issuer.url.clone(), subject: subject.to_owned() });
        }
        if let Some((name, subject)) = Principal::parse(text).and_then(|principal| principal.parts())
            && let Some(issuer) = of(&name)
        {
            return Ok(Revocation::Identity { issuer: issuer.url.clone(), subject });
        }
        let found: BTreeSet<(String, String, String)> = self.state().people(|one| {
            (one.identity.name == text).then(|| {
                let identity = &one.identity;
                (
                    identity.issuer_url.clone(),
                    identity.subject.clone(),
                    format!("{}:{}", identity.issuer, identity.subject),
                )
            })
        });
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some((issuer, subject, _)), None) => Ok(Revocation::Identity { issuer, subject }),
            (None, _) => Err(Unnamed::Nobody(text.to_owned())),
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(found).map(|(_, _, member)| member).collect();
                Err(Unnamed::Several(text.to_owned(), all))
            }
        }
    }

    /// As `members` of the config has it: `corp:00u1`. With the issuer's address where the config has it no more.
    pub fn member(&self, issuer: &str, subject: &str) -> String {
        let named = self.settings().issuers.iter().find(|known| known.url == issuer);
        format!("{}:{subject}", named.map_or(issuer, |known| known.name.as_str()))
    }

    /// What is revoked now: identities, as issuer and subject, and certificates that would live otherwise.
    pub fn revoked(&self) -> (Vec<(String, String)>, Vec<Void>) {
        let now = self.clock().now();
        self.state().revoked(now)
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
