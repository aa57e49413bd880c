//! The `/actions` realm: a job of a pipeline asks for a token with an audience, as on GitHub.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};

use super::token::Realm;
use super::{Shared, random_text};

pub(super) async fn discovery(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = shared.url(Realm::Actions);
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "id_token_signing_alg_values_supported": [shared.keys(Realm::Actions).algorithm().name()],
        "scopes_supported": ["openid"],
    }))
}

pub(super) async fn jwks(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.key_requests.fetch_add(1, Ordering::SeqCst);
    Json(shared.keys(Realm::Actions).published())
}

/// `ACTIONS_ID_TOKEN_REQUEST_URL` with `&audience=…`, under `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' '));
    let known = shown.is_some_and(|(scheme, secret)| {
        scheme.eq_ignore_ascii_case("bearer") && secret.trim() == shared.job_secret.as_str()
    });
    if !known {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let audience = query.get("audience").map_or("https://github.com/example", String::as_str);
    let claims = claims(&shared, audience);
    let token = shared.keys(Realm::Actions).sign(&Map::new(), &claims);
    token.map(|token| Json(json!({ "count": 1, "value": token }))).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) fn claims(shared: &Shared, audience: &str) -> Map<String, Value> {
    let now = shared.settings.clock.now().secs();
    let claims = json!({
        "iss": shared.url(Realm::Actions),
        "sub": "repo:example/shop:environment:production",
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + LIFE_S,
        "jti": random_text().unwrap_or_default(),
        "repository": "example/shop",
        "repository_id": "4711",
        "repository_owner": "example",
        "repository_owner_id": "1234",
        "repository_visibility": "private",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "ref_protected": "true",
        "sha": "9f2c8b1de3a4c5d6e7f8091a2b3c4d5e6f708192",
        "environment": "production",
        "event_name": "workflow_dispatch",
        "workflow": "deploy",
        "workflow_ref": "example/shop/.github/workflows/deploy.yml@refs/heads/main",
        "job_workflow_ref": "example/shop/.github/workflows/deploy.yml@refs/heads/main",
        "run_id": "991",
        "run_number": "17",
        "run_attempt": "1",
        "runner_environment": "github-hosted",
        "actor": "bob",
        "actor_id": "583231",
    });
    match claims {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

const LIFE_S: i64 = 300;
