//! Everything of a stored log against its checkpoint: each entry, each tile, each sequence number.
//!
//! Believes nothing but the key it is given. Names every fault by file and place.

use bytes::Bytes;

use super::checkpoint::{self, Checkpoint};
use super::entry::Entry;
use super::tiles::{Edge, WIDTH, bundle_name, decode_bundle};
use super::{CHECKPOINT, Error, entry, tail};
use crate::domain::Timestamp;
use crate::merkle;
use crate::store::Files;

/// What was checked and what was found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Size of the signed checkpoint.
    pub signed: u64,
    /// Entries behind it in the tail, durable and not yet signed.
    pub unsigned: u64,
    /// Bytes behind these: the end of a write that a crash cut short. The next start cuts them off.
    pub torn_bytes: u64,
    /// Every fault, with file and place.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Checks the whole log in `files`. Nobody may be writing to it.
pub async fn verify_log(files: &Files, key: &checkpoint::Key) -> Result<Report, Error> {
    verify_log_with(files, key, &mut |_, _| {}).await
}

/// Likewise; `each` sees every entry in order, with the size of the checkpoint. It may see entries that the report then
/// finds fault with: what it gathers counts only if the report is good.
pub async fn verify_log_with(
    files: &Files,
    key: &checkpoint::Key,
    each: &mut (dyn FnMut(&Entry, u64) + Send),
) -> Result<Report, Error> {
    let mut report = Report::default();
    let checkpoint = match files.read(CHECKPOINT).await? {
        None => None,
        Some(note) => match checkpoint::open(&note, key) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                report.faults.push(format!("{CHECKPOINT}: {error}"));
                return Ok(report);
            }
        },
    };
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    report.signed = size;
    let mut reading = Reading { edge: Edge::default(), time: None, signed: size, each };
    let mut at = 0;
    while at < size {
        let width = WIDTH.min(size - at);
        let name = bundle_name(at / WIDTH, width);
        let bundle = files.read(&name).await?.and_then(|bytes| decode_bundle(&bytes, width));
        let Some(entries) = bundle else {
            report.faults.push(format!("{name}: is missing or not a bundle of {width}"));
            return Ok(report);
        };
        for entry in entries {
            reading.take(&name, entry, &mut report);
        }
        compare_tiles(files, &mut reading, &mut report, at + width == size).await?;
        at += width;
    }
    if let Some(Checkpoint { root, .. }) = checkpoint
        && reading.edge.frontier().root() != root
    {
        report.faults.push(format!("{CHECKPOINT}: its root is not that of the {size} entries"));
    }
    check_tail(files, &mut reading, &mut report).await?;
    Ok(report)
}

async fn check_tail(files: &Files, reading: &mut Reading<'_>, report: &mut Report) -> Result<(), Error> {
    let found = tail::decode(&files.read(tail::NAME).await?.unwrap_or_default(), report.signed);
    let start = reading.edge.bundle_start();
    let bundle = reading.edge.bundle().to_vec();
    let mut next = start;
    for (index, bytes) in found.records {
        next = index + 1;
        let place = index.checked_sub(start).and_then(|place| usize::try_from(place).ok());
        if index == reading.edge.size() {
            reading.take(tail::NAME, bytes, report);
            report.unsigned += 1;
        } else if index > reading.edge.size() {
            report.faults.push(format!("{}: goes on with {index} after {}", tail::NAME, reading.edge.size()));
            return Ok(());
        } else if place.and_then(|place| bundle.get(place)).is_some_and(|known| *known != bytes) {
            report.faults.push(format!("{}: entry {index}: is not the one in the bundle", tail::NAME));
        }
    }
    if found.damaged {
        report.faults.push(format!("{}: entry {next}: is not what was written", tail::NAME));
    } else {
        report.torn_bytes = found.torn_bytes;
    }
    Ok(())
}

struct Reading<'a> {
    edge: Edge,
    time: Option<Timestamp>,
    signed: u64,
    each: &'a mut (dyn FnMut(&Entry, u64) + Send),
}

impl Reading<'_> {
    fn take(&mut self, name: &str, bytes: Bytes, report: &mut Report) {
        let index = self.edge.size();
        match entry::decode(&bytes) {
            Err(error) => report.faults.push(format!("{name}: entry {index}: {error}")),
            Ok(entry) => {
                if entry.seq() != index {
                    report.faults.push(format!("{name}: entry {index} says that it is {}", entry.seq()));
                }
                if self.time.is_some_and(|before| entry.time() < before) {
                    report.faults.push(format!("{name}: entry {index} is older than the one before it"));
                }
                self.time = Some(entry.time());
                (self.each)(&entry, self.signed);
            }
        }
        let leaf = merkle::leaf_hash(&bytes);
        self.edge.push(bytes, leaf);
    }
}

/// Stored tiles must be what the entries make of them; partial ones matter only at the checkpoint's size.
async fn compare_tiles(files: &Files, reading: &mut Reading<'_>, report: &mut Report, last: bool) -> Result<(), Error> {
    for (name, expected) in reading.edge.take() {
        if !last && name.contains(".p/") {
            continue;
        }
        match files.read(&name).await? {
            Some(found) if found == expected => {}
            Some(_) => report.faults.push(format!("{name}: is not what the entries make of it")),
            None => report.faults.push(format!("{name}: is missing")),
        }
    }
    Ok(())
}
