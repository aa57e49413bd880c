//! `[approval]` and `[[notify]]`: who may vote on requests that wait, and who is told of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use super::Reader;
use crate::app::file;
use crate::app::rights::Readers;
use crate::approval;
use crate::approval::notify::{Channel, Secret, Way};
use crate::domain::identity::IssuerName;

/// Shorter keys can be guessed.
const SECRET_BYTES: usize = 24;

impl Reader<'_> {
    pub(super) fn approval(
        &mut self,
        written: Option<&file::Approval>,
        issuers: &BTreeSet<IssuerName>,
    ) -> Option<approval::Settings> {
        let usual = approval::Settings::default();
        let issuer = written.and_then(|table| table.issuer.as_deref());
        let known = |name: &str| issuers.iter().find(|issuer| issuer.as_str() == name).cloned();
        let issuer = match issuer {
            None => None,
            Some(name) => {
                let found = known(name).ok_or_else(|| format!("{name:?} is no [[issuer]]"));
                Some(self.faults.check("approval.issuer", found, "name one whose people may vote")?)
            }
        };
        let mut count = |key: &str, value: Option<u32>, usual: usize| {
            let value = value.map_or(usual, |value| value as usize);
            let checked = if (1..=10_000).contains(&value) { Ok(value) } else { Err(format!("cannot be {value}")) };
            self.faults.check(&format!("approval.{key}"), checked, "write 1 to 10000")
        };
        let per_person = count("per_person", written.and_then(|table| table.per_person), usual.per_person);
        let per_target = count("per_target", written.and_then(|table| table.per_target), usual.per_target);
        let text = written.and_then(|table| table.denied_for.as_deref());
        let day = Duration::from_secs(24 * 3600);
        let denied_for = self.span("approval.denied_for", text, usual.denied_for, Duration::ZERO..=day);
        Some(approval::Settings { issuer, per_person: per_person?, per_target: per_target?, denied_for: denied_for? })
    }

    pub(super) fn channels(&mut self, written: &[file::Notify]) -> Vec<Channel> {
        let mut names = BTreeSet::new();
        let channels: Vec<Channel> = written.iter().filter_map(|one| self.channel(one)).collect();
        for (channel, written) in channels.iter().zip(written) {
            if !names.insert(channel.name.clone()) {
                self.faults.add(format!("{}.name", written.path), "is used twice", "give each its own name");
            }
        }
        channels
    }

    fn channel(&mut self, written: &file::Notify) -> Option<Channel> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let name = self.faults.required(&at("name"), written.name.clone(), "name it; records say it")?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let plain = (1..=32).contains(&name.len()) && name.bytes().all(fits);
        let name = if plain { Ok(name) } else { Err("is no name") };
        let name = self.faults.check(&at("name"), name, "use a-z 0-9 - _ ., at most 32 of them")?;
        let mend = "write kind = \"webhook\", \"chat\" or \"command\"";
        let kind = self.faults.required(&at("kind"), written.kind.as_deref(), mend)?;
        let internal = written.internal.unwrap_or(false);
        let way = match kind {
            "webhook" => {
                let (url, secret) = (self.address(written, internal), self.secret(written));
                Way::Webhook { url: url?, secret: secret?, internal }
            }
            "chat" => Way::Chat { url: self.address(written, internal)?, internal },
            "command" => self.command(written)?,
            other => {
                self.faults.add(at("kind"), format!("{other:?} is not known"), mend);
                return None;
            }
        };
        let unused = [
            ("secret_file", written.secret_file.is_some() && kind != "webhook"),
            ("url", written.url.is_some() && kind == "command"),
            ("url_file", written.url_file.is_some() && kind == "command"),
            ("command", written.command.is_some() && kind != "command"),
        ];
        for (key, _) in unused.iter().filter(|(_, there)| *there) {
            self.faults.add(at(key), format!("has no meaning for a {kind}"), "remove it");
        }
        Some(Channel { name, way })
    }

    fn address(&mut self, written: &file::Notify, internal: bool) -> Option<Url> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let (key, text) = match (&written.url, &written.url_file) {
            (Some(url), None) => ("url", url.clone()),
            (None, Some(path)) => {
                let path = self.path(path);
                let bytes = self.read(&at("url_file"), &path, Readers::Owner)?;
                ("url_file", String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            _ => {
                let mend = "write url, or url_file if the address holds a token";
                self.faults.add(at("url"), "is missing, or there beside url_file", mend);
                return None;
            }
        };
        // Neither fault says the address: it may hold a token.
        let url = Url::parse(&text).map_err(|_| "is no address");
        let url = self.faults.check(&at(key), url, "write https://HOST/PATH")?;
        let safe = url.scheme() == "https" || (internal && url.scheme() == "http");
        let safe = if safe && url.has_host() { Ok(url) } else { Err("is not https") };
        self.faults.check(&at(key), safe, "use https, or say internal = true for a receiver of your own network")
    }

    fn secret(&mut self, written: &file::Notify) -> Option<Secret> {
        let at = format!("{}.secret_file", written.path);
        let mend =
            "name a file with the key that the receiver knows: whsec_ and base64, or at least 24 bytes as they are";
        let path = self.faults.required(&at, written.secret_file.clone(), mend)?;
        let bytes = self.read(&at, &self.path(&path), Readers::Owner)?;
        let text = bytes.trim_ascii();
        let key = match text.strip_prefix(b"whsec_") {
            Some(text) => BASE64_STANDARD.decode(text).map_err(|_| "has whsec_ and then no base64"),
            None => Ok(text.to_vec()),
        };
        let key = key.and_then(|key| if key.len() < SECRET_BYTES { Err("is shorter than 24 bytes") } else { Ok(key) });
        self.faults.check(&at, key, mend).map(Secret::new)
    }

    fn command(&mut self, written: &file::Notify) -> Option<Way> {
        let at = format!("{}.command", written.path);
        let mend = "write the program's absolute path and its arguments: [\"/usr/local/bin/page\", \"on-call\"]";
        let words = self.faults.required(&at, written.command.clone(), mend)?;
        let (program, arguments) = match words.split_first() {
            Some((program, arguments)) if program.starts_with('/') => (PathBuf::from(program), arguments.to_vec()),
            _ => {
                self.faults.add(at, "has no absolute path first", mend);
                return None;
            }
        };
        if !program.is_file() {
            self.faults.add(at, format!("{} is no file", program.display()), "install it, or name another");
            return None;
        }
        Some(Way::Command { program, arguments })
    }
}
