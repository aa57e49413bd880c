//! The listener of a witness: `POST /add-checkpoint`, and nothing else.
//!
//! Plain HTTP, on loopback or behind a proxy that speaks TLS: nothing in it is secret, and what is signed is checked by its
//! signatures.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{ACCEPT_PAUSE, CONNECTION_TIMEOUT, CONNECTIONS, connection, nothing, whole};
use crate::drain::Drain;
use crate::ledger::witness::{Answer, Desk};

const TEXT: &str = "text/plain; charset=utf-8";

/// Serves until the drain stops.
pub async fn serve(listener: TcpListener, desk: Desk, drain: Drain) {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .fallback(async || nothing())
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(whole))
        .with_state(desk);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.stopping().cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (router, cutting) = (router.clone(), drain.cutting().clone());
        drain.spawn(async move {
            let _place = place;
            let served = timeout(CONNECTION_TIMEOUT, connection(stream, router));
            let _ = cutting.run_until_cancelled(served).await;
        });
    }
}

async fn add_checkpoint(State(desk): State<Desk>, body: Bytes) -> Response {
    let answer = desk.add_checkpoint(body).await;
    let (status, kind, text) = match answer {
        Answer::Signed(lines) => (StatusCode::OK, TEXT, lines),
        Answer::Malformed => (StatusCode::BAD_REQUEST, TEXT, "not an add-checkpoint\n".to_owned()),
        Answer::Unsigned => (StatusCode::FORBIDDEN, TEXT, "not signed by the log's key\n".to_owned()),
        Answer::Unknown => (StatusCode::NOT_FOUND, TEXT, "this witness does not know the log\n".to_owned()),
        Answer::Size(size) => (StatusCode::CONFLICT, "text/x.tlog.size", format!("{size}\n")),
        Answer::Forked => (StatusCode::CONFLICT, TEXT, "another root was signed at this size\n".to_owned()),
        Answer::Unproved => {
            (StatusCode::UNPROCESSABLE_ENTITY, TEXT, "the proof does not lead to this checkpoint\n".to_owned())
        }
        Answer::Broken => (StatusCode::INTERNAL_SERVER_ERROR, TEXT, "nothing was signed\n".to_owned()),
    };
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}
