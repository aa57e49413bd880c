//! Metrics and health, for the machine that watches this one: on loopback or a socket, never for strangers.
//!
//! A listener of its own, with no room behind it but what it is told. It answers until the bastion has stopped, so that
//! the last minutes are seen too.

use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::exposition::{Family, encode};
use super::{ACCEPT_PAUSE, CONNECTION_TIMEOUT, connection, nothing};
use crate::drain::Drain;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address on loopback.
    Tcp(SocketAddr),
    /// A socket in the file system, for its owner and group.
    Unix(PathBuf),
}

/// Listens.
#[derive(Debug)]
pub enum Listener {
    /// On loopback.
    Tcp(TcpListener),
    /// On a socket in the file system.
    Unix(UnixListener),
}

/// Who knows how the bastion is.
pub trait Source: Clone + Send + Sync + 'static {
    /// Its numbers.
    fn metrics(&self) -> impl Future<Output = Vec<Family>> + Send;
    /// What does not answer, if anything: then a new process is better than this one.
    fn silent(&self) -> impl Future<Output = Option<&'static str>> + Send;
    /// Why nobody should be sent here now, if there is a reason.
    fn unready(&self) -> impl Future<Output = Option<&'static str>> + Send;
}

/// Connections at a time.
const CONNECTIONS: usize = 16;

impl Listener {
    /// Listens at `place`. What a process left there that has ended is taken away.
    pub async fn bind(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Place::Unix(path) => {
                let left = fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket());
                if left && tokio::net::UnixStream::connect(path).await.is_err() {
                    fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// Its address, if it has one of TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// Serves until `drain` stops.
pub async fn serve<S: Source>(listener: Listener, source: S, drain: Drain) {
    let router = router(source);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let serving = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let service = router.clone();
            let failed = match &listener {
                Listener::Tcp(listener) => match listener.accept().await {
                    Ok((stream, _)) => {
                        drain.spawn(async move {
                            let _ = timeout(CONNECTION_TIMEOUT, connection(stream, service)).await;
                            drop(place);
                        });
                        None
                    }
                    Err(error) => Some(error),
                },
                Listener::Unix(listener) => match listener.accept().await {
                    Ok((stream, _)) => {
                        drain.spawn(async move {
                            let _ = timeout(CONNECTION_TIMEOUT, connection(stream, service)).await;
                            drop(place);
                        });
                        None
                    }
                    Err(error) => Some(error),
                },
            };
            if let Some(error) = failed {
                tracing::warn!(error = &error as &dyn std::error::Error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    drain.stopping().run_until_cancelled(serving).await;
}

fn router<S: Source>(source: S) -> Router {
    Router::new()
        .route("/metrics", get(metrics::<S>))
        .route("/health/live", get(live::<S>))
        .route("/health/ready", get(ready::<S>))
        .fallback(async || nothing())
        .with_state(source)
}

async fn metrics<S: Source>(State(source): State<S>) -> Response {
    let text = encode(&source.metrics().await);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn live<S: Source>(State(source): State<S>) -> Response {
    health(source.silent().await.map(|what| format!("{what} does not answer")))
}

async fn ready<S: Source>(State(source): State<S>) -> Response {
    health(source.unready().await.map(str::to_owned))
}

fn health(fault: Option<String>) -> Response {
    match fault {
        None => (StatusCode::OK, "ok\n".to_owned()).into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}
