//! The profile of certificates: key ids, principals, options and validity.
//!
//! Pure: drafts in plain values, for the signer to judge again. A user certificate names an
//! identity, never a login at a target; a target certificate names one login, for two minutes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use russh::keys::PublicKey;
use serde_json::json;

use crate::domain::identity::{Identity, SignIn};
use crate::domain::loan::{Loan, Loans};
use crate::domain::session::{Command, SessionId};
use crate::domain::target::Login;
use crate::domain::{Digest, RecordId, Timestamp};
use crate::signer::{BACKDATE_S, Host, HostDraft, IDENTITY_EXTENSION, TARGET_LIFE_S, TargetDraft, UserDraft};

/// Bytes that stand in a key id as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
const LIMIT_NAME_BYTES: usize = 64;

/// `sp1:<id>:<name>`: the id of a record or a session, and who, so that a target's own log says it.
pub fn key_id(id: impl std::fmt::Display, name: &str) -> String {
    let mut encoded = String::new();
    // Whole escapes only: a cut one would read as another name.
    for piece in utf8_percent_encode(name, PLAIN) {
        for part in pieces(piece) {
            if encoded.len() + part.len() > LIMIT_NAME_BYTES {
                return format!("sp1:{id}:{encoded}");
            }
            encoded.push_str(part);
        }
    }
    format!("sp1:{id}:{encoded}")
}

/// An escape whole, plain text byte by byte.
fn pieces(piece: &str) -> impl Iterator<Item = &str> {
    let size = if piece.starts_with('%') { piece.len() } else { 1 };
    piece.as_bytes().chunks(size).filter_map(|part| std::str::from_utf8(part).ok())
}

/// The private extension: canonical JSON of what the certificate stands for. For people who read
/// certificates; the bastion decides by its own register, never by this.
pub fn identity_extension(identity: &Identity, sign_in: &SignIn) -> String {
    let groups: Vec<_> = identity.groups.iter().map(|group| group.as_str()).collect();
    let groups = serde_json_canonicalizer::to_vec(&groups).unwrap_or_default();
    let value = json!({
        "amr": sign_in.amr,
        "auth_time": sign_in.auth_time.map(Timestamp::secs),
        "flow": sign_in.flow.as_str(),
        "groups": Digest::of(&groups).to_string(),
        "iss": identity.issuer_url,
        "record": sign_in.record.to_string(),
        "sub": identity.subject,
    });
    serde_json_canonicalizer::to_string(&value).unwrap_or_default()
}

/// A user certificate that ends at `until` at the latest.
pub fn user(
    identity: &Identity,
    sign_in: &SignIn,
    key: &PublicKey,
    serial: u64,
    now: Timestamp,
    life: Duration,
) -> UserDraft {
    let until = now.plus(life).min(sign_in.until);
    UserDraft {
        public_key: key.clone(),
        serial,
        key_id: key_id(sign_in.record, &identity.name),
        principal: identity.principal().to_string(),
        valid_after: from(now),
        valid_before: until.unix_secs(),
        // Forwarding is not among them: a `direct-tcpip` that the bastion answers itself is none.
        extensions: BTreeMap::from([
            ("permit-pty".to_owned(), String::new()),
            (IDENTITY_EXTENSION.to_owned(), identity_extension(identity, sign_in)),
        ]),
    }
}

/// What a target certificate is for.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Within which session.
    pub session: SessionId,
    /// The human's or pipeline's display name.
    pub name: &'a str,
    /// The account.
    pub login: &'a Login,
    /// Our address as the target sees it.
    pub source: IpAddr,
    /// Whether a terminal was asked for.
    pub pty: bool,
    /// Whether for one forwarded connection.
    pub forward: bool,
    /// What of the client's may be used by it.
    pub lent: Loans,
    /// The one command that may run, where a person agreed to exactly that.
    pub force_command: Option<&'a Command>,
}

/// A target certificate for two minutes.
pub fn target(ask: &Target<'_>, key: &PublicKey, serial: u64, now: Timestamp) -> Result<TargetDraft, NotText> {
    let force_command = match ask.force_command {
        None => None,
        Some(command) => Some(std::str::from_utf8(command.bytes()).map_err(|_| NotText)?.to_owned()),
    };
    Ok(TargetDraft {
        public_key: key.clone(),
        serial,
        key_id: key_id(ask.session, ask.name),
        login: ask.login.to_string(),
        valid_after: from(now),
        valid_before: now.plus(Duration::from_secs(TARGET_LIFE_S)).unix_secs(),
        source: ask.source,
        force_command,
        pty: ask.pty,
        forward: ask.forward,
        agent: ask.lent.has(Loan::Agent),
        display: ask.lent.has(Loan::Display),
    })
}

/// A forced command must be UTF-8: the certificate library has no other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command is not UTF-8, so no certificate can hold it")]
pub struct NotText;

/// A host certificate for exactly these names.
pub fn host(
    host: Host,
    names: Vec<String>,
    key: &PublicKey,
    serial: u64,
    record: RecordId,
    now: Timestamp,
    life: Duration,
) -> HostDraft {
    let first = names.first().map_or("", String::as_str);
    HostDraft {
        public_key: key.clone(),
        serial,
        key_id: key_id(record, first),
        names,
        valid_after: from(now),
        valid_before: now.plus(life).unix_secs(),
        host,
    }
}

fn from(now: Timestamp) -> u64 {
    now.minus(Duration::from_secs(BACKDATE_S)).unix_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{Flow, Group, IssuerName, Kind};
    use crate::signer::{Signer, new_key};

    const NOW: Timestamp = Timestamp::from_secs(1_795_467_889);

    fn alice() -> (Identity, SignIn) {
        let issuer = IssuerName::parse("corp").unwrap();
        let identity = Identity {
            groups: vec![Group::asserted(&issuer, "sre")],
            issuer,
            issuer_url: "https://issuer.example".into(),
            subject: "alice,root\n".into(),
            kind: Kind::Person,
            name: "alice@example.com".into(),
            claims: BTreeMap::new(),
        };
        let sign_in = SignIn {
            record: RecordId::from_parts(NOW, 1),
            at: NOW,
            auth_time: Some(NOW),
            until: NOW.plus(Duration::from_secs(1800)),
            flow: Flow::Local,
            amr: vec!["mfa".into()],
        };
        (identity, sign_in)
    }

    #[test]
    fn a_key_id_holds_a_name_of_64_bytes_and_no_byte_that_a_log_could_misread() {
        assert_eq!(key_id("R", "alice@example.com"), "sp1:R:alice%40example.com");
        assert_eq!(key_id("R", "a\n\u{1b}[31m"), "sp1:R:a%0A%1B%5B31m");
        assert_eq!(key_id("R", &"é".repeat(40)), format!("sp1:R:{}", "%C3%A9".repeat(10) + "%C3"));
        assert_eq!(key_id("R", &"x".repeat(100)), format!("sp1:R:{}", "x".repeat(64)));
    }

    #[test]
    fn a_user_certificate_never_ends_after_its_sign_in() {
        let (identity, sign_in) = alice();
        let key = new_key("").unwrap();
        let draft = user(&identity, &sign_in, key.public_key(), 3, NOW, Duration::from_secs(8 * 3600));
        assert_eq!(draft.valid_before, 1_795_467_889 + 1800);
        assert_eq!(draft.valid_after, 1_795_467_889 - 60);
        assert_eq!(draft.principal, "corp/YWxpY2Uscm9vdAo");
        let certificate = Signer::in_memory().unwrap().sign_user(draft).unwrap();
        assert_eq!(certificate.valid_principals(), ["corp/YWxpY2Uscm9vdAo"]);
        assert!(certificate.critical_options().is_empty());
    }

    #[test]
    fn a_target_certificate_holds_the_approved_command_and_nothing_else() {
        let command = Command::parse("systemctl restart api").unwrap();
        let login = Login::parse("deploy").unwrap();
        let ask = Target {
            session: SessionId::from_parts(NOW, 1),
            name: "alice@example.com",
            login: &login,
            source: "10.0.0.1".parse().unwrap(),
            pty: false,
            forward: false,
            lent: Loans::default(),
            force_command: Some(&command),
        };
        let key = new_key("").unwrap();
        let draft = target(&ask, key.public_key(), 4, NOW).unwrap();
        assert_eq!(draft.force_command.as_deref(), Some("systemctl restart api"));
        assert!(draft.key_id.ends_with(":alice%40example.com"));
        Signer::in_memory().unwrap().sign_target(draft).unwrap();
        let binary = Command::parse(vec![0xff]).unwrap();
        let ask = Target { force_command: Some(&binary), ..ask };
        assert_eq!(target(&ask, key.public_key(), 5, NOW).unwrap_err(), NotText);
    }
}
