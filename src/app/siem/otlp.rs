//! OTLP logs over HTTP, as JSON, written by hand: a handful of fields, of a format that is stable.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::Message;
use super::sink::{Secret, Tls};

const WITHIN: Duration = Duration::from_secs(20);
/// Longest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// A receiver.
pub(super) struct Otlp {
    url: Url,
    client: reqwest::Client,
    token: Option<HeaderValue>,
}

impl Otlp {
    pub(super) fn new(url: &Url, tls: &Tls, token: Option<&Secret>) -> Result<Self, String> {
        let client = tls.http(url, WITHIN)?;
        let token = token.map(|token| {
            let value = [b"Bearer ", token.bytes()].concat();
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| "the token is none of HTTP".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        Ok(Self { url: url.clone(), client, token: token.transpose()? })
    }

    /// How many it refused for ever.
    pub(super) async fn send(&mut self, messages: &[Message]) -> Result<u64, String> {
        let body = request(messages).to_string();
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let said = |error: reqwest::Error| error.without_url().to_string();
        let mut response = request.send().await.map_err(said)?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answers {}", status.as_u16()));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(said)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ANSWER_BYTES {
                return Err("its answer is too long".to_owned());
            }
        }
        Ok(refused(&answer))
    }
}

/// `partialSuccess`: what it names must not be sent again. 64-bit numbers are texts in OTLP's JSON; some write numbers.
fn refused(answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let count = answer.pointer("/partialSuccess/rejectedLogRecords");
    count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0)
}

fn request(messages: &[Message]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            let entry = &message.entry;
            let (number, name) = match entry.code().as_bytes().last() {
                Some(b'E') => (17, "ERROR"),
                Some(b'W') => (13, "WARN"),
                _ => (9, "INFO"),
            };
            let nanos = format!("{}000", entry.time().micros());
            json!({
                "timeUnixNano": nanos,
                "observedTimeUnixNano": nanos,
                "severityNumber": number,
                "severityText": name,
                "eventName": entry.kind(),
                "body": { "stringValue": message.line },
                "attributes": [
                    text("log.record.uid", &entry.id().to_string()),
                    text("sallyport.code", entry.code()),
                    { "key": "sallyport.seq", "value": { "intValue": entry.seq().to_string() } },
                ],
            })
        })
        .collect();
    let node = messages.first().map_or("", |message| message.entry.node());
    json!({ "resourceLogs": [{
        "resource": { "attributes": [text("service.name", "sallyport"), text("service.instance.id", node)] },
        "scopeLogs": [{
            "scope": { "name": "sallyport.evidence", "version": env!("CARGO_PKG_VERSION") },
            "logRecords": records,
        }],
    }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_refused_is_read() {
        assert_eq!(refused(b"{}"), 0);
        assert_eq!(refused(b""), 0);
        assert_eq!(refused(br#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}"#), 3);
        assert_eq!(refused(br#"{"partialSuccess":{"rejectedLogRecords":2}}"#), 2);
    }

    #[test]
    fn a_token_is_not_shown() {
        let url = Url::parse("http://127.0.0.1:4318/v1/logs").unwrap();
        let otlp = Otlp::new(&url, &Tls::default(), Some(&Secret::new(b"hush".to_vec()))).unwrap();
        assert!(!format!("{:?}", otlp.token).contains("hush"));
    }
}
