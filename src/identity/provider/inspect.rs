//! Whether an issuer answers and has all that a sign-in needs, for `check`: asked once, every fault in one go.

use std::time::Duration;

use super::{FetchError, Provider};
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::identity::Kind;
use crate::identity::profile::IssuerSettings;
use crate::identity::token::{KeySet, object};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What the issuer's clock says, and ours at that moment.
    pub time: Option<(Timestamp, Timestamp)>,
    /// What stands against signing in there.
    pub faults: Vec<IssuerFault>,
}

/// One fault, with the key of the `[[issuer]]` that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerFault {
    /// Which key.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Inspection {
    fn add(&mut self, key: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        self.faults.push(IssuerFault { key, what: what.into(), mend: mend.into() });
    }
}

/// Asks the issuer for its discovery document and its keys.
pub async fn inspect(settings: &IssuerSettings, clock: &Clock) -> Inspection {
    let mut found = Inspection::default();
    let provider = match Provider::new(settings.clone(), Duration::ZERO, clock.clone()) {
        Ok(provider) => provider,
        Err(error) => {
            found.add("url", reason(&error), "look at the trust anchors of this machine (ca-certificates)");
            return found;
        }
    };
    let (document, date) = match provider.read_dated(&provider.discovery()).await {
        Ok(read) => read,
        Err(error) => {
            let mend = match &error {
                FetchError::Address => "name a public https address, or say internal = true if it is one of your own",
                FetchError::Status(_) => "write the address exactly as tokens have it in `iss`",
                _ => "look at the way to it from this machine: name resolution, firewall, proxy, trust anchors",
            };
            found.add("url", format!("{}: {}", provider.discovery(), reason(&error)), mend);
            return found;
        }
    };
    found.time = date.map(|date| (date, clock.now()));
    let Ok(document) = object(&document) else {
        found.add("url", "its discovery document is no JSON object", "write the issuer's address, not a page of it");
        return found;
    };
    let text = |name: &str| document.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let list = |name: &str| -> Option<Vec<&str>> {
        Some(document.get(name)?.as_array()?.iter().filter_map(|value| value.as_str()).collect())
    };
    if text("issuer") != settings.url {
        let other: String = text("issuer").chars().take(200).collect();
        found.add(
            "url",
            format!("its discovery document is that of {other:?}"),
            "write exactly that, if it is the one",
        );
    }
    let person = settings.profile.kind == Kind::Person;
    let mut endpoints = Vec::new();
    if person {
        endpoints.extend([("authorization_endpoint", "url"), ("token_endpoint", "url")]);
    }
    if settings.device {
        endpoints.push(("device_authorization_endpoint", "device"));
    }
    for (name, key) in endpoints {
        if text(name).is_empty() {
            let mend = match key {
                "device" => "remove device = true, or switch the device flow on at the issuer",
                _ => "use another issuer for people: nobody can sign in at this one",
            };
            found.add(key, format!("its discovery document has no {name}"), mend);
        }
    }
    let wanted: Vec<&str> = settings.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    if let Some(signs) = list("id_token_signing_alg_values_supported")
        && !signs.iter().any(|algorithm| wanted.contains(algorithm))
    {
        let mend = format!("have it sign with one of {}", wanted.join(", "));
        found.add("algorithms", format!("it signs with {} only", signs.join(", ")), mend);
    }
    if person
        && let Some(methods) = list("code_challenge_methods_supported")
        && !methods.contains(&"S256")
    {
        found.add("url", "it does not take PKCE with S256", "switch PKCE on for the client there");
    }
    match text("jwks_uri") {
        "" => found.add(
            "url",
            "its discovery document has no jwks_uri",
            "look at the issuer: its tokens cannot be checked",
        ),
        address => keys(&provider, address, &mut found).await,
    }
    found
}

async fn keys(provider: &Provider, address: &str, found: &mut Inspection) {
    let mend = "look at the issuer: its tokens cannot be checked without its keys";
    match provider.read_dated(address).await {
        Ok((keys, _)) => match KeySet::parse(&keys) {
            Some(keys) if keys.is_empty() => found.add(
                "url",
                format!("{address} has no key that may be used"),
                "publish a signing key: RSA of 2048 bits or more, P-256, or Ed25519",
            ),
            Some(keys) => {
                let wanted = &provider.settings().algorithms;
                if !wanted.iter().any(|algorithm| keys.has(*algorithm)) {
                    let names: Vec<&str> = wanted.iter().map(|algorithm| algorithm.as_str()).collect();
                    let what = format!("{address} has no key for {}", names.join(" or "));
                    found.add("algorithms", what, "name the algorithm that the issuer signs with");
                }
            }
            None => found.add("url", format!("{address} is no key set"), mend),
        },
        Err(error) => found.add("url", format!("{address}: {}", reason(&error)), mend),
    }
}

/// An error with its causes, each once.
fn reason(error: &FetchError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = inner.source();
    }
    said
}

/// The `Date` of an answer (RFC 9110 section 6.6.1), as every server writes it today.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from_secs(date.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_servers_write_it() {
        assert_eq!(date("Tue, 15 Nov 1994 08:12:31 GMT"), Some(Timestamp::from_secs(784_887_151)));
        assert_eq!(date("yesterday"), None);
    }
}
