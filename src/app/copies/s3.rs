//! An S3-compatible object store. Each object is put once, with a lock that nobody may lift where the config asks for one.
//!
//! Signs requests itself (AWS Signature Version 4): three kinds of request need no library. Deletes nothing, ever, and follows
//! no redirect.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use reqwest::{Method, StatusCode};
use url::Url;

use super::Error;
use crate::app::siem::sink::{Secret, Tls};
use crate::clock::Clock;
use crate::domain::{Digest, Timestamp};

/// Which store, and in whose name.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The bucket, as a path of the endpoint, and what all names there begin with.
    pub url: Url,
    /// The region that requests are signed for.
    pub region: String,
    /// The name of the key.
    pub key_id: String,
    /// The key.
    pub secret: Secret,
    /// Whom to believe.
    pub tls: Tls,
    /// For how long nobody may remove an object, in compliance mode.
    pub lock: Option<Duration>,
    /// Between two checkpoints that are copied.
    pub every: Duration,
}

/// Its address may hold what is nobody's business.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3")
    }
}

/// A store, ready to be written to.
pub(super) struct Bucket {
    settings: Settings,
    client: reqwest::Client,
    clock: Clock,
}

/// For one request, the largest object included.
const WITHIN: Duration = Duration::from_secs(60);
/// What a failure says of itself is read up to here, for its code.
const ANSWER_BYTES: usize = 64 * 1024;
const SERVICE: &str = "s3";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Bucket {
    pub(super) fn new(settings: &Settings, clock: &Clock) -> Result<Self, String> {
        let client = settings.tls.http(&settings.url, WITHIN)?;
        Ok(Self { settings: settings.clone(), client, clock: clock.clone() })
    }

    /// The object, or so much of it as is just too long.
    pub(super) async fn read(&self, name: &str, most: usize) -> Result<Option<Bytes>, Error> {
        let mut response = self.send(Method::GET, name, &Bytes::new(), &[]).await?;
        if response.status() != StatusCode::OK {
            return match refused(response).await {
                // The bucket that is not there is something else than one without the object.
                Error::Refused { status: 404, code } if code == "NoSuchKey" => Ok(None),
                other => Err(other),
            };
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Error::Silent)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > most {
                break;
            }
        }
        Ok(Some(bytes.into()))
    }

    /// Puts an object that is not there. Whoever else has put one meanwhile is not overwritten, where the store knows how.
    pub(super) async fn put_new(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        self.put(name, bytes, &[("if-none-match", "*".to_owned())]).await
    }

    /// Puts the next version of an object.
    pub(super) async fn replace(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        self.put(name, bytes, &[]).await
    }

    async fn put(&self, name: &str, bytes: &Bytes, more: &[(&'static str, String)]) -> Result<(), Error> {
        let mut headers = more.to_vec();
        // A store that locks asks for a sum of its own.
        headers.push(("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()));
        headers.push(("x-amz-checksum-sha256", BASE64_STANDARD.encode(Digest::of(bytes).0)));
        if let Some(lock) = self.settings.lock {
            headers.push(("x-amz-object-lock-mode", "COMPLIANCE".to_owned()));
            headers.push(("x-amz-object-lock-retain-until-date", seconds(self.clock.now().plus(lock))));
        }
        let response = self.send(Method::PUT, name, bytes, &headers).await?;
        if response.status().is_success() { Ok(()) } else { Err(refused(response).await) }
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        body: &Bytes,
        more: &[(&'static str, String)],
    ) -> Result<reqwest::Response, Error> {
        let mut url = self.settings.url.clone();
        url.set_path(&format!("{}/{name}", url.path().trim_end_matches('/')));
        let (host, port) = (url.host_str().unwrap_or_default(), url.port());
        let host = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let signing = Signing {
            method: method.as_str(),
            path: url.path(),
            host: &host,
            region: &self.settings.region,
            key_id: &self.settings.key_id,
            secret: self.settings.secret.bytes(),
            time: self.clock.now(),
        };
        let mut request = self.client.request(method.clone(), url.clone());
        for (name, value) in signing.headers(body, more) {
            request = request.header(name, value);
        }
        request.body(body.clone()).send().await.map_err(|_| Error::Silent)
    }
}

/// What a signature is made of.
struct Signing<'a> {
    method: &'a str,
    /// Nothing in it needs to be escaped: the names of the layout do not, and the config takes no other prefix.
    path: &'a str,
    host: &'a str,
    region: &'a str,
    key_id: &'a str,
    secret: &'a [u8],
    time: Timestamp,
}

impl Signing<'_> {
    /// All headers but `host`, which the client sets, the signature included.
    fn headers(&self, body: &[u8], more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let sum = Digest::of(body).to_string();
        let stamp: String = seconds(self.time).chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let day = stamp.get(..8).unwrap_or_default();
        let mut headers = more.to_vec();
        headers.push(("x-amz-content-sha256", sum.clone()));
        headers.push(("x-amz-date", stamp.clone()));
        let mut signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        signed.push(("host", self.host));
        signed.sort_unstable();
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("{}\n{}\n\n{lines}\n{names}\n{sum}", self.method, self.path);
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{}", Digest::of(canonical.as_bytes()));
        let mut key = zeroize::Zeroizing::new([b"AWS4", self.secret].concat());
        for part in [day, self.region, SERVICE, "aws4_request"] {
            *key = mac(&key, part.as_bytes());
        }
        let signature: String = mac(&key, text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let credential = format!("{}/{scope}", self.key_id);
        let value = format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", value));
        headers
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// RFC 3339, whole seconds and no fraction.
fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// What the store says instead.
async fn refused(mut response: reqwest::Response) -> Error {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        answer.extend_from_slice(&chunk);
        if answer.len() > ANSWER_BYTES {
            break;
        }
    }
    Error::Refused { status: response.status().as_u16(), code: code(&answer) }
}

/// The code of a failure, a word; nothing else of its XML is looked at.
fn code(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let is_word = |code: &str| (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    code.map(|(code, _)| code).filter(|code| is_word(code)).unwrap_or("no code").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "GET Object" of Amazon's documentation of the signature, but for its header `range`.
    #[test]
    fn the_signature_is_that_of_the_documentation() {
        let signing = Signing {
            method: "GET",
            path: "/test.txt",
            host: "examplebucket.s3.amazonaws.com",
            region: "us-east-1",
            key_id: "AKIAIOSFODNN7EXAMPLE",
            secret: b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            time: Timestamp::parse("2013-05-24T00:00:00Z").unwrap(),
        };
        let headers = signing.headers(b"", &[("range", "bytes=0-9".to_owned())]);
        let expected = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(headers.last().unwrap(), &("authorization", expected.to_owned()));
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let settings = Settings {
            url: Url::parse("https://s3.example.com/bucket").unwrap(),
            region: "us-east-1".to_owned(),
            key_id: "name".to_owned(),
            secret: Secret::new(b"hush".to_vec()),
            tls: Tls::default(),
            lock: None,
            every: Duration::from_secs(600),
        };
        assert_eq!(format!("{settings:?}"), "S3");
    }

    #[test]
    fn the_code_of_a_failure_is_read_and_nothing_else() {
        assert_eq!(
            code(b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>x</Message></Error>"),
            "NoSuchKey"
        );
        for other in [&b"<Code>"[..], b"\xff<html>404</html>", b"<Code>\x1b[2J</Code>", b"<Code></Code>"] {
            assert_eq!(code(other), "no code");
        }
    }
}
