//! Who somebody is: what an issuer said, and how it was shown to the bastion.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{RecordId, Timestamp};

/// The short name that the config gives an issuer.
///
/// Invariant: 1 to 32 bytes of `a-z 0-9 -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerName(String);

impl IssuerName {
    /// Checks the invariant.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        ((1..=32).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A group, by the name that policy uses: a `[[group]]` of the config, or `issuer/group` for one
/// that an issuer asserts. One issuer cannot assert another's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(String);

impl Group {
    /// A group of the config.
    pub fn configured(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A group that `issuer` asserts.
    pub fn asserted(issuer: &IssuerName, name: &str) -> Self {
        Self(format!("{issuer}/{name}"))
    }

    /// The name as policy writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Says which groups an identity is in, by the config of the moment. Cheap to clone.
#[derive(Clone)]
pub struct Grouping {
    rule: Arc<Rule>,
    humans: Arc<Humans>,
}

type Rule = dyn Fn(&IssuerName, &str, &[String]) -> Vec<Group> + Send + Sync;
type Humans = dyn Fn(&Identity, &Identity) -> bool + Send + Sync;

impl Grouping {
    /// By this rule: from the issuer's name, the subject, and what the issuer asserts.
    pub fn new(rule: impl Fn(&IssuerName, &str, &[String]) -> Vec<Group> + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(rule), humans: Arc::new(|_, _| false) }
    }

    /// With what says whether two identities are one human.
    pub fn with_humans(mut self, humans: impl Fn(&Identity, &Identity) -> bool + Send + Sync + 'static) -> Self {
        self.humans = Arc::new(humans);
        self
    }

    /// Whether one human is behind both, by whatever names.
    pub fn same_human(&self, one: &Identity, other: &Identity) -> bool {
        one.principal() == other.principal() || (self.humans)(one, other)
    }

    /// Whether it is known which human is behind it: of a pipeline, who started it.
    pub fn knows_human(&self, one: &Identity) -> bool {
        one.kind == Kind::Person || (self.humans)(one, one)
    }

    /// The groups, sorted.
    pub fn of(&self, issuer: &IssuerName, subject: &str, asserted: &[String]) -> Vec<Group> {
        (self.rule)(issuer, subject, asserted)
    }
}

impl fmt::Debug for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grouping")
    }
}

/// Whether a human or a program stands behind an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A human.
    Person,
    /// A job of a CI system.
    Pipeline,
}

/// How the sign-in reached us. Policy sees it in every decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Browser and SSH client at the same address, or our own tool on the user's machine.
    Local,
    /// Browser and SSH client at different addresses.
    Remote,
    /// The issuer's device flow.
    Device,
    /// A CI system's token.
    Ci,
}

impl Flow {
    /// The word in records and policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Device => "device",
            Self::Ci => "ci",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Local, Self::Remote, Self::Device, Self::Ci].into_iter().find(|flow| flow.as_str() == text)
    }
}

/// Who the issuer says it is. `(issuer, subject)` is the identity, byte for byte; all else is about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The config's name for the issuer.
    pub issuer: IssuerName,
    /// The issuer's address, its `iss`.
    pub issuer_url: String,
    /// The issuer's `sub` (or the claim its profile uses instead), 1 to 255 bytes.
    pub subject: String,
    /// Human or program.
    pub kind: Kind,
    /// For people's eyes only: e-mail, name, or `repository@ref` of a pipeline. Never compared.
    pub name: String,
    /// Groups of the config and of the issuer, sorted.
    pub groups: Vec<Group>,
    /// Claims that policy may use (for pipelines: repository_id, ref, environment, event, …), as text.
    pub claims: BTreeMap<String, String>,
}

impl Identity {
    /// The name in certificates, registers and policy: `issuer/base64url(subject)`.
    pub fn principal(&self) -> Principal {
        Principal::of(&self.issuer, &self.subject)
    }
}

/// An identity's name in certificates, registers and policy ids: `issuer/base64url(subject)`.
///
/// It holds no comma, newline or other byte that a certificate or a log could misread.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(String);

impl Principal {
    /// Of this issuer's subject.
    pub fn of(issuer: &IssuerName, subject: &str) -> Self {
        Self(format!("{issuer}/{}", BASE64_URL_SAFE_NO_PAD.encode(subject)))
    }

    /// Reads back the text of a principal.
    pub fn parse(text: &str) -> Option<Self> {
        let (issuer, subject) = text.split_once('/')?;
        IssuerName::parse(issuer)?;
        let subject = BASE64_URL_SAFE_NO_PAD.decode(subject).ok()?;
        (!subject.is_empty() && std::str::from_utf8(&subject).is_ok()).then(|| Self(text.to_owned()))
    }

    /// The issuer's name and the subject.
    pub fn parts(&self) -> Option<(String, String)> {
        let (issuer, subject) = self.0.split_once('/')?;
        let subject = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(subject).ok()?).ok()?;
        Some((issuer.to_owned(), subject))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One sign-in: when and how the issuer's word reached us. Everything derived from it ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The ledger record of it.
    pub record: RecordId,
    /// When we took it.
    pub at: Timestamp,
    /// When the person last proved themselves to the issuer. Absent means "oldest", never `at`.
    pub auth_time: Option<Timestamp>,
    /// When everything that follows from it ends.
    pub until: Timestamp,
    /// How it came.
    pub flow: Flow,
    /// Authentication methods, as the issuer names them.
    pub amr: Vec<String>,
}

/// What somebody proved on a connection, so that they are who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A certificate of ours.
    Certificate,
    /// A plain key that was proved at a sign-in before, until its end.
    RememberedKey,
    /// A sign-in on this very connection, for the plain key that it proved.
    SignIn,
    /// In jump mode, the same plain key as on the outer connection, proved once more.
    OuterKey,
}

impl Means {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::RememberedKey => "remembered key",
            Self::SignIn => "sign-in",
            Self::OuterKey => "key of the outer connection",
        }
    }
}

/// What somebody showed: a certificate, or a plain key that stands for one. Both have serial and key id, so that both are
/// revoked alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which of them.
    pub means: Means,
    /// Its serial.
    pub serial: u64,
    /// Its key id.
    pub key_id: String,
    /// When it ends.
    pub valid_before: Timestamp,
}

/// Somebody who proved who they are, on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// By which sign-in.
    pub sign_in: SignIn,
    /// With what.
    pub certificate: Shown,
    /// From where.
    pub source: SocketAddr,
    /// The client program's version line, at most 255 bytes, printable ASCII only.
    pub client: String,
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
