//! Authorization code with PKCE, back to a port of loopback (RFC 8252 §7.3).
//!
//! The nonce is made of our key, so that the token is useless with another.

use std::future::{Future, poll_fn};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use russh::keys::PrivateKey;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use url::Url;

use super::super::web::{Web, on_loopback};
use super::super::{Error, Flow, Secret, keys, printable};
use super::{IdToken, Issuer, Prompt, TokenRefusal, TokenReply};
use crate::domain::{Digest, binding};

pub(super) async fn sign_in(
    web: &Web,
    issuer: &Issuer,
    key: &PrivateKey,
    ports: &[u16],
    wait: Duration,
    prompt: &mut (dyn FnMut(Prompt<'_>) + Send),
) -> Result<IdToken, Error> {
    let what = "issuer's discovery document";
    let authorization = issuer.authorization.as_ref().ok_or(Error::Unreadable { what })?;
    if authorization.scheme() != "https" && !on_loopback(authorization) {
        return Err(Error::Insecure { url: printable(authorization.as_str()) });
    }
    let listener = listen(ports).await?;
    let port = listener.local_addr().map_err(|_| Error::Ports { ports: ports.to_vec() })?.port();
    let redirect = format!("http://127.0.0.1:{port}{CALLBACK}");
    let (state, verifier, random) = (random_text()?, Secret::new(random_text()?), keys::random()?);
    let blob = key.public_key().to_bytes().map_err(|_| Error::Key)?;
    let nonce = binding::nonce(&blob, &random);
    let mut url = authorization.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &issuer.client_id)
        .append_pair("redirect_uri", &redirect)
        .append_pair("scope", &issuer.scope)
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge_method", "S256")
        .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(Digest::of(verifier.expose().as_bytes()).0))
        // Without it some issuers leave `auth_time` out, and the bastion takes that for "long ago".
        .append_pair("max_age", &MAX_AGE_S.to_string());
    prompt(Prompt::Open { url: &url });
    let answer = timeout(wait, answer(&listener, &state, &issuer.url)).await.map_err(|_| Error::TimedOut)?;
    let code = answer.map_err(|reason| Error::IssuerRefused { reason: printable(&reason) })?;
    drop(listener);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", &redirect),
        ("client_id", &issuer.client_id),
        ("code_verifier", verifier.expose()),
    ];
    let reply = web.post(&issuer.token, &form).await?;
    if reply.status != 200 {
        let reason = reply.json::<TokenRefusal>("issuer's refusal")?.error;
        return Err(Error::IssuerRefused { reason: printable(&reason) });
    }
    let text = Secret::new(reply.json::<TokenReply>("issuer's token reply")?.id_token);
    if nonce_of(&text).as_deref() != Some(&nonce) {
        return Err(Error::Nonce);
    }
    Ok(IdToken { text, nonce_random: Some(BASE64_URL_SAFE_NO_PAD.encode(random)), flow: Flow::Local })
}

async fn listen(ports: &[u16]) -> Result<TcpListener, Error> {
    let any = [0];
    for port in if ports.is_empty() { &any } else { ports } {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).await {
            return Ok(listener);
        }
    }
    Err(Error::Ports { ports: ports.to_vec() })
}

/// The issuer's code, or its word for no.
type Answer = Result<Secret, String>;
type Visitor<'a> = Pin<Box<dyn Future<Output = Option<Answer>> + Send + 'a>>;

/// Waits for the browser to come back. Whatever else knocks is answered and forgotten: any program
/// of this machine may, and browsers open connections ahead and say nothing on them.
async fn answer(listener: &TcpListener, state: &str, issuer: &str) -> Answer {
    let mut open: Vec<Visitor<'_>> = Vec::new();
    poll_fn(|cx| {
        loop {
            while open.len() < MAX_VISITORS
                && let Poll::Ready(Ok((stream, _))) = listener.poll_accept(cx)
            {
                open.push(Box::pin(visit(stream, state, issuer)));
            }
            let full = open.len() >= MAX_VISITORS;
            let mut found = None;
            open.retain_mut(|visitor| match visitor.as_mut().poll(cx) {
                Poll::Ready(answer) => {
                    found = found.take().or(answer);
                    false
                }
                Poll::Pending => true,
            });
            match found {
                Some(answer) => return Poll::Ready(answer),
                // Nobody was asked in while the room was full, so nobody would wake us.
                None if full && open.len() < MAX_VISITORS => {}
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// One request. `Some` if it is the issuer's answer to ours.
async fn visit(mut stream: TcpStream, state: &str, issuer: &str) -> Option<Answer> {
    let head = timeout(VISIT_TIME, head(&mut stream)).await.ok().flatten()?;
    let answer = understand(&head, state, issuer);
    let (status, sentence) = match &answer {
        Some(Ok(_)) => ("200 OK", "You are signed in. Go back to the terminal."),
        Some(Err(_)) => ("200 OK", "The issuer refused. The terminal says more."),
        None => ("404 Not Found", "Nothing here."),
    };
    let body = format!("<!doctype html><html lang=en><meta charset=utf-8><title>sallyport</title><p>{sentence}</p>");
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // The answer counts, whether the browser still shows ours or not.
    let _ = timeout(VISIT_TIME, stream.write_all(reply.as_bytes())).await;
    let _ = timeout(VISIT_TIME, stream.shutdown()).await;
    answer
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if bytes.len() >= MAX_HEAD || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

fn understand(head: &str, state: &str, issuer: &str) -> Option<Answer> {
    let target = head.strip_prefix("GET ")?.split(' ').next()?;
    let url = Url::parse("http://127.0.0.1/").ok()?.join(target).ok()?;
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    // RFC 9207: where the issuer names itself, it must be the one we asked.
    let ours = value("state").as_deref() == Some(state) && value("iss").is_none_or(|named| named == issuer);
    if url.path() != CALLBACK || !ours {
        return None;
    }
    match (value("code"), value("error")) {
        (Some(code), None) => Some(Ok(Secret::new(code))),
        (_, Some(error)) => Some(Err(error)),
        (None, None) => None,
    }
}

#[derive(Deserialize)]
struct NonceClaim {
    nonce: Option<String>,
}

/// Unverified: only to tell the person now what the bastion would say anyway.
fn nonce_of(token: &Secret) -> Option<String> {
    let part = token.expose().split('.').nth(1)?;
    serde_json::from_slice::<NonceClaim>(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()?.nonce
}

fn random_text() -> Result<String, Error> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(keys::random()?))
}

const CALLBACK: &str = "/callback";
const MAX_AGE_S: u64 = 8 * 3600;
const VISIT_TIME: Duration = Duration::from_secs(5);
const MAX_VISITORS: usize = 16;
const MAX_HEAD: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, expect: Option<Result<&str, &str>>) {
        let heard = understand(&format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"), "s", "https://i");
        let heard = heard.as_ref().map(|answer| answer.as_ref().map(Secret::expose).map_err(String::as_str));
        assert_eq!(heard, expect, "{target}");
    }

    #[test]
    fn only_the_answer_to_our_own_question_counts() {
        check("/callback?state=s&code=c", Some(Ok("c")));
        check("/callback?state=s&code=c&iss=https%3A%2F%2Fi", Some(Ok("c")));
        check("/callback?state=s&error=access_denied", Some(Err("access_denied")));
        check("/callback?state=s&code=c&iss=https://evil", None);
        check("/callback?state=t&code=c", None);
        check("/callback?code=c", None);
        check("/callback?state=s", None);
        check("/favicon.ico", None);
        check("//evil/callback?state=s&code=c", Some(Ok("c")));
        assert!(understand("POST /callback?state=s&code=c HTTP/1.1\r\n\r\n", "s", "i").is_none());
    }

    #[tokio::test]
    async fn the_first_free_port_of_the_list_is_taken() {
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let ports = [busy.local_addr().unwrap().port(), free.local_addr().unwrap().port()];
        assert!(matches!(listen(&ports).await, Err(Error::Ports { .. })));
        drop(free);
        assert_eq!(listen(&ports).await.unwrap().local_addr().unwrap().port(), ports[1]);
    }

    #[tokio::test]
    async fn a_silent_visitor_does_not_stand_in_the_way() {
        let listener = listen(&[]).await.unwrap();
        let address = listener.local_addr().unwrap();
        let visits = async {
            let _silent = TcpStream::connect(address).await.unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /callback?state=s&code=c HTTP/1.1\r\n\r\n").await.unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.unwrap();
            assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
        };
        let (code, ()) = tokio::join!(answer(&listener, "s", "i"), visits);
        assert_eq!(code.unwrap().expose(), "c");
    }
}
