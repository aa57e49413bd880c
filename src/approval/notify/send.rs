//! One attempt to deliver one notice.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use super::Notice;
use crate::domain::Timestamp;

/// A receiver that takes longer has failed.
const WITHIN: Duration = Duration::from_secs(10);

/// One way to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name in the config and in records.
    pub name: String,
    /// How.
    pub way: Way,
}

/// How people are told.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// JSON by `POST`, signed as Standard Webhooks describes it: `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature`, HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
    Webhook {
        /// Where to.
        url: Url,
        /// The key of the signature.
        secret: Secret,
        /// Plain HTTP and private addresses are permitted.
        internal: bool,
    },
    /// `{"text": …}` by `POST`, as incoming webhooks of chat systems take it. Its address is a secret.
    Chat {
        /// Where to.
        url: Url,
        /// Plain HTTP and private addresses are permitted.
        internal: bool,
    },
    /// A program of this machine, without a shell; JSON on its standard input.
    Command {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// Connections to the world, and to addresses of one's own network.
#[derive(Clone, Debug)]
pub struct Clients {
    /// By https to public addresses only.
    pub public: reqwest::Client,
    /// To any address.
    pub internal: reqwest::Client,
}

impl Clients {
    fn of(&self, internal: bool) -> &reqwest::Client {
        if internal { &self.internal } else { &self.public }
    }
}

/// The key of signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes it over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `v1,` and the base64 of the HMAC.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Addresses may hold a token, and arguments too.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook { .. } => "Webhook",
            Self::Chat { .. } => "Chat",
            Self::Command { .. } => "Command",
        })
    }
}

/// An attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// From a closed set: what a receiver says may hold anything.
    pub(super) reason: &'static str,
    /// Another attempt would come to the same.
    pub(super) lasting: bool,
}

const fn passing(reason: &'static str) -> Failed {
    Failed { reason, lasting: false }
}

const fn lasting(reason: &'static str) -> Failed {
    Failed { reason, lasting: true }
}

impl Channel {
    /// Delivered, once this is `Ok`.
    pub(super) async fn send(&self, clients: &Clients, notice: &Notice, now: Timestamp) -> Result<(), Failed> {
        let sending = async {
            match &self.way {
                Way::Webhook { url, secret, internal } => {
                    let (id, seconds) = (notice.delivery.to_string(), now.micros().div_euclid(1_000_000));
                    let body = notice.body.to_string();
                    let request = clients
                        .of(*internal)
                        .post(url.clone())
                        .header("webhook-id", &id)
                        .header("webhook-timestamp", seconds.to_string())
                        .header("webhook-signature", secret.sign(&id, seconds, &body));
                    post(request, body).await
                }
                Way::Chat { url, internal } => {
                    let request = clients.of(*internal).post(url.clone());
                    post(request, json!({ "text": chat(&notice.text) }).to_string()).await
                }
                Way::Command { program, arguments } => run(program, arguments, &notice.body).await,
            }
        };
        timeout(WITHIN, sending).await.unwrap_or(Err(passing("no answer in time")))
    }
}

/// Chat systems read `&`, `<` and `>` as markup of theirs.
fn chat(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

async fn post(request: reqwest::RequestBuilder, body: String) -> Result<(), Failed> {
    let sent = request.header("content-type", "application/json").body(body).send().await;
    // Its text may hold the address, which may hold a token.
    let status = sent.map_err(|_| passing("not reached"))?.status();
    match status.as_u16() {
        200..=299 => Ok(()),
        // Asked to come again, or a fault of theirs.
        408 | 425 | 429 | 500..=599 => Err(passing("refused for now")),
        _ => Err(lasting("refused")),
    }
}

async fn run(program: &PathBuf, arguments: &[String], body: &Value) -> Result<(), Failed> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|_| passing("not started"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing closes its end: its status says what came of it.
        let _ = stdin.write_all(format!("{body}\n").as_bytes()).await;
    }
    let status = child.wait().await.map_err(|_| passing("not started"))?;
    if status.success() { Ok(()) } else { Err(passing("ended with a failure")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        // The example of the specification's own libraries.
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = Secret::new(key).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn nothing_that_is_secret_is_shown() {
        let secret = Secret::new(b"hush".to_vec());
        let url = Url::parse("https://hooks.example.com/T0/B0/token").unwrap();
        let channel = Channel { name: "ops".into(), way: Way::Webhook { url, secret, internal: false } };
        assert_eq!(format!("{channel:?}"), r#"Channel { name: "ops", way: Webhook }"#);
    }

    #[test]
    fn a_chat_reads_no_markup() {
        assert_eq!(chat("<!channel> a && b"), "&lt;!channel&gt; a &amp;&amp; b");
    }
}
