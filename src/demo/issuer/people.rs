//! The three people of the demonstration, and what the issuer says of them.

use serde_json::{Map, Value, json};

use super::token::Realm;
use super::{Shared, random_text};
use crate::domain::Timestamp;

/// Somebody whom the demo issuer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Keeps production running, approves.
    Alice,
    /// Writes code, needs production now and then.
    Bob,
    /// Looks at what the others did.
    Carol,
}

impl Person {
    /// Everybody, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Alice, Self::Bob, Self::Carol];

    /// The short name, as in addresses and forms.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        }
    }

    /// The `sub` claim: says nothing, stays the same.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Alice => "00u1a71ce",
            Self::Bob => "00u2b0b",
            Self::Carol => "00u3ca201",
        }
    }

    /// The `groups` claim.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Alice => &["engineering", "sre"],
            Self::Bob => &["developers", "engineering"],
            Self::Carol => &["auditors"],
        }
    }

    /// One line for the page.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Alice => "Alice Ahmed, site reliability",
            Self::Bob => "Bob Berg, developer",
            Self::Carol => "Carol Chen, auditor",
        }
    }

    /// By short name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|person| person.name() == name)
    }
}

/// What an ID token says. `auth_time` is when the person last chose to be this one.
pub(super) fn claims(
    shared: &Shared,
    person: Person,
    audience: &str,
    nonce: Option<&str>,
    auth_time: Timestamp,
) -> Map<String, Value> {
    let now = shared.settings.clock.now().secs();
    let claims = json!({
        "iss": shared.url(Realm::Corp),
        "sub": person.subject(),
        "aud": audience,
        "iat": now,
        "exp": now + LIFE_S,
        "auth_time": auth_time.secs(),
        "amr": ["mfa", "otp", "pwd"],
        "jti": random_text().unwrap_or_default(),
        "email": format!("{}@corp.example", person.name()),
        "email_verified": true,
        "name": person.about().split(',').next(),
        "preferred_username": person.name(),
        "groups": person.groups(),
    });
    let mut claims = match claims {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    if let Some(nonce) = nonce {
        claims.insert("nonce".to_owned(), nonce.into());
    }
    claims
}

const LIFE_S: i64 = 3600;
