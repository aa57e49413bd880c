//! What is known of each kind of issuer, as data: which claim is the subject, which the tenant,
//! what ties a token to a key, and which claims policy may use.
//!
//! Facts about issuers only; what an operator decides stands in [`IssuerSettings`].

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use crate::domain::identity::{IssuerName, Kind};

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name in the config.
    pub name: &'static str,
    /// Who signs in there.
    pub kind: Kind,
    /// The claim that is the subject. For pipelines the id that a rename or a new branch does not change.
    pub subject: &'static str,
    /// What tells this operator's tenant from everybody else's.
    pub tenancy: Tenancy,
    /// Display names, best first; the parts of one are joined with `@`. `email` counts only when verified.
    pub names: &'static [&'static [&'static str]],
    /// The claim that lists groups.
    pub groups: Option<&'static str>,
    /// Claims that policy may use, as text.
    pub keep: &'static [&'static str],
    /// Claims without which a token is refused.
    pub required: &'static [&'static str],
    /// The largest age of a token at its first use.
    pub max_age: Duration,
    /// What ties a token to a key.
    pub binding: Binding,
    /// The claim that names one job, where one key a job is all that can be had.
    pub job: Option<&'static str>,
}

/// What tells one tenant of an issuer from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// A claim. The config must say which values.
    Claim(&'static str),
    /// The issuer's address: each tenant has its own.
    Issuer,
    /// Unknown: the config must say `require` or `single_tenant`.
    Unknown,
}

/// What ties a token to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The nonce, made from the key.
    Nonce,
    /// The audience, chosen when the token is asked for, names the key.
    Audience,
    /// Nothing in the token: proof of possession and one use only.
    Proof,
}

const TEN_MINUTES: Duration = Duration::from_secs(600);
const PERSON: Profile = Profile {
    name: "generic",
    kind: Kind::Person,
    subject: "sub",
    tenancy: Tenancy::Unknown,
    names: &[&["email"], &["preferred_username"], &["name"]],
    groups: Some("groups"),
    keep: &[],
    required: &[],
    max_age: TEN_MINUTES,
    binding: Binding::Nonce,
    job: None,
};
const PIPELINE: Profile =
    Profile { kind: Kind::Pipeline, names: &[&["sub"]], groups: None, binding: Binding::Audience, ..PERSON };

/// Every kind of issuer that is known.
pub const PROFILES: &[Profile] = &[
    PERSON,
    Profile { name: "generic-pipeline", ..PIPELINE },
    Profile {
        name: "github",
        // `sub` can be customised and holds names that can be given to others; ids cannot.
        subject: "repository_id",
        tenancy: Tenancy::Claim("repository_owner_id"),
        names: &[&["repository", "ref"], &["repository"]],
        keep: &[
            "sub",
            "repository",
            "repository_id",
            "repository_owner",
            "repository_owner_id",
            "repository_visibility",
            "ref",
            "ref_type",
            "ref_protected",
            "base_ref",
            "head_ref",
            "environment",
            "event_name",
            "workflow_ref",
            "job_workflow_ref",
            "run_id",
            "run_attempt",
            "actor",
            "actor_id",
            "runner_environment",
        ],
        required: &["repository_id", "repository_owner_id", "ref", "event_name", "run_id"],
        ..PIPELINE
    },
    Profile {
        name: "gitlab",
        subject: "project_id",
        tenancy: Tenancy::Claim("namespace_id"),
        names: &[&["project_path", "ref"], &["project_path"]],
        keep: &[
            "sub",
            "namespace_id",
            "namespace_path",
            "project_id",
            "project_path",
            "user_id",
            "user_login",
            "pipeline_id",
            "pipeline_source",
            "job_id",
            "ref",
            "ref_type",
            "ref_path",
            "ref_protected",
            "environment",
            "environment_protected",
            "deployment_tier",
            "runner_environment",
        ],
        required: &["project_id", "namespace_id", "ref", "job_id"],
        // Its audience is fixed in YAML and its token made once a job.
        binding: Binding::Proof,
        job: Some("job_id"),
        ..PIPELINE
    },
    Profile {
        name: "buildkite",
        tenancy: Tenancy::Claim("organization_slug"),
        names: &[&["pipeline_slug", "build_branch"], &["pipeline_slug"]],
        keep: &[
            "sub",
            "organization_slug",
            "pipeline_slug",
            "build_number",
            "build_branch",
            "build_tag",
            "build_commit",
            "step_key",
            "job_id",
            "agent_id",
        ],
        required: &["organization_slug", "pipeline_slug"],
        ..PIPELINE
    },
    Profile { name: "google", tenancy: Tenancy::Claim("hd"), groups: None, ..PERSON },
    Profile {
        name: "entra",
        // `sub` differs for each client there; `oid` is the person.
        subject: "oid",
        tenancy: Tenancy::Claim("tid"),
        names: &[&["preferred_username"], &["name"]],
        required: &["oid", "tid"],
        ..PERSON
    },
    Profile { name: "okta", tenancy: Tenancy::Issuer, ..PERSON },
    Profile { name: "keycloak", tenancy: Tenancy::Issuer, ..PERSON },
];

impl Profile {
    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        PROFILES.iter().find(|profile| profile.name == name).copied()
    }
}

/// A signature algorithm that a token may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All that are accepted at all.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// As a token's header writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// One issuer that the operator trusts, for what, and under which conditions.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The short name in principals and policy.
    pub name: IssuerName,
    /// Its `iss`, byte for byte.
    pub url: String,
    /// What kind of issuer it is.
    pub profile: Profile,
    /// The OAuth client whose tokens are taken from people. Not used for pipelines.
    pub client_id: Option<String>,
    /// Further audiences that a token may also have.
    pub other_audiences: Vec<String>,
    /// Signature algorithms that it uses.
    pub algorithms: Vec<Algorithm>,
    /// Values of the profile's tenant claim that are ours.
    pub tenants: Vec<String>,
    /// The operator's word that every subject of this issuer is their own.
    pub single_tenant: bool,
    /// Claims that must have one of these values, as text.
    pub require: BTreeMap<String, Vec<String>>,
    /// Further claims that policy may use.
    pub keep: Vec<String>,
    /// Another claim than the profile's for groups.
    pub groups_claim: Option<String>,
    /// Whether tokens of its device flow, which no nonce can bind, are taken from people.
    pub device: bool,
    /// Permits plain HTTP and addresses on loopback, link-local and private networks.
    pub internal: bool,
    /// Scopes that clients ask for beside `openid`.
    pub scopes: Vec<String>,
}

impl IssuerSettings {
    /// Settings with the profile's defaults and no condition yet.
    pub fn new(name: IssuerName, url: &str, profile: Profile) -> Self {
        Self {
            name,
            url: url.to_owned(),
            profile,
            client_id: None,
            other_audiences: Vec::new(),
            algorithms: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
            tenants: Vec::new(),
            single_tenant: false,
            require: BTreeMap::new(),
            keep: Vec::new(),
            groups_claim: None,
            device: false,
            internal: false,
            scopes: vec!["email".into(), "profile".into()],
        }
    }

    /// Every reason not to start with these settings.
    pub fn faults(&self) -> Vec<SettingsFault> {
        let mut faults = Vec::new();
        match self.profile.tenancy {
            // Anyone on earth gets a valid token from these.
            Tenancy::Claim(claim) if self.tenants.is_empty() => faults.push(SettingsFault::Tenant { claim }),
            Tenancy::Unknown if self.require.is_empty() && !self.single_tenant => faults.push(SettingsFault::Condition),
            Tenancy::Claim(_) | Tenancy::Issuer | Tenancy::Unknown => {}
        }
        if self.profile.kind == Kind::Person && self.client_id.as_deref().unwrap_or_default().is_empty() {
            faults.push(SettingsFault::Client);
        }
        if self.algorithms.is_empty() {
            faults.push(SettingsFault::Algorithms);
        }
        match url::Url::parse(&self.url) {
            Ok(url) if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() => {
                faults.push(SettingsFault::Url);
            }
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && self.internal) => {}
            Ok(_) | Err(_) => faults.push(SettingsFault::Url),
        }
        faults
    }

    /// The claim that lists groups, if any.
    pub fn groups_claim(&self) -> Option<&str> {
        self.groups_claim.as_deref().or(self.profile.groups)
    }
}

/// What is wrong with an issuer's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SettingsFault {
    /// No value of the tenant claim.
    #[error("tenants: name at least one value of `{claim}`, or anybody there could sign in")]
    Tenant {
        /// The claim.
        claim: &'static str,
    },
    /// No condition at all.
    #[error("require: name a claim and its values, or say single_tenant = true")]
    Condition,
    /// No OAuth client.
    #[error("client_id: is needed for people")]
    Client,
    /// No algorithm.
    #[error("algorithms: name at least one of RS256, ES256, EdDSA")]
    Algorithms,
    /// No usable address.
    #[error("url: must be an https address without query or fragment (http only with internal = true)")]
    Url,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(profile: &str) -> IssuerSettings {
        let profile = Profile::named(profile).unwrap();
        IssuerSettings::new(IssuerName::parse("x").unwrap(), "https://issuer.example", profile)
    }

    #[test]
    fn an_issuer_without_a_condition_on_its_tenant_is_a_fault() {
        for profile in PROFILES {
            let mut settings = settings(profile.name);
            settings.client_id = Some("client".into());
            let closed = matches!(profile.tenancy, Tenancy::Issuer);
            assert_eq!(settings.faults().is_empty(), closed, "{}", profile.name);
            settings.tenants = vec!["1".into()];
            settings.single_tenant = true;
            assert_eq!(settings.faults(), [], "{}", profile.name);
        }
    }

    #[test]
    fn plain_http_is_for_internal_issuers_only() {
        let mut settings = settings("okta");
        settings.client_id = Some("client".into());
        settings.url = "http://127.0.0.1:1".into();
        assert_eq!(settings.faults(), [SettingsFault::Url]);
        settings.internal = true;
        assert_eq!(settings.faults(), []);
    }
}
