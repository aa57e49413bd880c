//! `[[group]]` and `[[person]]`: which names belong together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Reader};
use crate::app::file;
use crate::domain::identity::{Identity, IssuerName};

/// Groups of the config, and who is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    members: BTreeMap<String, BTreeSet<Member>>,
    /// `[[person]]`: who is one human under several names.
    pub persons: Vec<Person>,
}

/// One line of `members`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    /// `issuer:subject`
    Subject(IssuerName, String),
    /// `issuer/group`: whoever the issuer says is in it.
    Asserted(IssuerName, String),
}

impl Groups {
    /// Every group that a policy may name: those of the config, and those of issuers that a member line names.
    pub fn names(&self) -> BTreeSet<String> {
        let asserted = self.members.values().flatten().filter_map(|member| match member {
            Member::Asserted(issuer, group) => Some(Group::asserted(issuer, group).as_str().to_owned()),
            Member::Subject(..) => None,
        });
        asserted.chain(self.members.keys().cloned()).collect()
    }

    /// Whether both are one human, or were started by one, as far as the config knows.
    pub fn same_human(&self, one: &Identity, other: &Identity) -> bool {
        self.persons.iter().any(|person| person.is(one) && person.is(other))
    }

    /// The groups of an identity, sorted: those that its issuer asserts, and those of the config that follow.
    pub fn of(&self, issuer: &IssuerName, subject: &str, asserted: &[String]) -> Vec<Group> {
        let asserted: BTreeSet<&str> = asserted.iter().map(String::as_str).collect();
        let is = |member: &Member| match member {
            Member::Subject(by, name) => by == issuer && name == subject,
            Member::Asserted(by, name) => by == issuer && asserted.contains(name.as_str()),
        };
        let configured = self.members.iter().filter(|(_, members)| members.iter().any(is));
        let all = asserted.iter().map(|name| Group::asserted(issuer, name));
        let all: BTreeSet<Group> = all.chain(configured.map(|(name, _)| Group::configured(name))).collect();
        all.into_iter().collect()
    }
}

/// One human under several names: counts once, and cannot approve what one of the other names asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Issuer and subject.
    pub identities: Vec<(IssuerName, String)>,
    /// Issuer, claim and value: pipelines that this human started.
    pub claims: Vec<(IssuerName, String, String)>,
}

impl Person {
    fn is(&self, identity: &Identity) -> bool {
        let named = self.identities.iter().any(|(by, subject)| *by == identity.issuer && *subject == identity.subject);
        let started = |(by, claim, value): &(IssuerName, String, String)| {
            *by == identity.issuer && identity.claims.get(claim) == Some(value)
        };
        named || self.claims.iter().any(started)
    }
}

impl Reader<'_> {
    pub(super) fn groups(&mut self, written: &[file::Group], issuers: &BTreeSet<IssuerName>) -> Groups {
        let mut groups = Groups::default();
        for group in written {
            let at = |key: &str| format!("{}.{key}", group.path);
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            let name = self.faults.required(&at("name"), group.name.as_deref(), "give it a name, such as \"sre\"");
            let name = name.and_then(|name| {
                let plain = (1..=64).contains(&name.len()) && name.bytes().all(fits);
                let checked = if plain { Ok(name) } else { Err("is no name") };
                self.faults.check(&at("name"), checked, "use 1 to 64 of a-z 0-9 - _ .")
            });
            let mend = "write members = [\"issuer:subject\", \"issuer/group\"], or [] for nobody";
            let lines = self.faults.required(&at("members"), group.members.as_ref(), mend);
            let mut members = BTreeSet::new();
            for line in lines.into_iter().flatten() {
                members.extend(self.faults.check(&at("members"), member(line, issuers), mend));
            }
            if let Some(name) = name
                && groups.members.insert(name.to_owned(), members).is_some()
            {
                self.faults.add(at("name"), format!("{name} is there twice"), "put all members into one");
            }
        }
        groups
    }

    pub(super) fn persons(&mut self, written: &[file::Person], issuers: &BTreeSet<IssuerName>) -> Vec<Person> {
        let mut taken = BTreeSet::new();
        let mut persons = Vec::new();
        for person in written {
            let mut known = Person { identities: Vec::new(), claims: Vec::new() };
            for (key, value) in &person.names {
                let at = format!("{}.{key}", person.path);
                let (issuer, claim) =
                    key.split_once('_').map_or((key.as_str(), None), |(name, claim)| (name, Some(claim)));
                let mend =
                    "write issuer = \"subject\", or issuer_actor_id or issuer_user_id for who started a pipeline";
                let found = issuers.iter().find(|name| name.as_str() == issuer);
                let Some(issuer) = self.faults.check(&at, found.ok_or("names no [[issuer]]"), mend) else { continue };
                if value.is_empty() || !taken.insert((key.clone(), value.clone())) {
                    self.faults.add(
                        &at,
                        "is empty, or belongs to another [[person]] too",
                        "one human has it, or nobody",
                    );
                }
                match claim {
                    None => known.identities.push((issuer.clone(), value.clone())),
                    Some(claim @ ("actor_id" | "user_id")) => {
                        known.claims.push((issuer.clone(), claim.to_owned(), value.clone()));
                    }
                    Some(claim) => self.faults.add(&at, format!("{claim} does not say who started a pipeline"), mend),
                }
            }
            persons.push(known);
        }
        persons
    }
}

/// Issuers' names hold neither `:` nor `/`, so the first of them divides.
fn member(line: &str, issuers: &BTreeSet<IssuerName>) -> Result<Member, String> {
    let at = line.find([':', '/']).ok_or_else(|| format!("has {line:?}, which names no issuer"))?;
    let (name, rest) = line.split_at(at);
    let issuer = issuers.iter().find(|issuer| issuer.as_str() == name);
    let issuer = issuer.ok_or_else(|| format!("has {line:?}, but there is no issuer {name:?}"))?;
    let value = rest.get(1..).unwrap_or_default().to_owned();
    match (rest.starts_with(':'), value.len()) {
        (_, 0) | (_, 256..) => Err(format!("has {line:?}, which is empty or too long after the issuer")),
        (true, _) => Ok(Member::Subject(issuer.clone(), value)),
        (false, _) => Ok(Member::Asserted(issuer.clone(), value)),
    }
}
