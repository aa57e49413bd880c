//! HTTP as this room does it: HTTPS unless on loopback, no redirects, bounded in time and size.

use std::time::Duration;

use reqwest::redirect::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{Error, Secret};

pub(super) struct Web {
    roots: Vec<reqwest::Certificate>,
}

/// An answer, whatever its status.
pub(super) struct Reply {
    pub(super) status: u16,
    host: String,
    body: Zeroizing<Vec<u8>>,
}

impl Web {
    pub(super) fn new(roots: &[Vec<u8>]) -> Result<Self, Error> {
        // Whoever installed one before us chose the same: there is one crypto stack.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let bundles: Result<Vec<_>, _> = roots.iter().map(|pem| reqwest::Certificate::from_pem_bundle(pem)).collect();
        Ok(Self { roots: bundles.map_err(|_| Error::Tls)?.into_iter().flatten().collect() })
    }

    pub(super) async fn get(&self, url: &Url, bearer: Option<&Secret>) -> Result<Reply, Error> {
        let mut request = self.client(url)?.get(url.clone());
        if let Some(secret) = bearer {
            request = request.bearer_auth(secret.expose());
        }
        read(url, request).await
    }

    pub(super) async fn post(&self, url: &Url, form: &(impl Serialize + Sync)) -> Result<Reply, Error> {
        read(url, self.client(url)?.post(url.clone()).form(form)).await
    }

    fn client(&self, url: &Url) -> Result<reqwest::Client, Error> {
        let builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIME)
            .timeout(REQUEST_TIME)
            .user_agent(concat!("sallyport/", env!("CARGO_PKG_VERSION")));
        let builder = match url.scheme() {
            "https" => builder.tls_certs_merge(self.roots.clone()),
            // No proxy and no authorities: a machine without any must still reach itself.
            "http" if on_loopback(url) => builder.no_proxy().tls_certs_only([]),
            _ => return Err(Error::Insecure { url: shown(url) }),
        };
        builder.build().map_err(|_| Error::Tls)
    }
}

async fn read(url: &Url, request: reqwest::RequestBuilder) -> Result<Reply, Error> {
    let unreachable = |source: reqwest::Error| Error::Unreachable { host: host(url), source: source.without_url() };
    let mut response = request.header("accept", "application/json").send().await.map_err(unreachable)?;
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Error::TooLong { host: host(url), limit: MAX_BODY });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status: response.status().as_u16(), host: host(url), body })
}

impl Reply {
    /// The body of an answer of any status.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|_| match self.status {
            200 => Error::Unreadable { what },
            status => Error::Status { host: self.host.clone(), status },
        })
    }

    /// The body of a good answer.
    pub(super) fn text(&self, what: &'static str) -> Result<String, Error> {
        if self.status != 200 {
            return Err(Error::Status { host: self.host.clone(), status: self.status });
        }
        String::from_utf8(self.body.to_vec()).map_err(|_| Error::Unreadable { what })
    }
}

/// By address only: a name could be anything.
pub(super) fn on_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // A URL without a host cannot hold a password either.
    let _ = url.set_password(None);
    url.to_string()
}

const CONNECT_TIME: Duration = Duration::from_secs(10);
const REQUEST_TIME: Duration = Duration::from_secs(30);
const MAX_BODY: usize = 256 << 10;
