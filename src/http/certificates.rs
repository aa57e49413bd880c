//! `POST /v1/certificates`, the authorities' public keys, and how to sign in here.
//!
//! Reads a form into an exchange and a certificate into a reply. Whether there is one is judged in
//! `identity`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use russh::keys::PublicKey;
use zeroize::Zeroizing;

use super::problem::Problem;
use super::{Peer, Rooms};
use crate::domain::Timestamp;
use crate::domain::identity::{Flow, Kind};
use crate::identity::proof::Proof;
use crate::identity::{Exchange, Issued};
use crate::wire::{self, CertificateReply, IssuerOffer, SignInOffer};

/// Trades a token for a certificate.
pub(super) async fn issue(
    State(rooms): State<Arc<Rooms>>,
    Extension(Peer(source)): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<CertificateReply>, Problem> {
    let exchange = read(&headers, &body, source)?;
    drop(body);
    let identities = rooms.identities.clone();
    // A task of its own: a client that hangs up must not stop the exchange half-way.
    let task = rooms.drain.spawn(async move { identities.login(&exchange).await });
    match task.await {
        Ok(Ok(issued)) => reply(&rooms, &issued).map(Json),
        Ok(Err(error)) => {
            let problem = Problem::from(&error);
            if problem.status().is_server_error() {
                tracing::error!(error = ?error, reference = %error.reference(), "no certificate");
            }
            Err(problem)
        }
        Err(_) => Err(unavailable()),
    }
}

/// Every authority, a line each with its name in front.
pub(super) async fn authorities(State(rooms): State<Arc<Rooms>>) -> Result<Response, Problem> {
    let mut lines = Vec::new();
    for (authority, key) in rooms.identities.authorities() {
        lines.push((authority, line(key)?));
    }
    Ok(plain(wire::ca_lines(lines.iter().map(|(authority, line)| (*authority, line.as_str())))))
}

/// One authority, a bare line.
pub(super) async fn authority(State(rooms): State<Arc<Rooms>>, Path(name): Path<String>) -> Result<Response, Problem> {
    let found = rooms.identities.authorities().into_iter().find(|(authority, _)| *authority == name);
    let (_, key) = found.ok_or_else(super::nothing)?;
    Ok(plain(line(key)? + "\n"))
}

/// What a client needs to ask an issuer for a token.
pub(super) async fn sign_in(State(rooms): State<Arc<Rooms>>) -> Json<SignInOffer> {
    let settings = rooms.identities.settings();
    let issuers = settings.issuers.iter().map(|issuer| IssuerOffer {
        name: issuer.name.to_string(),
        issuer: issuer.url.clone(),
        kind: match issuer.profile.kind {
            Kind::Person => "person",
            Kind::Pipeline => "pipeline",
        }
        .to_owned(),
        client_id: issuer.client_id.clone(),
        scopes: issuer.scopes.clone(),
        device: issuer.device,
    });
    Json(SignInOffer { bastion: settings.bastion.clone(), issuers: issuers.collect() })
}

fn read(headers: &HeaderMap, body: &[u8], source: SocketAddr) -> Result<Exchange, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let detail = "send application/x-www-form-urlencoded";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail));
    }
    let form = Form::read(body)?;
    if form.required("grant_type")? != wire::GRANT_TYPE {
        return Err(Problem::bad("grant_type is not that of a token exchange"));
    }
    if form.required("subject_token_type")? != wire::ID_TOKEN_TYPE {
        return Err(Problem::bad("subject_token_type must be that of an ID token"));
    }
    if form.optional("requested_token_type").is_some_and(|wanted| wanted != wire::CERTIFICATE_TYPE) {
        return Err(Problem::bad("requested_token_type must be that of an SSH user certificate"));
    }
    let public_key = PublicKey::from_openssh(form.required("public_key")?)
        .map_err(|_| Problem::bad("public_key is not a line of an OpenSSH .pub file, or is a certificate"))?;
    let time = form.required("proof_time")?;
    let time = match time.bytes().all(|b| b.is_ascii_digit()) {
        true => time.parse().ok().map(Timestamp::from_secs),
        false => Timestamp::parse(time),
    };
    let nonce_random = match form.optional("nonce_random") {
        None => None,
        Some(text) => {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            Some(bytes.ok_or_else(|| Problem::bad("nonce_random must be the base64url of 32 bytes"))?)
        }
    };
    let flow = match form.optional("flow") {
        None => None,
        Some(text) => Some(Flow::parse(text).ok_or_else(|| Problem::bad("flow must be local, remote, device or ci"))?),
    };
    Ok(Exchange {
        token: Zeroizing::new(form.required("subject_token")?.to_owned()),
        public_key,
        proof: Proof::Signed {
            armored: form.required("proof")?.to_owned(),
            time: time.ok_or_else(|| Problem::bad("proof_time must be whole seconds since 1970, or RFC 3339"))?,
        },
        nonce_random,
        flow,
        source,
    })
}

/// The parameters that we know; others are ignored (RFC 6749 §3.2), none may come twice.
struct Form([(&'static str, Option<Zeroizing<String>>); 9]);

impl Form {
    const NAMES: [&'static str; 9] = [
        "grant_type",
        "subject_token",
        "subject_token_type",
        "requested_token_type",
        "public_key",
        "proof",
        "proof_time",
        "nonce_random",
        "flow",
    ];

    fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut form = Self(Self::NAMES.map(|name| (name, None)));
        for (name, value) in url::form_urlencoded::parse(body) {
            let Some((name, place)) = form.0.iter_mut().find(|(known, _)| *known == name) else { continue };
            if place.replace(Zeroizing::new(value.into_owned())).is_some() {
                return Err(Problem::bad(format!("{name} is there twice")));
            }
        }
        Ok(form)
    }

    /// Empty is absent (RFC 6749 §3.2).
    fn optional(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
        value.as_ref().map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Problem> {
        self.optional(name).ok_or_else(|| Problem::bad(format!("{name} is missing")))
    }
}

fn reply(rooms: &Rooms, issued: &Issued) -> Result<CertificateReply, Problem> {
    let bastion = &rooms.identities.settings().bastion;
    Ok(CertificateReply {
        access_token: issued.certificate.to_openssh().map_err(|_| unavailable())?,
        issued_token_type: wire::CERTIFICATE_TYPE.to_owned(),
        token_type: wire::NOT_APPLICABLE.to_owned(),
        expires_in: issued.valid_before.since(issued.sign_in.at).as_secs(),
        principal: issued.identity.principal().to_string(),
        name: issued.identity.name.clone(),
        valid_before: issued.valid_before.to_string(),
        serial: issued.serial,
        record: issued.sign_in.record.to_string(),
        bastion: bastion.clone(),
        ssh_example: rooms.ssh_example.clone(),
    })
}

fn line(key: &PublicKey) -> Result<String, Problem> {
    key.to_openssh().map_err(|_| unavailable())
}

fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn unavailable() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "certificates are unavailable: tell the operator")
}
