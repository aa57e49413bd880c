//! The texts of policy sets and schemas, kept beside the log by their digests: a record names a set by its digest only, and
//! whoever checks a period wants to read what was in force.
//!
//! Knows no policy: a text and its digest. Refuses to give out a text that has another digest.

use bytes::Bytes;

use super::entry::Entry;
use super::{Error, Ledger};
use crate::domain::Digest;

/// Where records name a policy set or a schema: kind, and field of its body.
const NAMED: [(&str, &str); 6] = [
    ("approval.requested", "policy"),
    ("authz.decision", "policy"),
    ("authz.decision", "schema"),
    ("log.start", "policy"),
    ("policy.changed", "new"),
    ("policy.changed", "old"),
];

/// The policy sets and schemas that a record names.
pub fn named(entry: &Entry) -> impl Iterator<Item = Digest> {
    let here = NAMED.iter().filter(|(kind, _)| *kind == entry.kind());
    here.filter_map(|(_, field)| entry.body().digest(field))
}

impl Ledger {
    /// Keeps a policy set or a schema: to be done before a record names it.
    pub async fn keep_policy(&self, text: &str) -> Result<(), Error> {
        let name = name(&Digest::of(text.as_bytes()));
        if self.files.read(&name).await?.is_none() {
            self.files.replace(&name, Bytes::copy_from_slice(text.as_bytes())).await?;
        }
        Ok(())
    }

    /// The policy set or schema of this digest; `None` if it was not kept.
    pub async fn kept_policy(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        match self.files.read(&name(digest)).await? {
            Some(text) if Digest::of(&text) != *digest => {
                Err(Error::Damaged(format!("policy {digest} has another digest")))
            }
            found => Ok(found),
        }
    }
}

fn name(digest: &Digest) -> String {
    format!("policies/{digest}")
}
