//! An ID token: from a browser, from a device flow, or from a CI system.
//!
//! Bound to our key wherever the issuer makes that possible. Whether the token is good is judged by
//! the bastion, not here.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use russh::keys::{HashAlg, PrivateKey};
use serde::Deserialize;
use url::Url;

use super::web::Web;
use super::{Error, Flow, Secret, Settings};
use crate::domain::binding::bound_audience;
use crate::wire::{IssuerOffer, SignInOffer};

mod browser;
mod device;

/// How somebody signs in.
#[derive(Clone, Debug)]
pub enum Way {
    /// A browser on this machine.
    Browser {
        /// Which issuer, where the bastion trusts several.
        issuer: Option<String>,
        /// Ports of 127.0.0.1 to come back to, in order; none: any. Some issuers compare them exactly.
        ports: Vec<u16>,
        /// How long to wait for the person.
        wait: Duration,
    },
    /// A browser anywhere, by a code.
    Device {
        /// Which issuer, where the bastion trusts several.
        issuer: Option<String>,
    },
    /// No person at all.
    Ci(Ci),
}

/// Where a pipeline's token comes from.
#[derive(Clone, Debug)]
pub enum Ci {
    /// GitHub Actions mints one for the audience that we ask for.
    Github {
        /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
        request_url: Url,
        /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        request_token: Secret,
    },
    /// Buildkite's agent asks for one with the audience that we name.
    Buildkite,
    /// Minted before we were asked; bound to no key.
    Given(Secret),
    /// Likewise, in a file.
    File(PathBuf),
}

impl Ci {
    /// Understands `github`, `gitlab`, `buildkite`, `env:NAME` and `file:PATH`; `variable` looks into the environment.
    pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let need = |name: &str, mend: &'static str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| Error::Variable { variable: name.to_owned(), mend })
        };
        match text.split_once(':') {
            None if text == "github" => {
                let mend = "give the job `permissions: id-token: write`";
                let request_url = need("ACTIONS_ID_TOKEN_REQUEST_URL", mend)?;
                let request_token = Secret::new(need("ACTIONS_ID_TOKEN_REQUEST_TOKEN", mend)?);
                let request_url = Url::parse(&request_url).map_err(|_| Error::Unreadable { what: "request URL" })?;
                Ok(Self::Github { request_url, request_token })
            }
            None if text == "buildkite" => Ok(Self::Buildkite),
            None if text == "gitlab" => {
                let mend = "give the job `id_tokens:` with this name and the bastion's audience";
                Ok(Self::Given(Secret::new(need(GITLAB_VARIABLE, mend)?)))
            }
            Some(("env", name)) if !name.is_empty() => {
                Ok(Self::Given(Secret::new(need(name, "it must hold an ID token")?)))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(Error::UnknownCi),
        }
    }
}

/// What the person has to be shown. `cli` prints it, and tries to open the browser.
#[derive(Clone, Copy, Debug)]
pub enum Prompt<'a> {
    /// Open this address in a browser on this machine.
    Open {
        /// Good for one sign-in.
        url: &'a Url,
    },
    /// Open this address anywhere and enter this code.
    Enter {
        /// Where the code is entered.
        url: &'a Url,
        /// The same with the code in it, where the issuer offers that.
        complete: Option<&'a Url>,
        /// The code, fit for a terminal.
        code: &'a str,
    },
}

/// A token, and what the bastion needs to see that it is ours.
#[derive(Debug)]
pub(super) struct IdToken {
    pub(super) text: Secret,
    pub(super) nonce_random: Option<String>,
    pub(super) flow: Flow,
}

pub(super) async fn obtain(
    web: &Web,
    settings: &Settings,
    offer: &SignInOffer,
    key: &PrivateKey,
    way: Way,
    prompt: &mut (dyn FnMut(Prompt<'_>) + Send),
) -> Result<IdToken, Error> {
    match way {
        Way::Browser { issuer, ports, wait } => {
            let issuer = Issuer::discover(web, choose(offer, issuer.as_deref())?).await?;
            browser::sign_in(web, &issuer, key, &ports, wait, prompt).await
        }
        Way::Device { issuer } => {
            let offered = choose(offer, issuer.as_deref())?;
            if !offered.device {
                return Err(Error::NoDevice { issuer: super::printable(&offered.name) });
            }
            let issuer = Issuer::discover(web, offered).await?;
            device::sign_in(web, &issuer, &settings.clock, prompt).await
        }
        Way::Ci(ci) => {
            let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
            let audience = bound_audience(&offer.bastion, &fingerprint);
            let text = match ci {
                Ci::Github { request_url, request_token } => {
                    github(web, request_url, &request_token, &audience).await?
                }
                Ci::Buildkite => buildkite(&audience).await?,
                Ci::Given(token) => trimmed(&token),
                Ci::File(path) => read(&path).await?,
            };
            Ok(IdToken { text, nonce_random: None, flow: Flow::Ci })
        }
    }
}

/// The issuer that was named, or the only one that people sign in with.
fn choose<'a>(offer: &'a SignInOffer, named: Option<&str>) -> Result<&'a IssuerOffer, Error> {
    let people: Vec<_> =
        offer.issuers.iter().filter(|issuer| issuer.kind == "person" && issuer.client_id.is_some()).collect();
    let known = || people.iter().map(|issuer| super::printable(&issuer.name)).collect();
    match (named, people.as_slice()) {
        (Some(name), issuers) => issuers.iter().find(|issuer| issuer.name == name).copied(),
        (None, [only]) => Some(*only),
        (None, _) => None,
    }
    .ok_or_else(|| Error::Issuer { known: known() })
}

/// An issuer, with the addresses that its discovery document names.
struct Issuer {
    url: String,
    client_id: String,
    scope: String,
    authorization: Option<Url>,
    token: Url,
    device_authorization: Option<Url>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: Option<Url>,
    token_endpoint: Url,
    device_authorization_endpoint: Option<Url>,
}

impl Issuer {
    /// OpenID Connect Discovery §4: the document must name the very issuer that it was asked of.
    async fn discover(web: &Web, offered: &IssuerOffer) -> Result<Self, Error> {
        let what = "issuer's discovery document";
        let address = format!("{}/.well-known/openid-configuration", offered.issuer.trim_end_matches('/'));
        let address = Url::parse(&address).map_err(|_| Error::Unreadable { what })?;
        let found: Discovery = web.get(&address, None).await?.json(what)?;
        if found.issuer != offered.issuer {
            return Err(Error::Unreadable { what });
        }
        let mut scopes = vec!["openid"];
        scopes.extend(offered.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
        Ok(Self {
            url: found.issuer,
            client_id: offered.client_id.clone().unwrap_or_default(),
            scope: scopes.join(" "),
            authorization: found.authorization_endpoint,
            token: found.token_endpoint,
            device_authorization: found.device_authorization_endpoint,
        })
    }
}

/// The reply of a token endpoint (OpenID Connect Core §3.1.3.3).
#[derive(Deserialize)]
struct TokenReply {
    id_token: String,
}

/// A refusal of it (RFC 6749 §5.2).
#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

#[derive(Deserialize)]
struct Minted {
    value: String,
}

async fn github(web: &Web, mut url: Url, secret: &Secret, audience: &str) -> Result<Secret, Error> {
    url.query_pairs_mut().append_pair("audience", audience);
    let reply = web.get(&url, Some(secret)).await?;
    if reply.status != 200 {
        return Err(Error::IssuerRefused { reason: format!("status {}", reply.status) });
    }
    Ok(Secret::new(reply.json::<Minted>("token of the CI system")?.value))
}

/// Longer than any agent takes.
const AGENT_TIME: Duration = Duration::from_secs(30);

/// The token comes by the agent's standard output: it is in no argument and no file.
async fn buildkite(audience: &str) -> Result<Secret, Error> {
    let fault = |source| Error::File { path: "buildkite-agent".to_owned(), source };
    let mut agent = tokio::process::Command::new("buildkite-agent");
    agent.args(["oidc", "request-token", "--audience", audience]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let asked = tokio::time::timeout(AGENT_TIME, agent.kill_on_drop(true).output()).await;
    let output = asked.map_err(|_| fault(std::io::ErrorKind::TimedOut.into()))?.map_err(fault)?;
    if !output.status.success() {
        return Err(Error::IssuerRefused { reason: format!("buildkite-agent: {}", output.status) });
    }
    if output.stdout.len() as u64 > MAX_TOKEN_BYTES {
        return Err(fault(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| Error::Unreadable { what: "token of the CI system" })?;
    Ok(trimmed(&Secret::new(text)))
}

async fn read(path: &std::path::Path) -> Result<Secret, Error> {
    let fault = |source| Error::File { path: path.display().to_string(), source };
    let length = tokio::fs::metadata(path).await.map_err(fault)?.len();
    if length > MAX_TOKEN_BYTES {
        return Err(fault(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(trimmed(&Secret::new(tokio::fs::read_to_string(path).await.map_err(fault)?)))
}

fn trimmed(secret: &Secret) -> Secret {
    Secret::new(secret.expose().trim().to_owned())
}

const GITLAB_VARIABLE: &str = "SALLYPORT_ID_TOKEN";
const MAX_TOKEN_BYTES: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "ACTIONS_ID_TOKEN_REQUEST_URL" => Some("https://ci.example/t?v=1".to_owned()),
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN" | "SALLYPORT_ID_TOKEN" | "MINE" => Some("eyJsecret".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn the_ways_of_a_pipeline_are_told_apart_and_no_token_shows() {
        for text in ["github", "gitlab", "env:MINE", "file:/run/token"] {
            let ci = Ci::parse(text, &environment).unwrap();
            assert!(!format!("{ci:?}").contains("eyJ"), "{ci:?}");
        }
        for text in ["", "env:", "file:", "circleci", "env", "GITHUB"] {
            assert!(matches!(Ci::parse(text, &environment), Err(Error::UnknownCi)), "{text}");
        }
    }

    #[test]
    fn a_missing_variable_is_named_with_its_mend() {
        let error = Ci::parse("github", &|_| None).unwrap_err().to_string();
        assert!(error.contains("ACTIONS_ID_TOKEN_REQUEST_URL") && error.contains("id-token: write"), "{error}");
        let error = Ci::parse("env:OTHER", &environment).unwrap_err().to_string();
        assert!(error.contains("OTHER"), "{error}");
    }

    #[test]
    fn an_issuer_is_chosen_only_where_there_is_no_doubt() {
        let issuer = |name: &str, kind: &str| IssuerOffer {
            name: name.to_owned(),
            issuer: format!("https://{name}.example"),
            kind: kind.to_owned(),
            client_id: Some("sallyport".to_owned()),
            scopes: vec![],
            device: false,
        };
        let mut offer = SignInOffer { bastion: "b".to_owned(), issuers: vec![issuer("ci", "pipeline")] };
        assert!(choose(&offer, None).is_err());
        offer.issuers.push(issuer("corp", "person"));
        assert_eq!(choose(&offer, None).unwrap().name, "corp");
        offer.issuers.push(issuer("lab", "person"));
        assert_eq!(choose(&offer, None).unwrap_err().to_string(), "choose an issuer: corp, lab");
        assert_eq!(choose(&offer, Some("lab")).unwrap().name, "lab");
        assert!(choose(&offer, Some("ci")).is_err());
    }
}
