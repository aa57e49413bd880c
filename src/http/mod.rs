//! HTTPS: what must work before somebody has a certificate.
//!
//! Routes, TLS and limits. Decides nothing; tells strangers what a room discloses and no more. Plain HTTP is
//! served on loopback, or to proxies that were named; to nobody else.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

mod certificates;
pub mod exposition;
mod log;
pub mod ops;
mod problem;
#[cfg(test)]
pub(crate) mod self_signed;
mod sign_in;
#[cfg(test)]
mod tests;
pub mod witness;

use crate::drain::Drain;
use crate::identity::Identities;
use crate::identity::pending::RETURN_PATH;
use crate::ledger::Ledger;
use crate::wire;
use problem::Problem;

/// What this room needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it is protected on its way.
    pub transport: Transport,
    /// The `ssh` line that a reply names.
    pub ssh_example: String,
    /// The log, if its checkpoint and hashes are for everybody.
    pub log: Option<Ledger>,
}

/// How HTTP is protected on its way.
#[derive(Clone, Debug)]
pub enum Transport {
    /// TLS by ourselves; what is sent here counts for new connections.
    Tls(watch::Receiver<Arc<rustls::ServerConfig>>),
    /// TLS by a proxy at one of these addresses; nobody else is answered.
    BehindProxy(Vec<IpAddr>),
    /// None: the listener is on loopback.
    Loopback,
}

/// Reads a TLS certificate chain and its key, both PEM.
pub fn tls(chain: &[u8], key: &[u8]) -> Result<Arc<rustls::ServerConfig>, Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| Error::Chain)?;
    if chain.is_empty() {
        return Err(Error::Chain);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::Key)?;
    // Named here, so that nothing depends on which crypto some library installed for the whole process.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(Error::Tls)?;
    Ok(Arc::new(config))
}

/// The rooms behind the routes.
struct Rooms {
    identities: Identities,
    drain: Drain,
    ssh_example: String,
    log: Option<Ledger>,
    /// Whether browsers reach us by HTTPS.
    https: bool,
}

/// Who asks: the connection's other end, or whom a trusted proxy names.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

/// Connections at a time.
const CONNECTIONS: usize = 50;
/// Of one source network at a time: nobody takes all places.
const CONNECTIONS_EACH: usize = 10;
/// For a handshake, a request's head, or its body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole connection: a request each way, and an issuer asked twice in between.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(45);
/// After an accept that failed, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until the drain stops. Connections that were accepted go on as tasks of the drain.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    identities: Identities,
    drain: Drain,
) -> Result<(), Error> {
    let local = listener.local_addr().map_err(Error::Listener)?;
    if matches!(settings.transport, Transport::Loopback) && !local.ip().is_loopback() {
        return Err(Error::NotLoopback { local });
    }
    let https = !matches!(settings.transport, Transport::Loopback);
    let (ssh_example, log) = (settings.ssh_example.clone(), settings.log.clone());
    let rooms = Rooms { identities, drain: drain.clone(), ssh_example, log, https };
    let rooms = Arc::new(rooms);
    let router = router(rooms);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let networks = Networks::default();
    loop {
        // A place first: what cannot be served waits in the kernel's queue, not in ours.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.map_err(|_| Error::Stopped)?,
            () = drain.stopping().cancelled() => return Ok(()),
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.stopping().cancelled() => return Ok(()),
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let proxies = match &settings.transport {
            Transport::BehindProxy(proxies) => Some(Arc::<[IpAddr]>::from(proxies.as_slice())),
            Transport::Tls(_) | Transport::Loopback => None,
        };
        if proxies.as_ref().is_some_and(|proxies| !proxies.contains(&peer.ip())) {
            tracing::debug!(%peer, "not a proxy of ours");
            continue;
        }
        // Everybody comes from the proxy's address, and on loopback from one.
        let networked = matches!(settings.transport, Transport::Tls(_)).then(|| networks.enter(peer.ip()));
        if matches!(networked, Some(None)) {
            tracing::debug!(%peer, "too many connections of one network");
            continue;
        }
        let service = router.clone().layer(middleware::from_fn(move |request: Request, next: Next| {
            named(peer, proxies.clone(), request, next)
        }));
        let tls = match &settings.transport {
            Transport::Tls(config) => Some(TlsAcceptor::from(Arc::clone(&config.borrow()))),
            Transport::BehindProxy(_) | Transport::Loopback => None,
        };
        let cutting = drain.cutting().clone();
        drain.spawn(async move {
            let _held: (OwnedSemaphorePermit, _) = (place, networked);
            let connection = async {
                match tls {
                    None => connection(stream, service).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = timeout(READ_TIMEOUT, tls.accept(stream)).await {
                            connection(stream, service).await;
                        }
                    }
                }
            };
            let _ = cutting.run_until_cancelled(timeout(CONNECTION_TIMEOUT, connection)).await;
        });
    }
}

fn router(rooms: Arc<Rooms>) -> Router {
    Router::new()
        .route(wire::CERTIFICATES_PATH, post(certificates::issue))
        .route(wire::CA_PATH, get(certificates::authorities))
        .route(&format!("{}/{{authority}}", wire::CA_PATH), get(certificates::authority))
        .route(wire::SIGN_IN_PATH, get(certificates::sign_in))
        .route(RETURN_PATH, get(sign_in::back))
        .route("/sign-in/{id}", get(sign_in::show).post(sign_in::leave))
        .route("/log/{*path}", get(log::file))
        .fallback(async || nothing())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address takes another method")
        })
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(whole))
        .layer(middleware::map_response(closed))
        .with_state(rooms)
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(wire::REQUEST_LIMIT_BYTES)
        // One request a connection: a place is free again at once.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = served.await {
        tracing::debug!(error = &error as &dyn std::error::Error, "connection");
    }
}

/// Reads the whole body, bounded in bytes and time, before any room sees the request.
async fn whole(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let too_long =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "a request has 16 KiB at most").into_response();
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > wire::REQUEST_LIMIT_BYTES) {
        return too_long();
    }
    let read: Result<Result<Bytes, _>, _> =
        timeout(READ_TIMEOUT, axum::body::to_bytes(body, wire::REQUEST_LIMIT_BYTES)).await;
    match read {
        Ok(Ok(bytes)) => next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(_)) => too_long(),
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time").into_response(),
    }
}

/// Nothing here is for a cache or a guess.
async fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Says who asks: a header counts only from a proxy of ours.
async fn named(peer: SocketAddr, proxies: Option<Arc<[IpAddr]>>, mut request: Request, next: Next) -> Response {
    let source = match proxies {
        None => peer,
        Some(proxies) => forwarded(request.headers(), &proxies).map_or(peer, |ip| SocketAddr::new(ip, 0)),
    };
    request.extensions_mut().insert(Peer(source));
    next.run(request).await
}

/// The last address in `X-Forwarded-For` that is no proxy of ours: those before it are what a stranger wrote.
fn forwarded(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let mut hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    while let Some(hop) = hops.pop() {
        let ip: IpAddr = hop.parse().ok()?;
        let ip = ip.to_canonical();
        if !proxies.contains(&ip) {
            return Some(ip);
        }
    }
    None
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this address")
}

/// Connections by source network: IPv4 /24, IPv6 /64.
#[derive(Clone, Default)]
struct Networks(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One place of a network; given back when dropped.
struct Entered(Networks, IpAddr);

impl Networks {
    fn enter(&self, ip: IpAddr) -> Option<Entered> {
        let network = match ip {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & 0xffff_ff00).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        };
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = networks.entry(network).or_default();
        if *count >= CONNECTIONS_EACH {
            return None;
        }
        *count += 1;
        Some(Entered(self.clone(), network))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut networks = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = networks.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&self.1);
            }
        }
    }
}

/// Why HTTP is not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener is gone.
    #[error("the HTTP listener")]
    Listener(#[source] std::io::Error),
    /// Plain HTTP where others could read it.
    #[error("plain HTTP on {local}: give [http] a TLS certificate, or behind_proxy, or listen on loopback")]
    NotLoopback {
        /// Where it listens.
        local: SocketAddr,
    },
    /// The chain cannot be read.
    #[error("the TLS certificate file holds no certificate")]
    Chain,
    /// The key cannot be read.
    #[error("the TLS key file holds no private key")]
    Key,
    /// Chain and key do not fit, or cannot be used.
    #[error("the TLS certificate cannot be used")]
    Tls(#[source] rustls::Error),
    /// It was stopped from inside.
    #[error("HTTP was stopped")]
    Stopped,
}
