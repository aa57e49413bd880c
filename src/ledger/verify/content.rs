//! Records, and the texts and recordings that they speak of, one after the other as the bundle has them.

use std::collections::BTreeMap;
use std::io::Read;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use super::super::bundle::{self, Manifest, ReadError, Reader};
use super::super::checkpoint::{Checkpoint, Key};
use super::super::entry::{self, Entry};
use super::super::policies;
use super::super::population::{Control, Dates};
use super::super::succession::{self, Succeeded};
use super::Faults;
use super::bounds::Bounds;
use super::stamps::{PART_BYTES, Stamps};
use crate::domain::event::Extent;
use crate::domain::{Digest, Timestamp};
use crate::merkle::{self, Frontier};

/// What was read of them.
#[derive(Default)]
pub(super) struct Content {
    tree: Frontier,
    /// Whether the tree before the records is known.
    begun: bool,
    pub(super) times: Option<(Timestamp, Timestamp)>,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) withheld: u64,
    pub(super) recordings: u64,
    pub(super) texts: u64,
    pub(super) policies: u64,
    pub(super) populations: u64,
    /// Logs whose place this one has taken.
    pub(super) successions: Vec<Succeeded>,
    /// Stamps of authorities.
    pub(super) stamps: Stamps,
    /// Checkpoints that witnesses have signed.
    pub(super) bounds: Bounds,
    /// What the tables must come to; none in bundles that have none.
    tables: Option<Tables>,
    /// Files that records speak of and that have not come yet.
    wanted: BTreeMap<String, Wanted>,
    /// Lengths of the next recording's frames.
    frames: Option<(String, Vec<u64>)>,
}

#[derive(Debug)]
struct Wanted {
    /// The record that speaks of it.
    seq: u64,
    what: What,
}

/// A digest for each table, made from the records as they come.
struct Tables {
    dates: Dates,
    digests: Vec<(Control, Context)>,
}

impl Tables {
    fn new(dates: Dates) -> Self {
        let begun = |control: Control| {
            let mut digest = Context::new(&SHA256);
            digest.update(control.head().as_bytes());
            (control, digest)
        };
        Self { dates, digests: Control::ALL.into_iter().map(begun).collect() }
    }

    fn take(&mut self, entry: &Entry) {
        for (control, digest) in &mut self.digests {
            if let Some(row) = control.row(entry, &self.dates) {
                digest.update(row.as_bytes());
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Text(Digest),
    Policy(Digest),
    Population(Digest),
    Recording(Extent),
}

const BUFFER_BYTES: usize = 64 * 1024;
/// Longest list of frames: a recording of the largest size with frames of a hundred bytes.
const FRAMES_BYTES: u64 = 64 * 1024 * 1024;
const WITHHELD: (&[u8], &[u8]) = (b"{\"withheld\":\"", b"\"}");

impl Content {
    pub(super) fn begin(&mut self, tree: Frontier, mut bounds: Bounds, faults: &mut Faults) {
        bounds.begin(&tree, faults);
        self.bounds = bounds;
        self.tree = tree;
        self.begun = true;
    }

    /// The bundle says its dates, and so has tables and policies.
    pub(super) fn expect_tables(&mut self, dates: Dates) {
        self.tables = Some(Tables::new(dates));
    }

    /// Index behind the last record.
    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Reads the records, of which the first must be number `first`.
    pub(super) fn records<R: Read>(
        &mut self,
        first: u64,
        reader: &mut Reader<R>,
        progress: &mut dyn FnMut(u64),
        faults: &mut Faults,
    ) -> Result<(), ReadError> {
        if !self.begun {
            // Without the tree before them only their form can be told.
            self.tree =
                Frontier::of(first, vec![merkle::empty_root(); first.count_ones() as usize]).unwrap_or_default();
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut line = Vec::new();
        loop {
            let count = reader.read(&mut buffer)?;
            progress(reader.position());
            let mut rest = buffer.get(..count).unwrap_or_default();
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (part, after) = rest.split_at(end);
                line.extend_from_slice(part);
                self.record(&std::mem::take(&mut line).into(), faults);
                rest = after.get(1..).unwrap_or_default();
            }
            line.extend_from_slice(rest);
            if line.len() > entry::MAX_BYTES {
                let place = format!("{}: record {}", bundle::RECORDS, self.size());
                return Err(ReadError::Form { place, what: "is longer than a record can be" });
            }
            if count == 0 {
                break;
            }
        }
        if !line.is_empty() {
            faults.wrong(&format!("{}: record {}", bundle::RECORDS, self.size()), "does not end with a newline");
        }
        // Whoever withholds records withholds what follows from them.
        if let Some(tables) = self.tables.take().filter(|_| self.withheld == 0) {
            for (control, digest) in tables.digests {
                let what = What::Population(bundle::digest(digest));
                self.wanted.insert(bundle::population_name(control), Wanted { seq: self.size(), what });
            }
        }
        Ok(())
    }

    fn record(&mut self, line: &Bytes, faults: &mut Faults) {
        let index = self.size();
        let place = || format!("{}: record {index}", bundle::RECORDS);
        if let Some(leaf) = withheld(line) {
            self.withheld += 1;
            self.push(leaf);
            return self.bounds.reach(&self.tree, faults);
        }
        self.push(merkle::leaf_hash(line));
        let entry = match entry::decode(line) {
            Ok(entry) => entry,
            Err(error) => {
                self.bounds.reach(&self.tree, faults);
                return faults.wrong(&place(), error.to_string());
            }
        };
        if entry.seq() != index {
            faults.wrong(&place(), format!("says that it is {}", entry.seq()));
        }
        let time = entry.time();
        if self.times.is_some_and(|(_, last)| time < last) {
            faults.wrong(&place(), "is older than the one before it");
        }
        self.times = Some((self.times.map_or(time, |(first, _)| first), time));
        self.bounds.record(time, index, faults);
        self.bounds.reach(&self.tree, faults);
        *self.counts.entry(entry.kind().to_owned()).or_default() += 1;
        match succession::read(&entry) {
            Some(Ok(succeeded)) => self.successions.push(succeeded),
            Some(Err(what)) => faults.wrong(&place(), what),
            None => {}
        }
        self.stamps.record(&entry, faults);
        self.speaks_of(&entry, faults);
    }

    fn push(&mut self, leaf: Digest) {
        self.stamps.leaf(&self.tree, leaf);
        self.tree.push(leaf);
    }

    fn speaks_of(&mut self, entry: &Entry, faults: &mut Faults) {
        let seq = entry.seq();
        if let Some(tables) = &mut self.tables {
            tables.take(entry);
            for digest in policies::named(entry) {
                let what = What::Policy(digest);
                self.wanted.entry(bundle::policy_name(&digest)).or_insert(Wanted { seq, what });
            }
        }
        for hash in entry.body().payloads() {
            self.wanted.entry(bundle::blob_name(&hash)).or_insert(Wanted { seq, what: What::Text(hash) });
        }
        match bundle::recorded(entry) {
            // The last word counts.
            Some((recording, extent)) => {
                self.wanted.insert(bundle::recording_name(&recording), Wanted { seq, what: What::Recording(extent) });
            }
            None if bundle::RECORDED.contains(&entry.kind()) => {
                let place = format!("{}: record {seq}", bundle::RECORDS);
                faults.wrong(&place, "does not say how much of the recording is stored");
            }
            None => {}
        }
    }

    /// A file behind the records.
    pub(super) fn file<R: Read>(
        &mut self,
        name: &str,
        size: u64,
        reader: &mut Reader<R>,
        progress: &mut dyn FnMut(u64),
        key: Option<&Key>,
        faults: &mut Faults,
    ) -> Result<(), ReadError> {
        if let Some(recording) = name.strip_suffix(".frames") {
            let cast = format!("{recording}.cast.zst");
            let content = reader.whole(FRAMES_BYTES)?;
            let frames = content.as_deref().and_then(lengths);
            if !self.wanted.contains_key(&cast) || self.frames.is_some() {
                faults.wrong(name, "belongs to no recording that a record of the period speaks of");
            }
            match frames {
                Some(frames) => self.frames = Some((cast, frames)),
                None => faults.wrong(name, "is not a list of lengths"),
            }
            return Ok(());
        }
        match self.wanted.get(name) {
            Some(Wanted { seq, what: What::Recording(extent) }) => {
                let (seq, extent) = (*seq, *extent);
                let frames = self.frames.take().filter(|(cast, _)| cast == name).map(|(_, frames)| frames);
                let (frames, root) = tree(&frames.unwrap_or_default(), reader, progress)?;
                if (frames, size, root) == (extent.frames, extent.stored_bytes, extent.root) {
                    self.recordings += 1;
                } else {
                    faults.wrong(name, format!("is not the recording that record {seq} speaks of"));
                }
            }
            // One that is longer than any part of a stamp is judged as a text is.
            Some(Wanted { what: What::Text(hash), .. }) if self.stamps.wants(hash) => {
                if let Some(stored) = reader.whole(PART_BYTES)? {
                    self.stamps.text(hash, &stored, key);
                }
            }
            Some(_) => {}
            None => faults.wrong(name, "is nothing that a record of the period speaks of"),
        }
        Ok(())
    }

    /// A file was read whole, and this is its digest.
    pub(super) fn digest(&mut self, name: &str, digest: &Digest, faults: &mut Faults) {
        match self.wanted.remove(name) {
            Some(Wanted { seq, what: What::Text(hash) }) if hash != *digest => {
                faults.wrong(name, format!("is not the text that record {seq} speaks of"));
            }
            Some(Wanted { seq, what: What::Policy(named) }) if named != *digest => {
                faults.wrong(name, format!("is not the policy that record {seq} speaks of"));
            }
            Some(Wanted { what: What::Population(table), .. }) if table != *digest => {
                faults.wrong(name, "is not the table that follows from the records");
            }
            Some(Wanted { what: What::Text(_), .. }) => self.texts += 1,
            Some(Wanted { what: What::Policy(_), .. }) => self.policies += 1,
            Some(Wanted { what: What::Population(_), .. }) => self.populations += 1,
            Some(Wanted { what: What::Recording(_), .. }) | None => {}
        }
    }

    /// All records, against the checkpoint behind them.
    pub(super) fn compare_root(&self, behind: &Checkpoint, faults: &mut Faults) {
        let size = self.size();
        if size < behind.size {
            let what = format!("ends at {size}, and {} is over {}", bundle::CHECKPOINT_B, behind.size);
            faults.gap(bundle::RECORDS, what);
        } else if self.begun && (size, self.tree.root()) != (behind.size, behind.root) {
            let place = bundle::RECORDS;
            if !faults.is_named(place) {
                faults
                    .wrong(place, format!("has another root than {}: a record is not as it was", bundle::CHECKPOINT_B));
            }
        }
    }

    /// All of it, against what the bundle says of itself.
    pub(super) fn compare(&mut self, manifest: &Manifest, faults: &mut Faults) {
        if (&manifest.counts, manifest.withheld) != (&self.counts, self.withheld) {
            faults.wrong(bundle::MANIFEST, "counts the records otherwise");
        }
        for missing in &manifest.missing {
            let is_table = |wanted: &Wanted| matches!(wanted.what, What::Population(_));
            // A table follows from the records that are here: there is no reason why it should not be.
            if self.wanted.get(&missing.name).is_some_and(is_table) {
                continue;
            }
            if self.wanted.remove(&missing.name).is_none() {
                faults.wrong(&missing.name, "is said to be missing, and is not");
            }
        }
        for (name, wanted) in std::mem::take(&mut self.wanted) {
            if !faults.is_named(&name) {
                let why = match wanted.what {
                    What::Population(_) => "follows from the records".to_owned(),
                    _ => format!("record {} speaks of it", wanted.seq),
                };
                faults.gap(&name, format!("is not in the bundle, and {why}"));
            }
        }
    }
}

/// `{"withheld":"<leaf hash>"}`, in exactly this spelling.
fn withheld(line: &[u8]) -> Option<Digest> {
    let hash = line.strip_prefix(WITHHELD.0)?.strip_suffix(WITHHELD.1)?;
    let hash = std::str::from_utf8(hash).ok()?;
    Digest::parse(hash).filter(|digest| digest.to_string() == hash)
}

/// A number a line, none of them 0.
fn lengths(content: &[u8]) -> Option<Vec<u64>> {
    let text = std::str::from_utf8(content).ok().filter(|text| text.is_empty() || text.ends_with('\n'))?;
    let number = |line: &str| line.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == line);
    text.split_terminator('\n').map(number).collect()
}

/// How many frames of these lengths the file is, and the root over them; 0 frames if it is no row of them.
fn tree<R: Read>(
    frames: &[u64],
    reader: &mut Reader<R>,
    progress: &mut dyn FnMut(u64),
) -> Result<(u64, Digest), ReadError> {
    let mut tree = Frontier::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    for length in frames {
        let mut leaf = Context::new(&SHA256);
        leaf.update(&[0]);
        let mut left = *length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER_BYTES);
            let count = reader.read(buffer.get_mut(..most).unwrap_or_default())?;
            if count == 0 {
                return Ok((0, merkle::empty_root()));
            }
            leaf.update(buffer.get(..count).unwrap_or_default());
            left -= count as u64;
        }
        tree.push(bundle::digest(leaf));
        progress(reader.position());
    }
    Ok((tree.size(), tree.root()))
}
