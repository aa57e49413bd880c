//! What was judged, in one digest for the record of the decision.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::request::{Approvals, Asked, Case};
use crate::domain::Digest;
use crate::domain::identity::Principal;

impl Case<'_> {
    /// SHA-256 over what was judged, as canonical JSON.
    ///
    /// The text of a command is left out: it may hold a secret short enough to be guessed from a
    /// digest. The record of the command has it, salted.
    pub(super) fn digest(&self, approvals: &Approvals) -> Digest {
        let request = self.request;
        let identity = request.identity;
        let groups: Vec<&str> = self.policy.known_groups(identity).collect();
        let judged = Judged {
            action: request.action.as_str(),
            amr: &request.sign_in.amr,
            approval: Given { count: approvals.count, groups: &approvals.groups },
            auth_time: request.sign_in.auth_time.map(|time| time.to_string()),
            claims: &identity.claims,
            destination: request.action.endpoint().map(ToString::to_string),
            flow: request.sign_in.flow.as_str(),
            groups,
            labels: request.target.map(|(target, _)| &target.labels),
            length: match request.action {
                Asked::Exec(command) | Asked::Transfer(command) => Some(command.bytes().len()),
                _ => None,
            },
            login: request.target.map(|(_, login)| login.as_str()),
            now: request.now.to_string(),
            owner: request.owner.map(Principal::as_str),
            principal: self.scene.principal.to_string(),
            pty: request.pty,
            resource: self.scene.resource.to_string(),
            signed_in: request.sign_in.at.to_string(),
            source_ip: request.source.to_canonical().to_string(),
        };
        judged.digest()
    }
}

/// What was judged, as its digest has it. In the order of their names, with neither floats nor keys beyond the BMP in it, its
/// JSON is the canonical one (RFC 8785).
#[derive(Serialize)]
struct Judged<'a> {
    action: &'a str,
    amr: &'a [String],
    approval: Given<'a>,
    auth_time: Option<String>,
    claims: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    flow: &'a str,
    groups: Vec<&'a str>,
    labels: Option<&'a BTreeMap<String, String>>,
    length: Option<usize>,
    login: Option<&'a str>,
    now: String,
    owner: Option<&'a str>,
    principal: String,
    pty: bool,
    resource: String,
    signed_in: String,
    source_ip: String,
}

impl Judged<'_> {
    fn digest(&self) -> Digest {
        // Strings, small numbers and booleans can always be written.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Given<'a> {
    count: u8,
    groups: &'a BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_judged_has_the_digest_of_its_canonical_json() {
        let map: BTreeMap<String, String> = [("email", "z\u{e9}\u{1f600}\u{7f}\u{1}\n\"/\\"), ("A", ""), ("a-b", "1")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        let groups: BTreeSet<String> = ["sre".to_owned(), "dba".to_owned()].into();
        let amr = ["otp".to_owned()];
        let judged = |destination| Judged {
            action: "exec",
            amr: &amr,
            approval: Given { count: 2, groups: &groups },
            auth_time: None,
            claims: &map,
            destination,
            flow: "ci",
            groups: vec!["users"],
            labels: Some(&map),
            length: Some(32_768),
            login: Some("deploy"),
            now: String::new(),
            owner: None,
            principal: "Sallyport::User::\"corp#1\"".to_owned(),
            pty: true,
            resource: String::new(),
            signed_in: String::new(),
            source_ip: "::1".to_owned(),
        };
        for judged in [judged(None), judged(Some("10.0.0.1:80".to_owned()))] {
            let canonical = serde_json_canonicalizer::to_vec(&judged).unwrap();
            assert_eq!(judged.digest(), Digest::of(&canonical), "{}", String::from_utf8_lossy(&canonical));
        }
    }
}
