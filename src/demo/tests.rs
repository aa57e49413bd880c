//! The client's whole exchange: a demo issuer, a stub of the bastion's HTTPS side, the real
//! ssh-agent and the stock `ssh` client against a demo target.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::{LineEnding, SshSig};
use russh::keys::{Certificate, PrivateKey, PublicKey};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;

use super::issuer::{self, DemoIssuer, Person, Realm};
use super::target::{self, DemoTarget};
use crate::client::agent::{Agent, Destination};
use crate::client::token::{Ci, Prompt, Way};
use crate::client::{self, Error, Fault, Secret, SignedIn, keys, setup};
use crate::clock::Clock;
use crate::domain::target::Login;
use crate::domain::{Timestamp, binding};
use crate::drain::Drain;
use crate::wire;

/// An issuer and a stub of the bastion, which checks what binds a token to a key and nothing else.
struct Bench {
    issuer: DemoIssuer,
    stub: Arc<Stub>,
    url: Url,
    clock: Clock,
    drain: Drain,
}

struct Stub {
    offer: Mutex<wire::SignInOffer>,
    user_ca: PrivateKey,
    host_ca: PrivateKey,
    clock: Clock,
    spoil: Mutex<Spoil>,
    /// Claims and flow of the last token.
    seen: Mutex<Option<(Value, String)>>,
}

/// What the stub does wrong.
#[derive(Clone, Copy, Default, PartialEq)]
enum Spoil {
    #[default]
    Nothing,
    AnotherKey,
    AnotherAuthority,
    AnotherPrincipal,
    HostCertificate,
    TooLong,
    Late,
    Refuse,
}

const NAME: &str = "bastion.example.com";

impl Bench {
    async fn new() -> Self {
        let (clock, drain) = (Clock::system(), Drain::new());
        let settings = issuer::Settings {
            client_id: "sallyport".to_owned(),
            device_interval: Duration::ZERO,
            clock: clock.clone(),
        };
        let issuer = DemoIssuer::start(settings, &drain).await.unwrap();
        let offered = |name: &str, realm, kind: &str, client_id: Option<&str>| wire::IssuerOffer {
            name: name.to_owned(),
            issuer: issuer.url(realm),
            kind: kind.to_owned(),
            client_id: client_id.map(str::to_owned),
            scopes: vec!["groups".to_owned()],
            device: client_id.is_some(),
        };
        let issuers = vec![
            offered("corp", Realm::Corp, "person", Some("sallyport")),
            offered("actions", Realm::Actions, "pipeline", None),
        ];
        let stub = Arc::new(Stub {
            offer: Mutex::new(wire::SignInOffer { bastion: NAME.to_owned(), issuers }),
            user_ca: keys::new_key("user-ca").unwrap(),
            host_ca: keys::new_key("host-ca").unwrap(),
            clock: clock.clone(),
            spoil: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = Router::new()
            .route(
                wire::SIGN_IN_PATH,
                get(|State(stub): State<Arc<Stub>>| async move { Json(stub.offer.lock().unwrap().clone()) }),
            )
            .route(wire::CA_PATH, get(authorities))
            .route(wire::CERTIFICATES_PATH, post(certificates))
            .with_state(Arc::clone(&stub));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        drain.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, stub, url, clock, drain }
    }

    fn settings(&self) -> client::Settings {
        client::Settings { bastion: self.url.clone(), name: None, roots: vec![], clock: self.clock.clone() }
    }

    /// `person` sits at the browser.
    async fn browser(&self, person: &'static str) -> Result<SignedIn, Error> {
        let way = Way::Browser { issuer: None, ports: vec![], wait: Duration::from_secs(30) };
        let drain = self.drain.clone();
        let mut open = move |prompt: Prompt<'_>| {
            let Prompt::Open { url } = prompt else { panic!("{prompt:?}") };
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("prompt", "none").append_pair("login_hint", person);
            drain.spawn(async move { reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await });
        };
        client::login(&self.settings(), way, &mut open).await
    }

    fn github(&self) -> Ci {
        let variable = |name: &str| match name {
            "ACTIONS_ID_TOKEN_REQUEST_URL" => Some(self.issuer.job_request_url()),
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN" => Some(self.issuer.job_request_token().to_owned()),
            _ => None,
        };
        Ci::parse("github", &variable).unwrap()
    }

    async fn pipeline(&self, ci: Ci) -> Result<SignedIn, Error> {
        client::login(&self.settings(), Way::Ci(ci), &mut |prompt| panic!("{prompt:?}")).await
    }

    fn seen(&self) -> (Value, String) {
        self.stub.seen.lock().unwrap().take().unwrap()
    }
}

async fn authorities(State(stub): State<Arc<Stub>>) -> String {
    let line = |key: &PrivateKey| key.public_key().to_openssh().unwrap();
    let (user, host) = (line(&stub.user_ca), line(&stub.host_ca));
    wire::ca_lines([("user", user.as_str()), ("host", host.as_str())])
}

async fn certificates(State(stub): State<Arc<Stub>>, Form(request): Form<wire::CertificateRequest>) -> Response {
    assert_eq!(
        (request.grant_type.as_str(), request.subject_token_type.as_str()),
        (wire::GRANT_TYPE, wire::ID_TOKEN_TYPE)
    );
    let key = PublicKey::from_openssh(&request.public_key).unwrap();
    let at = Timestamp::from_secs(request.proof_time.parse().unwrap());
    let message = binding::proof_message(NAME, &request.subject_token, at);
    let proof = SshSig::from_pem(&request.proof).unwrap();
    key.verify(binding::PROOF_NAMESPACE, message.as_bytes(), &proof).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(request.subject_token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    if let Some(random) = &request.nonce_random {
        let random = BASE64_URL_SAFE_NO_PAD.decode(random).unwrap().try_into().unwrap();
        assert_eq!(claims["nonce"], binding::nonce(&key.to_bytes().unwrap(), &random));
    }
    *stub.seen.lock().unwrap() = Some((claims, request.flow.unwrap_or_default()));
    let spoil = *stub.spoil.lock().unwrap();
    if spoil == Spoil::Refuse {
        let problem = wire::Problem {
            kind: "urn:sallyport:problem:token-replayed".to_owned(),
            title: "token used before".to_owned(),
            status: 403,
            detail: "sign in again\u{1b}[31m".to_owned(),
            code: "token-replayed".to_owned(),
            reference: "R1".to_owned(),
        };
        return (StatusCode::FORBIDDEN, Json(problem)).into_response();
    }
    let other = keys::new_key("x").unwrap();
    let certified = if spoil == Spoil::AnotherKey { other.public_key() } else { &key };
    let authority = if spoil == Spoil::AnotherAuthority { &other } else { &stub.user_ca };
    let late = if spoil == Spoil::Late { 3600 } else { 0 };
    let now = u64::try_from(stub.clock.now().secs()).unwrap() + late;
    let until = now + if spoil == Spoil::TooLong { 9 * 3600 } else { 3600 };
    let kind = if spoil == Spoil::HostCertificate { CertType::Host } else { CertType::User };
    let principal = if spoil == Spoil::AnotherPrincipal { "root" } else { "corp/QQ" };
    let certificate = certificate(certified, authority, kind, principal, now - 60, until);
    Json(wire::CertificateReply {
        access_token: certificate.to_openssh().unwrap(),
        issued_token_type: wire::CERTIFICATE_TYPE.to_owned(),
        token_type: wire::NOT_APPLICABLE.to_owned(),
        expires_in: 3600,
        principal: "corp/QQ".to_owned(),
        name: "Alice Ahmed".to_owned(),
        valid_before: Timestamp::from_secs(i64::try_from(until).unwrap()).to_string(),
        serial: 7,
        record: "01J".to_owned(),
        bastion: NAME.to_owned(),
        ssh_example: format!("ssh -p 2222 deploy+db1@{NAME}"),
    })
    .into_response()
}

fn certificate(
    key: &PublicKey,
    authority: &PrivateKey,
    kind: CertType,
    principal: &str,
    after: u64,
    before: u64,
) -> Certificate {
    let mut draft = Builder::new(vec![7; 16], key, after, before).unwrap();
    draft.serial(7).unwrap().key_id("sp1:01J:alice").unwrap().cert_type(kind).unwrap();
    draft.valid_principal(principal).unwrap();
    draft.sign(authority).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_with_the_browser_and_the_token_carries_the_key() {
    let bench = Bench::new().await;
    let signed_in = bench.browser("alice").await.unwrap();
    assert_eq!(signed_in.outcome.principal, "corp/QQ");
    assert_eq!(signed_in.outcome.ssh_line, "ssh -p 2222 deploy+db1@bastion.example.com");
    assert_eq!(&signed_in.host_ca, bench.stub.host_ca.public_key());
    let (claims, flow) = bench.seen();
    assert_eq!((claims["sub"].as_str(), flow.as_str()), (Some(Person::Alice.subject()), "local"));
}

#[tokio::test]
async fn somebody_the_issuer_does_not_know_is_told_so() {
    let bench = Bench::new().await;
    let error = bench.browser("mallory").await.unwrap_err();
    assert!(matches!(&error, Error::IssuerRefused { reason } if reason == "login_required"), "{error}");
}

#[tokio::test]
async fn a_person_signs_in_with_a_code_on_another_device() {
    let bench = Bench::new().await;
    let issuer = bench.issuer.clone();
    let mut enter = move |prompt: Prompt<'_>| {
        let Prompt::Enter { code, complete, .. } = prompt else { panic!("{prompt:?}") };
        assert!(complete.unwrap().query().unwrap().ends_with(code));
        assert!(issuer.answer_device(code, Some(Person::Bob)));
    };
    client::login(&bench.settings(), Way::Device { issuer: None }, &mut enter).await.unwrap();
    let (claims, flow) = bench.seen();
    assert_eq!((claims["sub"].as_str(), flow.as_str()), (Some(Person::Bob.subject()), "device"));
}

#[tokio::test]
async fn a_refused_device_and_an_issuer_without_the_flow_are_told_apart() {
    let bench = Bench::new().await;
    let issuer = bench.issuer.clone();
    let mut enter = move |prompt: Prompt<'_>| {
        if let Prompt::Enter { code, .. } = prompt {
            issuer.answer_device(code, None);
        }
    };
    let error = client::login(&bench.settings(), Way::Device { issuer: None }, &mut enter).await.unwrap_err();
    assert!(matches!(&error, Error::IssuerRefused { reason } if reason == "access_denied"), "{error}");
    bench.stub.offer.lock().unwrap().issuers[0].device = false;
    let error = client::login(&bench.settings(), Way::Device { issuer: None }, &mut enter).await.unwrap_err();
    assert!(matches!(error, Error::NoDevice { .. }), "{error}");
}

#[tokio::test]
async fn a_pipeline_asks_for_a_token_whose_audience_carries_the_key() {
    let bench = Bench::new().await;
    let signed_in = bench.pipeline(bench.github()).await.unwrap();
    let fingerprint = signed_in.key.public_key().fingerprint(Default::default()).to_string();
    let (claims, flow) = bench.seen();
    assert_eq!(claims["aud"], binding::bound_audience(NAME, &fingerprint));
    assert_eq!(flow, "ci");
}

#[tokio::test]
async fn a_given_token_is_used_as_it_is() {
    let bench = Bench::new().await;
    let token = bench.issuer.mint(Realm::Actions, &bench.issuer.job_claims(&binding::audience(NAME))).unwrap();
    bench.pipeline(Ci::Given(Secret::new(format!("{token}\n")))).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{token}\n")).unwrap();
    bench.pipeline(Ci::File(path.clone())).await.unwrap();
    assert_eq!(bench.seen().0["aud"], "https://bastion.example.com/ssh");
    std::fs::write(&path, vec![b'x'; 17 << 10]).unwrap();
    assert!(matches!(bench.pipeline(Ci::File(path)).await, Err(Error::File { .. })));
}

#[tokio::test]
async fn a_certificate_that_is_not_what_was_asked_for_is_not_taken() {
    let bench = Bench::new().await;
    let faults = [
        (Spoil::AnotherKey, Fault::AnotherKey),
        (Spoil::AnotherAuthority, Fault::AnotherAuthority),
        (Spoil::AnotherPrincipal, Fault::AnotherPrincipal),
        (Spoil::HostCertificate, Fault::NotForUsers),
        (Spoil::TooLong, Fault::TooLong),
    ];
    for (spoil, fault) in faults {
        *bench.stub.spoil.lock().unwrap() = spoil;
        let error = bench.pipeline(bench.github()).await.unwrap_err();
        assert!(matches!(error, Error::Certificate(found) if found == fault), "{error:?}");
    }
    *bench.stub.spoil.lock().unwrap() = Spoil::Late;
    let error = bench.pipeline(bench.github()).await.unwrap_err();
    assert!(matches!(error, Error::Clock { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_says_what_the_bastion_said_and_nothing_reaches_the_terminal_raw() {
    let bench = Bench::new().await;
    *bench.stub.spoil.lock().unwrap() = Spoil::Refuse;
    let error = bench.pipeline(bench.github()).await.unwrap_err().to_string();
    assert_eq!(error, "refused: token used before: sign in again?[31m (token-replayed, reference R1)");
}

#[tokio::test]
async fn a_bastion_under_another_name_gets_no_token() {
    let bench = Bench::new().await;
    let settings = client::Settings { name: Some("other.example.com".to_owned()), ..bench.settings() };
    let error = client::login(&settings, Way::Ci(bench.github()), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::WrongBastion { .. }), "{error}");
    bench.stub.offer.lock().unwrap().bastion = "../../etc".to_owned();
    assert!(matches!(bench.pipeline(bench.github()).await, Err(Error::WrongBastion { .. })));
    assert!(bench.stub.seen.lock().unwrap().is_none());
}

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    let bench = Bench::new().await;
    for url in ["http://bastion.example.com/", "http://localhost:1/", "ftp://127.0.0.1/"] {
        let settings = client::Settings { bastion: Url::parse(url).unwrap(), ..bench.settings() };
        let error = client::login(&settings, Way::Ci(bench.github()), &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, Error::Insecure { .. }), "{url}: {error}");
    }
    bench.stub.offer.lock().unwrap().issuers[0].issuer = "http://issuer.example.com".to_owned();
    assert!(matches!(bench.browser("alice").await, Err(Error::Insecure { .. })));
}

/// A real agent in a folder of its own. Ends when dropped.
struct RealAgent {
    _child: Child,
    socket: std::path::PathBuf,
}

impl RealAgent {
    async fn start(folder: &Path) -> Self {
        let socket = folder.join("agent.sock");
        let mut child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // It prints its socket once it listens.
        BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
        Self { _child: child, socket }
    }

    async fn list(&self) -> String {
        let output = Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &self.socket).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether this machine has OpenSSH's client and agent.
fn has_openssh() -> bool {
    ["/usr/bin/ssh", "/usr/bin/ssh-agent", "/usr/bin/ssh-add"].iter().all(|path| Path::new(path).exists())
}

#[tokio::test]
async fn the_agent_takes_the_certificate_and_a_later_sign_in_replaces_it() {
    if !has_openssh() {
        return;
    }
    let (bench, folder) = (Bench::new().await, tempfile::tempdir().unwrap());
    let agent = RealAgent::start(folder.path()).await;
    let mut other = Agent::connect(&agent.socket).await.unwrap();
    let stranger = bench.pipeline(bench.github()).await.unwrap();
    other.add(&stranger.key, &stranger.certificate, "not ours", Duration::from_secs(60), None).await.unwrap();
    for _ in 0..2 {
        let signed_in = bench.pipeline(bench.github()).await.unwrap();
        let names = vec![NAME.to_owned(), "db1".to_owned()];
        let destination = Destination { names, host_ca: signed_in.host_ca.clone(), host_keys: vec![] };
        keys::into_agent(&signed_in, &agent.socket, Some(&destination), bench.clock.now()).await.unwrap();
        let fingerprint = signed_in.key.public_key().fingerprint(Default::default());
        let list = agent.list().await;
        assert!(list.contains(&format!("256 {fingerprint} sallyport {NAME} (ED25519-CERT)")), "{list}");
        assert_eq!(list.lines().count(), 2, "{list}");
    }
}

#[tokio::test]
async fn an_agent_that_refuses_the_constraint_is_named_and_holds_nothing() {
    let (bench, folder) = (Bench::new().await, tempfile::tempdir().unwrap());
    let socket = folder.path().join("old.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    // Lists nothing and refuses whatever has an extension, as OpenSSH's agent did before 8.9.
    bench.drain.spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Ok(length) = stream.read_u32().await {
            let mut message = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut message).await.unwrap();
            let reply: &[u8] = if message[0] == 11 { &[0, 0, 0, 5, 12, 0, 0, 0, 0] } else { &[0, 0, 0, 1, 5] };
            stream.write_all(reply).await.unwrap();
        }
    });
    let signed_in = bench.pipeline(bench.github()).await.unwrap();
    let names = vec![NAME.to_owned()];
    let destination = Destination { names, host_ca: signed_in.host_ca.clone(), host_keys: vec![] };
    let result = keys::into_agent(&signed_in, &socket, Some(&destination), bench.clock.now()).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("old.sock") && error.contains("--no-constraint"), "{error}");
}

/// `ssh` with a certificate for a demo target. Returns what it said.
async fn ssh(folder: &Path, config: &str, socket: Option<&Path>, args: &[&str]) -> (Option<i32>, String, String) {
    let file = folder.join("ssh_config");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("ssh");
    command.env_clear().env("HOME", folder).arg("-F").arg(&file).args(["-o", "BatchMode=yes"]).args(args);
    if let Some(socket) = socket {
        command.env("SSH_AUTH_SOCK", socket);
    }
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn stock_ssh_uses_what_login_left_and_the_agent_keeps_the_key_to_its_destination() {
    if !has_openssh() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (clock, drain) = (Clock::system(), Drain::new());
    let (authority, hosts) = (keys::new_key("target-ca").unwrap(), keys::new_key("host-ca").unwrap());
    let target = DemoTarget::start(
        target::Settings {
            name: "db1".to_owned(),
            target_ca: authority.public_key().clone(),
            host_authority: Some(hosts.clone()),
            logins: vec![Login::parse("deploy").unwrap()],
            home: "/".into(),
            env: vec![],
            clock: clock.clone(),
        },
        &drain,
    )
    .await
    .unwrap();
    let key = keys::new_key("k").unwrap();
    let now = u64::try_from(clock.now().secs()).unwrap();
    let certificate = certificate(key.public_key(), &authority, CertType::User, "deploy", now - 60, now + 600);
    let outcome = client::Outcome {
        principal: "corp/QQ".to_owned(),
        name: "Alice".to_owned(),
        until: Timestamp::from_secs(i64::try_from(now).unwrap() + 600),
        serial: 7,
        record: "01J".to_owned(),
        bastion: "db1".to_owned(),
        ssh_line: String::new(),
    };
    let signed_in = SignedIn { key, certificate, outcome, host_ca: hosts.public_key().clone() };

    // Files, with the very lines that setup writes.
    let files = keys::into_files(&signed_in, folder.path()).unwrap();
    let mut setup = setup::Setup {
        bastion: "db1".to_owned(),
        host_name: Some("127.0.0.1".to_owned()),
        port: target.address().port(),
        targets: vec![],
        logins: vec![],
        host_ca: hosts.public_key().clone(),
        certificate: files.certificate.clone(),
        key: Some(files.key.clone()),
    };
    let known = folder.path().join("known_hosts");
    assert!(setup::write(&known, "db1", &setup::lines(&setup).unwrap().known_hosts).unwrap());
    let known = format!("    UserKnownHostsFile {}\n", known.display());
    let config = setup::lines(&setup).unwrap().config + &known;
    let said = ssh(folder.path(), &config, None, &["deploy@db1", "echo files; exit 7"]).await;
    assert_eq!((said.0, said.1.as_str()), (Some(7), "files\n"), "{}", said.2);

    // The agent, tied to this target: the private key is in no file.
    std::fs::remove_file(&files.key).unwrap();
    setup.key = None;
    let config = setup::lines(&setup).unwrap().config + &known;
    let agent = RealAgent::start(folder.path()).await;
    let bound = |name: &str, host_ca: &PrivateKey| Destination {
        names: vec![name.to_owned()],
        host_ca: host_ca.public_key().clone(),
        host_keys: vec![],
    };
    let here = bound("db1", &hosts);
    keys::into_agent(&signed_in, &agent.socket, Some(&here), clock.now()).await.unwrap();
    let said = ssh(folder.path(), &config, Some(&agent.socket), &["deploy@db1", "echo agent"]).await;
    assert_eq!((said.0, said.1.as_str()), (Some(0), "agent\n"), "{}", said.2);

    // Tied to another name, or by another authority, the same identity does not sign here.
    for elsewhere in [bound("db2", &hosts), bound("db1", &authority)] {
        keys::into_agent(&signed_in, &agent.socket, Some(&elsewhere), clock.now()).await.unwrap();
        let said = ssh(folder.path(), &config, Some(&agent.socket), &["deploy@db1", "echo agent"]).await;
        assert_eq!((said.0, said.1.as_str()), (Some(255), ""), "{}", said.2);
    }
    assert_eq!(target.runs().len(), 2);
}

#[tokio::test]
async fn the_proof_is_what_ssh_keygen_makes() {
    if !Path::new("/usr/bin/ssh-keygen").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = keys::new_key("k").unwrap();
    let message = binding::proof_message(NAME, "token", Timestamp::from_secs(1));
    let proof = key.sign(binding::PROOF_NAMESPACE, Default::default(), message.as_bytes()).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("proof"), proof.to_pem(LineEnding::LF).unwrap()).unwrap();
    std::fs::write(path("message"), message).unwrap();
    std::fs::write(path("signers"), format!("me {}\n", key.public_key().to_openssh().unwrap())).unwrap();
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "verify", "-n", "sallyport", "-I", "me", "-f"]).arg(path("signers"));
    command.arg("-s").arg(path("proof")).stdin(std::fs::File::open(path("message")).unwrap());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}
