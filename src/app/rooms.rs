//! What rooms need of the config to be built.

use std::path::PathBuf;

use super::StartError;
use super::config::{self, Config, Transport};
use super::reload::Tls;
use crate::domain::identity::Grouping;
use crate::ledger::Ledger;
use crate::{http, identity};

pub(super) fn identity_settings(config: &Config, grouping: Grouping) -> identity::Settings {
    let mut settings = identity::Settings::new(&config.name, config.issuers.clone(), grouping);
    settings.sign_in_age = config.sign_in.max_age;
    settings.person_certificate = config.sign_in.certificate;
    settings.remember = config.sign_in.remember;
    settings.page = config.http.as_ref().map(|http| http.url.clone());
    settings
}

/// With what replaces its certificate, where it has one of its own.
pub(super) fn http_settings(
    settings: &config::Http,
    config: &Config,
    ledger: &Ledger,
) -> Result<(http::Settings, Option<Tls>), StartError> {
    let mut reloads = None;
    let transport = match &settings.transport {
        Transport::Tls { cert_file, key_file } => {
            let read =
                |path: &PathBuf| std::fs::read(path).map_err(|source| StartError::File { path: path.clone(), source });
            let (tls, now) = Tls::new(&read(cert_file)?, &read(key_file)?)?;
            reloads = Some(tls);
            http::Transport::Tls(now)
        }
        Transport::BehindProxy(proxies) => http::Transport::BehindProxy(proxies.clone()),
        Transport::Loopback => http::Transport::Loopback,
    };
    let address = &config.ssh.address;
    let ssh_example = format!("ssh -p {} LOGIN+TARGET@{}", address.port, address.host);
    let log = settings.serve_log.then(|| ledger.clone());
    Ok((http::Settings { transport, ssh_example, log }, reloads))
}
