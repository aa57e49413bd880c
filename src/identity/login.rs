//! The one exchange: an ID token and a proved key, for a certificate.
//!
//! In order: key, token, first use, record of the sign-in and of the decision, certificate. Every refusal has
//! a stable reason, a record, and a reference that the stranger and the log share. The token is
//! used from the moment that its entry is in the ledger.

use std::sync::Arc;

use russh::keys::ssh_key::certificate::Certificate;

mod here;
mod refusals;

pub use refusals::LoginError;
pub(super) use refusals::Refusals;

use super::live::{Certified, Claim};
use super::profile::IssuerSettings;
use super::provider::Provider;
use super::reason::Reason;
use super::token::{self, Checked, Raw, Refused, SKEW, Showing, raw_checks};
use super::{Error, Exchange, Identities, ca, certificate, fingerprint, register};
use crate::domain::event::{Actor, Event, Fact, Outcome};
use crate::domain::identity::{Flow, Identity, Kind, Means, SignIn};
use crate::domain::{Digest, RecordId, Text, Timestamp};
use crate::policy::{self, Asked, Request};
use crate::signer::check_key;

/// A certificate, and whose it is.
#[derive(Clone, Debug)]
pub struct Issued {
    /// To be handed to whoever holds its key.
    pub certificate: Certificate,
    /// Who.
    pub identity: Identity,
    /// By which sign-in.
    pub sign_in: SignIn,
    /// Its serial.
    pub serial: u64,
    /// When it ends.
    pub valid_before: Timestamp,
}

/// What is known of an attempt, for its record. Before the signature was checked: a hash and our own name for the
/// issuer, nothing else.
struct Attempt<'a> {
    exchange: &'a Exchange,
    key: String,
    token: Digest,
    issuer: Option<&'a IssuerSettings>,
    id: RecordId,
    now: Timestamp,
}

impl<'a> Attempt<'a> {
    fn begin(exchange: &'a Exchange, now: Timestamp) -> Self {
        let (key, token) = (fingerprint(&exchange.public_key), token::digest(exchange.token.as_bytes()));
        Self { exchange, key, token, issuer: None, id: RecordId::new(now), now }
    }
}

impl Identities {
    /// Trades a token for a certificate. Do not drop the future half-way: what it holds for the token is given
    /// back only at its end.
    pub async fn login(&self, exchange: &Exchange) -> Result<Issued, LoginError> {
        let mut attempt = Attempt::begin(exchange, self.clock().now());
        let (provider, checked, claims) = match self.judge_token(&mut attempt).await {
            Ok(judged) => judged,
            Err(Judged::Refused(refused)) => return Err(self.refuse(&attempt, refused).await),
            Err(Judged::Failed(error)) => return Err(LoginError::Failed { reference: attempt.id, error }),
        };
        let issued = self.certify(&attempt, provider.settings(), checked, &claims).await;
        // Whether it failed before or after its entry is in the ledger: only a plain refusal gives the token back.
        if matches!(issued, Ok(_) | Err(LoginError::Denied { .. } | LoginError::Refused { .. })) {
            self.release(&claims);
        }
        issued
    }

    async fn judge_token<'a>(
        &'a self,
        attempt: &mut Attempt<'a>,
    ) -> Result<(&'a Provider, Checked, Vec<Claim>), Judged> {
        let exchange = attempt.exchange;
        check_key(&exchange.public_key).map_err(Reason::from)?;
        let raw = raw_checks(exchange.token.as_bytes())?;
        let provider = self.0.providers.get(&raw.issuer).ok_or(Reason::UnknownIssuer)?;
        let settings = provider.settings();
        attempt.issuer = self.0.settings.issuers.iter().find(|issuer| issuer.url == raw.issuer);
        if !settings.algorithms.contains(&raw.algorithm) {
            return Err(Reason::Algorithm.into());
        }
        let checked = self.check_token(&raw, provider, attempt).await?;
        let claims = self.first_use(attempt, settings, &checked).await?;
        Ok((provider, checked, claims))
    }

    async fn check_token(&self, raw: &Raw, provider: &Provider, attempt: &Attempt<'_>) -> Result<Checked, Refused> {
        let exchange = attempt.exchange;
        let keys = provider.keys(raw.kid.as_deref(), raw.algorithm).await.map_err(|_| Reason::KeysUnavailable)?;
        let showing = Showing {
            bastion: &self.0.settings.bastion,
            key: &exchange.public_key,
            fingerprint: &attempt.key,
            proof: &exchange.proof,
            nonce_random: exchange.nonce_random,
            flow: exchange.flow,
            now: attempt.now,
        };
        token::check(raw, provider.settings(), &keys, &showing)
    }

    /// Takes the token, and the job where one key a job is the rule. Both are looked up after they are taken, so of
    /// two at once one finds the other.
    async fn first_use(
        &self,
        attempt: &Attempt<'_>,
        issuer: &IssuerSettings,
        checked: &Checked,
    ) -> Result<Vec<Claim>, Judged> {
        let job = checked.job.clone().map(|job| Claim::Job(issuer.name.to_string(), job));
        let mut held = Vec::new();
        let judged = self.first_use_of(attempt, issuer, checked, job, &mut held).await;
        match judged {
            Ok(()) => Ok(held),
            Err(judged) => {
                self.release(&held);
                Err(judged)
            }
        }
    }

    async fn first_use_of(
        &self,
        attempt: &Attempt<'_>,
        issuer: &IssuerSettings,
        checked: &Checked,
        job: Option<Claim>,
        held: &mut Vec<Claim>,
    ) -> Result<(), Judged> {
        let seen = |reason| Judged::Refused(Refused { reason, seen: Some(checked.seen.clone()) });
        let registers = &self.0.registers;
        let mut same_key_again = false;
        if let Some(job) = job {
            if let Err(holder) = self.state().claim(job.clone(), &attempt.key) {
                return Err(seen(if holder == attempt.key { Reason::Replayed } else { Reason::SecondKeyForJob }));
            }
            held.push(job.clone());
            match register::holder(registers, &job).await.map_err(Judged::Failed)? {
                Some(holder) if holder == attempt.key => same_key_again = true,
                Some(_) => {
                    tracing::error!(issuer = %issuer.name, record = %attempt.id, source = %attempt.exchange.source,
                        "a second key for one job: its token may be stolen");
                    return Err(seen(Reason::SecondKeyForJob));
                }
                None if attempt.now.since(checked.issued) > issuer.profile.max_age + SKEW => {
                    return Err(seen(Reason::TooOld));
                }
                None => {}
            }
        }
        let token = Claim::Token(attempt.token);
        self.state().claim(token.clone(), &attempt.key).map_err(|_| seen(Reason::Replayed))?;
        held.push(token.clone());
        // A token that no issuer can bind to a key is bound to the first one: within its job that key may come again.
        match register::holder(registers, &token).await.map_err(Judged::Failed)? {
            Some(_) if !same_key_again => Err(seen(Reason::Replayed)),
            Some(_) | None => Ok(()),
        }
    }

    fn release(&self, claims: &[Claim]) {
        let mut state = self.state();
        claims.iter().for_each(|claim| state.release(claim));
    }

    /// From a judged token to a certificate: the sign-in, the decision and the certificate in one append.
    async fn certify(
        &self,
        attempt: &Attempt<'_>,
        issuer: &IssuerSettings,
        checked: Checked,
        claims: &[Claim],
    ) -> Result<Issued, LoginError> {
        let now = attempt.now;
        let kind = issuer.profile.kind;
        let (identity, sign_in) = self.person(attempt, issuer, &checked);
        let actor = actor(&identity, &sign_in, attempt);
        let signed_in = signed_in(attempt, issuer, &checked, &actor, sign_in.until);

        let policy = Arc::clone(&self.0.policy.borrow());
        let began = self.clock().elapsed();
        let request = Request {
            identity: &identity,
            sign_in: &sign_in,
            action: Asked::Certify,
            target: None,
            owner: None,
            now,
            source: attempt.exchange.source.ip(),
            pty: false,
        };
        let decision = policy::decide(&policy, &request);
        let micros = u64::try_from(self.clock().elapsed().saturating_sub(began).as_micros()).unwrap_or(u64::MAX);
        let decided = Event::AuthzDecision(decision.to_decided(Asked::Certify.as_str(), micros));
        let follow = |outcome, event, id| {
            let mut fact = Fact::new(id, outcome, event);
            fact.actor = Some(actor.clone());
            fact.refs = vec![attempt.id];
            fact
        };
        let decided = follow(decision.recorded(), decided, RecordId::new(now));
        let uses: Vec<register::Change> = claims.iter().map(|claim| register::used(claim, &attempt.key)).collect();
        let failed = |error| LoginError::Failed { reference: attempt.id, error };

        if !matches!(decision.outcome, policy::Outcome::Allow(_)) {
            let flight = self.take_off();
            let receipts = self.ledger().append(vec![signed_in, decided]).await.map_err(Error::Ledger);
            let receipts = receipts.map_err(failed)?;
            self.land(flight, uses, &receipts).await.map_err(failed)?;
            let rule = decision.forbidden_by().filter(|_| decision.otherwise_permitted).map(str::to_owned);
            return Err(LoginError::Denied { reference: attempt.id, rule });
        }

        let who = (identity.issuer_url.clone(), identity.subject.clone());
        let flight = self.take_off();
        let life = self.life(kind);
        let key = &attempt.exchange.public_key;
        let mut added = None;
        let taken = self
            .in_turn(|serial| {
                // In turn with revocations: one that comes before is seen here, one that comes after sees this.
                if self.state().is_barred(&who) {
                    return Err(Error::Barred);
                }
                let draft = certificate::user(&identity, &sign_in, key, serial, now, life);
                let issued = follow(Outcome::Success, ca::user_issued(&draft), RecordId::new(now));
                let certified = Arc::new(Certified {
                    means: Means::Certificate,
                    serial,
                    key_id: draft.key_id.clone(),
                    key: attempt.key.clone(),
                    valid_before: Timestamp::from_secs(i64::try_from(draft.valid_before).unwrap_or(0)),
                    identity: identity.clone(),
                    sign_in: sign_in.clone(),
                });
                // Nobody can show it yet: it is signed after the receipt.
                self.state().add(Arc::clone(&certified));
                added = Some(serial);
                Ok((vec![signed_in, decided, issued], (draft, certified)))
            })
            .await;
        let (draft, certified, pending) = match taken {
            Ok(((draft, certified), pending)) => (draft, certified, pending),
            Err(Error::Barred) => {
                self.forget(flight);
                let refused = Refused { reason: Reason::IdentityRevoked, seen: Some(checked.seen) };
                return Err(self.refuse(attempt, refused).await);
            }
            Err(error) => {
                added.map(|serial| self.state().remove(serial));
                return Err(failed(error));
            }
        };
        let receipts = match pending.receipts().await {
            Ok(receipts) => receipts,
            Err(error) => {
                self.state().remove(certified.serial);
                return Err(failed(Error::Ledger(error)));
            }
        };
        let certificate = self.signer().sign_user(draft).map_err(|error| failed(error.into()))?;
        let mut changes = uses;
        changes.extend(register::certified(&certified));
        changes.extend(self.sweep(now).await.map_err(failed)?);
        self.land(flight, changes, &receipts).await.map_err(failed)?;
        let (serial, valid_before) = (certified.serial, certified.valid_before);
        Ok(Issued { certificate, identity, sign_in, serial, valid_before })
    }

    /// Who a judged token says it is, and by which sign-in.
    fn person(&self, attempt: &Attempt<'_>, issuer: &IssuerSettings, checked: &Checked) -> (Identity, SignIn) {
        let kind = issuer.profile.kind;
        let identity = Identity {
            issuer: issuer.name.clone(),
            issuer_url: issuer.url.clone(),
            subject: checked.seen.subject.clone(),
            kind,
            name: checked.name.clone(),
            groups: self.0.settings.groups.of(&issuer.name, &checked.seen.subject, &checked.groups),
            claims: checked.about.clone(),
        };
        let sign_in = SignIn {
            record: attempt.id,
            at: attempt.now,
            auth_time: checked.seen.auth_time,
            until: attempt.now.plus(self.sign_in_age(kind)),
            flow: checked.flow,
            amr: checked.seen.amr.clone(),
        };
        (identity, sign_in)
    }

    /// Removes some certificates that have ended, a few at a time.
    async fn sweep(&self, now: Timestamp) -> Result<Vec<register::Change>, Error> {
        let ended = self.state().ended(now, SWEEP);
        let mut changes = Vec::new();
        for serial in ended {
            changes.extend(register::ended(&self.0.registers, serial).await?);
        }
        Ok(changes)
    }

    /// Records a refusal, unless its source has had too many already; the stranger hears the same either way.
    async fn refuse(&self, attempt: &Attempt<'_>, refused: Refused) -> LoginError {
        let Refused { reason, seen } = refused;
        let reference = attempt.id;
        tracing::info!(reason = reason.as_str(), record = %reference, source = %attempt.exchange.source,
            "sign-in refused");
        if self.0.refusals.may_record(attempt.exchange.source.ip(), attempt.now) {
            let flow = match attempt.issuer.map(|issuer| issuer.profile.kind) {
                Some(Kind::Pipeline) => Flow::Ci,
                Some(Kind::Person) | None => attempt.exchange.flow.unwrap_or(Flow::Local),
            };
            let seen = seen.as_ref();
            let event = Event::AuthnOidc {
                issuer: attempt.issuer.map(|issuer| issuer.name.to_string()).unwrap_or_default(),
                subject: seen.map(|seen| seen.subject.clone()).unwrap_or_default(),
                audience: seen.map(|seen| seen.audience.clone()).unwrap_or_default(),
                token: attempt.token,
                amr: seen.map(|seen| seen.amr.clone()).unwrap_or_default(),
                acr: seen.and_then(|seen| seen.acr.clone()),
                auth_time: seen.and_then(|seen| seen.auth_time),
                flow,
                key: attempt.key.clone(),
                reason: Some(reason.as_str()),
                about: std::collections::BTreeMap::new(),
                until: None,
                claims: None,
            };
            let mut fact = Fact::new(reference, Outcome::Failure, event);
            fact.actor = Some(stranger(attempt));
            if let Err(error) = self.ledger().append(vec![fact]).await {
                tracing::error!(?error, record = %reference, "a refused sign-in cannot be recorded");
            }
        }
        LoginError::Refused { reference, reason }
    }
}

/// How many ended certificates one sign-in clears away.
const SWEEP: usize = 8;

enum Judged {
    Refused(Refused),
    Failed(Error),
}

impl From<Reason> for Judged {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Refused> for Judged {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn actor(identity: &Identity, sign_in: &SignIn, attempt: &Attempt<'_>) -> Actor {
    Actor {
        kind: Some(identity.kind),
        issuer: identity.issuer_url.clone(),
        subject: identity.subject.clone(),
        name: identity.name.clone(),
        groups: identity.groups.iter().map(ToString::to_string).collect(),
        flow: Some(sign_in.flow),
        ..stranger(attempt)
    }
}

fn stranger(attempt: &Attempt<'_>) -> Actor {
    Actor {
        kind: None,
        issuer: String::new(),
        subject: String::new(),
        name: String::new(),
        groups: Vec::new(),
        serial: None,
        key_id: None,
        flow: None,
        source: Some(attempt.exchange.source),
        client: None,
    }
}

fn signed_in(
    attempt: &Attempt<'_>,
    issuer: &IssuerSettings,
    checked: &Checked,
    actor: &Actor,
    until: Timestamp,
) -> Fact {
    let event = Event::AuthnOidc {
        issuer: issuer.name.to_string(),
        subject: checked.seen.subject.clone(),
        audience: checked.seen.audience.clone(),
        token: attempt.token,
        amr: checked.seen.amr.clone(),
        acr: checked.seen.acr.clone(),
        auth_time: checked.seen.auth_time,
        flow: checked.flow,
        key: attempt.key.clone(),
        reason: None,
        about: checked.about.clone(),
        until: Some(until),
        claims: Some(Text::new(checked.claims.clone())),
    };
    let mut fact = Fact::new(attempt.id, Outcome::Success, event);
    fact.actor = Some(actor.clone());
    fact
}
