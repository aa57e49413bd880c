//! The public side of the log: checkpoint and tiles of hashes below `/log/`, for whoever watches that it only grows.
//!
//! Only where the config says so: size and rate show how much goes on. Never an entry.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::{Rooms, nothing};

pub(super) async fn file(State(rooms): State<Arc<Rooms>>, Path(path): Path<String>) -> Result<Response, Problem> {
    let Some(ledger) = &rooms.log else { return Err(nothing()) };
    match ledger.served(&path).await {
        Ok(Some(bytes)) => {
            let kind = if path.starts_with("tile/") { "application/octet-stream" } else { "text/plain; charset=utf-8" };
            Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
        }
        Ok(None) => Err(nothing()),
        Err(cause) => {
            tracing::error!(error = &cause as &dyn std::error::Error, "the log is not served");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the log cannot be read now"))
        }
    }
}
