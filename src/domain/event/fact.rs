//! The frame around an event: who did it, within which session, towards which target, and how it went.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::domain::RecordId;
use crate::domain::identity::{Caller, Flow, Kind};
use crate::domain::session::SessionId;
use crate::domain::target::{Login, Target};

use super::{Event, Outcome};

/// A fact to be recorded: an event with who, where and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Chosen by the caller, so that later records and effects can name it. Never used twice.
    pub id: RecordId,
    /// How it went.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Option<Actor>,
    /// Within which session.
    pub session: Option<SessionId>,
    /// The client's channel number, counted per connection.
    pub channel: Option<u32>,
    /// Towards which target.
    pub target: Option<TargetRef>,
    /// Records that this one follows from.
    pub refs: Vec<RecordId>,
    /// What happened.
    pub event: Event,
}

impl Fact {
    /// A fact about the bastion itself.
    pub fn new(id: RecordId, outcome: Outcome, event: Event) -> Self {
        Self { id, outcome, actor: None, session: None, channel: None, target: None, refs: Vec::new(), event }
    }

    /// Done by this caller; the caller's sign-in becomes a reference.
    pub fn by(mut self, caller: &Caller) -> Self {
        self.actor = Some(Actor::of(caller));
        self.refs.push(caller.sign_in.record);
        self
    }

    /// Within this session.
    pub fn within(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Towards this target.
    pub fn towards(mut self, target: TargetRef) -> Self {
        self.target = Some(target);
        self
    }
}

/// Who did something, as a record says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Human or program; absent for somebody unknown.
    pub kind: Option<Kind>,
    /// The issuer's `iss`.
    pub issuer: String,
    /// The issuer's `sub`.
    pub subject: String,
    /// Display name.
    pub name: String,
    /// Groups at that time.
    pub groups: Vec<String>,
    /// Serial of the certificate shown.
    pub serial: Option<u64>,
    /// Its key id.
    pub key_id: Option<String>,
    /// How the sign-in came.
    pub flow: Option<Flow>,
    /// From where.
    pub source: Option<SocketAddr>,
    /// The client program.
    pub client: Option<String>,
}

impl Actor {
    /// The caller of a connection.
    pub fn of(caller: &Caller) -> Self {
        let identity = &caller.identity;
        Self {
            kind: Some(identity.kind),
            issuer: identity.issuer_url.clone(),
            subject: identity.subject.clone(),
            name: identity.name.clone(),
            groups: identity.groups.iter().map(ToString::to_string).collect(),
            serial: Some(caller.certificate.serial),
            key_id: Some(caller.certificate.key_id.clone()),
            flow: Some(caller.sign_in.flow),
            source: Some(caller.source),
            client: Some(caller.client.clone()),
        }
    }
}

/// A target as a record says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    /// Canonical name.
    pub name: String,
    /// Address as configured.
    pub host: String,
    /// Account.
    pub login: String,
    /// Fingerprint of the host key that was seen, once it was.
    pub host_key: Option<String>,
    /// Labels at that time.
    pub labels: BTreeMap<String, String>,
}

impl TargetRef {
    /// This login on this target; the host key is not known yet.
    pub fn of(target: &Target, login: &Login) -> Self {
        Self {
            name: target.name.to_string(),
            host: target.address.to_string(),
            login: login.to_string(),
            host_key: None,
            labels: target.labels.clone(),
        }
    }
}
