//! Sign-in on the SSH connection itself: an ID token, and the plain key that the connection has proved.
//!
//! The same checks as for a certificate, in the same order; what comes of it is no certificate but the key itself, which
//! stands for its person on this connection and, where the settings remember keys, on later ones.

use std::sync::Arc;
use std::time::Duration;

use super::super::live::Certified;
use super::super::token::Refused;
use super::super::{Error, Exchange, Identities, certificate, register};
use super::{Attempt, Judged, LoginError, Reason, actor, signed_in};
use crate::domain::RecordId;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::{Caller, Means};
use crate::identity::profile::IssuerSettings;
use crate::identity::token::Checked;

impl Identities {
    /// Trades a token for access on the connection that has proved the exchange's key. The sign-in and what follows from it
    /// are in the ledger before this returns. Do not drop the future half-way, as with [`Identities::login`].
    pub async fn sign_in_here(&self, exchange: &Exchange) -> Result<Caller, LoginError> {
        let mut attempt = Attempt::begin(exchange, self.clock().now());
        let (provider, checked, claims) = match self.judge_token(&mut attempt).await {
            Ok(judged) => judged,
            Err(Judged::Refused(refused)) => return Err(self.refuse(&attempt, refused).await),
            Err(Judged::Failed(error)) => return Err(LoginError::Failed { reference: attempt.id, error }),
        };
        let uses = claims.iter().map(|claim| register::used(claim, &attempt.key)).collect();
        let caller = self.stand_for(&attempt, provider.settings(), checked, uses).await;
        if matches!(caller, Ok(_) | Err(LoginError::Denied { .. } | LoginError::Refused { .. })) {
            self.release(&claims);
        }
        caller
    }

    async fn stand_for(
        &self,
        attempt: &Attempt<'_>,
        issuer: &IssuerSettings,
        checked: Checked,
        uses: Vec<register::Change>,
    ) -> Result<Caller, LoginError> {
        let now = attempt.now;
        let (identity, sign_in) = self.person(attempt, issuer, &checked);
        let actor = actor(&identity, &sign_in, attempt);
        let signed_in = signed_in(attempt, issuer, &checked, &actor, sign_in.until);
        let who = (identity.issuer_url.clone(), identity.subject.clone());
        let remember = self.0.settings.remember;
        let (means, valid_before) = match remember {
            Duration::ZERO => (Means::SignIn, sign_in.until),
            _ => (Means::RememberedKey, now.plus(remember).min(sign_in.until)),
        };
        let flight = self.take_off();
        let taken = self
            .in_turn(|serial| {
                // In turn with revocations: one that comes before is seen here, one that comes after sees this.
                if self.state().is_barred(&who) {
                    return Err(Error::Barred);
                }
                let key_id = certificate::key_id(sign_in.record, &identity.name);
                let event = Event::KeyRemembered {
                    serial,
                    key_id: key_id.clone(),
                    key: attempt.key.clone(),
                    valid_before,
                    remembered: means == Means::RememberedKey,
                };
                let mut fact = Fact::new(RecordId::new(now), Outcome::Success, event);
                fact.actor = Some(actor.clone());
                fact.refs = vec![attempt.id];
                let key = attempt.key.clone();
                let certified = Certified { means, serial, key_id, key, valid_before, identity, sign_in };
                Ok((vec![signed_in, fact], Arc::new(certified)))
            })
            .await;
        let failed = |error| LoginError::Failed { reference: attempt.id, error };
        let (certified, pending) = match taken {
            Ok(taken) => taken,
            Err(Error::Barred) => {
                self.forget(flight);
                let refused = Refused { reason: Reason::IdentityRevoked, seen: Some(checked.seen) };
                return Err(self.refuse(attempt, refused).await);
            }
            Err(error) => return Err(failed(error)),
        };
        let receipts = pending.receipts().await.map_err(|error| failed(Error::Ledger(error)))?;
        // Only what is in the ledger lets anybody in. A revocation of the identity that came meanwhile is asked for with
        // each use; one of the serial cannot have come, since nobody knew it.
        self.state().add(Arc::clone(&certified));
        let mut changes = uses;
        if means == Means::RememberedKey {
            changes.extend(register::certified(&certified));
        }
        changes.extend(self.sweep(now).await.map_err(failed)?);
        self.land(flight, changes, &receipts).await.map_err(failed)?;
        let mut caller = certified.caller(attempt.exchange.source);
        caller.certificate.means = Means::SignIn;
        Ok(caller)
    }
}
