//! The bastion as a client of an issuer, for people who have no tool of ours: where to send a browser, a code for a token,
//! and the device flow (RFC 8628). Asked only once somebody has answered a prompt; bounded like the fetching of keys.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::{FRESH, FetchError, LIMIT_BYTES, Provider, check_address};
use crate::identity::token::object;

/// Where an issuer is asked for what.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    authorization: Option<Url>,
    token: Url,
    device: Option<Url>,
}

/// What a browser is sent to the issuer with.
pub(in crate::identity) struct Ask<'a> {
    pub(in crate::identity) redirect: &'a str,
    pub(in crate::identity) state: &'a str,
    pub(in crate::identity) nonce: &'a str,
    /// base64url of the SHA-256 of the verifier (RFC 7636 §4.2).
    pub(in crate::identity) challenge: &'a str,
}

/// A device flow that waits for its person.
pub(in crate::identity) struct Device {
    code: Zeroizing<String>,
    /// What the person types in.
    pub(in crate::identity) user_code: String,
    /// Where.
    pub(in crate::identity) address: String,
    interval: Duration,
    /// On the monotonic clock.
    ends: Duration,
}

/// So old may the person's last proof to the issuer be. Without it some issuers leave `auth_time` out.
const MAX_AGE_S: u32 = 8 * 3600;
const SLOWER: Duration = Duration::from_secs(5);
const SLOWEST: Duration = Duration::from_secs(60);
/// The longest that a device flow is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl Provider {
    /// The issuer's page for this person and request.
    pub(in crate::identity) async fn page(&self, ask: &Ask<'_>) -> Result<Url, FetchError> {
        let mut url = self.endpoints().await?.authorization.clone().ok_or(FetchError::Document("an address"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id())
            .append_pair("redirect_uri", ask.redirect)
            .append_pair("scope", &self.scope())
            .append_pair("state", ask.state)
            .append_pair("nonce", ask.nonce)
            .append_pair("code_challenge_method", "S256")
            .append_pair("code_challenge", ask.challenge)
            .append_pair("max_age", &MAX_AGE_S.to_string());
        Ok(url)
    }

    /// A code that the issuer gave to a browser, for the ID token behind it.
    pub(in crate::identity) async fn redeem(
        &self,
        code: &str,
        redirect: &str,
        verifier: &str,
    ) -> Result<Zeroizing<String>, FetchError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("client_id", self.client_id()),
            ("code_verifier", verifier),
        ];
        let (status, reply) = self.post(&self.endpoints().await?.token, &form).await?;
        if status == 200 { id_token(&reply) } else { Err(refusal(status, &reply)) }
    }

    /// Begins a device flow.
    pub(in crate::identity) async fn device(&self) -> Result<Device, FetchError> {
        let endpoints = self.endpoints().await?;
        let endpoint = endpoints.device.as_ref().ok_or(FetchError::Document("the device endpoint"))?;
        let form = [("client_id", self.client_id()), ("scope", &self.scope())];
        let (status, reply) = self.post(endpoint, &form).await?;
        if status != 200 {
            return Err(refusal(status, &reply));
        }
        let begun = object(&reply).map_err(|_| FetchError::Document("the device reply"))?;
        let text = |name: &str| {
            let value = begun.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            value.map(str::to_owned).ok_or(FetchError::Document("the device reply"))
        };
        let seconds = |name: &str| begun.get(name).and_then(Value::as_u64).map(Duration::from_secs);
        Ok(Device {
            code: Zeroizing::new(text("device_code")?),
            user_code: text("user_code")?,
            address: text("verification_uri")?,
            interval: seconds("interval").unwrap_or(SLOWER).min(SLOWEST),
            ends: self.clock.elapsed() + seconds("expires_in").unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT),
        })
    }

    /// Asks, as often as the issuer wants to be asked, until the person has signed in there or it is too late.
    pub(in crate::identity) async fn device_token(&self, device: &Device) -> Result<Zeroizing<String>, FetchError> {
        let endpoints = self.endpoints().await?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device.code.as_str()),
            ("client_id", self.client_id()),
        ];
        let mut interval = device.interval;
        loop {
            let (status, reply) = self.post(&endpoints.token, &form).await?;
            if status == 200 {
                return id_token(&reply);
            }
            match refusal(status, &reply) {
                FetchError::Refused(word) if word == "authorization_pending" => {}
                // RFC 8628 §3.5: for this and every later question.
                FetchError::Refused(word) if word == "slow_down" => interval = (interval + SLOWER).min(SLOWEST),
                other => return Err(other),
            }
            if self.clock.elapsed() + interval >= device.ends {
                return Err(FetchError::Refused("expired_token".to_owned()));
            }
            tokio::time::sleep(interval).await;
        }
    }

    fn client_id(&self) -> &str {
        self.settings.client_id.as_deref().unwrap_or_default()
    }

    fn scope(&self) -> String {
        std::iter::once("openid").chain(self.settings.scopes.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    async fn endpoints(&self) -> Result<Arc<Endpoints>, FetchError> {
        let now = self.clock.elapsed();
        if let Some((endpoints, at)) = &self.cache().endpoints
            && now.saturating_sub(*at) < FRESH
        {
            return Ok(Arc::clone(endpoints));
        }
        let discovery = self.read(&self.discovery()).await?;
        let discovery = object(&discovery).map_err(|_| FetchError::Document("the discovery document"))?;
        if discovery.get("issuer").and_then(Value::as_str) != Some(self.settings.url.as_str()) {
            return Err(FetchError::Document("the discovery document"));
        }
        let address = |name: &str| -> Result<Option<Url>, FetchError> {
            let Some(text) = discovery.get(name).and_then(Value::as_str) else { return Ok(None) };
            let url = Url::parse(text).map_err(|_| FetchError::Document("an address"))?;
            check_address(&url, self.settings.internal)?;
            Ok(Some(url))
        };
        let endpoints = Arc::new(Endpoints {
            authorization: address("authorization_endpoint")?,
            token: address("token_endpoint")?.ok_or(FetchError::Document("an address"))?,
            device: address("device_authorization_endpoint")?,
        });
        self.cache().endpoints = Some((Arc::clone(&endpoints), now));
        Ok(endpoints)
    }

    async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<(u16, Zeroizing<Vec<u8>>), FetchError> {
        let request = self.client.post(url.clone()).header("accept", "application/json").form(form);
        let mut response = request.send().await.map_err(|error| FetchError::Request(error.without_url()))?;
        let mut body = Zeroizing::new(Vec::new());
        while let Some(part) = response.chunk().await.map_err(|error| FetchError::Request(error.without_url()))? {
            if body.len() + part.len() > LIMIT_BYTES {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok((response.status().as_u16(), body))
    }
}

fn id_token(reply: &[u8]) -> Result<Zeroizing<String>, FetchError> {
    let reply: Map<String, Value> = object(reply).map_err(|_| FetchError::Document("the token reply"))?;
    let token = reply.get("id_token").and_then(Value::as_str).map(str::to_owned);
    token.map(Zeroizing::new).ok_or(FetchError::Document("the token reply"))
}

/// The issuer's word (RFC 6749 §5.2), or its status where it sends none.
fn refusal(status: u16, reply: &[u8]) -> FetchError {
    let word = object(reply).ok().and_then(|reply| Some(reply.get("error")?.as_str()?.to_owned()));
    word.map_or(FetchError::Status(status), |word| FetchError::Refused(crate::domain::printable(&word, 64)))
}
