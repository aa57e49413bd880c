//! A bundle on its way out: records, texts, recordings, and at the end the signed list of all of it.
//!
//! Holds no more than a page of records and a frame at a time. Nothing in it depends on when it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;

use super::{Error, Range, Visit};
use crate::domain::Digest;
use crate::domain::event::Extent;
use crate::domain::session::{RecordingId, Stream};
use crate::ledger;
use crate::ledger::bundle::{self, Manifest, Missing, Writer};
use crate::ledger::entry::{Entry, decode};
use crate::ledger::policies;
use crate::ledger::population::{Control, Dates};
use crate::recording::{self, Reader};

/// What the records of a period come to, before the first of them is written.
#[derive(Default)]
pub(super) struct Contents {
    /// Of all lines.
    bytes: u64,
    counts: BTreeMap<String, u64>,
    /// Bytes of the rows of each control.
    tables: BTreeMap<Control, u64>,
    policies: BTreeSet<Digest>,
    /// By their place in the bundle.
    pub(super) texts: BTreeMap<String, Digest>,
    /// By session and id.
    pub(super) recordings: BTreeMap<String, Extent>,
    pub(super) missing: Vec<Missing>,
}

/// How many records one read takes.
const PAGE: usize = 256;

impl Visit<'_> {
    pub(super) async fn stream(&self, range: &Range) -> Result<(), Error> {
        let ledger = self.room.sessions.ledger();
        let (first, end) = (range.first(), range.end());
        let mut contents = self.look_over(range).await?;
        let mut out = Out::new(self);

        let prefix = ledger.prefix(first).await?;
        let peaks = prefix.peaks().iter().fold(String::new(), |text, peak| text + &format!("{peak}\n"));
        let before = range.before.as_ref().map_or(&[][..], |kept| &kept.note);
        out.whole(bundle::README, bundle::README_TEXT.as_bytes()).await?;
        out.whole(bundle::VERIFY, bundle::VERIFY_TEXT.as_bytes()).await?;
        out.whole(bundle::POLICY, ledger.trust().text().as_bytes()).await?;
        out.whole(bundle::CHECKPOINT_A, before).await?;
        out.whole(bundle::CHECKPOINT_B, &range.behind.note).await?;
        out.whole(bundle::PREFIX, peaks.as_bytes()).await?;
        out.whole(bundle::PERIOD, range.dates.encode().as_bytes()).await?;
        let cosigned = ledger.cosigned_within(first, end).await?;
        out.whole(bundle::COSIGNED, &cosigned.iter().map(|kept| &kept.note[..]).collect::<Vec<_>>().concat()).await?;

        out.begin(bundle::RECORDS, contents.bytes).await?;
        let mut next = first;
        while next < end {
            let page = self.records_from(next, end).await?;
            next += page.len() as u64;
            let lines = page.iter().flat_map(|entry| [line(range, entry), Bytes::from_static(b"\n")]);
            out.content(lines.collect::<Vec<_>>().concat().into()).await?;
        }
        out.end().await?;

        if !range.only_hashes {
            for control in Control::ALL {
                let bytes = contents.tables.remove(&control).unwrap_or_default();
                self.table(range, control, bytes, &mut out).await?;
            }
        }
        for digest in std::mem::take(&mut contents.policies) {
            let name = bundle::policy_name(&digest);
            match ledger.kept_policy(&digest).await {
                Ok(Some(text)) => out.whole(&name, &text).await?,
                // Of before they were kept.
                Ok(None) => contents.misses(name, "not kept"),
                Err(error) if error.is_damage() => contents.misses(name, "damaged"),
                Err(error) => return Err(error.into()),
            }
        }
        self.kept(&mut out, &mut contents).await?;
        let missing = contents.missing.len();
        let manifest = Manifest {
            format: bundle::FORMAT.to_owned(),
            origin: ledger.key().name().to_owned(),
            from: range.dates.from.to_string(),
            to: range.dates.to.to_string(),
            first,
            end,
            counts: contents.counts,
            withheld: if range.only_hashes { end - first } else { 0 },
            missing: contents.missing,
            files: out.writer.files().to_vec(),
        };
        let encoded = manifest.encode()?;
        let note = ledger.sign_manifest(&manifest, &encoded);
        out.whole(bundle::MANIFEST, &encoded).await?;
        out.whole(bundle::NOTE, note.as_bytes()).await?;
        out.finish().await?;
        let mut told = format!("records {first} to {}: whole\n", end.saturating_sub(1));
        if missing > 0 {
            let _ = writeln!(
                told,
                "{missing} texts, policies or recordings that they speak of are not kept any more; the list is in it"
            );
        }
        self.say.err(&told).await
    }

    /// Texts and recordings, as far as they are kept.
    pub(super) async fn kept(&self, out: &mut Out<'_>, contents: &mut Contents) -> Result<(), Error> {
        for (name, hash) in std::mem::take(&mut contents.texts) {
            match self.room.sessions.ledger().stored_payload(&hash).await {
                Ok(Some(stored)) => out.whole(&name, &stored).await?,
                Ok(None) => contents.misses(name, "not kept"),
                Err(error) if error.is_damage() => contents.misses(name, "damaged"),
                Err(error) => return Err(error.into()),
            }
        }
        for (name, extent) in std::mem::take(&mut contents.recordings) {
            self.recording(&name, extent, out, contents).await?;
        }
        Ok(())
    }

    /// Reads all records once: how long they are and what they speak of must be known before they are written.
    async fn look_over(&self, range: &Range) -> Result<Contents, Error> {
        let mut contents = Contents::default();
        let mut next = range.first();
        while next < range.end() {
            let page = self.records_from(next, range.end()).await?;
            next += page.len() as u64;
            for entry in &page {
                contents.bytes += line(range, entry).len() as u64 + 1;
                if !range.only_hashes {
                    contents.take(entry, &range.dates);
                }
            }
        }
        Ok(contents)
    }

    /// Records from `next` on: at least one, none from `end` on.
    pub(super) async fn records_from(&self, next: u64, end: u64) -> Result<Vec<Entry>, Error> {
        let most = usize::try_from(end - next).unwrap_or(PAGE).min(PAGE);
        let page = self.room.sessions.ledger().entries(next, most).await?;
        if page.is_empty() {
            return Err(ledger::Error::Damaged(format!("entry {next} is missing")).into());
        }
        Ok(page.iter().map(decode).collect::<Result<_, _>>()?)
    }

    /// The rows of a control, whose bytes together are known.
    async fn table(&self, range: &Range, control: Control, bytes: u64, out: &mut Out<'_>) -> Result<(), Error> {
        let head = control.head();
        out.begin(&bundle::population_name(control), head.len() as u64 + bytes).await?;
        out.content(head.into()).await?;
        let (mut next, mut left) = (range.first(), bytes);
        while left > 0 {
            let page = self.records_from(next, range.end()).await?;
            next += page.len() as u64;
            let rows: String = page.iter().filter_map(|entry| control.row(entry, &range.dates)).collect();
            left = left.saturating_sub(rows.len() as u64);
            out.content(rows.into()).await?;
        }
        out.end().await
    }

    async fn recording(
        &self,
        name: &str,
        extent: Extent,
        out: &mut Out<'_>,
        contents: &mut Contents,
    ) -> Result<(), Error> {
        let cast = bundle::recording_name(name);
        let Some(id) = name.rsplit('/').next().and_then(RecordingId::parse) else { return Ok(()) };
        let reader = self.room.sessions.recordings().reader(id).expecting(extent);
        let lengths = match lengths(&reader).await {
            Ok(lengths) => lengths,
            Err(recording::Error::Missing { frame: 0, .. }) => {
                contents.misses(cast, "not kept");
                return Ok(());
            }
            Err(error) if error.is_damage() => {
                contents.misses(cast, "damaged");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        out.whole(&bundle::frames_name(name), lengths.as_bytes()).await?;
        out.begin(&cast, extent.stored_bytes).await?;
        let mut frames = reader.frames();
        while let Some(frame) = frames.next().await? {
            out.content(frame.stored().clone()).await?;
        }
        out.end().await
    }
}

/// Lengths of the frames, a line each: all of them are there, and are those that the ledger says.
async fn lengths(reader: &Reader) -> Result<String, recording::Error> {
    let mut frames = reader.frames();
    let mut text = String::new();
    while let Some(frame) = frames.next().await? {
        let _ = writeln!(text, "{}", frame.stored().len());
    }
    Ok(text)
}

fn line(range: &Range, entry: &Entry) -> Bytes {
    match range.only_hashes {
        true => bundle::withheld(&entry.leaf()).into(),
        false => entry.bytes().clone(),
    }
}

impl Contents {
    fn take(&mut self, entry: &Entry, dates: &Dates) {
        for control in Control::ALL {
            if let Some(row) = control.row(entry, dates) {
                *self.tables.entry(control).or_default() += row.len() as u64;
            }
        }
        self.policies.extend(policies::named(entry));
        *self.counts.entry(entry.kind().to_owned()).or_default() += 1;
        self.texts.extend(entry.body().payloads().into_iter().map(|hash| (bundle::blob_name(&hash), hash)));
        // The last word of the period counts.
        self.recordings.extend(bundle::recorded(entry));
    }

    fn misses(&mut self, name: String, why: &str) {
        self.missing.push(Missing { name, why: why.to_owned() });
    }
}

/// The tar file on its way.
pub(super) struct Out<'a> {
    visit: &'a Visit<'a>,
    writer: Writer,
}

impl<'a> Out<'a> {
    pub(super) fn new(visit: &'a Visit<'a>) -> Self {
        Self { visit, writer: Writer::default() }
    }

    pub(super) async fn whole(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let bytes = self.writer.whole(name, content).map_err(super::Fault::from)?;
        self.send(bytes).await
    }

    async fn begin(&mut self, name: &str, size: u64) -> Result<(), Error> {
        let bytes = self.writer.begin(name, size).map_err(super::Fault::from)?;
        self.send(bytes).await
    }

    async fn content(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.writer.content(&bytes).map_err(super::Fault::from)?;
        self.send(bytes).await
    }

    async fn end(&mut self) -> Result<(), Error> {
        let bytes = self.writer.end().map_err(super::Fault::from)?;
        self.send(bytes).await
    }

    pub(super) async fn finish(&self) -> Result<(), Error> {
        self.send(Bytes::from_static(&bundle::END)).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Error> {
        self.visit.say.bytes(Stream::Stdout, bytes).await
    }
}
