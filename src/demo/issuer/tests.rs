//! The demo issuer, as a client and a bastion see it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::redirect::Policy;
use serde_json::json;

use super::*;
use crate::domain::{Digest, Timestamp};

struct Bench {
    issuer: DemoIssuer,
    clock: Clock,
    http: reqwest::Client,
    _drain: Drain,
}

impl Bench {
    async fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_795_467_889));
        let drain = Drain::new();
        let device_interval = Duration::from_secs(5);
        let settings = Settings { client_id: "sallyport".to_owned(), device_interval, clock: clock.clone() };
        let issuer = DemoIssuer::start(settings, &drain).await.unwrap();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { issuer, clock, http, _drain: drain }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.issuer.url(Realm::Corp))
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let reply = self.http.post(self.url(path)).form(form).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    async fn ask(&self, query: &[(&str, &str)]) -> reqwest::Response {
        let url = url::Url::parse_with_params(&self.url("authorize"), query).unwrap();
        self.http.get(url).send().await.unwrap()
    }

    /// The code that the issuer sends back for `person`.
    async fn code(&self, person: &str) -> String {
        let form = [("person", person)].into_iter().chain(ASKED.iter().copied()).collect::<Vec<_>>();
        let reply = self.http.post(self.url("authorize")).form(&form).send().await.unwrap();
        assert_eq!(reply.status(), 303);
        let to = url::Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
        assert!(to.as_str().starts_with("http://127.0.0.1:7/back?state=s"), "{to}");
        to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    async fn redeem(&self, code: &str, verifier: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "sallyport"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", "http://127.0.0.1:7/back"),
        ];
        self.post("token", &form).await
    }
}

/// Challenge of the verifier `v`.
const ASKED: [(&str, &str); 8] = [
    ("client_id", "sallyport"),
    ("redirect_uri", "http://127.0.0.1:7/back"),
    ("response_type", "code"),
    ("scope", "openid groups"),
    ("state", "s"),
    ("nonce", "n"),
    ("code_challenge_method", "S256"),
    ("code_challenge", "TJRIXgwhrmxBzh3-e2v6zupato5AokdvUCCOUm9QYIA"),
];

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[track_caller]
fn verifies(token: &str, set: &Value) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let bytes = |value: &Value| BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&bytes(&signed.split('.').next().unwrap().into())).unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let Some(key) = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]) else {
        return false;
    };
    match key["alg"].as_str().unwrap() {
        "ES256" => {
            let point = [vec![4], bytes(&key["x"]), bytes(&key["y"])].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature).is_ok()
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, bytes(&key["x"])).verify(signed.as_bytes(), &signature).is_ok(),
        "RS256" => {
            let key = RsaPublicKeyComponents { n: bytes(&key["n"]), e: bytes(&key["e"]) };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_person_signs_in_with_code_and_pkce_and_a_code_is_good_once() {
    let bench = Bench::new().await;
    let code = bench.code("alice").await;
    let (status, reply) = bench.redeem(&code, "v").await;
    assert_eq!(status, 200, "{reply}");
    let claims = claims(reply["id_token"].as_str().unwrap());
    assert_eq!(claims["sub"], "00u1a71ce");
    assert_eq!((&claims["nonce"], &claims["aud"]), (&json!("n"), &json!("sallyport")));
    assert_eq!(claims["groups"], json!(["engineering", "sre"]));
    assert_eq!(claims["auth_time"], 1_795_467_889);
    assert_eq!(bench.redeem(&code, "v").await, (400, json!({ "error": "invalid_grant" })));
}

#[tokio::test]
async fn a_wrong_verifier_and_an_old_code_are_refused() {
    let bench = Bench::new().await;
    let code = bench.code("bob").await;
    assert_eq!(bench.redeem(&code, "w").await.0, 400);
    let code = bench.code("bob").await;
    bench.clock.advance(Duration::from_secs(61));
    assert_eq!(bench.redeem(&code, "v").await.0, 400);
}

#[tokio::test]
async fn a_refreshed_token_keeps_the_sign_in_and_has_no_nonce() {
    let bench = Bench::new().await;
    let (_, first) = bench.redeem(&bench.code("carol").await, "v").await;
    bench.clock.advance(Duration::from_secs(600));
    let refresh = first["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", "sallyport"), ("refresh_token", refresh)];
    let (_, second) = bench.post("token", &form).await;
    let claims = claims(second["id_token"].as_str().unwrap());
    assert_eq!((claims["auth_time"].as_i64(), claims["iat"].as_i64()), (Some(1_795_467_889), Some(1_795_468_489)));
    assert!(claims.get("nonce").is_none());
    assert_eq!(bench.post("token", &form).await.0, 400);
}

#[tokio::test]
async fn it_redirects_to_loopback_only_and_insists_on_pkce() {
    let bench = Bench::new().await;
    let spoilt = [
        ("redirect_uri", "https://evil.example/back"),
        ("redirect_uri", "http://localhost.evil.example/"),
        ("redirect_uri", "http://127.0.0.1:7/back#x"),
        ("client_id", "another"),
        ("code_challenge_method", "plain"),
        ("scope", "groups"),
    ];
    for (name, value) in spoilt {
        let query = ASKED.map(|(asked, good)| (asked, if asked == name { value } else { good }));
        let reply = bench.ask(&query).await;
        assert_eq!(reply.status(), 400, "{name}={value}");
    }
    let page = bench.ask(&ASKED).await.text().await.unwrap();
    for name in ["alice", "bob", "carol"] {
        assert!(page.contains(&format!("value={name}>")), "{page}");
    }
}

#[tokio::test]
async fn what_came_in_the_address_cannot_break_out_of_the_page() {
    let bench = Bench::new().await;
    let query = ASKED.map(|(name, value)| (name, if name == "state" { "\"><script>" } else { value }));
    let reply = bench.ask(&query).await;
    assert!(!reply.text().await.unwrap().contains("<script"));
}

#[tokio::test]
async fn a_device_waits_slows_down_and_gets_its_token() {
    let bench = Bench::new().await;
    let (_, begun) = bench.post("device_authorization", &[("client_id", "sallyport"), ("scope", "openid")]).await;
    let code = begun["device_code"].as_str().unwrap().to_owned();
    let form = [("grant_type", device::GRANT_TYPE), ("client_id", "sallyport"), ("device_code", &code)];
    let error = |name: &str| (400, json!({ "error": name }));
    assert_eq!(bench.post("token", &form).await, error("authorization_pending"));
    assert_eq!(bench.post("token", &form).await, error("slow_down"));
    bench.clock.advance(Duration::from_secs(9));
    assert_eq!(bench.post("token", &form).await, error("slow_down"));
    bench.clock.advance(Duration::from_secs(15));
    assert_eq!(bench.post("token", &form).await, error("authorization_pending"));
    let user_code = begun["user_code"].as_str().unwrap();
    let page = [("user_code", user_code), ("person", "bob")];
    assert_eq!(bench.http.post(bench.url("device")).form(&page).send().await.unwrap().status(), 200);
    bench.clock.advance(Duration::from_secs(15));
    let (status, reply) = bench.post("token", &form).await;
    assert_eq!((status, &claims(reply["id_token"].as_str().unwrap())["name"]), (200, &json!("Bob Berg")));
    assert_eq!(bench.post("token", &form).await, error("invalid_grant"));
}

#[tokio::test]
async fn a_refused_device_and_an_expired_one_get_nothing() {
    let bench = Bench::new().await;
    let (_, begun) = bench.post("device_authorization", &[("client_id", "sallyport")]).await;
    assert!(bench.issuer.answer_device(begun["user_code"].as_str().unwrap(), None));
    let code = begun["device_code"].as_str().unwrap().to_owned();
    let form = [("grant_type", device::GRANT_TYPE), ("client_id", "sallyport"), ("device_code", &code)];
    assert_eq!(bench.post("token", &form).await.1["error"], "access_denied");
    let (_, begun) = bench.post("device_authorization", &[("client_id", "sallyport")]).await;
    bench.clock.advance(Duration::from_secs(301));
    assert!(!bench.issuer.answer_device(begun["user_code"].as_str().unwrap(), Some(Person::Alice)));
    let code = begun["device_code"].as_str().unwrap().to_owned();
    let form = [("grant_type", device::GRANT_TYPE), ("client_id", "sallyport"), ("device_code", &code)];
    assert_eq!(bench.post("token", &form).await.1["error"], "expired_token");
}

#[tokio::test]
async fn a_job_gets_a_token_for_its_audience_with_its_secret_only() {
    let bench = Bench::new().await;
    let url = format!("{}&audience=https://b/ssh%23sha256:abc", bench.issuer.job_request_url());
    assert_eq!(bench.http.get(&url).send().await.unwrap().status(), 401);
    let reply = bench.http.get(&url).bearer_auth(bench.issuer.job_request_token()).send().await.unwrap();
    let reply: Value = reply.json().await.unwrap();
    let token = reply["value"].as_str().unwrap();
    assert_eq!(claims(token)["aud"], "https://b/ssh#sha256:abc");
    assert_eq!(claims(token)["repository_owner_id"], "1234");
    let jwks = format!("{}/jwks", bench.issuer.url(Realm::Actions));
    let set: Value = bench.http.get(jwks).send().await.unwrap().json().await.unwrap();
    assert!(verifies(token, &set));
}

#[tokio::test]
async fn whatever_is_minted_verifies_until_its_key_is_forgotten() {
    let bench = Bench::new().await;
    let token = bench.issuer.mint(Realm::Corp, &bench.issuer.person_claims(Person::Bob, None)).unwrap();
    let published = async || -> Value { bench.http.get(bench.url("jwks")).send().await.unwrap().json().await.unwrap() };
    assert!(verifies(&token, &published().await));
    bench.issuer.rotate(Realm::Corp, true).unwrap();
    assert!(verifies(&token, &published().await));
    bench.issuer.rotate(Realm::Corp, false).unwrap();
    assert!(!verifies(&token, &published().await));
    assert_eq!(bench.issuer.key_requests(), 3);
    let odd = json!({ "alg": "none", "kid": "../x" });
    let token = bench.issuer.mint_with(Realm::Corp, odd.as_object().unwrap(), &Map::new()).unwrap();
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({ "alg": "none", "kid": "../x", "typ": "JWT" }));
}

#[test]
fn each_algorithm_publishes_the_key_that_it_signs_with() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let keys = Keys::new(algorithm).unwrap();
        assert!(verifies(&keys.sign(&Map::new(), &Map::new()).unwrap(), &keys.published()), "{algorithm:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_says_so_and_comes_back() {
    let bench = Bench::new().await;
    bench.issuer.set_down(true);
    assert_eq!(bench.http.get(bench.url("jwks")).send().await.unwrap().status(), 503);
    bench.issuer.set_down(false);
    assert_eq!(bench.http.get(bench.url("jwks")).send().await.unwrap().status(), 200);
}

#[test]
fn the_challenge_of_these_tests_is_that_of_their_verifier() {
    assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(Digest::of(b"v").0), ASKED[7].1);
}
