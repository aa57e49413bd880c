//! A copy of the log, judged on any machine with nothing but its folder and keys from another road.
//!
//! Believes nothing of the folder, and reads no file of it that is longer than any of the layout.

use std::path::Path;

use super::{CHECKPOINT, NOTE_BYTES};
use crate::domain::Timestamp;
use crate::ledger::check::{Report, verify_log_with};
use crate::ledger::checkpoint::{self, Checkpoint};
use crate::ledger::entry::Entry;
use crate::ledger::trust::Trust;
use crate::ledger::verify::Verdict;
use crate::store;

/// What was found in a copy.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What of it can be believed.
    pub verdict: Verdict,
    /// Its checkpoint, if a log that is believed has signed it, and by which key.
    pub checkpoint: Option<(Checkpoint, String)>,
    /// Who has cosigned it, with the time in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
    /// Times of its first and last entry.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Every fault, with file and place.
    pub faults: Vec<String>,
}

/// Checks every entry and every hash of the copy in `dir` against its checkpoint, and that against the keys of `trust`.
/// `progress` hears how many of how many entries are read. The error says why the folder could not be read.
pub async fn verify(
    dir: &Path,
    trust: &Trust,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Verified, store::Error> {
    let files = store::look(dir);
    let mut found = Verified {
        verdict: Verdict::Tampered,
        checkpoint: None,
        witnesses: Vec::new(),
        times: None,
        faults: Vec::new(),
    };
    let Some(note) = files.read(CHECKPOINT).await? else {
        found.faults.push(format!("{CHECKPOINT}: is missing"));
        found.verdict = Verdict::Incomplete;
        return Ok(found);
    };
    if note.len() > NOTE_BYTES {
        found.faults.push(format!("{CHECKPOINT}: is longer than any checkpoint"));
        return Ok(found);
    }
    let origin = note.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let known = trust.logs.iter().filter(|key| key.name().as_bytes() == origin);
    let opened = known.map(|key| (key, checkpoint::open(&note, key)));
    // A log may have had more than one key.
    let (key, checkpoint) = match opened.reduce(|one, other| if one.1.is_ok() { one } else { other }) {
        None => {
            found.faults.push(format!("{CHECKPOINT}: is of a log that the trust file does not name"));
            return Ok(found);
        }
        Some((_, Err(cause))) => {
            found.faults.push(format!("{CHECKPOINT}: {cause}"));
            return Ok(found);
        }
        Some((key, Ok(checkpoint))) => (key, checkpoint),
    };
    let size = checkpoint.size;
    found.checkpoint = Some((checkpoint, key.to_string()));
    let mut enough = None;
    match trust.cosigned(&note) {
        Ok(cosigned) => {
            enough = cosigned.enough;
            found.witnesses = cosigned.signed.iter().map(|(name, time)| ((*name).to_owned(), *time)).collect();
        }
        Err(cause) => found.faults.push(format!("{CHECKPOINT}: {cause}")),
    }
    let mut times: Option<(Timestamp, Timestamp)> = None;
    let mut each = |entry: &Entry, _| {
        times = Some((times.map_or(entry.time(), |(first, _)| first), entry.time()));
        progress(entry.seq(), size);
    };
    match verify_log_with(&files, key, &mut each).await {
        Ok(Report { signed, faults, .. }) => {
            found.faults.extend(faults);
            if signed != size {
                found.faults.push(format!("{CHECKPOINT}: was replaced while it was read: do that again"));
            }
        }
        Err(crate::ledger::Error::Store(cause)) => return Err(cause),
        Err(cause) => found.faults.push(cause.to_string()),
    }
    found.times = times;
    found.verdict = match (found.faults.is_empty(), enough) {
        (false, _) => Verdict::Tampered,
        (true, None) => Verdict::VerifiedUnwitnessed,
        (true, Some(true)) => Verdict::Verified,
        (true, Some(false)) => Verdict::NoQuorum,
    };
    Ok(found)
}
