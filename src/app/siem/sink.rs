//! Where records go, as the config says; and the connection to it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use url::Url;
use zeroize::Zeroizing;

use super::{Message, file, otlp, syslog};
use crate::domain::target::Address;

/// A system that gets every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Its name: what it has got is kept under it.
    pub name: String,
    /// How it gets them.
    pub way: Way,
    /// Whether it also gets what was in the log before it was named.
    pub history: bool,
}

/// How records get there.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// One event a line, synced.
    File(PathBuf),
    /// RFC 5424 over TLS, framed as RFC 5425 says.
    Syslog {
        /// Where to.
        address: Address,
        /// Whom to believe.
        tls: Tls,
        /// The end of the connection counts as its confirmation, also without TLS's own word for it.
        abrupt: bool,
    },
    /// OTLP logs over HTTP, as JSON.
    Otlp {
        /// Where to.
        url: Url,
        /// Whom to believe.
        tls: Tls,
        /// Said with each request.
        token: Option<Secret>,
    },
}

/// Its address may hold a token.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Syslog { .. } => "Syslog",
            Self::Otlp { .. } => "Otlp",
        })
    }
}

/// Whom to believe, and what to show: PEM.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Authorities; else those of the system.
    pub authorities: Option<Vec<u8>>,
    /// A chain and its private key.
    pub own: Option<(Vec<u8>, Secret)>,
}

/// What must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes it over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(in crate::app) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Tls {
    /// A client of one place, which follows nobody elsewhere; or what is wrong with the files.
    pub(in crate::app) fn http(&self, url: &Url, within: Duration) -> Result<reqwest::Client, String> {
        let tls = if url.scheme() == "http" {
            // Nothing is trusted, and nothing needs to be.
            Self::default().client().ok()
        } else {
            Some(self.client()?)
        };
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(within)
            .user_agent(concat!("sallyport/", env!("CARGO_PKG_VERSION")));
        let builder = match tls {
            Some(tls) => builder.tls_backend_preconfigured(tls),
            None => builder,
        };
        builder.build().map_err(|error| error.without_url().to_string())
    }

    /// What a connection needs; or what is wrong with the files.
    pub fn client(&self) -> Result<rustls::ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = match &self.authorities {
            None => {
                let verifier = Verifier::new(provider).map_err(|error| error.to_string())?;
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            Some(pem) => {
                let mut roots = rustls::RootCertStore::empty();
                for authority in CertificateDer::pem_slice_iter(pem) {
                    let authority = authority.map_err(|error| error.to_string())?;
                    roots.add(authority).map_err(|error| error.to_string())?;
                }
                if roots.is_empty() {
                    return Err("holds no certificate".to_owned());
                }
                config.with_root_certificates(roots)
            }
        };
        match &self.own {
            None => Ok(config.with_no_client_auth()),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
                let chain = chain.map_err(|error| error.to_string())?;
                let key = PrivateKeyDer::from_pem_slice(key.bytes()).map_err(|error| error.to_string())?;
                config.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
            }
        }
    }
}

/// A sink that is ready to be sent to.
pub(super) enum Open {
    File(file::File),
    Syslog(syslog::Syslog),
    Otlp(otlp::Otlp),
}

impl Open {
    pub(super) fn new(sink: &Sink) -> Result<Self, String> {
        Ok(match &sink.way {
            Way::File(path) => Self::File(file::File::new(path)),
            Way::Syslog { address, tls, abrupt } => Self::Syslog(syslog::Syslog::new(address, tls, *abrupt)?),
            Way::Otlp { url, tls, token } => Self::Otlp(otlp::Otlp::new(url, tls, token.as_ref())?),
        })
    }

    /// Once this is `Ok`, the receiver has them; but for so many that it will never take.
    pub(super) async fn send(&mut self, messages: &[Message]) -> Result<u64, String> {
        match self {
            Self::File(file) => file.send(messages).await.map(|()| 0),
            Self::Syslog(syslog) => syslog.send(messages).await.map(|()| 0),
            Self::Otlp(otlp) => otlp.send(messages).await,
        }
    }
}
