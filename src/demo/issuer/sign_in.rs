//! The `/corp` realm: authorization code with PKCE, refresh, and what both need.
//!
//! Redirects to loopback only, whatever its port (RFC 8252 §7.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use url::{Host, Url};

use super::people::{self, Person};
use super::token::{Realm, random_text};
use super::{Shared, device, locked, page};
use crate::domain::{Digest, Timestamp};

/// What waits for its other half.
#[derive(Default)]
pub(super) struct Waiting {
    codes: HashMap<String, Code>,
    refresh: HashMap<String, SignedIn>,
    pub(super) devices: HashMap<String, device::Device>,
}

struct Code {
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    signed_in: SignedIn,
    expires: Timestamp,
}

/// Who somebody chose to be, and when.
#[derive(Clone, Copy)]
pub(super) struct SignedIn {
    pub(super) person: Person,
    pub(super) at: Timestamp,
}

pub(super) async fn unless_down(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

pub(super) async fn discovery(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = shared.url(Realm::Corp);
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "device_authorization_endpoint": format!("{issuer}/device_authorization"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [shared.keys(Realm::Corp).algorithm().name()],
        "scopes_supported": ["openid", "email", "profile", "groups", "offline_access"],
        "grant_types_supported": ["authorization_code", "refresh_token", device::GRANT_TYPE],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
    }))
}

pub(super) async fn jwks(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.key_requests.fetch_add(1, Ordering::SeqCst);
    Json(shared.keys(Realm::Corp).published())
}

/// Shows the three people; with `prompt=none` and a `login_hint` answers at once.
pub(super) async fn ask(State(shared): State<Arc<Shared>>, Query(query): Query<HashMap<String, String>>) -> Response {
    if let Err(fault) = Asked::parse(&shared, &query) {
        return page::say(StatusCode::BAD_REQUEST, fault);
    }
    if query.get("prompt").is_some_and(|prompt| prompt == "none") {
        let hint = query.get("login_hint").cloned().unwrap_or_default();
        return decide(&shared, &query, &hint);
    }
    let mut fields: Vec<_> = query.into_iter().collect();
    fields.sort();
    page::choose(&format!("{}/authorize", shared.url(Realm::Corp)), &fields)
}

/// Somebody pressed a button.
pub(super) async fn answer(State(shared): State<Arc<Shared>>, Form(form): Form<HashMap<String, String>>) -> Response {
    let person = form.get("person").cloned().unwrap_or_default();
    decide(&shared, &form, &person)
}

fn decide(shared: &Shared, query: &HashMap<String, String>, person: &str) -> Response {
    let asked = match Asked::parse(shared, query) {
        Ok(asked) => asked,
        Err(fault) => return page::say(StatusCode::BAD_REQUEST, fault),
    };
    let mut back = asked.redirect.clone();
    if let Some(state) = &asked.state {
        back.query_pairs_mut().append_pair("state", state);
    }
    let now = shared.settings.clock.now();
    let mut waiting = locked(&shared.waiting);
    let (Some(person), Ok(code)) = (Person::parse(person), random_text()) else {
        back.query_pairs_mut().append_pair("error", "login_required");
        return Redirect::to(back.as_str()).into_response();
    };
    waiting.codes.retain(|_, code| code.expires > now);
    if waiting.codes.len() >= MAX_WAITING {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let redirect_uri = query.get("redirect_uri").cloned().unwrap_or_default();
    let signed_in = SignedIn { person, at: now };
    let expires = now.plus(CODE_LIFE);
    let entry = Code { redirect_uri, challenge: asked.challenge, nonce: asked.nonce, signed_in, expires };
    waiting.codes.insert(code.clone(), entry);
    back.query_pairs_mut().append_pair("code", &code).append_pair("iss", &shared.url(Realm::Corp));
    Redirect::to(back.as_str()).into_response()
}

/// A request that may be answered.
struct Asked {
    redirect: Url,
    state: Option<String>,
    nonce: Option<String>,
    challenge: String,
}

impl Asked {
    fn parse(shared: &Shared, query: &HashMap<String, String>) -> Result<Self, &'static str> {
        let text = |name: &str| query.get(name).map_or("", String::as_str);
        if text("client_id") != shared.settings.client_id {
            return Err("no such client_id");
        }
        let redirect = Url::parse(text("redirect_uri")).map_err(|_| "redirect_uri is no address")?;
        let loopback = match redirect.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        if redirect.scheme() != "http" || !loopback || redirect.fragment().is_some() {
            return Err("redirect_uri must be http on loopback");
        }
        if text("response_type") != "code" {
            return Err("response_type must be code");
        }
        if !text("scope").split(' ').any(|scope| scope == "openid") {
            return Err("scope must have openid");
        }
        if text("code_challenge_method") != "S256" || text("code_challenge").len() != 43 {
            return Err("PKCE with S256 is needed");
        }
        let challenge = text("code_challenge").to_owned();
        Ok(Self { redirect, state: query.get("state").cloned(), nonce: query.get("nonce").cloned(), challenge })
    }
}

pub(super) async fn token(State(shared): State<Arc<Shared>>, Form(form): Form<HashMap<String, String>>) -> Response {
    let text = |name: &str| form.get(name).map_or("", String::as_str);
    if text("client_id") != shared.settings.client_id {
        return refuse("invalid_client");
    }
    match text("grant_type") {
        "authorization_code" => {
            let taken = locked(&shared.waiting).codes.remove(text("code"));
            let verifier = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(text("code_verifier").as_bytes()).0);
            match taken {
                Some(code)
                    if code.challenge == verifier
                        && code.redirect_uri == text("redirect_uri")
                        && code.expires > shared.settings.clock.now() =>
                {
                    grant(&shared, code.signed_in, code.nonce.as_deref())
                }
                _ => refuse("invalid_grant"),
            }
        }
        "refresh_token" => {
            // Each one is good once: a second use would be somebody else's.
            let known = locked(&shared.waiting).refresh.remove(text("refresh_token"));
            known.map_or_else(|| refuse("invalid_grant"), |signed_in| grant(&shared, signed_in, None))
        }
        device::GRANT_TYPE => match device::poll(&shared, text("device_code")) {
            Ok(signed_in) => grant(&shared, signed_in, None),
            Err(error) => refuse(error),
        },
        _ => refuse("unsupported_grant_type"),
    }
}

fn grant(shared: &Shared, signed_in: SignedIn, nonce: Option<&str>) -> Response {
    let claims = people::claims(shared, signed_in.person, &shared.settings.client_id, nonce, signed_in.at);
    let id_token = shared.keys(Realm::Corp).sign(&Map::new(), &claims);
    let (Ok(id_token), Ok(access), Ok(refresh)) = (id_token, random_text(), random_text()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut waiting = locked(&shared.waiting);
    if waiting.refresh.len() < MAX_WAITING {
        waiting.refresh.insert(refresh.clone(), signed_in);
    }
    let body = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": refresh,
        "id_token": id_token,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// RFC 6749 §5.2.
pub(super) fn refuse(error: &str) -> Response {
    let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    (status, Json(json!({ "error": error }))).into_response()
}

const CODE_LIFE: Duration = Duration::from_secs(60);
pub(super) const MAX_WAITING: usize = 1000;
