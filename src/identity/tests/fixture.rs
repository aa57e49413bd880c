//! For tests: an issuer's keys, and tokens as good or as bad as a test wants them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::{HashAlg, LineEnding};
use serde_json::{Map, Value, json};

use crate::domain::Timestamp;
use crate::domain::binding;
use crate::domain::identity::IssuerName;
use crate::drain::Drain;
use crate::identity::profile::{IssuerSettings, Profile};
use crate::identity::proof::Proof;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_467_889);
pub(crate) const BASTION: &str = "bastion.example.com";
pub(crate) const CLIENT: &str = "sallyport-client";

pub(crate) enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Pair {
    pub(crate) fn ed_dsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn rs256() -> Self {
        Self::Rs256(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Self::EdDsa(_) => "EdDSA",
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
        }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::EdDsa(pair) => {
                let x = B64.encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig"})
            }
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (B64.encode(&point[1..33]), B64.encode(&point[33..65]));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": "ES256"})
            }
            Self::Rs256(pair) => {
                // RFC 8017 A.1.1: SEQUENCE { INTEGER modulus, INTEGER 65537 }; 2048 bits have a zero in front.
                let n = B64.encode(&pair.public_key().as_ref()[9..265]);
                json!({"kty": "RSA", "n": n, "e": "AQAB", "kid": kid, "use": "sig", "alg": "RS256"})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out).unwrap();
                out
            }
        }
    }

    /// A token with this header and these claims, signed by this pair.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let head = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        format!("{head}.{}", B64.encode(self.sign(head.as_bytes())))
    }
}

/// Settings of an issuer of that profile, with `client` and one tenant `7`.
pub(crate) fn issuer(profile: &str, url: &str) -> IssuerSettings {
    let mut settings = IssuerSettings::new(IssuerName::parse("corp").unwrap(), url, Profile::named(profile).unwrap());
    settings.client_id = Some(CLIENT.into());
    settings.tenants = vec!["7".into()];
    settings.single_tenant = true;
    settings
}

/// The random bytes of every nonce here.
pub(crate) const RANDOM: [u8; 32] = [7; 32];

/// Claims of a good token for `key`, for that profile.
pub(crate) fn claims(settings: &IssuerSettings, key: &PrivateKey, now: Timestamp) -> Map<String, Value> {
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let common = json!({"iss": settings.url, "sub": "alice", "iat": now.secs(), "exp": now.secs() + 300});
    let more = match settings.profile.name {
        "github" => json!({
            "aud": binding::bound_audience(BASTION, &fingerprint), "repository": "octo/app", "repository_id": "99",
            "repository_owner_id": "7", "ref": "refs/heads/main", "event_name": "push", "run_id": "1",
        }),
        "gitlab" => json!({
            "aud": binding::audience(BASTION), "project_path": "octo/app", "project_id": "99", "namespace_id": "7",
            "ref": "main", "job_id": "1001", "pipeline_source": "push", "ref_protected": "false",
        }),
        _ => json!({
            "aud": CLIENT, "email": "alice@example.com", "email_verified": true, "groups": ["sre", "dev"],
            "nonce": binding::nonce(&key.public_key().to_bytes().unwrap(), &RANDOM), "auth_time": now.secs() - 5,
            "amr": ["mfa"],
        }),
    };
    let (Value::Object(mut all), Value::Object(more)) = (common, more) else { unreachable!() };
    all.extend(more);
    all
}

/// Proof by `key` for `token`, at `now`.
pub(crate) fn proof(key: &PrivateKey, token: &str, now: Timestamp) -> Proof {
    let message = binding::proof_message(BASTION, token, now);
    let signature = key.sign(binding::PROOF_NAMESPACE, HashAlg::Sha512, message.as_bytes()).unwrap();
    Proof::Signed { armored: signature.to_pem(LineEnding::LF).unwrap(), time: now }
}

/// A loopback issuer whose answers a test can change.
#[derive(Clone, Default)]
pub(crate) struct Issuer {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Json(Value),
    Redirect(&'static str),
    Large,
}

impl Issuer {
    pub(crate) async fn start(drain: &Drain) -> (Self, String) {
        let issuer = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        issuer.set(
            "/.well-known/openid-configuration",
            Answer::Json(json!({
                "issuer": url,
                "jwks_uri": format!("{url}/jwks"),
                "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"),
                "device_authorization_endpoint": format!("{url}/device"),
            })),
        );
        let router = Router::new().fallback(answer).with_state(issuer.clone());
        drain.spawn(async move { axum::serve(listener, router).await });
        (issuer, url)
    }

    pub(crate) fn set(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub(crate) fn keys(&self, kids: &[&str]) {
        self.publish(kids.iter().map(|kid| Pair::ed_dsa().jwk(kid)).collect());
    }

    pub(crate) fn publish(&self, keys: Vec<Value>) {
        self.set("/jwks", Answer::Json(json!({ "keys": keys })));
    }

    pub(crate) fn down(&self) {
        self.answers.lock().unwrap().clear();
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(issuer): State<Issuer>, uri: Uri) -> Response {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    let answer = issuer.answers.lock().unwrap().get(uri.path()).cloned();
    match answer {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Answer::Json(value)) => value.to_string().into_response(),
        Some(Answer::Redirect(to)) => Redirect::temporary(to).into_response(),
        Some(Answer::Large) => vec![b' '; 10 * 1024 * 1024].into_response(),
    }
}
