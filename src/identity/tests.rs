//! The whole exchange, and what comes after it: replay, revocation, restart, and certificates that are not ours.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::certificate::Certificate;
use serde_json::{Map, Value, json};

use self::fixture::{BASTION, Issuer, NOW, Pair, RANDOM, claims, issuer, proof};
use super::proof::Proof;
use super::reason::Reason;
use super::*;
use crate::domain::Text;
use crate::domain::event::TargetRef;
use crate::domain::identity::{Caller, Group};
use crate::domain::session::SessionId;
use crate::domain::target::Login;
use crate::drain::Drain;
use crate::ledger::entry::{Entry, decode};
use crate::policy::{Catalogue, Policy, STARTER};
use crate::signer::new_key;
use crate::store::memory::Memory;

mod admission;
mod exchange;
pub(crate) mod fixture;
mod here;

/// An identity room over real rooms in memory, and an issuer on loopback.
pub(crate) struct House {
    pub(crate) identities: Identities,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) memory: Memory,
    pub(crate) server: Issuer,
    pub(crate) pair: Pair,
    pub(crate) settings: IssuerSettings,
    /// The user authority's own key, for certificates that the signer would never make.
    pub(crate) user_ca: PrivateKey,
    policy: watch::Receiver<Arc<Policy>>,
    _stop: tokio::sync::oneshot::Sender<bool>,
    _drain: Drain,
}

fn policy() -> watch::Receiver<Arc<Policy>> {
    let catalogue = Catalogue {
        groups: Catalogue::BUILT_IN_GROUPS.map(str::to_owned).into(),
        environments: ["production".to_owned()].into(),
        issuers: ["corp".to_owned()].into(),
        ..Catalogue::default()
    };
    let files: Vec<_> = STARTER.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    watch::Sender::new(Arc::new(Policy::load(&files, &catalogue).unwrap())).subscribe()
}

impl House {
    pub(crate) async fn new(profile: &str) -> Self {
        Self::with(profile, |_| ()).await
    }

    pub(crate) async fn with(profile: &str, change: impl FnOnce(&mut IssuerSettings)) -> Self {
        let drain = Drain::new();
        let (server, url) = Issuer::start(&drain).await;
        let pair = Pair::es256();
        server.publish(vec![pair.jwk("k1")]);
        let mut settings = issuer(profile, &url);
        settings.internal = true;
        change(&mut settings);
        let clock = Clock::manual(NOW);
        let memory = Memory::new();
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::create(&dir.path().join("keys")).unwrap();
        let user_ca = std::fs::read(dir.path().join("keys/user_ca")).unwrap();
        let user_ca = PrivateKey::from_openssh(user_ca).unwrap();
        let about = ledger::Settings::of_tests("bastion.example.com/log");
        let opened = Ledger::open(about, memory.files(), memory.blobs(), signer.clone(), clock.clone());
        let (ledger, sequencer) = opened.await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        drain.spawn(sequencer.run(stopped));
        let policy = policy();
        let identities = Identities::open(
            room(&settings),
            ledger.clone(),
            memory.registers(),
            signer,
            clock.clone(),
            policy.clone(),
        );
        let identities = identities.await.unwrap();
        Self { identities, clock, ledger, memory, server, pair, settings, user_ca, policy, _stop: stop, _drain: drain }
    }

    /// Opens the room again, over these registers.
    pub(crate) async fn restarted(&self, registers: Registers) -> Result<Identities, Error> {
        let signer = self.identities.signer().clone();
        let (ledger, clock, policy) = (self.ledger.clone(), self.clock.clone(), self.policy.clone());
        Identities::open(room(&self.settings), ledger, registers, signer, clock, policy).await
    }

    pub(crate) fn claims(&self, key: &PrivateKey) -> Map<String, Value> {
        claims(&self.settings, key, self.clock.now())
    }

    pub(crate) fn token(&self, claims: Map<String, Value>) -> String {
        self.pair.token(&json!({"alg": self.pair.alg(), "kid": "k1"}), &Value::Object(claims))
    }

    pub(crate) fn exchange(&self, key: &PrivateKey, token: &str) -> Exchange {
        Exchange {
            token: Zeroizing::new(token.to_owned()),
            public_key: key.public_key().clone(),
            proof: proof(key, token, self.clock.now()),
            nonce_random: Some(RANDOM),
            flow: None,
            source: SocketAddr::from(([203, 0, 113, 7], 51122)),
        }
    }

    /// A fresh token for `key`, traded.
    pub(crate) async fn login(&self, key: &PrivateKey) -> Issued {
        let token = self.token(self.claims(key));
        self.identities.login(&self.exchange(key, &token)).await.unwrap()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let bytes = self.ledger.entries(0, 1000).await.unwrap();
        bytes.iter().map(|bytes| decode(bytes).unwrap()).collect()
    }

    pub(crate) async fn kinds(&self) -> Vec<String> {
        let entries = self.entries().await;
        let ours = entries.iter().filter(|entry| !entry.kind().starts_with("log."));
        ours.map(|entry| format!("{} {}", entry.kind(), entry.outcome().as_str())).collect()
    }
}

/// Where browsers reach it.
const PAGE: &str = "https://bastion.example.com";

fn room(settings: &IssuerSettings) -> Settings {
    let groups = |issuer: &IssuerName, _: &str, asserted: &[String]| {
        asserted.iter().map(|name| Group::asserted(issuer, name)).collect()
    };
    let mut room = Settings::new(BASTION, vec![settings.clone()], Grouping::new(groups));
    room.page = Some(PAGE.into());
    room
}

pub(crate) fn source() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 7], 51122))
}

pub(crate) fn key() -> PrivateKey {
    new_key("").unwrap()
}
