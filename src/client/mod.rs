//! What a user's machine does: get an ID token, prove the key, trade it for a certificate.
//!
//! Reads no environment variable and no config: `cli` hands in what is needed. Talks to the bastion
//! and to the issuer it names, over HTTPS only, except on loopback. Prints nothing.

use std::fmt;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::domain::binding::{PROOF_NAMESPACE, proof_message};
use crate::domain::{Timestamp, identity::Flow};
use crate::wire;

pub mod agent;
pub mod keys;
pub mod setup;
pub mod token;
mod web;

use token::{IdToken, Prompt, Way};
use web::Web;

/// Which bastion, and how to know it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its HTTPS side answers, e.g. `https://bastion.example.com:8443`.
    pub bastion: Url,
    /// The name it must give itself. Absent: the host of `bastion`, unless that is on loopback.
    pub name: Option<String>,
    /// Authorities for HTTPS beyond the system's own, as PEM.
    pub roots: Vec<Vec<u8>>,
    /// Dates the proof and judges the certificate.
    pub clock: Clock,
}

/// Somebody who has a certificate now. The key is still in memory only.
pub struct SignedIn {
    /// The key that was proved.
    pub key: PrivateKey,
    /// The certificate for it.
    pub certificate: Certificate,
    /// What to tell the person.
    pub outcome: Outcome,
    /// The authority of the bastion's and the targets' host certificates.
    pub host_ca: PublicKey,
}

/// Who somebody is to the bastion, until when, and what to try next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The name in certificates and policy.
    pub principal: String,
    /// The name for people.
    pub name: String,
    /// When the certificate ends.
    pub until: Timestamp,
    /// The certificate's serial.
    pub serial: u64,
    /// The record of the sign-in in the bastion's ledger.
    pub record: String,
    /// The bastion's name.
    pub bastion: String,
    /// The `ssh` line to try next.
    pub ssh_line: String,
}

/// The whole exchange, in order: offer, key, token, proof, certificate, and whether it is ours.
pub async fn login(
    settings: &Settings,
    way: Way,
    prompt: &mut (dyn FnMut(Prompt<'_>) + Send),
) -> Result<SignedIn, Error> {
    let web = Web::new(&settings.roots)?;
    let offer: wire::SignInOffer = web.get(&at(&settings.bastion, wire::SIGN_IN_PATH)?, None).await?.json("offer")?;
    check_name(settings, &offer.bastion)?;
    let authorities = authorities(&web, &settings.bastion).await?;
    let key = keys::new_key(&format!("sallyport {}", offer.bastion))?;
    let token = token::obtain(&web, settings, &offer, &key, way, prompt).await?;
    let reply = exchange(&web, settings, &offer.bastion, &key, &token).await?;
    let certificate = Certificate::from_openssh(&reply.access_token).map_err(|_| Fault::Unreadable)?;
    let until = check_certificate(&certificate, &key, &authorities.user, &reply.principal, settings.clock.now())?;
    let outcome = Outcome {
        principal: reply.principal,
        name: printable(&reply.name),
        until,
        serial: certificate.serial(),
        record: printable(&reply.record),
        bastion: offer.bastion,
        ssh_line: printable(&reply.ssh_example),
    };
    Ok(SignedIn { key, certificate, outcome, host_ca: authorities.host })
}

struct Authorities {
    user: PublicKey,
    host: PublicKey,
}

async fn authorities(web: &Web, bastion: &Url) -> Result<Authorities, Error> {
    let reply = web.get(&at(bastion, wire::CA_PATH)?, None).await?;
    let body = reply.text("authorities")?;
    let key = |authority: &str| -> Result<PublicKey, Error> {
        let line = wire::ca_line(&body, authority).ok_or(Error::Unreadable { what: "authorities" })?;
        PublicKey::from_openssh(line).map_err(|_| Error::Unreadable { what: "authorities" })
    };
    Ok(Authorities { user: key("user")?, host: key("host")? })
}

async fn exchange(
    web: &Web,
    settings: &Settings,
    bastion: &str,
    key: &PrivateKey,
    token: &IdToken,
) -> Result<wire::CertificateReply, Error> {
    let at_time = settings.clock.now();
    let message = proof_message(bastion, token.text.expose(), at_time);
    let proof = key.sign(PROOF_NAMESPACE, HashAlg::Sha512, message.as_bytes()).map_err(|_| Error::Key)?;
    let request = wire::CertificateRequest {
        grant_type: wire::GRANT_TYPE.to_owned(),
        subject_token: token.text.expose().to_owned(),
        subject_token_type: wire::ID_TOKEN_TYPE.to_owned(),
        requested_token_type: Some(wire::CERTIFICATE_TYPE.to_owned()),
        public_key: key.public_key().to_openssh().map_err(|_| Error::Key)?,
        proof: proof.to_pem(LineEnding::LF).map_err(|_| Error::Key)?,
        proof_time: at_time.secs().to_string(),
        nonce_random: token.nonce_random.clone(),
        flow: Some(token.flow.as_str().to_owned()),
    };
    let reply = web.post(&at(&settings.bastion, wire::CERTIFICATES_PATH)?, &request).await?;
    // The copy in the request is the one that this room made.
    drop(Zeroizing::new(request.subject_token));
    if reply.status == 200 {
        return reply.json("reply");
    }
    Err(match reply.json::<wire::Problem>("refusal") {
        Ok(problem) => Error::Refused {
            title: printable(&problem.title),
            detail: printable(&problem.detail),
            code: printable(&problem.code),
            reference: printable(&problem.reference),
        },
        Err(_) => Error::Status { host: web::host(&settings.bastion), status: reply.status },
    })
}

/// Whatever name the bastion gives itself stands in the proof and in audiences: another's name would
/// make a sign-in here one over there.
fn check_name(settings: &Settings, said: &str) -> Result<(), Error> {
    let host = settings.bastion.host_str().unwrap_or_default();
    let expected = match &settings.name {
        Some(name) => name.as_str(),
        None if web::on_loopback(&settings.bastion) => said,
        None => host,
    };
    let fits = said.len() <= 253 && said.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    if said != expected || said.starts_with(['.', '-']) || said.is_empty() || !fits {
        return Err(Error::WrongBastion { said: printable(said), expected: expected.to_owned() });
    }
    Ok(())
}

/// For our key, by the authority that the bastion named, for one principal, now. Returns its end.
fn check_certificate(
    certificate: &Certificate,
    key: &PrivateKey,
    authority: &PublicKey,
    principal: &str,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    if certificate.public_key() != key.public_key().key_data() {
        return Err(Fault::AnotherKey.into());
    }
    if certificate.cert_type() != CertType::User {
        return Err(Fault::NotForUsers.into());
    }
    if certificate.valid_principals() != [principal] {
        return Err(Fault::AnotherPrincipal.into());
    }
    let secs = |time: u64| i64::try_from(time).map(Timestamp::from_secs);
    let (Ok(after), Ok(before)) = (secs(certificate.valid_after()), secs(certificate.valid_before())) else {
        return Err(Fault::TooLong.into());
    };
    if before.since(after) > LONGEST_LIFE {
        return Err(Fault::TooLong.into());
    }
    if now < after || now >= before {
        return Err(Error::Clock { here: now, from: after, until: before });
    }
    // Just found to lie within the certificate's own times, so it is not negative.
    let unix = now.unix_secs();
    certificate.validate_at(unix, [&authority.fingerprint(HashAlg::Sha256)]).map_err(|_| Fault::AnotherAuthority)?;
    Ok(before)
}

fn at(base: &Url, path: &str) -> Result<Url, Error> {
    base.join(path).map_err(|_| Error::Unreadable { what: "address" })
}

/// Text from outside, fit for a terminal: printable ASCII, at most 400 bytes.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(400).map(shown).collect()
}

/// Text that must not be shown or kept: wiped when dropped, never in `Debug`.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes it over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Whoever calls this is responsible for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// Why there is no certificate. Shown to the person at the terminal.
#[derive(Debug, Error)]
pub enum Error {
    /// Neither HTTPS nor loopback.
    #[error("{url}: only https is used, except on this machine itself")]
    Insecure {
        /// Without its query.
        url: String,
    },
    /// No connection, no answer in time, or no valid TLS certificate.
    #[error("cannot reach {host}")]
    Unreachable {
        /// Which.
        host: String,
        /// Why, without the address.
        #[source]
        source: reqwest::Error,
    },
    /// Something else than the protocol foresees.
    #[error("{host} answered with status {status}")]
    Status {
        /// Which.
        host: String,
        /// HTTP's.
        status: u16,
    },
    /// The reply is too long.
    #[error("{host} sent more than {limit} bytes")]
    TooLong {
        /// Which.
        host: String,
        /// In bytes.
        limit: usize,
    },
    /// The reply is not what it should be.
    #[error("cannot read the {what}")]
    Unreadable {
        /// Of what.
        what: &'static str,
    },
    /// The TLS library or an authority's file cannot be used.
    #[error("cannot set up https")]
    Tls,
    /// It calls itself something else.
    #[error("the bastion calls itself '{said}', not '{expected}'; if that is right, say so with its name")]
    WrongBastion {
        /// What it said.
        said: String,
        /// What it should have said.
        expected: String,
    },
    /// None fits, or several do.
    #[error("choose an issuer: {}", known.join(", "))]
    Issuer {
        /// Those that people sign in with here.
        known: Vec<String>,
    },
    /// The config of the bastion does not allow it for this issuer.
    #[error("'{issuer}' does not offer the device flow here")]
    NoDevice {
        /// Which.
        issuer: String,
    },
    /// Nothing to listen on.
    #[error("none of these ports of 127.0.0.1 is free: {ports:?}")]
    Ports {
        /// Those that were tried.
        ports: Vec<u16>,
    },
    /// Nobody came back from the browser, or nobody entered the code.
    #[error("nobody signed in within the time")]
    TimedOut,
    /// The issuer said no.
    #[error("the issuer refused: {reason}")]
    IssuerRefused {
        /// Its word for it.
        reason: String,
    },
    /// The issuer's token is not bound to our key.
    #[error("the issuer's token does not carry our nonce")]
    Nonce,
    /// A variable that the CI system should have set.
    #[error("{variable} is not set: {mend}")]
    Variable {
        /// Its name.
        variable: String,
        /// What to do.
        mend: &'static str,
    },
    /// Not one of the ways in which a pipeline gets a token.
    #[error("--ci takes github, gitlab, buildkite, env:NAME or file:PATH")]
    UnknownCi,
    /// A file of this machine.
    #[error("{path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key could not be made or used.
    #[error("cannot make or use a key")]
    Key,
    /// The bastion said no.
    #[error("refused: {title}: {detail} ({code}, reference {reference})")]
    Refused {
        /// A short phrase.
        title: String,
        /// What to do next.
        detail: String,
        /// A stable word.
        code: String,
        /// To be looked up in the bastion's log.
        reference: String,
    },
    /// What came is not the certificate that was asked for.
    #[error("the bastion sent a wrong certificate")]
    Certificate(#[from] Fault),
    /// The certificate is not valid by the clock of this machine.
    #[error("the certificate is valid from {from} until {until}, but here it is {here}: set this machine's clock")]
    Clock {
        /// Now, on this machine.
        here: Timestamp,
        /// The certificate's beginning.
        from: Timestamp,
        /// The certificate's end.
        until: Timestamp,
    },
    /// The agent.
    #[error(transparent)]
    Agent(#[from] agent::Error),
    /// Text that cannot stand in a config file.
    #[error("'{text}' cannot stand in an ssh config")]
    Config {
        /// Which.
        text: String,
    },
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable,
    /// It certifies another key.
    #[error("it is for another key")]
    AnotherKey,
    /// It is for hosts.
    #[error("it is not for users")]
    NotForUsers,
    /// It has another principal, none, or several.
    #[error("it is for another principal")]
    AnotherPrincipal,
    /// Not by the authority that the bastion names.
    #[error("it is by another authority")]
    AnotherAuthority,
    /// Nobody gets one for so long.
    #[error("it lives longer than any certificate may")]
    TooLong,
}

/// Eight hours, and a minute of backdating on either side.
const LONGEST_LIFE: Duration = Duration::from_secs(8 * 3600 + 120);
