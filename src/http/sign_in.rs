//! The page that signs a person in for a waiting SSH connection: plain HTML, no script.
//!
//! Shows for whom before anything else, sends the browser to the issuer, and gives it six digits for the SSH prompt when
//! it is back. Whether they are in is judged in `identity`.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::{Peer, Rooms};
use crate::domain::Digest;
use crate::identity::pending::{Facts, PageError};

/// What an issuer sends a browser back with (OpenID Connect Core §3.1.2.5 and §3.1.2.6).
#[derive(Deserialize)]
pub(super) struct Returned {
    state: Option<String>,
    code: Option<String>,
}

/// Holds a browser to the sign-in that it began.
const COOKIE: &str = "sallyport-sign-in";
/// As long as a sign-in waits.
const COOKIE_AGE_S: u32 = 300;

/// For whom, from where, with which key; and a button.
pub(super) async fn show(State(rooms): State<Arc<Rooms>>, peer: Extension<Peer>, Path(id): Path<String>) -> Response {
    let Some(facts) = rooms.identities.page_facts(&id) else { return gone() };
    let Peer(browser) = *peer;
    let words = addresses(&facts, facts.source == browser.ip().to_canonical());
    let issuer = escape(facts.issuer.as_str());
    page(
        StatusCode::OK,
        "Sign in to an SSH connection",
        &format!(
            "<p>Somebody at an SSH prompt waits for your sign-in. Go on only if that is you, now.</p>{}{words}\
             <form method=\"post\" action=\"/sign-in/{}\"><button>Sign in with {issuer}</button></form>",
            table(&facts),
            escape(&id),
        ),
    )
}

/// The button: off to the issuer.
pub(super) async fn leave(State(rooms): State<Arc<Rooms>>, peer: Extension<Peer>, Path(id): Path<String>) -> Response {
    let Peer(browser) = *peer;
    match rooms.identities.page_leaves(&id, browser.ip()).await {
        Ok(departure) => {
            let secure = if rooms.https { "; Secure" } else { "" };
            let cookie = format!(
                "{COOKIE}={}; Path=/sign-in; Max-Age={COOKIE_AGE_S}; HttpOnly; SameSite=Lax{secure}",
                departure.cookie.as_str()
            );
            let to = departure.to.to_string();
            (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, cookie)]).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// Back from the issuer: six digits for the SSH prompt.
pub(super) async fn back(
    State(rooms): State<Arc<Rooms>>,
    peer: Extension<Peer>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Response {
    let Peer(browser) = *peer;
    let cookie = cookie(&headers).unwrap_or_default();
    let (Some(state), Some(code)) = (returned.state, returned.code) else {
        return page(
            StatusCode::FORBIDDEN,
            "Not signed in",
            "<p>The issuer did not sign you in. Open the link at your SSH prompt to try again.</p>",
        );
    };
    // A task of its own: a browser that hangs up must not lose the issuer's answer half-way.
    let identities = rooms.identities.clone();
    let task = rooms.drain.spawn(async move { identities.page_returns(&state, &cookie, &code, browser.ip()).await });
    match task.await {
        Ok(Ok(arrival)) => {
            let (first, last) = arrival.digits.split_at(3);
            page(
                StatusCode::OK,
                "Type these digits at your SSH prompt",
                &format!(
                    "<p class=\"digits\">{first} {last}</p>{}{}\
                     <p>Give them to nobody: whoever types them is signed in as you. If you did not begin this at an SSH \
                     prompt, close this page.</p>",
                    addresses(&arrival.facts, arrival.same_address),
                    table(&arrival.facts),
                ),
            )
        }
        Ok(Err(error)) => refused(&error),
        Err(_) => gone(),
    }
}

fn refused(error: &PageError) -> Response {
    match error {
        PageError::Gone => gone(),
        PageError::Done => page(
            StatusCode::GONE,
            "Signed in already",
            "<p>Somebody has signed in by this link. If it was not you, close the SSH prompt and begin again.</p>",
        ),
        PageError::Issuer(_) | PageError::Random => {
            tracing::warn!(error = error as &dyn std::error::Error, "a sign-in by page");
            page(
                StatusCode::BAD_GATEWAY,
                "Sign-in is not available",
                "<p>The issuer cannot be asked, or refused. Try again in a minute; if it stays so, tell the operator.</p>",
            )
        }
    }
}

fn gone() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Nothing waits here",
        "<p>No SSH connection waits behind this link: it is used, too old, or of another browser. Links live for five \
         minutes. Connect again with <code>ssh</code> and open the new one.</p>",
    )
}

/// The same or different addresses, in words.
fn addresses(facts: &Facts, same: bool) -> String {
    match same {
        true => "<p>The SSH connection comes from the same address as this browser.</p>".to_owned(),
        false => format!(
            "<p class=\"warn\">The SSH connection comes from another address ({}) than this browser. If you do not know \
             why, somebody may have sent you this link: close the page.</p>",
            facts.source
        ),
    }
}

fn table(facts: &Facts) -> String {
    let row = |name: &str, value: &str| format!("<tr><th>{name}</th><td>{}</td></tr>", escape(value));
    let rows = [
        row("from", &facts.source.to_string()),
        row("client", &facts.client),
        row("key", &facts.fingerprint),
        row("issuer", facts.issuer.as_str()),
    ];
    format!("<table>{}</table>", rows.concat())
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} - sallyport</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    );
    // Nothing is loaded, framed or run; the one style is named by its digest.
    let style = BASE64_STANDARD.encode(Digest::of(STYLE.as_bytes()).0);
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_FRAME_OPTIONS, "DENY".to_owned()),
    ];
    (status, headers, html).into_response()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#1b1f24;background:#f5f6f8;margin:0}\
main{max-width:36em;margin:8vh auto;padding:1.5em 2em;background:#fff;border:1px solid #d8dce1;border-radius:8px}\
h1{font-size:1.3em;margin-top:0}th{text-align:left;padding-right:1.5em;font-weight:600;vertical-align:top}\
td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}table{margin:1em 0}\
button{font:inherit;padding:.5em 1.2em;border:0;border-radius:6px;background:#1f5fbf;color:#fff;cursor:pointer}\
.digits{font:600 2.6em ui-monospace,monospace;letter-spacing:.08em;text-align:center;margin:.4em 0}\
.warn{border-left:4px solid #c4450c;padding-left:.8em;background:#fdf1ea}";

/// Our cookie's value.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// Text from outside, as text in HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_calls_itself_is_text_on_the_page() {
        assert_eq!(escape("SSH-2.0-<b onload='x'>&\""), "SSH-2.0-&lt;b onload=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn our_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; sallyport-sign-in=abc; b=2".parse().unwrap());
        assert_eq!(cookie(&headers).as_deref(), Some("abc"));
        headers.clear();
        headers.append(header::COOKIE, "xsallyport-sign-in=abc".parse().unwrap());
        assert_eq!(cookie(&headers), None);
    }
}
