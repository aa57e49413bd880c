//! A sample with everything that belongs to it, in one tar file.
//!
//! Nothing in it depends on when it is made: the same seed over the same period gives the same bytes, as long as the same
//! texts and recordings are kept.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::export::{Contents, Out};
use super::{Error, Range, Visit};
use crate::domain::RecordId;
use crate::domain::session::SessionId;
use crate::ledger;
use crate::ledger::bundle;
use crate::ledger::entry::{Entry, decode};

const README: &str = "\
A sample of evidence.

sample.csv says of what, by which seed, and under which signed checkpoint of the log.

records/ has each sampled record, and those of the period that belong to it: of its session, of its request, those that it
names and those that name it. Each stands with the proof that it is in the log:

    sallyport evidence verify-record records/81723 --trust FILE

with FILE from another road (ssh BASTION evidence trust).

blobs/ has texts that records name by hash: 32 bytes of salt, then the text; the SHA-256 over both is the name.
recordings/ has stored frames one after the other (zstd -dc reads them), and their lengths in a .frames file. The root over
the frames as leaves of an RFC 6962 tree is in the record of kind recording.close.
missing.txt lists what is not kept any more.

Whether the sample is the one that the seed picks, and the population complete, shows a bundle of the period
(ssh BASTION evidence export).
";

/// What the sampled records are known by.
#[derive(Default)]
struct Sampled {
    ids: BTreeSet<RecordId>,
    named: BTreeSet<RecordId>,
    sessions: BTreeSet<SessionId>,
    requests: BTreeSet<String>,
}

impl Sampled {
    fn take(&mut self, entry: &Entry) {
        self.ids.insert(entry.id());
        self.named.extend(entry.refs());
        self.sessions.extend(entry.session());
        self.requests.extend(request(entry));
    }

    /// Whether a record belongs to one of them.
    fn holds(&self, entry: &Entry) -> bool {
        self.ids.contains(&entry.id())
            || self.named.contains(&entry.id())
            || entry.refs().iter().any(|named| self.ids.contains(named))
            || entry.session().is_some_and(|session| self.sessions.contains(&session))
            || request(entry).is_some_and(|request| self.requests.contains(&request))
    }
}

/// The id of the request that a record of approval is about.
fn request(entry: &Entry) -> Option<String> {
    let is_about_one = entry.kind().starts_with("approval.");
    entry.body().text("id").filter(|_| is_about_one).map(str::to_owned)
}

impl Visit<'_> {
    /// Writes the records at `indexes` of the period, with what belongs to them; `table` is what says which they are.
    pub(super) async fn pack(&self, range: &Range, indexes: &[u64], table: &str) -> Result<(), Error> {
        let ledger = self.room.sessions.ledger();
        let mut sampled = Sampled::default();
        for index in indexes {
            let entry = ledger.entry(*index).await?;
            let entry = entry.ok_or_else(|| ledger::Error::Damaged(format!("entry {index} is missing")))?;
            sampled.take(&decode(&entry)?);
        }
        let mut out = Out::new(self);
        out.whole("README.txt", README.as_bytes()).await?;
        // Who asked, and when, is in the record of this export.
        let table: String = table.split_inclusive('\n').filter(|line| !line.starts_with("# asked")).collect();
        out.whole("sample.csv", table.as_bytes()).await?;
        let (mut contents, mut next) = (Contents::default(), range.first());
        while next < range.end() {
            for entry in self.records_from(next, range.end()).await? {
                next += 1;
                if !sampled.holds(&entry) {
                    continue;
                }
                let proof = self.proof(entry.seq(), &range.behind).await?;
                let text = [entry.bytes(), b"\n\n".as_slice(), proof.as_bytes()].concat();
                out.whole(&format!("records/{}", entry.seq()), &text).await?;
                let payloads = entry.body().payloads();
                contents.texts.extend(payloads.into_iter().map(|hash| (bundle::blob_name(&hash), hash)));
                contents.recordings.extend(bundle::recorded(&entry));
            }
        }
        self.kept(&mut out, &mut contents).await?;
        let mut missing = String::new();
        for one in &contents.missing {
            let _ = writeln!(missing, "{} {}", one.name, one.why);
        }
        out.whole("missing.txt", missing.as_bytes()).await?;
        out.finish().await
    }
}
