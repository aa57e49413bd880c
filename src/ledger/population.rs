//! Populations: every record of one kind of control as a table, and the sample that a number picks from it.
//!
//! Pure. A table follows from the records alone, so whoever has those can make it again. Refuses to choose: which records
//! belong to a control is a fixed list, and a sample follows from the number and the records' hashes.

use serde_json::Value;

use super::entry::{self, Entry, Fields};
use crate::domain::{Digest, Timestamp};

/// What an auditor asks a population of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Requests that waited for people.
    Approvals,
    /// Sign-ins.
    Authentications,
    /// Ways past approval, and their reviews.
    BreakGlass,
    /// What lets somebody in, or no longer.
    Certificates,
    /// What policy said.
    Decisions,
    /// What mask rules hid.
    Masking,
    /// Other policies, config, targets.
    PolicyChanges,
    /// Sessions.
    Sessions,
}

impl Control {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::Approvals,
        Self::Authentications,
        Self::BreakGlass,
        Self::Certificates,
        Self::Decisions,
        Self::Masking,
        Self::PolicyChanges,
        Self::Sessions,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Authentications => "authentications",
            Self::BreakGlass => "break-glass",
            Self::Certificates => "certificates",
            Self::Decisions => "decisions",
            Self::Masking => "masking",
            Self::PolicyChanges => "policy-changes",
            Self::Sessions => "sessions",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.as_str() == name)
    }

    /// The kinds of record that are its rows.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Approvals => &["approval.requested"],
            Self::Authentications => &["authn.oidc", "authn.ssh", "authn.ssh_failures"],
            Self::BreakGlass => &["approval.break_glass", "approval.break_glass_reviewed"],
            Self::Certificates => &["cert.issued", "cert.revoked", "identity.reinstated", "key.remembered"],
            Self::Decisions => &["authz.decision"],
            Self::Masking => &["mask.applied"],
            Self::PolicyChanges => &["config.changed", "policy.changed", "target.changed", "tls.changed"],
            Self::Sessions => &["session.start"],
        }
    }

    /// The same as a query for `jq` on the records.
    pub fn query(self) -> String {
        let kinds: Vec<_> = self.kinds().iter().map(|kind| format!(".kind == \"{kind}\"")).collect();
        format!("select({})", kinds.join(" or "))
    }

    /// What of the bodies stands in the table.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Approvals => &["id", "quorum", "groups", "rules", "policy", "expires", "command", "reason"],
            Self::Authentications => &["issuer", "subject", "method", "amr", "acr", "flow", "key", "counts", "reason"],
            Self::BreakGlass => &["id", "principal", "reason", "alerted", "until", "finding"],
            Self::Certificates => &["authority", "serial", "key_id", "principals", "valid_before", "serials", "reason"],
            Self::Decisions => &["action", "rules", "errors", "policy", "pass", "obligations", "command"],
            Self::Masking => &["recording", "rule", "stream", "count", "bytes"],
            Self::PolicyChanges => &["old", "new", "files", "added", "changed", "removed", "restart"],
            Self::Sessions => &["action", "pty", "recording"],
        }
    }

    /// The first line of its table.
    pub fn head(self) -> String {
        let names = BEFORE.iter().chain(self.fields()).chain(BEHIND);
        format!("{}\n", names.copied().collect::<Vec<_>>().join(","))
    }

    /// The line of this record; `None` if it is none of its kinds. It says whether the record lies within the dates.
    pub fn row(self, entry: &Entry, dates: &Dates) -> Option<String> {
        if !self.kinds().contains(&entry.kind()) {
            return None;
        }
        let (actor, body) = (entry.actor(), entry.body());
        let target = |name| entry.target().and_then(|target| target.text(name)).unwrap_or_default().to_owned();
        let of_actor = |name| actor.text(name).unwrap_or_default().to_owned();
        let mut cells = vec![
            if dates.hold(entry.time()) { "yes" } else { "no" }.to_owned(),
            entry.time().to_string(),
            entry.kind().to_owned(),
            entry.outcome().as_str().to_owned(),
            of_actor("name"),
            of_actor("iss"),
            of_actor("sub"),
            of_actor("src"),
            entry.session().map(|session| session.to_string()).unwrap_or_default(),
            target("name"),
            target("login"),
        ];
        cells.extend(self.fields().iter().map(|name| value(body, name)));
        cells.extend([entry.id().to_string(), entry.seq().to_string(), entry.leaf().to_string()]);
        let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
        Some(format!("{}\n", cells.join(",")))
    }
}

const BEFORE: &[&str] =
    &["in_period", "time", "kind", "outcome", "by", "iss", "sub", "src", "session", "target", "login"];
const BEHIND: &[&str] = &["record", "seq", "leaf"];

/// The dates that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The first moment.
    pub from: Timestamp,
    /// The moment behind the last one.
    pub to: Timestamp,
}

impl Dates {
    /// Whether a moment lies within.
    pub fn hold(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }

    /// As they stand in a bundle.
    pub fn encode(&self) -> String {
        format!("{} {}\n", self.from, self.to)
    }

    /// Reads what [`Dates::encode`] wrote, and no other spelling.
    pub fn decode(text: &str) -> Option<Self> {
        let (from, to) = text.strip_suffix('\n')?.split_once(' ')?;
        let dates = Self { from: Timestamp::parse(from)?, to: Timestamp::parse(to)? };
        (dates.encode() == text).then_some(dates)
    }
}

/// A text as it is, of a text outside its hash, of everything else its JSON.
fn value(body: Fields<'_>, name: &str) -> String {
    if let Some((hash, _)) = body.payload(name) {
        return hash.to_string();
    }
    match body.map().get(name) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => {
            entry::canonical(other).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        }
    }
}

/// Fit for a terminal and for a spreadsheet: nothing in it is run, by either.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // A spreadsheet would compute it.
    if text.starts_with(['=', '+', '-', '@']) {
        out.push('\'');
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\"\""),
            ' '..='~' => out.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    if text.contains([',', '"']) { format!("\"{out}\"") } else { out }
}

/// What a number picks: the records whose lots are the smallest.
#[derive(Debug)]
pub struct Sample<T> {
    seed: u64,
    count: usize,
    picked: std::collections::BTreeMap<Digest, T>,
}

impl<T> Sample<T> {
    /// Nothing yet.
    pub fn new(seed: u64, count: usize) -> Self {
        Self { seed, count, picked: std::collections::BTreeMap::new() }
    }

    /// Draws a lot for a record: it stays unless enough others have smaller ones.
    pub fn offer(&mut self, leaf: &Digest, item: T) {
        self.picked.insert(lot(self.seed, leaf), item);
        if self.picked.len() > self.count {
            self.picked.pop_last();
        }
    }

    /// What was picked, in the order of its lots.
    pub fn into_items(self) -> impl Iterator<Item = T> {
        self.picked.into_values()
    }
}

/// The lot of a record: SHA-256 of `SEED:LEAF`, the seed in decimal digits and the leaf in hex.
pub fn lot(seed: u64, leaf: &Digest) -> Digest {
    Digest::of(format!("{seed}:{leaf}").as_bytes())
}

#[cfg(test)]
mod tests;
