//! Three authorities: user, target, host. Number, record, then sign.
//!
//! A serial is taken and its entry is on its way in one step, so serials stand in the log in order; no
//! certificate is signed before the ledger has answered. The signer judges every draft again.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::HashAlg;
use russh::keys::ssh_key::certificate::Certificate;
use russh::keys::{PrivateKey, PublicKey};

use super::{Error, Identities, certificate};
use crate::domain::event::{Event, Fact, Outcome, TargetRef};
use crate::domain::identity::Caller;
use crate::domain::loan::Loans;
use crate::domain::session::{Command, SessionId};
use crate::domain::target::Login;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::ledger;
use crate::signer::{self, Host, HostDraft, TARGET_HOST_LIFE_S, TargetDraft, UserDraft, new_key};

/// A certificate for one upstream connection is asked for.
#[derive(Clone, Debug)]
pub struct TargetAsk<'a> {
    /// For whom.
    pub caller: &'a Caller,
    /// Within which session.
    pub session: SessionId,
    /// On which channel of the client's connection.
    pub channel: u32,
    /// Towards which target, its host key seen.
    pub place: TargetRef,
    /// The account.
    pub login: &'a Login,
    /// Our address as the target sees it.
    pub source: IpAddr,
    /// Whether with a terminal.
    pub pty: bool,
    /// Whether for one forwarded connection, and nothing else.
    pub forward: bool,
    /// What of the client's may be used by it.
    pub lent: Loans,
    /// The lasting key of a target that knows no certificates.
    pub key_file: Option<&'a Path>,
    /// The one command that may run, where a person agreed to exactly that.
    pub force_command: Option<&'a Command>,
}

/// What signs in at a target.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A key of this moment and its certificate.
    Certificate(Arc<PrivateKey>, Box<Certificate>),
    /// A lasting key, where the target knows no certificates: no two minutes, no name of a human, no forced command.
    Key(Arc<PrivateKey>),
}

impl Credential {
    /// The serial in the target's log, if there is one.
    pub fn serial(&self) -> Option<u64> {
        match self {
            Self::Certificate(_, certificate) => Some(certificate.serial()),
            Self::Key(_) => None,
        }
    }
}

/// A record that is on its way to the disk.
#[derive(Debug)]
#[must_use = "what it is of may be known to nobody before it is durable"]
pub struct Submitted(ledger::Pending);

impl Submitted {
    /// Returns once it is there.
    pub async fn durable(self) -> Result<(), Error> {
        self.0.receipts().await.map(drop).map_err(Error::Ledger)
    }
}

impl Identities {
    /// What signs in at the target: a certificate, or its lasting key where the config names one. The records of it
    /// are durable before it returns. Ask after the decision.
    pub async fn target_credential(&self, ask: TargetAsk<'_>) -> Result<Credential, Error> {
        match ask.key_file {
            None => {
                let (key, certificate) = self.target_certificate(ask).await?;
                Ok(Credential::Certificate(Arc::new(key), Box::new(certificate)))
            }
            // A few hundred bytes, read anew each time: a key that was changed counts from the next sign-in on.
            Some(path) => self.lasting(signer::target_key(path)?, ask).await,
        }
    }

    async fn lasting(&self, key: PrivateKey, ask: TargetAsk<'_>) -> Result<Credential, Error> {
        let opens = Event::UpstreamOpen {
            serial: None,
            key_id: None,
            key_file: true,
            spare: false,
            seen_as: ask.source.to_string(),
        };
        self.submitted(&ask, opens).await?.durable().await?;
        Ok(Credential::Key(Arc::new(key)))
    }

    /// A session goes over a connection on which an earlier one has signed in by the certificate `serial`. The record of
    /// it is on its way to the disk: nothing goes to the client before its receipt. Ask after the decision.
    pub async fn goes_over_again(&self, ask: &TargetAsk<'_>, serial: u64, key_id: &str) -> Result<Submitted, Error> {
        self.submitted(ask, Event::UpstreamAgain { serial, key_id: key_id.to_owned() }).await
    }

    /// Queues a record of a sign-in that spends no serial.
    async fn submitted(&self, ask: &TargetAsk<'_>, event: Event) -> Result<Submitted, Error> {
        let fact = towards(ask, self.clock().now(), event);
        // In turn with revocations: one that came after the decision is seen here.
        let _turn = self.turn().await;
        if self.is_revoked(ask.caller) {
            return Err(Error::Barred);
        }
        self.ledger().submit(vec![fact]).await.map(Submitted).map_err(Error::Ledger)
    }

    /// A fresh key and its certificate for two minutes. `cert.issued` and `upstream.open` are durable before it
    /// returns: there is no sign-in at a target without them. Ask after the decision.
    async fn target_certificate(&self, ask: TargetAsk<'_>) -> Result<(PrivateKey, Certificate), Error> {
        let key = new_key("")?;
        let now = self.clock().now();
        let (draft, pending) = self
            .in_turn(|serial| {
                // In turn with revocations: one that came after the decision is seen here.
                if self.is_revoked(ask.caller) {
                    return Err(Error::Barred);
                }
                let target = certificate::Target {
                    session: ask.session,
                    name: &ask.caller.identity.name,
                    login: ask.login,
                    source: ask.source,
                    pty: ask.pty,
                    forward: ask.forward,
                    lent: ask.lent,
                    force_command: ask.force_command,
                };
                let draft = certificate::target(&target, key.public_key(), serial, now)?;
                let opens = Event::UpstreamOpen {
                    serial: Some(serial),
                    key_id: Some(draft.key_id.clone()),
                    key_file: false,
                    spare: false,
                    seen_as: ask.source.to_string(),
                };
                let facts = [target_issued(&draft), opens].map(|event| towards(&ask, now, event));
                Ok((facts.into(), draft))
            })
            .await?;
        pending.receipts().await.map_err(Error::Ledger)?;
        let certificate = self.signer().sign_target(draft)?;
        Ok((key, certificate))
    }

    /// The bastion's own host certificate, for exactly `names`.
    pub async fn bastion_certificate(&self, names: Vec<String>, life: Duration) -> Result<Certificate, Error> {
        let key = self.signer().host_key().public_key().clone();
        self.host_certificate(Host::Bastion, &key, names, life).await
    }

    /// A key and a host certificate for one day, with which the bastion answers in a target's place.
    pub async fn stand_in(&self, names: Vec<String>) -> Result<(PrivateKey, Certificate), Error> {
        let key = new_key("")?;
        let life = Duration::from_secs(TARGET_HOST_LIFE_S);
        let certificate = self.host_certificate(Host::Target, key.public_key(), names, life).await?;
        Ok((key, certificate))
    }

    /// A host certificate for exactly `names`; never without any.
    pub async fn host_certificate(
        &self,
        host: Host,
        key: &PublicKey,
        names: Vec<String>,
        life: Duration,
    ) -> Result<Certificate, Error> {
        let now = self.clock().now();
        let id = RecordId::new(now);
        let (draft, pending) = self
            .in_turn(|serial| {
                let draft = certificate::host(host, names, key, serial, id, now, life);
                Ok((vec![Fact::new(id, Outcome::Success, host_issued(&draft))], draft))
            })
            .await?;
        pending.receipts().await.map_err(Error::Ledger)?;
        Ok(self.signer().sign_host(draft)?)
    }
}

fn towards(ask: &TargetAsk<'_>, now: Timestamp, event: Event) -> Fact {
    let fact = Fact::new(RecordId::new(now), Outcome::Success, event);
    let mut fact = fact.by(ask.caller).within(ask.session).towards(ask.place.clone());
    fact.channel = Some(ask.channel);
    fact
}

/// The record of a user certificate.
pub(super) fn user_issued(draft: &UserDraft) -> Event {
    let claims = draft.extensions.get(crate::signer::IDENTITY_EXTENSION);
    Event::CertIssued {
        authority: "user",
        serial: draft.serial,
        key_id: draft.key_id.clone(),
        principals: vec![draft.principal.clone()],
        valid_after: time(draft.valid_after),
        valid_before: time(draft.valid_before),
        // The private extension is what `claims` digests.
        options: draft.extensions.keys().cloned().collect(),
        key: fingerprint(&draft.public_key),
        claims: claims.map(|claims| Digest::of(claims.as_bytes())),
    }
}

fn target_issued(draft: &TargetDraft) -> Event {
    let mut options = vec![format!("source-address={}", draft.source)];
    // The command itself stands in its own record; here its digest says that it is the same.
    let command = draft.force_command.as_ref();
    options.extend(command.map(|command| format!("force-command=sha256:{}", Digest::of(command.as_bytes()))));
    options.extend(draft.pty.then(|| "permit-pty".to_owned()));
    options.extend(draft.forward.then(|| "permit-port-forwarding".to_owned()));
    options.extend(draft.agent.then(|| "permit-agent-forwarding".to_owned()));
    options.extend(draft.display.then(|| "permit-X11-forwarding".to_owned()));
    Event::CertIssued {
        authority: "target",
        serial: draft.serial,
        key_id: draft.key_id.clone(),
        principals: vec![draft.login.clone()],
        valid_after: time(draft.valid_after),
        valid_before: time(draft.valid_before),
        options,
        key: fingerprint(&draft.public_key),
        claims: None,
    }
}

fn host_issued(draft: &HostDraft) -> Event {
    Event::CertIssued {
        authority: "host",
        serial: draft.serial,
        key_id: draft.key_id.clone(),
        principals: draft.names.clone(),
        valid_after: time(draft.valid_after),
        valid_before: time(draft.valid_before),
        options: Vec::new(),
        key: fingerprint(&draft.public_key),
        claims: None,
    }
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
