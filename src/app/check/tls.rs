//! The certificate of the HTTPS listener: key, names, order of the chain, and when it ends.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{Report, local};
use crate::app::config::{Config, Http, Transport};
use crate::domain::Timestamp;
use crate::http;

/// A chain is a few certificates.
const CHAIN: usize = 16;

impl Report {
    pub(super) fn tls(&mut self, config: &Config, now: Timestamp) {
        let Some(http) = &config.http else { return };
        let Transport::Tls { cert_file, key_file } = &http.transport else { return };
        // What cannot be read was told with the config.
        let (Ok(chain), Ok(key)) = (std::fs::read(cert_file), std::fs::read(key_file)) else { return };
        let at = format!("http.tls_cert_file ({})", cert_file.display());
        if let Err(error) = http::tls(&chain, &key) {
            let (at, mend) = match &error {
                http::Error::Key => {
                    let at = format!("http.tls_key_file ({})", key_file.display());
                    (at, "name the private key of the certificate, PEM, without passphrase")
                }
                _ => (at.clone(), "name a PEM file with the certificate first, and the key that belongs to it"),
            };
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            self.fault(at, format!("{error}{cause}"), mend);
        }
        let chain: Vec<Certificate> = CertificateDer::pem_slice_iter(&chain)
            .take(CHAIN)
            .filter_map(|der| Certificate::from_der(&der.ok()?).ok())
            .collect();
        for (at_place, certificate) in chain.iter().enumerate() {
            let which = if at_place == 0 {
                "the certificate".to_owned()
            } else {
                format!("certificate {} of the chain", at_place + 1)
            };
            self.ends(&at, &which, certificate, now);
        }
        let unordered = chain
            .iter()
            .zip(chain.iter().skip(1))
            .any(|(one, next)| one.tbs_certificate.issuer != next.tbs_certificate.subject);
        if unordered {
            let mend =
                "put the bastion's own certificate first, then each one's issuer: some clients give up otherwise";
            self.warn(&at, "the chain is not in order", mend);
        }
        if let Some(first) = chain.first() {
            self.names(&at, first, config, http);
        }
        self.looked.push("the TLS certificate".to_owned());
    }

    fn ends(&mut self, at: &str, which: &str, certificate: &Certificate, now: Timestamp) {
        let validity = &certificate.tbs_certificate.validity;
        let seconds =
            |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        let left = seconds(&validity.not_after).saturating_sub(now.secs());
        let end = Timestamp::from_secs(seconds(&validity.not_after)).to_string();
        let end = end.get(..10).unwrap_or_default();
        if left <= 0 {
            self.fault(at, format!("{which} has ended on {end}"), "renew it and reload: nobody can sign in by HTTPS");
        } else if left < local::SOON_S {
            self.warn(at, format!("{which} ends in {} ({end})", local::days(left)), "renew it and reload");
        }
        if seconds(&validity.not_before) > now.secs() {
            self.fault(at, format!("{which} is not valid yet"), "look at this machine's clock, and at the certificate");
        }
    }

    fn names(&mut self, at: &str, first: &Certificate, config: &Config, http: &Http) {
        let url = url::Url::parse(&http.url).ok();
        let host =
            url.as_ref().and_then(|url| url.host_str()).unwrap_or(&config.name).trim_matches(['[', ']']).to_owned();
        let names = names_of(first);
        if !names.iter().any(|name| covers(name, &host)) {
            let shown = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            let mend = "get a certificate for the name in http.url, or correct http.url (or name)";
            self.fault(at, format!("is for {shown}, and clients come to {host}"), mend);
        }
    }
}

/// Names and addresses that clients compare (RFC 6125): the alternative names alone.
fn names_of(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate.get::<SubjectAltName>() else { return Vec::new() };
    let text = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            bytes if bytes.len() == 4 => {
                <[u8; 4]>::try_from(bytes).ok().map(|ip| std::net::Ipv4Addr::from(ip).to_string())
            }
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
        },
        _ => None,
    };
    names.0.iter().filter_map(text).collect()
}

/// A star stands for exactly one label, the first.
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => {
            host.split_once('.').is_some_and(|(label, tail)| !label.is_empty() && tail.eq_ignore_ascii_case(rest))
        }
        None => name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(covers("*.example.com", "bastion.example.com"));
        assert!(covers("bastion.example.com", "Bastion.example.com"));
        for host in ["example.com", "a.b.example.com", ".example.com", "bastion.example.org"] {
            assert!(!covers("*.example.com", host), "{host}");
        }
    }
}
