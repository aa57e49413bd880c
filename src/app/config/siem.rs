//! `[[siem]]`: systems elsewhere that get every record.

use std::collections::BTreeSet;

use url::Url;

use super::Reader;
use crate::app::file::siem::Siem;
use crate::app::rights::Readers;
use crate::app::siem::sink::{Secret, Sink, Tls, Way};
use crate::domain::target::Address;

impl Reader<'_> {
    pub(super) fn sinks(&mut self, written: &[Siem]) -> Vec<Sink> {
        let mut names = BTreeSet::new();
        let sinks: Vec<Sink> = written.iter().filter_map(|one| self.sink(one)).collect();
        for (sink, written) in sinks.iter().zip(written) {
            if !names.insert(sink.name.clone()) {
                self.faults.add(format!("{}.name", written.path), "is used twice", "give each its own name");
            }
        }
        sinks
    }

    fn sink(&mut self, written: &Siem) -> Option<Sink> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let name =
            self.faults.required(&at("name"), written.name.clone(), "name it; what it has got is kept under it")?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let plain = (1..=32).contains(&name.len()) && name.bytes().all(fits);
        let name = if plain { Ok(name) } else { Err("is no name") };
        let name = self.faults.check(&at("name"), name, "use a-z 0-9 - _ ., at most 32 of them")?;
        let mend = "write kind = \"file\", \"syslog\" or \"otlp\"";
        let kind = self.faults.required(&at("kind"), written.kind.as_deref(), mend)?;
        let unused = [
            ("file", written.file.is_some() && kind != "file"),
            ("address", written.address.is_some() && kind != "syslog"),
            ("abrupt", written.abrupt.is_some() && kind != "syslog"),
            ("url", written.url.is_some() && kind != "otlp"),
            ("token_file", written.token_file.is_some() && kind != "otlp"),
            ("internal", written.internal.is_some() && kind != "otlp"),
            ("ca_file", written.ca_file.is_some() && kind == "file"),
            ("cert_file", written.cert_file.is_some() && kind == "file"),
            ("key_file", written.key_file.is_some() && kind == "file"),
        ];
        for (key, _) in unused.iter().filter(|(_, there)| *there) {
            self.faults.add(at(key), format!("has no meaning for {kind}"), "remove it");
        }
        let way = match kind {
            "file" => {
                let mend = "name the file, in a folder that exists";
                let path = self.faults.required(&at("file"), written.file.as_deref(), mend)?;
                let path = self.path(path);
                let folder = path.parent().is_some_and(std::path::Path::is_dir) && !path.is_dir();
                let path = if folder { Ok(path) } else { Err("is not a file in a folder that exists") };
                Way::File(self.faults.check(&at("file"), path, mend)?)
            }
            "syslog" => {
                let mend = "write the receiver's host and port for syslog over TLS: logs.example.com:6514";
                let address = self.faults.required(&at("address"), written.address.as_deref(), mend)?;
                let address = Address::parse(address).ok_or("is no host and port");
                let address = self.faults.check(&at("address"), address, mend)?;
                Way::Syslog { address, tls: self.tls_of(written)?, abrupt: written.abrupt.unwrap_or(false) }
            }
            "otlp" => {
                let mend = "write where the receiver takes logs: https://collector.example.com:4318/v1/logs";
                let url = self.faults.required(&at("url"), written.url.as_deref(), mend)?;
                let url = self.faults.check(&at("url"), Url::parse(url).map_err(|_| "is no address"), mend)?;
                let internal = written.internal.unwrap_or(false);
                let safe = url.has_host() && (url.scheme() == "https" || (internal && url.scheme() == "http"));
                let safe = if safe { Ok(url) } else { Err("is not https") };
                let mend = "use https, or say internal = true for a receiver of your own network";
                let url = self.faults.check(&at("url"), safe, mend)?;
                let token = match &written.token_file {
                    None => None,
                    Some(path) => {
                        let bytes = self.read(&at("token_file"), &self.path(path), Readers::Owner)?;
                        let token = bytes.trim_ascii();
                        let plain = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
                        let token = if plain { Ok(token.to_vec()) } else { Err("holds no token") };
                        let mend = "put the token there, and nothing else";
                        Some(Secret::new(self.faults.check(&at("token_file"), token, mend)?))
                    }
                };
                Way::Otlp { url, tls: self.tls_of(written)?, token }
            }
            other => {
                self.faults.add(at("kind"), format!("{other:?} is not known"), mend);
                return None;
            }
        };
        Some(Sink { name, way, history: written.history.unwrap_or(true) })
    }

    fn tls_of(&mut self, written: &Siem) -> Option<Tls> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let authorities = match &written.ca_file {
            Some(path) => Some(self.read(&at("ca_file"), &self.path(path), Readers::Anyone)?),
            None => None,
        };
        let own = match (&written.cert_file, &written.key_file) {
            (None, None) => None,
            (Some(chain), Some(key)) => {
                let chain = self.read(&at("cert_file"), &self.path(chain), Readers::Anyone);
                let key = self.read(&at("key_file"), &self.path(key), Readers::Owner);
                Some((chain?, Secret::new(key?)))
            }
            _ => {
                let mend = "name both cert_file and key_file, or neither";
                self.faults.add(at("cert_file"), "needs key_file, and key_file needs it", mend);
                return None;
            }
        };
        let tls = Tls { authorities, own };
        // The system's own authorities may be missing here and be there where it runs.
        if tls.authorities.is_some() {
            let mend = "put PEM certificates there, and the key that belongs to them";
            self.faults.check(&at("ca_file"), tls.client(), mend)?;
        }
        Some(tls)
    }
}
