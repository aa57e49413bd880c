//! The issuer's device flow (RFC 8628). Its token is bound to no key: the proof of possession is.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::super::web::{Reply, Web};
use super::super::{Error, Flow, Secret, printable};
use super::{IdToken, Issuer, Prompt, TokenRefusal, TokenReply};
use crate::clock::Clock;

#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
    expires_in: u64,
    #[serde(default = "five")]
    interval: u64,
}

/// What an answer of the token endpoint means for the next question.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Wait(Duration),
    Refused(String),
}

pub(super) async fn sign_in(
    web: &Web,
    issuer: &Issuer,
    clock: &Clock,
    prompt: &mut (dyn FnMut(Prompt<'_>) + Send),
) -> Result<IdToken, Error> {
    let no_device = || Error::NoDevice { issuer: printable(&issuer.url) };
    let endpoint = issuer.device_authorization.as_ref().ok_or_else(no_device)?;
    let form = [("client_id", issuer.client_id.as_str()), ("scope", issuer.scope.as_str())];
    let reply = web.post(endpoint, &form).await?;
    if reply.status != 200 {
        return Err(Error::IssuerRefused { reason: refusal(&reply) });
    }
    let begun: Begun = reply.json("issuer's device reply")?;
    let device_code = Secret::new(begun.device_code);
    let ends = clock.elapsed() + Duration::from_secs(begun.expires_in).min(LONGEST_WAIT);
    prompt(Prompt::Enter {
        url: &begun.verification_uri,
        complete: begun.verification_uri_complete.as_ref(),
        code: &printable(&begun.user_code),
    });
    let mut interval = Duration::from_secs(begun.interval).min(SLOWEST);
    loop {
        tokio::time::sleep(interval).await;
        if clock.elapsed() >= ends {
            return Err(Error::TimedOut);
        }
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code.expose()),
            ("client_id", &issuer.client_id),
        ];
        let reply = match web.post(&issuer.token, &form).await {
            Ok(reply) => reply,
            // RFC 8628 §3.5: after a lost answer ask less often.
            Err(Error::Unreachable { .. }) => {
                interval = interval.saturating_mul(2).clamp(SLOWER, SLOWEST);
                continue;
            }
            Err(error) => return Err(error),
        };
        if reply.status == 200 {
            let text = Secret::new(reply.json::<TokenReply>("issuer's token reply")?.id_token);
            return Ok(IdToken { text, nonce_random: None, flow: Flow::Device });
        }
        match next(&refusal(&reply), interval) {
            Next::Wait(longer) => interval = longer,
            Next::Refused(reason) if reason == "expired_token" => return Err(Error::TimedOut),
            Next::Refused(reason) => return Err(Error::IssuerRefused { reason }),
        }
    }
}

fn next(error: &str, interval: Duration) -> Next {
    match error {
        "authorization_pending" => Next::Wait(interval),
        // For this and every later question.
        "slow_down" => Next::Wait((interval + SLOWER).min(SLOWEST)),
        other => Next::Refused(other.to_owned()),
    }
}

/// The issuer's word, or its status where it sends none.
fn refusal(reply: &Reply) -> String {
    let word = reply.json::<TokenRefusal>("issuer's refusal");
    word.map_or_else(|_| format!("status {}", reply.status), |refusal| printable(&refusal.error))
}

fn five() -> u64 {
    5
}

const SLOWER: Duration = Duration::from_secs(5);
const SLOWEST: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_down_lengthens_every_later_wait_and_other_words_end_it() {
        let five = Duration::from_secs(5);
        assert_eq!(next("authorization_pending", five), Next::Wait(five));
        assert_eq!(next("slow_down", five), Next::Wait(Duration::from_secs(10)));
        assert_eq!(next("slow_down", SLOWEST), Next::Wait(SLOWEST));
        assert_eq!(next("access_denied", five), Next::Refused("access_denied".to_owned()));
    }
}
