//! Any refusal as problem+json (RFC 9457): a code for programs, a sentence, and a reference that the log also has.
//!
//! Discloses what [`Disclose`] gives and nothing else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::{Disclose, RecordId};
use crate::identity::LoginError;
use crate::identity::reason::Reason;
use crate::wire;

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
    code: &'static str,
    reference: Option<RecordId>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = match status {
            StatusCode::BAD_REQUEST => "The request cannot be read",
            StatusCode::NOT_FOUND => "There is nothing here",
            StatusCode::METHOD_NOT_ALLOWED => "Not that method",
            StatusCode::PAYLOAD_TOO_LARGE => "The request is too long",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "Not that kind of body",
            StatusCode::REQUEST_TIMEOUT => "The request took too long",
            StatusCode::SERVICE_UNAVAILABLE => "Not available at the moment",
            _ => "Refused",
        };
        Self { status, title, detail: detail.into(), code, reference: None }
    }

    /// What cannot be read; `detail` says which parameter.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", detail)
    }

    /// Names the same thing here and in the log.
    pub(super) fn referring_to(mut self, reference: RecordId) -> Self {
        self.reference = Some(reference);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<&LoginError> for Problem {
    fn from(error: &LoginError) -> Self {
        let status = match error {
            LoginError::Refused { reason: Reason::KeysUnavailable, .. } | LoginError::Failed { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            LoginError::Refused { .. } | LoginError::Denied { .. } => StatusCode::FORBIDDEN,
        };
        Self::new(status, error.code(), error.disclose()).referring_to(error.reference())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = wire::Problem {
            kind: format!("urn:sallyport:problem:{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            reference: self.reference.map(|reference| reference.to_string()).unwrap_or_default(),
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let kind = HeaderValue::from_static(wire::PROBLEM_TYPE);
        (self.status, [(header::CONTENT_TYPE, kind)], text).into_response()
    }
}
