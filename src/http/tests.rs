//! The public side over real sockets: who is answered, with what, and what strangers do not hear.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use russh::keys::ssh_key::certificate::Certificate;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::form_urlencoded::Serializer;

use super::self_signed::self_signed;
use super::*;
use crate::identity::proof::Proof;
use crate::identity::tests::fixture::{BASTION, RANDOM, proof};
use crate::identity::tests::{House, key, source};

struct Door {
    house: House,
    address: SocketAddr,
    drain: Drain,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and code of a refusal.
    fn problem(&self) -> (u16, String) {
        assert!(self.head.to_lowercase().contains("content-type: application/problem+json"), "{}", self.head);
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}

async fn door(transport: Transport) -> Door {
    let house = House::new("generic").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Drain::new();
    let settings = Settings { transport, ssh_example: "ssh -p 2222 bastion.example.com whoami".into(), log: None };
    drain.spawn(serve(settings, listener, house.identities.clone(), drain.clone()));
    Door { house, address, drain }
}

impl Door {
    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read(stream).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
    }

    async fn post(&self, form: &str, more: &str) -> Answer {
        let kind = "application/x-www-form-urlencoded";
        let length = form.len();
        let request = format!(
            "POST /v1/certificates HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n{form}"
        );
        self.send(&request).await
    }

    /// A good form for a fresh key.
    fn form(&self) -> Vec<(&'static str, String)> {
        let key = key();
        let token = self.house.token(self.house.claims(&key));
        let proof = proof(&key, &token, self.house.clock.now());
        let Proof::Signed { armored, time } = proof else { panic!() };
        vec![
            ("grant_type", wire::GRANT_TYPE.into()),
            ("subject_token_type", wire::ID_TOKEN_TYPE.into()),
            ("subject_token", token),
            ("public_key", key.public_key().to_openssh().unwrap()),
            ("proof", armored),
            ("proof_time", time.secs().to_string()),
            ("nonce_random", BASE64_URL_SAFE_NO_PAD.encode(RANDOM)),
            ("unknown", "is ignored".into()),
        ]
    }
}

async fn read(mut stream: impl AsyncRead + Unpin) -> Answer {
    let mut text = String::new();
    // Whoever is cut off may see a reset.
    let _ = stream.read_to_string(&mut text).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn encode(form: &[(&'static str, String)]) -> String {
    Serializer::new(String::new()).extend_pairs(form).finish()
}

#[tokio::test]
async fn a_token_is_traded_for_a_certificate_that_signs_in() {
    let door = door(Transport::Loopback).await;
    let form = encode(&door.form());
    let answer = door.post(&form, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.to_lowercase().contains("cache-control: no-store"));
    let reply: wire::CertificateReply = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((reply.serial, reply.token_type.as_str(), reply.bastion.as_str()), (1, "N_A", BASTION));
    assert_eq!((reply.name.as_str(), reply.expires_in), ("alice@example.com", 8 * 3600));
    let certificate = Certificate::from_openssh(&reply.access_token).unwrap();
    door.house.identities.admit(&certificate, source()).await.unwrap();
    assert_eq!(door.post(&form, "").await.problem(), (403, "replayed".to_owned()));
}

#[tokio::test]
async fn a_request_that_cannot_be_read_says_which_parameter() {
    let door = door(Transport::Loopback).await;
    let with = async |name: &'static str, value: Option<&str>| {
        let mut form = door.form();
        form.retain(|(known, _)| *known != name);
        form.extend(value.map(|value| (name, value.to_owned())));
        door.post(&encode(&form), "").await
    };
    for name in ["grant_type", "subject_token", "subject_token_type", "public_key", "proof", "proof_time"] {
        let answer = with(name, None).await;
        assert_eq!(answer.problem(), (400, "invalid-request".to_owned()), "{name}");
        assert!(answer.body.contains(name));
    }
    for (name, value) in [
        ("grant_type", "password"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("public_key", "ssh-ed25519 no"),
        ("proof_time", "tomorrow"),
        ("nonce_random", "AAAA"),
        ("flow", "magic"),
    ] {
        assert_eq!(with(name, Some(value)).await.problem(), (400, "invalid-request".to_owned()), "{name}");
    }
    let twice = encode(&door.form()) + "&subject_token=x";
    assert_eq!(door.post(&twice, "").await.problem(), (400, "invalid-request".to_owned()));
    let json =
        "POST /v1/certificates HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(door.send(json).await.problem(), (415, "media-type".to_owned()));
    assert_eq!(with("proof", Some("no signature")).await.problem(), (403, "proof-form".to_owned()));
    assert!(door.house.kinds().await.iter().all(|kind| kind == "authn.oidc failure"));
}

#[tokio::test]
async fn a_refusal_has_a_reference_that_the_ledger_has_too_and_no_secret() {
    let door = door(Transport::Loopback).await;
    let mut form = door.form();
    form.retain(|(name, _)| *name != "nonce_random");
    let token = form[2].1.clone();
    let answer = door.post(&encode(&form), "").await;
    assert_eq!(answer.problem(), (403, "nonce".to_owned()));
    let entries = door.house.entries().await;
    assert_eq!(answer.json()["reference"], entries.last().unwrap().id().to_string());
    let (_, claims) = token.split_once('.').unwrap();
    assert!(!answer.body.contains(&claims[..20]) && !answer.body.contains("alice"));
}

#[tokio::test]
async fn a_long_request_is_refused_before_it_is_read() {
    let door = door(Transport::Loopback).await;
    let announced = "POST /v1/certificates HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n";
    assert_eq!(door.send(announced).await.problem(), (413, "too-long".to_owned()));
    let mut chunked = "POST /v1/certificates HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    write!(chunked, "{:x}\r\n{}\r\n0\r\n\r\n", 17 * 1024, "x".repeat(17 * 1024)).unwrap();
    assert_eq!(door.send(&chunked).await.problem(), (413, "too-long".to_owned()));
    let head = format!("GET /v1/ca HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert_eq!(door.send(&head).await.status, 431);
}

#[tokio::test]
async fn the_authorities_and_the_offer_are_public() {
    let door = door(Transport::Loopback).await;
    let lines = door.get("/v1/ca").await.body;
    for (name, key) in door.house.identities.authorities() {
        let line = key.to_openssh().unwrap();
        assert_eq!(wire::ca_line(&lines, name), Some(line.as_str()));
        assert_eq!(door.get(&format!("/v1/ca/{name}")).await.body.trim_end(), line);
    }
    let offer: wire::SignInOffer = serde_json::from_str(&door.get("/v1/sign-in").await.body).unwrap();
    assert_eq!((offer.bastion.as_str(), offer.issuers[0].name.as_str()), (BASTION, "corp"));
    for path in ["/", "/v1", "/v1/ca/log", "/v1/ca/../ca", "/metrics"] {
        assert_eq!(door.get(path).await.problem(), (404, "not-found".to_owned()), "{path}");
    }
    assert_eq!(door.get("/v1/certificates").await.problem(), (405, "method".to_owned()));
}

#[tokio::test]
async fn a_header_names_the_client_only_behind_a_proxy_of_ours() {
    let loopback = "127.0.0.1".parse().unwrap();
    let source = async |transport, header: &str| {
        let door = door(transport).await;
        door.post(&encode(&door.form()), header).await;
        let entries = door.house.entries().await;
        let actor = entries
            .iter()
            .find(|entry| entry.kind() == "authn.oidc")
            .map(|entry| entry.actor().text("src").unwrap().to_owned());
        actor.map(|source| source.rsplit_once(':').unwrap().0.to_owned())
    };
    let spoofed = "X-Forwarded-For: 6.6.6.6, 198.51.100.9\r\n";
    assert_eq!(source(Transport::Loopback, spoofed).await.as_deref(), Some("127.0.0.1"));
    let behind = || Transport::BehindProxy(vec![loopback, "10.0.0.5".parse().unwrap()]);
    assert_eq!(source(behind(), spoofed).await.as_deref(), Some("198.51.100.9"));
    let chain = "X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-For: 10.0.0.5\r\n";
    assert_eq!(source(behind(), chain).await.as_deref(), Some("198.51.100.9"));
    assert_eq!(source(behind(), "X-Forwarded-For: nobody\r\n").await.as_deref(), Some("127.0.0.1"));
    let elsewhere = Transport::BehindProxy(vec!["10.0.0.5".parse().unwrap()]);
    assert_eq!(source(elsewhere, spoofed).await, None, "nobody else is answered");
}

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    let house = House::new("generic").await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let settings = Settings { transport: Transport::Loopback, ssh_example: String::new(), log: None };
    let served = serve(settings, listener, house.identities.clone(), Drain::new()).await;
    assert!(matches!(served, Err(Error::NotLoopback { .. })));
}

#[tokio::test]
async fn a_drain_ends_the_listener() {
    let door = door(Transport::Loopback).await;
    assert_eq!(door.get("/v1/ca").await.status, 200);
    assert!(door.drain.clone().finish(Duration::from_secs(60), Duration::ZERO).await);
    assert!(TcpStream::connect(door.address).await.is_err());
}

#[tokio::test]
async fn tls_is_spoken_with_the_configured_certificate() {
    let (chain, key, der) = self_signed();
    let config = watch::Sender::new(tls(chain.as_bytes(), key.as_bytes()).unwrap());
    let door = door(Transport::Tls(config.subscribe())).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client.with_no_client_auth()));
    let stream = TcpStream::connect(door.address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(b"GET /v1/ca HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(read(stream).await.status, 200);
    assert_eq!(door.get("/v1/ca").await.status, 0, "no plain HTTP on the same port");

    assert!(matches!(tls(b"", key.as_bytes()), Err(Error::Chain)));
    assert!(matches!(tls(chain.as_bytes(), b""), Err(Error::Key)));
    let (_, other, _) = self_signed();
    assert!(matches!(tls(chain.as_bytes(), other.as_bytes()), Err(Error::Tls(_))));
}
