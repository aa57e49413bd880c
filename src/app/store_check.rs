//! Everything that is kept against the log, while the bastion is stopped: `store check`.

use std::path::Path;

use super::config::Config;
use super::mend::{LOG, STORE, is_ready};
use super::{ServeError, StartError, init};
use crate::domain::identity::Grouping;
use crate::domain::{Digest, Timestamp};
use crate::identity::audit::Audit;
use crate::ledger::{self, check::verify_log_with, checkpoint, entry};
use crate::recording::{self, Recordings, index::Index};
use crate::session::audit::{Found, Said};
use crate::session::recover;
use crate::signer::Signer;
use crate::store::{self, Blobs, Files, OpenError, Registers};

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: String,
    /// What.
    pub what: String,
    /// The mend.
    pub mend: &'static str,
}

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries of the log, the tail's included.
    pub entries: u64,
    /// Those behind the last checkpoint.
    pub unsigned: u64,
    /// Registers.
    pub registers: u64,
    /// Sessions in the index.
    pub sessions: u64,
    /// Recordings.
    pub recordings: u64,
    /// Their frames.
    pub frames: u64,
    /// Their bytes as stored.
    pub bytes: u64,
    /// Texts that stand outside their entries.
    pub texts: u64,
    /// All of them.
    pub faults: Vec<Fault>,
    /// What is no fault and worth knowing.
    pub notes: Vec<String>,
}

/// Told again and again: what is being looked at, how much of it, and how much there is.
pub type Progress<'a> = &'a mut (dyn FnMut(&'static str, u64, u64) + Send);

const LOG_MEND: &str = "bring back a copy of the log: nothing else can say what was in it";
const REBUILD: &str = "sallyport store rebuild";
const RECORDING_MEND: &str = "bring back the recording from a copy of the store; 'sallyport store rebuild' keeps what can be \
                              read and says in the log what is lost";

/// What the log says of everything else.
struct Replayed {
    said: Said,
    audit: Audit,
    texts: Vec<(u64, Digest)>,
    /// The last entry that says that texts were lost, and how many.
    lost: Option<(u64, u64)>,
    /// First entries of processes whose predecessor did not stop on purpose.
    crashes: Vec<u64>,
}

/// Checks everything in the state folder of this config.
pub async fn check(config: &Config, now: Timestamp, progress: Progress<'_>) -> Result<Report, ServeError> {
    let state = &config.state;
    let signer = Signer::open(&state.join(init::KEYS)).map_err(ServeError::Keys)?;
    let origin = init::read_origin(state)?;
    let key = checkpoint::Key::new(&origin, signer.log_key()).map_err(|e| StartError::from(ledger::Error::from(e)))?;
    let mut report = Report::default();
    // Opening what is missing would make it.
    if !state.join(LOG).is_dir() {
        report.fault(state.join(LOG).display(), "is missing", LOG_MEND);
        return Ok(report);
    }
    let files = store::disk(&state.join(LOG))?;
    let replayed = read_log(config, &files, &key, now, &mut report, progress).await.map_err(StartError::from)?;
    outside(config, &key, &mut report).await?;
    if !report.faults.is_empty() {
        report.notes.push("the log has faults, so nothing else was held against it".to_owned());
        return Ok(report);
    }
    if let Some((blobs, registers)) = open(&state.join(STORE), &mut report)? {
        everything(&replayed, &blobs, &registers, &mut report, progress).await?;
    }
    Ok(report)
}

async fn read_log(
    config: &Config,
    files: &Files,
    key: &checkpoint::Key,
    now: Timestamp,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<Replayed, ledger::Error> {
    // Groups are no matter of registers.
    let settings = super::identity_settings(config, Grouping::new(|_, _, _| Vec::new()));
    let audit = Audit::new(&settings, now);
    let (said, texts, crashes) = (Said::default(), Vec::new(), Vec::new());
    let mut replayed = Replayed { said, audit, texts, lost: None, crashes };
    let mut stopped = true;
    let mut each = |entry: &entry::Entry, signed: u64| {
        let at = entry.seq();
        if at.is_multiple_of(1024) {
            progress("log", at, signed);
        }
        replayed.said.take(entry);
        replayed.audit.take(entry);
        replayed.texts.extend(entry.body().payloads().into_iter().map(|hash| (at, hash)));
        match entry.kind() {
            "log.start" if !stopped => replayed.crashes.push(at),
            "store.rebuilt" => replayed.lost = entry.body().number("texts_lost").map(|lost| (at, lost)),
            _ => {}
        }
        stopped = entry.kind() == "log.stop";
        report.entries = at + 1;
    };
    let log = verify_log_with(files, key, &mut each).await?;
    progress("log", report.entries, report.entries);
    report.unsigned = log.unsigned;
    for fault in log.faults {
        let (at, what) = fault.split_once(": ").unwrap_or(("", &fault));
        report.fault(format!("{LOG}/{at}"), what, LOG_MEND);
    }
    if log.torn_bytes > 0 {
        let bytes = log.torn_bytes;
        report
            .notes
            .push(format!("{LOG}/tail: {bytes} bytes of a write that a crash cut short; the next start cuts them off"));
    }
    if !stopped && report.entries > 0 {
        replayed.crashes.push(report.entries);
    }
    Ok(replayed)
}

/// The copy of the last checkpoint outside the state folder.
async fn outside(config: &Config, key: &checkpoint::Key, report: &mut Report) -> Result<(), StartError> {
    let Some(path) = config.last_checkpoint_file.as_deref().filter(|path| path.exists()) else { return Ok(()) };
    let (folder, name) = super::last_checkpoint(path)?;
    let Some(note) = folder.read(&name).await? else { return Ok(()) };
    match checkpoint::open(&note, key) {
        Err(error) => {
            report.fault(path.display(), error, "bring back the file, or remove it if the log is known to be whole")
        }
        Ok(outside) if outside.size > report.entries => {
            let what = format!(
                "{} entries were signed, and the log has {}: it is an older copy",
                outside.size, report.entries
            );
            report.fault(path.display(), what, LOG_MEND);
        }
        Ok(_) => {}
    }
    Ok(())
}

fn open(path: &Path, report: &mut Report) -> Result<Option<(Blobs, Registers)>, OpenError> {
    if !is_ready(path) {
        report.fault(path.display(), "is missing, and the log has entries", REBUILD);
        return Ok(None);
    }
    match store::sled(path, &store::sled::Settings::default()) {
        Ok(both) => Ok(Some(both)),
        Err(OpenError::Damaged { what, .. }) => {
            report.fault(path.display(), what, REBUILD);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn everything(
    replayed: &Replayed,
    blobs: &Blobs,
    registers: &Registers,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), StartError> {
    progress("registers", 0, 1);
    match replayed.audit.compare(registers).await {
        Ok((count, faults)) => {
            report.registers = count;
            report.faults(faults, REBUILD);
        }
        Err(error) => report.fault("registers", chain(&error), REBUILD),
    }
    progress("registers", 1, 1);
    match replayed.said.check_index(&Index::new(registers.clone())).await {
        Ok(found) => {
            report.sessions = found.looked;
            report.faults(found.faults, REBUILD);
        }
        Err(error) => report.fault("index of sessions", chain(&error), REBUILD),
    }
    let recordings = Recordings::new(blobs.clone(), recording::Settings::default());
    let mut told = |done, total| progress("recordings", done, total);
    let found = replayed.said.check_recordings(&recordings, &mut told).await;
    let Found { looked, frames, bytes, faults, notes } = found.map_err(recover::Error::from)?;
    (report.recordings, report.frames, report.bytes) = (looked, frames, bytes);
    report.faults(faults, RECORDING_MEND);
    report.notes.extend(notes);
    texts(replayed, blobs, report, progress).await;
    Ok(())
}

async fn texts(replayed: &Replayed, blobs: &Blobs, report: &mut Report, progress: Progress<'_>) {
    let total = replayed.texts.len() as u64;
    let mut lost_before = 0;
    for ((at, hash), done) in replayed.texts.iter().zip(0..) {
        if done % 256 == 0 {
            progress("texts", done, total);
        }
        let what = match ledger::has_payload(blobs, hash).await {
            Ok(true) => continue,
            Ok(false) => "is missing, or has another hash".to_owned(),
            Err(error) => chain(&error),
        };
        // Text and entry become durable side by side, and the caller hears of both: a crash may come between.
        let crash = replayed.crashes.iter().find(|crash| **crash > *at).filter(|crash| **crash - *at <= IN_FLIGHT);
        match (replayed.lost, crash) {
            (Some((rebuilt, lost)), _) if *at < rebuilt && lost_before < lost => lost_before += 1,
            (_, Some(_)) => {
                report.notes.push(format!(
                    "text {hash} of entry {at}: was never stored; a crash came before it was acknowledged"
                ));
            }
            _ => report.fault(format!("text {hash} of entry {at}"), what, RECORDING_MEND),
        }
    }
    if let (Some((rebuilt, _)), 1..) = (replayed.lost, lost_before) {
        report.notes.push(format!("{lost_before} texts were lost before, as entry {rebuilt} says"));
    }
    report.texts = total;
    progress("texts", total, total);
}

/// Entries that may be under way at once when a process is killed.
const IN_FLIGHT: u64 = 1024;

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, at: impl ToString, what: impl ToString, mend: &'static str) {
        self.faults.push(Fault { at: at.to_string(), what: what.to_string(), mend });
    }

    fn faults(&mut self, found: Vec<(String, String)>, mend: &'static str) {
        found.into_iter().for_each(|(at, what)| self.fault(at, what, mend));
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
