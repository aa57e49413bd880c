//! `[[issuer]]`: who may vouch for people and pipelines.

use std::collections::BTreeSet;

use super::Reader;
use crate::app::file;
use crate::domain::identity::IssuerName;
use crate::identity::profile::{Algorithm, IssuerSettings, PROFILES, Profile, SettingsFault, Tenancy};
use crate::policy::nearest;

/// Addresses that are the same for everybody.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("github", "https://token.actions.githubusercontent.com"),
    ("gitlab", "https://gitlab.com"),
    ("buildkite", "https://agent.buildkite.com"),
    ("google", "https://accounts.google.com"),
];

impl Reader<'_> {
    pub(super) fn issuers(&mut self, written: &[file::Issuer]) -> Vec<IssuerSettings> {
        if written.is_empty() {
            self.faults.add("issuer", "is missing: nobody could sign in", "add an [[issuer]]");
        }
        let issuers: Vec<IssuerSettings> = written.iter().filter_map(|issuer| self.issuer(issuer)).collect();
        let (mut names, mut urls) = (BTreeSet::new(), BTreeSet::new());
        for issuer in &issuers {
            if !names.insert(&issuer.name) {
                self.faults.add("issuer", format!("has the name {} twice", issuer.name), "rename one of them");
            }
            // A token says its issuer's address and no more: two with the same could not be told apart.
            if !urls.insert(&issuer.url) {
                self.faults.add("issuer", format!("has the url {} twice", issuer.url), "make one [[issuer]] of them");
            }
        }
        issuers
    }

    fn issuer(&mut self, written: &file::Issuer) -> Option<IssuerSettings> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let name = self.faults.required(&at("name"), written.name.as_deref(), "give it a short name, such as \"corp\"");
        let name = name.and_then(|name| {
            let mend = "use 1 to 32 of a-z 0-9 -: principals and policy begin with it";
            self.faults.check(&at("name"), IssuerName::parse(name).ok_or("is no name"), mend)
        });
        let kinds: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
        let all = format!("use one of: {}", kinds.join(" "));
        let profile = self.faults.required(&at("profile"), written.profile.as_deref(), &all);
        let profile = profile.and_then(|text| {
            let mend = nearest(text, kinds.iter().copied()).map_or(all, |meant| format!("did you mean {meant:?}?"));
            self.faults.check(&at("profile"), Profile::named(text).ok_or(format!("{text:?} is not known")), &mend)
        });
        let known = profile.and_then(|profile| WELL_KNOWN.iter().find(|(name, _)| *name == profile.name));
        let url = written.url.as_deref().or(known.map(|(_, url)| *url));
        let url =
            self.faults.required(&at("url"), url, "write the issuer's address, exactly as its tokens have it in `iss`");
        let mut settings = IssuerSettings::new(name?, url?, profile?);
        let mut audiences = written.client_id.iter().flat_map(|texts| texts.0.iter().cloned());
        settings.client_id = audiences.next();
        settings.other_audiences = audiences.collect();
        settings.single_tenant = written.single_tenant.unwrap_or(false);
        settings.device = written.device.unwrap_or(false);
        settings.internal = written.internal.unwrap_or(false);
        settings.groups_claim = written.groups_claim.clone();
        settings.keep = written.keep.clone().unwrap_or_default();
        if let Some(scopes) = &written.scopes {
            settings.scopes = scopes.clone();
        }
        for (claim, values) in written.require.iter().flatten() {
            if values.0.is_empty() || values.0.iter().any(String::is_empty) {
                let mend = "write the value that a token must have, or a list of them";
                self.faults.add(at(&format!("require.{claim}")), "is empty", mend);
            }
            match settings.profile.tenancy {
                Tenancy::Claim(tenant) if tenant == claim => settings.tenants = values.0.clone(),
                Tenancy::Claim(_) | Tenancy::Issuer | Tenancy::Unknown => {
                    settings.require.insert(claim.clone(), values.0.clone());
                }
            }
        }
        if let Some(algorithms) = &written.algorithms {
            let named = |text: &String| Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
            let mend = "use RS256, ES256 or EdDSA";
            let parsed = algorithms.iter().map(|text| named(text).ok_or_else(|| format!("{text:?} is not accepted")));
            settings.algorithms = self.faults.check(&at("algorithms"), parsed.collect::<Result<Vec<_>, _>>(), mend)?;
        }
        for fault in settings.faults() {
            let (key, what, mend) = said(fault);
            self.faults.add(at(key), what, mend);
        }
        Some(settings)
    }
}

/// A fault of the settings, in the words of the file.
fn said(fault: SettingsFault) -> (&'static str, String, String) {
    match fault {
        SettingsFault::Tenant { claim } => (
            "require",
            format!("has no {claim}, so anybody there could sign in"),
            format!("write require = {{ {claim} = \"…\" }} with your own"),
        ),
        SettingsFault::Condition => (
            "require",
            "is missing, and nothing says that all subjects there are yours".into(),
            "write require = { claim = \"value\" }, or single_tenant = true".into(),
        ),
        SettingsFault::Client => {
            ("client_id", "is missing".into(), "write the id of the client that you registered there".into())
        }
        SettingsFault::Algorithms => ("algorithms", "is empty".into(), "use RS256, ES256 or EdDSA".into()),
        SettingsFault::Url => (
            "url",
            "is no https address without query or fragment".into(),
            "write it as tokens have it in `iss` (http only for an issuer with internal = true)".into(),
        ),
    }
}
