//! `[ledger] copy_dir` and `[ledger.s3]`: where copies of the log are kept.

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::Reader;
use crate::app::copies::{self, Place, s3};
use crate::app::file;
use crate::app::rights::Readers;
use crate::app::siem::sink::{Secret, Tls};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Reader<'_> {
    pub(super) fn copies(&mut self, ledger: Option<&file::Ledger>, state: Option<&Path>) -> Vec<Place> {
        let Some(ledger) = ledger else { return Vec::new() };
        let folder = ledger.copy_dir.as_deref().map(|folder| self.path(folder));
        if let (Some(folder), Some(state)) = (&folder, state)
            && let Some((what, mend)) = copies::fault(folder, state)
        {
            self.faults.add("ledger.copy_dir", what, mend);
        }
        let s3 = ledger.s3.as_ref().and_then(|s3| self.s3(s3));
        folder.map(Place::Folder).into_iter().chain(s3.map(|s3| Place::S3(Box::new(s3)))).collect()
    }

    fn s3(&mut self, written: &file::S3) -> Option<s3::Settings> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let mend = "write endpoint, bucket and prefix: https://s3.example.com/BUCKET/bastion-1";
        let url = self.faults.required(&at("url"), written.url.as_deref(), mend)?;
        let url = self.faults.check(&at("url"), address(url), mend)?;
        let is_safe = url.scheme() == "https" || written.internal == Some(true);
        let url = if is_safe { Ok(url) } else { Err("is not https") };
        let mend = "use https, or say internal = true for a store of your own network";
        let url = self.faults.check(&at("url"), url, mend)?;
        let region = written.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let region = self.faults.check(&at("region"), word(region), "write it as the store says: eu-central-1")?;
        let mend = "write the name of the key, which may put and get objects below that prefix";
        let key_id = self.faults.required(&at("key_id"), written.key_id.clone(), mend)?;
        let key_id = self.faults.check(&at("key_id"), word(key_id), mend)?;
        let mend = "name a file with the key, and nothing else";
        let secret = self.faults.required(&at("secret_file"), written.secret_file.as_deref(), mend)?;
        let secret = self.read(&at("secret_file"), &self.path(secret), Readers::Owner)?;
        let secret = secret.trim_ascii();
        let is_plain = !secret.is_empty() && secret.iter().all(u8::is_ascii_graphic);
        let secret = if is_plain { Ok(Secret::new(secret.to_vec())) } else { Err("holds no key") };
        let secret = self.faults.check(&at("secret_file"), secret, mend)?;
        let authorities = match &written.ca_file {
            Some(path) => Some(self.read(&at("ca_file"), &self.path(path), Readers::Anyone)?),
            None => None,
        };
        let tls = Tls { authorities, own: None };
        if tls.authorities.is_some() {
            self.faults.check(&at("ca_file"), tls.client(), "put PEM certificates there")?;
        }
        let lock = match written.lock.as_deref() {
            Some(lock) => Some(self.span(&at("lock"), Some(lock), DAY, DAY..=3660 * DAY)?),
            None => None,
        };
        let every = self.span(&at("every"), written.every.as_deref(), 10 * MINUTE, MINUTE / 6..=DAY)?;
        Some(s3::Settings { url, region, key_id, secret, tls, lock, every })
    }
}

/// An address with a bucket, in which nothing needs to be escaped: what is signed is then what is sent.
fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no address")?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let path = url.path().trim_matches('/');
    let fits = |step: &str| {
        !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    match is_web && is_bare && url.password().is_none() && path.split('/').all(fits) {
        true => Ok(url),
        false => Err("is no address of a bucket"),
    }
}

fn word(text: String) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_plain = (1..=128).contains(&text.len()) && text.bytes().all(fits);
    if is_plain { Ok(text) } else { Err("is no plain word") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bucket_and_nothing_that_is_escaped() {
        for good in ["https://s3.example.com/bucket", "http://127.0.0.1:9000/b/bastion-1/", "https://[::1]/b"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "https://s3.example.com",
            "https://s3.example.com/",
            "https://s3.example.com/a//b",
            "https://s3.example.com/b?x=1",
            "https://s3.example.com/b#x",
            "https://u:p@s3.example.com/b",
            "https://u@s3.example.com/b",
            "https://s3.example.com/b%20c",
            "https://s3.example.com/b c",
            "ftp://s3.example.com/b",
            "bucket",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
