//! A development OIDC issuer for the demonstration and the tests: three people and a pipeline.
//!
//! Plain HTTP on loopback, keys and secrets of one run. It asks nobody for a password: whoever
//! reaches it may be anyone it knows. It is not meant to guard anything real.
//!
//! Two issuers live on one port: `/corp` signs people in (code with PKCE, device flow, refresh),
//! `/actions` answers a pipeline's job as GitHub does. Tests mint any token, also bad ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::drain::Drain;

mod device;
mod page;
mod people;
mod pipeline;
mod sign_in;
#[cfg(test)]
mod tests;
mod token;

pub use people::Person;
pub use token::{Algorithm, Realm};

use token::{Keys, random_text};

/// What one issuer needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The one OAuth client of `/corp`: public, without a secret.
    pub client_id: String,
    /// How long a device waits between two questions.
    pub device_interval: Duration,
    /// Dates tokens.
    pub clock: Clock,
}

/// A running issuer.
#[derive(Clone)]
pub struct DemoIssuer {
    shared: Arc<Shared>,
}

impl DemoIssuer {
    /// Listens on a free port of loopback until `drain` stops.
    pub async fn start(settings: Settings, drain: &Drain) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let shared = Arc::new(Shared {
            settings,
            address,
            corp: Mutex::new(Keys::new(Algorithm::Es256)?),
            // As GitHub does it.
            actions: Mutex::new(Keys::new(Algorithm::Rs256)?),
            job_secret: random_text()?,
            waiting: Mutex::default(),
            key_requests: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        });
        let router = router(Arc::clone(&shared));
        let stopping = drain.stopping().clone();
        drain.spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
            if let Err(error) = served.await {
                tracing::warn!(%error, "the demo issuer ended");
            }
        });
        Ok(Self { shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The `iss` of one of its two realms; discovery starts there.
    pub fn url(&self, realm: Realm) -> String {
        self.shared.url(realm)
    }

    /// The one OAuth client of `/corp`.
    pub fn client_id(&self) -> &str {
        &self.shared.settings.client_id
    }

    /// What a job finds in `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub fn job_request_url(&self) -> String {
        format!("{}/token?api-version=2.0", self.url(Realm::Actions))
    }

    /// What a job finds in `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub fn job_request_token(&self) -> &str {
        &self.shared.job_secret
    }

    /// Signs any claims, as they are.
    pub fn mint(&self, realm: Realm, claims: &Map<String, Value>) -> Result<String, Error> {
        self.shared.keys(realm).sign(&Map::new(), claims)
    }

    /// Signs any claims under a header with some members replaced (`alg`, `kid`, `typ`, …). The
    /// signature is always by the realm's own key.
    pub fn mint_with(
        &self,
        realm: Realm,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, Error> {
        self.shared.keys(realm).sign(header, claims)
    }

    /// The claims of a person who signs in now, to be changed and minted.
    pub fn person_claims(&self, person: Person, nonce: Option<&str>) -> Map<String, Value> {
        people::claims(&self.shared, person, self.client_id(), nonce, self.shared.settings.clock.now())
    }

    /// The claims of a pipeline's job, shaped like those of GitHub, to be changed and minted.
    pub fn job_claims(&self, audience: &str) -> Map<String, Value> {
        pipeline::claims(&self.shared, audience)
    }

    /// Lets `person` answer a device's code, as on the page `/corp/device`. Whether it was waiting.
    pub fn answer_device(&self, user_code: &str, person: Option<Person>) -> bool {
        device::answer(&self.shared, user_code, person)
    }

    /// Makes a new key. With `keep` the old one stays in the published set.
    pub fn rotate(&self, realm: Realm, keep: bool) -> Result<(), Error> {
        self.shared.keys(realm).rotate(keep)
    }

    /// How often the published keys were asked for.
    pub fn key_requests(&self) -> usize {
        self.shared.key_requests.load(Ordering::SeqCst)
    }

    /// Answers everything with 503 until it is called with `false`.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }
}

/// Why an issuer did not start, or did not sign.
#[derive(Debug, Error)]
pub enum Error {
    /// No port of loopback could be had.
    #[error("listen on loopback")]
    Listen(#[source] std::io::Error),
    /// A key could not be made or used.
    #[error("make or use a signing key")]
    Key,
}

struct Shared {
    settings: Settings,
    address: SocketAddr,
    corp: Mutex<Keys>,
    actions: Mutex<Keys>,
    job_secret: String,
    waiting: Mutex<sign_in::Waiting>,
    key_requests: AtomicUsize,
    down: AtomicBool,
}

impl Shared {
    fn url(&self, realm: Realm) -> String {
        format!("http://{}/{}", self.address, realm.path())
    }

    fn keys(&self, realm: Realm) -> MutexGuard<'_, Keys> {
        locked(match realm {
            Realm::Corp => &self.corp,
            Realm::Actions => &self.actions,
        })
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let corp = Router::new()
        .route("/.well-known/openid-configuration", get(sign_in::discovery))
        .route("/jwks", get(sign_in::jwks))
        .route("/authorize", get(sign_in::ask).post(sign_in::answer))
        .route("/token", post(sign_in::token))
        .route("/device_authorization", post(device::begin))
        .route("/device", get(device::ask).post(device::submit));
    let actions = Router::new()
        .route("/.well-known/openid-configuration", get(pipeline::discovery))
        .route("/jwks", get(pipeline::jwks))
        .route("/token", get(pipeline::token));
    let outage = axum::middleware::from_fn_with_state(Arc::clone(&shared), sign_in::unless_down);
    Router::new().nest("/corp", corp).nest("/actions", actions).layer(outage).with_state(shared)
}

/// A panic elsewhere must not silence a test's issuer.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
