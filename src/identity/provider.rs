//! Issuers' keys: discovery, fetching, and a cache that neither strangers nor outages can wear out.
//!
//! An unknown `kid` costs the issuer one fetch in 30 s, whoever asks and however often. While the issuer is
//! down the cached keys go on for a while, then nobody signs in. Fetches follow no redirect, read at
//! most 256 KiB, and reach no address of our own networks unless the issuer is marked `internal`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls_platform_verifier::Verifier;
use thiserror::Error;
use tokio::sync::Mutex as Flight;
use url::{Host, Url};

use super::profile::{Algorithm, IssuerSettings};
use super::token::{KeySet, object};
use crate::clock::Clock;
use crate::domain::Timestamp;

pub mod inspect;
pub(super) mod relying;

/// How long fetched keys are used without asking again.
pub const FRESH: Duration = Duration::from_secs(3600);
/// An issuer is asked at most once in this long.
pub const PAUSE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LIMIT_BYTES: usize = 256 * 1024;

/// One issuer's keys.
pub struct Provider {
    settings: IssuerSettings,
    client: reqwest::Client,
    /// How long cached keys are used while the issuer cannot be reached.
    stale: Duration,
    clock: Clock,
    cache: Mutex<Cache>,
    /// Held by whoever fetches; the others wait and then find what was fetched.
    flight: Flight<()>,
}

#[derive(Default)]
struct Cache {
    keys: Option<(Arc<KeySet>, Duration)>,
    tried: Option<Duration>,
    endpoints: Option<(Arc<relying::Endpoints>, Duration)>,
}

impl Provider {
    /// Nothing is fetched yet.
    pub fn new(settings: IssuerSettings, stale: Duration, clock: Clock) -> Result<Self, FetchError> {
        let client = client(settings.internal)?;
        Ok(Self { settings, client, stale, clock, cache: Mutex::default(), flight: Flight::new(()) })
    }

    /// The issuer's settings.
    pub fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// Keys in which a token with this header may find its own. They need not hold it: that is judged
    /// when the token is.
    pub async fn keys(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Arc<KeySet>, FetchError> {
        if let Some(keys) = self.fresh(kid, algorithm) {
            return Ok(keys);
        }
        let _flight = self.flight.lock().await;
        if let Some(keys) = self.fresh(kid, algorithm) {
            return Ok(keys);
        }
        let now = self.clock.elapsed();
        let mut failed = FetchError::Paused;
        if self.may_ask(now) {
            match self.fetch().await {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    self.cache().keys = Some((Arc::clone(&keys), now));
                    return Ok(keys);
                }
                Err(error) => {
                    tracing::warn!(issuer = %self.settings.name, error = &error as &dyn std::error::Error,
                        "the issuer's keys cannot be fetched");
                    failed = error;
                }
            }
        }
        match &self.cache().keys {
            Some((keys, at)) if now.saturating_sub(*at) < self.stale => Ok(Arc::clone(keys)),
            Some(_) | None => Err(failed),
        }
    }

    fn fresh(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<KeySet>> {
        let cache = self.cache();
        let (keys, at) = cache.keys.as_ref()?;
        let young = self.clock.elapsed().saturating_sub(*at) < FRESH.min(self.stale);
        (young && keys.find(kid, algorithm).is_ok()).then(|| Arc::clone(keys))
    }

    /// Counts the try: an issuer that is down is asked no more often than one that is up.
    fn may_ask(&self, now: Duration) -> bool {
        let mut cache = self.cache();
        let may = cache.tried.is_none_or(|at| now.saturating_sub(at) >= PAUSE);
        if may {
            cache.tried = Some(now);
        }
        may
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let discovery = self.read(&self.discovery()).await?;
        let discovery = object(&discovery).map_err(|_| FetchError::Document("the discovery document"))?;
        let text = |name: &str| discovery.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        // §4.3: exactly the address that was asked, or another issuer could stand in.
        if text("issuer") != self.settings.url {
            return Err(FetchError::Issuer { got: text("issuer").chars().take(200).collect() });
        }
        let keys = self.read(text("jwks_uri")).await?;
        KeySet::parse(&keys).filter(|keys| !keys.is_empty()).ok_or(FetchError::Document("the key set"))
    }

    fn discovery(&self) -> String {
        // OpenID Connect Discovery §4.1: one slash at the end goes before the path is added.
        let base = self.settings.url.strip_suffix('/').unwrap_or(&self.settings.url);
        format!("{base}/.well-known/openid-configuration")
    }

    async fn read(&self, address: &str) -> Result<Vec<u8>, FetchError> {
        self.read_dated(address).await.map(|(body, _)| body)
    }

    /// With what the server's clock says.
    async fn read_dated(&self, address: &str) -> Result<(Vec<u8>, Option<Timestamp>), FetchError> {
        let url = Url::parse(address).map_err(|_| FetchError::Document("an address"))?;
        check_address(&url, self.settings.internal)?;
        let request = self.client.get(url).header("accept", "application/json");
        let mut response = request.send().await.map_err(FetchError::Request)?;
        if response.status().as_u16() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let date = response.headers().get("date").and_then(|date| date.to_str().ok()).and_then(inspect::date);
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(FetchError::Request)? {
            if body.len() + part.len() > LIMIT_BYTES {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok((body, date))
    }
}

/// Connections to public addresses by https only, unless `internal`; never redirected, never through a proxy, 10 s each.
pub fn client(internal: bool) -> Result<reqwest::Client, FetchError> {
    // Named here, so that nothing depends on which crypto some library installed for the whole process.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(FetchError::Tls)?;
    let tls = match Verifier::new(provider) {
        Ok(verifier) => tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth(),
        // A machine without trust anchors can still reach an internal issuer over plain HTTP.
        Err(_) if internal => tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        Err(error) => return Err(FetchError::Tls(error)),
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .https_only(!internal)
        .no_proxy()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(Resolver { internal }))
        .user_agent(concat!("sallyport/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(FetchError::Request)
}

/// An address written as numbers never reaches the resolver, so it is judged here.
fn check_address(url: &Url, internal: bool) -> Result<(), FetchError> {
    let scheme = url.scheme() == "https" || (internal && url.scheme() == "http");
    let host = match url.host() {
        Some(Host::Domain(_)) => true,
        Some(Host::Ipv4(ip)) => internal || is_public(ip.into()),
        Some(Host::Ipv6(ip)) => internal || is_public(ip.into()),
        None => false,
    };
    if scheme && host { Ok(()) } else { Err(FetchError::Address) }
}

struct Resolver {
    internal: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let internal = self.internal;
        Box::pin(async move {
            let answers: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One inner address among outer ones is somebody trying.
            if !internal && answers.iter().any(|answer| !is_public(answer.ip())) {
                return Err(FetchError::Address.into());
            }
            Ok(Box::new(answers.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the internet at large (IANA special-purpose registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol = a == 192 && b == 0 && c == 0;
    let benchmark = a == 198 && (18..20).contains(&b);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || shared
        || protocol
        || benchmark
        || a == 0
        || a >= 224)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, _, _, _, g, h] = ip.segments();
    let inner = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    match (a, b) {
        // NAT64 and 6to4 carry an IPv4 address that is where the packets go.
        (0x64, 0xff9b) => is_public_v4(inner(g, h)),
        (0x2002, high) => is_public_v4(inner(high, c)),
        (0x2001, 0xdb8) => false,
        // 2000::/3 is all that is given out.
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests;

/// Why an issuer's keys cannot be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// It was asked less than 30 s ago, and that gave nothing.
    #[error("the issuer was asked a moment ago")]
    Paused,
    /// The address is not https, or lies in a network of our own.
    #[error("the address is not https or not public: mark the issuer `internal` if that is meant")]
    Address,
    /// No answer, or a broken one.
    #[error("no answer from the issuer")]
    Request(#[source] reqwest::Error),
    /// An answer that is not 200. Redirects are not followed.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// The issuer said no, in one word of its protocol.
    #[error("the issuer refused: {0}")]
    Refused(String),
    /// Over 256 KiB.
    #[error("the answer is longer than 256 KiB")]
    TooLong,
    /// Not the document that was asked for.
    #[error("{0} cannot be read")]
    Document(&'static str),
    /// The discovery document is another issuer's.
    #[error("the discovery document is that of {got:?}")]
    Issuer {
        /// What it says.
        got: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}
