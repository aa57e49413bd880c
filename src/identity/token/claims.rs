//! The third group of checks: claims that an issuer has vouched for, judged by our rules.
//!
//! Pure. A claim is text here, whatever its JSON kind: GitLab's `"false"` is never true.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::profile::{Binding, IssuerSettings, Tenancy};
use super::super::reason::Reason;
use super::{Raw, SKEW, Showing};
use crate::domain::Timestamp;
use crate::domain::binding;
use crate::domain::identity::{Flow, Kind};

/// A token that passed: who, and what is known of the sign-in.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the issuer vouched for.
    pub seen: Seen,
    /// For people's eyes only.
    pub name: String,
    /// Groups as the issuer names them, sorted.
    pub groups: Vec<String>,
    /// Claims that policy may use.
    pub about: BTreeMap<String, String>,
    /// How it came.
    pub flow: Flow,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// The job it is for, where one key a job is all that ties it.
    pub job: Option<String>,
    /// All claims as canonical JSON, without the ones that only tie the token to its request.
    pub claims: Vec<u8>,
}

/// What a record may say of a token once its signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The subject.
    pub subject: String,
    /// The audiences.
    pub audience: Vec<String>,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// Authentication class.
    pub acr: Option<String>,
    /// When the person last proved themselves to the issuer.
    pub auth_time: Option<Timestamp>,
}

const LIMIT_SUBJECT_BYTES: usize = 255;
const LIMIT_CLAIM_BYTES: usize = 1024;
const LIMIT_NAME_CHARS: usize = 128;
const LIMIT_GROUPS: usize = 200;
const LIMIT_GROUP_BYTES: usize = 128;
const LIMIT_LIST: usize = 16;
/// All groups, and all kept claims: both stand in every record of a sign-in, which has 32 KiB.
const LIMIT_TOTAL_BYTES: usize = 8 * 1024;

/// What may be said of the token, bounded.
pub(super) fn seen(claims: &Map<String, Value>, issuer: &IssuerSettings) -> Seen {
    let cut = |text: &str| text.chars().take(LIMIT_SUBJECT_BYTES).collect::<String>();
    let list = |name: &str| match claims.get(name) {
        Some(Value::String(one)) => vec![cut(one)],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).take(LIMIT_LIST).map(cut).collect(),
        _ => Vec::new(),
    };
    Seen {
        subject: cut(&text(claims, issuer.profile.subject).unwrap_or_default()),
        audience: list("aud"),
        amr: list("amr"),
        acr: text(claims, "acr").map(|acr| cut(&acr)),
        auth_time: seconds(claims, "auth_time").ok().flatten(),
    }
}

/// The checks, in the order that their reasons are documented.
pub(super) fn check(raw: &Raw, issuer: &IssuerSettings, showing: &Showing<'_>) -> Result<Checked, Reason> {
    let claims = &raw.claims;
    let now = showing.now;
    azp(claims, issuer, &showing.audience(issuer))?;

    let expires = seconds(claims, "exp")?.ok_or(Reason::ClaimForm)?;
    let issued = seconds(claims, "iat")?.ok_or(Reason::ClaimForm)?;
    if now >= expires.plus(SKEW) {
        return Err(Reason::Expired);
    }
    if seconds(claims, "nbf")?.is_some_and(|from| from > now.plus(SKEW)) {
        return Err(Reason::NotYet);
    }
    if issued > now.plus(SKEW) || seconds(claims, "auth_time")?.is_some_and(|at| at > now.plus(SKEW)) {
        return Err(Reason::FromTheFuture);
    }
    // One key a job: its token is made once, so its first use is what has a limit, and `login` knows that.
    if issuer.profile.job.is_none() && now.since(issued) > issuer.profile.max_age + SKEW {
        return Err(Reason::TooOld);
    }
    // Keycloak says in the payload what a token is for.
    if claims.get("typ").is_some_and(|typ| !typ.as_str().is_some_and(|typ| matches!(typ, "ID" | "JWT"))) {
        return Err(Reason::NotAnIdToken);
    }

    let flow = bind(claims, issuer, showing)?;
    showing.proof.check(showing.bastion, &raw.text, showing.key, now)?;

    tenant(claims, issuer)?;
    for name in issuer.profile.required {
        text(claims, name).filter(|value| !value.is_empty()).ok_or(Reason::ClaimMissing)?;
    }
    for (name, values) in &issuer.require {
        let value = text(claims, name).ok_or(Reason::ClaimMissing)?;
        if !values.contains(&value) {
            return Err(Reason::ClaimValue);
        }
    }
    let seen = seen(claims, issuer);
    let subject = text(claims, issuer.profile.subject).ok_or(Reason::Subject)?;
    if !(1..=LIMIT_SUBJECT_BYTES).contains(&subject.len()) || subject != seen.subject {
        return Err(Reason::Subject);
    }
    Ok(Checked {
        name: name(claims, issuer).unwrap_or_else(|| shown(&subject)),
        groups: groups(claims, issuer)?,
        about: about(claims, issuer)?,
        flow,
        issued,
        expires,
        job: issuer.profile.job.and_then(|claim| text(claims, claim)),
        claims: canonical(claims),
        seen,
    })
}

/// OpenID Connect Core §3.1.3.7, 4 and 5: with several audiences `azp` must be there, and it is us.
fn azp(claims: &Map<String, Value>, issuer: &IssuerSettings, ours: &str) -> Result<(), Reason> {
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        None if several => Err(Reason::AuthorizedParty),
        None => Ok(()),
        Some(Value::String(party)) if party == ours => Ok(()),
        Some(Value::String(party)) if !several && issuer.other_audiences.contains(party) => Ok(()),
        Some(_) => Err(Reason::AuthorizedParty),
    }
}

fn bind(claims: &Map<String, Value>, issuer: &IssuerSettings, showing: &Showing<'_>) -> Result<Flow, Reason> {
    match (issuer.profile.binding, claims.get("nonce")) {
        (Binding::Nonce, None) if issuer.device => Ok(Flow::Device),
        (Binding::Nonce, None) => Err(Reason::NonceMissing),
        (Binding::Nonce, Some(nonce)) => {
            let random = showing.nonce_random.ok_or(Reason::Nonce)?;
            let blob = showing.key.to_bytes().map_err(|_| Reason::KeyKind)?;
            if nonce.as_str() != Some(binding::nonce(&blob, &random).as_str()) {
                return Err(Reason::Nonce);
            }
            Ok(match showing.flow {
                Some(Flow::Device) => Flow::Device,
                Some(Flow::Remote) => Flow::Remote,
                Some(Flow::Local | Flow::Ci) | None => Flow::Local,
            })
        }
        (Binding::Audience | Binding::Proof, _) => Ok(match issuer.profile.kind {
            Kind::Pipeline => Flow::Ci,
            // A person's token that nothing ties to a browser beside the client counts for the least.
            Kind::Person => Flow::Device,
        }),
    }
}

fn tenant(claims: &Map<String, Value>, issuer: &IssuerSettings) -> Result<(), Reason> {
    match issuer.profile.tenancy {
        Tenancy::Claim(claim) => match text(claims, claim) {
            Some(tenant) if issuer.tenants.contains(&tenant) => Ok(()),
            Some(_) | None => Err(Reason::Tenant),
        },
        Tenancy::Issuer => Ok(()),
        Tenancy::Unknown if issuer.single_tenant || !issuer.require.is_empty() => Ok(()),
        Tenancy::Unknown => Err(Reason::Tenant),
    }
}

fn name(claims: &Map<String, Value>, issuer: &IssuerSettings) -> Option<String> {
    issuer.profile.names.iter().find_map(|parts| {
        let values: Option<Vec<_>> = parts
            .iter()
            .map(|part| {
                let unverified = *part == "email" && !email_verified(claims);
                text(claims, part).filter(|value| !value.is_empty() && !unverified)
            })
            .collect();
        values.map(|values| shown(&values.join("@")))
    })
}

fn email_verified(claims: &Map<String, Value>) -> bool {
    text(claims, "email_verified").as_deref() == Some("true")
}

/// Names are shown in terminals and logs: nothing that moves a cursor or turns the direction of writing.
fn shown(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().filter(|&c| !harmful(c)).take(LIMIT_NAME_CHARS).collect()
}

fn groups(claims: &Map<String, Value>, issuer: &IssuerSettings) -> Result<Vec<String>, Reason> {
    let Some(claim) = issuer.groups_claim() else { return Ok(Vec::new()) };
    // Entra, over 200 groups: the claim is left out and a link given. Silence would be "no groups".
    if claims.get("_claim_names").and_then(|names| names.get(claim)).is_some() || claims.contains_key("hasgroups") {
        return Err(Reason::GroupsOverage);
    }
    let list = match claims.get(claim) {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Reason::GroupsForm),
    };
    if list.len() > LIMIT_GROUPS {
        return Err(Reason::GroupsTooMany);
    }
    let mut groups = Vec::with_capacity(list.len());
    for group in list {
        let group = group.as_str().ok_or(Reason::GroupsForm)?;
        if group.len() > LIMIT_GROUP_BYTES {
            return Err(Reason::GroupsTooMany);
        }
        if group.is_empty() || group != shown(group) {
            return Err(Reason::GroupsForm);
        }
        groups.push(group.to_owned());
    }
    groups.sort();
    groups.dedup();
    if groups.iter().map(String::len).sum::<usize>() > LIMIT_TOTAL_BYTES {
        return Err(Reason::GroupsTooMany);
    }
    Ok(groups)
}

fn about(claims: &Map<String, Value>, issuer: &IssuerSettings) -> Result<BTreeMap<String, String>, Reason> {
    let mut about = BTreeMap::new();
    for claim in issuer.profile.keep.iter().copied().chain(issuer.keep.iter().map(String::as_str)) {
        let Some(value) = text(claims, claim) else { continue };
        // An address that anybody could have typed in at the issuer is not for rules.
        if claim == "email" && !email_verified(claims) {
            continue;
        }
        if value.len() > LIMIT_CLAIM_BYTES {
            return Err(Reason::ClaimForm);
        }
        about.insert(claim.to_owned(), value);
    }
    if about.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > LIMIT_TOTAL_BYTES {
        return Err(Reason::ClaimForm);
    }
    Ok(about)
}

fn canonical(claims: &Map<String, Value>) -> Vec<u8> {
    let mut claims = claims.clone();
    for request in ["nonce", "at_hash", "c_hash", "s_hash"] {
        claims.remove(request);
    }
    serde_json_canonicalizer::to_vec(&claims).unwrap_or_default()
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    match claims.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Reason> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            // Some issuers write whole seconds as 1.7e9.
            let whole = number.as_i64().or_else(|| {
                number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e12).map(|float| float as i64)
            });
            whole.map(|whole| Some(Timestamp::from_secs(whole))).ok_or(Reason::ClaimForm)
        }
        Some(_) => Err(Reason::ClaimForm),
    }
}
