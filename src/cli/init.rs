//! `init`: asks for what a new working folder needs, and prints the next steps.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Error, terminal};
use crate::app;

/// What a new bastion is to be. What is missing is asked for at a terminal.
#[derive(Args, Debug)]
pub(super) struct Init {
    /// The public host name of the bastion. It stands in certificates and in the log: choose it once.
    #[arg(long, value_name = "HOST")]
    name: Option<String>,
    /// Address of the OIDC issuer, exactly as its tokens have it in `iss`.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Id of the client that is registered there for this bastion.
    #[arg(long, value_name = "ID")]
    client_id: Vec<String>,
    /// Short name of the issuer, in principals and policies.
    #[arg(long, value_name = "NAME", default_value = "corp")]
    issuer_name: String,
    /// Kind of issuer. Guessed from its address where that is well known, else generic.
    #[arg(long, value_name = "KIND")]
    profile: Option<String>,
    /// A claim that every token must have, such as tid=… or hd=example.com.
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = pair)]
    require: Vec<(String, String)>,
    /// Every subject of this issuer is one of your own.
    #[arg(long)]
    single_tenant: bool,
    /// The issuer is on an address of your own network; plain http is permitted then.
    #[arg(long)]
    internal: bool,
    /// A subject of the issuer (its `sub`) that may do everything. Can be added later.
    #[arg(long, value_name = "SUBJECT")]
    admin: Vec<String>,
    /// Where SSH clients come in.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:2222")]
    ssh_listen: SocketAddr,
    /// Where certificates are asked for: on loopback, until TLS is set up in the config.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<SocketAddr>,
    /// The folder for config, policies and state.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(init: Init) -> Result<(), Error> {
    let text = |given: Option<String>, what, question, mend| match given {
        Some(text) => Ok(text),
        None if terminal::can_ask() => terminal::ask(question, None),
        None => Err(Error::Missing { what, mend }),
    };
    let name = text(init.name, "the name", "Public host name of the bastion", "--name bastion.example.com")?;
    let issuer_url = text(init.issuer, "the issuer", "Address of the OIDC issuer", "--issuer https://…")?;
    let profile = init.profile.unwrap_or_else(|| kind(&issuer_url).to_owned());
    let mut client_ids = init.client_id;
    if client_ids.is_empty() && is_for_people(&profile) {
        client_ids.push(text(None, "the client", "Id of the client registered there", "--client-id ID")?);
    }
    let (mut require, mut single_tenant) = (init.require, init.single_tenant);
    match tenant(&profile) {
        Some(claim) if !require.iter().any(|(name, _)| name == claim) && terminal::can_ask() => {
            let value = terminal::ask(&format!("Your own {claim} there: anybody else's must not get in"), None)?;
            require.push((claim.to_owned(), value));
        }
        None if profile == "generic" && require.is_empty() && !single_tenant && terminal::can_ask() => {
            let answer = terminal::ask("Is every subject of this issuer one of your own? (yes or no)", Some("no"))?;
            single_tenant = answer.eq_ignore_ascii_case("yes") || answer.eq_ignore_ascii_case("y");
        }
        None if profile == "generic" && require.is_empty() && !single_tenant => {
            let mend = "--require CLAIM=VALUE, or --single-tenant if every subject of this issuer is one of your own";
            return Err(Error::Missing { what: "who of this issuer is yours", mend });
        }
        Some(_) | None => {}
    }
    let ask = app::init::Ask {
        dir: init.dir,
        name,
        issuer_name: init.issuer_name,
        profile,
        issuer_url,
        client_ids,
        require,
        single_tenant,
        internal: init.internal,
        ssh_listen: init.ssh_listen,
        http_listen: init.http_listen,
        admins: init.admin,
    };
    let made = app::init::init(&ask).map_err(Error::Init)?;
    terminal::out(&next_steps(&ask, &made))
}

fn next_steps(ask: &app::init::Ask, made: &app::init::Made) -> String {
    let option = match made.config.parent() {
        Some(folder) if folder != std::path::Path::new(".") => format!(" --config {}", made.config.display()),
        Some(_) | None => String::new(),
    };
    let mut text = format!(
        "made     {config}\n         {policies}\n         {state}  (keys, log, recordings: back up its keys now)\n\
         origin   {origin}\nhost key {host_key}\nhost CA  {host_ca}\ntargets' CA\n         {target_ca}\n\nNext:\n",
        config = made.config.display(),
        policies = made.policies.display(),
        state = made.state.display(),
        origin = made.origin,
        host_key = made.host_key,
        host_ca = made.host_ca,
        target_ca = made.target_ca,
    );
    if ask.http_listen.is_none() {
        text += "  put [http] with its TLS files into the config: people and pipelines sign in there\n";
    }
    if ask.admins.is_empty() {
        text += "  put yourself into the group admins (`whoami` at the bastion prints the line)\n";
    }
    text += &format!(
        "  sallyport target add{option} db1 10.0.3.4 --login deploy\n  sallyport check{option}\n  sallyport serve{option}\n\
         On each target the lines that this prints:\n  ssh -p {port} {name} trust\n",
        port = ask.ssh_listen.port(),
        name = ask.name,
    );
    text
}

/// The kind of issuer at a well-known address.
fn kind(url: &str) -> &'static str {
    let host = url.split("//").nth(1).unwrap_or(url).split(['/', ':']).next().unwrap_or_default();
    match host {
        "accounts.google.com" => "google",
        "login.microsoftonline.com" => "entra",
        "token.actions.githubusercontent.com" => "github",
        "gitlab.com" => "gitlab",
        "agent.buildkite.com" => "buildkite",
        host if [".okta.com", ".oktapreview.com", ".okta-emea.com"].iter().any(|end| host.ends_with(end)) => "okta",
        _ if url.contains("/realms/") => "keycloak",
        _ => "generic",
    }
}

fn is_for_people(profile: &str) -> bool {
    !["github", "gitlab", "buildkite", "generic-pipeline"].contains(&profile)
}

/// The claim that tells one's own tenant, where the issuer serves everybody. The config's reader insists on it.
fn tenant(profile: &str) -> Option<&'static str> {
    match profile {
        "google" => Some("hd"),
        "entra" => Some("tid"),
        "github" => Some("repository_owner_id"),
        "gitlab" => Some("namespace_id"),
        "buildkite" => Some("organization_slug"),
        _ => None,
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((claim, value)) if !claim.is_empty() && !value.is_empty() => Ok((claim.to_owned(), value.to_owned())),
        _ => Err("not CLAIM=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_issuer_follows_from_a_well_known_host_and_from_nothing_that_looks_like_one() {
        for (url, expect) in [
            ("https://accounts.google.com", "google"),
            ("https://login.microsoftonline.com/11111111-2222/v2.0", "entra"),
            ("https://example.okta.com", "okta"),
            ("https://example.okta.com.evil.example", "generic"),
            ("https://sso.example.com/realms/corp", "keycloak"),
            ("https://token.actions.githubusercontent.com", "github"),
            ("https://login.example.com:8443/accounts.google.com", "generic"),
        ] {
            assert_eq!(kind(url), expect, "{url}");
        }
    }

    #[test]
    fn a_condition_is_a_claim_and_a_value() {
        assert_eq!(pair("hd=example.com"), Ok(("hd".to_owned(), "example.com".to_owned())));
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for text in ["hd", "=x", "hd="] {
            assert!(pair(text).is_err(), "{text}");
        }
    }
}
